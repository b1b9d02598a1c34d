"""HashKey's answers turned into the executor's values.

Numbers, ids and times arrive as JSON strings, sometimes as integers (HashKey docs, Order Management). A field that
must be there and is not, or cannot be read, raises :class:`Malformed`: nothing missing is ever taken for a zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from adapters.amounts import MOST_DIGITS, product, quotient
from adapters.venue import Balance, Book, Fill, Instrument, Level, OrderReport, OrderStatus, Quote, QuoteTrade

Row = Mapping[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_BELOW = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973: no real time is ambiguous
_QUOTE_PX = Decimal("0.00000001")

_STATUS = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "PARTIALLY_CANCELED": OrderStatus.CANCELED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "PENDING_CANCEL": OrderStatus.PENDING_CANCEL,
    "REJECTED": OrderStatus.REJECTED,
}

ACCOUNT_TYPES = {"1": "trading", "5": "custody", "6": "fiat", "7": "opt", "9": "prefund"}
CLIENT_FLAGS = {
    "retail": "retailAllowed",
    "pi": "piAllowed",
    "corporate": "corporateAllowed",
    "omnibus": "omnibusAllowed",
}


class Malformed(ValueError):
    """A field is missing or cannot be read. Its text names the field, never a value."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Fee rates of this account on one pair, as fractions, and the coin in which a sale is charged."""

    taker: Decimal
    maker: Decimal
    sell_fee_assets: frozenset[str]


@dataclass(frozen=True, slots=True)
class MarketOrderBounds:
    """Bounds that the venue puts on market orders. This service sends none; they are shown to people and recorded.
    ``None`` where the venue does not state the bound."""

    min_qty: Decimal | None
    max_qty: Decimal | None
    min_notional: Decimal | None
    max_notional: Decimal | None
    max_below_reference: Decimal | None


# --- fields -----------------------------------------------------------------------------------------------------


def row(data: object, what: str) -> Row:
    if not isinstance(data, dict):
        raise Malformed(f"{what} is not an object")
    return data


def rows(data: object, what: str) -> list[Row]:
    if not isinstance(data, list):
        raise Malformed(f"{what} is not a list")
    return [row(item, f"an element of {what}") for item in data]


def text(source: Row, name: str) -> str:
    return _text(source.get(name), name)


def number(source: Row, name: str) -> Decimal:
    return _number(source.get(name), name)


def _text(value: object, name: str) -> str:
    found = value if type(value) is str else "" if value is None or type(value) in (bool, dict, list) else str(value)
    found = found.strip()
    if not found:
        raise Malformed(f"{name} is missing")
    return found


def _number(value: object, name: str) -> Decimal:
    try:
        amount = Decimal(value if type(value) is str and value else _text(value, name))
    except InvalidOperation:
        raise Malformed(f"{name} is not a number") from None
    if not amount.is_finite() or abs(amount.adjusted()) > MOST_DIGITS:
        raise Malformed(f"{name} is not a number of this world")
    return amount


def moment(source: Row, name: str) -> datetime:
    """A time in milliseconds or in seconds, told apart by magnitude: the RFQ calls use both in the documents."""
    value = text(source, name)
    try:
        said = int(value if value.isdigit() else "")
        return _EPOCH + (timedelta(seconds=said) if said < _SECONDS_BELOW else timedelta(milliseconds=said))
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is not a time") from None


def _bound(source: Row | None, name: str) -> Decimal | None:
    """An optional bound. Zero and absent both mean none: the venue fills unused bounds with 0."""
    if source is None or source.get(name) is None:
        return None
    return number(source, name) or None


# --- catalogue --------------------------------------------------------------------------------------------------


def filters_of(symbol_row: Row) -> dict[str, Row]:
    return {text(entry, "filterType"): entry for entry in rows(symbol_row.get("filters"), "filters")}


