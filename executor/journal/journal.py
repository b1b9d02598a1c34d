"""The one writer of a process: appends wait in a queue and are committed together.

``append`` returns when its events are durable, never before. While one commit is on its way to the disk further
appends gather and go with the next, so that many parent orders share the cost of one fsync.
"""

import asyncio
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from queue import SimpleQueue
from threading import Thread

from executor.domain.reservation import Reservation
from executor.errors import JournalFailed, Stopped
from executor.journal.holds import changes_of
from executor.journal.line import Line, decode, encode
from executor.journal.people import People
from executor.journal.sold import Sold
from executor.journal.store import NOTHING, Append, Row
from executor.journal.store import Store as Store

_AT = slice(len('{"at":"'), len('{"at":"2026-01-01T00:00:00.000000Z'))  # where the time stands in every line

Batch = list[tuple[Append, asyncio.Future[None]]]
Answers = Sequence[Stopped | None] | JournalFailed


class Journal:
    """Append and read events. ``threaded`` commits in a thread so that the event loop goes on; under a virtual clock
    it must be false, since virtual time must not pass while a disk is slow."""

    def __init__(self, store: Store, *, threaded: bool) -> None:
        self._store = store
        self.sold = Sold(store)
        self.people = People(store)
        # Not a pool of one thread: it makes a future, a lock and a condition for each commit, and nobody asks for them.
        self._writes: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=_serve, args=(self._writes,), name="journal", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()
            weakref.finalize(self, self._writes.put, None)  # who drops a journal ends its thread
        self._waiting: Batch = []
        self._writing = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._failure: JournalFailed | None = None
        self._closed = False

    async def append(
        self,
        lines: Sequence[Line],
        scopes: Sequence[str] = (),
        reserve: Sequence[Reservation] = (),
        expects: Mapping[str, int] = NOTHING,
    ) -> None:
        """Make ``lines`` (one stream, consecutive versions) durable, all or none. Raises ``Held`` when a person's hold
        is on one of ``scopes``, ``CapReached`` when ``reserve`` would take more than is left, ``Outdated`` when a
        stream of ``expects`` goes on after that version (all looked up in the same transaction); ``TakenOver`` when
        another writer was there first, ``JournalFailed`` when nothing can be written; after that nothing ever is."""
        if self._failure is not None:
            raise self._failure
        append = Append([row_of(line) for line in lines], scopes, changes_of(lines), reserve, expects)
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        self._waiting.append((append, durable))
        if not self._writing:
            self._writing = True
            self._quiet.clear()
            loop.call_soon(self._begin, loop)  # not at once: whoever else is awake now goes with the same commit
        # Who is cancelled here ends only the waiting: the write itself always runs to its end.
        await durable

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Commit everything that waits."""
        batch, self._waiting = self._waiting, []
        if not batch:
            self._writing = False
            self._quiet.set()
            return
        appends = [append for append, _ in batch]
        if self._thread is None:
            self._commit(appends, partial(self._end, loop, batch))
        else:
            self._writes.put(partial(self._commit, appends, partial(self._end_from_thread, loop, batch)))

    def _commit(self, appends: Sequence[Append], tell: Callable[[Answers], None]) -> None:
        answers: Answers = JournalFailed("the journal was interrupted while it wrote")
        try:
            answers = self._store.commit(appends)
        except JournalFailed as failure:
            answers = failure
        except Exception as error:
            text = f"the journal failed in a way that was not foreseen: {type(error).__name__}: {error}"
            answers = JournalFailed(text)
        finally:
            tell(answers)  # whatever happened: who waits must never wait for ever

    def _end_from_thread(self, loop: asyncio.AbstractEventLoop, batch: Batch, answers: Answers) -> None:
        try:
            loop.call_soon_threadsafe(self._end, loop, batch, answers)
        except RuntimeError:  # the loop was closed meanwhile, and with it everybody who waited
            self._failure = JournalFailed("the event loop ended while the journal was writing: open it again")
            self._waiting, self._writing = [], False
            self._quiet.set()

    def _end(self, loop: asyncio.AbstractEventLoop, batch: Batch, answers: Answers) -> None:
        """Tell all who waited, and go on with those who came meanwhile."""
        if isinstance(answers, JournalFailed):
            # Whether the disk holds any of it is not known: nobody may go on as if it did.
            self._failure = answers
            batch, self._waiting = batch + self._waiting, []
            for _, durable in batch:
                _settle(durable, answers)
        else:
            for (_, durable), refused in zip(batch, answers, strict=True):
                if refused is not None:
                    _settle(durable, refused)
                elif not durable.done():  # else whoever waited was cancelled
                    durable.set_result(None)
        self._begin(loop)

    def read(self, stream: str, after: int = 0) -> Iterator[Line]:
        """The events of ``stream`` after version ``after``."""
        return (decode(text) for text in self._store.read(stream, after))

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]:
        """What stands at these counters of caps; those at zero are left out."""
        return self._store.used(counters)

    def streams(self, prefix: str) -> list[str]:
        """All streams whose name begins with ``prefix``."""
        return self._store.streams(prefix)

    def last_of(self, streams: Sequence[str]) -> Iterator[Line]:
        """The last event of each of ``streams``."""
        return (decode(text) for text in self._store.edges(streams, last=True))

    def wait_for_appends(self) -> None:
        """Return when every append to this journal that was under way, from any process, has ended: whatever one finds
        then, no append that has not seen what was durable before can be missing from it."""
        self._store.wait_for_appends()

    async def aclose(self) -> None:
        """Wait for what is being written, then close the store."""
        while self._writing:  # again: who was told may have begun to write before we were
            await self._quiet.wait()
        if self._closed:
            return
        self._closed = True
        first, self._failure = self._failure, self._failure or JournalFailed("the journal is closed")
        if self._thread is not None:
            self._writes.put(None)
            self._thread.join()
        try:
            self._store.close()
        except JournalFailed:
            if first is None:
                raise  # else the first failure has been raised to whoever wrote, and says more


def _serve(writes: SimpleQueue[Callable[[], None] | None]) -> None:
    while (write := writes.get()) is not None:
        write()
        del write  # not kept until the next


def _settle(durable: asyncio.Future[None], fault: Exception) -> None:
    if not durable.done():
        durable.set_exception(fault)


def row_of(line: Line) -> Row:
    """The line as a store keeps it."""
    text = encode(line)
    return Row(line.stream, line.version, line.case_id, type(line.event).__name__, text[_AT], text)
