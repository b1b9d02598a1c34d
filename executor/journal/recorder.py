"""Gives committed events their places in the trees and signs checkpoints, in batches, behind the run's back.

An append never waits for this: the events are durable before the recorder hears of them, and whatever a crash left
without a leaf is found by the next recorder. Several recorders may work on one record at once; each batch is one
transaction in which leaves and the checkpoint over them are written together, so no two heads are ever signed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog

from executor.errors import JournalFailed, RecordBroken
from executor.journal.checkpoint import Checkpoint, following, issue, origin
from executor.journal.leaves import Leaves, Turn
from executor.journal.line import Line, time_text
from executor.journal.note import Note, Signer
from executor.journal.tree import Frontier
from executor.log_events import LogEvent

log = structlog.get_logger()

BATCH = 512  # events per transaction: a few milliseconds under the lock
EVERY = 256  # events
AFTER = timedelta(minutes=1)
STATE_CHANGES = frozenset(
    {
        "ParentCreated",
        "ParentTaken",
        "ParentWaiting",
        "ParentWorking",
        "ParentHalted",
        "ParentStopped",
        "ParentResumed",
        "ParentFinished",
    }
)


class Sequencer:
    """The synchronous part: one call brings leaves and checkpoints up to the last committed event."""

    def __init__(self, leaves: Leaves, signer: Signer) -> None:
        self._leaves = leaves
        self._signer = signer
        self._frontiers: dict[str, Frontier] = {}
        self._looked = False

    def advance(self, at: datetime) -> list[Note]:
        """Sequence everything that is committed and sign the trees that grew. Returns the new checkpoints."""
        notes: list[Note] = []
        while True:
            try:
                with self._leaves.turn() as turn:
                    added = turn.sequence(BATCH)
                    grown = sorted({tree for tree, _, _ in added})
                    if not self._looked:  # trees that got their leaves without a signature
                        grown = sorted({*grown, *turn.trees()})
                    signed = [note for tree in grown if (note := self._sign(turn, tree, at)) is not None]
            except BaseException:
                self._frontiers.clear()  # they may be ahead of what was undone
                raise
            self._looked = True
            notes += signed
            if len(added) < BATCH:
                return notes

    def _sign(self, turn: Turn, tree: str, at: datetime) -> Note | None:
        last = turn.last(tree)
        before = Checkpoint.parse(last.text) if last is not None else None
        frontier = self._frontiers.get(tree)
        if frontier is None:
            frontier = self._frontiers[tree] = self._rebuilt(turn, tree, before)
        frontier.extend(turn.hashes(tree, frontier.size))
        if before is not None and before.size >= frontier.size:
            return None
        head = following(before, origin(self._signer.name, tree), frontier.size, frontier.root(), at)
        note = issue(head, self._signer)
        turn.keep(tree, head.size, time_text(at), note)
        return note

    def _rebuilt(self, turn: Turn, tree: str, before: Checkpoint | None) -> Frontier:
        """The tree up to its last checkpoint. A tree that no longer has the root that was signed is never signed on:
        that would put a second head beside the first."""
        if before is None:
            return Frontier()
        hashes = turn.hashes(tree, 0)
        frontier = Frontier(hashes[: before.size])
        if frontier.size != before.size or frontier.root() != before.root:
            raise RecordBroken(
                f"{before.origin}: the leaves no longer give the root of checkpoint {before.number}; nothing more is "
                "signed: keep the file as it is and run `executor verify`"
            )
        return frontier

    def close(self) -> None:
        """Let go of the database."""
        self._leaves.close()


class Recorder:
    """Calls a sequencer every ``every`` events, every minute in which something happened, and at each change of a
    parent order's state. ``threaded`` as for the journal: under a virtual clock it works at once and in line.
    ``on_fault`` is called in the event loop when the record is found to be broken: nothing should be sold that cannot
    be signed."""

    def __init__(
        self,
        sequencer: Sequencer,
        now: Callable[[], datetime],
        *,
        threaded: bool,
        every: int = EVERY,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        self._sequencer = sequencer
        self._now = now
        self._every = every
        self._on_fault = on_fault
        self._thread = ThreadPoolExecutor(1, "recorder") if threaded else None
        self._waiting = 0
        self._since: datetime | None = None
        self._due = asyncio.Event()
        self._heard = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._said = ""  # why nothing can be signed, as it was logged

    def observe(self, line: Line) -> None:
        """Hear of a durable event. Never fails and never waits for a disk, unless it works in line."""
        self._waiting += 1
        self._since = self._since or line.at
        due = line.kind in STATE_CHANGES or self._waiting >= self._every or line.at - self._since >= AFTER
        if self._thread is None:
            if due:
                self._settle()
                self._sequencer.advance(self._now())
            return
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="recorder")
        self._heard.set()
        if due:
            self._due.set()

    def _settle(self) -> None:
        self._waiting, self._since = 0, None
        self._due.clear()
        self._heard.clear()

    async def _work(self) -> None:
        while True:
            await self._heard.wait()
            try:
                async with asyncio.timeout(AFTER.total_seconds()):
                    await self._due.wait()
            except TimeoutError:
                pass  # a minute with events in it is over
            self._settle()
            try:
                await self._advance()
                self._said = ""
            except JournalFailed as error:
                if str(error) != self._said:  # once, not every minute
                    log.warning(LogEvent.CHECKPOINT_WAITS, error=str(error))
                self._said = str(error)
                self._heard.set()  # nothing is lost by waiting: the events are there, and are found the next time
            except Exception as error:
                log.error(LogEvent.RECORD_BROKEN, error=str(error))  # noqa: TRY400 - it is raised in the end
                self._on_fault()
                raise  # to whoever closes the recorder

    async def _advance(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, lambda: self._sequencer.advance(self._now()))

    async def aclose(self) -> None:
        """Sequence and sign what is left, then close. Raises what stopped the recorder on its way, if anything did."""
        try:
            if self._task is not None:
                failed = self._task.done()
                self._task.cancel()
                (fault,) = await asyncio.gather(self._task, return_exceptions=True)
                if failed and isinstance(fault, Exception):
                    raise fault
            if self._thread is None:
                self._sequencer.advance(self._now())
            else:
                await self._advance()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._sequencer.close()
