"""Leaves and checkpoints behind the run: no hole, no two heads, whatever crashes and however many work at once."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from executor.domain.events import ControlSet
from executor.domain.parent import _HANDLERS as HANDLERS
from executor.errors import JournalFailed, RecordBroken
from executor.journal.checkpoint import Checkpoint
from executor.journal.leaves import SqliteLeaves, Turn, looking
from executor.journal.line import Line, encode, time_text
from executor.journal.note import VerifierKey
from executor.journal.recorder import STATE_CHANGES, Recorder, Sequencer
from executor.journal.sqlite import SqliteStore
from executor.journal.store import Append, Row
from executor.journal.tree import leaf_hash, root_of
from executor.journal.verify import verify
from tests.domain.events_made import AT
from tests.journal.case_made import KEY, events, lines_of

KEYS = [VerifierKey(KEY.name, KEY.public)]


def row(line: Line) -> Row:
    return Row(line.stream, line.version, line.case_id, line.kind, time_text(line.at), encode(line))


def control(version: int, stream: str = "control") -> Line:
    event = ControlSet(scope="all", action="pause", cancel=False, who="w", why="y")
    return Line(stream=stream, version=version, case_id="", at=AT, event=event)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "j")
    yield opened
    opened.close()


@pytest.fixture
def sequencer(store: SqliteStore) -> Iterator[Sequencer]:
    made = Sequencer(SqliteLeaves(store.path), KEY)
    yield made
    made.close()


def put(store: SqliteStore, *lines: Line) -> None:
    assert store.commit([Append([row(line)]) for line in lines]) == [None] * len(lines)


def checkpoints(path: Path, tree: str) -> list[Checkpoint]:
    with looking(path) as run:
        return [Checkpoint.parse(note.text) for note in Turn(run).notes(tree)]


def test_one_tree_for_each_case_and_one_for_the_institution(store: SqliteStore, sequencer: Sequencer) -> None:
    one, two = lines_of(events(2)), lines_of(events(1)[:3], "parent/b", "案/2")
    put(store, one[0], control(1), two[0], *one[1:], *two[1:], control(2))
    notes = sequencer.advance(AT)
    assert [Checkpoint.parse(note.text).origin for note in notes] == [
        "example.org/record/institution",
        "example.org/record/case/CASE-1",
        "example.org/record/case/%E6%A1%88%2F2",
    ]
    with looking(store.path) as run:
        assert Turn(run).hashes("CASE-1", 0) == [leaf_hash(encode(line).encode()) for line in one]
        assert list(Turn(run).lines("案/2", 99)) == [encode(line) for line in two]
        assert verify(run, KEYS).events == len(one) + len(two) + 2
    assert sequencer.advance(AT) == []


def test_what_a_crash_left_is_found(store: SqliteStore, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the commit of events and before, or in the middle of, their sequencing: the next recorder
    goes on without a hole, and nothing half done is there."""
    lines = lines_of(events(4))
    put(store, *lines[:3])
    sequencer.advance(AT)
    put(store, *lines[3:])
    keep = Turn.keep

    def dies(*args: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Turn, "keep", dies)
    with pytest.raises(JournalFailed, match="disk I/O error"):
        sequencer.advance(AT)
    with looking(store.path) as run:
        assert Turn(run).size("CASE-1") == 3  # the leaves of the batch went with the checkpoint that failed
    monkeypatch.setattr(Turn, "keep", keep)
    other = Sequencer(SqliteLeaves(store.path), KEY)
    assert len(other.advance(AT)) == 1
    assert sequencer.advance(AT) == []
    other.close()
    assert [each.size for each in checkpoints(store.path, "CASE-1")] == [3, len(lines)]


def test_leaves_without_a_checkpoint_are_signed(store: SqliteStore, sequencer: Sequencer) -> None:
    put(store, *lines_of(events(1)))
    leaves = SqliteLeaves(store.path)
    with leaves.turn() as turn:
        assert len(turn.sequence(5)) == 5
    leaves.close()
    assert [each.size for each in map(_head, sequencer.advance(AT))] == [len(events(1))]


def _head(note: object) -> Checkpoint:
    return Checkpoint.parse(str(note).partition("\n\n")[0] + "\n")


