"""`executor dry-run` and `executor demo`: the real engine and adapters on mocked venues, under a virtual clock."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click

from adapters.candles import Candle
from adapters.clock import LoopClock
from adapters.mock.tape import TapeExhausted
from adapters.mock.world import Credit, MockWorld, WorldSpec
from config.mandates import load_mandate
from executor.cli.compose import finish, mocked, observer, settings_for
from executor.cli.output import Display, display
from executor.cli.planning import think_through
from executor.cli.recording import recording
from executor.cli.replay import Recording, VolumeUnit, benchmark_option, market_options
from executor.cli.replay import recording as recording_of
from executor.domain.plan import Mandate, Plan
from executor.engine.long_run import long_run
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.engine.tuning import Tuning
from executor.engine.virtual_time import run_virtual
from executor.errors import ExecutorError, InputRefused
from executor.exit_codes import ExitCode
from executor.journal.journal import Journal
from executor.journal.memory import MemoryStore
from executor.journal.open import open_store
from executor.market.benchmark import BenchmarkRecord, read_record

DEMO = Path(__file__).parents[2] / "config" / "examples" / "beijing-500btc.toml"
# Where the simulated market begins when no candles are given. A rehearsal must give the same result on any day.
_START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
# A person who wants to stop a rehearsal has seconds of real time, which are hours of its own: looking once a minute for
# holds, and not once a second, takes a quarter off its cost.
REHEARSAL = Tuning(control=timedelta(minutes=1))
_WARM_UP_PX_ABOVE_FLOOR = Decimal("1.1")


@click.command("dry-run")
@click.argument("mandate", type=click.Path(path_type=Path, dir_okay=False))
@market_options
@click.option("--start-px", help="Price at which the simulated market begins; default 10 % above the floor.")
@click.option("--seed", type=click.IntRange(min=0), help="Another market and schedule than the plan's own seed.")
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), help="Keep the record in this new file.")
@benchmark_option
@click.option(
    "--planning", is_flag=True, help="In memory, without the wire: how long a plan of months takes, and what it costs."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; the last is the summary.")
def dry_run(
    mandate: Path,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    begin: str | None,
    start_px: str | None,
    seed: int | None,
    journal: Path | None,
    as_json: bool,
    averages: tuple[Path, ...],
    planning: bool,
) -> int:
    """Rehearse MANDATE on mocked venues: same engine, same adapters, same bytes on the wire, virtual time.

    \b
    executor dry-run config/examples/beijing-500btc.toml
    executor dry-run config/examples/nation-190000btc.toml --planning --start-px 95000
    executor dry-run my-mandate.toml --market candles.csv.gz --volume-unit base --from 2024-11-21 --json
    """
    if planning and (market is not None or journal is not None):
        raise InputRefused("--planning replays no candles and keeps no record: leave out --market and --journal")
    if planning:
        found = [read_record(each) for each in averages]
        return plan_ahead(mandate, start_px=start_px, seed=seed, as_json=as_json, averages=found)
    market_of = recording_of(market, volume_unit, begin)
    return rehearse(
        mandate,
        market=market_of,
        start_px=start_px,
        seed=seed,
        journal=journal,
        as_json=as_json,
        averages=[read_record(each) for each in averages],
    )


@click.command("demo")
@click.option("--seed", type=click.IntRange(min=0), help="Another market and schedule.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; the last is the summary.")
def demo(seed: int | None, as_json: bool) -> int:
    """Sell 500 BTC in an eight-hour plan on mocked OSL and HashKey: quotes and TWAP slices, in seconds."""
    if not as_json:
        click.echo("Selling 500 BTC in eight hours of virtual time on mocked OSL and HashKey ...", err=True)
    return rehearse(DEMO, market=None, start_px="100000", seed=seed, journal=None, as_json=as_json)


def plan_ahead(
    mandate_path: Path, *, start_px: str | None, seed: int | None, as_json: bool, averages: Sequence[BenchmarkRecord]
) -> int:
    """Think a mandate through in the planning mode and show it. Returns the exit code."""
    mandate, plan = _loaded(mandate_path, seed)
    spec, shown = world_of(mandate, plan, None, start_px), display(as_json)
    try:
        return int(run_virtual(think_through(mandate, plan, spec, shown, REHEARSAL, averages)))
    finally:
        shown.close()


def _loaded(mandate_path: Path, seed: int | None) -> tuple[Mandate, Plan]:
    mandate, plan = load_mandate(mandate_path)
    return mandate, plan if seed is None else plan.model_copy(update={"seed": seed})


def rehearse(
    mandate_path: Path,
    *,
    market: Recording | None,
    start_px: str | None,
    seed: int | None,
    journal: Path | None,
    as_json: bool,
    averages: Sequence[BenchmarkRecord] = (),
) -> int:
    """Run a mandate in virtual time and show it. Returns the exit code."""
    mandate, plan = _loaded(mandate_path, seed)
    candles = market.candles(plan) if market is not None else None
    spec = world_of(mandate, plan, candles, start_px)
    if journal is not None and ":/" in journal.as_posix():
        raise InputRefused("--journal: a rehearsal keeps its record in a file, never in a database of real ones")
    if journal is not None and journal.exists():
        raise InputRefused(f"{journal} exists already; a rehearsal keeps its record in a new file")
    shown = display(as_json)
    try:
        return int(run_once(mandate, plan, spec, shown, journal, averages))
    finally:
        shown.close()


def run_once(
    mandate: Mandate,
    plan: Plan,
    spec: WorldSpec,
    shown: Display,
    journal: Path | None = None,
    averages: Sequence[BenchmarkRecord] = (),
) -> ExitCode:
    """Run a plan in the world of ``spec``, in virtual time, under these averages. Its record is thrown away unless
    ``journal`` keeps it."""
    try:
        with long_run():
            return run_virtual(_run(mandate, plan, spec, journal, shown, averages))
    except TapeExhausted as error:
        raise InputRefused(f"--market: the candles end before the plan does ({error}); give a longer file") from None


async def _run(
    mandate: Mandate,
    plan: Plan,
    spec: WorldSpec,
    place: Path | None,
    shown: Display,
    averages: Sequence[BenchmarkRecord],
) -> ExitCode:
    """The record is kept at ``place``, or, without one, in memory for as long as the rehearsal lasts."""
    settings = settings_for(quiet=True)
    clock = LoopClock(spec.start)
    world = MockWorld(spec, clock)
    venues = mocked(world, settings, plan.venues, clock)
    journal = Journal(MemoryStore() if place is None else open_store(place), threaded=False)
    try:
        told = observer(shown)
        async with nullcontext(told) if place is None else recording(place, clock, told, threaded=False) as told:
            await prepare_rehearsal(journal, mandate, plan, clock.now(), averages)
            runner = Runner(mandate, plan, venues, journal, clock, observer=told, tuning=REHEARSAL, owner="dry-run")
            return await _sold(runner, shown)
    finally:
        await journal.aclose()


async def _sold(runner: Runner, shown: Display) -> ExitCode:
    try:
        state = await runner.run()
    except ExecutorError:
        if runner.state.created is not None:
            finish(runner.state, shown, {})
        raise
    finally:
        await runner.aclose()
    return finish(state, shown, {})


def world_of(mandate: Mandate, plan: Plan, candles: list[Candle] | None, start_px: str | None) -> WorldSpec:
    """The simulated world in which a plan is rehearsed. Raises ``InputRefused`` for a price that is none."""
    try:
        px = Decimal(start_px) if start_px else plan.floor_px * _WARM_UP_PX_ABOVE_FLOOR
    except ArithmeticError:
        raise InputRefused(f"--start-px: '{start_px}' is not a number") from None
    if not px.is_finite() or px <= 0:
        raise InputRefused(f"--start-px: {start_px} must be above zero")
    start = candles[0].at if candles else plan.starts_at or _START
    credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in mandate.credited]
    return WorldSpec(plan.asset, plan.quote_asset, plan.seed, start, px, credits, candles)
