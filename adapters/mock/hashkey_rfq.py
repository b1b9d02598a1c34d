"""Instant RFQ of the mocked HashKey: quotes and history as documented, execution as an assumption.

The call that executes a quote is in no public document. Here it takes the quote's id and our order id, asks the dealer,
settles at once, and shows ``Processing`` in the history until the dealer's last look is over. A quote is good for one
acceptance; a second one answers -1141. Times are in seconds, as in the documented sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from adapters.clock import Clock
from adapters.mock.dealers import DealerQuote, DealersLike
from adapters.mock.exchange import MockExchange, Refused
from adapters.mock.hashkey_rows import EPOCH, ApiError, Json, ms, plain

_CENT = Decimal("0.01")


@dataclass(slots=True)
class _Quoted:
    quote_id: str
    exchange: MockExchange
    qty: Decimal
    amount: Decimal
    offer: DealerQuote
    created_at: datetime
    client_id: str = ""
    order_id: str = ""
    done: bool = False
    submitted_at: datetime = EPOCH


class MockRfq:
    """Quotes given out and what became of them."""

    def __init__(self, exchanges: Mapping[str, MockExchange], dealers: Mapping[str, DealersLike], clock: Clock) -> None:
        self._exchanges = exchanges
        self.dealers = dict(dealers)
        self._clock = clock
        self._quotes: dict[str, _Quoted] = {}

    def executed(self) -> list[tuple[str, str, Decimal, Decimal]]:
        """Every quote that became a trade: our order's id, the quote's id, quantity, money."""
        return [(one.order_id, one.quote_id, one.qty, one.amount) for one in self._quotes.values() if one.done]

    def expire(self, quote_id: str) -> bool:
        """End the life of a quote now (for faults). False if there is no such open quote."""
        quoted = self._quotes.get(quote_id)
        if quoted is None or quoted.order_id:
            return False
        quoted.offer = replace(quoted.offer, expires_at=quoted.exchange.clock.now())
        return True

    def get_quote(self, params: dict[str, str]) -> object:
        if ("sellAmount" in params) == ("buyAmount" in params):
            raise ApiError("-1130", "exactly one of buyAmount and sellAmount must be sent")
        symbol = params.get("sellCcy", "") + params.get("buyCcy", "")
        exchange, dealers = self._exchanges.get(symbol), self.dealers.get(symbol)
        if exchange is None or dealers is None or "sellAmount" not in params:
            raise ApiError("0201", "Instrument not found")
        try:
            qty = Decimal(params["sellAmount"])
        except InvalidOperation:
            raise ApiError("-1130", "sellAmount is not a number") from None
        if not (qty.is_finite() and qty > 0):
            raise ApiError("-1130", "sellAmount is not positive")
        now = self._clock.now()
        best = dealers.quote(qty, exchange.clock.now())[0]
        amount = (best.px * qty).quantize(_CENT, rounding=ROUND_DOWN)
        quote_id = f"RFQ{ms(now)}{len(self._quotes):04d}"
        self._quotes[quote_id] = _Quoted(quote_id, exchange, qty, amount, best, now)
        life = best.expires_at - exchange.clock.now()  # the venue's clock may be skewed against the market's
        return {
            "quoteId": quote_id,
            "quoteClOrderId": "",
            "buyCcy": exchange.quote,
            "sellCcy": exchange.base,
            "buyPrice": plain(best.px),
            "sellPrice": plain(best.px),
            "buyAmount": plain(amount),
            "sellAmount": plain(qty),
            "rate": plain(best.px),
            "quoteCreatedTime": str(ms(now) // 1000),
            "quoteExpiryTime": str(ms(now + life) // 1000),
        }

    def accept(self, params: dict[str, str]) -> object:
        quoted = self._quotes.get(params.get("quoteId", ""))
        if quoted is None:
            raise ApiError("-1130", "no such quote")
        if quoted.order_id:
            raise ApiError("-1141", "Duplicate order")
        exchange = quoted.exchange
        if exchange.wallet(exchange.base).free < quoted.qty:
            raise ApiError("0401", "Insufficient asset")
        quoted.client_id = params.get("clientOrderId", "")
        quoted.order_id = f"{quoted.quote_id[3:]}1"
        quoted.submitted_at = self._clock.now()
        quoted.done = self.dealers[exchange.symbol].accept(quoted.offer, exchange.clock.now())
        if quoted.done:
            try:
                exchange.book_trade(quoted.qty, quoted.amount)
            except Refused:
                raise ApiError("0401", "Insufficient asset") from None
        return {"rfqOrderId": quoted.order_id, "quoteId": quoted.quote_id, "status": "New"}

    def transactions(self, params: dict[str, str]) -> object:
        found = [one for one in self._quotes.values() if one.order_id]
        if "clientOrderId" in params:
            found = [one for one in found if one.client_id == params["clientOrderId"]]
        if "rfqOrderId" in params:
            found = [one for one in found if one.order_id == params["rfqOrderId"]]
        limit, page = int(params.get("limit", "1000")), int(params.get("page", "1"))
        return [self._row(one) for one in found[(page - 1) * limit : page * limit]]

    def _row(self, quoted: _Quoted) -> Json:
        answered_at = quoted.submitted_at + quoted.offer.hold
        status = "Successful" if quoted.done else "Failed"
        return {
            "quoteId": quoted.quote_id,
            "rfqOrderId": quoted.order_id,
            "clientOrderId": quoted.client_id,
            "status": "Processing" if self._clock.now() < answered_at else status,
            "buyCcy": quoted.exchange.quote,
            "sellCcy": quoted.exchange.base,
            "buyPrice": plain(quoted.offer.px),
            "sellPrice": plain(quoted.offer.px),
            "buyAmount": plain(quoted.amount),
            "sellAmount": plain(quoted.qty),
            "submitTime": str(ms(quoted.submitted_at)),
            "transactTime": str(ms(answered_at)),
        }
