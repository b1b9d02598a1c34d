"""Dealers who answer requests for quote on a simulated market: they buy what we sell, off the book.

A dealer bids `mid * (1 - s)` with

    s = base + U(0.5, 1.2) * (2/3) Y sigma_D sqrt((q + r) / V_D) + noise,

r being what dealers still remember of our recent clips: they widen after them. After a clip is done, the
dealer works a share psi of it out into the market over a quarter of an hour, which moves the mid against
whatever we have left. All of this is an assumption of the model, and every number of it a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from adapters.mock.params import STEP, MarketParams
from adapters.mock.tape import Stream, generator

_REMEMBERED = 10_000  # undecided quotes
_DIGITS = 7  # significant digits of a quoted price


@dataclass(frozen=True)
class DealerQuote:
    """A dealer's bid: he buys up to `qty` base units at `px` until `expires_at`.

    `hold` is the last look: the time between our acceptance and the dealer's answer.
    """

    dealer: str
    px: Decimal
    qty: Decimal
    expires_at: datetime
    hold: timedelta
    quote_id: int
    """Unique among the quotes of one `Dealers`."""
    mid: Decimal
    """The mid when the quote was made, for measuring its spread."""


class MarketOfDealers(Protocol):
    """What dealers see of the market that they make prices on."""

    params: MarketParams
    now: datetime

    def advance(self, now: datetime, /) -> None: ...
    def mid(self) -> Decimal: ...
    def mid_at(self, at: datetime, /) -> Decimal: ...
    def add_impact(self, qty: float, over_steps: int = 0) -> None: ...


class DealersLike(Protocol):
    """Who answers requests for quote on one pair."""

    def quote(self, qty: Decimal, now: datetime, /) -> Sequence[DealerQuote]: ...
    def accept(self, quote: DealerQuote, now: datetime, /) -> bool: ...


class Dealers:
    """The dealers of one pair. Same seed, same requests at the same times: same quotes and answers."""

    def __init__(self, market: MarketOfDealers, params: MarketParams, seed: int) -> None:
        self._market = market
        self._params = params
        self._seed = seed
        self._requests = 0
        self._quotes: set[int] = set()  # still undecided
        self._remembered = 0.0
        self._remembered_at = market.now

    def quote(self, qty: Decimal, now: datetime) -> list[DealerQuote]:
        """One quote per dealer for selling `qty`, best price first."""
        if qty <= 0:
            raise ValueError(f"quantity must be positive, got {qty}")
        self._market.advance(now)
        p, mid = self._params, self._market.mid()
        draws = generator(self._seed, Stream.DEALERS, self._requests)
        fair = 2 / 3 * self._market.params.impact_bps(float(qty) + self._memory(now))
        quotes = []
        for n in range(p.rfq_dealers):
            noise = p.rfq_noise_bps * float(draws.standard_normal())
            spread = p.rfq_base_bps + float(draws.uniform(0.5, 1.2)) * fair + noise
            quote_id = self._requests * p.rfq_dealers + n
            quotes.append(
                DealerQuote(
                    dealer=f"dealer-{n + 1}",
                    px=_rounded(mid * Decimal(1 - spread / 1e4)),
                    qty=qty,
                    expires_at=now + timedelta(seconds=p.rfq_expiry_s),
                    hold=timedelta(seconds=p.rfq_hold_s),
                    quote_id=quote_id,
                    mid=mid,
                )
            )
            self._quotes.add(quote_id)
        self._requests += 1
        if len(self._quotes) > _REMEMBERED:  # the oldest have long expired
            self._quotes = set(sorted(self._quotes)[_REMEMBERED // 2 :])
        return sorted(quotes, key=lambda quote: quote.px, reverse=True)

    def accept(self, quote: DealerQuote, now: datetime) -> bool:
        """Accept a quote, once; True if the dealer stands by it, which he says `quote.hold` later.

        False once it has expired, or if at the end of the hold the mid is below that of the quote by more
        than the dealer tolerates. The comparison is with the mid of the *quote*: a price that has gone stale
        before we accept is refused too.
        """
        if quote.quote_id not in self._quotes:
            raise ValueError(f"quote {quote.quote_id} is not open: already decided, or not one of ours")
        self._quotes.remove(quote.quote_id)
        self._market.advance(now)
        if now >= quote.expires_at:
            return False
        then = self._market.mid_at(now + quote.hold)
        if (quote.mid - then) / quote.mid * 10_000 > Decimal(self._params.rfq_last_look_bps):
            return False
        clip = float(quote.qty)
        self._remembered = self._memory(now) + clip
        self._remembered_at = now
        steps = max(1, round(self._params.rfq_leak_minutes * 60 / STEP.total_seconds()))
        self._market.add_impact(-self._params.rfq_psi * clip, over_steps=steps)
        return True

    def _memory(self, now: datetime) -> float:
        """What the dealers remember of recent clips, base units."""
        age = (now - self._remembered_at).total_seconds() / 60
        return self._remembered * math.exp(-age / self._params.rfq_memory_minutes)


def _rounded(px: Decimal) -> Decimal:
    """Down to seven significant digits, as dealers quote."""
    return px.quantize(Decimal(1).scaleb(px.adjusted() + 1 - _DIGITS), rounding=ROUND_DOWN)
