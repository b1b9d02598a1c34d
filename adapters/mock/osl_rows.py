"""Words and rows of the mocked OSL's v4 answers, and the rules of a pair.

Names that OSL does not publish are the mock's own choice and are gathered here; they stand in no official text.
"""

from dataclasses import dataclass
from decimal import Decimal

from adapters.mock.exchange import MockOrder, MockStatus, MockTrade
from adapters.mock.osl_gate import iso, plain
from adapters.osl_settings import V4Fields

FIELDS = V4Fields(
    cum_qty="cumQty",
    leaves_qty="leavesQty",
    trade_id="execID",
    trade_qty="lastQty",
    trade_px="lastPx",
    fee="fee",
    fee_asset="feeCurrency",
    trade_time="transactTime",
)
"""Mock's own choice of the names that OSL does not publish; an example of the configuration, not a statement on OSL."""

CLIENT_ID_FIELD = "clOrdID"
"""Mock's own choice for new orders; documented for query and cancel only."""

TIF = {"GoodTillCancel": "GTC", "ImmediateOrCancel": "IOC", "FillOrKill": "FOK"}
TIF_WORDS = {short: word for word, short in TIF.items()}
_STATUS = {
    MockStatus.NEW: "New",
    MockStatus.PARTIALLY_FILLED: "PartiallyFilled",
    MockStatus.FILLED: "Filled",
    MockStatus.CANCELED: "Cancelled",
    MockStatus.EXPIRED: "Expired",
    MockStatus.WITHDRAWN: "Withdrawn",
    MockStatus.REJECTED: "Rejected",
}


@dataclass(frozen=True, slots=True)
class PairRules:
    """What the order book enforces on one pair. ``band`` is the half-width of the price band around the mid.
    Defaults as observed for BTCUSD; ``published`` and ``pi_available`` may be switched off by a test."""

    tick: Decimal = Decimal("0.1")
    step: Decimal = Decimal("0.0000001")
    min_qty: Decimal = Decimal("0.0001")
    max_qty: Decimal = Decimal(400)
    min_value: Decimal = Decimal(10)
    max_value: Decimal = Decimal(600000)
    band: Decimal = Decimal("0.05")
    published: bool = True
    pi_available: bool = True


def order_row(order: MockOrder) -> dict[str, object]:
    status = _STATUS[order.status]
    if order.post_only and order.tif != "GTC" and status == "Expired":
        status = "Withdrawn"  # as seen: post-only with IOC or FOK is taken and then pulled
    return {
        "orderID": order.order_id,
        "clOrdID": order.client_id,
        "symbol": order.symbol,
        "side": "Sell",
        "ordType": "Limit",
        "orderQty": plain(order.qty),
        "price": plain(order.limit_px),
        "timeInForce": TIF_WORDS[order.tif],
        "execInst": "PostOnly" if order.post_only else "",
        "ordStatus": status,
        "avgPx": plain(order.cum_quote / order.cum_qty) if order.cum_qty else "0",
        FIELDS.cum_qty: plain(order.cum_qty),
        FIELDS.leaves_qty: plain(order.leaves_qty) if order.status.live else "0",
    }


def execution_row(order: MockOrder, trade: MockTrade) -> dict[str, object]:
    return {
        FIELDS.trade_id: trade.trade_id,
        "orderID": order.order_id,
        "clOrdID": order.client_id,
        "symbol": order.symbol,
        "side": "Sell",
        FIELDS.trade_qty: plain(trade.qty),
        FIELDS.trade_px: plain(trade.px),
        FIELDS.fee: plain(trade.fee),
        FIELDS.fee_asset: trade.fee_asset,
        FIELDS.trade_time: iso(trade.at),
    }
