"""A venue of the planning mode: an account in memory, without wire, latency or rate limit, and without faults.

It is given the traits of the real adapter and keeps its books exactly as the mocked exchanges do: a fee is
``rate * px * qty`` rounded up to eight decimals and taken out of the proceeds, with the venue's least fee per order. A
quote's money is rounded down to the cent. What has ended long ago is forgotten, so that a plan of any length fits.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal

import msgspec

from adapters.clock import Clock
from adapters.mock.dealers import DealerQuote, Dealers
from adapters.mock.planning_market import PlanningBook, PlanningMarket, passive_delay
from adapters.venue import (
    Balance,
    Book,
    Fill,
    Instrument,
    NewOrder,
    OrderRef,
    OrderReport,
    OrderStatus,
    Permissions,
    Quote,
    QuoteTrade,
    Rejected,
    RejectReason,
    TimeInForce,
    VenueTraits,
)

# Members of an enumeration are looked up by a call each time.
_NEW, _PARTLY, _FILLED = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
_GTC, _FOK = TimeInForce.GTC, TimeInForce.FOK
_ZERO = Decimal(0)
_FEE_GRID, _CENT = Decimal("0.00000001"), Decimal("0.01")
_REMEMBERED = timedelta(hours=2)  # how long an ended order can be asked about
_LEDGER = timedelta(hours=25)  # how far back the ledger of quote trades goes


class _Held(msgspec.Struct):
    """An order as the venue has it."""

    order: NewOrder
    venue_order_id: str
    status: OrderStatus
    fills_at: datetime | None  # of a resting order: when somebody takes it
    changed_at: datetime
    cum: Decimal = _ZERO
    notional: Decimal = _ZERO
    fills: list[Fill] = []


@dataclass(slots=True)
class Sold:
    """What a run has brought, beside what the same quantities were worth had it never traded."""

    qty: Decimal = _ZERO
    notional: Decimal = _ZERO
    counterfactual: Decimal = _ZERO
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, qty: Decimal, notional: Decimal, mid: Decimal, at: datetime) -> None:
        """Count one execution."""
        self.qty += qty
        self.notional += notional
        self.counterfactual += qty * mid
        self.first_at, self.last_at = self.first_at or at, at


class PlanningVenue:
    """One account. Implements ``Venue`` and ``RfqVenue``. ``purses`` maps purse to what was credited of the base."""

    def __init__(
        self,
        name: str,
        traits: VenueTraits,
        instrument: Instrument,
        clock: Clock,
        *,
        market: PlanningMarket,
        book: PlanningBook,
        dealers: Dealers,
        purses: dict[str, Decimal],
        min_order_fee: Decimal,
        sold: Sold,
    ) -> None:
        self.name = name
        self.traits = traits
        self._instrument = instrument
        self._clock = clock
        self._market = market
        self._book = book
        self._dealers = dealers
        self._free = dict(purses)
        self._locked = dict.fromkeys(purses, _ZERO)
        self._min_order_fee = min_order_fee
        self._sold = sold
        self._cash = _ZERO
        self._orders: dict[str, _Held] = {}  # by client id
        self._by_age: deque[_Held] = deque()  # the same, oldest first
        self._ids = 0
        self._offers: dict[str, DealerQuote] = {}
        self._ledger: deque[QuoteTrade] = deque()

    @property
    def simulated(self) -> bool:
        """It is nowhere but in this memory."""
        return True

    # --- account and market -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Nothing to connect."""

    async def aclose(self) -> None:
        """Nothing to release."""

    async def clock_offset(self) -> timedelta:
        return timedelta(0)

    async def permissions(self) -> Permissions:
        return Permissions(trade=True, withdraw=False, note="planning: no venue is asked")

    async def instruments(self) -> dict[str, Instrument]:
        return {self._instrument.symbol: self._instrument}

    def symbol(self, base: str, quote: str) -> str:
        return f"{base}{quote}"

    async def balances(self) -> list[Balance]:
        self._settle_all()
        base, quote = self._instrument.base, self._instrument.quote
        coins = [Balance(purse, base, free, self._locked[purse]) for purse, free in self._free.items()]
        return [*coins, Balance(self.traits.order_account, quote, self._cash, _ZERO)]

    async def book(self, symbol: str) -> Book:
        self._know(symbol)
        now = self._now()
        return Book(symbol, *self._book.sides(), now)

    @property
    def cash(self) -> Decimal:
        """The proceeds so far, fees taken out."""
        return self._cash

    # --- orders -----------------------------------------------------------------------------------------------

    async def place(self, order: NewOrder) -> OrderReport:
        self._know(order.symbol)
        purse, now = self.traits.order_account, self._now()
        if order.client_order_id in self._orders:
            raise Rejected(self.name, "the client order id is known", reason=RejectReason.INVALID)
        if self._free.get(purse, _ZERO) < order.qty:
            raise Rejected(self.name, "not enough of the asset", reason=RejectReason.BALANCE)
        self._free[purse] -= order.qty
        self._locked[purse] += order.qty
        held = _Held(order, self._new_id(), _NEW, None, now)
        self._orders[order.client_order_id] = held
        self._by_age.append(held)
        self._forget(now)
        if not order.post_only:
            whole = order.time_in_force is _FOK
            for level in self._book.take(order.qty, order.limit_px, whole=whole):
                self._fill(held, level.px, level.qty, now, self._instrument.taker_fee)
        if held.status is not _FILLED:
            if order.time_in_force is _GTC:
                wait = passive_delay(_chance(self._market.seed, order.client_order_id))
                held.fills_at = None if wait is None else now + wait
            else:
                self._end(held, OrderStatus.EXPIRED)
        return _report(held)

    async def cancel(self, ref: OrderRef) -> None:
        held = self._find(ref)
        if held is None:
            raise Rejected(self.name, "no such order", reason=RejectReason.NOT_FOUND)
        if held.status.terminal:
            raise Rejected(self.name, "the order has ended", reason=RejectReason.FINISHED)
        self._end(held, OrderStatus.CANCELED)

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        for ref in refs:
            held = self._find(ref)
            if held is not None and not held.status.terminal:
                self._end(held, OrderStatus.CANCELED)

    async def query(self, ref: OrderRef) -> OrderReport | None:
        held = self._find(ref)
        return None if held is None else _report(held)

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        self._know(symbol)
        self._settle_all()
        return [_report(held) for held in self._orders.values() if not held.status.terminal]

    async def fills(self, ref: OrderRef) -> list[Fill]:
        held = self._find(ref)
        return [] if held is None else list(held.fills)

    # --- request for quote ------------------------------------------------------------------------------------

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        now = self._now()
        best = self._dealers.quote(qty, now)[0]
        quote_id = f"{self.name}-q{best.quote_id}"
        self._offers = {key: each for key, each in self._offers.items() if each.expires_at > now} | {quote_id: best}
        executable = self.traits.rfq is not None and self.traits.rfq.executable
        money = (best.px * qty).quantize(_CENT, rounding=ROUND_DOWN)
        return Quote(self.name, quote_id, base, quote, qty, best.px, money, now, best.expires_at, executable)

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        asked, purse = self._offers.pop(quote.quote_id, None), self.traits.rfq.account if self.traits.rfq else ""
        if asked is None:
            raise Rejected(self.name, "no such quote", reason=RejectReason.EXPIRED)
        if self._free.get(purse, _ZERO) < quote.qty:
            raise Rejected(self.name, "not enough of the asset", reason=RejectReason.BALANCE)
        self._free[purse] -= quote.qty  # held from here: no other acceptance can promise the same coins
        self._locked[purse] += quote.qty
        stands = self._dealers.accept(asked, self._now())
        await self._clock.sleep_until(self._clock.now() + asked.hold)
        now = self._now()
        self._locked[purse] -= quote.qty
        if not stands:
            self._free[purse] += quote.qty
            raise Rejected(self.name, "the dealer does not stand by the quote", reason=RejectReason.NO_PRICE)
        self._cash += quote.notional
        trade_id = self._new_id()
        self._sold.add(quote.qty, quote.notional, self._market.counterfactual_mid(), now)
        self._ledger.append(
            QuoteTrade(trade_id, quote.base, quote.quote, quote.qty, quote.notional, _ZERO, now, quote.quote_id)
        )
        while now - self._ledger[0].at > _LEDGER:
            self._ledger.popleft()
        symbol, money = self._instrument.symbol, quote.notional
        return Fill(trade_id, client_order_id, trade_id, symbol, quote.qty, quote.px, money, _ZERO, quote.quote, now)

    async def quote_trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        return [trade for trade in self._ledger if trade.at >= since and (trade.base, trade.quote) == (base, quote)]

    # --- inside -----------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        now = self._clock.now()
        if now is not self._market.now:
            self._market.advance(now)
        return now

    def _know(self, symbol: str) -> None:
        if symbol != self._instrument.symbol:
            raise Rejected(self.name, f"{symbol} is not listed", reason=RejectReason.NOT_FOUND)

    def _find(self, ref: OrderRef) -> _Held | None:
        held = self._orders.get(ref.client_order_id)
        if held is not None:
            self._settle(held, self._now())
        return held

    def _settle_all(self) -> None:
        now = self._now()
        for held in self._orders.values():
            self._settle(held, now)

    def _settle(self, held: _Held, now: datetime) -> None:
        """Book what has been taken of a resting order until now, at its own price."""
        if held.fills_at is not None and held.fills_at <= now:
            order, rate = held.order, self._instrument.maker_fee
            self._fill(held, order.limit_px, order.qty - held.cum, held.fills_at, rate)
            self._market.add_impact(-float(held.fills[-1].qty))

    def _fill(self, held: _Held, px: Decimal, qty: Decimal, at: datetime, rate: Decimal) -> None:
        order, notional = held.order, px * qty
        fee = (rate * notional).quantize(_FEE_GRID, rounding=ROUND_UP)
        held.cum += qty
        held.notional += notional
        filled = held.cum == order.qty
        if filled and rate and self._min_order_fee:
            fee = max(fee, self._min_order_fee - sum((fill.fee for fill in held.fills), _ZERO))
        held.fills.append(
            Fill(
                self._new_id(),
                order.client_order_id,
                held.venue_order_id,
                order.symbol,
                qty,
                px,
                notional,
                fee,
                self._instrument.quote,
                at,
            )
        )
        self._locked[self.traits.order_account] -= qty
        self._cash += notional - fee
        self._sold.add(qty, notional, self._market.counterfactual_mid(), at)
        if filled:
            held.status, held.fills_at, held.changed_at = _FILLED, None, at
        else:
            held.status = _PARTLY

    def _end(self, held: _Held, status: OrderStatus) -> None:
        left, purse = held.order.qty - held.cum, self.traits.order_account
        self._locked[purse] -= left
        self._free[purse] += left
        held.status, held.fills_at, held.changed_at = status, None, self._clock.now()

    def _forget(self, now: datetime) -> None:
        """Drop the oldest orders that ended long ago; one that still rests stops the clearing until it has ended."""
        while (oldest := self._by_age[0]).status.terminal and now - oldest.changed_at >= _REMEMBERED:
            del self._orders[self._by_age.popleft().order.client_order_id]

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self.name}-{self._ids}"


def _report(held: _Held) -> OrderReport:
    order = held.order
    average = held.notional / held.cum if held.cum else None
    return OrderReport(
        order.client_order_id,
        held.venue_order_id,
        order.symbol,
        held.status,
        held.status._value_,
        order.qty,
        held.cum,
        average,
    )


def _chance(seed: int, client_order_id: str) -> float:
    """Uniform in [0, 1), the same for the same order of the same seed."""
    digest = hashlib.blake2b(f"{seed}/{client_order_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
