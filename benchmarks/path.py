"""The whole path of child orders on a durable journal: decide, guards, intent, a stub of a venue, result.

Real time, real disk, the engine's own slice after slice without waiting for a schedule, so that the journal is never
without work. The venue answers at once: what is measured is what the program adds to the disk. ``event_by_event`` is
the same path without a writer that gathers: each event is a commit, and the event loop waits for the disk.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import cast

from msgspec.structs import replace

from adapters.clock import SystemClock
from adapters.mock.world import FEES
from benchmarks.planning import task
from benchmarks.stub_venue import StubVenue
from executor.cli.compose import settings_for, traits_of
from executor.domain.events import ParentTaken
from executor.domain.plan import TwapLeg
from executor.engine.approval import require_approval
from executor.engine.legs import _slice
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.errors import Stopped
from executor.journal.journal import Journal
from executor.journal.open import Place, open_store
from executor.journal.store import Append
from executor.strategy.schedule import Slice

_QTY = Decimal("0.1")


def child_orders(
    place: Place, name: str, parents: int, each: int, ready: Callable[[], None] = lambda: None
) -> tuple[float, float]:
    """Events and child orders per second of ``parents`` parent orders at once, ``each`` slices long. ``ready`` is
    called when all have begun, and its time does not count."""
    return asyncio.run(_all(Journal(open_store(place), threaded=True), name, parents, each, ready))


def event_by_event(place: Place, name: str, each: int) -> tuple[float, float]:
    """The same of one parent order whose events are committed one by one, by nobody else and in the event loop."""

    store = open_store(place)
    together = store.commit

    def commit(appends: Sequence[Append]) -> list[Stopped | None]:
        return [_first_refusal(together, append) for append in appends]

    store.commit = commit  # type: ignore[method-assign]
    return asyncio.run(_all(Journal(store, threaded=False), name, 1, each, lambda: None))


def _first_refusal(commit: Callable[[Sequence[Append]], list[Stopped | None]], append: Append) -> Stopped | None:
    """Commit the rows of ``append`` singly: all that guards them is looked up with the first."""
    for number, row in enumerate(append.rows):
        one = replace(append, rows=[row]) if number == 0 else Append([row], append.scopes)
        (refused,) = commit([one])
        if refused is not None:
            return refused
    return None


async def _all(journal: Journal, name: str, parents: int, each: int, ready: Callable[[], None]) -> tuple[float, float]:
    runners = [_runner(journal, f"{name}-{number}", each) for number in range(parents)]
    for runner in runners:
        await _begin(runner)
    before = sum(runner.state.version for runner in runners)
    ready()
    began = time.perf_counter()
    await asyncio.gather(*(_work(runner, each) for runner in runners))
    spent = time.perf_counter() - began
    events = sum(runner.state.version for runner in runners) - before
    children = sum(runner.state.total.children for runner in runners)
    for runner in runners:
        await runner.aclose()
    await journal.aclose()
    if children != parents * each:
        raise RuntimeError(f"{children} child orders were sent, {parents * each} were asked for")
    return events / spent, children / spent


def _runner(journal: Journal, case: str, each: int) -> Runner:
    clock = SystemClock()
    mandate, plan, _ = task(each + 1, ["osl"])  # one slice more than is worked: the last would clear the purse
    mandate = mandate.model_copy(update={"case_id": case})
    traits = traits_of(settings_for(quiet=True), plan.venues, FEES, clock)
    venues = [StubVenue(name, traits[name], clock, plan.qty) for name in plan.venues]
    return Runner(mandate, plan, venues, journal, clock, observer=lambda _: None, owner="benchmark")


async def _begin(runner: Runner) -> None:
    """As far as the first slice. The engine's own parts are used, so that nothing is measured that it does not do."""
    await prepare_rehearsal(runner._journal, runner._mandate, runner._plan, runner._clock.now())
    runner.log.load()
    await require_approval(runner._journal, runner._approval, "benchmark", runner._clock)
    await runner._desk.open("BTC", "USD")
    await runner._create()
    await runner.log.record(ParentTaken(epoch=1, owner="benchmark"))
    runner._desk.mark_used(runner.state)


async def _work(runner: Runner, each: int) -> None:
    leg = cast(TwapLeg, runner._plan.legs[0])
    for number in range(1, each + 1):
        await _slice(runner._work, 0, leg, Slice(number, runner._clock.now(), _QTY, _QTY * number))
