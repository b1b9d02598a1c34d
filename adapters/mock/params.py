"""Every number of the simulated market, with its unit and where it comes from.

Basis of each number, in its comment:

* *measured*: estimated on recorded public data (Binance, Kraken);
* *source*: a publication says so, named next to it;
* *assumption*: nobody measured it for the venue in question; change it to see what depends on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

STEP = timedelta(seconds=1)
"""One step of the simulated market. The passive fill curve was measured, and holds, at this step."""

STEPS_PER_DAY = 86_400

HOUR_SHARES: tuple[float, ...] = (
    3.46, 3.87, 3.93, 3.69, 3.62, 3.19, 3.19, 4.62, 3.56, 3.75, 3.11, 2.90,
    4.40, 4.66, 6.45, 6.54, 6.69, 6.11, 5.21, 3.75, 3.93, 3.40, 2.92, 3.05,
)  # fmt: skip
"""Share of the day's volume in each UTC hour, per cent. Measured, Binance BTCUSDT, November 2025."""


@dataclass(frozen=True)
class VenueGrid:
    """The increments of one venue: `tick` in quote currency, `step` in base units."""

    tick: Decimal
    step: Decimal

    def __post_init__(self) -> None:
        if self.tick <= 0 or self.step <= 0:
            raise ValueError(f"tick and step must be positive, got tick={self.tick} step={self.step}")


