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
from typing import TypeVar

import structlog

from adapters.clock import steady
from executor.engine.runner import Runner
from executor.errors import (
    ExecutorError,
    InputRefused,
    Interrupted,
    JournalFailed,
    RecordBroken,
    RuleRefused,
    TakenOver,
)
from executor.log_events import LogEvent
from executor.workers.roster import Roster

log = structlog.get_logger()
T = TypeVar("T")

POLL = timedelta(milliseconds=500)
AGAIN = timedelta(seconds=10)
"""A parent order that a person or a guard has stopped is looked at again after this: it may have been resumed."""
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
            await asyncio.gather(*self._running.values())
        finally:
            ticking.cancel()
            self._thread.shutdown()
        if self._failure is not None:
            raise self._failure
        log.info(LogEvent.WORKER_LEFT, worker=self.name)

    async def _take(self, make: Callable[[str], Job]) -> None:
        try:
            mine = await self._ask(lambda: self._roster.claim(self.name, self._place, self._serves))
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
            self._runners[parent] = job.runner
            if self._leaving.is_set():
                return End("open")
            try:
                await job.run()
            finally:
                await job.runner.aclose()
        except Interrupted:
            return End("open")
        except TakenOver as error:
            return End("open", str(error), POLL)
        except JournalFailed:
            raise
        except (RuleRefused, InputRefused, RecordBroken) as error:
            return End("refused", str(error))
        except ExecutorError as error:  # stopped by a person or a guard, not approved, no key, no venue: it may pass
            return End("open", str(error), AGAIN)
        except Exception as error:
            log.exception(LogEvent.WORK_GIVEN_BACK, worker=self.name, parent=parent)
            return End("refused", f"this was not foreseen: {type(error).__name__}: {error}")
        return End("done")

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
