"""A venue in memory that answers as a test tells it to. Its own books (``orders``, ``sold``, ``cash``) are the truth
that the record is compared with. Each step of ``script`` shapes one order; without a step an order fills in full."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from adapters.clock import Clock
from adapters.venue import (
    Balance,
    Book,
    DuplicateIds,
    Fill,
    Instrument,
    Level,
    NewOrder,
    OrderRef,
    OrderReport,
    OrderStatus,
    Permissions,
    Quote,
    QuoteTrade,
    Rejected,
    RejectReason,
    RfqTraits,
    TimeInForce,
    Unknown,
    VenueError,
    VenueTraits,
)

D = Decimal
NONE, ZERO, ONE = timedelta(0), D(0), D(1)
FEE = D("0.001")


@dataclass
class Step:
    """What happens to one order or acceptance. ``error`` is answered; without ``effect`` the venue never has it.

    ``fill`` is the part that is filled at once; ``late`` the delay until the venue has the order at all; ``missing``
    and ``fills_late`` how long readings of a known order and of its fills lag; ``lost`` means that it takes effect and
    no reading ever shows it; ``over`` is sold on top of its quantity; ``on_cancel`` is what a cancel fills first."""

    error: VenueError | None = None
    effect: bool = True
    fill: Decimal = ONE
    late: timedelta = NONE
    missing: timedelta = NONE
    fills_late: timedelta = NONE
    lost: bool = False
    over: Decimal = ZERO
    on_cancel: Decimal = ZERO
    cancel_error: VenueError | None = None
    cancel_always_fails: bool = False


@dataclass
class Held:
    """One order on the venue's own books."""

    order: NewOrder
    step: Step
    venue_order_id: str
    since: datetime
    open: bool = True
    cum: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)


