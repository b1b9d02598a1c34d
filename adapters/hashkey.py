"""HashKey Exchange, Hong Kong: spot order book and account, plus quotes of the Instant RFQ.

Sources are named "HashKey docs" with their chapter. Whatever the public documents leave open is either configured by
the operator (:class:`HashKeySettings`) or refused here; nothing is guessed.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

import httpx

from adapters import hashkey_parse as parse
from adapters.clock import Clock
from adapters.hashkey_errors import NO_SUCH_ORDER, VENUE, VERIFY_ONCE, Action, classify, code_of, text_of
from adapters.hashkey_parse import Malformed, MarketOrderBounds, Rates
from adapters.hashkey_rfq import InstantRfq
from adapters.hashkey_wire import HashKeySettings, HashKeyWire, Params, unusable
from adapters.venue import (
    Balance,
    Book,
    DuplicateIds,
    Fill,
    Instrument,
    NewOrder,
    NotSent,
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
    Unauthorized,
    Unknown,
    VenueError,
    VenueTraits,
)

__all__ = ["HashKey", "HashKeySettings"]

SITE = "HK"  # one host serves several licensed entities; only this one is the Hong Kong platform
CLIENT_ID_MAX_LEN = 20  # the documents allow 255; the executor's ids are 20 at most
BOOK_DEPTH = 100  # never more a side on the wire, whatever the documents say
OPEN_ORDERS_LIMIT = 1000
BULK_CANCEL_LIMIT = 100
HEAVY = 5  # weight of account, account/type and vipInfo

T = TypeVar("T")


class HashKey:
    """One account at HashKey Exchange HK. Implements ``Venue`` and ``RfqVenue``.

    ``market_bounds`` and ``unreadable`` are refreshed with every :meth:`instruments`: the bounds on market orders by
    symbol, and why a symbol of the catalogue could not be read.
    """

    def __init__(self, settings: HashKeySettings, client: httpx.AsyncClient, clock: Clock) -> None:
        self.name = VENUE
        self.traits = _traits(settings)
        self.market_bounds: dict[str, MarketOrderBounds] = {}
        self.unreadable: dict[str, str] = {}
        self._settings = settings
        self._client = client
        self._clock = clock
        self._wire = HashKeyWire(settings, client, clock)
        self._rfq = InstantRfq(settings, self._wire)
        self._purses: list[tuple[str, str | None]] = []

    # --- start and catalogue ------------------------------------------------------------------------------------

    @property
    def simulated(self) -> bool:
        """The far end has said that it is simulated."""
        return self._wire.simulated

    async def start(self) -> None:
        """Measure the clock, refuse any site but Hong Kong, check the key, find the accounts, load pairs and fees."""
        await self._wire.measure_clock()
        await self.instruments()
        await self.permissions()
        self._purses = await self._read_purses()

    async def clock_offset(self) -> timedelta:
        return await self._wire.measure_clock()

    async def permissions(self) -> Permissions:
        """``checkApiKey`` answers for a valid key, but tells only the type of account."""
        data = await self._wire.get("/api/v1/account/checkApiKey")
        kind = _read(lambda: parse.text(parse.row(data, "checkApiKey"), "accountType"), Action.READ)
        off = self._settings.withdrawals_confirmed_off
        seen = "an operator has confirmed that the key cannot withdraw" if off else "an operator must confirm them"
        return Permissions(
            trade=None,
            withdraw=False if off else None,
            note=f"account type {kind}; HashKey documents no call that shows a key's permissions: {seen}",
        )

    async def instruments(self) -> dict[str, Instrument]:
        """Every spot pair of ``exchangeInfo``; ``contracts`` and ``options`` are never read."""
        info = _read_row(await self._wire.public("/api/v1/exchangeInfo"), "exchangeInfo")
        site = info.get("site")
        if site != SITE:
            raise Rejected(
                VENUE,
                f"this host serves site {site!s:.20}, not {SITE}: it must not be traded on",
                reason=RejectReason.NOT_ALLOWED,
            )
        symbols = _read(lambda: parse.rows(info.get("symbols"), "symbols"), Action.READ)
        rates = await self._rates()
        found: dict[str, Instrument] = {}
        self.market_bounds, self.unreadable = {}, {}
        for entry in symbols:
            symbol = str(entry.get("symbol"))
            try:
                fee = rates.get(symbol) or self._configured_rates()
                found[symbol] = parse.instrument(entry, self._settings.client_type, fee, self._settings.min_order_fee)
                self.market_bounds[symbol] = parse.market_order_bounds(entry)
            except Malformed as why:
                # One unreadable pair must not close the others; it is simply not there to trade.
                found.pop(symbol, None)
                self.unreadable[symbol] = str(why)
        return found

    def symbol(self, base: str, quote: str) -> str:
        return f"{base}{quote}"

    async def book(self, symbol: str) -> Book:
        data = await self._wire.public("/quote/v1/depth", {"symbol": symbol, "limit": str(BOOK_DEPTH)})
        return _read(lambda: parse.book(data, symbol, self._clock.now()), Action.READ)

    # --- orders -------------------------------------------------------------------------------------------------

    async def place(self, order: NewOrder) -> OrderReport:
        """POST ``/api/v1.1/spot/order`` (HashKey docs, Order Management). The answer is an acknowledgement without
        average or fee: query."""
        params = _order_params(order)
        try:
            data = await self._wire.send(
                "POST", "/api/v1.1/spot/order", params, Action.PLACE, not_after=order.not_after
            )
        except Rejected as refusal:
            if refusal.code not in VERIFY_ONCE:
                raise
            return await self._verified(order, refusal)
        report = _read(lambda: parse.order(data), Action.PLACE)
        if (report.client_order_id, report.symbol) != (order.client_order_id, order.symbol):
            raise Unknown(VENUE, "the answer is about another order than the one sent")
        return _unless_rejected(report, order.post_only)

    async def dry_run(self, order: NewOrder) -> None:
        """POST ``/api/v1/spot/orderTest``: the venue's own checks of an order, without placing it."""
        await self._wire.send("POST", "/api/v1/spot/orderTest", _order_params(order), Action.PLACE)

    async def cancel(self, ref: OrderRef) -> None:
        """The reply's status proves nothing (its documented sample says NEW); that it names the order is asked for."""
        named = {"clientOrderId": ref.client_order_id} if ref.client_order_id else {"orderId": ref.venue_order_id}
        data = await self._wire.send("DELETE", "/api/v1/spot/order", named, Action.CANCEL)
        _read(lambda: parse.text(parse.row(data, "cancel"), "orderId"), Action.CANCEL)

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        """``cancelOrderByIds`` for orders whose venue id is known, a hundred at a time; the others one by one, and so
        those of a bulk request that was refused as a whole: cancelling twice does no harm."""
        errors: list[VenueError] = []
        by_id = [ref for ref in refs if ref.venue_order_id]
        single = [ref for ref in refs if not ref.venue_order_id]
        for start in range(0, len(by_id), BULK_CANCEL_LIMIT):
            chunk = by_id[start : start + BULK_CANCEL_LIMIT]
            try:
                errors += await self._cancel_by_ids([ref.venue_order_id for ref in chunk])
            except (Rejected, Unauthorized):
                single += chunk
            except VenueError as error:
                errors.append(error)
        for ref in single:
            try:
                await self.cancel(ref)
            except VenueError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    async def query(self, ref: OrderRef) -> OrderReport | None:
        named = {"origClientOrderId": ref.client_order_id} if ref.client_order_id else {"orderId": ref.venue_order_id}
        try:
            data = await self._wire.get("/api/v1/spot/order", named)
        except Rejected as refusal:
            if refusal.code == NO_SUCH_ORDER:
                return None
            if refusal.reason is RejectReason.NOT_FOUND:  # no such instrument: that says nothing about the order
                raise NotSent(VENUE, f"the venue could not answer: {refusal.message}", code=refusal.code) from None
            raise
        report = _read(lambda: parse.order(data), Action.READ)
        if ref.client_order_id not in ("", report.client_order_id):
            raise NotSent(VENUE, "the answer is about another order than the one asked for")
        return report

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        params = {"symbol": symbol, "limit": str(OPEN_ORDERS_LIMIT)}
        if self._settings.account_id:
            params["accountId"] = self._settings.account_id  # else a master key may sweep its sub-accounts too
        data = await self._wire.get("/api/v1/spot/openOrders", params)
        listed = _read(lambda: [parse.order(entry) for entry in parse.rows(data, "openOrders")], Action.READ)
        if len(listed) >= OPEN_ORDERS_LIMIT:
            raise NotSent(VENUE, f"{OPEN_ORDERS_LIMIT} or more open orders: the list may not be complete")
        return listed

    async def fills(self, ref: OrderRef) -> list[Fill]:
        """``tradesByClOrderId``, to the last page. The documents do not say in which direction a page cuts, so it is
        asked below the least and above the greatest id seen, until neither brings anything new."""
        found: dict[int, Fill] = {}
        complete = await self._page(ref, {}, found)
        while not complete:
            complete = await self._page(ref, {"toId": str(min(found))}, found)
        complete = len(found) < self._settings.fills_page
        while not complete:
            complete = await self._page(ref, {"fromId": str(max(found))}, found)
        return sorted(found.values(), key=lambda one: (one.at, int(one.trade_id)))

    async def balances(self) -> list[Balance]:
        """Every account of the key by its type; the trading account is the one that pays for book orders."""
        if not self._purses:
            self._purses = await self._read_purses()
        found: list[Balance] = []
        for name, account_id in self._purses:
            params = {"accountId": account_id} if account_id else {}
            data = await self._wire.get("/api/v1/account", params, weight=HEAVY)
            found += _read(partial(parse.balances, data, name), Action.READ)
        return found

    async def aclose(self) -> None:
        await self._client.aclose()

    # --- request for quote --------------------------------------------------------------------------------------

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        return await self._rfq.quote(base, quote, qty)

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        return await self._rfq.accept(quote, client_order_id, self.symbol(quote.base, quote.quote))

    async def quote_trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        return await self._rfq.trades(base, quote, since)

    # --- inside -------------------------------------------------------------------------------------------------

    async def _rates(self) -> dict[str, Rates]:
        data = await self._wire.get("/api/v1/account/vipInfo", weight=HEAVY)
        found = _read(lambda: parse.rates(data), Action.READ)
        if not found and self._configured_rates() is None:
            raise Rejected(
                VENUE,
                "vipInfo states no fee rates; ask HashKey for this account's and configure taker_fee and maker_fee",
                reason=RejectReason.NOT_CONFIGURED,
            )
        return found

    def _configured_rates(self) -> Rates | None:
        taker, maker = self._settings.taker_fee, self._settings.maker_fee
        return None if taker is None or maker is None else Rates(taker, maker, frozenset())

    async def _read_purses(self) -> list[tuple[str, str | None]]:
        """Name and id of every account of the key. The trading account must be beyond doubt."""
        data = await self._wire.get("/api/v1/account/type", weight=HEAVY)
        listed = _read(
            lambda: [
                (parse.text(entry, "accountId"), parse.text(entry, "accountType"))
                for entry in parse.rows(data, "account/type")
            ],
            Action.READ,
        )
        trading = [account_id for account_id, kind in listed if parse.ACCOUNT_TYPES.get(kind) == "trading"]
        wanted = self._settings.account_id
        if len(trading) != 1 or wanted not in (None, trading[0]):
            raise Rejected(
                VENUE,
                f"the key sees {len(trading)} trading accounts, account_id is {wanted or 'not configured'}, and an "
                "order names no account: use a key that sees one trading account only, that of the case",
                reason=RejectReason.NOT_CONFIGURED,
            )
        # Without an id the venue answers for the key's own trading account.
        purses: list[tuple[str, str | None]] = [("trading", wanted)]
        for account_id, kind in listed:
            name = parse.ACCOUNT_TYPES.get(kind, f"type-{kind}")
            if name != "trading":
                taken = any(name == other for other, _ in purses)
                purses.append((f"{name}:{account_id}" if taken else name, account_id))
        return purses

    async def _verified(self, order: NewOrder, refusal: Rejected) -> OrderReport:
        """A refusal from a stage where an order may have been recorded: look once before believing it."""
        try:
            report = await self.query(OrderRef(order.client_order_id, order.symbol))
        except VenueError:
            raise Unknown(VENUE, f"refused, but could not be verified: {refusal.message}", code=refusal.code) from None
        if report is None:
            raise refusal
        return _unless_rejected(report, order.post_only)

    async def _cancel_by_ids(self, ids: list[str]) -> list[VenueError]:
        """One bulk cancellation; returns what failed of it. Success of the request only means "executed"."""
        params: Params = {"ids": ",".join(ids)}
        data = await self._wire.send("DELETE", "/api/v1/spot/cancelOrderByIds", params, Action.CANCEL)
        failed = _read(lambda: parse.rows(parse.row(data, "bulk cancel").get("result"), "result"), Action.CANCEL)
        return [classify(code_of(entry) or "", text_of(entry), Action.CANCEL) for entry in failed]

    async def _page(self, ref: OrderRef, bound: Params, found: dict[int, Fill]) -> bool:
        """Read one page of fills into ``found``; true when there cannot be more on that side."""
        params = {"clientOrderId": ref.client_order_id, "limit": str(self._settings.fills_page), **bound}
        data = await self._wire.get("/api/v1/account/tradesByClOrderId", params)
        listed = _read(lambda: [parse.fill(entry) for entry in parse.rows(data, "tradesByClOrderId")], Action.READ)
        if any(one.client_order_id != ref.client_order_id or not one.trade_id.isdigit() for one in listed):
            raise NotSent(VENUE, "a fill is of another order than the one asked for, or its id is not a number")
        known = len(found)
        found.update({int(one.trade_id): one for one in listed})
        return len(listed) < self._settings.fills_page or len(found) == known


