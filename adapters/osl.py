"""OSL, Hong Kong (OSL Digital Securities Limited): the v4 order book and the v3 request for quote, as one venue.

v4 is the order-entry API of this venue whose documentation could be read in full; its successor v5 is used for public
data only. The two families have purses of their own: ``exchange`` pays for book orders, ``brokerage`` for quotes.

What OSL does not publish is configuration (:mod:`adapters.osl_settings`) or a refusal, never a guess.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import httpx

from adapters.clock import Clock
from adapters.osl_errors import NAME, reading, v4_read_error
from adapters.osl_instruments import Listing, listing
from adapters.osl_json import Malformed, amount, error_of, mapping, text_or_empty, time_ms
from adapters.osl_rfq import ACCOUNT, Rfq
from adapters.osl_settings import OslSettings, missing, wrong_site
from adapters.osl_v4 import CANCELS_PER_REQUEST, V4
from adapters.transport import Transport
from adapters.venue import (
    Balance,
    Book,
    DuplicateIds,
    Fill,
    Instrument,
    Level,
    NewOrder,
    NotSent,
    OrderRef,
    OrderReport,
    Permissions,
    Quote,
    QuoteTrade,
    Rejected,
    RejectReason,
    RfqTraits,
    VenueError,
    VenueTraits,
)

_PAUSE_AFTER_LIMIT = timedelta(seconds=60)  # v5 bans for 60 s; v3 and v4 document nothing
_PERMISSIONS = (
    "OSL has no call that shows what a key may do: look in the portal that 'Move Funds' is off and "
    "'Place and Manage Orders' is on for this key, then confirm it in the profile"
)
_CONFIRMED = "OSL has no call that shows what a key may do: an operator has confirmed that 'Move Funds' is off"


def _traits(settings: OslSettings) -> VenueTraits:
    window = timedelta(seconds=settings.expires_in_s)
    return VenueTraits(
        duplicate_ids=DuplicateIds.NOT_DOCUMENTED,
        quiet_period=settings.quiet_period,
        looks=settings.looks,
        fills_window=None,
        orders_window=None,
        request_window=window,
        client_id_max_len=20,
        orders_per_second=settings.requests_per_second,
        queries_per_second=settings.requests_per_second,
        order_account="exchange",
        settlement="pre-funded; exchange and brokerage purses are separate",
        # A request lives until api-expires: half of that life may be lost to a clock that is wrong.
        max_clock_lead=window / 2,
        max_clock_lag=window / 2,
        rfq=RfqTraits(executable=True, same_id_is_safe=True, min_life_left=timedelta(seconds=2), account=ACCOUNT),
    )


class Osl:
    """One account at OSL. Implements ``Venue`` and ``RfqVenue``."""

    name = NAME

    def __init__(self, settings: OslSettings, client: httpx.AsyncClient, clock: Clock) -> None:
        self.traits = _traits(settings)
        self._settings = settings
        self._client = client
        self._clock = clock
        self._offset = timedelta(0)
        self._listing: Listing | None = None
        self._transport = Transport(
            NAME,
            client,
            clock,
            queries_per_second=settings.requests_per_second,
            orders_per_second=settings.requests_per_second,
            timeout=timedelta(seconds=settings.timeout_s),
            throttle_pause=_PAUSE_AFTER_LIMIT,
        )
        self._v4 = V4(settings, self._transport, client, self._venue_now)
        self._rfq = Rfq(settings, self._transport, client, self._venue_now)

    # --- account and site -------------------------------------------------------------------------------------

    @property
    def simulated(self) -> bool:
        """The far end has said that it is simulated."""
        return self._transport.simulated

    async def start(self) -> None:
        """Check site and settings, measure the clock, load pairs, and prove both kinds of signature on the purses."""
        site = wrong_site(self._settings.base_url)
        if site:
            raise Rejected(NAME, site, reason=RejectReason.NOT_ALLOWED)
        gaps = missing(self._settings)
        if gaps:
            raise Rejected(NAME, gaps, reason=RejectReason.NOT_CONFIGURED)
        await self.clock_offset()
        await self.instruments()
        await self.balances()

    async def clock_offset(self) -> timedelta:
        """From ``/api/v5/time``: answers although it is not listed. Half of the round trip is taken off, counted from
        the sending and not from the call: waiting for the rate limit is no part of it."""
        sent_at: list[datetime] = []
        data = await self._public("/api/v5/time", sending=lambda: sent_at.append(self._clock.now()))
        answered_at = self._clock.now()
        with reading():
            told = time_ms(mapping(data, "the time"), "serverTime")
        self._offset = told - (sent_at[-1] + (answered_at - sent_at[-1]) / 2)
        return self._offset

    async def permissions(self) -> Permissions:
        off = self._settings.withdrawals_confirmed_off
        return Permissions(trade=None, withdraw=False if off else None, note=_CONFIRMED if off else _PERMISSIONS)

    async def balances(self) -> list[Balance]:
        purses = [*await self._v4.wallet(), *await self._rfq.balances()]
        return [purse for purse in purses if purse.free or purse.locked]

    async def aclose(self) -> None:
        await self._client.aclose()

    # --- market -----------------------------------------------------------------------------------------------

    async def instruments(self) -> dict[str, Instrument]:
        """Fees for planning are those set for this account, else the default rates of ``/api/v5/symbols``, which
        differ by pair where one published figure does not. What was really charged stands in each fill."""
        v4 = await self._public("/api/v4/instrument")
        v5 = await self._public("/api/v5/symbols")
        static = await self._public("/api/3/currencyStatic")
        with reading():
            self._listing = listing(v4, v5, static, self._settings)
        return dict(self._listing.instruments)

    @property
    def left_out(self) -> dict[str, str]:
        """Pairs that the last reading could not make sense of, each with the reason."""
        return dict(self._listing.left_out) if self._listing else {}

    def symbol(self, base: str, quote: str) -> str:
        return f"{base}{quote}"

    async def book(self, symbol: str) -> Book:
        """``updateTime`` is when the answer was made, not when the book changed, so ``changed_at`` stays empty."""
        query = {"symbol": symbol, "depth": self._settings.book_depth}
        data = await self._public("/api/v4/orderBook/L2", query)
        received_at = self._clock.now()
        with reading():
            row = mapping(data, "the book")
            bids, asks = _levels(row.get("bids")), _levels(row.get("asks"))
        if text_or_empty(row, "symbol") not in ("", symbol):
            raise NotSent(NAME, "the book is of another symbol")
        return Book(symbol, bids, asks, received_at)

    # --- orders -----------------------------------------------------------------------------------------------

    async def place(self, order: NewOrder) -> OrderReport:
        return await self._v4.place(order)

    async def cancel(self, ref: OrderRef) -> None:
        await self._v4.cancel([ref])

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        ours = [ref for ref in refs if ref.client_order_id]
        others = [ref for ref in refs if not ref.client_order_id]
        first: VenueError | None = None
        for group in (ours, others):
            for start in range(0, len(group), CANCELS_PER_REQUEST):
                try:
                    await self._v4.cancel(group[start : start + CANCELS_PER_REQUEST])
                except VenueError as error:
                    first = first or error
        if first is not None:
            raise first

    async def query(self, ref: OrderRef) -> OrderReport | None:
        return await self._v4.query(ref)

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        return await self._v4.open_orders(symbol)

    async def fills(self, ref: OrderRef) -> list[Fill]:
        return await self._v4.fills(ref)

    # --- request for quote ------------------------------------------------------------------------------------

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        """Refused without asking when ``currencyStatic`` does not open the pair to sellers."""
        if self._listing is None:
            await self.instruments()
        assert self._listing is not None
        why = self._listing.brokerage.get((base, quote), "the brokerage does not list the pair")
        if why:
            raise Rejected(NAME, f"{base}/{quote}: {why}", reason=RejectReason.NOT_ALLOWED)
        return await self._rfq.quote(base, quote, qty)

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        return await self._rfq.accept(quote, client_order_id)

    async def quote_trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        return await self._rfq.quote_trades(base, quote, since)

    # --- inside -----------------------------------------------------------------------------------------------

    def _venue_now(self) -> datetime:
        return self._clock.now() + self._offset

    async def _public(
        self, path: str, query: dict[str, str] | None = None, sending: Callable[[], None] = lambda: None
    ) -> object:
        url = f"{self._settings.base_url.rstrip('/')}{path}"

        def build() -> httpx.Request:
            sending()
            return self._client.build_request("GET", url, params=query)

        answer = await self._transport.read(build)
        error = error_of(answer.data)
        if answer.status != 200 or error is not None:
            raise v4_read_error(answer.status, *(error or ("", "")))
        return answer.data


def _levels(value: object) -> tuple[Level, ...]:
    """``[["price", "quantity"], ...]``; best first, as sent."""
    if not isinstance(value, list):
        raise Malformed("a side of the book is not a JSON array")
    levels = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Malformed("a level of the book is not a price and a quantity")
        levels.append(Level(amount(pair[0], "price"), amount(pair[1], "quantity")))
    return tuple(levels)