def instrument(symbol_row: Row, client_type: str, rates: Rates | None, min_order_fee: Decimal) -> Instrument:
    """One row of ``symbols[]`` (HashKey docs, Exchange Information). Raises when a filter that we need is missing.

    ``minPrice``/``maxPrice`` of PRICE_FILTER are deprecated and ignored. The least value is the greater of
    MIN_NOTIONAL and TRADE_AMOUNT's ``minAmount``.
    """
    by_type = filters_of(symbol_row)
    for name in ("PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL", "TRADE_AMOUNT"):
        if name not in by_type:
            raise Malformed(f"filter {name} is missing")
    lot, amount, limits = by_type["LOT_SIZE"], by_type["TRADE_AMOUNT"], by_type.get("LIMIT_TRADING")
    tick, step = number(by_type["PRICE_FILTER"], "tickSize"), number(lot, "stepSize")
    if tick <= 0 or step <= 0:
        raise Malformed("tickSize or stepSize is not positive")
    quote = text(symbol_row, "quoteAsset")
    why = _why_not(symbol_row, client_type, rates, quote)
    return Instrument(
        symbol=text(symbol_row, "symbol"),
        base=text(symbol_row, "baseAsset"),
        quote=quote,
        tick_size=tick,
        step_size=step,
        min_qty=number(lot, "minQty"),
        max_qty=number(lot, "maxQty"),
        min_notional=max(number(by_type["MIN_NOTIONAL"], "minNotional"), number(amount, "minAmount")),
        max_notional=number(amount, "maxAmount"),
        taker_fee=rates.taker if rates else Decimal(0),
        maker_fee=rates.maker if rates else Decimal(0),
        trading=not why,
        why_not_trading=why,
        min_order_fee=min_order_fee,
        max_px=_bound(limits, "maxSellPrice"),
        max_below_reference=_bound(limits, "sellPriceDownRate"),
    )


def _why_not(symbol_row: Row, client_type: str, rates: Rates | None, quote: str) -> str:
    status = text(symbol_row, "status")
    if status != "TRADING":
        return f"status is {status}"
    flag = CLIENT_FLAGS[client_type]
    if symbol_row.get(flag) is not True:
        return f"not open to client type {client_type} ({flag})"
    if rates is None:
        return "no fee rate is known for this account"
    if rates.sell_fee_assets - {quote}:
        return f"the fee of a sale is not charged in {quote}"
    return ""


def market_order_bounds(symbol_row: Row) -> MarketOrderBounds:
    by_type = filters_of(symbol_row)
    lot, amount = by_type.get("LOT_SIZE"), by_type.get("TRADE_AMOUNT")
    return MarketOrderBounds(
        min_qty=_bound(lot, "marketOrderMinQty"),
        max_qty=_bound(lot, "marketOrderMaxQty"),
        min_notional=_bound(amount, "marketOrderMinAmount"),
        max_notional=_bound(amount, "marketOrderMaxAmount"),
        max_below_reference=_bound(by_type.get("MARKET_TRADING"), "sellPriceDownRate"),
    )


def rates(vip_info: object) -> dict[str, Rates]:
    """Fee rates by symbol from ``vipInfo`` (HashKey docs, Account). A row without both rates is left out."""
    data = row(vip_info, "vipInfo").get("data")
    found: dict[str, Rates] = {}
    for entry in rows(data, "data of vipInfo") if data is not None else []:
        if entry.get("actualTakerRate") is None or entry.get("actualMakerRate") is None:
            continue
        taker, maker = number(entry, "actualTakerRate"), number(entry, "actualMakerRate")
        if not (abs(taker) < 1 and abs(maker) < 1):
            raise Malformed("a fee rate is not a fraction below 1")
        names = ("sellTakerFeeCurrency", "sellMakerFeeCurrency")
        coins = frozenset(str(entry[name]) for name in names if entry.get(name))
        found[text(entry, "symbol")] = Rates(taker, maker, coins)
    return found


def book(data: object, symbol: str, received_at: datetime) -> Book:
    """``t`` is the last change of the book, which can be minutes ago on a quiet pair."""
    source = row(data, "depth")
    bids, asks = _side(source, "b"), _side(source, "a")
    if any(worse.px >= better.px for better, worse in pairwise(bids)):
        raise Malformed("bids are not in falling order")
    if any(worse.px <= better.px for better, worse in pairwise(asks)):
        raise Malformed("asks are not in rising order")
    return Book(symbol, bids, asks, received_at, changed_at=moment(source, "t"))


def _side(source: Row, name: str) -> tuple[Level, ...]:
    levels = source.get(name)
    if not isinstance(levels, list):
        raise Malformed(f"side {name} of the book is missing")
    parsed = []
    for level in levels:
        if not isinstance(level, list) or len(level) < 2:
            raise Malformed(f"a level of side {name} is not a pair")
        px, qty = _number(level[0], "price"), _number(level[1], "quantity")
        if px <= 0 or qty <= 0:
            raise Malformed(f"a level of side {name} is not positive")
        parsed.append(Level(px, qty))
    return tuple(parsed)


