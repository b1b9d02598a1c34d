"""HashKey Exchange's wire protocol over the mocked exchange core: an ASGI app for tests and dry runs.

It checks signatures over the raw bytes, the timestamp window, filters and caps, and answers with the documented codes
and shapes (HTTP 400 with ``code`` and ``msg``). Where several documented codes would do, or the documents are silent,
the choice is an assumption of this mock: which code goes with which bound, the best bid as the reference of the price
band, refusal of every used client id with -1141, and everything about executing a quote (``rfq_accept_path``), which
exists here only so that an operator's configured path can be rehearsed.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.clock import Clock
from adapters.mock import hashkey_rows as rows
from adapters.mock.dealers import Dealers
from adapters.mock.exchange import MockExchange, MockOrder, Refusal, Refused
from adapters.mock.hashkey_gate import Gate, needed
from adapters.mock.hashkey_rfq import MockRfq
from adapters.mock.hashkey_rows import ApiError, HashKeyRules, Json
from adapters.mock.simulated import SaysSimulated

Params = dict[str, str]
Handler = Callable[[Params], object]

_PLACE_CODES = {
    Refusal.BALANCE: ("0401", "Insufficient asset"),
    Refusal.DUPLICATE: ("-1141", "Duplicate order"),
    Refusal.WOULD_TAKE: ("-1156", "LIMIT_MAKER order would be matched at once"),
    Refusal.HALTED: ("-2001", "Trading is not open"),
}


class HashKeyFace:
    """The state of the wire: keys, accounts, rate windows. ``rules`` may be changed. See :func:`hashkey_face`."""

    def __init__(
        self,
        exchanges: Mapping[str, MockExchange],
        dealers: Mapping[str, Dealers],
        clock: Clock,
        *,
        api_key: str,
        secret: str,
        site: str,
        rules: Mapping[str, HashKeyRules],
        custody: Mapping[str, Decimal],
        limit_rates: bool,
    ) -> None:
        self._exchanges = exchanges
        self._clock = clock
        self.gate = Gate(clock, api_key=api_key, secret=secret, limit_rates=limit_rates)
        self._site = site
        self.rules = dict(rules)
        self._custody = custody
        self.rfq = MockRfq(exchanges, dealers, clock)

    # --- public ---------------------------------------------------------------------------------------------------

    def time(self, _: Params) -> object:
        return {"serverTime": rows.ms(self._clock.now())}

    def ping(self, _: Params) -> object:
        return {}

    def exchange_info(self, _: Params) -> object:
        return {
            "timezone": "UTC",
            "serverTime": str(rows.ms(self._clock.now())),
            "site": self._site,
            "brokerFilters": [],
            "symbols": [rows.symbol_row(one, self._rules_of(name)) for name, one in self._exchanges.items()],
            "contracts": [rows.dead_contract()],
            "options": [],
            "coins": [],
        }

    def depth(self, params: Params) -> object:
        if "symbol" not in params:
            raise ApiError("-100012", "Parameter symbol [String] missing!")
        exchange = self._exchanges.get(params["symbol"])
        if exchange is None:
            raise ApiError("-100011", "Not supported symbols")
        exchange.settle()
        at = getattr(exchange.book, "updated_at", self._clock.now())
        return rows.depth_row(exchange.book, at, min(_count(params, "limit", 100), 100))

    # --- orders ---------------------------------------------------------------------------------------------------

    def create(self, params: Params) -> object:
        exchange, arguments = self._checked_order(params)
        try:
            return rows.created_row(exchange.place(*arguments))
        except Refused as refused:
            raise ApiError(*_PLACE_CODES[refused.why]) from None

    def order_test(self, params: Params) -> object:
        self._checked_order(params)
        return {}

    def cancel(self, params: Params) -> object:
        order = self._find(params, "clientOrderId")
        if order is None:
            raise ApiError("0211", "Order not found")
        try:
            return rows.created_row(self._exchanges[order.symbol].cancel(order.order_id))
        except Refused:
            raise _finished(order) from None

    def cancel_by_ids(self, params: Params) -> object:
        ids = needed(params, "ids").split(",")
        if len(ids) > 100:
            raise ApiError("-1130", "ids: 100 at most")
        failed: list[Json] = []
        for order_id in ids:
            try:
                self.cancel({"orderId": order_id})
            except ApiError as error:
                failed.append({"orderId": order_id, "code": error.code})
        return {"code": "0000", "result": failed}

    def cancel_open(self, params: Params) -> object:
        exchange = self._exchange(params)
        for order in exchange.open_orders():
            exchange.cancel(order.order_id)
        return {"success": True}

    def query(self, params: Params) -> object:
        order = self._find(params, "origClientOrderId")
        if order is None:
            raise ApiError("0211", "Order not found")
        return rows.order_row(order)

    def open_orders(self, params: Params) -> object:
        chosen = [self._exchange(params)] if "symbol" in params else list(self._exchanges.values())
        self._settle()
        found = [order for exchange in chosen for order in exchange.open_orders()]
        return [rows.order_row(order) for order in found[: min(_count(params, "limit", 500), 1000)]]

    def trade_orders(self, params: Params) -> object:
        self._settle()
        found = [order for exchange in self._exchanges.values() for order in exchange.orders.values()]
        if "symbol" in params:
            found = [order for order in found if order.symbol == params["symbol"]]
        return [rows.order_row(order) for order in found[: min(_count(params, "limit", 500), 1000)]]

    def trades(self, params: Params) -> object:
        """Newest first; ``fromId`` and ``toId`` leave out the ids that they name."""
        self._settle()
        every = [order for exchange in self._exchanges.values() for order in exchange.orders.values()]
        if "clientOrderId" in params:
            every = [order for order in every if order.client_id == params["clientOrderId"]]
        found = [(order, trade) for order in every for trade in order.trades]
        if "fromId" in params:
            found = [pair for pair in found if int(pair[1].trade_id) > int(params["fromId"])]
        if "toId" in params:
            found = [pair for pair in found if int(pair[1].trade_id) < int(params["toId"])]
        found.sort(key=lambda pair: int(pair[1].trade_id), reverse=True)
        return [rows.trade_row(*pair) for pair in found[: min(_count(params, "limit", 200), 500)]]

    def trades_by_client_id(self, params: Params) -> object:
        needed(params, "clientOrderId")
        return self.trades(params)

    # --- account --------------------------------------------------------------------------------------------------

    def account(self, params: Params) -> object:
        self._settle()
        if params.get("accountId", rows.TRADING_ACCOUNT) == rows.TRADING_ACCOUNT:
            wallets = [pair for exchange in self._exchanges.values() for pair in exchange.wallets.items()]
            amounts = {asset: (wallet.free, wallet.locked) for asset, wallet in wallets}
        elif params["accountId"] == rows.CUSTODY_ACCOUNT:
            amounts = {asset: (amount, Decimal(0)) for asset, amount in self._custody.items()}
        else:
            raise ApiError("0104", "The accountId is not permitted")
        return {"balances": rows.balance_rows(amounts), "userId": "1709329999999999999"}

    def account_type(self, _: Params) -> object:
        listed = ((rows.TRADING_ACCOUNT, 1, "Main Trading Account"), (rows.CUSTODY_ACCOUNT, 5, "Custody Account"))
        return [
            {"accountId": one, "accountLabel": label, "accountType": kind, "accountIndex": 0, "userId": "1"}
            for one, kind, label in listed
        ]

    def vip_info(self, _: Params) -> object:
        data = [
            {
                "symbol": name,
                "productType": "Token-Fiat",
                **{f"{side}{kind}FeeCurrency": one.quote for side in ("buy", "sell") for kind in ("Maker", "Taker")},
                "actualMakerRate": rows.plain(one.maker_fee),
                "actualTakerRate": rows.plain(one.taker_fee),
            }
            for name, one in self._exchanges.items()
        ]
        return {"code": 0, "vipLevel": "0", "data": data, "updateTimestamp": str(rows.ms(self._clock.now()))}

    def check_api_key(self, _: Params) -> object:
        return {"accountType": "master"}

    # --- inside ---------------------------------------------------------------------------------------------------

    def _checked_order(self, params: Params) -> tuple[MockExchange, tuple[str, Decimal, Decimal, str, bool]]:
        exchange = self._exchange(params)
        if needed(params, "side") != "SELL":
            raise ApiError("-1117", "Invalid side")  # the mocked account holds coins to sell and nothing else
        kind, tif = needed(params, "type"), params.get("timeInForce", "GTC")
        if kind not in ("LIMIT", "LIMIT_MAKER"):
            raise ApiError("-1020", "Unsupported order type")
        if tif not in ("GTC", "IOC", "FOK") or (kind == "LIMIT_MAKER" and tif != "GTC"):
            raise ApiError("-1115", "Invalid timeInForce")
        if params.get("stpMode", "EXPIRE_TAKER") not in ("EXPIRE_TAKER", "EXPIRE_MAKER"):
            raise ApiError("-1130", "Illegal stpMode")
        if "amount" in params:
            raise ApiError("-1129", "quantity and amount cannot both be sent")
        qty, px = _amount(params, "quantity", "-1126"), _amount(params, "price", "-1124")
        self._check_bounds(exchange, qty, px)
        return exchange, (params.get("newClientOrderId", ""), qty, px, tif, kind == "LIMIT_MAKER")

    def _check_bounds(self, exchange: MockExchange, qty: Decimal, px: Decimal) -> None:
        rules = self._rules_of(exchange.symbol)
        exchange.settle()
        bids, _ = exchange.book.levels(1)
        lowest = bids[0][0] * (1 - rules.sell_down_rate) if bids else Decimal(0)
        for broken, code, msg in (
            (rules.status != "TRADING", "-2001", "Trading is not open"),
            (px % rules.tick != 0, "0209", "Price precision is too long"),
            (qty < rules.min_qty, "-1136", "Order quantity lower than the minimum"),
            (qty > rules.max_qty, "-1135", "Order quantity too large"),
            (qty % rules.step != 0, "-1137", "Order quantity decimal too long"),
            (qty * px < rules.min_notional, "-1140", "Transaction amount lower than the minimum"),
            (qty * px > rules.max_notional, "-1206", "Transaction amount greater than the maximum"),
            (bool(rules.max_sell_px) and px > rules.max_sell_px, "-1132", "Order price too high"),
            (px < lowest, "-1133", "Order price lower than the minimum"),
        ):
            if broken:
                raise ApiError(code, msg)

    def _exchange(self, params: Params) -> MockExchange:
        exchange = self._exchanges.get(needed(params, "symbol"))
        if exchange is None:
            raise ApiError("0201", "Instrument not found")
        return exchange

    def _rules_of(self, symbol: str) -> HashKeyRules:
        return self.rules.get(symbol) or HashKeyRules()

    def _find(self, params: Params, client_field: str) -> MockOrder | None:
        self._settle()
        if "orderId" not in params:
            needed(params, client_field)
        for exchange in self._exchanges.values():
            order = exchange.find(order_id=params.get("orderId"), client_id=params.get(client_field))
            if order is not None:
                return order
        return None

    def _settle(self) -> None:
        for exchange in self._exchanges.values():
            exchange.settle()


_SAYS = [Middleware(SaysSimulated)]


def hashkey_face(
    exchanges: Mapping[str, MockExchange],
    dealers: Mapping[str, Dealers],
    clock: Clock,
    *,
    api_key: str,
    secret: str,
    site: str = "HK",
    rules: Mapping[str, HashKeyRules] | None = None,
    custody: Mapping[str, Decimal] | None = None,
    limit_rates: bool = False,
    rfq_accept_path: str | None = None,
) -> Starlette:
    """The app. ``exchanges`` and ``dealers`` by symbol; ``clock`` is the venue's own and may be skewed; ``custody``
    are holdings in the account that cannot trade. ``app.state.face`` is the face itself, for tests that look behind
    the wire."""
    face = HashKeyFace(
        exchanges,
        dealers,
        clock,
        api_key=api_key,
        secret=secret,
        site=site,
        rules=rules or {},
        custody=custody or {},
        limit_rates=limit_rates,
    )
    private: list[tuple[str, str, str, Handler]] = [
        ("POST", "/api/v1/spot/orderTest", "order", face.order_test),
        ("POST", "/api/v1/spot/order", "order", face.create),
        ("POST", "/api/v1.1/spot/order", "order", face.create),
        ("DELETE", "/api/v1/spot/order", "order", face.cancel),
        ("DELETE", "/api/v1/spot/openOrders", "order", face.cancel_open),
        ("DELETE", "/api/v1/spot/cancelOrderByIds", "order", face.cancel_by_ids),
        ("GET", "/api/v1/spot/order", "query", face.query),
        ("GET", "/api/v1/spot/openOrders", "query", face.open_orders),
        ("GET", "/api/v1/spot/tradeOrders", "query", face.trade_orders),
        ("GET", "/api/v1/account/trades", "query", face.trades),
        ("GET", "/api/v1/account/tradesByClOrderId", "query", face.trades_by_client_id),
        ("GET", "/api/v1/account", "query", face.account),
        ("GET", "/api/v1/account/type", "query", face.account_type),
        ("GET", "/api/v1/account/vipInfo", "query", face.vip_info),
        ("GET", "/api/v1/account/checkApiKey", "query", face.check_api_key),
        ("POST", "/api/v1/rfq/getQuote", "order", face.rfq.get_quote),
        ("GET", "/api/v1/rfq/transactions", "query", face.rfq.transactions),
    ]
    if rfq_accept_path is not None:
        private.append(("POST", rfq_accept_path, "order", face.rfq.accept))
    public: list[tuple[str, Handler]] = [
        ("/api/v1/time", face.time),
        ("/api/v1/ping", face.ping),
        ("/api/v1/exchangeInfo", face.exchange_info),
        ("/quote/v1/depth", face.depth),
    ]
    routes = [_route(face, method, path, handler, kind) for method, path, kind, handler in private]
    routes += [_route(face, "GET", path, handler, None) for path, handler in public]
    app = Starlette(routes=routes, middleware=_SAYS, exception_handlers={HTTPException: _edge_page})
    app.state.face = face
    return app


def _route(face: HashKeyFace, method: str, path: str, handler: Handler, kind: str | None) -> Route:
    """One call; ``kind`` is the rate that it counts against, ``None`` for public ones."""

    async def endpoint(request: Request) -> Response:
        query = request.scope["query_string"].decode()
        body = (await request.body()).decode()
        try:
            if kind is None:
                return JSONResponse(handler(dict(parse_qsl(query))))
            face.gate.count(kind)
            return JSONResponse(handler(face.gate.authenticate(request.headers.get("X-HK-APIKEY", ""), query, body)))
        except ApiError as error:
            if not error.code:
                return Response(error.msg, status_code=error.status)
            return JSONResponse({"code": error.code, "msg": error.msg}, status_code=error.status)

    return Route(path, endpoint, methods=[method])


async def _edge_page(_: Request, error: Exception) -> Response:
    """Unknown paths get a page of the edge that calls itself JSON."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Response("<html><body>not found</body></html>", status_code=status, media_type="application/json")


def _finished(order: MockOrder) -> ApiError:
    return (
        ApiError("-1142", "Order has been canceled") if order.leaves_qty else ApiError("-1139", "Order has been filled")
    )


def _amount(params: Params, name: str, code: str) -> Decimal:
    try:
        value = Decimal(needed(params, name))
    except InvalidOperation:
        raise ApiError(code, f"{name} is not a number") from None
    if not (value.is_finite() and value > 0):
        raise ApiError(code, f"{name} is not positive")
    return value


def _count(params: Params, name: str, default: int) -> int:
    value = params.get(name, str(default))
    if not value.isdigit():
        raise ApiError("-100002", f"Parameter {name} should be of type Integer")
    return int(value)
