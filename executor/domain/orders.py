"""What the fold keeps of a parent order's parts: child orders, running totals, and the words for their states."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from executor.domain.events import ChildIntended, Counted, FillRecorded
from executor.domain.money import ZERO, add, less


class ChildStatus(StrEnum):
    INTENDED = "intended"  # written down; whether it was sent is not known after a crash
    WORKING = "working"  # the venue has it
    UNKNOWN = "unknown"  # sent without an answer that settles it
    PARKED = "parked"  # left for a person
    CLOSED = "closed"  # nothing more will be filled


class ParentStatus(StrEnum):
    CREATED = "created"
    WORKING = "working"
    WAITING = "waiting"  # below the floor, out of hours: normal, reported
    STOPPED = "stopped"  # left in good order by its process; may be run again
    HALTED = "halted"  # a guard stopped it; a person must look
    COMPLETED = "completed"  # all sold
    ENDED = "ended"  # its window is over with quantity left


_CLOSED = ChildStatus.CLOSED  # asked for at every step; the class looks its members up by name


class Child(msgspec.Struct):
    """One child order as the record knows it."""

    client_order_id: str
    number: int
    leg: int
    slice: int
    venue: str
    method: str
    symbol: str
    qty: Decimal
    limit_px: Decimal
    time_in_force: str
    post_only: bool
    intended_at: datetime
    quote_id: str = ""
    quote_notional: Decimal | None = None
    quote_expires_at: datetime | None = None
    status: ChildStatus = ChildStatus.INTENDED
    venue_order_id: str = ""
    venue_status: str = ""
    outcome: str = ""
    sends: int = 1
    cum_qty: Decimal = ZERO
    cum_notional: Decimal = ZERO
    cum_fee: Decimal = ZERO
    trade_ids: set[str] = msgspec.field(default_factory=set)
    reserved: tuple[Counted, ...] = ()
    closed_at: datetime | None = None
    exists: bool = False  # the venue has said so

    @classmethod
    def of(cls, intent: ChildIntended, at: datetime) -> "Child":
        """The order that ``intent``, written at ``at``, is about."""
        # In the order of the fields above: by name it would take three times as long, at every order.
        return cls(
            intent.client_order_id,
            intent.number,
            intent.leg,
            intent.slice,
            intent.venue,
            intent.method,
            intent.symbol,
            intent.qty,
            intent.limit_px,
            intent.time_in_force,
            intent.post_only,
            at,
            intent.quote_id,
            intent.notional,
            intent.quote_expires_at,
            reserved=tuple(intent.reserved),
        )

    @property
    def exposure_qty(self) -> Decimal:
        """What this order might still sell."""
        return ZERO if self.status is _CLOSED else self.qty - self.cum_qty

    def book(self, fill: FillRecorded) -> Decimal:
        """Add one fill; what of the exposure it released."""
        self.trade_ids.add(fill.trade_id)
        self.cum_qty = add(self.cum_qty, fill.qty)
        self.cum_notional = add(self.cum_notional, fill.notional)
        self.cum_fee = add(self.cum_fee, fill.fee)
        return ZERO if self.status is _CLOSED else fill.qty

    def acknowledge(self, venue_order_id: str, venue_status: str) -> None:
        """The venue has the order, under its own id."""
        self.venue_order_id, self.venue_status = venue_order_id, venue_status
        if self.status is not _CLOSED:
            self.status = ChildStatus.WORKING

    def counted(self) -> dict[str, Decimal]:
        """What stands for this order at the counters of caps: all that was reserved while it is open, then what was
        sold."""
        if self.status is not _CLOSED:
            return {each.counter: each.amount for each in self.reserved}
        sold = {"qty": self.cum_qty, "value": self.cum_notional}
        return {each.counter: sold[each.unit] for each in self.reserved}


@dataclass(slots=True)
class Tally:
    """Running totals of a leg, a venue or a method."""

    cum_qty: Decimal = ZERO
    notional: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)
    fills: int = 0
    children: int = 0
    exposure_qty: Decimal = ZERO

    def taken(self, asset: str) -> Decimal:
        """What left the purse of ``asset``: what was sold, and fees that the venue took in it."""
        return add(self.cum_qty, self.fees.get(asset, ZERO))

    def book(self, fill: FillRecorded, released: Decimal) -> None:
        """Add one fill, which released so much of the exposure."""
        self.cum_qty = add(self.cum_qty, fill.qty)
        self.notional = add(self.notional, fill.notional)
        fees, asset = self.fees, fill.fee_asset
        fees[asset] = add(fees.get(asset, ZERO), fill.fee)
        self.fills += 1
        self.exposure_qty = less(self.exposure_qty, released)
