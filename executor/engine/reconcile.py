"""The venue's books against ours: at the start, on a schedule and at the end.

News that is merely late (a fill after the end of an order) is recorded. What cannot be is a break, by one of these
names, and stops new orders at that venue until a person has explained it:

``foreign_order``  a live order on our account that no intent of ours explains
``busted_trade``   a trade in the record that the venue no longer shows
``unknown_trade``  a quote trade in the venue's ledger that the record does not have
``balance``        a purse that does not hold what it held before our first order less what was sold from it
"""

from datetime import datetime, timedelta
from typing import cast

import structlog

from adapters.clock import Clock
from adapters.venue import RfqVenue, VenueError
from executor.domain.events import BreakFound
from executor.domain.orders import Child, ChildStatus
from executor.engine.child import ChildOrders, ref_of
from executor.engine.desk import Desk
from executor.engine.parent_log import ParentLog
from executor.errors import GuardHalts
from executor.journal.journal import Journal
from executor.log_events import LogEvent

log = structlog.get_logger()


class Reconciler:
    """Compares one parent order's record with its venues."""

    def __init__(self, parent: ParentLog, journal: Journal, desk: Desk, clock: Clock, orders: ChildOrders) -> None:
        self._log = parent
        self._journal = journal
        self._desk = desk
        self._clock = clock
        self._orders = orders
        self._checked: set[str] = set()
        self._busted: dict[str, int] = {}

    async def run(self) -> None:
        """Compare once with every venue. A venue that does not answer is left for the next time, and said."""
        for name in self._desk.seats:
            try:
                await self._orders_of(name)
                await self._fills_of(name)
                await self._quotes_of(name)
                await self._balance_of(name)
            except VenueError as error:
                log.warning(LogEvent.VENUE_FAILED, venue=name, error=str(error))
        if self._log.state.breach:
            raise GuardHalts("invariant", self._log.state.breach)

    async def _orders_of(self, name: str) -> None:
        seat = self._desk.seats[name]
        ours = {stream.removeprefix("parent/") for stream in self._journal.streams("parent/")}
        foreign = [
            report.client_order_id or report.venue_order_id
            for report in await seat.venue.open_orders(seat.symbol)
            if report.client_order_id not in self._log.state.children
            and report.client_order_id.rpartition("-")[0] not in ours - {self._log.parent_id}
        ]
        if foreign:
            await self._break(name, "foreign_order", f"live at the venue, unknown to us: {', '.join(sorted(foreign))}")

    async def _fills_of(self, name: str) -> None:
        """Late fills of closed orders are booked. Each closed order is looked at once after its end."""
        seat = self._desk.seats[name]
        for child in list(self._log.state.children.values()):
            done = child.venue == name and child.method == "book" and child.status is ChildStatus.CLOSED
            if not done or child.client_order_id in self._checked or not child.venue_order_id:
                continue
            if not self._in_window(child):
                self._checked.add(child.client_order_id)
                continue
            fills = await seat.venue.fills(ref_of(child))
            await self._orders.book(child, fills)
            gone = sorted(child.trade_ids - {fill.trade_id for fill in fills})
            if gone:
                await self._break(name, "busted_trade", f"{child.client_order_id}: no longer shown: {', '.join(gone)}")
            self._checked.add(child.client_order_id)

    def _in_window(self, child: Child) -> bool:
        window = self._desk.seats[child.venue].venue.traits.fills_window
        return window is None or self._clock.now() - child.intended_at < window

    async def _quotes_of(self, name: str) -> None:
        """Every quote trade of the venue's ledger since our first order must be one of ours."""
        state = self._log.state
        venue = self._desk.seats[name].venue
        if venue.traits.rfq is None or not venue.traits.rfq.executable:
            return
        mine = [c for c in state.children.values() if c.venue == name and c.method == "rfq"]
        if not mine or any(c.status is not ChildStatus.CLOSED for c in mine):
            return
        since: datetime = max(mine[0].intended_at, self._clock.now() - timedelta(hours=24)) - timedelta(seconds=5)
        trades = await cast(RfqVenue, venue).quote_trades(state.spec.asset, state.spec.quote_asset, since)
        known = {trade for child in mine for trade in child.trade_ids}
        strange = sorted(trade.trade_id for trade in trades if trade.trade_id not in known)
        if strange and len(self._journal.streams("parent/")) == 1:
            await self._break(name, "unknown_trade", f"in the ledger, not in the record: {', '.join(strange)}")

    async def _balance_of(self, name: str) -> None:
        state = self._log.state
        if any(c.venue == name for c in state.open.values()) or len(self._journal.streams("parent/")) > 1:
            return  # in flight, or several parent orders share the purse: no arithmetic holds at this moment
        for method in ("book", "rfq"):
            if (name, self._desk.account(name, method)) in state.purses:
                before = state.version
                difference = await self._desk.purse_agrees(name, method, state)
                if difference and state.version == before:
                    await self._break(name, "balance", difference)

    async def _break(self, venue: str, name: str, detail: str) -> None:
        if self._log.state.breaks.get((venue, name)) == detail:
            return
        await self._log.record(BreakFound(venue=venue, name=name, detail=detail))
