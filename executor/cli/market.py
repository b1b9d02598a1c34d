"""`executor market fetch`: candles from exchanges into files, resumable."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from adapters.clock import SystemClock
from executor.cli.moments import moment
from executor.market.fetch import CcxtSource, Progress, Wanted, fetch

_LINES = 20  # how many lines tell of one exchange where there is no terminal


@click.group("market")
def market() -> None:
    """Market data for benchmarks."""


@market.command("fetch")
@click.option("--exchange", "exchanges", multiple=True, required=True, help="ccxt's name of an exchange; repeatable.")
@click.option("--pair", required=True, help="As ccxt writes it, for example BTC/USDT.")
@click.option("--candle", required=True, help="Length of a candle: 1m, 5m, 1h, 1d.")
@click.option("--since", required=True, help="First candle (UTC), for example 2024-11-01 or 2024-11-01T08:00.")
@click.option("--until", required=True, help="End (UTC); the candle that opens here is not fetched.")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the files."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object an exchange.")
def fetch_command(
    exchanges: tuple[str, ...], pair: str, candle: str, since: str, until: str, folder: Path, as_json: bool
) -> None:
    """Fetch candles of PAIR from one or several exchanges, one file each. Interrupted, the same command continues.

    \b
    executor market fetch --exchange binance --exchange kraken --pair BTC/USDT --candle 5m \\
        --since 2024-11-01 --until 2024-11-25 --to candles

    Needs ccxt: pip install 'disposal-executor[market]'."""
    wanted = Wanted(pair, candle, moment("--since", since), moment("--until", until))
    now = SystemClock().now()
    wanted.check(now)
    sources = [CcxtSource(name) for name in dict.fromkeys(exchanges)]
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        with _progress(source.name, wanted) as told:
            done = fetch(source, wanted, folder, now, told)
        if done.missing:
            click.echo(f"{done.exchange}: {done.missing} candles were not given; a benchmark will name them", err=True)
        values = {"exchange": done.exchange, "file": str(done.path), "candles": done.candles, "missing": done.missing}
        click.echo(json.dumps(values) if as_json else f"{done.path}  {done.candles} candles, {done.missing} missing")


@contextmanager
def _progress(exchange: str, wanted: Wanted) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere one line to stderr per interval of the period."""
    span = wanted.until - wanted.since
    if not sys.stderr.isatty():
        told = 0

        def line(_name: str, up_to: datetime) -> None:
            nonlocal told
            step = (up_to - wanted.since) * _LINES // span
            if step > told:
                told = step
                click.echo(f"{exchange}: up to {up_to:%Y-%m-%d %H:%M}Z, {step * 100 // _LINES} %", err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(exchange, total=span // wanted.length)
        yield lambda _name, up_to: bar.update(task, completed=(up_to - wanted.since) // wanted.length)
