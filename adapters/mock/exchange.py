"""The exchange core that every mocked venue shares: orders, trades, wallets, and the money between them.

A wire face (``osl_face``, ``hashkey_face``) speaks one venue's protocol; this module holds what happens behind it. It
trades over a simulated market's book for this venue and keeps exact books of its own, against which tests compare what
an adapter has understood: ``cash = sum(px * qty) - fees`` to the last digit.

Assumption, stated because no venue documents its rounding: the fee of a trade is ``rate * px * qty`` rounded up to
eight decimals, charged in the quote asset and taken out of the proceeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_UP, Decimal
from enum import StrEnum
from typing import Protocol

from adapters.clock import Clock

_FEE_GRID = Decimal("0.00000001")
_WHOLE_BOOK = 100_000  # levels: more than any simulated book has
_FIRST_ID = 2_026_000_000_000_000_000  # as long as the ids of real venues, so that no parser can treat them as floats


class Refusal(StrEnum):
    """Why the exchange core said no; each face has its own code for it."""

    BALANCE = "balance"
    DUPLICATE = "duplicate"
    WOULD_TAKE = "would_take"
    NOT_FOUND = "not_found"
    FINISHED = "finished"
    HALTED = "halted"


class Refused(Exception):
    """A refusal by the exchange core: nothing was changed."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.value)
        self.why = why


class MockStatus(StrEnum):
    """The core's own words; each face translates them into its venue's."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"  # by the client
    EXPIRED = "EXPIRED"  # the remainder of an IOC or FOK
    WITHDRAWN = "WITHDRAWN"  # taken off the book by the venue
    REJECTED = "REJECTED"

    @property
    def live(self) -> bool:
        return self in (MockStatus.NEW, MockStatus.PARTIALLY_FILLED)


@dataclass(slots=True)
class Wallet:
    free: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MockTrade:
    """``notional`` is ``px * qty``; ``fee`` the whole fee in ``fee_asset``, of which ``fee_supplement`` tops up a
    minimum fee per order."""

    trade_id: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime
    is_maker: bool
    fee_supplement: Decimal = Decimal(0)


@dataclass(slots=True)
class MockOrder:
    """A limit order to sell as the exchange sees it."""

    order_id: str
    client_id: str
    symbol: str
    qty: Decimal
    limit_px: Decimal
    tif: str
    post_only: bool
    created_at: datetime
    updated_at: datetime
    status: MockStatus = MockStatus.NEW
    cum_qty: Decimal = Decimal(0)
    cum_quote: Decimal = Decimal(0)
    trades: list[MockTrade] = field(default_factory=list)

    @property
    def leaves_qty(self) -> Decimal:
        return self.qty - self.cum_qty


class PassiveFillLike(Protocol):
    """A trade of the simulated market against one of our resting orders."""

    @property
    def order_id(self) -> str: ...
    @property
    def px(self) -> Decimal: ...
    @property
    def qty(self) -> Decimal: ...
    @property
    def at(self) -> datetime: ...


class BookLike(Protocol):
    """One venue's book of the simulated market."""

    def levels(self, depth: int, /) -> tuple[Sequence[tuple[Decimal, Decimal]], Sequence[tuple[Decimal, Decimal]]]: ...
    def take_bids(self, qty: Decimal, limit_px: Decimal, /) -> Sequence[tuple[Decimal, Decimal]]: ...
    def rest_ask(self, order_id: str, px: Decimal, qty: Decimal, /) -> None: ...
    def withdraw(self, order_id: str, /) -> Decimal: ...
    def pop_fills(self) -> Sequence[PassiveFillLike]: ...


class MarketLike(Protocol):
    """The simulated market behind all books."""

    def advance(self, now: datetime, /) -> None: ...


