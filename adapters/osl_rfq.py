"""OSL's v3 brokerage: request for quote, acceptance, and the ledger and purse behind them.

There is no client order id. The quote id, an opaque text of some 350 characters, is the key that trades once at most:
accepting it again answers ``s100005``, and the trade is then read from the ledger. The ledger does not hold the quote
id (its field of that name holds the trade id), so a trade is recognised by currency pair, exact amounts and time.

Requests go out one at a time: each carries a ``tonce`` above the last, and two on the way could overtake each other.
Source: OSL docs, "Get quote" and "Execute trade"; ledger and account as seen in the sandbox.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import httpx

from adapters.amounts import plain
from adapters.osl_errors import ALREADY_TRADED, NAME, quote_error, reading, trade_error, v3_read_error
from adapters.osl_json import Malformed, error_of, flag, mapping, number, rows, text, text_or_empty, time_ms
from adapters.osl_settings import OslSettings
from adapters.osl_sign import Tonce, sign_v3
from adapters.transport import Answer, Transport
from adapters.venue import (
    Balance,
    Fill,
    Quote,
    QuoteTrade,
    Rejected,
    RejectReason,
    Unauthorized,
    Unknown,
    VenueError,
)

ACCOUNT = "brokerage"
_MAX_PAGES = 40
_LEDGER_RESOLUTION = timedelta(seconds=1)  # the ledger's times are whole seconds
_QUOTE = "api/3/retail/quote"
_TRADE = "api/3/retail/trade"
_LEDGER = "api/3/transaction/list"
_ACCOUNT = "api/3/account"


@dataclass(frozen=True, slots=True)
class _LedgerRow:
    trade_id: str
    asset: str
    amount: Decimal  # negative when it left the purse
    fee: Decimal
    at: datetime
    state: str


class Rfq:
    """The calls of the v3 family. ``venue_now`` is the venue's time."""

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
        self._tonce = Tonce()
        self._in_turn = asyncio.Lock()

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        """Ask for a price. A quote moves nothing and reserves nothing, so asking is a reading."""
        asked = {
            "buyTradedCurrency": False,
            "tradedCurrency": base,
            "settlementCurrency": quote,
            "tradedCurrencyAmount": plain(qty),
        }
        answer = await self._read("POST", _QUOTE, {"quoteRequest": asked})
        body = answer.data if isinstance(answer.data, dict) else {}
        told = body.get("quoteResponse")
        row = told if isinstance(told, dict) else {}
        codes = _codes(row, body)
        if answer.status in (401, 403):
            raise Unauthorized(NAME, "key, signature or permission refused", code=codes[0] or str(answer.status))
        given = row.get("responseCode") == "FULL_QUOTE" and body.get("resultCode") == "OK"
        if answer.status != 200 or not given or text_or_empty(row, "errorCode") or error_of(body):
            raise quote_error(codes)
        with reading():
            got = _quote(row, base, quote)
        if got.qty != qty:
            raise Rejected(NAME, f"asked for {qty} {base}, quoted for {got.qty}", reason=RejectReason.SIZE)
        return got

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        """Accept once. Only a plain ``EXECUTED`` for exactly this quote, or the same trade in the ledger, is a fill."""
        body = {"tradeRequest": {"quoteId": quote.quote_id}}
        async with self._in_turn:
            answer = await self._transport.write(self._signed("POST", _TRADE, body))
        data = answer.data if isinstance(answer.data, dict) else {}
        told = data.get("tradeResponse")
        row = told if isinstance(told, dict) else {}
        codes = _codes(row, data)
        if any("TONCE" in code.upper() for code in codes):
            # A tonce is refused when it was used before: a copy of this very request may have been executed.
            raise Unknown(
                NAME, "refused for its tonce: a copy of the request may have come first", code="INVALID_TONCE"
            )
        if answer.status in (401, 403):
            raise Unauthorized(NAME, "key, signature or permission refused", code=codes[0] or str(answer.status))
        if ALREADY_TRADED in codes:
            return await self._traded_before(quote, client_order_id)
        executed = row.get("responseCode") == "EXECUTED" and not text_or_empty(row, "errorCode")
        if answer.status == 200 and executed and data.get("resultCode") == "OK" and not error_of(data):
            try:
                return _fill(row, data, quote, client_order_id)
            except Malformed as fault:
                raise Unknown(NAME, f"quote accepted, but {fault}") from None
        error = trade_error(codes)
        if answer.status != 200 and not isinstance(error, Unknown):
            raise Unknown(NAME, error.message, code=f"{answer.status} {error.code}")
        raise error

    async def quote_trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        """Sales of ``base`` for ``quote`` in the ledger, oldest first. Half a trade in the ledger is no reading."""
        with reading():
            return _sales(await self._ledger(since), base, quote, since)

    async def balances(self) -> list[Balance]:
        """The brokerage purse. OSL states only what is available in it."""
        answer = await self._read(self._settings.v3_read_method, _ACCOUNT, {})
        body = _read_body(answer)
        with reading():
            wallets = mapping(mapping(body.get("data"), "data").get("Wallets"), "data.Wallets")
            return [_balance(asset, mapping(wallet, asset)) for asset, wallet in wallets.items()]

    # --- inside -----------------------------------------------------------------------------------------------

    async def _traded_before(self, quote: Quote, client_order_id: str) -> Fill:
        """The trade that an earlier acceptance of this quote made, if the ledger leaves no doubt which it is."""
        try:
            trades = await self.quote_trades(quote.base, quote.quote, quote.created_at)
        except VenueError as error:
            raise Unknown(
                NAME,
                f"the quote was traded before; its ledger entry cannot be read: {error.message}",
                code=ALREADY_TRADED,
                exists=True,
            ) from None
        same = [trade for trade in trades if trade.qty == quote.qty and trade.notional == quote.notional]
        if len(same) != 1:
            raise Unknown(
                NAME,
                f"the quote was traded before; {len(same)} ledger entries have its amounts",
                code=ALREADY_TRADED,
                exists=True,
            )
        trade = same[0]
        return Fill(
            trade.trade_id,
            client_order_id,
            trade.trade_id,
            f"{quote.base}{quote.quote}",
            trade.qty,
            quote.px,
            trade.notional,
            trade.fee,
            quote.quote,
            trade.at,
        )

    async def _ledger(self, since: datetime) -> list[_LedgerRow]:
        """Trade rows back to ``since``. Neither order nor paging is documented: reading stops at a short page, or once
        pages that run from new to old have passed ``since``; a page that brings nothing new is a fault."""
        page = self._settings.ledger_page
        seen: dict[tuple[str, str, str], Mapping[str, object]] = {}
        offset = 0
        for _ in range(_MAX_PAGES):
            body: dict[str, object] = {"lang": "en-US", "max": page}
            if offset:
                body["offset"] = offset
            answer = await self._read(self._settings.v3_read_method, _LEDGER, body)
            listed = rows(_read_body(answer).get("transactions"), "transactions")
            fresh = {_row_key(row): row for row in listed}
            if fresh and fresh.keys() <= seen.keys():
                raise Malformed("the ledger repeats itself instead of going on")
            seen.update(fresh)
            if len(listed) < page or _passed(listed, since):
                return [_ledger_row(row) for row in seen.values() if _is_trade(row)]
            offset += len(listed)
        raise Malformed("the ledger does not end")

    async def _read(self, method: str, path: str, body: Mapping[str, object]) -> Answer:
        async with self._in_turn:
            return await self._transport.read(self._signed(method, path, body))

    def _signed(self, method: str, path: str, body: Mapping[str, object]) -> Callable[[], httpx.Request]:
        url = f"{self._settings.base_url.rstrip('/')}/{path}"

        def build() -> httpx.Request:
            content = json.dumps({**body, "tonce": self._tonce.next(self._venue_now())})
            request = self._client.build_request(method, url, content=content)
            signature = sign_v3(self._settings.secret.get_secret_value(), path, content)
            request.headers["Rest-Key"] = self._settings.api_key.get_secret_value()
            request.headers["Rest-Sign"] = signature
            request.headers["Content-Type"] = "application/json"
            return request

        return build


