"""One venue's order book on a simulated market.

Everything that the venue shows (depth, best quote, public trades) and everything that it does to our orders
comes from one state: the shared mid, the density of each side, what our sweeps removed, and our resting asks.

* The book is a ladder of equally spaced levels from the best quote outwards; the first holds half a level,
  so that sweeping q costs q / (2 density) on average.
* A sweep removes exactly the levels shown. What it removed stays missing at that distance from the best
  quote, and comes back with the half-life of the venue, whole steps at a time.
* A resting ask waits behind the quantity displayed at its level when it was accepted. Only aggressive buys
  that reach its price shorten that queue. What they have left fills the order; so does the mid once it is
  beyond the price by the trade-through threshold, up to the bids that would stand at or above the price.

Prices are whole ticks and quantities whole lots inside, Decimal at the border.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from adapters.mock.params import STEP, MarketParams, VenueGrid

if TYPE_CHECKING:
    from adapters.mock.market import Market, VenueFlow
    from adapters.mock.tape import Block

Level = tuple[Decimal, Decimal]
"""Price in quote currency, quantity in base units."""

Side = Literal["bid", "ask"]

_HEALED = 1e-4  # a level that lacks less than this share is whole
_HISTORY = 20_000  # public trades that a venue remembers


@dataclass(frozen=True)
class PassiveFill:
    """A resting order was hit: quantity in base units at its own price."""

    order_id: str
    px: Decimal
    qty: Decimal
    at: datetime


@dataclass(frozen=True)
class Print:
    """A public trade; `side` is the aggressor's."""

    at: datetime
    px: Decimal
    qty: Decimal
    side: Literal["buy", "sell"]


@dataclass
class _Resting:
    order_id: str
    tick: int
    lots: int
    ahead: int  # lots of others in front


