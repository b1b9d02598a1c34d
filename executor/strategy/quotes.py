"""The choice among the answers to one request for quote: the best net price at or above the lowest one allowed.

A quote's money is its ``notional``; RFQ prices are all-in, so net price is ``notional / qty``. All answers are kept in
the record whatever is chosen, each with the rule that kept it from being taken. Another quote than the best is taken
only under a preference that was signed before (:mod:`executor.domain.preferences`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from adapters.venue import Quote
from executor.domain.money import times
from executor.domain.preferences import Preference

FLOOR = "floor"  # the one rule whose quotes still count towards the number that the plan wants


class LeftOut(NamedTuple):
    """The rule that keeps a quote from being taken, and how, in words."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """``quote`` is ``None`` when none may be taken; ``why`` explains either way; ``rule`` names what held it back.
    ``preference`` is the hash of the rule by which it is not the best; ``left_out`` says by venue and quote id which
    quotes could not be taken."""

    quote: Quote | None
    rule: str
    why: str
    preference: str = ""
    left_out: Mapping[tuple[str, str], LeftOut] = field(default_factory=dict)


def key(quote: Quote) -> tuple[str, str]:
    """What names a quote: ids are each venue's own."""
    return quote.venue, quote.quote_id


def left_out(quote: Quote, limit_px: Decimal, venue_now: datetime, min_life_left: timedelta) -> LeftOut | None:
    """Why this quote cannot be taken; ``None`` if it can. ``venue_now`` is its venue's own time."""
    if not quote.executable:
        return LeftOut("indicative", "the venue does not say how to accept it")
    left = quote.expires_at - venue_now
    if left < min_life_left:
        how = "it has expired" if left <= timedelta(0) else f"too little life is left: {left}, it needs {min_life_left}"
        return LeftOut("expired", how)
    # The money must hold the floor as well as the printed price does: the venue rounds the money down.
    if quote.px < limit_px or quote.notional <= _least_money(quote, limit_px):
        return LeftOut(FLOOR, f"it is under {limit_px}")
    return None


def choose(
    quotes: Sequence[Quote],
    left: Mapping[tuple[str, str], LeftOut],
    *,
    min_quotes: int,
    preferences: Sequence[Preference] = (),
) -> Choice:
    """Pick from ``quotes``, all for the same quantity; ``left`` says which of them cannot be taken. At least
    ``min_quotes`` must compete: be executable, alive and of somebody who may buy, at whatever price."""
    competing = [quote for quote in quotes if key(quote) not in left or left[key(quote)].rule == FLOOR]
    if len(competing) < min_quotes:
        why = f"{len(competing)} quotes that can be accepted, the plan asks for at least {min_quotes}"
        return Choice(None, "quotes", _with_reasons(why, quotes, left), "", left)
    good = [quote for quote in competing if key(quote) not in left]
    if not good:
        best = max(competing, key=_money)
        why = f"the best quote, {best.px} at {best.venue}, is under the lowest price: {left[key(best)].why}"
        return Choice(None, FLOOR, _with_reasons(why, quotes, left), "", left)
    best = max(good, key=_money)
    for rule in preferences:
        theirs = [q for q in good if rule.allows(q.venue, q.counterparty, q.notional, best.notional)]
        chosen = max(theirs, key=_money, default=best)
        if chosen.notional < best.notional:
            why = f"not the best of {len(competing)} live quotes, {best.notional} at {best.venue}, but "
            why += f"{chosen.notional} {chosen.quote} at {chosen.venue}: {rule}"
            return Choice(chosen, "", _with_reasons(why, quotes, left), rule.change_hash, left)
    why = f"best of {len(competing)} live quotes: {best.notional} {best.quote} at {best.venue}"
    return Choice(best, "", _with_reasons(why, quotes, left), "", left)


def _money(quote: Quote) -> tuple[Decimal, str]:
    return quote.notional, quote.venue


def _with_reasons(why: str, quotes: Sequence[Quote], left: Mapping[tuple[str, str], LeftOut]) -> str:
    out = [f"{q.notional} at {q.venue} left out: {left[key(q)].why}" for q in quotes if key(q) in left]
    return "; ".join([why, *out])


def _least_money(quote: Quote, limit_px: Decimal) -> Decimal:
    # The amount is in the settlement currency's smallest unit; the floor's own amount may be finer than that unit.
    unit = Decimal(1).scaleb(min(0, quote.notional.as_tuple().exponent))  # type: ignore[arg-type]
    return times(quote.qty, limit_px) - unit
