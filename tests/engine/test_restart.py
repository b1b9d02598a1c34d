"""Stops and crashes: whatever moment a process ends at, the next one on the same journal ends exact, nothing twice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from adapters.clock import LoopClock
from adapters.venue import DuplicateIds
from executor.domain.events import ChildIntended, ParentStopped, ParentTaken
from executor.domain.orders import ParentStatus
from executor.errors import Interrupted, JournalFailed, TakenOver
from tests.engine.rig import OTC, REST, START, TWAP, MemoryStore, exact, plan, ran, runner, virtual
from tests.engine.scripted_venue import D, ScriptedVenue, Step

LEGS: dict[str, list[dict[str, Any]]] = {
    "cross": [TWAP],
    "rest": [REST],
    "otc": [OTC],
    "both": [TWAP | {"qty": "0.5"}, OTC | {"qty": "0.5"}],
}


@pytest.mark.parametrize("at", [0, 10, 200, 310])
@pytest.mark.parametrize("legs", list(LEGS))
@virtual
async def test_a_stop_in_mid_run_leaves_good_order_and_the_next_run_completes(legs: str, at: int) -> None:
    alpha, store, asked = ScriptedVenue(LoopClock(START)), MemoryStore(), plan(*LEGS[legs])
    first = runner([alpha], store, alpha.clock, [], asked, "100")
    run = asyncio.create_task(first.run())
    await asyncio.sleep(at + 0.5)
    first.stop.set()
    if alpha.sold == D(1):
        await run
        return
    with pytest.raises(Interrupted, match="run the same command"):
        await run
    assert not any(held.open for held in alpha.orders)
    assert len(store.events(ParentStopped)) == 1
    await asyncio.sleep(3600)
    end = await ran(alpha, store=store, asked=asked)
    assert end.fault is None
    exact(end.state, alpha)
    assert [event.epoch for event in store.events(ParentTaken)] == [1, 2]


async def crashed(legs: str, nth: int, duplicates: DuplicateIds, quiet: bool = False) -> int:
    """Run, fail at commit ``nth``, run again with the same venue. Returns how many commits the whole took."""
    alpha = ScriptedVenue(LoopClock(START), duplicates=duplicates, script=[] if quiet else [Step(fill=D("0.4"))])
    store, asked = MemoryStore(), plan(*LEGS[legs])
    store.fails_at = nth
    end = await ran(alpha, store=store, asked=asked)
    if store.commits < nth:
        return store.commits
    assert isinstance(end.fault, JournalFailed)
    on_wire = len(alpha.wire) + len(alpha.accepted)
    await asyncio.sleep(60)
    assert len(alpha.wire) + len(alpha.accepted) == on_wire  # nothing more is sent after the failure
    assert not [held for held in alpha.orders if held.open]
    again = await ran(alpha, store=store, asked=asked)
    assert again.fault is None, again.fault
    assert again.state.status is ParentStatus.COMPLETED
    exact(again.state, alpha)
    ids = [held.order.client_order_id for held in alpha.orders]
    assert len(set(ids)) == len(ids)
    return store.commits


@pytest.mark.parametrize("duplicates", list(DuplicateIds))
@pytest.mark.parametrize("legs", list(LEGS))
@virtual
async def test_a_crash_at_every_journal_write_ends_exact(legs: str, duplicates: DuplicateIds) -> None:
    """The journal fails at the n-th write, for each n; the next run on it settles what was open and sells the rest."""
    nth = 1
    while True:
        commits = await crashed(legs, nth, duplicates, quiet=legs in ("otc", "both"))
        if commits < nth:
            break
        nth += 1
    assert nth > 8


@virtual
async def test_a_finished_parent_is_not_run_again() -> None:
    alpha, store = ScriptedVenue(LoopClock(START)), MemoryStore()
    await ran(alpha, store=store)
    rows = len(store.rows)
    again = await ran(alpha, store=store)
    assert (again.fault, len(store.rows)) == (None, rows)
    exact(again.state, alpha)


async def two_owners(store: MemoryStore) -> tuple[ScriptedVenue, list[object]]:
    """A second process takes the parent order over in mid-run, while the first is still alive."""
    alpha = ScriptedVenue(LoopClock(START), free="5", duplicates=DuplicateIds.NOT_DOCUMENTED)
    first, second = (runner([alpha], store, alpha.clock, [], None, "100") for _ in range(2))
    run = asyncio.create_task(first.run())
    await asyncio.sleep(100)
    ends = await asyncio.gather(run, second.run(), return_exceptions=True)
    return alpha, list(ends)


@virtual
async def test_a_stale_owner_is_stopped_at_its_first_write() -> None:
    """Guards the fence: only the latest owner sells, the other stops with nothing sent."""
    store = MemoryStore()
    alpha, ends = await two_owners(store)
    assert isinstance(ends[0], TakenOver)
    assert alpha.sold == D(1)
    assert len(store.events(ChildIntended)) == len(alpha.wire)


@virtual
async def test_without_the_fence_two_owners_sell_twice() -> None:
    """The twin: with the fence of the store taken away both go on, and more is sold than was asked."""
    alpha, _ = await two_owners(MemoryStore(fence=False))
    assert alpha.sold > D(1)


@virtual
async def test_the_schedule_stands_still_while_nobody_runs() -> None:
    """After an hour's pause the next slice is not late: no burst."""
    alpha, store = ScriptedVenue(LoopClock(START)), MemoryStore()
    first = runner([alpha], store, alpha.clock, [], None, "100")
    run = asyncio.create_task(first.run())
    await asyncio.sleep(100)
    first.stop.set()
    await asyncio.gather(run, return_exceptions=True)
    await asyncio.sleep(3600)
    end = await ran(alpha, store=store)
    assert end.state.idle == timedelta(seconds=3600)
    assert end.state.now - START == timedelta(seconds=3900)
    exact(end.state, alpha)
