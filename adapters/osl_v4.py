"""OSL's v4 order book: signed requests, and what each answer says.

Amounts are JSON strings, symbols are concatenated (``BTCUSD``), times ISO-8601 UTC. Source: OSL docs, REST V4 pages;
reply names that those pages leave out come from :class:`adapters.osl_settings.V4Fields`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx

from adapters.amounts import plain, product
from adapters.osl_errors import NAME, reading, v4_cancel_error, v4_order_error, v4_read_error
from adapters.osl_json import (
    Malformed,
    error_of,
    iso,
    mapping,
    number,
    number_or_none,
    rows,
    text,
    text_or_empty,
    time_iso,
)
from adapters.osl_settings import OslSettings
from adapters.osl_sign import sign_v4
from adapters.transport import Answer, Transport
from adapters.venue import (
    Balance,
    Fill,
    NewOrder,
    NotSent,
    OrderRef,
    OrderReport,
    OrderStatus,
    Rejected,
    RejectReason,
    TimeInForce,
    Unknown,
    VenueError,
)

ORDERS_PAGE = 1000  # documented maximum
CANCELS_PER_REQUEST = 100  # our choice: no maximum is documented
_MAX_PAGES = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

_TIF = {
    TimeInForce.GTC: "GoodTillCancel",
    TimeInForce.IOC: "ImmediateOrCancel",
    TimeInForce.FOK: "FillOrKill",
}
# ``Replaced`` is left out on purpose: this program never amends, so a replaced order is somebody else's doing.
_STATUS = {
    "New": OrderStatus.NEW,
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "Rejected": OrderStatus.REJECTED,
    "Suspended": OrderStatus.SUSPENDED,
    "Expired": OrderStatus.EXPIRED,
    "Withdrawn": OrderStatus.CANCELED,
}
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{1,20}")


class V4:
    """The calls of the v4 family. ``venue_now`` is the venue's time, by which requests expire."""

    def __init__(
        self,
        settings: OslSettings,
        transport: Transport,
        client: httpx.AsyncClient,
        venue_now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._client = client
        self._venue_now = venue_now
        self._client_id_key = settings.client_id_on_create or ""

    # --- orders -----------------------------------------------------------------------------------------------

    async def place(self, order: NewOrder) -> OrderReport:
        if not self._client_id_key:
            raise Rejected(NAME, "client_id_on_create is not set", reason=RejectReason.NOT_CONFIGURED)
        if not _CLIENT_ID.fullmatch(order.client_order_id):
            raise Rejected(NAME, "client order ids are 1 to 20 of A-Z a-z 0-9 -", reason=RejectReason.INVALID)
        body = {
            "symbol": order.symbol,
            "side": "Sell",
            "ordType": "Limit",
            "orderQty": plain(order.qty),
            "price": plain(order.limit_px),
            "timeInForce": _TIF[order.time_in_force],
            self._client_id_key: order.client_order_id,
        }
        if order.post_only:
            body["execInst"] = "PostOnly"
        answer = await self._transport.write(self._signed("POST", "/api/v4/order", {}, body), not_after=order.not_after)
        error = error_of(answer.data)
        if answer.status != 200 or error is not None:
            raise v4_order_error(answer.status, *(error or ("", "")))
        try:
            return self._placed(order, mapping(answer.data, "the answer"))
        except Malformed as fault:
            raise Unknown(NAME, f"order sent, but {fault}") from None

    async def cancel(self, refs: Sequence[OrderRef]) -> None:
        """One request for all of ``refs``, which must all have a client id or all have none. Raises the first error."""
        key = "clOrdID" if refs[0].client_order_id else "orderID"
        ids = [ref.client_order_id or ref.venue_order_id for ref in refs]
        answer = await self._transport.write(self._signed("DELETE", "/api/v4/order", {}, {key: ids}))
        faults = [fault for ref in refs if (fault := _cancel_fault(answer, ref)) is not None]
        if faults:
            raise faults[0]

    async def query(self, ref: OrderRef) -> OrderReport | None:
        """The order among the open ones, else among the finished ones: the default view hides finished orders."""
        by_venue_id = bool(ref.venue_order_id)
        name, value = ("orderID", ref.venue_order_id) if by_venue_id else ("clOrdID", ref.client_order_id)
        for is_open in ("true", "false"):
            try:
                data = await self._read("/api/v4/order", {"symbol": ref.symbol, "open": is_open, name: value})
            except Rejected as refused:
                if refused.reason is RejectReason.NOT_FOUND and refused.code != "INVALID_SYMBOL":
                    continue
                raise
            with reading():
                found = self._named(data, ref)
            if found is not None:
                return found
        return None

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        query = {"symbol": symbol, "open": "true"}
        pages = await self._pages("/api/v4/order", query, ORDERS_PAGE, "orderID")
        with reading():
            return [self._report(row) for row in pages]

    async def fills(self, ref: OrderRef) -> list[Fill]:
        """Executions in chronological order. The fixed ``endTime`` keeps pages from shifting; it lies one request
        window ahead so that a venue whose clock is ahead of what we measured does not hide its newest."""
        by_venue_id = not ref.client_order_id
        name, value = ("orderID", ref.venue_order_id) if by_venue_id else ("clOrdID", ref.client_order_id)
        end = iso(self._venue_now() + timedelta(seconds=self._settings.expires_in_s))
        query = {"symbol": ref.symbol, name: value, "reverse": "false", "endTime": end}
        page, trade_id = self._settings.executions_page, self._settings.fields.trade_id
        pages = await self._pages("/api/v4/execution", query, page, trade_id)
        with reading():
            fills = [self._fill(row, ref) for row in pages]
        return sorted(fills, key=lambda fill: fill.at)

    async def wallet(self) -> list[Balance]:
        """The exchange purse, which pays for book orders. Brokerage money is not in it."""
        data = await self._read("/api/v4/user/wallet", {})
        with reading():
            return [_balance(row) for row in rows(data, "the wallet")]

    # --- reading answers --------------------------------------------------------------------------------------

    def _placed(self, order: NewOrder, row: Mapping[str, object]) -> OrderReport:
        report = self._report(row)
        if report.symbol != order.symbol:
            raise Malformed(f"the answer is about {report.symbol}")
        if report.qty not in (None, order.qty) or text_or_empty(row, "side") not in ("", "Sell"):
            raise Malformed("the answer is about another quantity or side")
        if self._client_id_key in row and report.client_order_id != order.client_order_id:
            raise Malformed("the answer is about another client order id")
        return OrderReport(
            order.client_order_id,
            report.venue_order_id,
            report.symbol,
            report.status,
            report.raw_status,
            order.qty,
            report.cum_qty,
            report.avg_px,
        )

    def _named(self, data: object, ref: OrderRef) -> OrderReport | None:
        """The one row about ``ref``. A row that does not say whose it is proves nothing either way."""
        found: list[OrderReport] = []
        for row in rows(data, "the list of orders"):
            report = self._report(row)
            if not ref.venue_order_id and not report.client_order_id:
                raise Malformed("an order in the answer does not carry our id: is client_id_on_create right?")
            mine = report.venue_order_id == ref.venue_order_id or (
                bool(ref.client_order_id) and report.client_order_id == ref.client_order_id
            )
            if mine:
                found.append(report)
        if len({report.venue_order_id for report in found}) > 1:
            raise Malformed(f"more than one order answers to {ref.client_order_id}")
        return found[0] if found else None

    def _report(self, row: Mapping[str, object]) -> OrderReport:
        names = self._settings.fields
        raw = text(row, "ordStatus")
        status = _STATUS.get(raw, OrderStatus.UNRECOGNISED)
        qty = number_or_none(row, "orderQty")
        cum = number_or_none(row, names.cum_qty)
        leaves = number_or_none(row, names.leaves_qty)
        live = status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
        if live and qty is not None and cum is not None and leaves is not None and cum + leaves != qty:
            raise Malformed(f"{names.cum_qty} and {names.leaves_qty} do not add up to orderQty: are the names right?")
        return OrderReport(
            text_or_empty(row, self._client_id_key),
            text(row, "orderID"),
            text(row, "symbol"),
            status,
            raw,
            qty,
            cum,
            number_or_none(row, "avgPx") or None,
        )

    def _fill(self, row: Mapping[str, object], ref: OrderRef) -> Fill:
        names = self._settings.fields
        named = text_or_empty(row, self._client_id_key)
        venue_order_id = text_or_empty(row, "orderID")
        other = (named and ref.client_order_id and named != ref.client_order_id) or (
            venue_order_id and ref.venue_order_id and venue_order_id != ref.venue_order_id
        )
        if other:
            raise Malformed("an execution of another order is in the answer")
        if text_or_empty(row, "side") not in ("", "Sell"):
            raise Malformed("an execution that is no sale is in the answer")
        qty, px, fee = number(row, names.trade_qty), number(row, names.trade_px), number(row, names.fee)
        if qty <= 0 or px <= 0 or fee < 0:
            raise Malformed("an execution has a quantity or price of zero or less, or a fee below zero")
        try:
            notional = product(px, qty)
        except ArithmeticError:
            raise Malformed("an execution has a quantity or price of more digits than any amount") from None
        return Fill(
            text(row, names.trade_id),
            ref.client_order_id,
            venue_order_id or ref.venue_order_id,
            ref.symbol,
            qty,
            px,
            notional,
            fee,
            text(row, names.fee_asset),
            time_iso(row, names.trade_time),
        )

    # --- requests ---------------------------------------------------------------------------------------------

    async def _read(self, path: str, query: Mapping[str, str]) -> object:
        answer = await self._transport.read(self._signed("GET", path, query, None))
        error = error_of(answer.data)
        if answer.status != 200 or error is not None:
            raise v4_read_error(answer.status, *(error or ("", "")))
        return answer.data

    async def _pages(self, path: str, query: Mapping[str, str], page: int, id_key: str) -> list[Mapping[str, object]]:
        """All rows of a list by offset, each once."""
        seen: dict[str, Mapping[str, object]] = {}
        start = 0
        for _ in range(_MAX_PAGES):
            data = await self._read(path, {**query, "start": str(start), "count": str(page)})
            with reading():
                listed = rows(data, "the list")
                part = {text(row, id_key): row for row in listed}
            if part and part.keys() <= seen.keys():
                raise NotSent(NAME, "the list repeats itself instead of going on")
            seen.update(part)
            if len(listed) < page:
                return list(seen.values())
            start += len(listed)
        raise NotSent(NAME, "the list does not end")

    def _signed(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, object] | None
    ) -> Callable[[], httpx.Request]:
        url = f"{self._settings.base_url.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        content = "" if body is None else json.dumps(body)

        def build() -> httpx.Request:
            request = self._client.build_request(method, url, content=content or None)
            # Sign what the request holds, not what we meant it to hold.
            target = request.url.raw_path.decode("ascii")
            expires = (self._venue_now() - _EPOCH) // _SECOND + self._settings.expires_in_s
            secret = self._settings.secret.get_secret_value()
            request.headers["api-key"] = self._settings.api_key.get_secret_value()
            request.headers["api-expires"] = str(expires)
            request.headers["api-signature"] = sign_v4(secret, method, target, expires, content)
            if content:
                request.headers["content-type"] = "application/json"
            return request

        return build