# --- orders and money -------------------------------------------------------------------------------------------


def order(data: object) -> OrderReport:
    """An order as create, query and open-orders answer it. The average is ``cumulativeQuoteQty / executedQty`` where
    both are stated (query), never the ``avgPrice`` field, which create does not have."""
    source = row(data, "order")
    raw = text(source, "status")
    cum_qty = number(source, "executedQty")
    qty = number(source, "origQty")
    if not Decimal(0) <= cum_qty <= qty:
        raise Malformed("executedQty is not between zero and origQty")
    avg_px = number(source, "cumulativeQuoteQty") / cum_qty if cum_qty and "cumulativeQuoteQty" in source else None
    return OrderReport(
        client_order_id=text(source, "clientOrderId"),
        venue_order_id=text(source, "orderId"),
        symbol=text(source, "symbol"),
        status=_STATUS.get(raw, OrderStatus.UNRECOGNISED),
        raw_status=raw,
        qty=qty,
        cum_qty=cum_qty,
        avg_px=avg_px,
    )


def fill(source: Row) -> Fill:
    """A row of ``tradesByClOrderId``. The whole fee is ``fee.fee`` plus ``feeSupplementaryAmount``, the part that tops
    up the minimum fee of an order; the documents do not say outright that the two add."""
    fee = row(source.get("fee"), "fee")
    qty, px = number(source, "qty"), number(source, "price")
    if qty <= 0 or px <= 0:
        raise Malformed("qty or price of a fill is not positive")
    try:
        notional = product(px, qty)
    except ArithmeticError:
        raise Malformed("qty or price of a fill has more digits than any amount") from None
    return Fill(
        trade_id=text(source, "id"),
        client_order_id=text(source, "clientOrderId"),
        venue_order_id=text(source, "orderId"),
        symbol=text(source, "symbol"),
        qty=qty,
        px=px,
        notional=notional,
        fee=number(fee, "fee") + number(source, "feeSupplementaryAmount"),
        fee_asset=text(fee, "feeCoinName" if fee.get("feeCoinName") else "feeCoinId"),
        at=moment(source, "time"),
    )


def balances(data: object, account: str) -> list[Balance]:
    """Non-empty balances of one account. ``total`` must be free plus locked, else nothing of it is believed."""
    found = []
    for entry in rows(row(data, "account").get("balances"), "balances"):
        free, locked = number(entry, "free"), number(entry, "locked")
        if number(entry, "total") != free + locked:
            raise Malformed("total is not free plus locked")
        if free or locked:
            found.append(Balance(account, text(entry, "asset"), free, locked))
    return found


# --- request for quote ------------------------------------------------------------------------------------------


def rfq_quote(data: object, venue: str, base: str, quote: str, qty: Decimal, *, executable: bool) -> Quote:
    """An Instant RFQ quote (HashKey docs, Get RFQ Quote). The price is what we would receive per unit: the meanings
    of ``rate``, ``buyPrice`` and ``sellPrice`` are not documented, the amounts are."""
    source = row(data, "quote")
    if (text(source, "buyCcy"), text(source, "sellCcy")) != (quote, base) or number(source, "sellAmount") != qty:
        raise Malformed("the quote is for another pair or amount than was asked")
    notional = number(source, "buyAmount")
    return Quote(
        venue=venue,
        quote_id=text(source, "quoteId"),
        base=base,
        quote=quote,
        qty=qty,
        px=quotient(notional, qty, _QUOTE_PX),
        notional=notional,
        created_at=moment(source, "quoteCreatedTime"),
        expires_at=moment(source, "quoteExpiryTime"),
        executable=executable,
    )


def rfq_rows(data: object) -> list[Row]:
    """The rows of ``rfq/transactions``: a bare list, or an object that holds exactly one list (the envelope is not
    visible in the public documents)."""
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        if len(lists) != 1:
            raise Malformed("the RFQ history holds no list, or several")
        data = lists[0]
    return rows(data, "the RFQ history")


def rfq_trade(source: Row) -> QuoteTrade:
    """A finished RFQ trade. The row states no fee and the product is all-in, so the fee is none."""
    return QuoteTrade(
        trade_id=text(source, "rfqOrderId"),
        base=text(source, "sellCcy"),
        quote=text(source, "buyCcy"),
        qty=number(source, "sellAmount"),
        notional=number(source, "buyAmount"),
        fee=Decimal(0),
        at=moment(source, "transactTime"),
        quote_id=text(source, "quoteId"),
    )