def _codes(row: Mapping[str, object], body: Mapping[str, object]) -> list[str]:
    """Every code in an answer, the most specific first, empty where there is none."""
    error = error_of(body)
    return [
        text_or_empty(row, "errorCode"),
        text_or_empty(row, "responseCode"),
        text_or_empty(body, "errorCode"),
        text_or_empty(body, "resultCode"),
        (error[0] or "error") if error else "",
    ]


def _read_body(answer: Answer) -> Mapping[str, object]:
    body = answer.data if isinstance(answer.data, dict) else {}
    codes = _codes({}, body)
    if answer.status != 200 or any(code not in ("", "OK") for code in codes):
        raise v3_read_error(answer.status, codes)
    return body


def _quote(row: Mapping[str, object], base: str, quote: str) -> Quote:
    _same_trade(row, base, quote)
    qty, px = number(row, "quotedTradedCurrencyAmount"), number(row, "executedPrice")
    notional = number(row, "quotedSettlementCurrencyAmount")
    if qty <= 0 or px <= 0 or notional <= 0:
        raise Malformed("a quote with an amount of zero or less")
    created_at, expires_at = time_ms(row, "quoteCreatedAt"), time_ms(row, "quoteExpiresAt")
    return Quote(NAME, text(row, "quoteId"), base, quote, qty, px, notional, created_at, expires_at)


