"""What a request on the wire asks of a mocked venue: read from its method, path and body, as a proxy could.

Faults and observers choose by :class:`Call`; they need not know which venue writes which path."""

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from urllib.parse import parse_qsl

import httpx


class Call(StrEnum):
    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"
    OPEN = "open"
    FILLS = "fills"
    BALANCE = "balance"
    QUOTE = "quote"
    ACCEPT = "accept"
    LEDGER = "ledger"
    BOOK = "book"
    CATALOGUE = "catalogue"
    TIME = "time"
    OTHER = "other"


WRITES = frozenset({Call.PLACE, Call.CANCEL, Call.ACCEPT})
EVERY = frozenset(Call) - {Call.OTHER}

_CALLS = {
    ("POST", "/api/v4/order"): Call.PLACE,
    ("DELETE", "/api/v4/order"): Call.CANCEL,
    ("GET", "/api/v4/execution"): Call.FILLS,
    ("GET", "/api/v4/user/wallet"): Call.BALANCE,
    ("GET", "/api/v4/instrument"): Call.CATALOGUE,
    ("GET", "/api/v4/orderBook/L2"): Call.BOOK,
    ("GET", "/api/v5/symbols"): Call.CATALOGUE,
    ("GET", "/api/v5/time"): Call.TIME,
    ("GET", "/api/3/currencyStatic"): Call.CATALOGUE,
    ("POST", "/api/3/retail/quote"): Call.QUOTE,
    ("POST", "/api/3/retail/trade"): Call.ACCEPT,
    ("POST", "/api/3/transaction/list"): Call.LEDGER,
    ("POST", "/api/3/account"): Call.BALANCE,
    ("POST", "/api/v1.1/spot/order"): Call.PLACE,
    ("DELETE", "/api/v1/spot/order"): Call.CANCEL,
    ("DELETE", "/api/v1/spot/cancelOrderByIds"): Call.CANCEL,
    ("GET", "/api/v1/spot/order"): Call.QUERY,
    ("GET", "/api/v1/spot/openOrders"): Call.OPEN,
    ("GET", "/api/v1/account/tradesByClOrderId"): Call.FILLS,
    ("GET", "/api/v1/account"): Call.BALANCE,
    ("GET", "/api/v1/account/vipInfo"): Call.CATALOGUE,
    ("GET", "/api/v1/exchangeInfo"): Call.CATALOGUE,
    ("GET", "/api/v1/time"): Call.TIME,
    ("GET", "/quote/v1/depth"): Call.BOOK,
    ("POST", "/api/v1/rfq/getQuote"): Call.QUOTE,
    ("POST", "/api/v1/mock/acceptQuote"): Call.ACCEPT,
    ("GET", "/api/v1/rfq/transactions"): Call.LEDGER,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the wire sees it. ``qty`` and ``px`` are those of a placement; ids are empty where none is
    named."""

    venue: str
    call: Call
    client_id: str = ""
    quote_id: str = ""
    qty: Decimal = Decimal(0)
    px: Decimal = Decimal(0)


def asked(venue: str, request: httpx.Request) -> Asked:
    """What ``request`` asks of ``venue``."""
    call = _CALLS.get((request.method, request.url.path), Call.OTHER)
    if (request.method, request.url.path) == ("GET", "/api/v4/order"):
        named = "orderID" in request.url.params or "clOrdID" in request.url.params
        call = Call.QUERY if named else Call.OPEN
    if call is Call.PLACE:
        fields = _fields(request)
        osl, hashkey = ("clOrdID", "orderQty", "price"), ("newClientOrderId", "quantity", "price")
        names = osl if venue == "osl" else hashkey
        client_id, qty, px = (str(fields.get(name, "0")) for name in names)
        return Asked(venue, call, client_id, "", Decimal(qty), Decimal(px))
    if call is Call.ACCEPT:
        fields = _fields(request)
        inner = fields.get("tradeRequest", fields)
        return Asked(venue, call, quote_id=str(inner.get("quoteId", "")) if isinstance(inner, dict) else "")
    return Asked(venue, call)


def _fields(request: httpx.Request) -> dict[str, object]:
    body = request.content.decode()
    if body.startswith("{"):
        read = json.loads(body, parse_float=Decimal)
        return read if isinstance(read, dict) else {}
    return dict(parse_qsl(body))
