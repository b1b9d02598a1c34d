"""The interface between the executor and a trading venue: value types, errors, traits, protocols.

There is no side anywhere: this service only sells, so a buy order cannot be written down. Amounts are ``Decimal``;
prices are in the quote asset per unit of the base asset; times are timezone-aware UTC.

The error taxonomy is closed. For a call that changes something at the venue each class states what is known about
the wire, and the engine switches on the class and on nothing else:

=================  ============================================================  =====================
class              what it says                                                  order exists?
=================  ============================================================  =====================
``NotSent``        the request cannot have reached the venue                     no; may be sent again
``Rejected``       the venue said no                                             no
``Unknown``        sent, and no answer that settles it                           maybe
``Throttled``      refused by a rate limit before it was looked at               no; wait
``Unauthorized``   key, signature, permission or clock refused                   no; stop
``Halted``         venue or pair is closed to this account                       no; wait or stop
=================  ============================================================  =====================

A call that only reads has no effect to be unsure of: when it stays without a usable answer it raises ``NotSent``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from adapters.venue_hours import Hours as Hours
from adapters.venue_quotes import Quote as Quote
from adapters.venue_quotes import QuoteTrade as QuoteTrade
from adapters.venue_quotes import RfqTraits as RfqTraits

# --- errors -----------------------------------------------------------------------------------------------------


class RejectReason(StrEnum):
    """Why a venue said no, as far as the executor can act on it."""

    PRICE = "price"  # off tick, outside the price band
    SIZE = "size"  # quantity or value outside the bounds or off the step
    WOULD_TAKE = "would_take"  # a post-only order would have matched
    BALANCE = "balance"  # not enough of the asset in the account that pays
    LIMIT = "limit"  # a count, daily or exposure limit of the client or the venue
    NOT_FOUND = "not_found"  # the venue does not know the order, quote or symbol
    FINISHED = "finished"  # the order is already filled or cancelled: nothing to cancel
    EXPIRED = "expired"  # the quote is past its life
    NO_PRICE = "no_price"  # no dealer gives a price now
    NOT_ALLOWED = "not_allowed"  # pair, feature or client type not open to this account; a person must look
    NOT_CONFIGURED = "not_configured"  # undocumented by the venue and not configured by the operator
    INVALID = "invalid"  # the request is malformed: a fault of ours
    OTHER = "other"


class VenueError(Exception):
    """Base of the closed taxonomy. ``code`` is the venue's own code or HTTP status, empty if there was none."""

    def __init__(self, venue: str, message: str, *, code: str = "") -> None:
        super().__init__(f"{venue}: {message}" + (f" [{code}]" if code else ""))
        self.venue = venue
        self.message = message
        self.code = code


class NotSent(VenueError):
    """The request cannot have reached the venue, or was a mere reading: it is safe to send again."""


class Rejected(VenueError):
    """The venue refused: nothing was placed, traded or changed."""

    def __init__(self, venue: str, message: str, *, code: str = "", reason: RejectReason = RejectReason.OTHER) -> None:
        super().__init__(venue, message, code=code)
        self.reason = reason


class Unknown(VenueError):
    """The request was sent and its outcome is not known: it may have had its effect. Ask; never send blindly.
    ``exists``: the venue says that an order of this id, or a trade of this quote, is there."""

    def __init__(self, venue: str, message: str, *, code: str = "", exists: bool = False) -> None:
        super().__init__(venue, message, code=code)
        self.exists = exists


class Throttled(VenueError):
    """Refused by a rate limit before it was looked at. ``retry_after`` is the least wait."""

    def __init__(self, venue: str, message: str, *, code: str = "", retry_after: timedelta) -> None:
        super().__init__(venue, message, code=code)
        self.retry_after = retry_after


class Unauthorized(VenueError):
    """Key, signature, permission or clock refused. Nothing was done; sending more of the same will not help."""


class Halted(VenueError):
    """The venue or the pair is closed to this account at present. Nothing was done."""


