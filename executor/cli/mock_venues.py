"""`executor mock-venues`: mocked OSL and HashKey on sockets of this machine, over one simulated market."""

import asyncio
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import uvicorn

from adapters.clock import SystemClock
from adapters.mock.world import Credit, MockWorld, WorldSpec, world_start
from config.mandates import load_mandate
from executor.cli.dry_run import DEMO
from executor.cli.replay import VolumeUnit, market_options, recording
from executor.domain.money import parse_amount
from executor.errors import ExecutorError, InputRefused

HOST = "127.0.0.1"


@click.command("mock-venues")
@click.option(
    "--port", type=click.IntRange(1, 65534), default=18080, show_default=True, help="OSL; HashKey is on the next."
)
@click.option(
    "--mandate",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEMO,
    help="Whose credited coins the purses hold.",
)
@market_options
@click.option("--start-px", default="100000", show_default=True, help="Price at which a market without candles begins.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Which market.")
@click.option("--json", "as_json", is_flag=True, help="Say where they listen as one JSON object.")
def mock_venues(
    port: int,
    mandate: Path,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    begin: str | None,
    start_px: str,
    seed: int,
    as_json: bool,
) -> None:
    """Serve both mocked venues until Ctrl-C. The keys are fixed and public; `executor run --on mock` knows them.

    With --market the recorded candles are replayed on the wall clock, as if the first of them (or the one of --from)
    had opened a minute ago."""
    entrusted, plan = load_mandate(mandate)
    try:
        px = parse_amount(start_px)
    except ValueError as error:
        raise InputRefused(f"--start-px: {error}") from None
    clock = SystemClock()
    credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in entrusted.credited]
    replayed = recording(market, volume_unit, begin)
    spec = WorldSpec(
        plan.asset,
        plan.quote_asset,
        seed,
        world_start(clock.now()),
        px,
        credits,
        replayed.candles(plan) if replayed is not None else None,
        latency=timedelta(0),
    )
    world = MockWorld(spec, clock)
    names = ["osl", "hashkey"]
    sockets = [_listen(port + offset) for offset in range(len(names))]
    places = {name: f"http://{HOST}:{port + offset}" for offset, name in enumerate(names)}
    click.echo(json.dumps(places) if as_json else "\n".join(f"{name} {url}" for name, url in places.items()))
    by_port = {port + offset: world.apps[name] for offset, name in enumerate(names)}
    asyncio.run(_serve(by_port, sockets))


async def _serve(by_port: dict[int, Any], sockets: list[socket.socket]) -> None:
    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await by_port[scope["server"][1]](scope, receive, send)

    config = uvicorn.Config(dispatch, lifespan="off", log_config=None, access_log=False)
    await uvicorn.Server(config).serve(sockets=sockets)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ExecutorError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None
    listener.listen(100)
    return listener
