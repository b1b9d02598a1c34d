"""`executor run`: sell a mandate's holding on venues reached over sockets, on the wall clock."""

import asyncio
import signal
from contextlib import AbstractContextManager, closing
from pathlib import Path

import click

from adapters.clock import SystemClock
from config.journal_path import journal_path
from config.mandates import load_mandate
from executor.cli.compose import Kind, connected, finish, observer, settings_for
from executor.cli.journal_option import journal_option
from executor.cli.output import Display, display
from executor.cli.recording import recording
from executor.domain.ids import frozen_plan, parent_id, plan_hash
from executor.domain.plan import Mandate, Plan
from executor.engine.approval import Approval, require_approval
from executor.engine.holdings import CaseCoins, sold_from_case
from executor.engine.long_run import long_run
from executor.engine.parent_log import stream_of
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.engine.sole_run import sole_run
from executor.errors import ExecutorError, InputRefused, NotApproved
from executor.exit_codes import ExitCode
from executor.journal.holds import check_holds
from executor.journal.journal import Journal
from executor.journal.open import Place, open_reading, open_store


@click.command("run")
@click.argument("mandate", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--on",
    "kind",
    type=click.Choice(["mock", "sandbox", "production"]),
    required=True,
    help="Which venues: the profiles <venue>-mock, <venue>-sandbox or <venue> of the venues directory.",
)
@journal_option
@click.option(
    "--rehearse", is_flag=True, help="Let stand-ins approve the plan: simulated venues only, in a journal of its own."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; the last is the summary.")
def run(mandate: Path, kind: Kind, journal: Place | None, rehearse: bool, as_json: bool) -> int:
    """Sell MANDATE's holding by its plan. Ctrl-C stops in good order: resting orders are cancelled and the record is
    complete; the same command goes on where it stopped. A second Ctrl-C leaves at once.

    Coins of the case are reserved for the plan at the start; at the end what was sold is moved to sold and the rest
    given back. The plan must have been frozen and approved by two people (`executor plan`), on mocked venues too. With
    --rehearse stand-ins approve it: that is refused at any venue that does not say of itself that it is simulated."""
    if rehearse and kind != "mock":
        raise InputRefused(f"--rehearse is for --on mock: at {kind} venues two people must approve the plan")
    entrusted, plan = load_mandate(mandate)
    if not rehearse and isinstance(place := journal_path(journal), Path) and not place.is_file():
        # Said before keys are asked for and before a journal is made: the engine would refuse just the same.
        raise NotApproved(
            "the plan is not approved by two people: there is no journal; `executor mandate accept` comes first"
        )
    shown = display(as_json)
    try:
        with long_run():
            return int(asyncio.run(_run(entrusted, plan, kind, journal_path(journal), rehearse, shown)))
    finally:
        shown.close()


async def _run(mandate: Mandate, plan: Plan, kind: Kind, place: Place, rehearse: bool, shown: Display) -> ExitCode:
    clock = SystemClock()
    settings = settings_for(quiet=False)
    journal = Journal(open_store(place), threaded=True)
    try:
        with closing(open_reading(place)) as reading:
            check_holds(reading)
        if rehearse:
            await prepare_rehearsal(journal, mandate, plan, clock.now())
        # The engine asks again; asked here it is said before the venues' keys are looked for.
        approved = plan_hash(frozen_plan(mandate.case_id, plan.model_dump(mode="json")))
        approval = Approval(journal, mandate.case_id, approved)
        approval.reread()
        begun = any(True for _ in journal.read(stream_of(parent_id(mandate.case_id, plan.asset, approved))))
        coins = CaseCoins(journal, mandate.case_id, plan, approved, clock)
        if not begun and approval.over(clock.now()):  # a run that died before it began has left its coins reserved
            await coins.release()
        if not begun:  # what was begun the engine settles first, whoever may go on with it
            await require_approval(journal, approval, "run", clock)
        venues = connected(settings, plan.venues, kind, clock)
        runner: Runner

        def stop() -> None:
            runner.stop.set()

        async with recording(place, clock, observer(shown), threaded=True, on_fault=stop) as told:
            runner = Runner(mandate, plan, venues, journal, clock, observer=told, reserve=coins.reserve)
            return await _sold(runner, coins, place, shown)
    finally:
        await journal.aclose()


async def _sold(runner: Runner, coins: CaseCoins, place: Place, shown: Display) -> ExitCode:
    try:
        with _sole(place, runner.parent_id):
            _stop_on_signals(runner)
            state = await sold_from_case(runner, coins)
    except ExecutorError:
        if runner.state.created is not None:
            finish(runner.state, shown, {})
        raise
    finally:
        await runner.aclose()
    return finish(state, shown, {})


def _sole(place: Place, parent_id: str) -> AbstractContextManager[None]:
    """A journal on a file has its lock beside it, a database has its own."""
    if isinstance(place, Path):
        return sole_run(place, parent_id)
    from executor.workers.sole_run import sole_run_on  # needs the driver, which only a database does

    return sole_run_on(place, parent_id)


def _stop_on_signals(runner: Runner) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        runner.stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        click.echo("executor: stopping: cancelling what rests; once more to leave at once", err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
