"""The exogenous tape: what the market would have done without us.

One step is one second. Everything is drawn from Philox generators keyed by (seed, stream) and positioned by
block, and nothing on the tape depends on orders: two policies on one seed see the same market, and an order
never shifts a random number. Blocks are made in sequence (volume and order signs have memory), but the
memory at each block boundary is kept, so that any earlier block can be made again.

Return over one step, bps: `sigma * (sqrt(R2) * g + sqrt((1 - R2) v) * noise)`, with v the volume of the
minute relative to its daily average and g = sign(flow) sqrt(|flow|), scaled to unit variance, less the part
of persistent flow that the market takes back (`MarketParams.transient_tau`).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from adapters.candles import Candle
from adapters.mock.params import STEP, MarketParams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MINUTE = 60
_BLOCK = 600  # steps; ten minutes
_KEPT = 4  # blocks kept in memory


class Stream(IntEnum):
    """Names of the random streams of one seed; adding one never disturbs another."""

    VOLUME = 1
    ARRIVALS = 2
    SIGNS = 3
    SIZES = 4
    NOISE = 5
    PILOT = 6
    DEPTH = 7
    ROUTING = 8
    DEALERS = 9


def generator(seed: int, stream: Stream, position: int, salt: int = 0) -> np.random.Generator:
    """The generator of one block of one stream; `salt` tells venues of one market apart."""
    key = np.array([seed & (2**64 - 1), (int(stream) << 48) ^ (salt & (2**48 - 1))], dtype=np.uint64)
    counter = np.array([0, 0, position, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


@dataclass(frozen=True)
class Block:
    """Consecutive steps of the tape. Step i of the block covers the second that ends at its end."""

    first: int
    """Number of the first step; the steps of a tape count from 0."""
    log_px: Floats
    """Log of the mid relative to the starting price at the end of each step."""
    sigma: Floats
    """Volatility of one step in force at each step, bps."""
    starts: Ints
    """Orders of step i are `sizes[starts[i]:starts[i + 1]]`."""
    sizes: Floats
    """Size of each aggressive order, base units."""
    signs: NDArray[np.int8]
    """+1 the aggressor bought, -1 sold."""


@dataclass(frozen=True)
class _Memory:
    """What one block hands to the next."""

    log_px: float
    volume: tuple[float, ...]
    signs: tuple[float, ...]
    transient: float


class TapeExhausted(RuntimeError):
    """The recording is over."""


class Tape:
    """Common part of the tapes: blocks in sequence, remembered states, a digest."""

    def __init__(self, params: MarketParams, seed: int, start: datetime, start_px: Decimal) -> None:
        if start.tzinfo is None:
            raise ValueError("start must carry a time zone (UTC)")
        if start_px <= 0:
            raise ValueError(f"start_px must be positive, got {start_px}")
        self.params = params
        self.seed = seed
        self.start = start.astimezone(UTC)
        self.start_px = start_px
        self.block_steps = _BLOCK
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._memories: list[_Memory] = []

    def block(self, index: int) -> Block:
        """Block number `index`: steps `index * block_steps` up to the next block."""
        if index < 0:
            raise ValueError("the tape begins at block 0")
        if not self._memories:
            self._memories.append(self._begin())
        for missing in range(len(self._memories) - 1, index):
            self._keep(missing)
        if index not in self._blocks:
            self._keep(index)
        return self._blocks[index]

    def digest(self, steps: int) -> str:
        """SHA-256 of the first `steps` steps: returns, volatility, and every order."""
        whole = hashlib.sha256()
        for index in range(-(-steps // self.block_steps)):
            block = self.block(index)
            n = min(steps - block.first, self.block_steps)
            orders = int(block.starts[n])
            for part in (block.log_px[:n], block.sigma[:n], block.sizes[:orders], block.signs[:orders]):
                whole.update(part.tobytes())
        return whole.hexdigest()

    def _keep(self, index: int) -> None:
        block, memory = self._make(index, self._memories[index])
        if index + 1 == len(self._memories):
            self._memories.append(memory)
        self._blocks[index] = block
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)

    def _begin(self) -> _Memory:
        p = self.params
        draws = generator(self.seed, Stream.VOLUME, 2**32).standard_normal(len(p.volume_sds))
        volume = tuple(float(d) * sd for d, sd in zip(draws, p.volume_sds, strict=True))
        return _Memory(0.0, volume, (0.0,) * len(p.sign_taus), 0.0)

    def _make(self, index: int, memory: _Memory) -> tuple[Block, _Memory]:
        raise NotImplementedError

    def _orders(
        self, index: int, per_step: Floats, signs: Sequence[float]
    ) -> tuple[Ints, Floats, NDArray[np.int8], tuple[float, ...]]:
        """Aggressive orders for steps of the given expected volume (base units)."""
        p = self.params
        counts = generator(self.seed, Stream.ARRIVALS, index).poisson(per_step / p.order_size_mean)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        total = int(starts[-1])
        sizes = _sizes(p, generator(self.seed, Stream.SIZES, index), total)
        sign, carried = _signs(p, generator(self.seed, Stream.SIGNS, index), total, signs)
        return starts, sizes, sign, carried

    def _returns(
        self, index: int, orders: tuple[Ints, Floats, NDArray[np.int8]], sigma: Floats, transient: float
    ) -> tuple[Floats, float]:
        """Log returns of the steps, and the transient memory at their end."""
        p = self.params
        mean_sqrt, taken_back = _flow_scale(p)
        starts, sizes, signs = orders
        flow = _flow(starts, sizes, signs)
        g = np.sign(flow) * np.sqrt(np.abs(flow)) / mean_sqrt
        memory = _filtered(g / p.transient_tau, math.exp(-1 / p.transient_tau), transient)
        before = np.concatenate([[transient], memory[:-1]])
        noise = generator(self.seed, Stream.NOISE, index).standard_normal(len(sigma))
        bps = p.sigma_step * math.sqrt(p.r2) * (g - taken_back * before) + math.sqrt(1 - p.r2) * sigma * noise
        return bps / 1e4, float(memory[-1])

    def require(self, _now: datetime) -> None:
        """Raise ``TapeExhausted`` if the tape does not reach ``now``. A simulated one never ends."""


class SimulatedTape(Tape):
    """A market drawn from `params`: hour profile and slow swings of volume, persistent order flow."""

    def _make(self, index: int, memory: _Memory) -> tuple[Block, _Memory]:
        p, n = self.params, self.block_steps
        relative, volume = self._relative_volume(index, memory.volume)
        starts, sizes, signs, carried = self._orders(index, relative * (p.adv / 86_400), memory.signs)
        sigma = p.sigma_step * np.sqrt(relative)
        returns, transient = self._returns(index, (starts, sizes, signs), sigma, memory.transient)
        log_px = memory.log_px + np.cumsum(returns)
        block = Block(index * n, log_px, sigma, starts, sizes, signs)
        return block, _Memory(float(log_px[-1]), volume, carried, transient)

    def _relative_volume(self, index: int, state: tuple[float, ...]) -> tuple[Floats, tuple[float, ...]]:
        """Volume of each step relative to the daily average (mean 1), and the state at the end."""
        p, minutes = self.params, self.block_steps // _MINUTE
        draws = generator(self.seed, Stream.VOLUME, index).standard_normal((len(p.volume_sds) + 1, minutes))
        log_volume = p.volume_white * draws[-1]
        carried = []
        for x0, tau, sd, z in zip(state, p.volume_taus_min, p.volume_sds, draws[:-1], strict=True):
            keep = math.exp(-1 / tau)
            path = _filtered(z * sd * math.sqrt(1 - keep * keep), keep, x0)
            log_volume = log_volume + path
            carried.append(float(path[-1]))
        variance = sum(sd * sd for sd in p.volume_sds) + p.volume_white**2
        first = self.start + index * self.block_steps * STEP
        hours = [(first + m * _MINUTE * STEP).hour for m in range(minutes)]
        profile = np.array([p.hour_shares[h] for h in hours]) * 24 / sum(p.hour_shares)
        return np.repeat(profile * np.exp(log_volume - variance / 2), _MINUTE), tuple(carried)


class ReplayTape(Tape):
    """Recorded candles, with order flow simulated inside each candle.

    The mid passes through every recorded close; inside a candle it is a bridge whose volatility comes from
    the candle's range (Parkinson 1980: sigma^2 = ln(high/low)^2 / (4 ln 2)). The expected volume is the
    recorded one. `start` is the virtual time at which the first candle opens, None the recorded time.
    """

    def __init__(
        self, candles: Sequence[Candle], params: MarketParams, seed: int, start: datetime | None = None
    ) -> None:
        if len(candles) < 2:
            raise ValueError("a replay needs at least two candles")
        super().__init__(params, seed, start or candles[0].at, candles[0].open)
        self._span = min(b.at - a.at for a, b in itertools.pairwise(candles))
        self._seconds = int(self._span / STEP)
        if self._seconds < 1 or self._span % STEP:
            raise ValueError(f"candles must be whole seconds apart, got {self._span}")
        self.block_steps = self._seconds * max(1, _BLOCK // self._seconds)
        self._candles = _on_grid(candles, self._span)
        self._count = int((candles[-1].at - candles[0].at) / self._span) + 1

    @property
    def end(self) -> datetime:
        """Virtual time at which the recording is over."""
        return self.start + self._count * self._span

    def require(self, now: datetime) -> None:
        # A block may reach beyond the last candle; what it holds there is nobody's price.
        if now > self.end:
            raise TapeExhausted(f"the recording ends at {self.end:%Y-%m-%d %H:%M:%S}; replay a longer file")

    def _make(self, index: int, memory: _Memory) -> tuple[Block, _Memory]:
        n, per = self.block_steps, self._seconds
        first = index * n // per
        if first >= self._count:
            raise TapeExhausted(f"the recording ends at {self.end:%Y-%m-%d %H:%M:%S}; replay a longer file")
        slots = range(first, first + n // per)
        volume, sigma, target = self._recorded(slots, memory.log_px)
        steps = np.repeat(volume / per, per)
        starts, sizes, signs, carried = self._orders(index, steps, memory.signs)
        relative = np.maximum(steps / (self.params.adv / 86_400), 0.01)  # a candle without volume still moves
        noise = self.params.sigma_step * np.sqrt(relative)
        raw, transient = self._returns(index, (starts, sizes, signs), noise, memory.transient)
        shaped = raw.reshape(-1, per)
        spread = shaped.std(axis=1, keepdims=True)
        scale = np.divide(sigma[:, None] / 1e4, spread, out=np.zeros_like(spread), where=spread > 0)
        shaped = (shaped - shaped.mean(axis=1, keepdims=True)) * scale
        shaped = shaped + np.diff(target, prepend=memory.log_px)[:, None] / per
        log_px = memory.log_px + np.cumsum(shaped.ravel())
        log_px[per - 1 :: per] = target  # the close exactly, not the rounding of sixty additions
        block = Block(index * n, log_px, np.repeat(sigma, per), starts, sizes, signs)
        return block, _Memory(float(log_px[-1]), memory.volume, carried, transient)

    def _recorded(self, slots: range, log_px: float) -> tuple[Floats, Floats, Floats]:
        """Volume, one-step sigma in bps, and closing log price of each candle; flat where there is none."""
        volume, sigma, target = [], [], []
        for slot in slots:
            candle = self._candles.get(slot)
            if candle is not None:
                log_px = math.log(candle.close / self.start_px)
                variance = math.log(candle.high / candle.low) ** 2 / (4 * math.log(2))
            else:
                variance = 0.0
            volume.append(float(candle.volume) if candle is not None else 0.0)
            sigma.append(math.sqrt(variance / self._seconds) * 1e4)
            target.append(log_px)
        return np.array(volume), np.array(sigma), np.array(target)


def _on_grid(candles: Sequence[Candle], span: timedelta) -> dict[int, Candle]:
    """Candles by their place on the time grid of the recording."""
    placed: dict[int, Candle] = {}
    for candle in candles:
        slot, off = divmod(candle.at - candles[0].at, span)
        if off:
            raise ValueError(f"candle at {candle.at} is off the {span} grid of the recording")
        placed[slot] = candle
    return placed


def _sizes(p: MarketParams, rng: np.random.Generator, n: int) -> Floats:
    drawn = np.exp(p.order_log_mean + p.order_log_sd * rng.standard_normal(n))
    return np.minimum(drawn, p.order_size_cap) * p.size_scale


def _signs(
    p: MarketParams, rng: np.random.Generator, n: int, state: Sequence[float]
) -> tuple[NDArray[np.int8], tuple[float, ...]]:
    """Signs of n orders: the sign of a Gaussian with slow components, so that runs of one side occur."""
    latent = rng.standard_normal(n) * math.sqrt(1 - sum(p.sign_weights))
    carried = []
    for x0, tau, weight in zip(state, p.sign_taus, p.sign_weights, strict=True):
        keep = math.exp(-1 / tau)
        path = _filtered(rng.standard_normal(n) * math.sqrt(weight * (1 - keep * keep)), keep, x0)
        latent += path
        carried.append(float(path[-1]) if n else x0)
    return np.where(latent > 0, 1, -1).astype(np.int8), tuple(carried)


def _flow(starts: Ints, sizes: Floats, signs: NDArray[np.int8]) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(sizes * signs)])
    return np.asarray(total[starts[1:]] - total[starts[:-1]], dtype=np.float64)


def _filtered(innovations: Floats, keep: float, start: float) -> Floats:
    """First-order recursion `x = keep * x + innovation` from `start`."""
    path = itertools.accumulate(innovations.tolist(), lambda x, e: keep * x + e, initial=start)
    next(path)
    return np.fromiter(path, dtype=np.float64, count=len(innovations))


@lru_cache(maxsize=64)
def _flow_scale(p: MarketParams) -> tuple[float, float]:
    """Root mean |flow| of one step at average volume, and the share of flow impact that is taken back.

    Measured on a pilot of fixed seed. With the share c = 1 - 1/sqrt(VR), VR the variance ratio of the flow
    term over ten minutes, the flow term adds the same variance per day as independent returns would.
    """
    n, window = 60_000, 600
    rng = generator(0, Stream.PILOT, 0)
    counts = rng.poisson(p.adv / 86_400 / p.order_size_mean, n)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(starts[-1])
    sizes = _sizes(p, rng, total)
    signs, _ = _signs(p, rng, total, (0.0,) * len(p.sign_taus))
    flow = _flow(starts, sizes, signs)
    g = np.sign(flow) * np.sqrt(np.abs(flow))
    ratio = float((g.reshape(-1, window).sum(axis=1) ** 2).mean() / window / (g**2).mean())
    return math.sqrt(float(np.abs(flow).mean())), max(0.0, 1 - 1 / math.sqrt(max(ratio, 1.0)))
