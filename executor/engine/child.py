"""One book order from intent to its end: intent durable, one send, the outcome recorded, followed until nothing more
can be filled and every fill that the venue counts is in the record."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

import msgspec
import structlog

from adapters.clock import Clock
from adapters.leave import asking
from adapters.venue import (
    Fill,
    Halted,
    NewOrder,
    NotSent,
    OrderRef,
    OrderReport,
    OrderStatus,
    Rejected,
    RejectReason,
    Throttled,
    TimeInForce,
    Unauthorized,
    Unknown,
    VenueError,
)
from executor.domain.events import (
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    ChildNotSent,
    ChildParked,
    ChildRejected,
    ChildUnknown,
    FillRecorded,
    HandFill,
    Top,
)
from executor.domain.ids import client_order_id
from executor.domain.orders import Child, ChildStatus
from executor.domain.parent import Parent
from executor.engine.desk import Desk
from executor.engine.parent_log import ParentLog
from executor.engine.stop import Stop
from executor.engine.tuning import Tuning
from executor.errors import GuardHalts, RuleRefused
from executor.guards import floor
from executor.guards.verdict import ALLOW
from executor.log_events import LogEvent

log = structlog.get_logger()

_GTC = TimeInForce.GTC
_TIME_IN_FORCE = {each.value: each for each in TimeInForce}
_POLLS_PER_CANCEL = 5  # looks at a live order between two requests to cancel it

# Refusals after which more of the same must not be sent: a person has to look.
_STOPPING = (RejectReason.NOT_ALLOWED, RejectReason.NOT_CONFIGURED, RejectReason.INVALID, RejectReason.OTHER)


class BookOrder(msgspec.Struct, frozen=True):
    """A book order that the strategy wants."""

    leg: int
    slice: int
    venue: str
    qty: Decimal
    limit_px: Decimal
    time_in_force: TimeInForce
    post_only: bool = False


class ChildOrders:
    """Sends and follows the book orders of one parent."""

    def __init__(self, log: ParentLog, desk: Desk, clock: Clock, tuning: Tuning, stop: Stop) -> None:
        self._log = log
        self._desk = desk
        self._clock = clock
        self._tuning = tuning
        self._stop = stop
        self._following: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # --- sending ------------------------------------------------------------------------------------------------

    async def send(self, order: BookOrder, tops: list[Top], decided_at: datetime) -> Child | None:
        """Write the intent, send once, record what came back. ``None`` when the quantity is no longer there to order.
        Raises ``RuleRefused`` when a guard refuses: the strategy asked for something that is never allowed."""
        intent = await self._log.intend(order.venue, partial(self._intent, order, tops))
        if intent is None:
            return None
        child = self._log.state.children[intent.client_order_id]
        await self.transmit(child, decided_at)
        return child

    def _intent(self, order: BookOrder, tops: list[Top], state: Parent) -> ChildIntended | None:
        if order.qty > state.leg_leaves(order.leg) or order.venue in state.broken:
            return None
        seat, spec = self._desk.seats[order.venue], state.spec
        verdict = floor.check(order.limit_px, spec.floor_px)
        if verdict is not ALLOW:
            raise RuleRefused(f"{verdict.rule}: {verdict.reason}")
        number = state.last_number + 1
        return ChildIntended(
            client_order_id=client_order_id(spec.parent_id, number),
            number=number,
            leg=order.leg,
            slice=order.slice,
            venue=order.venue,
            method="book",
            symbol=seat.symbol,
            qty=order.qty,
            limit_px=order.limit_px,
            time_in_force=order.time_in_force.value,
            post_only=order.post_only,
            tops=tops,
        )

    async def transmit(self, child: Child, decided_at: datetime) -> None:
        """Put the intended order on the wire, once, and record the outcome whatever it is. It is not signed any more
        once so much time has passed since ``decided_at`` that another process might have proved it absent."""
        seat = self._desk.seats[child.venue]
        order = NewOrder(
            client_order_id=child.client_order_id,
            symbol=child.symbol,
            qty=child.qty,
            limit_px=child.limit_px,
            time_in_force=_TIME_IN_FORCE[child.time_in_force],
            post_only=child.post_only,
            not_after=decided_at + seat.signs_within,
        )
        try:
            with asking(partial(self._log.why_not, child, self._stop)):
                report = await seat.venue.place(order)
        except VenueError as error:
            # A second send under the same id that fails proves nothing about the first one.
            outcome = outcome_of(child.client_order_id, error)
            await self._log.record(unknown_of(child.client_order_id, error) if child.sends > 1 else outcome)
            await self._after_refusal(child, error)
            return
        acknowledged = ChildAcknowledged(
            client_order_id=child.client_order_id,
            venue_order_id=report.venue_order_id,
            venue_status=report.raw_status,
        )
        if order.time_in_force is _GTC:
            await self._log.record(acknowledged)
        else:
            # It has ended by now, as a rule: what came of it goes into the record together with the acknowledgement.
            await self._look(child, acknowledged)

    async def _after_refusal(self, child: Child, error: VenueError) -> None:
        if isinstance(error, Unauthorized):
            raise GuardHalts("venue.unauthorized", str(error))
        if not isinstance(error, Rejected):
            return
        if error.reason is RejectReason.BALANCE:
            await self._desk.refresh(child.venue, self._log.state)
        elif error.reason in (RejectReason.PRICE, RejectReason.SIZE):
            await self._desk.reload(child.venue)  # the venue may have changed its filters
        elif error.reason in _STOPPING:
            raise GuardHalts("venue.rejected", str(error))

    # --- following ----------------------------------------------------------------------------------------------

    async def settle(self, child: Child) -> None:
        """Follow an acknowledged order that is expected to end (IOC, FOK, or cancelled) until it is closed. If it
        stays unsettled beyond the engine's patience it is parked: exposed, and left for a person."""
        async with self._following[child.client_order_id]:
            await self._settle(child, cancelling=False)
        self._following.pop(child.client_order_id, None)

    async def _settle(self, child: Child, *, cancelling: bool) -> None:
        # By the event loop's clock, which nobody can set back: who stops the run waits for this.
        now, poll_s = asyncio.get_running_loop().time, self._tuning.poll.total_seconds()
        give_up, ask_at = now() + self._tuning.patience.total_seconds(), now()
        while child.status is ChildStatus.WORKING:
            if cancelling and now() >= ask_at:
                await self.ask_to_cancel(child.venue, ref_of(child))
                ask_at = now() + poll_s * _POLLS_PER_CANCEL
            if await self._look(child):
                return
            if now() >= give_up:
                reason = f"not settled {self._tuning.patience} after it should have ended: {child.venue_status}"
                await self._log.record(ChildParked(client_order_id=child.client_order_id, reason=reason))
                return
            await asyncio.sleep(poll_s)

    async def _look(self, child: Child, acknowledged: ChildAcknowledged | None = None) -> bool:
        """One look at the order; books what is new, together with its end if that is all, and with its acknowledgement
        if that is not in the record yet. True when it is closed."""
        venue, id_ = self._desk.seats[child.venue].venue, child.client_order_id
        news: list[ChildAcknowledged | FillRecorded | ChildClosed] = [] if acknowledged is None else [acknowledged]
        ref = OrderRef(id_, child.symbol, (child if acknowledged is None else acknowledged).venue_order_id)
        fills: Sequence[Fill] = ()
        try:
            report = await venue.query(ref)
            # What the order says of its end may be older than its executions: they are asked for before it is closed.
            if report is not None and (report.status.terminal or report.cum_qty != child.cum_qty):
                fills = await venue.fills(ref)
        except VenueError as error:
            log.warning(LogEvent.VENUE_FAILED, venue=child.venue, error=str(error))
            report = None
        closed = False
        if report is not None:
            cum_qty = child.cum_qty
            for fill in _new(child, fills):
                cum_qty += fill.qty
                news.append(fill)
            closed = report.status.terminal and complete(child, report, cum_qty)
            if closed:
                news.append(ChildClosed(client_order_id=id_, venue_status=report.raw_status, cum_qty=cum_qty))
        await self._record(news)
        return closed

    async def book(self, child: Child, fills: Sequence[Fill]) -> None:
        """Record every fill that is not in the record yet, each exactly once."""
        await self._record(_new(child, fills))

    async def _record(self, news: Sequence[ChildAcknowledged | FillRecorded | ChildClosed]) -> None:
        if news:
            await self._log.record(*news)
        if self._log.state.breach:
            raise GuardHalts("invariant", self._log.state.breach)

    async def cancel(self, child: Child) -> None:
        """Ask for cancellation and follow the order to its end; while it stays live, ask again: a request to cancel
        may be lost or refused, and repeating it does no harm."""
        async with self._following[child.client_order_id]:
            await self._settle(child, cancelling=True)
        self._following.pop(child.client_order_id, None)

    async def ask_to_cancel(self, name: str, ref: OrderRef) -> None:
        """Ask once for the cancellation of an order at the venue ``name``."""
        try:
            await self._desk.seats[name].venue.cancel(ref)
        except VenueError as error:
            # Whatever the answer, only the order itself tells what became of it.
            finished = isinstance(error, Rejected) and error.reason in (RejectReason.FINISHED, RejectReason.NOT_FOUND)
            (log.debug if finished else log.warning)(
                LogEvent.CANCEL_FAILED, child=ref.client_order_id, venue=name, error=str(error)
            )


