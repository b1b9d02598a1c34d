"""Mocked OSL and HashKey over one simulated market, ready to be traded on in process or on sockets.

The same market, faces and adapters serve dry runs, tests and `executor mock-venues`; only the clock and the wire
differ. Keys are fixed and public: they open nothing but this mock.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import httpx
from starlette.applications import Starlette

from adapters.candles import Candle
from adapters.clock import Clock
from adapters.mock.book import VenueBook
from adapters.mock.dealers import Dealers
from adapters.mock.exchange import MockExchange
from adapters.mock.hashkey_face import hashkey_face
from adapters.mock.hashkey_rows import HashKeyRules
from adapters.mock.keys import API_KEY, RFQ_ACCEPT_PATH, SECRET
from adapters.mock.market import Market
from adapters.mock.osl_face import osl_face
from adapters.mock.osl_rows import PairRules
from adapters.mock.params import DEEP, THIN, MarketParams, VenueGrid
from adapters.mock.tape import ReplayTape, SimulatedTape

# Fees as published for the lowest tiers (fractions): OSL taker 0.05 %, maker 0; HashKey VIP0 0.29 % both.
FEES = {"osl": (Decimal("0.0005"), Decimal(0)), "hashkey": (Decimal("0.0029"), Decimal("0.0029"))}
HASHKEY_MIN_ORDER_FEE = Decimal("1.99")  # USD per fully executed order, published 2025-07-30
_SECOND_DEALERS = 7  # offset of the seed, so that the two venues' dealers do not think alike


@dataclass(frozen=True, slots=True)
class Credit:
    """Coins that lie in a purse of a mocked venue when the run begins."""

    venue: str
    account: str
    asset: str
    qty: Decimal


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """What is simulated: the pair, the seed, and either a starting price or candles to replay. ``latency`` is one way
    over the wire. ``market_params`` are those of the whole market (prices, volumes, how our footprint is felt),
    ``venue_params`` those of the two venues' own books: thin books on a deep market is what Hong Kong looks like."""

    base: str
    quote: str
    seed: int
    start: datetime
    start_px: Decimal
    credits: Sequence[Credit]
    candles: Sequence[Candle] | None = None
    market_params: MarketParams = DEEP
    venue_params: MarketParams = THIN
    latency: timedelta = timedelta(milliseconds=50)


class MockWorld:
    """The market, the two venues' books, accounts and faces. ``apps`` are ASGI apps by venue."""

    def __init__(self, spec: WorldSpec, clock: Clock) -> None:
        self.spec = spec
        self.clock = clock
        tape = (
            ReplayTape(spec.candles, spec.market_params, spec.seed, spec.start)
            if spec.candles is not None
            else SimulatedTape(spec.market_params, spec.seed, spec.start, spec.start_px)
        )
        self.market = Market(tape, spec.market_params)
        self.books: dict[str, VenueBook] = {}
        self.exchanges: dict[str, MockExchange] = {}
        osl_rules, hashkey_rules = PairRules(), HashKeyRules()
        symbol = spec.base + spec.quote
        for name, grid in (
            ("osl", VenueGrid(osl_rules.tick, osl_rules.step)),
            ("hashkey", VenueGrid(hashkey_rules.tick, hashkey_rules.step)),
        ):
            self.books[name] = self.market.venue(name, spec.venue_params, grid)
            self.exchanges[name] = MockExchange(
                self.market,
                self.books[name],
                clock,
                symbol=symbol,
                base=spec.base,
                quote=spec.quote,
                taker_fee=FEES[name][0],
                maker_fee=FEES[name][1],
                balances=self._credited(name, "exchange" if name == "osl" else "trading"),
                # OSL does not document that it refuses a known id: its mock takes both, so a double send shows.
                refuse_duplicates=name != "osl",
                min_order_fee=HASHKEY_MIN_ORDER_FEE if name == "hashkey" else Decimal(0),
            )
        self.apps: Mapping[str, Starlette] = {
            "osl": osl_face(
                {symbol: self.exchanges["osl"]},
                {symbol: Dealers(self.market, spec.market_params, spec.seed)},
                clock,
                api_key=API_KEY,
                secret=SECRET,
                brokerage=self._credited("osl", "brokerage"),
                rules={symbol: osl_rules},
            ),
            "hashkey": hashkey_face(
                {symbol: self.exchanges["hashkey"]},
                {symbol: Dealers(self.market, spec.market_params, spec.seed + _SECOND_DEALERS)},
                clock,
                api_key=API_KEY,
                secret=SECRET,
                rules={symbol: hashkey_rules},
                rfq_accept_path=RFQ_ACCEPT_PATH,
            ),
        }

    def _credited(self, venue: str, account: str) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for credit in self.spec.credits:
            if credit.venue == venue and credit.account == account:
                found[credit.asset] = found.get(credit.asset, Decimal(0)) + credit.qty
        return found

    def client(self, venue: str) -> httpx.AsyncClient:
        """An HTTP client whose wire ends in the venue's app, with the latency of the specification."""
        wire = Delayed(httpx.ASGITransport(self.apps[venue]), self.spec.latency)
        return httpx.AsyncClient(transport=wire, timeout=httpx.Timeout(10))

    def cash(self, venue: str) -> Decimal:
        """The quote asset on the venue's books, all purses: what the sales must have brought, to the last digit."""
        cash = self.exchanges[venue].wallet(self.spec.quote)
        total = cash.free + cash.locked
        if venue == "osl":
            purse = self.apps["osl"].state.brokerage.wallets.get(self.spec.quote)
            total += purse.free + purse.locked if purse is not None else Decimal(0)
        return total


class Delayed(httpx.AsyncBaseTransport):
    """A wire that takes ``one_way`` seconds in each direction."""

    def __init__(self, inner: httpx.AsyncBaseTransport, one_way: timedelta) -> None:
        self._inner = inner
        self._one_way = one_way

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._one_way.total_seconds())
        response = await self._inner.handle_async_request(request)
        await asyncio.sleep(self._one_way.total_seconds())
        return response


def world_start(now: datetime) -> datetime:
    """When a simulated market on the wall clock begins: a minute before ``now``, on the full second."""
    return now.replace(microsecond=0) - timedelta(minutes=1)
