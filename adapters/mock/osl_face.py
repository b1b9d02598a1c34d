"""The wire face of a mocked OSL: v4 order book and v5 public data, as an ASGI app over the exchange core.

It takes limit orders to sell and nothing else. Where OSL documents no name or no words, the face uses its own, marked
"mock's own choice": the adapter gets them as configuration, as it would from OSL. The refusals that OSL does document
or that were seen (messages on create, INVALID_SYMBOL) are word for word.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.clock import Clock
from adapters.mock.dealers import DealersLike
from adapters.mock.exchange import MockExchange, MockOrder, MockStatus, Refusal, Refused, Wallet
from adapters.mock.osl_gate import Denied, Gate, as_json, iso, ms, parsed, plain, v4_error
from adapters.mock.osl_rfq_face import BrokerageFace
from adapters.mock.osl_rows import CLIENT_ID_FIELD, FIELDS, TIF, PairRules, execution_row, order_row
from adapters.mock.simulated import SaysSimulated

_EXECUTIONS_MAX = 500
_ORDERS_MAX = 1000

__all__ = ["CLIENT_ID_FIELD", "FIELDS", "PairRules", "osl_face"]

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class _Invalid(Exception):
    """The order breaks a rule; the message is the venue's."""


class ExchangeFace:
    """Handlers of v4 and v5. ``exchanges`` and ``rules`` are by symbol."""

    def __init__(
        self, exchanges: Mapping[str, MockExchange], rules: Mapping[str, PairRules], clock: Clock, gate: Gate
    ) -> None:
        self.exchanges = exchanges
        self.rules = {symbol: rules.get(symbol, PairRules()) for symbol in exchanges}
        self._clock = clock
        self._gate = gate

    def routes(self) -> list[Route]:
        private: list[tuple[str, str, Callable[[Request, bytes], Response]]] = [
            ("POST", "/api/v4/order", self._create),
            ("DELETE", "/api/v4/order", self._cancel),
            ("DELETE", "/api/v4/order/all", self._cancel_all),
            ("GET", "/api/v4/order", self._orders),
            ("GET", "/api/v4/execution", self._executions),
            ("GET", "/api/v4/execution/order", self._executions_today),
            ("GET", "/api/v4/user/wallet", self._wallet),
        ]
        public: list[tuple[str, Callable[[Request], Response]]] = [
            ("/api/v4/instrument", self._instruments),
            ("/api/v4/orderBook/L2", self._book),
            ("/api/v5/symbols", self._symbols),
            ("/api/v5/order/depth", self._depth),
            ("/api/v5/time", self._time),
        ]
        return [Route(path, self._signed(handler), methods=[method]) for method, path, handler in private] + [
            Route(path, self._open(handler), methods=["GET"]) for path, handler in public
        ]

    # --- public -----------------------------------------------------------------------------------------------

    def _instruments(self, request: Request) -> Response:
        wanted = request.query_params.get("symbol", "")
        return as_json([self._instrument(symbol) for symbol in self.exchanges if wanted in ("", symbol)])

    def _instrument(self, symbol: str) -> dict[str, object]:
        exchange, rules = self.exchanges[symbol], self.rules[symbol]
        bids, asks = exchange.book.levels(1)
        low, high = self._band(symbol)
        return {
            "symbol": symbol,
            "currency": exchange.base,
            "settlCurrency": exchange.quote,
            "bidPrice": plain(bids[0][0]) if bids else None,
            "askPrice": plain(asks[0][0]) if asks else None,
            "minPrice": None if low is None else plain(low),
            "maxPrice": None if high is None else plain(high),
            "minOrderQty": plain(rules.min_qty),
            "maxOrderQty": plain(rules.max_qty),
            "minValue": plain(rules.min_value),
            "maxValue": plain(rules.max_value),
            "prevClosePrice": None,
            "volume": None,
            "tickSize": plain(rules.tick),
            "stepSize": plain(rules.step),
            "priceDecimals": "5",  # display decimals, unlike the tick on purpose, as documented
            "quantityDecimals": "8",
            "updateTime": None,
            "retailAvailable": False,
            "piAvailable": rules.pi_available,
        }

    def _book(self, request: Request) -> Response:
        symbol = request.query_params.get("symbol", "")
        if symbol not in self.exchanges:
            return _invalid_symbol(symbol)
        sides = self._sides(symbol, int(request.query_params.get("depth", "25")))
        return as_json({"symbol": symbol, **sides, "updateTime": iso(self._clock.now())})

    def _depth(self, request: Request) -> Response:
        symbol = request.query_params.get("symbol", "")
        if not symbol:
            return as_json({"code": 500, "msg": "symbol is missing"}, 500)
        if symbol not in self.exchanges:
            return as_json({"code": -1107, "msg": "symbol not exist"})
        sides = self._sides(symbol, min(int(request.query_params.get("limit", "100")), 1000))
        return as_json({"lastUpdateId": str(ms(self._clock.now())), "price": None, **sides})

    def _sides(self, symbol: str, depth: int) -> dict[str, object]:
        bids, asks = self.exchanges[symbol].book.levels(depth or 100_000)
        return {
            "asks": [[plain(px), plain(qty)] for px, qty in asks],
            "bids": [[plain(px), plain(qty)] for px, qty in bids],
        }

    def _symbols(self, request: Request) -> Response:
        wanted = request.query_params.get("symbol", "")
        if wanted and wanted not in self.exchanges:
            return as_json({"code": -1107, "msg": "symbol not exist"})
        return as_json([self._published(symbol) for symbol in self.exchanges if wanted in ("", symbol)])

    def _published(self, symbol: str) -> dict[str, object]:
        exchange, rules = self.exchanges[symbol], self.rules[symbol]
        return {
            "symbol": symbol,
            "baseAsset": exchange.base,
            "quoteAsset": exchange.quote,
            "status": "1" if rules.published else "0",
            "tickSize": plain(rules.tick),
            "stepSize": plain(rules.step),
            "minAmount": "1",
            "limitMaxAmount": plain(rules.max_value),
            "takerFeeRate": plain(exchange.taker_fee),
            "makerFeeRate": plain(exchange.maker_fee),
            "retailAvailable": False,
            "piAvailable": rules.pi_available,
            "filters": [{"type": "TAKER_PRICE_RATE", "takerOrderMaxRate": plain(rules.band)}],
        }

    def _time(self, _: Request) -> Response:
        return as_json({"serverTime": ms(self._clock.now())})

    # --- orders -----------------------------------------------------------------------------------------------

    def _create(self, _: Request, body: bytes) -> Response:
        asked = parsed(body)
        exchange = self.exchanges.get(str(asked.get("symbol")))
        if exchange is None:
            return _invalid_symbol(str(asked.get("symbol")))
        try:
            qty, px = _amount(asked, "orderQty"), _amount(asked, "price")
            self._check(exchange.symbol, asked, qty, px)
        except _Invalid as refused:
            return v4_error(str(refused), "INVALID_ORDER")
        tif, post_only = TIF[str(asked.get("timeInForce", "GoodTillCancel"))], asked.get("execInst") == "PostOnly"
        try:
            order = exchange.place(str(asked.get(CLIENT_ID_FIELD, "")), qty, px, tif, post_only)
        except Refused as refused:
            return v4_error(*_REFUSALS[refused.why])
        return as_json(order_row(order))

    def _check(self, symbol: str, asked: Mapping[str, object], qty: Decimal, px: Decimal) -> None:
        rules = self.rules[symbol]
        low, high = self._band(symbol)
        broken = {
            "only limit orders to sell": (asked.get("side"), asked.get("ordType")) != ("Sell", "Limit"),
            "unknown timeInForce": asked.get("timeInForce", "GoodTillCancel") not in TIF,
            "order price too low": px <= 0 or (low is not None and px < low),
            "order price too high": high is not None and px > high,
            "order price off the price step": px % rules.tick != 0,
            "order quantity too small": qty < rules.min_qty,
            "order quantity too large": qty > rules.max_qty,
            "order quantity off the quantity step": qty % rules.step != 0,
            "order value too small": qty * px < rules.min_value,
            "order value too large": qty * px > rules.max_value,
        }
        for message, is_broken in broken.items():
            if is_broken:
                raise _Invalid(message)

    def _cancel(self, _: Request, body: bytes) -> Response:
        asked = parsed(body)
        keys = [key for key in ("orderID", "clOrdID") if key in asked]
        ids = asked[keys[0]] if len(keys) == 1 else None
        if not isinstance(ids, list) or not ids:
            return v4_error("exactly one of orderID and clOrdID, as an array", "INVALID_PARAMETERS")
        results = [self._cancel_one(keys[0], str(each)) for each in ids]
        return as_json(results, 400 if any("error" in result for result in results) else 200)

    def _cancel_one(self, key: str, value: str) -> dict[str, object]:
        """One entry of the answer. How a failure is written is the mock's own choice; the words are those of FIX."""
        order = next((each for each in reversed(self._all_orders()) if _named(each, key, value)), None)
        if order is None:
            return {key: value, "error": {"message": "order not found", "name": "ORDER_NOT_FOUND"}}
        try:
            self.exchanges[order.symbol].cancel(order.order_id)
        except Refused:
            message = "order already matched" if order.status is MockStatus.FILLED else "order already cancelled"
            error = {"message": message, "name": "ORDER_FINISHED"}
            return {"orderID": order.order_id, "clOrdID": order.client_id, "error": error}
        return {"orderID": order.order_id, "clOrdID": order.client_id, "ordStatus": "Cancelled"}

    def _cancel_all(self, request: Request, _: bytes) -> Response:
        wanted = request.query_params.get("symbol", "")
        for symbol, exchange in self.exchanges.items():
            for order in exchange.open_orders() if wanted in ("", symbol) else []:
                exchange.cancel(order.order_id)
        return Response(status_code=204)

    # --- readings ---------------------------------------------------------------------------------------------

    def _orders(self, request: Request, _: bytes) -> Response:
        """Finished orders only with ``open=false``, as documented; that then the live ones are left out is the mock's
        own choice."""
        is_open = request.query_params.get("open", "true") == "true"
        found = [order for order in self._all_orders() if order.status.live is is_open and _wanted(request, order)]
        return as_json([order_row(each) for each in _page(request, found, lambda order: order.created_at, _ORDERS_MAX)])

    def _executions(self, request: Request, _: bytes) -> Response:
        return self._execution_rows(request, None)

    def _executions_today(self, request: Request, _: bytes) -> Response:
        """Only today's, in UTC (mock's own choice of the zone)."""
        if ("orderID" in request.query_params) == ("clOrdID" in request.query_params):
            return v4_error("exactly one of orderID and clOrdID", "INVALID_PARAMETERS")
        return self._execution_rows(request, self._clock.now())

    def _execution_rows(self, request: Request, today: datetime | None) -> Response:
        found = [
            (order, trade)
            for order in self._all_orders()
            for trade in order.trades
            if _wanted(request, order) and (today is None or trade.at.date() == today.date())
        ]
        found.sort(key=lambda pair: (pair[1].at, pair[1].trade_id))
        return as_json(
            [execution_row(*each) for each in _page(request, found, lambda pair: pair[1].at, _EXECUTIONS_MAX)]
        )

    def _wallet(self, _: Request, __: bytes) -> Response:
        purses = {id(exchange.wallets): exchange.wallets for exchange in self.exchanges.values()}
        total: dict[str, Wallet] = {}
        for wallets in purses.values():
            for asset, wallet in wallets.items():
                purse = total.setdefault(asset, Wallet())
                purse.free += wallet.free
                purse.locked += wallet.locked
        return as_json(
            [
                {
                    "currency": asset,
                    "exchangeAvailableBalance": plain(purse.free),
                    "exchangeTotalBalance": plain(purse.free + purse.locked),
                }
                for asset, purse in total.items()
            ]
        )

    # --- inside -----------------------------------------------------------------------------------------------

    def _all_orders(self) -> list[MockOrder]:
        orders = [order for exchange in self.exchanges.values() for order in exchange.orders.values()]
        return sorted(orders, key=lambda order: order.created_at)

    def _band(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        """Lowest and highest price of an order, on the tick; none while the book has no mid."""
        bids, asks = self.exchanges[symbol].book.levels(1)
        if not bids or not asks:
            return None, None
        rules, mid = self.rules[symbol], (bids[0][0] + asks[0][0]) / 2
        low = (mid * (1 - rules.band) // rules.tick + 1) * rules.tick
        return low, mid * (1 + rules.band) // rules.tick * rules.tick

    def _settle(self) -> None:
        for exchange in self.exchanges.values():
            exchange.settle()

    def _signed(self, handler: Callable[[Request, bytes], Response]) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                body = await self._gate.v4(request)
            except Denied as denied:
                return denied.response
            self._settle()
            return handler(request, body)

        return handle

    def _open(self, handler: Callable[[Request], Response]) -> Handler:
        async def handle(request: Request) -> Response:
            self._settle()
            return handler(request)

        return handle


_REFUSALS: dict[Refusal, tuple[str, str]] = {
    Refusal.BALANCE: ("insufficient holdings", "INVALID_ORDER"),
    Refusal.DUPLICATE: ("duplicate clOrdID", "DUPLICATE_ORDER"),
    Refusal.WOULD_TAKE: ("post only order would match", "INVALID_ORDER"),
    Refusal.HALTED: ("instrument market closed", "MARKET_CLOSED"),
    Refusal.NOT_FOUND: ("order not found", "ORDER_NOT_FOUND"),
    Refusal.FINISHED: ("order already matched", "ORDER_FINISHED"),
}


def _invalid_symbol(symbol: str) -> Response:
    return v4_error(f"symbol '{symbol}' is not supported or does not exist", "INVALID_SYMBOL")


def _amount(asked: Mapping[str, object], key: str) -> Decimal:
    try:
        return Decimal(str(asked[key]))
    except (KeyError, InvalidOperation):
        raise _Invalid(f"{key} is missing or no number") from None


def _named(order: MockOrder, key: str, value: str) -> bool:
    return value == (order.order_id if key == "orderID" else order.client_id)


def _wanted(request: Request, order: MockOrder) -> bool:
    query = request.query_params
    named = all(_named(order, key, query[key]) for key in ("orderID", "clOrdID") if key in query)
    return named and query.get("symbol", order.symbol) == order.symbol


def _page(request: Request, found: Sequence[T], at: Callable[[T], datetime], most: int) -> Sequence[T]:
    """``found`` is chronological; ``start`` and ``count`` cut a page out of it, ``reverse`` from its end."""
    query = request.query_params
    since, until = query.get("startTime"), query.get("endTime")
    inside = [
        each
        for each in found
        if (since is None or iso(at(each)) >= since) and (until is None or iso(at(each)) <= until)
    ]
    if query.get("reverse", "false") == "true":
        inside.reverse()
    start = int(query.get("start", "0"))
    return inside[start : start + min(int(query.get("count", "100")), most)]


def osl_face(
    exchanges: Mapping[str, MockExchange],
    dealers: Mapping[str, DealersLike],
    clock: Clock,
    *,
    api_key: str,
    secret: str,
    brokerage: Mapping[str, Decimal],
    rules: Mapping[str, PairRules] | None = None,
    v3_read_methods: Sequence[str] = ("POST",),
) -> Starlette:
    """The mocked OSL of one account.

    ``exchanges``, ``dealers`` and ``rules`` are by symbol (``BTCUSD``); ``clock`` is the venue's own; ``secret`` is
    Base64; ``brokerage`` is what the second purse holds. ``app.state.exchange`` and ``app.state.brokerage`` are the two
    faces, for tests that look behind the wire.
    """
    gate = Gate(clock, api_key, secret)
    exchange_face = ExchangeFace(exchanges, rules or {}, clock, gate)
    brokerage_face = BrokerageFace(exchanges, dealers, clock, gate, brokerage, v3_read_methods)
    app = Starlette(routes=[*exchange_face.routes(), *brokerage_face.routes()], middleware=[Middleware(SaysSimulated)])
    app.state.exchange = exchange_face
    app.state.brokerage = brokerage_face
    return app