def _fill(row: Mapping[str, object], body: Mapping[str, object], quote: Quote, client_order_id: str) -> Fill:
    """The fill that an ``EXECUTED`` states. The documented price is all-in: there is no fee beside it."""
    _same_trade(row, quote.base, quote.quote)
    if text_or_empty(row, "quoteId") not in ("", quote.quote_id):
        raise Malformed("the answer is about another quote")
    qty, notional = number(row, "quotedTradedCurrencyAmount"), number(row, "quotedSettlementCurrencyAmount")
    if qty != quote.qty or notional != quote.notional:
        raise Malformed("the answer states other amounts than the quote")
    trade_id = text(row, "tradeId")
    return Fill(
        trade_id,
        client_order_id,
        trade_id,
        f"{quote.base}{quote.quote}",
        qty,
        number(row, "executedPrice"),
        notional,
        Decimal(0),
        quote.quote,
        time_ms(body, "timestamp"),
    )


def _same_trade(row: Mapping[str, object], base: str, quote: str) -> None:
    if flag(row, "buyTradedCurrency"):
        raise Malformed("the answer is about a purchase")
    if text(row, "tradedCurrency") != base or text(row, "settlementCurrency") != quote:
        raise Malformed("the answer is about another pair of currencies")


def _balance(asset: str, wallet: Mapping[str, object]) -> Balance:
    available = mapping(wallet.get("Brokerage_Available_Balance"), f"{asset}.Brokerage_Available_Balance")
    return Balance(ACCOUNT, asset, number(available, "value"), Decimal(0))


# --- the ledger -------------------------------------------------------------------------------------------------


def _is_trade(row: Mapping[str, object]) -> bool:
    return row.get("transactionType") in ("TRADE_CREDIT", "TRADE_DEBIT")


def _row_key(row: Mapping[str, object]) -> tuple[str, str, str]:
    """What makes a ledger row itself: its own id, else the trade's row of that currency."""
    return text_or_empty(row, "uuid"), text_or_empty(row, "tradeId"), text_or_empty(row, "ccy")


def _passed(listed: list[Mapping[str, object]], since: datetime) -> bool:
    first, last = time_ms(listed[0], "received"), time_ms(listed[-1], "received")
    return last < first and last + _LEDGER_RESOLUTION < since


def _ledger_row(row: Mapping[str, object]) -> _LedgerRow:
    amount = number(row, "amount")
    if (amount < 0) != (row.get("transactionType") == "TRADE_DEBIT"):
        raise Malformed("a ledger amount and its type disagree about its sign")
    return _LedgerRow(
        text(row, "tradeId"),
        text(row, "ccy"),
        amount,
        number(row, "fee"),
        time_ms(row, "received"),
        text_or_empty(row, "transactionState"),
    )


def _sales(ledger: list[_LedgerRow], base: str, quote: str, since: datetime) -> list[QuoteTrade]:
    """Pair the two rows of each trade; keep sales of ``base`` for ``quote`` from ``since`` on."""
    by_trade: dict[str, list[_LedgerRow]] = {}
    for row in ledger:
        # A time in whole seconds may lie up to a second before the moment that it stands for.
        if row.at + _LEDGER_RESOLUTION > since:
            by_trade.setdefault(row.trade_id, []).append(row)
    sales = []
    for trade_id, pair in by_trade.items():
        assets = {row.asset for row in pair}
        if not assets & {base, quote}:
            continue
        if len(pair) != 2 or len(assets) != 2:
            raise Malformed("the ledger shows half a trade")
        out, into = sorted(pair, key=lambda row: row.amount)
        if (out.asset, into.asset) != (base, quote):
            continue
        if {out.state, into.state} != {"PROCESSED"}:
            raise Malformed("a trade in the ledger is not PROCESSED")
        if out.amount >= 0 or into.amount <= 0:
            raise Malformed("a trade in the ledger has two amounts of one sign")
        if out.fee != 0 or into.fee < 0:
            raise Malformed("a trade in the ledger has a fee in the asset sold, or one below zero")
        sales.append(QuoteTrade(trade_id, base, quote, -out.amount, into.amount, into.fee, max(out.at, into.at)))
    return sorted(sales, key=lambda trade: trade.at)