@dataclass(frozen=True)
class MarketParams:
    """One market regime. Distances and costs are in basis points of the mid, sizes in base units."""

    adv: float
    """Average daily volume, base units."""
    sigma_d: float
    """Standard deviation of the daily return, bps."""
    half_spread: float
    """Mid to best quote, bps."""
    density: float
    """Mean displayed quantity per bp and side."""
    level_bps: float
    """Distance between displayed levels, bps. Assumption: it sets the size shown at the best quote
    (half a level) and so the queue that a passive order joins; the cost of a sweep does not depend on it."""
    recovery_half_life: float
    """Half-life of the refill of a level that we took, seconds."""
    order_size_mean: float
    """Mean size of an aggressive order; the median and tail follow from `order_log_mean`, `order_log_sd`.
    The arrival rate is volume / mean size, so that volume is right at every hour of the day."""
    through_sigmas: float
    """A passive order is traded through once the mid is beyond it by this many one-second sigmas ..."""
    through_bps: float
    """... plus this many bps."""
    taker_fee_bps: float
    """Fee on a marketable order. Assumption in every preset (0 to 30 is seen)."""
    maker_fee_bps: float
    """Fee on a passive order. Assumption in every preset."""

    density_cv: float = 0.28  # measured, Binance 2024-2025
    """Coefficient of variation of the density."""
    density_tau: float = 20.0  # measured, Binance 2024-2025
    """Reversion time of the density, seconds."""
    book_span_bps: float = 1_000.0  # assumption: deep enough for every sweep that a floor allows
    """The book ends this far from the best quote."""
    r2: float = 0.42  # measured, Binance BTCUSDT, 1 s
    """Share of the variance of one-second returns explained by sign(flow) * sqrt(|flow|)."""
    order_log_mean: float = -5.73  # measured, Binance BTCUSDT (median 0.0032 BTC)
    """Mean of the logarithm of the size of an aggressive order, before scaling to `order_size_mean`."""
    order_log_sd: float = 2.50  # measured
    """Standard deviation of the logarithm of the size."""
    order_size_cap: float = 8.0  # assumption: at 8 BTC the lognormal has the measured mean, 0.061 BTC
    """Largest aggressive order before scaling."""
    sign_weights: tuple[float, ...] = (0.2969, 0.1668, 0.2345)  # fitted to the measured autocorrelation
    """Variance of each latent component of the order sign; signs then autocorrelate by
    0.41 0.35 0.24 0.16 0.05 at lags 1 2 5 10 50 (measured)."""
    sign_taus: tuple[float, ...] = (3.681, 7.031, 45.73)  # fitted, with the line above
    """Memory of each latent component, in orders."""
    transient_tau: float = 15.0  # assumption
    """Time over which the market takes back what persistent flow would add to the price, seconds. Orders
    persist but returns do not (propagator: arXiv cond-mat/0307332); the amount taken back is computed so
    that the daily volatility comes out at `sigma_d`."""
    volume_taus_min: tuple[float, ...] = (5.0, 60.0, 800.0)  # measured
    """Reversion times of the log-volume, minutes."""
    volume_sds: tuple[float, ...] = (0.42, 0.49, 0.67)  # measured
    """Standard deviations of the components of the log-volume."""
    volume_white: float = 0.58  # measured
    """Standard deviation of the part of the log-volume that is new every minute."""
    hour_shares: tuple[float, ...] = HOUR_SHARES
    """Volume profile of the day, per cent by UTC hour."""

    y: float = 0.75  # measured 0.79 to 1.27 at 10 s; 0.5 to 1.3 is the stress range
    """Prefactor of the square-root law `I(Q) = Y sigma_D sqrt(Q / V_D)` (source: arXiv 1412.4503)."""
    tau_j_hours: float = 8.0  # source: arXiv 1901.05332 (two thirds of the peak left at the end of the day)
    """Decay time of the footprint J of our own trades, hours."""

    rfq_dealers: int = 5  # assumption (1 to 5)
    """Dealers who answer a request for quote."""
    rfq_base_bps: float = 2.0  # assumption (2 to 8)
    """Least discount of a dealer's bid to the mid, bps."""
    rfq_noise_bps: float = 0.3  # assumption
    """Standard deviation of a dealer's own view, bps."""
    rfq_psi: float = 0.5  # assumption (0.3 to 1.0)
    """Share of a clip that the dealer works out into the market, i.e. that enters J."""
    rfq_leak_minutes: float = 15.0  # assumption
    """Time over which it does."""
    rfq_memory_minutes: float = 30.0  # assumption
    """Decay time of a dealer's memory of recent clips, which widens the next quote."""
    rfq_expiry_s: float = 10.0  # assumption
    """Life of a quote, seconds."""
    rfq_hold_s: float = 1.0  # assumption
    """Last look: seconds between our acceptance and the dealer's answer."""
    rfq_last_look_bps: float = 2.0  # assumption
    """The dealer refuses if by the end of the hold the mid is more than this below the mid of the quote."""

    def __post_init__(self) -> None:
        for name in ("adv", "sigma_d", "density", "level_bps", "recovery_half_life", "order_size_mean"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.r2 < 1:
            raise ValueError(f"r2 must be in [0, 1), got {self.r2}")
        if len(self.hour_shares) != 24 or min(self.hour_shares) < 0 or sum(self.hour_shares) <= 0:
            raise ValueError("hour_shares needs 24 shares, none negative, not all zero")

    @property
    def sigma_step(self) -> float:
        """Standard deviation of the return over one step at average volume, bps."""
        return self.sigma_d / math.sqrt(STEPS_PER_DAY)

    @property
    def size_scale(self) -> float:
        """What the capped lognormal is multiplied by for its mean to be `order_size_mean`."""
        z = (math.log(self.order_size_cap) - self.order_log_mean) / self.order_log_sd
        bulk = math.exp(self.order_log_mean + self.order_log_sd**2 / 2) * _phi(z - self.order_log_sd)
        return self.order_size_mean / (bulk + self.order_size_cap * (1 - _phi(z)))

    def impact_bps(self, quantity: float) -> float:
        """Square-root law: displacement of the mid by a footprint of `quantity` (signed), bps."""
        return math.copysign(self.y * self.sigma_d * math.sqrt(abs(quantity) / self.adv), quantity)


def _phi(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


DEEP = MarketParams(
    adv=26_162.0,  # measured, Binance BTCUSDT, November 2025 (stress 11.9k to 40.6k)
    sigma_d=272.0,  # measured, same (stress 136 to 348)
    half_spread=0.001,  # measured
    density=6.0,  # measured: 4.4-4.6 in 2024, 5.9-8.5 in 2025 (stress 3 to 9)
    level_bps=0.5,  # assumption: 1.5 BTC at the best quote
    recovery_half_life=2.0,  # measured (stress 1 to 10)
    order_size_mean=0.061,  # measured
    through_sigmas=0.55,  # measured (stress 0.3 to 0.8)
    through_bps=0.0,
    taker_fee_bps=5.0,  # assumption
    maker_fee_bps=2.0,  # assumption
)
"""A deep book, like Binance BTCUSDT."""

THIN = replace(
    DEEP,
    adv=3_000.0,  # assumption (Kraken, measured: 327)
    half_spread=1.5,  # assumption
    density=0.8,  # assumption
    level_bps=1.0,  # assumption
    recovery_half_life=20.0,  # assumption
    book_span_bps=2_000.0,  # assumption: 500 BTC at once go down some 700 bps, and density varies
    order_size_mean=0.093,  # measured, Kraken XBTUSDT
    through_sigmas=0.0,
    through_bps=4.0,  # assumption
    taker_fee_bps=10.0,  # assumption
    maker_fee_bps=0.0,  # assumption
)
"""A thin book, like a Hong Kong venue's.

Usually the parameters of a venue on a `DEEP` market: its price is the world's, and so is the volume that our
footprint is measured against. As the parameters of a market they describe a pair that trades nowhere else.
"""
