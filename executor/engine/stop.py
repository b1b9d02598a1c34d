"""The request to end a run in good order: from a signal, a kill, or a fault elsewhere in the run."""

import asyncio
from datetime import datetime

from adapters.clock import Clock


class Stop:
    """Set when the run should end in good order: no new orders, resting ones cancelled."""

    def __init__(self, clock: Clock) -> None:
        self._event = asyncio.Event()
        self._clock = clock

    def set(self) -> None:
        """Ask everybody to finish what they are at."""
        self._event.set()

    def requested(self) -> bool:
        """True once somebody asked."""
        return self._event.is_set()

    async def wait_until(self, moment: datetime) -> bool:
        """Wait for ``moment``. False if the stop came first."""
        try:
            async with asyncio.timeout(max(0.0, (moment - self._clock.now()).total_seconds())):
                await self._event.wait()
        except TimeoutError:
            return not self.requested()
        return False