def _traits(settings: HashKeySettings) -> VenueTraits:
    return VenueTraits(
        # Refusal codes for duplicates exist (-1141, -1024); their exact behaviour awaits the venue's confirmation.
        duplicate_ids=DuplicateIds.REFUSED,
        quiet_period=settings.quiet_period,
        looks=settings.looks,
        fills_window=timedelta(days=30),
        orders_window=timedelta(days=90),
        request_window=timedelta(milliseconds=settings.recv_window_ms),
        client_id_max_len=CLIENT_ID_MAX_LEN,
        orders_per_second=settings.orders_per_second,
        queries_per_second=settings.queries_per_second,
        order_account="trading",
        settlement="at once on the venue's books",
        max_clock_lead=timedelta(seconds=1),
        max_clock_lag=timedelta(milliseconds=settings.recv_window_ms),
        rfq=RfqTraits(
            executable=settings.rfq_accept_path is not None,
            same_id_is_safe=False,  # not documented
            min_life_left=timedelta(seconds=5),
            account="trading",
        ),
    )


def _order_params(order: NewOrder) -> Params:
    if len(order.client_order_id) > CLIENT_ID_MAX_LEN:
        raise Rejected(VENUE, "the client order id is too long", reason=RejectReason.INVALID)
    if order.post_only and order.time_in_force is not TimeInForce.GTC:
        raise Rejected(VENUE, "a post-only order must be GTC", reason=RejectReason.INVALID)
    return {
        "symbol": order.symbol,
        "side": "SELL",
        "type": "LIMIT_MAKER" if order.post_only else "LIMIT",
        "quantity": format(order.qty, "f"),
        "price": format(order.limit_px, "f"),
        "timeInForce": order.time_in_force.value,
        "newClientOrderId": order.client_order_id,
        "stpMode": "EXPIRE_TAKER",  # self-trade prevention; the documented default, said rather than hoped for
    }


def _unless_rejected(report: OrderReport, post_only: bool) -> OrderReport:
    """An order that the venue lists as rejected was never in the market."""
    if report.status is OrderStatus.REJECTED and not report.cum_qty:
        reason = RejectReason.WOULD_TAKE if post_only else RejectReason.OTHER
        raise Rejected(VENUE, "the order was answered with status REJECTED", code=report.raw_status, reason=reason)
    return report


def _read_row(data: object, what: str) -> parse.Row:
    return _read(lambda: parse.row(data, what), Action.READ)


def _read(parsing: Callable[[], T], action: Action) -> T:
    """Run a parser; what it cannot read leaves a write unknown and a reading without answer."""
    try:
        return parsing()
    except Malformed as why:
        raise unusable(str(why), action) from None
