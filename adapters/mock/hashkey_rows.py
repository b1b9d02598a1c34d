"""What the mocked HashKey puts on the wire: catalogue, orders, trades and books in the documented shapes.

Numbers, ids and most times are JSON strings; an order's answer to *create* has neither fee nor average (HashKey docs,
Order Management).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.mock.exchange import BookLike, MockExchange, MockOrder, MockStatus, MockTrade

Json = dict[str, object]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRADING_ACCOUNT = "1709330000000000001"
CUSTODY_ACCOUNT = "1709330000000000005"
_CLIENT_FLAGS = ("retailAllowed", "piAllowed", "corporateAllowed", "omnibusAllowed")


@dataclass(frozen=True, slots=True)
class HashKeyRules:
    """Bounds of one pair. The defaults are BTCUSD as seen in September 2026; ``sell_down_rate`` as on AAVEUSD. The
    venue does not say what price the band refers to: here it is the best bid. ``allowed`` names client-type flags."""

    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00001")
    min_qty: Decimal = Decimal("0.00001")
    max_qty: Decimal = Decimal("16")
    min_notional: Decimal = Decimal("10")
    max_notional: Decimal = Decimal("400000")
    max_sell_px: Decimal = Decimal("0")  # 0: none
    sell_down_rate: Decimal = Decimal("0.2")
    status: str = "TRADING"
    allowed: frozenset[str] = frozenset(_CLIENT_FLAGS)


class ApiError(Exception):
    """An error answer: HTTP 400 with ``code`` and ``msg`` unless said otherwise."""

    def __init__(self, code: str, msg: str, status: int = 400) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status


def plain(amount: Decimal) -> str:
    """Digits without an exponent."""
    return format(amount, "f")


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def symbol_row(exchange: MockExchange, rules: HashKeyRules) -> Json:
    return {
        "symbol": exchange.symbol,
        "symbolName": exchange.symbol,
        "exchangeId": "301",
        "status": rules.status if exchange.trading else "HALT",
        "baseAsset": exchange.base,
        "baseAssetName": exchange.base,
        "baseAssetPrecision": plain(rules.step),
        "quoteAsset": exchange.quote,
        "quoteAssetName": exchange.quote,
        "quotePrecision": "0.0000001",
        "icebergAllowed": False,
        **{flag: flag in rules.allowed for flag in _CLIENT_FLAGS},
        "filters": _filters(rules),
    }


def _filters(rules: HashKeyRules) -> list[Json]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": plain(rules.tick),  # deprecated by the venue, and misleading
            "maxPrice": "100000.00000000",
            "tickSize": plain(rules.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": plain(rules.min_qty),
            "maxQty": plain(rules.max_qty),
            "stepSize": plain(rules.step),
            "marketOrderMinQty": plain(rules.min_qty),
            "marketOrderMaxQty": plain(rules.max_qty / 2),
        },
        {"filterType": "MIN_NOTIONAL", "minNotional": plain(rules.min_notional)},
        {
            "filterType": "TRADE_AMOUNT",
            "minAmount": plain(rules.min_notional),
            "maxAmount": plain(rules.max_notional),
            "minBuyPrice": "0",
            "marketOrderMinAmount": plain(rules.min_notional),
            "marketOrderMaxAmount": plain(rules.max_notional / 2),
        },
        {
            "filterType": "LIMIT_TRADING",
            "maxSellPrice": plain(rules.max_sell_px),
            "buyPriceUpRate": "0.2",
            "sellPriceDownRate": plain(rules.sell_down_rate),
        },
        {"filterType": "MARKET_TRADING", "buyPriceUpRate": "0.1", "sellPriceDownRate": "0.1"},
        {
            "filterType": "OPEN_QUOTE",
            "noAllowMarketStartTime": "0",
            "noAllowMarketEndTime": "0",
            "limitOrderStartTime": "0",
            "limitOrderEndTime": "0",
            "limitMinPrice": "0",
            "limitMaxPrice": "0",
        },
    ]


def dead_contract() -> Json:
    """A leftover of the venue's staging that is listed as trading."""
    return {"symbol": "BBTCUSD-PERPETUAL", "status": "TRADING", "baseAsset": "BBTCUSD-PERPETUAL", "filters": []}


