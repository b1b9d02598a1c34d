"""The one place where the program learns what time it is.

Everything else is handed a :class:`Clock`. Waiting goes through the event loop's own timers (``asyncio.sleep``),
so a loop with a virtual clock (``executor.engine.virtual_time``) turns a day into seconds without touching any caller.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


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


class LoopClock:
    """A clock driven by the running event loop's own time.

    ``start`` is the UTC time shown when the loop's time is ``origin`` (seconds, default zero). Under a virtual-time
    loop this is the virtual clock of dry runs and simulations. ``skew`` shifts what this clock shows: a mocked venue
    with a wrong clock is a ``LoopClock`` with a skew.
    """

    def __init__(self, start: datetime, *, origin: float = 0.0, skew: timedelta = timedelta(0)) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be timezone-aware: give it in UTC")
        self._start = start.astimezone(UTC)
        self._origin = origin
        self.skew = skew

    def now(self) -> datetime:
        elapsed = asyncio.get_running_loop().time() - self._origin
        # Whole microseconds: the record's resolution, and the same on every machine.
        return self._start + timedelta(microseconds=round(elapsed * 1_000_000)) + self.skew

    async def sleep_until(self, moment: datetime) -> None:
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