# --- values -----------------------------------------------------------------------------------------------------


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """FIX OrdStatus, reduced to what the engine needs. ``UNRECOGNISED`` is any word that is not documented."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"  # may hold partial fills
    REJECTED = "rejected"
    EXPIRED = "expired"  # IOC or FOK remainder; may hold partial fills
    PENDING_CANCEL = "pending_cancel"
    SUSPENDED = "suspended"
    UNRECOGNISED = "unrecognised"

    @property
    def terminal(self) -> bool:
        """True when the venue will not fill this order any further."""
        return self in _TERMINAL


# Not a set: the hash of a member is a call, to compare it is none.
_TERMINAL = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One trading pair with every bound that the venue enforces on a limit order to sell.

    ``min_px``/``max_px`` is an absolute price band; ``max_below_reference`` the fraction below the venue's own,
    undocumented reference price at which a sell is still taken (HashKey ``sellPriceDownRate``). ``None`` means that
    the venue states no such bound. Fees are fractions of the notional, as charged to this account where the venue
    says so, else its published base rate; ``min_order_fee`` (quote asset) is what an order that is filled whole costs
    at least, unless its rate is nothing.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal
    max_notional: Decimal
    taker_fee: Decimal
    maker_fee: Decimal
    trading: bool
    why_not_trading: str = ""
    min_order_fee: Decimal = Decimal(0)
    min_px: Decimal | None = None
    max_px: Decimal | None = None
    max_below_reference: Decimal | None = None


class Level(msgspec.Struct, frozen=True):
    """One price of a book."""

    px: Decimal
    qty: Decimal


class Book(msgspec.Struct, frozen=True):
    """Aggregated book; bids descending, asks ascending. ``changed_at`` is the venue's own time of the last change,
    ``None`` where the venue does not state one; ``received_at`` is ours."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    received_at: datetime
    changed_at: datetime | None = None


class NewOrder(msgspec.Struct, frozen=True):
    """A limit order to sell. There are no market orders: every order carries ``limit_px``.

    ``not_after``: it is not signed after this moment of our clock (``NotSent`` instead). A process that was frozen
    between its intent and the wire must not send what another has meanwhile proved absent."""

    client_order_id: str
    symbol: str
    qty: Decimal
    limit_px: Decimal
    time_in_force: TimeInForce
    post_only: bool = False
    not_after: datetime | None = None


class OrderRef(msgspec.Struct, frozen=True):
    """Names one order at a venue: by our id, and by the venue's where we have learnt it."""

    client_order_id: str
    symbol: str
    venue_order_id: str = ""


