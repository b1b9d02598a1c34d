"""The rate limits of a venue's account, shared by all workers that use it: turns are given out by the database.

Every request needs a turn; turns of one key are evenly spaced, whoever takes them. Requests that wait together take
theirs in one statement. A turn that could not be used in time (the process was busy) is let go and another is taken:
sent late, it would stand too close to the next one. For that much lateness the spacing is wider than the documented
rate by ``SLACK`` in every second.

While the database does not answer, readings and cancellations go on alone, at the share of the rate that everybody
would have if all were alone: taking orders off must not wait for a database.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from adapters.clock import steady
from executor.errors import JournalFailed
from executor.workers.roster import Roster

SLACK = timedelta(milliseconds=200)
_LATE = SLACK / 2
_AT_ONCE = 50
_US = timedelta(microseconds=1)
_ALONE = 8
"""While the database is away each worker keeps to this part of the rate; more workers than that are a reason to ask
the venue for a higher one."""


class Turns(Protocol):
    """Lets requests of one kind through at a rate."""

    async def acquire(self) -> None:
        """Wait for this request's turn."""


class SharedTurns:
    """Gives one worker its turns at every account it uses. ``roster`` is for this alone; ``alone`` makes the turns of a
    process that shares a rate with nobody."""

    def __init__(self, roster: Roster, alone: Callable[[Decimal], Turns]) -> None:
        self.alone = alone
        self._roster = roster
        self._thread = ThreadPoolExecutor(1, "turns")

    def of(self, account: str) -> Callable[[str, Decimal], Turns]:
        """What makes the turns of ``account`` for each kind of request."""
        return lambda kind, per_second: _Line(self, f"{account}/{kind}", per_second)

    async def take(self, key: str, every: timedelta, count: int) -> timedelta:
        """``count`` turns; when the first of them is, by the steady clock. Raises ``JournalFailed``."""
        loop = asyncio.get_running_loop()
        wait = await loop.run_in_executor(self._thread, self._roster.take_turns, key, every, count)
        return steady() + wait

    def close(self) -> None:
        """Give out no more."""
        self._thread.shutdown()
        self._roster.close()


class _Line:
    """The requests of one kind that wait for their turns."""

    def __init__(self, shared: SharedTurns, key: str, per_second: Decimal) -> None:
        self._shared = shared
        self._key = key
        self._every = timedelta(microseconds=math.ceil((timedelta(seconds=1) + SLACK) // _US / per_second))
        self._alone = shared.alone(per_second / _ALONE)
        self._waiting: list[asyncio.Future[timedelta | None]] = []
        self._asking: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Wait for this request's turn."""
        while True:
            place: asyncio.Future[timedelta | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(), name=f"turns-{self._key}")
            turn = await place
            if turn is None:
                await self._alone.acquire()
                return
            if (left := (turn - steady()).total_seconds()) > 0:
                await asyncio.sleep(left)
            if steady() - turn <= _LATE:
                return

    async def _ask(self) -> None:
        try:
            while self._waiting:
                places, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                try:
                    first = await self._shared.take(self._key, self._every, len(places))
                except JournalFailed:
                    turns: list[timedelta | None] = [None] * len(places)
                else:
                    turns = [first + self._every * number for number in range(len(places))]
                for place, turn in zip(places, turns, strict=True):
                    if not place.done():  # else whoever waited has gone
                        place.set_result(turn)
        finally:
            self._asking = None
