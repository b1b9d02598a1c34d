"""The values of a request for quote (RFQ): what a venue's dealers answer, and what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.venue_hours import Hours


@dataclass(frozen=True, slots=True)
class Quote:
    """An executable price for exactly ``qty`` of ``base``. ``notional`` is the money we would receive (the amount
    that counts); ``px`` the price as quoted. ``expires_at`` is on the venue's clock. Accepted at most once.
    ``counterparty`` is the desk or dealer as the venue's answer names it, empty where the answer names none."""

    venue: str
    quote_id: str
    base: str
    quote: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    created_at: datetime
    expires_at: datetime
    executable: bool = True
    counterparty: str = ""


@dataclass(frozen=True, slots=True)
class QuoteTrade:
    """One finished RFQ trade read back from the venue's ledger. ``quote_id`` is empty where the ledger does not give
    the id of the quote (OSL v3: the field of that name holds the trade id)."""

    trade_id: str
    base: str
    quote: str
    qty: Decimal
    notional: Decimal
    fee: Decimal
    at: datetime
    quote_id: str = ""


@dataclass(frozen=True, slots=True)
class RfqTraits:
    """``executable`` is false where the venue documents quotes but not how to accept one. ``same_id_is_safe`` says
    that accepting one quote id twice trades once at most. ``min_life_left`` is the life a quote must still have when
    the acceptance is sent. ``account`` names the purse that pays. ``hours``: when dealers answer, ``None`` if nobody
    has said."""

    executable: bool
    same_id_is_safe: bool
    min_life_left: timedelta
    account: str
    hours: Hours | None = None