def ref_of(child: Child) -> OrderRef:
    """How the venue is asked about this order."""
    return OrderRef(child.client_order_id, child.symbol, child.venue_order_id)


def complete(child: Child, report: OrderReport, cum_qty: Decimal) -> bool:
    """True when fills of ``cum_qty`` are all that the venue counts for a finished order."""
    if report.cum_qty is not None:
        return cum_qty == report.cum_qty
    return report.status is OrderStatus.FILLED and cum_qty == child.qty


def _new(child: Child, fills: Sequence[Fill]) -> list[FillRecorded]:
    """The events for the fills that are not in the record yet, each once."""
    fresh: dict[str, FillRecorded] = {}
    for fill in fills:
        if fill.trade_id not in child.trade_ids:
            fresh[fill.trade_id] = recorded(child, fill)
    return list(fresh.values()) if fresh else []


def outcome_of(client_id: str, error: VenueError) -> ChildRejected | ChildNotSent | ChildUnknown:
    """The event for a failed send. The closed taxonomy decides; anything else cannot come out of an adapter."""
    if isinstance(error, NotSent):
        return ChildNotSent(client_order_id=client_id, message=error.message)
    if isinstance(error, Unknown):
        return unknown_of(client_id, error)
    reasons = {Throttled: "throttled", Unauthorized: "unauthorized", Halted: "halted"}
    reason = error.reason.value if isinstance(error, Rejected) else reasons[type(error)]
    return ChildRejected(client_order_id=client_id, reason=reason, code=error.code, message=error.message)


def unknown_of(client_id: str, error: VenueError) -> ChildUnknown:
    """The event for a send that ``error`` leaves open."""
    exists = isinstance(error, Unknown) and error.exists
    return ChildUnknown(client_order_id=client_id, message=str(error), exists=exists)


def recorded(child: Child, fill: Fill | HandFill) -> FillRecorded:
    """The event for a fill, as the venue reports it or as a person reads it off the venue's papers."""
    return FillRecorded(
        client_order_id=child.client_order_id,
        venue=child.venue,
        trade_id=fill.trade_id,
        qty=fill.qty,
        px=fill.px,
        notional=fill.notional,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        at=fill.at,
    )
