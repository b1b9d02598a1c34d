"""The venue's books against ours: at the start, on a schedule and at the end.

News that is merely late (a fill after the end of an order) is recorded. What cannot be is a break, by one of these
names, and stops new orders at that venue until a person has explained it:

``foreign_order``  a live order on our account that no intent explains, or one that has ended in the record
``busted_trade``   a trade in the record that the venue no longer shows
``unknown_trade``  a quote trade in the venue's ledger that the record does not have
``balance``        a purse that does not hold what it held before our first order less what was sold from it

What a person has explained is remembered in the record: an explained order or trade is no break any more, and an
explained difference of a purse is part of the arithmetic from then on, so that the next difference shows again.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import cast

import structlog

from adapters.clock import Clock
from adapters.venue import OrderRef, RfqVenue, VenueError
from executor.domain.events import BreakFound, PurseGap
from executor.domain.orders import Child, ChildStatus
from executor.engine.child import ChildOrders, ref_of
from executor.engine.desk import Desk
from executor.engine.neighbours import Neighbours
from executor.engine.parent_log import ParentLog
from executor.engine.tuning import Tuning
from executor.errors import GuardHalts
from executor.log_events import LogEvent

log = structlog.get_logger()


class Reconciler:
    """Compares one parent order's record with its venues."""

    def __init__(
        self,
        parent: ParentLog,
        neighbours: Neighbours,
        desk: Desk,
        clock: Clock,
        orders: ChildOrders,
        tuning: Tuning,
    ) -> None:
        self._log = parent
        self._neighbours = neighbours
        self._desk = desk
        self._clock = clock
        self._orders = orders
        self._tuning = tuning
        self._checked: set[str] = set()
        self.silent: set[str] = set()  # venues that have not answered the latest comparison

    async def run(self, *, at_start: bool = False) -> None:
        """Compare once with every venue, each on its own. A venue that does not answer is left for the next time, and
        said. ``at_start``: orders that ended long ago are looked at next time, unless a purse does not agree: who takes
        over in the middle of a sale does not ask for each of them before going on."""
        names = self._desk.seats
        ends = await asyncio.gather(*(self._compare(name, at_start) for name in names), return_exceptions=True)
        for fault in ends:
            if isinstance(fault, BaseException):
                raise fault
        if self._log.state.breach:
            raise GuardHalts("invariant", self._log.state.breach)

    async def _compare(self, name: str, at_start: bool) -> None:
        since = self._clock.now() - self._tuning.patience if at_start else None
        try:
            await self._orders_of(name)
            await self._fills_of(name, since)
            await self._quotes_of(name)
            await self._balance_of(name)
            self.silent.discard(name)
        except VenueError as error:
            self.silent.add(name)
            log.warning(LogEvent.VENUE_FAILED, venue=name, error=str(error))

    async def _orders_of(self, name: str) -> None:
        seat, state = self._desk.seats[name], self._log.state
        live = await seat.venue.open_orders(seat.symbol)
        theirs = self._neighbours.names(state)
        foreign = [
            report.client_order_id or report.venue_order_id
            for report in live
            if report.client_order_id not in state.open and report.client_order_id.rpartition("-")[0] not in theirs
        ]
        await self._break(name, "foreign_order", "live at the venue, not in the record", foreign)
        risen = [r for r in live if r.client_order_id in foreign and self._ours(r.client_order_id)]
        for report in risen:
            # Ended in the record and live all the same: it must not sell on, and what it has sold is looked for again.
            await self._orders.ask_to_cancel(name, OrderRef(report.client_order_id, seat.symbol, report.venue_order_id))
        if risen:
            self._recall(name)

    def _ours(self, client_order_id: str) -> bool:
        return client_order_id.rpartition("-")[0] == self._log.state.spec.parent_id

    async def _fills_of(self, name: str, since: datetime | None = None) -> None:
        """Late fills of closed orders are booked. Each order that was closed after ``since`` is looked at once after
        its end, and once more when a purse does not agree."""
        venue = self._desk.seats[name].venue
        for child in list(self._log.state.children.values()):
            if child.venue != name or child.client_order_id in self._checked or not self._may_have_traded(child):
                continue
            if since is not None and child.closed_at is not None and child.closed_at < since:
                continue
            fills = await venue.fills(ref_of(child))
            await self._orders.book(child, fills)
            gone = child.trade_ids - {fill.trade_id for fill in fills}
            if gone:
                await self._break(name, "busted_trade", "no longer shown by the venue", gone)
            self._checked.add(child.client_order_id)
        self._fold_away()

    def _fold_away(self) -> None:
        """Forget the oldest closed orders of which nothing more is asked. Should a purse not agree later, they are
        read from the journal again."""
        state = self._log.state
        spare = len(state.children) - self._tuning.remembered
        for child in list(state.children.values()) if spare > 0 else ():
            if spare <= 0:
                break
            if child.client_order_id in self._checked or not self._may_have_traded(child):
                state.fold_away(child.client_order_id)
                self._checked.discard(child.client_order_id)
                spare -= 1

    def _recall(self, name: str) -> None:
        """Every order of a venue is to be looked at once more."""
        state = self._log.state
        if len(state.children) < state.last_number:
            for child in self._log.history().children.values():
                if child.venue == name:
                    state.recall(child)
        self._checked -= {c.client_order_id for c in state.children.values() if c.venue == name}

    def _may_have_traded(self, child: Child) -> bool:
        """A closed book order that the venue may have had, and whose fills it still remembers."""
        if child.method != "book" or child.status is not ChildStatus.CLOSED:
            return False
        if child.outcome == "not sent" or child.outcome.startswith("rejected"):
            return False
        window = self._desk.seats[child.venue].venue.traits.fills_window
        return window is None or self._clock.now() - child.intended_at < window

    async def _quotes_of(self, name: str) -> None:
        """Every quote trade of the venue's ledger since our first order must be in the record of somebody."""
        state = self._log.state
        venue = self._desk.seats[name].venue
        if venue.traits.rfq is None or not venue.traits.rfq.executable:
            return
        if name not in state.first_quote_at:
            return
        since: datetime = max(state.first_quote_at[name], self._clock.now() - timedelta(hours=24))
        since += self._desk.seats[name].clock_offset - timedelta(seconds=5)  # the ledger's clock, and it may be coarse
        trades = await cast(RfqVenue, venue).quote_trades(state.spec.asset, state.spec.quote_asset, since)
        ours = any(child.venue == name and child.method == "rfq" for child in state.open.values())
        if ours or self._neighbours.accepts_quotes(state, name):
            return  # one of these trades may be its own
        known = self._desk.known_trades(name, state)
        strange = [trade.trade_id for trade in trades if trade.trade_id not in known]
        await self._break(name, "unknown_trade", "in the venue's ledger, not in the record", strange)

    async def _balance_of(self, name: str) -> None:
        if not await self._gaps(name):
            return
        # News that came after an order was looked at explains most differences: look at all of them once more.
        self._recall(name)
        await self._fills_of(name)
        await self._quotes_of(name)
        gaps = await self._gaps(name)
        if gaps:
            await self._found(BreakFound(venue=name, name="balance", detail="; ".join(gaps), gaps=list(gaps.values())))

    async def _gaps(self, name: str) -> dict[str, PurseGap]:
        """What is wrong with the purses of a venue, in words and in numbers."""
        found: dict[str, PurseGap] = {}
        state = self._log.state
        accounts = {self._desk.account(name, method): method for method in ("rfq", "book")}
        for account, method in sorted(accounts.items()):
            before = state.version
            if (name, account) not in state.purses or any(c.venue == name for c in state.open.values()):
                continue  # in flight: no arithmetic holds at this moment
            words, gap = await self._desk.purse_gap(name, method, state)
            if gap is not None and state.version == before:
                found[words] = gap
        return found

    async def _break(self, venue: str, name: str, what: str, items: Iterable[str]) -> None:
        """A break about ``items``, unless a person has explained every one of them."""
        state = self._log.state
        news = sorted(item for item in items if (venue, name, item) not in state.explained)
        if news:
            before = state.breaks.get((venue, name))
            both = sorted({*news, *(before.items if before else ())})
            await self._found(BreakFound(venue=venue, name=name, detail=f"{what}: {', '.join(both)}", items=both))

    async def _found(self, news: BreakFound) -> None:
        if self._log.state.breaks.get((news.venue, news.name)) != news:
            await self._log.record(news)
