"""The one writer: durable before it returns, many appends in few commits, and silent for ever after a failure."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from executor.domain.control import Hold
from executor.domain.events import ParentWorking
from executor.engine.virtual_time import run_virtual
from executor.errors import JournalFailed, Stopped, TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.sqlite import Append, SqliteStore
from tests.domain.events_made import AT


class Spy:
    """A store in memory that keeps every commit, and fails or refuses when told to."""

    def __init__(self) -> None:
        self.commits: list[list[list[int]]] = []
        self.fail = False
        self.refuse: set[str] = set()
        self.closed = False

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        if self.fail:
            raise JournalFailed("disk full")
        self.commits.append([[row.version for row in one.rows] for one in appends])
        return [TakenOver("other") if one.rows[0].stream in self.refuse else None for one in appends]

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        return iter(())

    def holds(self, scopes: Sequence[str]) -> list[Hold]:
        return []

    def streams(self, prefix: str) -> list[str]:
        return [prefix]

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        return iter(())

    def settled(self) -> int:
        return 0

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        return iter(())

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        return iter(())

    def close(self) -> None:
        self.closed = True


def line(version: int, stream: str = "a") -> Line:
    return Line(stream=stream, version=version, case_id="CASE-1", at=AT, event=ParentWorking())


def test_append_returns_only_when_its_events_are_durable() -> None:
    """Durable before anyone acts on it: at the moment of return the store holds the events."""

    async def main() -> None:
        spy = Spy()
        journal = Journal(spy, threaded=False)
        await journal.append([line(1), line(2)])
        assert spy.commits == [[[1, 2]]]
        await journal.aclose()
        assert spy.closed

    run_virtual(main())


def test_many_waiting_appends_share_few_commits() -> None:
    async def main() -> None:
        spy = Spy()
        journal = Journal(spy, threaded=False)
        await asyncio.gather(*(journal.append([line(1, f"s{number}")]) for number in range(100)))
        assert sum(len(commit) for commit in spy.commits) == 100
        assert len(spy.commits) <= 2
        await journal.aclose()

    run_virtual(main())


def test_a_refused_append_does_not_harm_its_neighbours() -> None:
    async def main() -> None:
        spy = Spy()
        spy.refuse = {"b"}
        journal = Journal(spy, threaded=False)
        ends = await asyncio.gather(
            journal.append([line(1, "a")]), journal.append([line(1, "b")]), return_exceptions=True
        )
        assert ends[0] is None
        assert isinstance(ends[1], TakenOver)
        await journal.append([line(2, "a")])
        await journal.aclose()

    run_virtual(main())


def test_a_failed_commit_poisons_the_journal() -> None:
    """Whether the disk holds any of it is not known: everyone who waits is told, and nothing is ever written again,
    even when the disk has recovered."""

    async def main() -> None:
        spy = Spy()
        journal = Journal(spy, threaded=False)
        spy.fail = True
        ends = await asyncio.gather(*(journal.append([line(1, s)]) for s in "abc"), return_exceptions=True)
        assert all(isinstance(end, JournalFailed) for end in ends)
        spy.fail = False
        with pytest.raises(JournalFailed, match="disk full"):
            await journal.append([line(2)])
        assert spy.commits == []
        await journal.aclose()

    run_virtual(main())


def test_a_cancelled_caller_leaves_the_write_to_run_to_its_end() -> None:
    """The outcome of a write that has begun is never in doubt: it is finished although nobody waits any more."""

    async def main() -> None:
        spy = Spy()
        journal = Journal(spy, threaded=False)
        caller = asyncio.create_task(journal.append([line(1)]))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await journal.append([line(2)])
        assert [number for commit in spy.commits for rows in commit for number in rows] == [1, 2]
        await journal.aclose()

    run_virtual(main())


def test_a_threaded_journal_writes_and_reads_a_real_file(tmp_path: Path) -> None:
    """As in a live run: commits in a thread, on a real loop, grouped while one is on its way to the disk."""

    async def main() -> None:
        journal = Journal(SqliteStore(tmp_path / "j"), threaded=True)
        await asyncio.gather(*(journal.append([line(1, f"s{number}")]) for number in range(30)))
        await journal.append([line(2, "s0"), line(3, "s0")])
        assert [one.version for one in journal.read("s0")] == [1, 2, 3]
        assert [one.version for one in journal.read("s0", after=2)] == [3]
        assert len(journal.streams("s")) == 30
        pending = asyncio.create_task(journal.append([line(4, "s0")]))
        await asyncio.sleep(0)
        await journal.aclose()  # waits for what is being written
        await pending

    asyncio.run(main())
