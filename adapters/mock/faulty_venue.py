"""Faults that a venue or the market commits: they change the mocked venue itself, just before it handles a request.

Everything here is looked at when a request arrives. Between two requests nobody sees the venue, so nothing is lost.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import httpx
from starlette.applications import Starlette

from adapters.clock import Clock
from adapters.mock.book import VenueBook
from adapters.mock.calls import Asked, Call
from adapters.mock.dealers import DealerQuote, DealersLike
from adapters.mock.exchange import MockExchange, MockOrder, MockStatus, Wallet
from adapters.mock.faults import Fault, FaultKind, Faults
from adapters.mock.market import Market

K = FaultKind
_STRIKES = frozenset(
    {K.EXPIRED, K.WITHDRAWN, K.FILL_IN_CANCEL, K.CANCEL_REFUSED, K.FEE_ASSET, K.PARTIAL_FILL, K.QUOTE_EXPIRED}
)
_BOOKS = frozenset({K.BOOK_STALE, K.BOOK_EMPTY, K.BOOK_CROSSED, K.BOOK_ONE_SIDED})
_STATES = _BOOKS | {K.HALTED_PAIR, K.FILTERS, K.BALANCE_SHORT, K.PRICE_JUMP}
_VENUE_COIN = "VTK"  # a venue's own coin, in which some charge their fees
_PLENTY = Decimal(1_000_000)
_TENTH = Decimal("0.1")
_BELOW_FLOOR = Decimal("0.985")
_BPS = 10_000

Deliver = Callable[[], Awaitable[httpx.Response]]


class VenueFaults:
    """The faults of all mocked venues of one world."""

    def __init__(
        self,
        faults: Faults,
        clock: Clock,
        *,
        market: Market,
        books: Mapping[str, VenueBook],
        exchanges: Mapping[str, MockExchange],
        apps: Mapping[str, Starlette],
        floor_px: Decimal,
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._market = market
        self._books = books
        self._exchanges = exchanges
        self._apps = apps
        self._floor_px = floor_px
        self._undo: list[tuple[Fault, str, Callable[[], None]]] = []
        for venue in exchanges:
            dealers = _dealers_of(venue, apps[venue])
            for symbol, inner in list(dealers.items()):
                dealers[symbol] = _LastLook(inner, faults, venue)

    async def handled(self, what: Asked, deliver: Deliver) -> httpx.Response:
        """Let the venue handle a request in the state that the faults have put it in."""
        self._turn()
        self._enter(what)
        struck = self._strike(what)
        if struck is not None:
            return struck
        partial = self._faults.armed(what.venue, what.call, frozenset({K.PARTIAL_FILL}))
        fees = self._faults.armed(what.venue, what.call, frozenset({K.FEE_ASSET}))
        if fees:
            return await self._other_fee(what, deliver, fees[0])
        if partial and what.venue not in {venue for fault, venue, _ in self._undo if fault.kind in _BOOKS}:
            return await self._partial(what, deliver, partial[0])
        return await _read(deliver)

    def heal(self) -> None:
        """End every lasting fault now."""
        for _, _, undo in self._undo:
            undo()
        self._undo = []

    # --- states that last -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """End the states whose time is over."""
        now = self._clock.now()
        for entry in [entry for entry in self._undo if entry[0].until <= now or entry[0].left <= 0]:
            self._undo.remove(entry)
            entry[2]()

    def _enter(self, what: Asked) -> None:
        """Begin the states whose time has come, and count those that this request meets."""
        for fault in self._faults.armed(what.venue, what.call, _STATES):
            if any(entry[0] is fault for entry in self._undo):
                self._faults.hit(fault)
                continue
            undo = self._begin(fault, what.venue)
            if undo is not None:
                self._undo.append((fault, what.venue, undo))
                self._faults.hit(fault)

    def _begin(self, fault: Fault, venue: str) -> Callable[[], None] | None:
        exchange, book = self._exchanges[venue], self._books[venue]
        exchange.settle()
        if fault.kind in _BOOKS:
            if any(other.kind in _BOOKS and at == venue for other, at, _ in self._undo):
                return None
            return _spoil(book, fault)
        if fault.kind is K.HALTED_PAIR:
            exchange.trading = False
            return lambda: setattr(exchange, "trading", True)
        if fault.kind is K.FILTERS:
            return self._coarser(venue, fault)
        if fault.kind is K.BALANCE_SHORT:
            return self._short(venue, fault)
        mid = self._market.mid()
        if mid <= self._floor_px:
            return None
        fall = self._floor_px * _BELOW_FLOOR / mid - 1
        self._market.shock((fall * _BPS).__float__())
        back = (1 / (1 + fall) - 1) * _BPS
        return lambda: self._market.shock(back.__float__())

    def _coarser(self, venue: str, fault: Fault) -> Callable[[], None] | None:
        """Another grid and other bounds for a while."""
        if any(other.kind is K.FILTERS and at == venue for other, at, _ in self._undo):
            return None
        exchange = self._exchanges[venue]
        state = self._apps[venue].state
        rules = state.exchange.rules if venue == "osl" else state.face.rules
        old = rules[exchange.symbol]
        changes = fault.draws.pick(
            (
                {"tick": old.tick * 5},
                {"step": old.step * 10},
                {"min_qty": Decimal("0.01")},
                {"tick": old.tick * 10, "step": old.step * 10},
                {"max_qty": Decimal("0.5")},
            )
        )
        rules[exchange.symbol] = replace(old, **changes)
        return lambda: rules.__setitem__(exchange.symbol, old)

    def _short(self, venue: str, fault: Fault) -> Callable[[], None]:
        """Somebody else has the coins for a while."""
        exchange = self._exchanges[venue]
        purses: list[dict[str, Wallet]] = [exchange.wallets]
        if venue == "osl":
            purses.append(self._apps[venue].state.brokerage.wallets)
        taken = []
        for purse in purses:
            wallet = purse.setdefault(exchange.base, Wallet())
            amount = wallet.free if fault.draws.chance(50) else wallet.free / 2
            wallet.free -= amount
            taken.append((wallet, amount))

        def back() -> None:
            for wallet, amount in taken:
                wallet.free += amount

        return back

    # --- strikes ----------------------------------------------------------------------------------------------------

    def _strike(self, what: Asked) -> httpx.Response | None:
        """What happens to an order or quote in the moment in which a request arrives."""
        exchange = self._exchanges[what.venue]
        for fault in self._faults.armed(what.venue, what.call, _STRIKES):
            if fault.kind is K.QUOTE_EXPIRED:
                if self._expire(what):
                    self._faults.hit(fault)
                continue
            if fault.kind in (K.FEE_ASSET, K.PARTIAL_FILL):
                continue
            exchange.settle()
            live = exchange.open_orders()
            if not live:
                continue
            order = fault.draws.pick(live)
            if fault.kind is K.CANCEL_REFUSED:
                self._faults.hit(fault)
                return _refused_cancel(what.venue)
            if fault.kind is K.FILL_IN_CANCEL:
                _fill(exchange, order, fault)
            else:
                exchange.expel(order.order_id, MockStatus.EXPIRED if fault.kind is K.EXPIRED else MockStatus.WITHDRAWN)
            self._faults.hit(fault)
        return None

    def _expire(self, what: Asked) -> bool:
        state = self._apps[what.venue].state
        if what.venue != "osl":
            return bool(state.face.rfq.expire(what.quote_id))
        quote = state.brokerage.quotes.get(what.quote_id)
        if quote is None or quote.traded is not None:
            return False
        quote.expires_at = self._clock.now()
        return True

    async def _other_fee(self, what: Asked, deliver: Deliver, fault: Fault) -> httpx.Response:
        exchange = self._exchanges[what.venue]
        before = len(exchange.orders)
        exchange.wallet(_VENUE_COIN).free += _PLENTY  # there must be enough of it to pay with
        exchange.settle()  # what was filled before now is charged as before
        exchange.fee_asset = _VENUE_COIN
        try:
            response = await _read(deliver)
        finally:
            exchange.fee_asset = exchange.quote
        if any(order.trades for order in list(exchange.orders.values())[before:]):
            self._faults.hit(fault)
        return response

    async def _partial(self, what: Asked, deliver: Deliver, fault: Fault) -> httpx.Response:
        """Others were faster: of the bids that were shown a part is left, for this one order."""
        exchange, book = self._exchanges[what.venue], self._books[what.venue]
        exchange.settle()
        before = len(exchange.orders)
        bids, asks = book.levels(5)
        part = (what.qty * fault.draws.between(1, 9) * _TENTH // book.grid.step) * book.grid.step
        if not bids or part <= 0:
            return await _read(deliver)
        book.override([(bids[0][0], part)], asks)
        try:
            response = await _read(deliver)
        finally:
            book.override(None)
        if any(0 < order.cum_qty < order.qty for order in list(exchange.orders.values())[before:]):
            self._faults.hit(fault)
        return response


class _LastLook:
    """Dealers who change their mind when a fault says so."""

    def __init__(self, inner: DealersLike, faults: Faults, venue: str) -> None:
        self._inner = inner
        self._faults = faults
        self._venue = venue

    def quote(self, qty: Decimal, now: datetime, /) -> Sequence[DealerQuote]:
        return self._inner.quote(qty, now)

    def accept(self, quote: DealerQuote, now: datetime, /) -> bool:
        refusing = self._faults.armed(self._venue, Call.ACCEPT, frozenset({K.LAST_LOOK}))
        if refusing:
            self._faults.hit(refusing[0])
            return False
        return self._inner.accept(quote, now)


async def _read(deliver: Deliver) -> httpx.Response:
    """The whole answer, detached from the app that gave it."""
    response = await deliver()
    content = await response.aread()
    return httpx.Response(response.status_code, headers=response.headers, content=content)


def _dealers_of(venue: str, app: Starlette) -> dict[str, DealersLike]:
    owner = app.state.brokerage if venue == "osl" else app.state.face.rfq
    dealers: dict[str, DealersLike] = owner.dealers
    return dealers


def _spoil(book: VenueBook, fault: Fault) -> Callable[[], None] | None:
    bids, asks = book.levels(20)
    if not bids or not asks:
        return None
    if fault.kind is K.BOOK_STALE:
        book.freeze()
        return book.thaw
    if fault.kind is K.BOOK_EMPTY:
        book.override([], [])
    elif fault.kind is K.BOOK_CROSSED:
        book.override([(asks[0][0] + 5 * book.grid.tick, bids[0][1]), *bids], asks)
    elif fault.draws.chance(50):
        book.override(bids, [])
    else:
        book.override([], asks)
    return lambda: book.override(None)


def _fill(exchange: MockExchange, order: MockOrder, fault: Fault) -> None:
    """All of a resting order, or a part of it where the rest can go on resting."""
    step = Decimal("0.00001")
    part = (order.leaves_qty / 2 // step) * step
    exchange.hit(order.order_id, part if part > 0 and fault.draws.chance(50) else order.leaves_qty)


def _refused_cancel(venue: str) -> httpx.Response:
    if venue == "osl":
        return httpx.Response(400, json=[{"error": {"message": "order cannot be cancelled now", "name": "BUSY"}}])
    return httpx.Response(400, json={"code": "-2011", "msg": "Cancel order failed"})
