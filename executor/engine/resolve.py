"""What became of an order whose outcome is not known: asked, never guessed, never sent again under a new id.

A book order is looked for by its client id, among the open orders and among the fills, as often and over as long as
the venue's traits demand. Only when every look came back empty and the purse holds exactly what it should is the
order held to be absent. A venue that documents that it refuses a known id is then sent the same order once more under
the same id; at any other venue it is never sent again. An RFQ acceptance is repeated with the same quote id while the
quote lives, where that is documented to be safe; then the venue's ledger and the purse are read. What none of this
settles is parked for a person, with its quantity exposed.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import cast

import structlog

from adapters.clock import Clock
from adapters.leave import asking
from adapters.venue import DuplicateIds, Fill, Quote, QuoteTrade, Rejected, RfqVenue, TimeInForce, VenueError
from executor.domain.events import ChildParked, ChildResent, ChildResolved, ChildUnknown
from executor.domain.orders import Child, ChildStatus, ParentStatus
from executor.engine.child import ChildOrders, ref_of, unknown_of
from executor.engine.desk import Desk
from executor.engine.parent_log import ParentLog
from executor.engine.rfq import QuoteOrders
from executor.engine.stop import Stop
from executor.engine.tuning import Tuning
from executor.errors import GuardHalts, Held, NotNow, RuleRefused
from executor.log_events import LogEvent

log = structlog.get_logger()

_FAILED_LOOKS = 30  # looks without a usable answer before a person is asked
_SENDS = 2  # the first and one more under the same id


class Resolver:
    """Settles unknown and interrupted child orders of one parent."""

    def __init__(
        self,
        parent: ParentLog,
        desk: Desk,
        clock: Clock,
        tuning: Tuning,
        stop: Stop,
        orders: ChildOrders,
        quotes: QuoteOrders,
    ) -> None:
        self._log = parent
        self._desk = desk
        self._clock = clock
        self._tuning = tuning
        self._stop = stop
        self._orders = orders
        self._quotes = quotes

    async def resolve(self, child: Child) -> None:
        """Bring ``child`` to an end that is proved, or park it. Nothing to do for one that is closed or parked. A stop
        leaves an unknown as it is, for the next run."""
        if child.status is ChildStatus.INTENDED:
            # Found after a restart: whether it left this machine is not known.
            message = "the process ended between the intent and the recorded outcome"
            await self._log.record(ChildUnknown(client_order_id=child.client_order_id, message=message))
        while child.status is ChildStatus.UNKNOWN and not self._stop.requested():
            if child.method == "rfq":
                await self._resolve_quote(child)
            else:
                await self._resolve_order(child)
        if child.status is ChildStatus.WORKING:
            # A resting order that was found again has lost its turn: nobody waits for it, so it is taken off.
            rests = child.time_in_force == TimeInForce.GTC.value
            await (self._orders.cancel(child) if rests else self._orders.settle(child))

    # --- book orders --------------------------------------------------------------------------------------------

    async def _resolve_order(self, child: Child) -> None:
        traits = self._desk.seats[child.venue].venue.traits
        evidence = await self._looks(child, traits.looks, traits.quiet_period)
        if child.status is not ChildStatus.UNKNOWN or self._stop.requested():
            return
        if not evidence:
            await self._park(child, "the venue gives no usable answer about the order")
            return
        if child.exists:
            await self._park(child, f"the venue says that it has the order, and does not show it: {evidence}")
            return
        disagreement = await self._purse_disagrees(child)
        if disagreement:
            await self._park(child, f"{evidence}; but {disagreement}")
            return
        evidence += "; the purse agrees with the record"
        refuses_twice = traits.duplicate_ids is DuplicateIds.REFUSED and child.sends < _SENDS
        decided_at = self._clock.now()
        if refuses_twice and await self._may_send_again(child, evidence):
            await self._orders.transmit(child, decided_at)
            return
        await self._absent(child, evidence)

    async def _may_send_again(self, child: Child, evidence: str) -> bool:
        """Record that the same id is about to be sent once more. False where a person's hold or a rule forbids it now:
        what is absent then stays so, and is sold as a new order when it may be."""
        if self._log.state.status is ParentStatus.HALTED:
            return False
        try:
            await self._log.send_again(child, ChildResent(client_order_id=child.client_order_id, evidence=evidence))
        except (Held, NotNow, RuleRefused, GuardHalts):
            return False
        return True

    async def _looks(self, child: Child, looks: int, quiet: timedelta) -> str:
        """Look for the order until it is found (recorded; returns empty) or absence is shown (returns the evidence)."""
        began, empty, failed = self._clock.now(), 0, 0
        while True:
            late_enough = self._clock.now() - began >= quiet
            found = await self._look(child)
            if found is None:
                failed += 1
                if failed >= _FAILED_LOOKS:
                    return ""
            elif found:
                await self._log.record(
                    ChildResolved(
                        client_order_id=child.client_order_id,
                        found=True,
                        venue_order_id=found,
                        evidence="the venue has it",
                    )
                )
                return ""
            else:
                empty += 1
                if late_enough and empty >= looks:
                    waited = self._clock.now() - began
                    return f"not among open orders, history or fills in {empty} looks over {waited}"
            if not await self._stop.wait_until(self._clock.now() + quiet / looks):
                return ""

    async def _look(self, child: Child) -> str | None:
        """The venue's order id if the order exists, empty if this look did not find it, ``None`` without an answer."""
        venue, ref = self._desk.seats[child.venue].venue, ref_of(child)
        try:
            report = await venue.query(ref)
            if report is not None:
                return report.venue_order_id
            for other in await venue.open_orders(child.symbol):
                if other.client_order_id == child.client_order_id:
                    return other.venue_order_id
            fills = await venue.fills(ref)
            return fills[0].venue_order_id if fills else ""
        except VenueError as error:
            log.warning(LogEvent.VENUE_FAILED, venue=child.venue, error=str(error))
            return None

    # --- quotes -------------------------------------------------------------------------------------------------

    async def _resolve_quote(self, child: Child) -> None:
        traits = self._desk.seats[child.venue].venue.traits
        if traits.rfq is not None and traits.rfq.same_id_is_safe and await self._accept_again(child):
            return
        began, empty, failed = self._clock.now(), 0, 0
        # While the quote lives, an acceptance that is still under way could trade it: no absence before its end.
        dead_at = (child.quote_expires_at or began) + traits.request_window
        while (
            empty < traits.looks
            or self._clock.now() - began < traits.quiet_period
            or self._desk.venue_now(child.venue) <= dead_at
        ):
            try:
                trade = await self._in_ledger(child)
            except VenueError as error:
                log.warning(LogEvent.VENUE_FAILED, venue=child.venue, error=str(error))
                failed += 1  # a ledger that cannot be read has shown nothing
                if failed >= _FAILED_LOOKS:
                    await self._park(child, "the venue gives no usable answer about the quote")
                    return
            else:
                if trade is not None:
                    await self._quotes.book(child, _fill(child, trade, self._log.state.spec.quote_asset))
                    return
                empty += 1
            if not await self._stop.wait_until(self._clock.now() + traits.quiet_period / traits.looks):
                return
        evidence = f"not in the venue's ledger in {empty} looks over {self._clock.now() - began}"
        if child.exists:
            await self._park(child, f"the venue says that it has traded the quote, and does not show it: {evidence}")
            return
        disagreement = await self._purse_disagrees(child)
        if disagreement:
            await self._park(child, f"{evidence}; but {disagreement}")
        else:
            await self._absent(child, f"{evidence}; the purse agrees with the record")

    async def _accept_again(self, child: Child) -> bool:
        """Repeat the acceptance with the same quote id while the quote lives. True when that settled it."""
        venue = cast(RfqVenue, self._desk.seats[child.venue].venue)
        quote = self._quote_of(child)
        while quote.expires_at > self._desk.venue_now(child.venue) and not self._stop.requested():
            if not await self._may_send_again(child, "the quote lives, and accepting it twice trades once"):
                return False
            try:
                with asking(partial(self._log.why_not, child, self._stop)):
                    fill = await venue.accept(quote, child.client_order_id)
            except VenueError as error:
                # After a first send without answer even a refusal proves nothing about that first send.
                await self._log.record(unknown_of(child.client_order_id, error))
                if isinstance(error, Rejected):
                    return False
                await self._clock.sleep_until(self._clock.now() + self._tuning.poll)
                continue
            if fill.trade_id in self._desk.known_trades(child.venue, self._log.state):
                # The venue says that it was traded before and shows a trade of the same amounts that is another's.
                message = f"the venue answers with trade {fill.trade_id}, which another order has made"
                await self._log.record(
                    ChildUnknown(client_order_id=child.client_order_id, message=message, exists=True)
                )
                return False
            await self._quotes.book(child, fill)
            return True
        return False

    def _quote_of(self, child: Child) -> Quote:
        assert child.quote_notional is not None  # an RFQ intent always carries both
        assert child.quote_expires_at is not None
        spec = self._log.state.spec
        return Quote(
            venue=child.venue,
            quote_id=child.quote_id,
            base=spec.asset,
            quote=spec.quote_asset,
            qty=child.qty,
            px=child.limit_px,
            notional=child.quote_notional,
            created_at=child.intended_at,
            expires_at=child.quote_expires_at,
        )

    async def _in_ledger(self, child: Child) -> QuoteTrade | None:
        """The trade that this quote became: by quote id where the ledger has it, else by exact amounts, if only one
        trade that is in nobody's record fits."""
        venue = cast(RfqVenue, self._desk.seats[child.venue].venue)
        spec = self._log.state.spec
        seat = self._desk.seats[child.venue]
        since: datetime = child.intended_at + seat.clock_offset - timedelta(seconds=5)  # its clock may be coarse
        trades = await venue.quote_trades(spec.asset, spec.quote_asset, since)
        booked = self._desk.known_trades(child.venue, self._log.state)
        fits = [
            trade
            for trade in trades
            if trade.trade_id not in booked
            and trade.quote_id in ("", child.quote_id)
            and trade.qty == child.qty
            and trade.notional == child.quote_notional
        ]
        return fits[0] if len(fits) == 1 else None

    # --- parts --------------------------------------------------------------------------------------------------

    async def _purse_disagrees(self, child: Child) -> str:
        """Empty if the purse agrees with the record. A fill of another order may be late: it is given a while. Where
        others sell from it, a moment is waited for in which it holds exactly what all records say."""
        traits, account = self._desk.seats[child.venue].venue.traits, self._desk.account(child.venue, child.method)
        if (child.venue, account) not in self._log.state.purses:
            return f"no balance of {account} was recorded before the first order"
        give_up = self._clock.now() + self._tuning.patience
        looks = 0
        while True:
            gap, pause = None, self._tuning.poll
            try:
                disagreement, gap = await self._desk.purse_gap(child.venue, child.method, self._log.state)
            except VenueError as error:
                disagreement = f"the balance cannot be read: {error}"
            if gap is not None:
                looks, pause = looks + 1, traits.quiet_period / traits.looks
            over = looks >= traits.looks or self._clock.now() >= give_up
            if not disagreement or over or not await self._stop.wait_until(self._clock.now() + pause):
                return disagreement

    async def _absent(self, child: Child, evidence: str) -> None:
        await self._log.record(
            ChildResolved(client_order_id=child.client_order_id, found=False, venue_order_id="", evidence=evidence)
        )

    async def _park(self, child: Child, reason: str) -> None:
        await self._log.record(ChildParked(client_order_id=child.client_order_id, reason=reason))


def _fill(child: Child, trade: QuoteTrade, quote_asset: str) -> Fill:
    return Fill(
        trade_id=trade.trade_id,
        client_order_id=child.client_order_id,
        venue_order_id=trade.trade_id,
        symbol=child.symbol,
        qty=trade.qty,
        px=child.limit_px,
        notional=trade.notional,
        fee=trade.fee,
        fee_asset=quote_asset,
        at=trade.at,
    )
