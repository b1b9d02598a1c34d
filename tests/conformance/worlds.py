"""One small world per adapter: a simulated market, a mocked venue over it, and the adapter speaking to it in process.

To add a venue, write an async factory that takes :class:`Options` and returns a :class:`World` (not yet started), and
enter it in ``WORLDS``; in ``RFQ_WORLDS`` too if the adapter can execute quotes there.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

import httpx
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.hashkey import HashKey, HashKeySettings
from adapters.mock.book import VenueBook
from adapters.mock.dealers import Dealers
from adapters.mock.exchange import MockExchange, Wallet
from adapters.mock.hashkey_face import hashkey_face
from adapters.mock.market import Market
from adapters.mock.osl_face import CLIENT_ID_FIELD, FIELDS, osl_face
from adapters.mock.params import DEEP, VenueGrid
from adapters.mock.tape import SimulatedTape
from adapters.osl import Osl
from adapters.osl_settings import OslSettings
from adapters.venue import RfqVenue, Venue

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
START_PX = Decimal(100_000)
BASE, QUOTE = "BTC", "USD"
GRID = VenueGrid(tick=Decimal("0.01"), step=Decimal("0.00001"))
TAKER, MAKER = Decimal("0.0029"), Decimal("0.0021")
LATENCY = 0.02  # seconds each way


@dataclass(frozen=True)
class Options:
    """What a case wants of its world. ``fill_page`` asks for pages of that many fills, where the adapter can."""

    base_balance: Decimal = Decimal(50)
    venue_skew: timedelta = timedelta(0)
    wrong_key: bool = False
    wrong_secret: bool = False
    fill_page: int | None = None


class Fault(Enum):
    """What may happen to the next order on its way."""

    CONNECT_REFUSED = auto()  # it never gets there
    ANSWER_LOST = auto()  # it has its effect, and the connection breaks
    HTML = auto()  # it has its effect, and an edge answers 200 with a page
    SERVER_ERROR = auto()  # it has its effect, and the venue answers 503


class Wire(httpx.AsyncBaseTransport):
    """The connection to a mocked venue. ``fault`` hits the next request for which ``is_order`` holds, once."""

    def __init__(self, inner: httpx.AsyncBaseTransport, is_order: Callable[[httpx.Request], bool]) -> None:
        self._inner = inner
        self._is_order = is_order
        self.fault: Fault | None = None
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = None
        if self._is_order(request):
            fault, self.fault = self.fault, None
        if fault is Fault.CONNECT_REFUSED:
            raise httpx.ConnectError("refused", request=request)
        self.sent.append(request)
        await asyncio.sleep(LATENCY)
        response = await self._inner.handle_async_request(request)
        await asyncio.sleep(LATENCY)
        if fault is Fault.ANSWER_LOST:
            raise httpx.ReadError("reset", request=request)
        if fault is Fault.HTML:
            return httpx.Response(200, text="<html>a moment please</html>")
        if fault is Fault.SERVER_ERROR:
            return httpx.Response(503, json={"code": "-1001", "msg": "internal error"})
        return response


@dataclass
class World:
    """``purses`` are the mock's own books by the adapter's name of the account."""

    venue: Venue
    exchange: MockExchange
    market: Market
    book: VenueBook
    clock: LoopClock
    wire: Wire
    symbol: str
    base: str = BASE
    quote: str = QUOTE
    purses: dict[str, dict[str, Wallet]] = field(default_factory=dict)

    @property
    def rfq(self) -> RfqVenue:
        assert isinstance(self.venue, RfqVenue)
        return self.venue


def market() -> Market:
    """The same calm, deep market for every case."""
    return Market(SimulatedTape(DEEP, 7, START, START_PX), DEEP)


async def _hashkey(options: Options, accept_path: str | None) -> World:
    clock = LoopClock(START)
    shared = market()
    book = shared.venue("hashkey", DEEP, GRID)
    exchange = MockExchange(
        shared,
        book,
        clock,
        symbol="BTCUSD",
        base=BASE,
        quote=QUOTE,
        taker_fee=TAKER,
        maker_fee=MAKER,
        balances={BASE: options.base_balance},
        min_order_fee=Decimal("1.99"),
    )
    face = hashkey_face(
        {"BTCUSD": exchange},
        {"BTCUSD": Dealers(shared, DEEP, 11)},
        LoopClock(START, skew=options.venue_skew),
        api_key="key",
        secret="secret",
        custody={BASE: Decimal(3)},
        limit_rates=True,
        rfq_accept_path=accept_path,
    )
    wire = Wire(
        httpx.ASGITransport(app=face),
        is_order=lambda request: request.method == "POST" and request.url.path.endswith("/spot/order"),
    )
    settings = HashKeySettings(
        api_key=SecretStr("other" if options.wrong_key else "key"),
        secret=SecretStr("other" if options.wrong_secret else "secret"),
        client_type="corporate",
        rfq_accept_path=accept_path,
        fills_page=options.fill_page or 200,
    )
    venue = HashKey(settings, httpx.AsyncClient(transport=wire), clock)
    purses = {"trading": exchange.wallets}
    return World(venue, exchange, shared, book, clock, wire, "BTCUSD", purses=purses)


async def hashkey(options: Options) -> World:
    return await _hashkey(options, None)


async def hashkey_with_accept_path(options: Options) -> World:
    return await _hashkey(options, "/api/v1/rfq/as-told-by-the-venue")


OSL_SECRET = base64.b64encode(b"a secret of the mocked venue").decode()
OSL_OTHER_SECRET = base64.b64encode(b"other").decode()


async def osl(options: Options) -> World:
    clock = LoopClock(START)
    shared = market()
    book = shared.venue("osl", DEEP, VenueGrid(tick=Decimal("0.1"), step=Decimal("0.0000001")))
    exchange = MockExchange(
        shared,
        book,
        clock,
        symbol="BTCUSD",
        base=BASE,
        quote=QUOTE,
        taker_fee=Decimal("0.0005"),
        maker_fee=Decimal(0),
        balances={BASE: options.base_balance},
        refuse_duplicates=False,  # not documented to be refused
    )
    face = osl_face(
        {"BTCUSD": exchange},
        {"BTCUSD": Dealers(shared, DEEP, 11)},
        LoopClock(START, skew=options.venue_skew),
        api_key="key",
        secret=OSL_SECRET,
        brokerage={BASE: options.base_balance, QUOTE: Decimal(0)},
    )
    wire = Wire(
        httpx.ASGITransport(app=face),
        is_order=lambda request: request.method == "POST" and request.url.path == "/api/v4/order",
    )
    settings = OslSettings(
        base_url="https://trade-hk.oslsandbox.com",
        api_key=SecretStr("other" if options.wrong_key else "key"),
        secret=SecretStr(OSL_OTHER_SECRET if options.wrong_secret else OSL_SECRET),
        fields=FIELDS,
        client_id_on_create=CLIENT_ID_FIELD,
        executions_page=options.fill_page or 500,
    )
    venue = Osl(settings, httpx.AsyncClient(transport=wire), clock)
    purses = {"exchange": exchange.wallets, "brokerage": face.state.brokerage.wallets}
    return World(venue, exchange, shared, book, clock, wire, "BTCUSD", purses=purses)


Factory = Callable[[Options], Awaitable[World]]

WORLDS: dict[str, Factory] = {"hashkey": hashkey, "osl": osl}
RFQ_WORLDS: dict[str, Factory] = {"hashkey": hashkey_with_accept_path, "osl": osl}
