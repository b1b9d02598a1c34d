"""What each of OSL's refusals means: the tables of codes, and the rules for words that are in no table.

The rule for anything that may have moved money: only a documented "not done" is a refusal; every other word, and every
answer that mixes a known code with an unknown one, is ``Unknown``.

Sources: OSL docs, "Get quote", "Execute trade", "Response codes", "Error codes"; v4 messages as seen in the sandbox.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adapters.osl_json import Malformed
from adapters.venue import Halted, NotSent, Rejected, RejectReason, Unauthorized, Unknown, VenueError

NAME = "osl"

ALREADY_TRADED = "s100005"
"""Trade already exists for the quote id: an earlier acceptance of the same quote was executed."""


@contextmanager
def reading() -> Iterator[None]:
    """Around the parsing of an answer to a reading: an answer that makes no sense is no answer."""
    try:
        yield
    except Malformed as fault:
        raise NotSent(NAME, str(fault)) from None


# --- v4, order book ---------------------------------------------------------------------------------------------

# Parts of messages, lower case with spaces for underscores. The first five were seen on v4; the rest are the wording of
# the FIX interface of the same engine. All are documented, or were seen, as "not placed".
_V4_REFUSALS: tuple[tuple[str, RejectReason], ...] = (
    ("invalid symbol", RejectReason.NOT_FOUND),
    ("post only order would match", RejectReason.WOULD_TAKE),
    ("order price too low", RejectReason.PRICE),
    ("order price too high", RejectReason.PRICE),
    ("order quantity too large", RejectReason.SIZE),
    ("order quantity too small", RejectReason.SIZE),
    ("order value too large", RejectReason.SIZE),
    ("order value too small", RejectReason.SIZE),
    ("quantity step", RejectReason.SIZE),
    ("price step", RejectReason.PRICE),
    ("insufficient holdings", RejectReason.BALANCE),
    ("no holdings", RejectReason.BALANCE),
    ("insufficient cash", RejectReason.BALANCE),
    ("user suspended", RejectReason.NOT_ALLOWED),
)
_V4_CLOSED = ("market closed", "system suspended", "systemsuspended")
_V4_THERE = ("duplicate", "already exist")
_V4_UNSETTLED = ("system error", "timeout", "timed out", *_V4_THERE)
# Words about an order, and not about the way to it: a route that was withdrawn is "not found" too.
_NOT_FOUND = ("order not found", "order does not exist", "unknown order", "no such order")
_FINISHED = ("already matched", "already filled", "already cancel", "no cancel matched", "no cancel cancelled")


def v4_order_error(status: int, name: str, message: str) -> VenueError:
    """What an error in answer to a new order says. A duplicate id is ``Unknown``: an order of that id does exist."""
    code = name or str(status)
    if status in (401, 403):
        return Unauthorized(NAME, message or "key, signature or permission refused", code=code)
    words = _words(name, message)
    if any(part in words for part in _V4_UNSETTLED):
        there = any(part in words for part in _V4_THERE)
        return Unknown(NAME, message or "the venue does not say whether the order was placed", code=code, exists=there)
    if any(part in words for part in _V4_CLOSED):
        return Halted(NAME, message or "closed", code=code)
    for part, reason in _V4_REFUSALS:
        if part in words:
            return Rejected(NAME, message or name, code=code, reason=reason)
    # Words that are in no table prove nothing: the order may stand.
    return Unknown(NAME, message or "an answer that is not documented", code=code)


def v4_cancel_error(status: int, name: str, message: str) -> VenueError:
    """What an error about one order in answer to a cancellation says."""
    code = name or str(status)
    if status in (401, 403):
        return Unauthorized(NAME, message or "key, signature or permission refused", code=code)
    words = _words(name, message)
    if any(part in words for part in _FINISHED):
        return Rejected(NAME, message or name, code=code, reason=RejectReason.FINISHED)
    if any(part in words for part in _NOT_FOUND):
        return Rejected(NAME, message or name, code=code, reason=RejectReason.NOT_FOUND)
    return Unknown(NAME, message or "the answer does not say what became of the cancellation", code=code)


def v4_read_error(status: int, name: str, message: str) -> VenueError:
    """What an error in answer to a reading says."""
    code = name or str(status)
    if status in (401, 403):
        return Unauthorized(NAME, message or "key, signature or permission refused", code=code)
    words = _words(name, message)
    if "invalid symbol" in words or any(part in words for part in _NOT_FOUND):
        return Rejected(NAME, message or name, code=code, reason=RejectReason.NOT_FOUND)
    return NotSent(NAME, message or "the reading was refused", code=code)


def _words(name: str, message: str) -> str:
    return f"{name} {message}".replace("_", " ").strip().casefold()


# --- v3, request for quote --------------------------------------------------------------------------------------

RESULT_REFUSALS: Mapping[str, RejectReason] = {
    "INSUFFICIENT_AVAILABLE_BALANCE": RejectReason.BALANCE,
    "TOO_MANY_OPEN_ORDERS": RejectReason.LIMIT,
    "TOO_SMALL": RejectReason.SIZE,
    "SIMPLE_TRADE_DISABLED": RejectReason.NOT_ALLOWED,
    "USER_NOT_VERIFIED": RejectReason.NOT_ALLOWED,
    "USER_ACTIVITY_RESTRICTED": RejectReason.NOT_ALLOWED,
    "INVALID_PARAMETERS": RejectReason.INVALID,
}
"""``resultCode`` of any v3 answer that documents "nothing done"."""

QUOTE_REFUSALS: Mapping[str, RejectReason] = {
    "CANNOT_PRICE": RejectReason.NO_PRICE,
    "EXCHANGE_RATES_CONVERSION_ERROR": RejectReason.NO_PRICE,
    "PER_TXN_LIMIT_EXCEEDED": RejectReason.SIZE,
    "USER_DAILY_LIMIT_EXCEEDED": RejectReason.LIMIT,
    "DEALER_DAILY_LIMIT_EXCEEDED": RejectReason.LIMIT,
    "p200021": RejectReason.NO_PRICE,
    "p500005": RejectReason.NO_PRICE,
    "p500019": RejectReason.NO_PRICE,
    "s500018": RejectReason.NO_PRICE,
    "s500024": RejectReason.NO_PRICE,
    "s500025": RejectReason.NO_PRICE,
    "s200003": RejectReason.NOT_ALLOWED,
    "s200004": RejectReason.NOT_ALLOWED,
    "s200015": RejectReason.NOT_ALLOWED,
    "s300001": RejectReason.NO_PRICE,
    "s300019": RejectReason.NO_PRICE,
}
"""``responseCode`` and ``errorCode`` of a refused quote."""

TRADE_REFUSALS: Mapping[str, RejectReason] = {
    "INVALID_QUOTE_ID": RejectReason.NOT_FOUND,
    "s100002": RejectReason.NOT_FOUND,
    "QUOTE_EXPIRED": RejectReason.EXPIRED,
    "s100006": RejectReason.EXPIRED,
    "s100026": RejectReason.EXPIRED,
    "INSUFFICIENT_FUND": RejectReason.BALANCE,
    "s400013": RejectReason.BALANCE,
    "s400012": RejectReason.NOT_ALLOWED,
    "DAILY_LIMIT_EXCEEDED": RejectReason.LIMIT,
    "s200003": RejectReason.NOT_ALLOWED,
    "s200004": RejectReason.NOT_ALLOWED,
    "s300001": RejectReason.NO_PRICE,
}
"""``responseCode`` and ``errorCode`` of an acceptance that document "not traded". All else is not known."""


def quote_error(codes: list[str]) -> VenueError:
    """What a refused quote says; ``codes`` are ``errorCode``, ``responseCode``, ``resultCode``, most specific first.
    A quote moves nothing, so an answer that says nothing useful may be asked for again: ``NotSent``."""
    told = [code for code in codes if code and code not in ("OK", "FULL_QUOTE")]
    for code in told:
        reason = QUOTE_REFUSALS.get(code) or RESULT_REFUSALS.get(code)
        if reason is not None:
            return Rejected(NAME, "no quote", code=code, reason=reason)
    return NotSent(NAME, "the answer holds no quote", code=told[0] if told else "")


def trade_error(codes: list[str]) -> VenueError:
    """What an acceptance that is not plainly executed says. Every code must document "not traded"; one that does not
    makes the whole answer ``Unknown``. :data:`ALREADY_TRADED` is the caller's to look for first."""
    told = [code for code in codes if code and code != "OK"]
    reasons = [TRADE_REFUSALS.get(code) or RESULT_REFUSALS.get(code) for code in told]
    if reasons and reasons[0] is not None and None not in reasons:
        return Rejected(NAME, "the quote was not traded", code=told[0], reason=reasons[0])
    return Unknown(NAME, "the answer does not settle whether the quote was traded", code=" ".join(told))


def v3_read_error(status: int, codes: list[str]) -> VenueError:
    """What a refused reading of the brokerage account or ledger says."""
    told = [code for code in codes if code and code != "OK"]
    code = told[0] if told else str(status)
    if status in (401, 403):
        return Unauthorized(NAME, "key, signature or permission refused", code=code)
    if RESULT_REFUSALS.get(code) is RejectReason.NOT_ALLOWED:
        return Rejected(NAME, "the account is restricted", code=code, reason=RejectReason.NOT_ALLOWED)
    return NotSent(NAME, "the reading was refused", code=code)
