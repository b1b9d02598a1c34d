"""The market of the planning mode: one pair, priced when it is looked at, whatever time has passed since.

The same model as :mod:`adapters.mock.market`, without its tape of single orders:

    mid = exogenous mid * exp(I(J)),  I(J) = Y sigma_D sqrt(J / V_D),  dJ = -J / tau_J dt + own quantity

The exogenous mid is a random walk over whole minutes, drawn a day at a time from the seed, and straight between them;
it never depends on us. The footprint J decays in closed form. A venue shows a ladder of constant density around the
mid; what we took of it is missing at the top and comes back with the half-life of the parameters.
"""

from __future__ import annotations

import itertools
import math
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from adapters.mock.params import STEP, MarketParams, VenueGrid
from adapters.mock.tape import Stream, generator
from adapters.venue import Level

_ZERO = Decimal(0)
_MINUTES = 1_440
_MINUTE_S = 60.0
_DAY_S = _MINUTES * _MINUTE_S
_BIDS = 10  # levels shown; of the asks the best

# Share of orders resting at the best ask that are filled within so many seconds. Measured, Binance BTCUSDT; that such
# fills come as the price runs through (1.3 bps on average there) is not in this model.
_PASSIVE = ((0.0, 0.0), (0.29, 1.0), (0.42, 2.0), (0.60, 5.0), (0.72, 10.0), (0.83, 30.0), (0.86, 60.0), (0.92, 120.0))


class PlanningMarket:
    """The mid of one pair. ``advance`` first, then look; time only moves forward."""

    def __init__(self, params: MarketParams, seed: int, start: datetime, start_px: Decimal) -> None:
        self.params = params
        self.seed = seed
        self.start = start
        self.now = start
        self._base = float(start_px)
        self._tau_s = params.tau_j_hours * 3600
        self._footprint = 0.0
        self._leaks: list[list[float]] = []  # quantity per second, seconds left
        self._day = -1  # the day of ``_path``
        self._path = [0.0]  # log of the exogenous mid at each minute of the day, both ends included
        self._tomorrow = self._next(self._day, self._path)
        self._log_px = 0.0
        self._price: float | None = None  # until somebody looks

    def advance(self, now: datetime) -> None:
        """Move to ``now``; an earlier time changes nothing."""
        if now is self.now:
            return
        passed = (now - self.now).total_seconds()
        if passed <= 0:
            return
        self._footprint *= math.exp(-passed / self._tau_s)
        for leak in self._leaks:
            self._footprint += leak[0] * min(passed, leak[1])
            leak[1] -= passed
        if self._leaks:
            self._leaks = [leak for leak in self._leaks if leak[1] > 0]
        self.now = now
        self._log_px = self._log_at(now)
        self._price = None

    @property
    def price(self) -> float:
        """The mid, unrounded."""
        if self._price is None:
            self._price = self._base * math.exp(self._log_px + self.params.impact_bps(self._footprint) / 1e4)
        return self._price

    def mid(self) -> Decimal:
        """The mid, quote currency per base unit, rounded to 8 decimal places."""
        return _rounded(self.price)

    def counterfactual_mid(self) -> Decimal:
        """The mid had we never traded."""
        return _rounded(self._base * math.exp(self._log_px))

    def mid_at(self, at: datetime) -> Decimal:
        """The mid at a coming time of today or tomorrow if nobody adds to our footprint until then."""
        ahead = max(0.0, (at - self.now).total_seconds())
        impact = self.params.impact_bps(self._footprint * math.exp(-ahead / self._tau_s)) / 1e4
        return _rounded(self._base * math.exp(self._log_at(at) + impact))

    def add_impact(self, qty: float, over_steps: int = 0) -> None:
        """Add our signed quantity (base units, negative for a sale) to the footprint, at once or evenly."""
        if over_steps > 0:
            seconds = over_steps * STEP.total_seconds()
            self._leaks.append([qty / seconds, seconds])
        else:
            self._footprint += qty
            self._price = None

    def _log_at(self, at: datetime) -> float:
        day, seconds = divmod((at - self.start).total_seconds(), _DAY_S)
        while self._day < day - 1:
            self._turn_day()
        path = self._tomorrow if day > self._day else self._path
        minutes = seconds / _MINUTE_S
        minute = int(minutes)
        before = path[minute]
        return before + (path[minute + 1] - before) * (minutes - minute)

    def _turn_day(self) -> None:
        self._day += 1
        self._path, self._tomorrow = self._tomorrow, self._next(self._day, self._tomorrow)

    def _next(self, day: int, path: list[float]) -> list[float]:
        """The day after ``day``, which ended as ``path`` does."""
        draws = generator(self.seed, Stream.NOISE, day + 1).standard_normal(_MINUTES)
        steps = draws * (self.params.sigma_d / 1e4 / math.sqrt(_MINUTES))
        return [path[-1], *(path[-1] + np.cumsum(steps)).tolist()]