class MockExchange:
    """One pair of one mocked venue.

    ``clock`` is the venue's own. ``refuse_duplicates`` is a flag because not every venue documents that it refuses a
    second order with a known client id; a core that takes them is how tests prove that the executor never sends one.
    ``wallets`` lets several pairs share one account; else a new account with ``balances`` is made. ``trading`` may be
    switched off by a test. ``min_order_fee`` (quote units) is charged on the trade that completes an order, orders
    without a fee exempt.
    """

    def __init__(
        self,
        market: MarketLike,
        book: BookLike,
        clock: Clock,
        *,
        symbol: str,
        base: str,
        quote: str,
        taker_fee: Decimal,
        maker_fee: Decimal,
        balances: dict[str, Decimal] | None = None,
        wallets: dict[str, Wallet] | None = None,
        refuse_duplicates: bool = True,
        min_order_fee: Decimal = Decimal(0),
        first_id: int = _FIRST_ID,
    ) -> None:
        self.market = market
        self.book = book
        self.clock = clock
        self.symbol = symbol
        self.base = base
        self.quote = quote
        self.taker_fee = taker_fee
        self.maker_fee = maker_fee
        self.min_order_fee = min_order_fee
        self.refuse_duplicates = refuse_duplicates
        self.trading = True
        self.fee_asset = quote
        """The asset in which fees are taken; a fault may change it for a while."""
        self.wallets: dict[str, Wallet] = {} if wallets is None else wallets
        for asset, amount in (balances or {}).items():
            self.wallet(asset).free += amount
        self.wallet(base)
        self.wallet(quote)
        self.orders: dict[str, MockOrder] = {}
        self._by_client: dict[str, str] = {}
        self._live: dict[str, MockOrder] = {}
        self._next_id = first_id

    # --- requests ---------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring the market to now and book every passive fill; called at the head of every request."""
        self.market.advance(self.clock.now())
        for passive in self.book.pop_fills():
            order = self.orders[passive.order_id]
            self._book(order, passive.px, passive.qty, passive.at, is_maker=True)
            if not order.status.live:
                self._live.pop(order.order_id, None)

    def place(self, client_id: str, qty: Decimal, limit_px: Decimal, tif: str, post_only: bool) -> MockOrder:
        """Take a limit order to sell, or raise :class:`Refused`. ``tif`` is GTC, IOC or FOK."""
        self.settle()
        self._check_place(client_id, qty, limit_px, post_only)
        now = self.clock.now()
        order = MockOrder(self._new_id(), client_id, self.symbol, qty, limit_px, tif, post_only, now, now)
        self.orders[order.order_id] = order
        if client_id:
            self._by_client[client_id] = order.order_id
        wallet = self.wallet(self.base)
        wallet.free -= qty
        wallet.locked += qty
        if not post_only and (tif != "FOK" or self._on_offer(limit_px) >= qty):
            for px, taken in self.book.take_bids(qty, limit_px):
                self._book(order, px, taken, now, is_maker=False)
        if order.leaves_qty:
            self._leave(order)
        return order

    def cancel(self, order_id: str) -> MockOrder:
        """Take a live order off the book at its owner's wish."""
        self.settle()
        return self._take_off(order_id, MockStatus.CANCELED)

    def expel(self, order_id: str, status: MockStatus = MockStatus.WITHDRAWN) -> MockOrder:
        """Take a live order off the book as the venue would of its own accord (for tests and faults)."""
        self.settle()
        return self._take_off(order_id, status)

    def hit(self, order_id: str, qty: Decimal) -> MockOrder:
        """Let somebody take ``qty`` of a resting order, at its own price, now (for tests and faults). All of it goes
        where the bids have come up to its price: the rest could not go on resting."""
        order = self.orders[order_id]
        left = self.book.withdraw(order_id)
        assert left == order.leaves_qty, f"the book holds {left} of an order that has {order.leaves_qty} left"
        bids, _ = self.book.levels(1)
        taken = left if bids and bids[0][0] >= order.limit_px else qty
        self._book(order, order.limit_px, taken, self.clock.now(), is_maker=True)
        if order.leaves_qty:
            self.book.rest_ask(order_id, order.limit_px, order.leaves_qty)
        else:
            del self._live[order_id]
        return order

    def find(self, order_id: str | None = None, client_id: str | None = None) -> MockOrder | None:
        """The order by either id; of several with one client id the latest."""
        if order_id is None:
            order_id = self._by_client.get(client_id or "", "")
        return self.orders.get(order_id)

    def open_orders(self) -> list[MockOrder]:
        """Live orders, oldest first."""
        return list(self._live.values())

    def book_trade(self, base_qty: Decimal, quote_amount: Decimal) -> None:
        """Settle a quote in one step: ``base_qty`` out, ``quote_amount`` in, or ``Refused(BALANCE)``."""
        if self.wallet(self.base).free < base_qty:
            raise Refused(Refusal.BALANCE)
        self.wallet(self.base).free -= base_qty
        self.wallet(self.quote).free += quote_amount

    def wallet(self, asset: str) -> Wallet:
        return self.wallets.setdefault(asset, Wallet())

    # --- inside -----------------------------------------------------------------------------------------------

    def _check_place(self, client_id: str, qty: Decimal, limit_px: Decimal, post_only: bool) -> None:
        if not self.trading:
            raise Refused(Refusal.HALTED)
        if self.refuse_duplicates and client_id in self._by_client:
            raise Refused(Refusal.DUPLICATE)
        if post_only:
            bids, _ = self.book.levels(1)
            if bids and bids[0][0] >= limit_px:
                raise Refused(Refusal.WOULD_TAKE)
        if self.wallet(self.base).free < qty:
            raise Refused(Refusal.BALANCE)

    def _on_offer(self, limit_px: Decimal) -> Decimal:
        bids, _ = self.book.levels(_WHOLE_BOOK)
        return sum((qty for px, qty in bids if px >= limit_px), Decimal(0))

    def _leave(self, order: MockOrder) -> None:
        """What happens to the part that did not trade at once."""
        if order.tif == "GTC":
            self._live[order.order_id] = order
            self.book.rest_ask(order.order_id, order.limit_px, order.leaves_qty)
        else:
            self._release(order, MockStatus.EXPIRED)

    def _take_off(self, order_id: str, status: MockStatus) -> MockOrder:
        order = self.orders.get(order_id)
        if order is None:
            raise Refused(Refusal.NOT_FOUND)
        if not order.status.live:
            raise Refused(Refusal.FINISHED)
        left = self.book.withdraw(order_id)
        assert left == order.leaves_qty, f"the book holds {left} of an order that has {order.leaves_qty} left"
        del self._live[order_id]
        self._release(order, status)
        return order

    def _release(self, order: MockOrder, status: MockStatus) -> None:
        wallet = self.wallet(self.base)
        wallet.locked -= order.leaves_qty
        wallet.free += order.leaves_qty
        order.status = status
        order.updated_at = self.clock.now()

    def _book(self, order: MockOrder, px: Decimal, qty: Decimal, at: datetime, *, is_maker: bool) -> None:
        """Book one trade on the order and on the wallets."""
        assert Decimal(0) < qty <= order.leaves_qty, f"{qty} traded of {order.leaves_qty} left"
        notional = px * qty
        rate = self.maker_fee if is_maker else self.taker_fee
        fee = (rate * notional).quantize(_FEE_GRID, rounding=ROUND_UP)
        supplement = self._supplement(order, fee) if qty == order.leaves_qty else Decimal(0)
        trade = MockTrade(
            self._new_id(), qty, px, notional, fee + supplement, self.fee_asset, at, is_maker, fee_supplement=supplement
        )
        order.trades.append(trade)
        order.cum_qty += qty
        order.cum_quote += notional
        order.status = MockStatus.PARTIALLY_FILLED if order.leaves_qty else MockStatus.FILLED
        order.updated_at = at
        self.wallet(self.base).locked -= qty
        self.wallet(self.quote).free += notional
        self.wallet(self.fee_asset).free -= trade.fee

    def _supplement(self, order: MockOrder, last_fee: Decimal) -> Decimal:
        paid = sum((trade.fee for trade in order.trades), last_fee)
        return max(self.min_order_fee - paid, Decimal(0)) if paid else Decimal(0)

    def _new_id(self) -> str:
        self._next_id += 1
        return str(self._next_id)
