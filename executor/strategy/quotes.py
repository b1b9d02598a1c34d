"""The choice among the answers to one request for quote: the best net price at or above the lowest one allowed.

A quote's money is its ``notional``; RFQ prices are all-in, so net price is ``notional / qty``. All answers are kept in
the record whatever is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.venue import Quote
from executor.domain.money import times


@dataclass(frozen=True, slots=True)
class Choice:
    """``quote`` is ``None`` when none may be taken; ``why`` explains either way; ``rule`` names what held it back."""

    quote: Quote | None
    rule: str
    why: str


def choose(
    quotes: Sequence[Quote],
    *,
    limit_px: Decimal,
    min_quotes: int,
    now_at: Mapping[str, datetime],
    min_life_left: Mapping[str, timedelta],
) -> Choice:
    """Pick from ``quotes`` (all for the same quantity). ``now_at`` is each venue's own time now."""
    executable = [quote for quote in quotes if quote.executable]
    if len(executable) < min_quotes:
        return Choice(None, "quotes", f"{len(executable)} executable quotes, the plan asks for at least {min_quotes}")
    alive = [quote for quote in executable if quote.expires_at - now_at[quote.venue] >= min_life_left[quote.venue]]
    if not alive:
        return Choice(None, "quotes", "every quote has too little life left to be accepted safely")
    # The money must hold the floor as well as the printed price does: the venue rounds the money down.
    good = [quote for quote in alive if quote.px >= limit_px and quote.notional > _least_money(quote, limit_px)]
    best = max(alive, key=lambda quote: (quote.notional, quote.venue))
    if not good:
        return Choice(None, "floor", f"the best quote, {best.px} at {best.venue}, is under {limit_px}")
    chosen = max(good, key=lambda quote: (quote.notional, quote.venue))
    return Choice(chosen, "", f"best of {len(alive)} live quotes: {chosen.notional} {chosen.quote} at {chosen.venue}")


def _least_money(quote: Quote, limit_px: Decimal) -> Decimal:
    # The amount is in the settlement currency's smallest unit; the floor's own amount may be finer than that unit.
    unit = Decimal(1).scaleb(min(0, quote.notional.as_tuple().exponent))  # type: ignore[arg-type]
    return times(quote.qty, limit_px) - unit
