"""The one place where the program learns what time it is.

Everything else is handed a :class:`Clock`. Waiting goes through the event loop's own timers (``asyncio.sleep``),
so a loop with a virtual clock (``executor.engine.virtual_time``) turns a day into seconds without touching any caller.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

# Goes on while the machine is suspended, which the other steady clock of Linux does not.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Source of UTC time and of waiting."""

    def now(self) -> datetime:
        """The current time, timezone-aware UTC."""

    async def sleep_until(self, moment: datetime) -> None:
        """Return at ``moment`` or at once if it is past."""


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        # The wall clock can be stepped while we sleep, so look again until it agrees.
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)


def steady() -> timedelta:
    """Time since this machine was started. Nobody can set it: for how long ago something was, not for when."""
    return timedelta(microseconds=time.clock_gettime_ns(_STEADY) // 1_000)


class SetClock:
    """A clock that is set by another one (a database's) and run by this machine's steady clock, so that processes on
    machines whose own clocks disagree still agree about the time."""

    def __init__(self) -> None:
        self._told: datetime | None = None
        self._at = timedelta(0)
        self._shown = datetime.min.replace(tzinfo=UTC)

    def set(self, told: datetime, at: timedelta) -> None:
        """It was ``told`` when :func:`steady` was ``at``."""
        self._told, self._at = told.astimezone(UTC), at

    def now(self) -> datetime:
        if self._told is None:
            raise ValueError("the clock was not set yet")
        # Setting it again moves it by the error of the measurement: it stands still rather than go back.
        self._shown = max(self._shown, self._told + (steady() - self._at))
        return self._shown

    async def sleep_until(self, moment: datetime) -> None:
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)


class LoopClock:
    """A clock driven by the running event loop's own time.

    ``start`` is the UTC time shown when the loop's time is ``origin`` (seconds, default zero). Under a virtual-time
    loop this is the virtual clock of dry runs and simulations. ``skew`` shifts what this clock shows: a mocked venue
    with a wrong clock is a ``LoopClock`` with a skew. It follows the loop that first asks it until that one is closed.
    """

    def __init__(self, start: datetime, *, origin: float = 0.0, skew: timedelta = timedelta(0)) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be timezone-aware: give it in UTC")
        self._start = start.astimezone(UTC)
        self._origin = origin
        self.skew = skew
        self._loop: asyncio.AbstractEventLoop | None = None  # asking for the running one is a call of the system
        # When it was last asked, and what it said: virtual time stands still for long.
        self._asked = -1.0
        self._skewed = skew
        self._told = start

    def now(self) -> datetime:
        loop = self._loop
        if loop is None or loop.is_closed():
            loop = self._loop = asyncio.get_running_loop()
        asked = loop.time()
        if asked != self._asked or self.skew is not self._skewed:
            # Whole microseconds: the record's resolution, and the same on every machine.
            shown = timedelta(microseconds=round((asked - self._origin) * 1_000_000))
            self._asked, self._skewed, self._told = asked, self.skew, self._start + shown + self.skew
        return self._told

    async def sleep_until(self, moment: datetime) -> None:
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