def _balance(row: Mapping[str, object]) -> Balance:
    free, total = number(row, "exchangeAvailableBalance"), number(row, "exchangeTotalBalance")
    if not 0 <= free <= total:
        raise Malformed("a balance of the wallet is below zero or above its total")
    return Balance("exchange", text(row, "currency"), free, total - free)


def _cancel_fault(answer: Answer, ref: OrderRef) -> VenueError | None:
    """What the answer says about one order. HTTP 200 means that all went well; 400 that at least one did not, and the
    body says which. How a failure is written is not documented: what is not recognised is ``Unknown``."""
    top = error_of(answer.data)
    if top is not None or answer.status in (401, 403):
        return v4_cancel_error(answer.status, *(top or ("", "")))
    succeeded = 200 <= answer.status < 300
    if succeeded and not answer.is_json:
        return None
    try:
        items = [item for item in rows(answer.data, "the answer") if _is_about(item, ref)]
    except Malformed as fault:
        return Unknown(NAME, f"cancellation sent, but {fault}")
    for item in items:
        error = error_of(item)
        if error is not None:
            return v4_cancel_error(answer.status, *error)
    done = any(text_or_empty(item, "ordStatus") == "Cancelled" for item in items)
    return None if succeeded or done else v4_cancel_error(answer.status, "", "")


def _is_about(item: Mapping[str, object], ref: OrderRef) -> bool:
    """True when the item names the order, or names none at all and so may be about it."""
    client_id, venue_id = text_or_empty(item, "clOrdID"), text_or_empty(item, "orderID")
    if client_id and ref.client_order_id:
        return client_id == ref.client_order_id
    if venue_id and ref.venue_order_id:
        return venue_id == ref.venue_order_id
    return not client_id and not venue_id