def depth_row(book: BookLike, at: datetime, limit: int) -> Json:
    bids, asks = book.levels(limit)
    return {
        "t": ms(at),
        "b": [[plain(px), plain(qty)] for px, qty in bids],
        "a": [[plain(px), plain(qty)] for px, qty in asks],
    }


def status_word(order: MockOrder) -> str:
    """The venue has no word for an expired order: what an IOC leaves is (partly) cancelled."""
    if order.status in (MockStatus.CANCELED, MockStatus.EXPIRED, MockStatus.WITHDRAWN):
        return "PARTIALLY_CANCELED" if order.cum_qty else "CANCELED"
    return order.status.value


def created_row(order: MockOrder) -> Json:
    return {
        "accountId": TRADING_ACCOUNT,
        "symbol": order.symbol,
        "symbolName": order.symbol,
        "clientOrderId": order.client_id,
        "orderId": order.order_id,
        "transactTime": str(ms(order.created_at)),
        "price": plain(order.limit_px),
        "origQty": plain(order.qty),
        "executedQty": plain(order.cum_qty),
        "status": status_word(order),
        "timeInForce": order.tif,
        "type": "LIMIT_MAKER" if order.post_only else "LIMIT",
        "side": "SELL",
        "reqAmount": "0",
        "concentration": "",
    }


def order_row(order: MockOrder) -> Json:
    """``feeAmount`` is the fee of the last fill only, ``sumFeeAmount`` that of all."""
    last = order.trades[-1] if order.trades else None
    supplement = sum((trade.fee_supplement for trade in order.trades), Decimal(0))
    fees = sum((trade.fee for trade in order.trades), Decimal(0)) - supplement
    ended = order.status in (MockStatus.CANCELED, MockStatus.EXPIRED, MockStatus.WITHDRAWN)
    row = created_row(order)
    del row["transactTime"], row["concentration"]
    return {
        **row,
        "exchangeId": "301",
        "cummulativeQuoteQty": plain(order.cum_quote),
        "cumulativeQuoteQty": plain(order.cum_quote),
        "avgPrice": plain(order.cum_quote / order.cum_qty) if order.cum_qty else "0",
        "stopPrice": "0.0",
        "icebergQty": "0.0",
        "time": str(ms(order.created_at)),
        "updateTime": str(ms(order.updated_at)),
        "isWorking": True,
        "feeCoin": last.fee_asset if last else "",
        "feeAmount": plain(last.fee - last.fee_supplement) if last else "0",
        "feeSupplementaryAmount": plain(supplement),
        "sumFeeAmount": plain(fees),
        "ordCxlReason": {MockStatus.CANCELED: "USER_CANCEL"}.get(order.status, "SYSTEM_CANCEL") if ended else "",
        "stpMode": "EXPIRE_TAKER",
    }


def trade_row(order: MockOrder, trade: MockTrade) -> Json:
    return {
        "id": trade.trade_id,
        "clientOrderId": order.client_id,
        "ticketId": trade.trade_id,
        "symbol": order.symbol,
        "symbolName": order.symbol,
        "orderId": order.order_id,
        "matchOrderId": "0",
        "price": plain(trade.px),
        "qty": plain(trade.qty),
        "time": str(ms(trade.at)),
        "isBuyer": False,
        "isMaker": trade.is_maker,
        "fee": {
            "feeCoinId": trade.fee_asset,
            "feeCoinName": trade.fee_asset,
            "fee": plain(trade.fee - trade.fee_supplement),
        },
        "feeSupplementaryAmount": plain(trade.fee_supplement),
        "makerRebate": "0",
    }


def balance_rows(amounts: dict[str, tuple[Decimal, Decimal]]) -> list[Json]:
    """``amounts``: free and locked by asset."""
    return [
        {
            "asset": asset,
            "assetId": asset,
            "assetName": asset,
            "total": plain(free + locked),
            "free": plain(free),
            "locked": plain(locked),
        }
        for asset, (free, locked) in amounts.items()
    ]