class OrderReport(msgspec.Struct, frozen=True):
    """What the venue says of one order. ``cum_qty`` and ``avg_px`` are ``None`` where this answer does not state them
    (OSL v4 documents neither name): a missing number is never a zero. ``raw_status`` is the venue's own word."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    status: OrderStatus
    raw_status: str
    qty: Decimal | None
    cum_qty: Decimal | None = None
    avg_px: Decimal | None = None


class Fill(msgspec.Struct, frozen=True):
    """One execution. ``notional`` is the money the venue states for it, before the fee: ``px * qty`` on a book; on a
    quote the settlement amount, which the venue has rounded. ``trade_id`` is unique per venue."""

    trade_id: str
    client_order_id: str
    venue_order_id: str
    symbol: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime


class Balance(msgspec.Struct, frozen=True):
    """``account`` is the venue's word for the purse (``trading``, ``custody``, ``exchange``, ``brokerage``)."""

    account: str
    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the key may do, as far as the venue lets us see it; ``None`` means that the venue gives no way to know."""

    trade: bool | None
    withdraw: bool | None
    note: str = ""


# --- traits -----------------------------------------------------------------------------------------------------


class DuplicateIds(StrEnum):
    """What a venue documents about a second order with a client id that it has seen."""

    REFUSED = "refused"  # documented to be refused: the same id may be sent again after proof of absence
    NOT_DOCUMENTED = "not_documented"  # assume that it would be a second order: never send again


@dataclass(frozen=True, slots=True)
class VenueTraits:
    """What a venue documents about itself, as far as the engine decides by it. The engine never asks for its name.

    ``quiet_period`` and ``looks``: an order is held to be absent only after at least ``looks`` readings spread over at
    least ``quiet_period`` have all failed to find it. ``fills_window`` / ``orders_window``: how far back the venue's
    history reaches, ``None`` if not documented. ``request_window``: a request that arrives later than this after its
    signature is refused by the venue, so an old one cannot come to life. ``order_account`` names the purse that pays
    for book orders. ``settlement`` is a word for people. ``hours``: when orders are taken, ``None`` if nobody has said.
    """

    duplicate_ids: DuplicateIds
    quiet_period: timedelta
    looks: int
    fills_window: timedelta | None
    orders_window: timedelta | None
    request_window: timedelta
    client_id_max_len: int
    orders_per_second: Decimal
    queries_per_second: Decimal
    order_account: str
    settlement: str
    max_clock_lead: timedelta  # our clock may be ahead of the venue's by no more than this
    max_clock_lag: timedelta
    rfq: RfqTraits | None = None
    hours: Hours | None = None
    time_in_force: frozenset[TimeInForce] = field(default_factory=lambda: frozenset(TimeInForce))
    post_only: bool = True

    @property
    def signs_within(self) -> timedelta:
        """How long after it was decided an order may still be signed. With the window in which the venue takes it that
        is over before anybody could hold the order to be absent."""
        return max((self.quiet_period - self.request_window) / 2, self.request_window)


# --- protocols --------------------------------------------------------------------------------------------------


@runtime_checkable
class Venue(Protocol):
    """What every adapter can do. All calls raise only :class:`VenueError` subclasses."""

    name: str
    traits: VenueTraits

    @property
    def simulated(self) -> bool:
        """True once the far end has said of itself that it is simulated: a fact from the wire, never a setting."""

    async def start(self) -> None:
        """Connect, measure the clock offset, check entity and keys, load instruments. Raises ``Unauthorized`` or
        ``Rejected(NOT_ALLOWED)`` when this account or site must not be traded on."""

    async def clock_offset(self) -> timedelta:
        """Venue time minus ours, measured now and used from now on to sign."""

    async def permissions(self) -> Permissions:
        """What the key may do."""

    async def instruments(self) -> dict[str, Instrument]:
        """Every pair by symbol, read afresh."""

    def symbol(self, base: str, quote: str) -> str:
        """The venue's symbol for the pair, whether or not it is listed."""

    async def book(self, symbol: str) -> Book:
        """The order book as the venue shows it now."""

    async def place(self, order: NewOrder) -> OrderReport:
        """Send one order, once. Never retried here."""

    async def cancel(self, ref: OrderRef) -> None:
        """Ask for cancellation, once. A return is no proof that it is cancelled: query. Raises ``Rejected`` with
        ``FINISHED`` or ``NOT_FOUND`` when there is nothing to cancel."""

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        """Ask for the cancellation of many orders in as few requests as the venue documents. Tries them all; raises
        the first error only after the last request. Query each afterwards."""

    async def query(self, ref: OrderRef) -> OrderReport | None:
        """The order by client id, open or finished; ``None`` when the venue says that it does not know it."""

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        """Every live order of this account on the pair, ours or not."""

    async def fills(self, ref: OrderRef) -> list[Fill]:
        """All executions of the order that the venue still remembers, oldest first, each with its total fee."""

    async def balances(self) -> list[Balance]:
        """Every non-empty purse."""

    async def aclose(self) -> None:
        """Release the connection."""


@runtime_checkable
class RfqVenue(Venue, Protocol):
    """A venue whose dealers answer requests for quote (``traits.rfq`` is set)."""

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        """Ask what the venue pays for exactly ``qty``. Moves nothing. ``Rejected(NO_PRICE)`` when it gives no price."""

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        """Accept the quote, once. Sending the same quote id again is the caller's decision (``same_id_is_safe``)."""

    async def quote_trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        """RFQ trades of this account since ``since``, from the venue's ledger."""