def _rounded(px: float) -> Decimal:
    return Decimal(f"{px:.8f}")


class PlanningBook:
    """One venue's ladder on a market. Prices are whole ticks, quantities whole lots of its step."""

    def __init__(self, market: PlanningMarket, params: MarketParams, grid: VenueGrid) -> None:
        self._market = market
        self._params = params
        self._grid = grid
        self._tick = float(grid.tick)
        self._step = float(grid.step)
        self._below, self._above = 1 - params.half_spread / 1e4, 1 + params.half_spread / 1e4
        self._cap = max(1, round(params.density * params.level_bps / self._step))
        self._whole = grid.step * self._cap
        self._missing = 0.0  # lots that we took and that had not come back at ``_missing_at``
        self._missing_at = market.now
        self._gone = 0.0  # lots that are missing now
        self._shown: list[Level] = []
        self._shown_at: datetime | None = None

    def sides(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks as shown now, best first."""
        ask = math.ceil(self._market.price * self._above / self._tick - 1e-9)
        return tuple(self._ladder()), (Level(self._grid.tick * ask, self._whole),)

    def take(self, qty: Decimal, limit_px: Decimal, *, whole: bool = False) -> list[Level]:
        """Sell into the bids from ``limit_px`` up: price and quantity of each level. ``whole``: all of it or none."""
        step, shown = self._grid.step, self._ladder()
        asked = left = qty // step * step
        taken: list[Level] = []
        for level in shown:
            if level.px < limit_px or left <= _ZERO:
                break
            taken.append(level if level.qty <= left else Level(level.px, left))
            left -= taken[-1].qty
        if not taken or (whole and left):
            return []
        last, after = shown[len(taken) - 1], shown[len(taken) :]
        rest = last.qty - taken[-1].qty
        self._shown = [Level(last.px, rest), *after] if rest else after
        sold = int((asked - left) // step)
        self._missing = self._gone = self._gone + sold
        self._missing_at = self._market.now
        self._market.add_impact(-sold * self._step)
        return taken

    def _ladder(self) -> list[Level]:
        """The bids, best first. What one order takes is gone at once; the rest of the ladder follows the mid at the
        next moment, so that an order sent at the prices shown can be filled at them."""
        now = self._market.now
        if self._shown_at is now:
            return self._shown
        price, params, tick, whole = self._market.price, self._params, self._grid.tick, self._whole
        age = (now - self._missing_at).total_seconds()
        self._gone = float(self._missing * 0.5 ** (age / params.recovery_half_life))
        first, less = divmod(math.ceil(self._gone - 1e-6), self._cap)
        gap = max(1, round(params.level_bps * price / 1e4 / self._tick))
        top = math.floor(price * self._below / self._tick + 1e-9) - first * gap
        px, apart = tick * top, tick * gap
        shown = [Level(px, whole - self._grid.step * less)] if top > 0 else []
        for _ in range(min(_BIDS - 1, (top - 1) // gap)):  # as many as have a price above nothing
            px -= apart
            shown.append(Level(px, whole))
        self._shown, self._shown_at = shown, now
        return shown


def passive_delay(chance: float) -> timedelta | None:
    """How long an order that rests at the best ask waits for its fill: ``chance`` is uniform in [0, 1); ``None`` if
    nobody comes."""
    for (low, after), (high, until) in itertools.pairwise(_PASSIVE):
        if chance < high:
            return timedelta(seconds=after + (until - after) * (chance - low) / (high - low))
    return None
