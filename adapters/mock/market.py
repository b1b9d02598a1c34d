"""One simulated asset pair: a mid that all venues share, and the footprint our trades leave in it.

    mid = exogenous mid * exp(I(J)),  I(J) = Y sigma_D sqrt(J / V_D),  dJ = -J / tau_J dt + own quantity

The exogenous mid comes from a tape and never depends on us; every venue and dealer of the pair shares J.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from adapters.mock.book import VenueBook
from adapters.mock.params import STEP, MarketParams, VenueGrid
from adapters.mock.tape import Block, Stream, Tape, generator

_MID_QUANTUM = Decimal("1e-8")


@dataclass
class _Leak:
    """A quantity that a dealer still works out into the market."""

    per_step: float
    until: int


class Market:
    """The mid of one pair under a virtual clock, and the venues that trade it.

    `params` sets volatility, volume and impact of the pair as a whole; each venue has parameters of its own
    for its book.
    """

    def __init__(self, tape: Tape, params: MarketParams) -> None:
        self.tape = tape
        self.params = params
        self.now = tape.start
        """The latest time that `advance` was given (UTC)."""
        self.steps = 0
        """Steps of the tape done so far."""
        self._base = float(tape.start_px)
        self._log_px = 0.0
        self._log_shock = 0.0
        self._footprint = 0.0
        self._leaks: list[_Leak] = []
        self._keep = math.exp(-STEP.total_seconds() / (params.tau_j_hours * 3600))
        self._venues: dict[str, VenueBook] = {}
        self._price = self._base

    def advance(self, now: datetime) -> None:
        """Move to `now`, step by step. Calling again with the same or an earlier time does nothing."""
        if now < self.tape.start:
            raise ValueError(f"the market begins at {self.tape.start}, cannot advance to {now}")
        if now <= self.now:
            return
        self.tape.require(now)
        target = int((now - self.tape.start) // STEP)
        while self.steps < target:
            index = self.steps // self.tape.block_steps
            block = self.tape.block(index)
            last = min(target, block.first + self.tape.block_steps)
            for venue in self._venues.values():
                venue.load(index, block)
            for step in range(self.steps, last):
                self._one_step(step, block)
        self.now = now

    def mid(self) -> Decimal:
        """The shared mid, quote currency per base unit, rounded to 8 decimal places."""
        return Decimal(self._price).quantize(_MID_QUANTUM)

    def counterfactual_mid(self) -> Decimal:
        """The mid had we never traded, rounded to 8 decimal places."""
        return Decimal(self._exogenous()).quantize(_MID_QUANTUM)

    def mid_at(self, at: datetime) -> Decimal:
        """The mid at a coming time if nobody adds to our footprint until then.

        For a counterparty who answers at the end of a hold: the tape is fixed, so it can be read ahead.
        """
        step = int((at - self.tape.start) // STEP)
        if step <= self.steps:
            return self.mid()
        index, offset = divmod(step - 1, self.tape.block_steps)
        log_px = float(self.tape.block(index).log_px[offset])
        impact = self.params.impact_bps(self._footprint * self._keep ** (step - self.steps)) / 1e4
        return Decimal(self._base * math.exp(log_px + self._log_shock + impact)).quantize(_MID_QUANTUM)

    def venue(self, name: str, params: MarketParams, grid: VenueGrid) -> VenueBook:
        """Open a venue's own book on this market. Its volume must be a part of the market's."""
        if name in self._venues:
            raise ValueError(f"venue {name!r} is already open on this market")
        flow = VenueFlow(self.tape, params, name)
        book = VenueBook(self, name, params, grid, flow)
        book.load(self.steps // self.tape.block_steps, self.tape.block(self.steps // self.tape.block_steps))
        book.quote_anew()
        self._venues[name] = book
        return book

    def add_impact(self, qty: float, over_steps: int = 0) -> None:
        """Add our signed quantity (base units, negative for a sale) to the footprint, at once or evenly."""
        if over_steps > 0:
            self._leaks.append(_Leak(qty / over_steps, self.steps + over_steps))
        else:
            self._footprint += qty
        self._reprice()

    def shock(self, bps: float) -> None:
        """Jump the exogenous mid, now and for good, by `bps` (for fault tests)."""
        self._log_shock += math.log1p(bps / 1e4)
        self._reprice()

    @property
    def price(self) -> float:
        """The mid unrounded; for the books, which put it on their own ticks."""
        return self._price

    @property
    def footprint(self) -> float:
        """J: our own signed quantity as the market still remembers it, base units."""
        return self._footprint

    def _one_step(self, step: int, block: Block) -> None:
        at = self.tape.start + (step + 1) * STEP
        offset = step - block.first
        for venue in self._venues.values():
            venue.trade(offset, at)  # the orders of this second meet the quotes at its beginning
        self._footprint *= self._keep
        if self._leaks:
            self._footprint += sum(leak.per_step for leak in self._leaks)
            self._leaks = [leak for leak in self._leaks if leak.until > step + 1]
        self._log_px = float(block.log_px[offset])
        self.steps = step + 1
        self._price = self._exogenous() * math.exp(self.params.impact_bps(self._footprint) / 1e4)
        sigma = float(block.sigma[offset])
        for venue in self._venues.values():
            venue.move(offset, at, sigma)

    def _exogenous(self) -> float:
        return self._base * math.exp(self._log_px + self._log_shock)

    def _reprice(self) -> None:
        self._price = self._exogenous() * math.exp(self.params.impact_bps(self._footprint) / 1e4)
        for venue in self._venues.values():
            venue.quote_anew()


class VenueFlow:
    """What happens at one venue without us: which of the tape's orders arrive there, and how deep it is.

    A venue with a smaller volume than the market gets a random part of the market's orders, so its flow
    agrees with the price. Density is a lognormal that reverts to its mean, one per side.
    """

    def __init__(self, tape: Tape, params: MarketParams, name: str) -> None:
        self._tape = tape
        self._params = params
        self._salt = zlib.crc32(name.encode())
        self._scale = params.order_size_mean / tape.params.order_size_mean
        self._share = params.adv / tape.params.adv / self._scale
        if self._share > 1 + 1e-9:
            raise ValueError(f"venue {name!r} would receive more orders than the market has; lower its adv")
        self._state: tuple[float, float] | None = None

    def orders(self, index: int, block: Block) -> tuple[list[int], list[float], list[bool]]:
        """Of one block: where each step begins, sizes in base units, whether the aggressor bought."""
        sizes, signs, starts = block.sizes * self._scale, block.signs, block.starts
        if self._share < 1 - 1e-9:
            draws = generator(self._tape.seed, Stream.ROUTING, index, self._salt).random(len(sizes))
            kept = draws < self._share
            starts = np.concatenate([[0], np.cumsum(kept)])[starts]
            sizes, signs = sizes[kept], signs[kept]
        return starts.tolist(), sizes.tolist(), (signs > 0).tolist()

    def density(self, index: int) -> tuple[list[float], list[float]]:
        """Density of bids and of asks at the end of each step of a block, base units per bp."""
        p, n = self._params, self._tape.block_steps
        sd = math.sqrt(math.log1p(p.density_cv**2))
        keep = math.exp(-1 / p.density_tau)
        draws = generator(self._tape.seed, Stream.DEPTH, index, self._salt).standard_normal((2, n + 1))
        ends, sides = [], []
        for side in (0, 1):
            x = self._state[side] if self._state else float(draws[side, n])
            path = []
            for z in (draws[side, :n] * math.sqrt(1 - keep * keep)).tolist():
                x = keep * x + z
                path.append(p.density * math.exp(sd * x - sd * sd / 2))
            sides.append(path)
            ends.append(x)
        self._state = (ends[0], ends[1])
        return sides[0], sides[1]
