"""Recorded candles as the market of a rehearsal: read, turned into base units, begun at the moment asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from adapters.candles import Candle, in_base_units
from executor.cli.moments import moment
from executor.domain.plan import Plan
from executor.errors import InputRefused
from executor.market.candles import load
from executor.report.market_seen import Market, from_candles

VolumeUnit = Literal["base", "quote"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Recording:
    """Which candles a simulated market follows. ``volume_unit``: what the file's volume counts (``base``: coins, as at
    Binance; ``quote``: money, as FTX counted). ``begin``: the market begins with the candle in which this lies; without
    it at the start of the plan, if the plan names one that is in the file, else with the first candle."""

    path: Path
    volume_unit: VolumeUnit
    begin: datetime | None = None

    def candles(self, plan: Plan) -> list[Candle]:
        """The candles from the beginning on, volumes in base units. Raises ``InputRefused``."""
        found = load(self.path).candles
        begin = self.begin
        if begin is None and plan.starts_at is not None and found[0].at <= plan.starts_at <= found[-1].at:
            begin = plan.starts_at
        candles = list(in_base_units(found if begin is None else _from(found, begin), self.volume_unit))
        if len(candles) < 2:
            raise InputRefused(
                f"--from: only {len(candles)} candles of {self.path} are left from there; the file has "
                f"{found[0].at:%Y-%m-%d %H:%M} to {found[-1].at:%Y-%m-%d %H:%M} UTC"
            )
        return candles


def _from(candles: Sequence[Candle], begin: datetime) -> Sequence[Candle]:
    if begin < candles[0].at:
        raise InputRefused(f"--from: the candles begin at {candles[0].at:%Y-%m-%d %H:%M} UTC only; give a later moment")
    later = [number for number, candle in enumerate(candles) if candle.at > begin]
    return candles[max(later[0] - 1, 0) :] if later else ()


def recording(market: Path | None, volume_unit: VolumeUnit | None, begin: str | None) -> Recording | None:
    """What the three options say. Raises ``InputRefused`` when they do not fit together."""
    if market is None:
        if volume_unit is not None or begin is not None:
            raise InputRefused("--volume-unit and --from belong to --market; name a candle file, or leave them out")
        return None
    return Recording(market, volume_unit or "base", moment("--from", begin) if begin is not None else None)


volume_unit_option = click.option(
    "--volume-unit",
    type=click.Choice(["base", "quote"]),
    help="What the file's volume counts: coins (base, the default) or money (quote, as at FTX).",
)


def market_seen(market: Path | None, volume_unit: VolumeUnit | None) -> Market | None:
    """The market of a candle file, to hold a sale against. Raises ``InputRefused``."""
    if market is not None:
        return from_candles(load(market), volume_unit or "base")
    if volume_unit is not None:
        raise InputRefused("--volume-unit belongs to --market; name a candle file, or leave it out")
    return None


def market_options(command: F) -> F:
    """The options ``--market``, ``--volume-unit`` and ``--from``."""
    options = (
        click.option("--market", type=click.Path(path_type=Path, dir_okay=False), help="Candles to replay (CSV, .gz)."),
        volume_unit_option,
        click.option(
            "--from", "begin", help="Begin the replay here (UTC), for example 2022-01-20 or 2022-01-20T08:00."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


benchmark_option = click.option(
    "--benchmark",
    "averages",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The record of an average that a price rule names (`benchmark compute --json`); one for each trade date.",
)