class VenueBook:
    """The book of one venue. Created by `Market.venue`."""

    def __init__(self, market: Market, name: str, params: MarketParams, grid: VenueGrid, flow: VenueFlow) -> None:
        self.name = name
        self.params = params
        self.grid = grid
        self.updated_at = market.now
        """When the shown book last changed (UTC); stands still while frozen."""
        self._market = market
        self._flow = flow
        self._tick = float(grid.tick)
        self._step = float(grid.step)
        self._asks: list[_Resting] = []  # by price, then time of arrival
        # by number of the level: which share of it is gone, and at which step it was
        self._removed: dict[Side, dict[int, tuple[float, int]]] = {"bid": {}, "ask": {}}
        self._fills: list[PassiveFill] = []
        self._trades: deque[tuple[datetime, int, int, bool]] = deque(maxlen=_HISTORY)
        self._frozen: tuple[list[Level], list[Level]] | None = None
        self._shown: tuple[list[Level], list[Level]] | None = None
        self._index = -1
        self._density = (params.density, params.density)

    # What the venue shows

    def levels(self, depth: int) -> tuple[list[Level], list[Level]]:
        """Up to `depth` bids and asks, best first, our own resting asks included."""
        pinned = self._pinned
        if pinned is not None:
            return pinned[0][:depth], pinned[1][:depth]
        bids: dict[int, int] = {}
        for tick, lots, _ in self._ladder("bid"):
            if tick not in bids and len(bids) == depth:
                break
            bids[tick] = bids.get(tick, 0) + lots
        asks: dict[int, int] = {}
        for order in self._asks:
            asks[order.tick] = asks.get(order.tick, 0) + order.lots
        for count, (tick, lots, _) in enumerate(self._ladder("ask")):
            if count == depth:
                break
            asks[tick] = asks.get(tick, 0) + lots
        best_asks = sorted(asks.items())[:depth]
        return [self._level(*bid) for bid in bids.items()], [self._level(*ask) for ask in best_asks]

    def best_bid(self) -> Level | None:
        """Best bid, or None when that side is empty."""
        bids, _ = self.levels(1)
        return bids[0] if bids else None

    def best_ask(self) -> Level | None:
        """Best ask, or None when that side is empty."""
        _, asks = self.levels(1)
        return asks[0] if asks else None

    def prints(self, n: int) -> list[Print]:
        """The last `n` public trades, oldest first, ours included."""
        last = list(itertools.islice(reversed(self._trades), n))[::-1]
        return [Print(at, *self._level(tick, lots), "buy" if bought else "sell") for at, tick, lots, bought in last]

    # What we do to it

    def take_bids(self, qty: Decimal, limit_px: Decimal) -> list[Level]:
        """Sell at once into the bids shown at or above `limit_px`; returns what was sold at each price."""
        return self._take("bid", qty, limit_px)

    def take_asks(self, qty: Decimal, limit_px: Decimal) -> list[Level]:
        """The buying mirror of `take_bids`, there to test that round trips lose; ignores our own asks."""
        return self._take("ask", qty, limit_px)

    def rest_ask(self, order_id: str, px: Decimal, qty: Decimal) -> None:
        """Place a passive sale at `px`, behind what is displayed there."""
        tick, lots = self._whole(px, self.grid.tick, "price"), self._whole(qty, self.grid.step, "quantity")
        if any(order.order_id == order_id for order in self._asks):
            raise ValueError(f"order {order_id!r} is already resting")
        bid = self.best_bid()
        if bid is not None and px <= bid[0]:
            raise ValueError(f"an ask at {px} would trade with the bid at {bid[0]}; take it first")
        self._asks.append(_Resting(order_id, tick, lots, self._queue(tick, px)))
        self._asks.sort(key=lambda order: order.tick)  # stable: FIFO within a price

    def withdraw(self, order_id: str) -> Decimal:
        """Cancel a passive sale; returns the quantity that had not been filled."""
        for order in self._asks:
            if order.order_id == order_id:
                self._asks.remove(order)
                return order.lots * self.grid.step
        raise KeyError(order_id)

    def pop_fills(self) -> list[PassiveFill]:
        """Fills of our resting orders since the last call, in order."""
        fills, self._fills = self._fills, []
        return fills

    # Faults

    def freeze(self) -> None:
        """Stop the venue: same book, same `updated_at`, no trades. Sweeps still take from what is shown."""
        if self._frozen is None:
            bids, asks = self.levels(200)
            self._frozen = (list(bids), list(asks))

    def thaw(self) -> None:
        """End a freeze; the book is at once where the market is."""
        self._frozen = None
        self.quote_anew()

    def override(self, bids: Sequence[Level] | None, asks: Sequence[Level] | None = None) -> None:
        """Show these levels, best first, instead of the book's (empty, crossed, anything); None ends it.

        Meanwhile sweeps take from them, and nothing trades with our resting orders.
        """
        self._shown = None if bids is None else (list(bids), list(asks or ()))
        self.quote_anew()

    # Called by the market

    def load(self, index: int, block: Block) -> None:
        """Bring in the flow and density of a block of the tape."""
        if index == self._index:
            return
        self._index = index
        self._starts, sizes, self._buys = self._flow.orders(index, block)
        self._lots = [max(1, round(size / self._step)) for size in sizes]
        self._densities = self._flow.density(index)

    def quote_anew(self) -> None:
        """Put the ladder around the present mid."""
        mid, p = self._market.price, self.params
        self._bid = math.floor(mid * (1 - p.half_spread / 1e4) / self._tick + 1e-9)
        self._ask = max(math.ceil(mid * (1 + p.half_spread / 1e4) / self._tick - 1e-9), self._bid + 1)
        self._gap = max(1, round(p.level_bps * mid / 1e4 / self._tick))
        width = self._gap * self._tick / mid * 1e4
        bids, asks = self._density
        self._caps = (max(1, round(bids * width / self._step)), max(1, round(asks * width / self._step)))
        if self._frozen is None:
            self.updated_at = self._market.now

    def trade(self, offset: int, at: datetime) -> None:
        """Let the aggressive orders of one step meet the book."""
        if self._pinned is not None:
            return
        first, last = self._starts[offset], self._starts[offset + 1]
        if first == last:
            return
        undisturbed = not (self._asks or self._removed["bid"] or self._removed["ask"])
        for lots, bought in zip(self._lots[first:last], self._buys[first:last], strict=True):
            if undisturbed and 2 * lots < self._caps[bought]:  # most orders: the best quote takes them whole
                self._trades.append((at, self._ask if bought else self._bid, lots, bought))
                continue
            hit = self._hit_asks(lots, at) if bought else _walk(lots, self._ladder("bid"))
            self._trades.extend((at, tick, n, bought) for tick, n in hit)

    def move(self, offset: int, at: datetime, sigma: float) -> None:
        """Follow the mid to the end of a step; `sigma` is the volatility of a step, bps."""
        self._density = (self._densities[0][offset], self._densities[1][offset])
        self.quote_anew()
        if self._frozen is None:
            self.updated_at = at
        for side in self._removed.values():
            for j in [j for j in side if self._missing(side, j) < _HEALED]:
                del side[j]
        if self._asks and self._pinned is None:
            self._trade_through(at, self.params.through_bps + self.params.through_sigmas * sigma)

    # Inside

    @property
    def _pinned(self) -> tuple[list[Level], list[Level]] | None:
        return self._frozen if self._frozen is not None else self._shown

    @property
    def _count(self) -> int:
        return max(1, int(self.params.book_span_bps / 1e4 * self._market.price / self._tick / self._gap))

    def _ladder(self, side: Side) -> Iterator[tuple[int, int, int]]:
        """Tick, lots and number of the levels of others, best first. Bids never stand at or above our asks:
        where the mid is beyond one that is not filled yet, they wait one tick below it."""
        cap, removed = self._caps[0 if side == "bid" else 1], self._removed[side]
        below = self._asks[0].tick - 1 if self._asks else None
        for j in range(self._count):
            lots = cap if j else max(1, cap // 2)
            if j in removed:
                lots -= math.ceil(lots * self._missing(removed, j) - 1e-6)
            if lots <= 0:
                continue
            if side == "ask":
                yield self._ask + j * self._gap, lots, j
            else:
                tick = self._bid - j * self._gap
                yield (tick if below is None else min(tick, below)), lots, j

    def _missing(self, removed: dict[int, tuple[float, int]], j: int) -> float:
        share, since = removed[j]
        age = (self._market.steps - since) * STEP.total_seconds()
        return float(share * 0.5 ** (age / self.params.recovery_half_life))

    def _take(self, side: Side, qty: Decimal, limit_px: Decimal) -> list[Level]:
        wanted = self._whole(qty, self.grid.step, "quantity")
        if self._pinned is not None:
            return self._take_pinned(side, qty, limit_px)
        taken: dict[int, int] = {}
        removed = self._removed[side]
        for tick, shown, j in list(self._within(side, limit_px, wanted)):
            lots = min(shown, wanted)
            wanted -= lots
            taken[tick] = taken.get(tick, 0) + lots
            gone = self._missing(removed, j) if j in removed else 0.0
            removed[j] = (gone + (1 - gone) * lots / shown, self._market.steps)
        if taken:
            buys = side == "ask"
            self._trades.extend((self._market.now, tick, lots, buys) for tick, lots in taken.items())
            self._own(sum(taken.values()) if buys else -sum(taken.values()))
        return [self._level(*t) for t in taken.items()]

    def _within(self, side: Side, limit_px: Decimal, lots: int) -> Iterator[tuple[int, int, int]]:
        """The levels that an order of this size and limit reaches."""
        limit = limit_px / self.grid.tick
        for tick, shown, j in self._ladder(side):
            if lots <= 0 or (tick < limit if side == "bid" else tick > limit):
                return
            yield tick, shown, j
            lots -= shown

    def _take_pinned(self, side: Side, qty: Decimal, limit_px: Decimal) -> list[Level]:
        assert self._pinned is not None
        shown = self._pinned[0 if side == "bid" else 1]
        taken: list[Level] = []
        while shown and qty > 0 and (shown[0][0] >= limit_px if side == "bid" else shown[0][0] <= limit_px):
            px, size = shown.pop(0)
            taken.append((px, min(size, qty)))
            if size > qty:
                shown.insert(0, (px, size - qty))
            qty -= taken[-1][1]
        sold = sum((size for _, size in taken), Decimal(0))
        self._own((1 if side == "ask" else -1) * int(sold / self.grid.step))
        return taken

    def _hit_asks(self, lots: int, at: datetime) -> list[tuple[int, int]]:
        """An aggressive buy walks up the asks of others and ours; fills ours. Returns ticks and lots."""
        if not self._asks or self._asks[0].tick > self._ask + self._gap * self._count:
            return _walk(lots, self._ladder("ask"))
        trades: list[tuple[int, int]] = []
        own = {order.tick for order in self._asks}
        shown = dict(_walk(lots, self._ladder("ask")))
        for tick in sorted(own | shown.keys()):
            hit = self._through_queue(tick, lots, at) if tick in own else min(lots, shown[tick])
            if hit:
                trades.append((tick, hit))
            lots -= hit
            if lots <= 0:
                break
        return trades

    def _through_queue(self, tick: int, lots: int, at: datetime) -> int:
        """A buy of `lots` reaches one price of ours: first those ahead, then us, in order of arrival."""
        left = lots
        queue = [order for order in self._asks if order.tick == tick]
        for n, order in enumerate(queue):
            eaten = min(left, order.ahead)
            for later in queue[n:]:
                later.ahead = max(0, later.ahead - eaten)
            left -= eaten
            left -= self._fill(order, min(left, order.lots), at)
        return lots - left

    def _trade_through(self, at: datetime, threshold_bps: float) -> None:
        """Fill the asks that the mid has left behind, at most by the bids that would stand beyond them."""
        beyond = self._market.price / (1 + (threshold_bps - self.params.half_spread) / 1e4) / self._tick
        used = 0
        for order in [order for order in self._asks if order.tick <= beyond]:
            reach = max(0, (self._bid - order.tick) // self._gap) * self._caps[0] + max(1, self._caps[0] // 2)
            filled = self._fill(order, max(0, min(order.lots, reach - used)), at)
            used += filled
            if filled:
                self._trades.append((at, order.tick, filled, True))

    def _fill(self, order: _Resting, lots: int, at: datetime) -> int:
        if lots > 0:
            px, qty = self._level(order.tick, lots)
            self._fills.append(PassiveFill(order.order_id, px, qty, at))
            order.lots -= lots
            if order.lots == 0:
                self._asks.remove(order)
            self._own(-lots)
        return lots

    def _own(self, lots: int) -> None:
        if lots:
            self._market.add_impact(lots * self._step)

    def _queue(self, tick: int, px: Decimal) -> int:
        """Lots of others in front of a new ask. Between two levels, the nearer one below counts: an order
        placed a tick behind a level does not jump the quantity that the level stands for."""
        if self._pinned is not None:
            return sum(int(size / self.grid.step) for at, size in self._pinned[1] if at == px)
        if tick < self._ask:
            return 0
        level = (tick - self._ask) // self._gap
        return next((lots for _, lots, j in self._ladder("ask") if j >= level), 0)

    def _level(self, tick: int, lots: int) -> Level:
        return tick * self.grid.tick, lots * self.grid.step

    @staticmethod
    def _whole(amount: Decimal, unit: Decimal, what: str) -> int:
        count = amount / unit
        if amount <= 0 or count != int(count):
            raise ValueError(f"{what} {amount} is not a positive multiple of {unit}")
        return int(count)


def _walk(lots: int, ladder: Iterator[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Ticks and lots that an aggressive order of others trades on a ladder."""
    trades: dict[int, int] = {}
    for tick, shown, _ in ladder:
        hit = min(lots, shown)
        trades[tick] = trades.get(tick, 0) + hit
        lots -= hit
        if lots <= 0:
            break
    return list(trades.items())
