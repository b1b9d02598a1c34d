"""A venue that costs next to nothing: one book for ever, and every order is filled at once at its own limit."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from adapters.clock import Clock
from adapters.venue import (
    Balance,
    Book,
    Fill,
    Instrument,
    Level,
    NewOrder,
    OrderRef,
    OrderReport,
    OrderStatus,
    Permissions,
    VenueTraits,
)

_NONE = Decimal(0)
_FEE = Decimal("0.0005")
_BIDS = tuple(Level(Decimal(100_000) - step, Decimal("0.8")) for step in range(1, 6))
_ASKS = tuple(Level(Decimal(100_000) + step, Decimal("0.8")) for step in range(1, 6))


class StubVenue:
    """One account with ``qty`` bitcoin. Implements ``Venue``."""

    simulated = True

    def __init__(self, name: str, traits: VenueTraits, clock: Clock, qty: Decimal) -> None:
        self.name = name
        self.traits = traits
        self._clock = clock
        self._free = qty
        self._cash = _NONE
        self._filled: dict[str, tuple[OrderReport, Fill]] = {}

    async def start(self) -> None:
        """Nothing to connect."""

    async def aclose(self) -> None:
        """Nothing to release."""

    async def clock_offset(self) -> timedelta:
        return timedelta(0)

    async def permissions(self) -> Permissions:
        return Permissions(trade=True, withdraw=False)

    async def instruments(self) -> dict[str, Instrument]:
        cent, most = Decimal("0.01"), Decimal(1_000_000_000)
        step = Decimal("0.00001")
        found = Instrument("BTCUSD", "BTC", "USD", cent, step, step, most, cent, most, _FEE, _FEE, True)
        return {found.symbol: found}

    def symbol(self, base: str, quote: str) -> str:
        return base + quote

    async def balances(self) -> list[Balance]:
        account = self.traits.order_account
        return [Balance(account, "BTC", self._free, _NONE), Balance(account, "USD", self._cash, _NONE)]

    async def book(self, symbol: str) -> Book:
        return Book(symbol, _BIDS, _ASKS, self._clock.now())

    async def place(self, order: NewOrder) -> OrderReport:
        own, id_, money = order.client_order_id, f"{self.name}-{len(self._filled)}", order.qty * order.limit_px
        fee = money * _FEE
        self._free -= order.qty
        self._cash += money - fee
        at = self._clock.now()
        fill = Fill(f"t-{id_}", own, id_, order.symbol, order.qty, order.limit_px, money, fee, "USD", at)
        report = OrderReport(own, id_, order.symbol, OrderStatus.FILLED, "filled", order.qty, order.qty, order.limit_px)
        self._filled[own] = report, fill
        return report

    async def cancel(self, ref: OrderRef) -> None:
        """Nothing ever rests."""

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        """Nothing ever rests."""

    async def query(self, ref: OrderRef) -> OrderReport | None:
        found = self._filled.get(ref.client_order_id)
        return None if found is None else found[0]

    async def open_orders(self, symbol: str) -> list[OrderReport]:  # noqa: ARG002 - nothing ever rests
        return []

    async def fills(self, ref: OrderRef) -> list[Fill]:
        found = self._filled.get(ref.client_order_id)
        return [] if found is None else [found[1]]
