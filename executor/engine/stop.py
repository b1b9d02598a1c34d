"""The request to end a run in good order: from a signal, a kill, or a fault elsewhere in the run."""

import asyncio
from datetime import datetime, timedelta

from adapters.clock import Clock

_NOTHING = timedelta(0)


class Stop:
    """Set when the run should end in good order: no new orders, resting ones cancelled."""

    def __init__(self, clock: Clock) -> None:
        self._requested = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._clock = clock

    def set(self) -> None:
        """Ask everybody to finish what they are at."""
        self._requested = True
        for each in self._waiting:
            _end(each)

    def requested(self) -> bool:
        """True once somebody asked."""
        return self._requested

    async def wait_until(self, moment: datetime) -> bool:
        """Wait for ``moment``. False if the stop came first."""
        left = moment - self._clock.now()
        if left > _NOTHING and not self._requested:
            loop = asyncio.get_running_loop()
            over: asyncio.Future[None] = loop.create_future()
            timer = loop.call_at(loop.time() + left.total_seconds(), _end, over)
            self._waiting.add(over)
            try:
                await over
            finally:
                if self._requested or over.cancelled():
                    timer.cancel()
                self._waiting.discard(over)
        return not self._requested


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
