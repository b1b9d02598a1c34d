"""The reference price: the median of several sources that agree, each recent. One source alone moves nobody's floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from executor.domain.money import EXACT, plain
from executor.domain.price_rules import ReferenceTerms as ReferenceTerms


class SourcePrice(msgspec.Struct, frozen=True):
    """What one source said, and when, by its own clock or ours."""

    source: str
    px: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Reference:
    """``px`` is ``None`` unless ``verdict`` is ``agreed``. ``used`` and ``left_out`` are all that was given."""

    verdict: Literal["agreed", "too_few", "too_old", "disagreeing"]
    px: Decimal | None
    reason: str
    used: tuple[SourcePrice, ...]
    left_out: tuple[SourcePrice, ...]


def reference_price(terms: ReferenceTerms, prices: Sequence[SourcePrice], now: datetime) -> Reference:
    """The median of the recent prices. With an even number it is the mean of the two in the middle, exactly.

    A price dated after ``now`` by more than the age limit comes from a wrong clock and is left out like an old one. If
    one source lies beyond the agreement bound there is no price: which of them is wrong cannot be told from here."""
    names = [price.source for price in prices]
    if len(set(names)) != len(names):
        raise ValueError("a source is given twice: it would count twice")
    if any(not price.px.is_finite() or price.px <= 0 for price in prices):
        raise ValueError("a price must be above zero")
    limit = timedelta(seconds=terms.max_age)
    used = tuple(sorted((p for p in prices if abs(now - p.at) <= limit), key=lambda p: (p.px, p.source)))
    left_out = tuple(price for price in prices if price not in used)
    if len(used) < terms.min_sources:
        old = ", ".join(f"{p.source} ({abs(now - p.at)})" for p in left_out)
        if len(prices) >= terms.min_sources:
            reason = f"{len(used)} of {terms.min_sources} sources are within {limit} of now; too old: {old}"
            return Reference("too_old", None, reason, used, left_out)
        reason = f"{len(prices)} sources, {terms.min_sources} are needed" + (f"; too old: {old}" if old else "")
        return Reference("too_few", None, reason, used, left_out)
    middle = EXACT.multiply(EXACT.add(used[(len(used) - 1) // 2].px, used[len(used) // 2].px), Decimal("0.5"))
    allowed = Fraction(terms.agreement_bps)
    apart = [p for p in used if abs(Fraction(p.px) - Fraction(middle)) * 10_000 > allowed * Fraction(middle)]
    if apart:
        outliers = ", ".join(f"{p.source} {plain(p.px)}" for p in apart)
        reason = f"more than {plain(terms.agreement_bps)} bps from the median {plain(middle)}: {outliers}"
        return Reference("disagreeing", None, reason, used, left_out)
    return Reference("agreed", middle, f"median of {len(used)} sources", used, left_out)
