"""The rate limits of a venue's account, shared by all workers that use it: turns are given out by the database.

Every request needs a turn; turns of one key are evenly spaced, whoever takes them. Requests that wait together take
theirs in one statement. A turn that could not be used in time (the process was busy) is let go and another is taken:
sent late, it would stand too close to the next one. For that much lateness the spacing is wider than the documented
rate by ``SLACK`` in every second. If that is missed too, the next comes with as many turns after it as the second was
late, all for this one request, which may then go at any moment of them: else a process that is always late would never
send.

A pause that a venue asks one of them for (429, 418) is kept by all: each hears of it with its next turn.

While the database does not answer, readings and cancellations go on alone, at the share of the rate that everybody
would have if all were alone: taking orders off must not wait for a database.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Protocol

import structlog

from adapters.clock import steady
from executor.errors import JournalFailed
from executor.log_events import LogEvent
from executor.workers.roster import Roster

log = structlog.get_logger()

SLACK = timedelta(milliseconds=200)
_LATE = SLACK / 2
_WIDEST = timedelta(seconds=2)
"""A process that is later than this sends nothing: it would keep the account from the others for as long."""
_AT_ONCE = 50
_US = timedelta(microseconds=1)
_ALONE = 8
"""While the database is away each worker keeps to this part of the rate; more workers than that are a reason to ask
the venue for a higher one."""


class Turns(Protocol):
    """Lets requests of one kind through at a rate."""

    async def acquire(self) -> timedelta:
        """Wait for this request's turn; for how long the account must still be left alone, usually not at all."""


class SharedTurns:
    """Gives one worker its turns at every account it uses. ``roster`` is for this alone; ``alone`` makes the turns of a
    process that shares a rate with nobody."""

    def __init__(self, roster: Roster, alone: Callable[[Decimal], Turns]) -> None:
        self.alone = alone
        self._roster = roster
        self._thread = ThreadPoolExecutor(1, "turns")

    def of(self, account: str) -> "SharedAccount":
        """An account as all workers see it."""
        return SharedAccount(account, self)

    async def take(self, account: str, kind: str, every: timedelta, count: int) -> tuple[timedelta, timedelta]:
        """``count`` turns; when the first of them is and until when the account must be left alone, by the steady
        clock. Raises ``JournalFailed``."""

        def taken() -> tuple[timedelta, timedelta]:
            wait, pause = self._roster.take_turns(account, kind, every, count)
            now = steady()  # here: the event loop may hear of it late, and the turn is not later for that
            return now + wait, now + pause

        return await asyncio.get_running_loop().run_in_executor(self._thread, taken)

    def tell(self, account: str, least: timedelta) -> None:
        """Tell all workers to leave the account alone."""
        self._thread.submit(self._tell, account, least)

    def _tell(self, account: str, least: timedelta) -> None:
        try:
            self._roster.pause(account, least)
        except JournalFailed as error:  # each of them will be told by the venue itself
            log.warning(LogEvent.WORKER_UNSURE, account=account, error=str(error))

    def close(self) -> None:
        """Give out no more."""
        self._thread.shutdown()
        self._roster.close()


class SharedAccount:
    """One account of a venue, which all workers use."""

    def __init__(self, name: str, shared: SharedTurns) -> None:
        self.name = name
        self.shared = shared
        self.closed_until = timedelta(0)

    def turns(self, kind: str, per_second: Decimal) -> Turns:
        """The turns that all take together for requests of one kind."""
        return _Line(self, kind, per_second)

    def pause(self, least: timedelta) -> None:
        """The venue wants to be left alone by all of them for ``least``."""
        self.closed_until = max(self.closed_until, steady() + least)
        self.shared.tell(self.name, least)


class _Line:
    """The requests of one kind that wait for their turns."""

    def __init__(self, account: SharedAccount, kind: str, per_second: Decimal) -> None:
        self._account = account
        self._kind = kind
        self._every = timedelta(microseconds=math.ceil((timedelta(seconds=1) + SLACK) // _US / per_second))
        self._alone = account.shared.alone(per_second / _ALONE)
        self._waiting: list[tuple[asyncio.Future[timedelta | None], int]] = []  # and how many turns it is to have
        self._asking: asyncio.Task[None] | None = None

    async def acquire(self) -> timedelta:
        """Wait for this request's turn; for how long the account must still be left alone."""
        count, missed = 1, False
        while True:
            place: asyncio.Future[timedelta | None] = asyncio.get_running_loop().create_future()
            self._waiting.append((place, count))
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(), name=f"turns-{self._account.name}-{self._kind}")
            turn = await place
            if turn is None:
                await self._alone.acquire()
                return self._pause()
            if (left := (turn - steady()).total_seconds()) > 0:
                await asyncio.sleep(left)
            late = steady() - turn
            if late <= self._every * (count - 1) + _LATE:
                return self._pause()
            count = 1 + math.ceil(late / self._every) if missed and late <= _WIDEST else 1
            missed = True

    def _pause(self) -> timedelta:
        return max(self._account.closed_until - steady(), timedelta(0))

    async def _ask(self) -> None:
        places: list[tuple[asyncio.Future[timedelta | None], int]] = []
        try:
            while self._waiting:
                places, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                try:
                    counts = [count for _, count in places]
                    asked = (self._account.name, self._kind, self._every, sum(counts))
                    first, closed_until = await self._account.shared.take(*asked)
                except JournalFailed:
                    turns: list[timedelta | None] = [None] * len(places)
                else:
                    self._account.closed_until = max(self._account.closed_until, closed_until)
                    turns = [first + self._every * before for before in accumulate(counts[:-1], initial=0)]
                for (place, _), turn in zip(places, turns, strict=True):
                    if not place.done():  # else whoever waited has gone
                        place.set_result(turn)
        finally:
            self._asking = None
            # Where this ended otherwise than by having told all: nobody waits for ever.
            for place, _ in (*places, *self._waiting):
                if not place.done():
                    place.set_result(None)