class ScriptedVenue:
    """Implements ``adapters.venue.RfqVenue``. Bids at 100000 (2) and 99990 (50), asks at 100010."""

    def __init__(
        self,
        clock: Clock,
        name: str = "alpha",
        *,
        free: str = "1",
        duplicates: DuplicateIds = DuplicateIds.REFUSED,
        script: Sequence[Step] = (),
    ) -> None:
        self.name = name
        self.clock = clock
        self.simulated = True
        self.may_withdraw: bool | None = False
        self.traits = VenueTraits(
            duplicate_ids=duplicates,
            quiet_period=timedelta(seconds=30),
            looks=3,
            fills_window=None,
            orders_window=None,
            request_window=timedelta(seconds=5),
            client_id_max_len=20,
            orders_per_second=D(10),
            queries_per_second=D(10),
            order_account="main",
            settlement="",
            max_clock_lead=timedelta(seconds=1),
            max_clock_lag=timedelta(seconds=1),
            rfq=RfqTraits(executable=True, same_id_is_safe=True, min_life_left=timedelta(seconds=2), account="main"),
        )
        self.takes_doubles = duplicates is DuplicateIds.NOT_DOCUMENTED
        self.script = deque(script)
        self.base = D(free)
        self.cash = D(0)
        self.bids = [(D(100_000), D(2)), (D(99_990), D(50))]
        self.wire: list[NewOrder] = []
        self.accepted: list[str] = []
        self.orders: list[Held] = []
        self.coming: list[tuple[datetime, NewOrder, Step]] = []
        self.repeat_fills = 1
        self.quote_px = D(100_000)
        self.quote_life = timedelta(seconds=10)
        self.quote_qty: Decimal | None = None
        self.counterparty = ""
        self.quote_takes = NONE
        self.quote_errors: deque[VenueError] = deque()
        self.ledger_errors: deque[VenueError] = deque()
        self.ledger_has_ids = True
        self.trades: dict[str, Fill] = {}
        self.quotes = 0
        self.reads = 0
        self.no_bids = False
        self.fall_to: Decimal | None = None  # the best bid after the first looks
        self.on_place: Callable[[NewOrder], None] = lambda order: None

    # --- the truth --------------------------------------------------------------------------------------------

    @property
    def fills_made(self) -> list[Fill]:
        """Every execution on the venue's own books."""
        self._arrive()
        return [fill for held in self.orders for fill in held.fills] + list(self.trades.values())

    @property
    def sold(self) -> Decimal:
        """What this venue really sold for us."""
        return sum((fill.qty for fill in self.fills_made), D(0))

    def _arrive(self) -> None:
        due = [each for each in self.coming if each[0] <= self.clock.now()]
        self.coming = [each for each in self.coming if each[0] > self.clock.now()]
        for _, order, step in due:
            if self.takes_doubles or not self._known(order.client_order_id):
                self._take(order, step)

    def _take(self, order: NewOrder, step: Step) -> Held:
        held = Held(order, step, f"v{len(self.orders) + 1}", self.clock.now())
        self.orders.append(held)
        self._fill(held, (order.qty * step.fill).quantize(D("0.00001"), ROUND_DOWN) + step.over)
        held.open = order.time_in_force is TimeInForce.GTC and held.cum < order.qty
        return held

    def _fill(self, held: Held, qty: Decimal) -> None:
        if qty == 0:
            return
        px = max(held.order.limit_px, D(0))
        trade = f"{self.name}-{held.venue_order_id}-{len(held.fills) + 1}"
        held.fills.append(self._executed(trade, held.order.client_order_id, held.venue_order_id, qty, px))
        held.cum += qty

    def _executed(self, trade: str, client_id: str, order_id: str, qty: Decimal, px: Decimal) -> Fill:
        notional = qty * px
        self.base -= qty
        self.cash += notional * (1 - FEE)
        return Fill(trade, client_id, order_id, "BTCUSD", qty, px, notional, notional * FEE, "USD", self.clock.now())

    # --- readings ---------------------------------------------------------------------------------------------

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def clock_offset(self) -> timedelta:
        return NONE

    async def permissions(self) -> Permissions:
        return Permissions(trade=True, withdraw=self.may_withdraw)

    async def instruments(self) -> dict[str, Instrument]:
        pair = Instrument(
            symbol="BTCUSD",
            base="BTC",
            quote="USD",
            tick_size=D("0.01"),
            step_size=D("0.00001"),
            min_qty=D("0.0001"),
            max_qty=D(50),
            min_notional=D(10),
            max_notional=D(9_000_000),
            taker_fee=FEE,
            maker_fee=FEE,
            trading=True,
        )
        return {"BTCUSD": pair}

    def symbol(self, base: str, quote: str) -> str:
        return base + quote

    async def book(self, symbol: str) -> Book:
        self.reads += 1  # the last level breathes: a book that never changes would be stale
        bids = [*self.bids, (D(80_000), D(self.reads))]
        if self.fall_to is not None and self.reads > 1:
            bids = [(self.fall_to, D(self.reads))]
        levels = () if self.no_bids else tuple(Level(*each) for each in bids)
        return Book(symbol, levels, (Level(D(100_010), D(self.reads)),), self.clock.now())

    def _found(self, ref: OrderRef) -> Held | None:
        self._arrive()
        known = [held for held in self.orders if held.order.client_order_id == ref.client_order_id]
        return known[0] if known and not known[0].step.lost else None

    async def query(self, ref: OrderRef) -> OrderReport | None:
        held = self._found(ref)
        if held is None or self.clock.now() < held.since + held.step.missing:
            return None
        return self._report(held)

    def _report(self, held: Held) -> OrderReport:
        if held.cum >= held.order.qty:
            status = OrderStatus.FILLED
        elif held.open:
            status = OrderStatus.PARTIALLY_FILLED if held.cum else OrderStatus.NEW
        else:
            status = OrderStatus.CANCELED if held.order.time_in_force is TimeInForce.GTC else OrderStatus.EXPIRED
        order = held.order
        return OrderReport(
            order.client_order_id, held.venue_order_id, order.symbol, status, status.value, order.qty, held.cum
        )

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        self._arrive()
        return [self._report(held) for held in self.orders if held.open and not held.step.lost]

    async def fills(self, ref: OrderRef) -> list[Fill]:
        held = self._found(ref)
        if held is None or self.clock.now() < held.since + max(held.step.fills_late, held.step.missing):
            return []
        return held.fills * self.repeat_fills

    async def balances(self) -> list[Balance]:
        self._arrive()
        locked = sum((held.order.qty - held.cum for held in self.orders if held.open), D(0))
        return [Balance("main", "BTC", self.base - locked, locked), Balance("main", "USD", self.cash, D(0))]

    # --- orders -----------------------------------------------------------------------------------------------

    async def place(self, order: NewOrder) -> OrderReport:
        self.on_place(order)
        self.wire.append(order)
        self._arrive()
        if not self.takes_doubles and self._known(order.client_order_id):
            raise Unknown(self.name, "duplicate id", exists=True)
        step = self.script.popleft() if self.script else Step()
        held = None
        if step.effect and step.late:
            self.coming.append((self.clock.now() + step.late, order, step))
        elif step.effect:
            held = self._take(order, step)
        if step.error is not None:
            raise step.error
        assert held is not None  # an order that comes late is scripted with an error
        return self._report(held)

    def _known(self, client_id: str) -> bool:
        return any(held.order.client_order_id == client_id for held in self.orders)

    async def cancel(self, ref: OrderRef) -> None:
        held = self._found(ref)
        if held is None:
            raise Rejected(self.name, "no such order", reason=RejectReason.NOT_FOUND)
        if held.open:
            self._fill(held, min(held.order.qty - held.cum, held.order.qty * held.step.on_cancel))
            if held.step.cancel_error is not None:
                error = held.step.cancel_error
                if not held.step.cancel_always_fails:
                    held.step.cancel_error = None
                held.open = held.cum < held.order.qty
                raise error
        if not held.open:
            raise Rejected(self.name, "finished", reason=RejectReason.FINISHED)
        held.open = False

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        for ref in refs:
            await self.cancel(ref)

    # --- quotes -----------------------------------------------------------------------------------------------

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        if self.quote_errors:
            raise self.quote_errors.popleft()
        self.quotes += 1
        number = self.quotes
        if self.quote_takes:
            await self.clock.sleep_until(self.clock.now() + self.quote_takes)
        now, size = self.clock.now(), self.quote_qty or qty
        return Quote(
            self.name,
            f"{self.name}-q{number}",
            base,
            quote,
            size,
            self.quote_px,
            size * self.quote_px,
            now,
            now + self.quote_life,
            counterparty=self.counterparty,
        )

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        self.accepted.append(quote.quote_id)
        step = self.script.popleft() if self.script else Step()
        if step.effect and quote.quote_id not in self.trades:
            fill = self._executed(f"t-{quote.quote_id}", client_order_id, quote.quote_id, quote.qty, quote.px)
            self.trades[quote.quote_id] = fill
        if step.error is not None:
            raise step.error
        return self.trades[quote.quote_id]

    async def quote_trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        if self.ledger_errors:
            raise self.ledger_errors.popleft()
        return [
            QuoteTrade(f.trade_id, base, quote, f.qty, f.notional, f.fee, f.at, quote_id if self.ledger_has_ids else "")
            for quote_id, f in self.trades.items()
            if f.at >= since
        ]
