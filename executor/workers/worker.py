"""One worker: takes what is free, runs each parent order from the journal's last word, hands over when asked.

What it runs is what the roster says is its own, asked for again and again; nothing is remembered that a lost answer or
another's decision could make wrong. That two never send for one parent order is held by the journal (a stale writer is
refused) and by the lease (a worker that may have been declared dead sends nothing).
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from adapters.clock import steady
from executor.engine.runner import Runner
from executor.errors import (
    CredentialsRefused,
    ExecutorError,
    InputRefused,
    Interrupted,
    JournalFailed,
    NotApproved,
    RecordBroken,
    RuleRefused,
    TakenOver,
    VenueUnreachable,
)
from executor.log_events import LogEvent
from executor.workers.roster import Roster

log = structlog.get_logger()
T = TypeVar("T")

POLL = timedelta(milliseconds=500)
AGAIN = timedelta(seconds=10)
"""A parent order that a person or a guard has stopped is looked at again after this: it may have been resumed."""
LATER = timedelta(minutes=1)
"""So is one that has begun and failed; and a worker that cannot even make its job (a profile or a key is missing here)
leaves it to the others for as long."""
NOW = timedelta(0)
_OTHERS_FIRST = timedelta(seconds=5)  # longer than it takes until they take more than their share
_TICK = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Job:
    """A parent order that is ready to be run: ``run`` runs it to its end, ``runner`` is what can be told to stop."""

    runner: Runner
    run: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class End:
    """How work on a parent order ended, for the roster: ``done``, ``refused`` (a person must submit it again), or
    ``open`` again ``after`` a while."""

    state: str
    said: str = ""
    after: timedelta = timedelta(0)


class Worker:
    """``roster`` is for this alone."""

    def __init__(self, name: str, place: str, serves: int, roster: Roster) -> None:
        self.name = name
        self._place = place
        self._serves = serves
        self._roster = roster
        self._thread = ThreadPoolExecutor(1, "roster")
        self._running: dict[str, asyncio.Task[None]] = {}
        self._runners: dict[str, Runner] = {}
        self._leaving = asyncio.Event()
        self._unable: dict[str, timedelta] = {}  # until when, by the steady clock
        self._failure: JournalFailed | None = None
        self._ticked = steady()

    def lag(self) -> timedelta:
        """How late the event loop is. Asked from the heartbeat's thread."""
        return max(steady() - self._ticked - _TICK, timedelta(0))

    def drain(self) -> None:
        """Take nothing more, finish the orders in flight, hand over. Call in the event loop."""
        if not self._leaving.is_set():
            log.info(LogEvent.WORKER_DRAINS, worker=self.name, parents=len(self._running))
        self._leaving.set()
        for runner in self._runners.values():
            runner.stop.set()

    async def work(self, make: Callable[[str], Job]) -> None:
        """Work until asked to hand over; ``make`` builds the job of a parent order from what was submitted. Raises
        ``JournalFailed`` if the database stayed away for too long."""
        ticking = asyncio.create_task(self._tick(), name="tick")
        log.info(LogEvent.WORKER_JOINED, worker=self.name, venues=self._place, serves=self._serves)
        try:
            while not self._leaving.is_set() and self._failure is None:
                await self._take(make)
                await self._wait(POLL)
            self.drain()
            await self._hand_over_unbegun()
            await asyncio.gather(*self._running.values())
        finally:
            ticking.cancel()
            self._thread.shutdown()
        if self._failure is not None:
            raise self._failure
        log.info(LogEvent.WORKER_LEFT, worker=self.name)

    async def _hand_over_unbegun(self) -> None:
        """Be seen to leave, and let go at once of what was taken and not begun."""
        if self._failure is not None:
            return
        try:
            await self._ask(lambda: self._roster.drain(self.name))
            for parent in set(await self._ask(lambda: self._roster.mine(self.name))) - self._running.keys():
                await self._ask(partial(self._roster.give_back, self.name, parent, state="open", said="", after=NOW))
        except JournalFailed as error:
            self._failure = error

    async def _take(self, make: Callable[[str], Job]) -> None:
        self._unable = {parent: until for parent, until in self._unable.items() if steady() < until}
        unable = list(self._unable)
        try:
            mine = await self._ask(lambda: self._roster.claim(self.name, self._place, self._serves, unable))
        except JournalFailed as error:
            self._failure = error
            return
        for parent in mine:
            if parent not in self._running and not self._leaving.is_set():
                log.info(LogEvent.WORK_TAKEN, worker=self.name, parent=parent)
                self._running[parent] = asyncio.create_task(self._run(parent, make), name=f"parent-{parent}")

    async def _run(self, parent: str, make: Callable[[str], Job]) -> None:
        try:
            end = await self._ran(parent, make)
            await self._ask(
                lambda: self._roster.give_back(self.name, parent, state=end.state, said=end.said, after=end.after)
            )
            log.info(LogEvent.WORK_GIVEN_BACK, worker=self.name, parent=parent, state=end.state, why=end.said)
        except JournalFailed as error:
            self._failure = self._failure or error
        finally:
            self._runners.pop(parent, None)
            del self._running[parent]

    async def _ran(self, parent: str, make: Callable[[str], Job]) -> End:
        """Run it to whatever end. Raises ``JournalFailed``: then the worker ends."""
        try:
            job = make(parent)
        except JournalFailed:
            raise
        except RecordBroken as error:
            return End("refused", str(error))
        except Exception as error:  # what is missing on this machine may be there on another
            self._unable[parent] = steady() + LATER
            return End("open", f"{self.name} cannot: {_said(error)}", AGAIN)
        self._runners[parent] = job.runner
        if self._leaving.is_set():
            await job.runner.aclose()
            return End("open")
        try:
            await job.run()
        except Interrupted:
            return End("open")
        except TakenOver as error:
            return End("open", str(error), POLL)
        except JournalFailed:
            raise
        except Exception as error:
            return self._failed(parent, job.runner, error)
        finally:
            await job.runner.aclose()
        return End("done")

    def _failed(self, parent: str, runner: Runner, error: Exception) -> End:
        """What has not begun is refused: a person must submit it again. What has begun is never left to nobody."""
        foreseen = isinstance(error, ExecutorError)
        if not foreseen:
            log.error(LogEvent.WORK_GIVEN_BACK, worker=self.name, parent=parent, exc_info=error)
        passes = foreseen and not isinstance(error, NotApproved | RuleRefused | InputRefused | RecordBroken)
        if passes:  # stopped by a person or a guard, no key, no venue
            if isinstance(error, CredentialsRefused | VenueUnreachable):  # perhaps from here only
                self._unable[parent] = steady() + AGAIN + _OTHERS_FIRST
            return End("open", str(error), AGAIN)
        if runner.state.created is None or isinstance(error, RecordBroken):
            return End("refused", _said(error))
        return End("open", _said(error), LATER)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)

    async def _wait(self, span: timedelta) -> None:
        try:
            async with asyncio.timeout(span.total_seconds()):
                await self._leaving.wait()
        except TimeoutError:
            return

    async def _tick(self) -> None:
        while True:
            self._ticked = steady()
            await asyncio.sleep(_TICK.total_seconds())


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ExecutorError) else f"not foreseen: {type(error).__name__}: {error}"
