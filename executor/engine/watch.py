"""While the legs of a run work: obey people, compare with the venues, check the clocks, look at the deposit's cover.

Each of these has a task of its own. A venue that does not answer a comparison or a cancellation holds up neither the
look at what people ordered nor the cancellations at the other venues.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from adapters.venue import OrderRef
from executor.domain.control import Hold
from executor.domain.orders import ChildStatus
from executor.engine.control import cancel_everything, kills, live_orders
from executor.engine.reconcile import Reconciler
from executor.engine.work import Work
from executor.errors import NotNow

_AGAIN = timedelta(seconds=15)  # a cancellation that has not ended its order is asked for again after this


class Watch:
    """Watches over one run."""

    def __init__(self, work: Work, reconciler: Reconciler) -> None:
        self._work = work
        self._reconciler = reconciler
        self._asked: dict[tuple[str, ChildStatus], datetime] = {}
        self._errands: set[asyncio.Task[None]] = set()

    async def over(self, legs: Sequence[asyncio.Task[None]]) -> None:
        """Watch until the legs are done. The first fault stops them and is raised when all have ended."""
        watches = [asyncio.create_task(each) for each in (self._people(legs), self._venues(legs), self._cover(legs))]
        ends = await asyncio.gather(*watches, return_exceptions=True)
        ends += await asyncio.gather(*self._errands, return_exceptions=True)
        for fault in ends:
            if isinstance(fault, BaseException):
                raise fault

    async def _people(self, legs: Sequence[asyncio.Task[None]]) -> None:
        work = self._work
        try:
            while not all(leg.done() for leg in legs):
                await asyncio.wait(legs, timeout=work.tuning.control.total_seconds())
                await work.controls.carry_out_acts()
                await work.escalate()
                self._obey()
                for errand in [each for each in self._errands if each.done()]:
                    self._errands.discard(errand)
                    errand.result()
        except BaseException:
            work.stop.set()
            raise

    async def _venues(self, legs: Sequence[asyncio.Task[None]]) -> None:
        work = self._work
        try:
            while not all(leg.done() for leg in legs):
                _, working = await asyncio.wait(legs, timeout=work.tuning.reconcile.total_seconds())
                if working:
                    await self._reconciler.run()
                    await work.desk.check_clocks()
        except BaseException:
            work.stop.set()
            raise

    async def _cover(self, legs: Sequence[asyncio.Task[None]]) -> None:
        """Look at the deposit's cover, so often that the market's price is never one that counts for none."""
        work = self._work
        if work.log.gate.cover.terms is None:
            return
        try:
            while not all(leg.done() for leg in legs):
                _, working = await asyncio.wait(legs, timeout=work.guards.stale_after / 2)
                if working:
                    await work.desk.books()
                    with suppress(NotNow):  # an intent is refused with the same words
                        await work.log.watch_cover()
        except BaseException:
            work.stop.set()
            raise

    def _obey(self) -> None:
        """Cancel what rests where a hold says so; end the run on a kill of the whole parent order."""
        whole = self._work.controls.whole()
        if kills(whole):
            self._work.stop.set()
        wanted: dict[str, list[OrderRef]] = {}
        for venue, refs in live_orders(self._work.log.state).items():
            if _cancels(whole) or _cancels(self._work.controls.venue(venue)):
                due = [ref for ref in refs if self._due(ref)]
                if due:
                    wanted[venue] = due
        for venue, refs in wanted.items():
            self._errands.add(asyncio.create_task(self._take_off(venue, refs), name=f"cancel-{venue}"))

    def _due(self, ref: OrderRef) -> bool:
        """True if cancellation of this order in its present state has not been asked for, or long ago."""
        now, key = self._work.clock.now(), (ref.client_order_id, self._work.log.state.open[ref.client_order_id].status)
        if key in self._asked and now - self._asked[key] < _AGAIN:
            return False
        self._asked[key] = now
        return True

    async def _take_off(self, venue: str, refs: Sequence[OrderRef]) -> None:
        await cancel_everything(self._work.desk.venues, {venue: refs})
        known = self._work.log.state.open
        children = [known[ref.client_order_id] for ref in refs if ref.client_order_id in known]
        ends = await asyncio.gather(*(self._work.orders.settle(child) for child in children), return_exceptions=True)
        for fault in ends:
            if isinstance(fault, BaseException):
                raise fault


def _cancels(hold: Hold | None) -> bool:
    return hold is not None and (hold.cancel or kills(hold))
