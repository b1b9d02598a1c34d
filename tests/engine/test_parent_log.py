"""State and stream move together; after a failed write nothing is said or sent any more."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from adapters.clock import LoopClock
from executor.domain.events import ChildAcknowledged, ChildNotSent, ParentTaken, ParentWorking, SliceStarted
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.parent import Parent
from executor.engine.approval import Approval
from executor.engine.gate import Gate
from executor.engine.parent_log import ParentLog, stream_of
from executor.engine.prices import Grid
from executor.errors import InvariantBroken, JournalFailed, RecordBroken, TakenOver
from executor.guards.verdict import ALLOW, Verdict
from executor.journal.journal import Journal
from executor.journal.line import Line, decode
from executor.market.reference import SourcePrice
from tests.approved import approve
from tests.domain.events_made import created, filled, intended
from tests.engine.rig import START, MemoryStore, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue

PARENT = "abcdefghij"


class NoMarket:
    """A plan without price rules asks for nothing."""

    def grid(self, venue: str) -> Grid:
        raise NotImplementedError

    def mids(self) -> list[SourcePrice]:
        return []

    def judge(self, *_: object, **__: object) -> Verdict:
        return ALLOW


def opened(store: MemoryStore, seen: list[Line] | None = None) -> ParentLog:
    approve(store, mandate(), plan(), START)
    journal = Journal(store, threaded=False)
    approval = Approval(journal, "CASE-1", plan_hash(frozen_plan("CASE-1", plan().model_dump(mode="json"))))
    approval.reread()
    noted = (seen if seen is not None else []).append
    return ParentLog(PARENT, "CASE-1", Gate(plan(), approval, NoMarket(), journal), journal, LoopClock(START), noted)


@virtual
async def test_news_is_durable_told_and_found_again() -> None:
    store, seen = MemoryStore(), list[Line]()
    log = opened(store, seen)
    await log.record(created(), ParentTaken(epoch=1, owner="a"))
    await log.intend("alpha", lambda state: intended(1, "1"))
    await log.record(ChildAcknowledged(client_order_id=f"{PARENT}-1", venue_order_id="v", venue_status="NEW"))
    assert [(line.stream, line.version) for line in seen] == [(stream_of(PARENT), n) for n in (1, 2, 3, 4)]
    again = opened(store)
    again.load()
    assert again.state.version == log.state.version == 4
    assert again.state.children == log.state.children


def slice_started(number: int) -> SliceStarted:
    return SliceStarted(leg=0, slice=number, planned_qty=D(1), due_qty=D(1), mid_px=D(95_000), tops=[])


@virtual
async def test_what_is_noted_is_written_with_what_comes_next_and_never_lost() -> None:
    """With an intent; where that is refused, with whatever is written after it; else alone. Nobody is told before."""
    store, seen = MemoryStore(), list[Line]()
    log = opened(store, seen)
    await log.record(created())
    await log.note(slice_started(1))
    assert (log.state.slices_done[0], len(store.rows), len(seen)) == (1, 1, 1)
    await log.intend("alpha", lambda state: intended(1, "1"))
    assert (store.commits, [line.version for line in seen]) == (2, [1, 2, 3])
    await log.note(slice_started(2))
    with pytest.raises(InvariantBroken):
        await log.intend("alpha", lambda state: intended(2, "11"))
    await log.record(ParentWorking())
    assert (store.commits, [line.kind for line in seen[3:]]) == (3, ["SliceStarted", "ParentWorking"])
    await log.note(slice_started(3))
    await log.written()
    await log.written()
    assert store.commits == 4
    again = opened(store)
    again.load()
    assert (again.state.version, again.state.slices_done[0]) == (log.state.version, 3) == (6, 3)


@virtual
async def test_a_note_that_cannot_be_written_poisons_the_log() -> None:
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    await log.note(slice_started(1))
    store.fails_at = 2
    for _ in range(2):
        with pytest.raises(JournalFailed):
            await log.written()
    with pytest.raises(JournalFailed):
        await log.note(slice_started(2))


@virtual
async def test_a_note_that_the_fold_refuses_leaves_nothing_to_write() -> None:
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    with pytest.raises(KeyError):
        await log.note(SliceStarted(leg=7, slice=1, planned_qty=D(1), due_qty=D(1), mid_px=None, tops=[]))
    await log.record(ParentTaken(epoch=1, owner="a"))
    assert [decode(text).kind for text in store.read(stream_of(PARENT))] == ["ParentCreated", "ParentTaken"]


@virtual
async def test_a_child_order_that_ends_at_once_costs_two_commits() -> None:
    """The beginning of its slice with its intent, then all that came of it: each commit is a turn of the disk."""
    store, alpha = MemoryStore(), ScriptedVenue(LoopClock(START))
    end = await ran(alpha, store=store)
    kinds = Counter(line.kind for line in map(decode, (row.line for row in store.rows)))
    assert end.fault is None
    assert kinds["FillRecorded"] >= kinds["ChildIntended"] == kinds["SliceStarted"] == kinds["ChildClosed"]
    others = kinds.keys() - {"SliceStarted", "ChildIntended", "ChildAcknowledged", "FillRecorded", "ChildClosed"}
    begun = kinds["PursesRead"] + kinds["ParentCreated"] - 1  # these are one commit
    assert store.commits == 2 * kinds["ChildIntended"] + sum(kinds[each] for each in others) - begun


@virtual
async def test_a_failed_write_poisons_the_log() -> None:
    """This process no longer owns the truth: every later event and intent is refused with the same error."""
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    store.fails_at = 2
    with pytest.raises(JournalFailed):
        await log.record(ParentTaken(epoch=1, owner="a"))
    for attempt in (log.record(ParentWorking()), log.intend("alpha", lambda state: intended(1, "1"))):
        with pytest.raises(JournalFailed):
            await attempt
    assert len(store.rows) == 1


@virtual
async def test_an_overtaken_log_writes_nothing_more() -> None:
    store = MemoryStore()
    stale, fresh = opened(store), opened(store)
    await stale.record(created())
    fresh.load()
    await fresh.record(ParentTaken(epoch=1, owner="b"))
    for _ in range(2):
        with pytest.raises(TakenOver):
            await stale.record(ParentTaken(epoch=1, owner="a"))
    assert len(store.rows) == 2


@virtual
async def test_news_that_the_fold_refuses_poisons_the_log() -> None:
    """Two events belong together and the second contradicts the record: none of it is written, and nothing after it,
    for the first is already in the state."""
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    await log.intend("alpha", lambda state: intended(1, "1"))
    known = ChildAcknowledged(client_order_id=f"{PARENT}-1", venue_order_id="v", venue_status="NEW")
    with pytest.raises(InvariantBroken):
        await log.record(known, filled(9, "t1", "1"))
    with pytest.raises(InvariantBroken):
        await log.record(ParentWorking())
    again = opened(store)
    again.load()
    assert again.state.version == 2


@virtual
async def test_intents_are_written_one_after_the_other() -> None:
    """Each builder sees what all earlier intents have taken: twenty at once never take more than there is."""
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    alive = [0]

    def build(state: Parent) -> Any:
        alive[0] += 1
        assert alive[0] == 1 + len(state.children) + declined[0]
        if state.leaves_qty < D(3):
            declined[0] += 1
            return None
        return intended(len(state.children) + 1, "3")

    declined = [0]
    ends = await asyncio.gather(*(log.intend("alpha", build) for _ in range(20)))
    assert [end is not None for end in ends] == [True] * 3 + [False] * 17
    assert log.state.exposure_qty == D(9)


@virtual
async def test_an_intent_that_breaks_an_invariant_is_neither_written_nor_applied() -> None:
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    with pytest.raises(InvariantBroken, match="would exceed"):
        await log.intend("alpha", lambda state: intended(1, "11"))
    assert (len(store.rows), log.state.children) == (1, {})
    assert await log.intend("alpha", lambda state: intended(1, "10")) is not None


@virtual
async def test_a_cancelled_write_poisons_the_log_and_is_still_finished() -> None:
    """The write runs to its end without its caller; the log itself starts again from the journal."""
    store = MemoryStore()
    log = opened(store)
    await log.record(created())
    write = asyncio.create_task(log.record(ParentTaken(epoch=1, owner="a")))
    await asyncio.sleep(0)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    with pytest.raises(RecordBroken, match="start again from the journal"):
        await log.record(ParentWorking())
    again = opened(store)
    again.load()
    assert again.state.epoch == 1


@virtual
async def test_a_stream_with_a_gap_or_a_contradiction_is_not_loaded() -> None:
    store = MemoryStore()
    log = opened(store)
    await log.record(created(), ParentTaken(epoch=1, owner="a"), ParentWorking())
    del store.rows[1]
    with pytest.raises(RecordBroken, match="version 3 follows 1"):
        opened(store).load()
    other = MemoryStore()
    await opened(other).record(created())
    sound = opened(other)
    sound.load()
    with pytest.raises(InvariantBroken):
        await sound.record(ChildNotSent(client_order_id="unknown", message=""))


@pytest.mark.parametrize("nth", range(1, 7))
@virtual
async def test_nothing_is_sent_when_the_intent_cannot_be_written(nth: int) -> None:
    """Guards intent before send: the number of orders on the wire never exceeds the number of durable intents."""
    alpha, store = ScriptedVenue(LoopClock(START)), MemoryStore()
    store.fails_at = nth
    end = await ran(alpha, store=store)
    assert isinstance(end.fault, JournalFailed)
    durable = {event.client_order_id for event in store.events() if type(event).__name__ == "ChildIntended"}
    assert {order.client_order_id for order in alpha.wire} <= durable
