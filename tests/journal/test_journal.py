"""The one writer: durable before it returns, many appends in few commits, and silent for ever after a failure."""

import asyncio
import subprocess
import sys
import threading
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

    def wait_for_appends(self) -> None: ...

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


def test_who_goes_on_writing_while_it_is_closed_is_waited_for() -> None:
    """The one who was told that its events are durable may write again before the one who closes is told."""

    async def main() -> None:
        spy = Spy()
        journal = Journal(spy, threaded=True)

        async def writer() -> None:
            await journal.append([line(1)])
            await journal.append([line(2)])

        writing = asyncio.create_task(writer())
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await asyncio.gather(writing, journal.aclose())
        assert spy.commits == [[[1]], [[2]]]

    asyncio.run(main())


@pytest.mark.parametrize("threaded", [True, False])
def test_a_closed_journal_refuses(threaded: bool) -> None:
    async def main() -> None:
        journal = Journal(Spy(), threaded=threaded)
        await journal.append([line(1)])
        await journal.aclose()
        with pytest.raises(JournalFailed, match="closed"):
            await journal.append([line(2)])

    asyncio.run(main())


class Interrupted(Spy):
    """A store in which something happens that is no ordinary error."""

    def __init__(self, what: type[BaseException]) -> None:
        super().__init__()
        self.what = what

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        raise self.what


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the thread ends by it, aloud
def test_an_interrupt_in_the_writers_thread_leaves_nobody_waiting() -> None:
    async def main() -> None:
        spy = Interrupted(GeneratorExit)
        journal = Journal(spy, threaded=True)
        async with asyncio.timeout(10):
            for version in (1, 2):
                with pytest.raises(JournalFailed, match="interrupted"):
                    await journal.append([line(version)])
            await journal.aclose()
        assert spy.closed

    asyncio.run(main())


def test_an_interrupt_by_a_person_in_mid_commit_lets_the_journal_be_closed() -> None:
    """Ctrl-C while a commit in the loop's own thread is under way: the run ends, and nothing waits for what will not
    come."""
    spy = Interrupted(KeyboardInterrupt)

    async def main() -> None:
        journal = Journal(spy, threaded=False)
        try:
            await journal.append([line(1)])
        finally:
            async with asyncio.timeout(10):
                await journal.aclose()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert spy.closed


def test_a_process_that_never_closes_its_journal_can_end(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\nfrom executor.journal.journal import Journal\n"
        "from executor.journal.open import open_store\n"
        "from tests.journal.test_journal import line\n"
        "async def main():\n    journal = Journal(open_store(pathlib.Path(sys.argv[1])), threaded=True)\n"
        "    await journal.append([line(1)])\n    sys.exit(7)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], timeout=60, check=False)
    assert ended.returncode == 7


def test_a_journal_may_be_closed_by_all_who_use_it(tmp_path: Path) -> None:
    async def main() -> None:
        journal = Journal(SqliteStore(tmp_path / "j"), threaded=True)
        await journal.append([line(1)])
        await asyncio.gather(*(journal.aclose() for _ in range(2)))
        await journal.aclose()

    asyncio.run(main())


def test_a_loop_that_ends_in_mid_commit_is_the_end_of_the_journal() -> None:
    """What the disk holds then nobody was told."""
    begun, may_end = threading.Event(), threading.Event()

    class Slow(Spy):
        def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
            begun.set()
            assert may_end.wait(10)
            return super().commit(appends)

    spy = Slow()
    journal = Journal(spy, threaded=True)

    async def first() -> None:
        writing = asyncio.create_task(journal.append([line(1)]))
        await asyncio.to_thread(begun.wait, 10)
        assert not writing.done()

    async def second() -> None:
        async with asyncio.timeout(10):
            with pytest.raises(JournalFailed, match="loop ended"):
                await journal.append([line(2)])
            await journal.aclose()

    asyncio.run(first())
    may_end.set()
    assert journal._thread is not None
    journal._writes.put(None)
    journal._thread.join()  # the commit is over
    asyncio.run(second())
    assert spy.commits == [[[1]]]