def test_a_large_backlog_goes_in_batches(
    store: SqliteStore, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.journal.recorder.BATCH", 4)
    put(store, *lines_of(events(3)))
    assert [_head(note).size for note in sequencer.advance(AT)] == [4, 8, 12, 16, 19]


def test_two_recorders_and_three_writers_at_once(store: SqliteStore) -> None:
    """Every event gets one leaf; the leaves have no hole; the checkpoints are one chain over one tree."""
    count, done = 60, threading.Event()
    stores = [SqliteStore(store.path) for _ in range(3)]
    sequencers = [Sequencer(SqliteLeaves(store.path), KEY) for _ in range(2)]

    def writes(number: int) -> None:
        for version in range(1, count + 1):
            put(stores[number], control(version, f"s{number}"))

    def records(sequencer: Sequencer) -> None:
        while not done.is_set():
            sequencer.advance(AT)

    recorders = [threading.Thread(target=records, args=(each,)) for each in sequencers]
    writers = [threading.Thread(target=writes, args=(number,)) for number in range(3)]
    for thread in recorders + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in recorders:
        thread.join()
    sequencers[0].advance(AT)
    with looking(store.path) as run:
        verdict = verify(run, KEYS)
        hashes = Turn(run).hashes("", 0)
        seqs = [seq for (seq,) in run("SELECT seq FROM leaves ORDER BY idx", ())]
    assert (verdict.events, verdict.waiting) == (3 * count, 0)
    assert seqs == sorted(seqs)
    assert all(each.root == root_of(hashes[: each.size]) for each in checkpoints(store.path, ""))
    for each in [*stores, *sequencers]:
        each.close()


def test_a_record_that_was_changed_is_not_signed_on(store: SqliteStore) -> None:
    lines = lines_of(events(2))
    put(store, *lines[:-1])
    Sequencer(SqliteLeaves(store.path), KEY).advance(AT)
    put(store, lines[-1])
    store._db.execute("UPDATE leaves SET leaf_hash = zeroblob(32) WHERE idx = 2")
    with pytest.raises(RecordBroken, match="nothing more is signed"):
        Sequencer(SqliteLeaves(store.path), KEY).advance(AT)
    assert len(checkpoints(store.path, "CASE-1")) == 1


# --- when it is called -----------------------------------------------------------------------------------------------


class Counted:
    """A sequencer that only counts."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.calls: list[datetime] = []
        self.fails = fails
        self.closed = False

    def advance(self, at: datetime) -> list[object]:
        self.calls.append(at)
        if self.fails is not None:
            raise self.fails
        return []

    def close(self) -> None:
        self.closed = True


def in_line(counted: Counted, every: int = 3) -> Recorder:
    return Recorder(counted, lambda: AT, threaded=False, every=every)  # type: ignore[arg-type]


def quiet(second: int) -> Line:
    return Line(stream="s", version=1, case_id="", at=AT + timedelta(seconds=second), event=control(1).event)


@pytest.mark.parametrize(
    ("seconds", "calls"), [([0, 1], 0), ([0, 1, 2], 1), ([0, 60], 1), ([0, 59, 61, 62], 1), ([0, 1, 2, 3, 4, 5], 2)]
)
def test_every_so_many_events_and_every_minute(seconds: list[int], calls: int) -> None:
    counted = Counted()
    recorder = in_line(counted)
    for second in seconds:
        recorder.observe(quiet(second))
    assert len(counted.calls) == calls


def test_at_every_change_of_state() -> None:
    counted = Counted()
    recorder = in_line(counted, every=1000)
    for line in lines_of(events(2)):
        recorder.observe(line)
    assert len(counted.calls) == 3  # created, taken and finished
    asyncio.run(recorder.aclose())
    assert len(counted.calls) == 4
    assert counted.closed


def test_every_event_that_changes_a_parent_order_s_state_is_among_them() -> None:
    """By the fold itself: whatever sets the status, and the event that makes the order."""
    changing = {kind.__name__ for kind, act in HANDLERS.items() if "_set_status" in act.__code__.co_names}
    assert changing | {"ParentCreated"} == STATE_CHANGES


def run_threaded(counted: Counted, act: Callable[[Recorder], None]) -> None:
    async def main() -> None:
        recorder = Recorder(counted, lambda: AT, threaded=True, every=2)  # type: ignore[arg-type]
        act(recorder)
        await asyncio.sleep(0.2)
        await recorder.aclose()

    asyncio.run(main())


def test_in_a_thread_the_event_that_is_heard_does_not_wait() -> None:
    counted = Counted()

    def act(recorder: Recorder) -> None:
        recorder.observe(quiet(0))
        recorder.observe(quiet(1))
        assert counted.calls == []

    run_threaded(counted, act)
    assert len(counted.calls) == 2  # two events, and the end


def test_a_minute_passes_without_another_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.journal.recorder.AFTER", timedelta(milliseconds=20))
    counted = Counted()
    run_threaded(counted, lambda recorder: recorder.observe(quiet(0)))
    assert len(counted.calls) == 2


def test_why_nothing_is_signed_is_logged_once_and_the_events_are_heard_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.journal.recorder.AFTER", timedelta(milliseconds=5))
    counted = Counted()

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def advance(at: datetime) -> list[object]:
            counted.calls.append(at)
            if len(counted.calls) <= 4:
                raise JournalFailed("the device refuses the PIN")
            loop.call_soon_threadsafe(done.set)
            return []

        monkeypatch.setattr(counted, "advance", advance)
        recorder = Recorder(counted, lambda: AT, threaded=True)  # type: ignore[arg-type]
        recorder.observe(quiet(0))
        await asyncio.wait_for(done.wait(), 30)
        await recorder.aclose()

    class Log:
        def warning(self, event: str, error: str) -> None:
            logged.append((event, error))

    logged: list[tuple[str, str]] = []
    monkeypatch.setattr("executor.journal.recorder.log", Log())
    asyncio.run(main())
    assert logged == [("checkpoint_waits", "the device refuses the PIN")]


@pytest.mark.parametrize("fault", [JournalFailed("full"), RecordBroken("changed")])
def test_what_stopped_it_is_said_at_the_end(fault: Exception) -> None:
    counted = Counted(fault)

    def act(recorder: Recorder) -> None:
        recorder.observe(quiet(0))
        recorder.observe(quiet(1))

    with pytest.raises(type(fault)):
        run_threaded(counted, act)
    assert counted.closed


@pytest.mark.parametrize("fault", [RecordBroken("changed"), ValueError("a defect")])
def test_what_it_finds_broken_is_said_at_once(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """A worker lives for weeks: it must not sell on beside a record that nobody signs."""

    async def main() -> None:
        told = asyncio.Event()
        recorder = Recorder(Counted(fault), lambda: AT, threaded=True, every=1, on_fault=told.set)  # type: ignore[arg-type]
        recorder.observe(quiet(0))
        await asyncio.wait_for(told.wait(), 30)
        with pytest.raises(type(fault)):
            await recorder.aclose()

    class Log:
        def error(self, event: str, error: str) -> None:
            logged.append((event, error))

    logged: list[tuple[str, str]] = []
    monkeypatch.setattr("executor.journal.recorder.log", Log())
    asyncio.run(main())
    assert logged == [("record_broken", str(fault))]
