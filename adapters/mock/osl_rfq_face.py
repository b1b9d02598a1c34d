"""The wire face of a mocked OSL's brokerage: v3 request for quote, its ledger, and a purse of its own.

Its traps are the real ones, as documented or seen: failures under HTTP 200, a quote that reserves nothing, settlement
amounts cut off after the currency's decimals, a ledger of floats whose ``quoteId`` is the trade id.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.clock import Clock
from adapters.mock.dealers import DealerQuote, DealersLike
from adapters.mock.exchange import MockExchange, Wallet
from adapters.mock.osl_gate import Denied, Gate, as_json, ms, plain

QUOTE_LIFE = timedelta(seconds=7)  # in every quote that was captured
_QUOTE_ID_BYTES = 260  # 348 characters of Base64
_DECIMALS = {"USDT": 3}  # of settlement amounts; others have two
_BASE_DECIMALS = 8


@dataclass(slots=True)
class MockQuote:
    """A quote that was given. ``traded`` is ``None`` until it is accepted, then what the dealer said."""

    quote_id: str
    symbol: str
    dealer_quote: DealerQuote
    qty: Decimal
    px: Decimal
    amount: Decimal  # settlement currency, as it will be paid
    created_at: datetime
    expires_at: datetime
    traded: bool | None = None


@dataclass(frozen=True, slots=True)
class MockRfqTrade:
    """A trade of the brokerage: ``qty`` of ``base`` went out, ``amount`` of ``quote`` came in, at ``at``."""

    trade_id: str
    base: str
    quote: str
    qty: Decimal
    amount: Decimal
    at: datetime


class BrokerageFace:
    """Handlers of v3. ``pricing``, ``max_qty``, ``switches`` and ``dealers`` may be changed by a test."""

    def __init__(
        self,
        exchanges: Mapping[str, MockExchange],
        dealers: Mapping[str, DealersLike],
        clock: Clock,
        gate: Gate,
        balances: Mapping[str, Decimal],
        read_methods: Sequence[str],
    ) -> None:
        self._exchanges = exchanges
        self.dealers = dict(dealers)
        self._clock = clock
        self._gate = gate
        self._read_methods = list(read_methods)
        self.wallets = {asset: Wallet(free=amount) for asset, amount in balances.items()}
        self.quotes: dict[str, MockQuote] = {}
        self.trades: list[MockRfqTrade] = []
        self.pricing = True
        self.max_qty = Decimal(400)
        self.switches = {"tradingEnabled": True, "cancelOnly": False, "restrictedBuy": False, "restrictedSell": False}

    def routes(self) -> list[Route]:
        return [
            Route("/api/3/retail/quote", self._signed(self._quote), methods=["POST"]),
            Route("/api/3/retail/trade", self._signed(self._trade), methods=["POST"]),
            Route("/api/3/transaction/list", self._signed(self._ledger), methods=self._read_methods),
            Route("/api/3/account", self._signed(self._account), methods=self._read_methods),
            Route("/api/3/currencyStatic", self._static, methods=["GET"]),
        ]

    # --- quotes -----------------------------------------------------------------------------------------------

    async def _quote(self, asked: dict[str, object]) -> Response:
        wanted = asked.get("quoteRequest")
        if not isinstance(wanted, dict) or wanted.get("buyTradedCurrency") is not False:
            return self._answer({}, "INVALID_PARAMETERS")  # this mock only buys what we sell
        if "settlementCurrencyAmount" in wanted:
            return self._answer({}, "INVALID_PARAMETERS")
        try:
            qty = Decimal(str(wanted.get("tradedCurrencyAmount")))
        except InvalidOperation:
            return self._answer({}, "INVALID_PARAMETERS")
        qty = qty.quantize(Decimal(1).scaleb(-_BASE_DECIMALS), rounding=ROUND_DOWN)
        symbol = f"{wanted.get('tradedCurrency')}{wanted.get('settlementCurrency')}"
        if qty <= 0:
            return self._answer({}, "TOO_SMALL")
        if symbol not in self.dealers:
            return self._answer({"quoteResponse": {"responseCode": "", "errorCode": "s200003"}})
        if qty > self.max_qty:
            return self._answer({"quoteResponse": {"responseCode": "PER_TXN_LIMIT_EXCEEDED"}})
        offers = self.dealers[symbol].quote(qty, self._clock.now()) if self.pricing else []
        if not offers:
            return self._answer({"quoteResponse": {"responseCode": "CANNOT_PRICE"}})
        return self._answer({"quoteResponse": self._quoted(self._new_quote(symbol, qty, offers[0]))})

    def _new_quote(self, symbol: str, qty: Decimal, offer: DealerQuote) -> MockQuote:
        now = self._clock.now()
        grid = Decimal(1).scaleb(-_DECIMALS.get(self._exchanges[symbol].quote, 2))
        amount = (qty * offer.px).quantize(grid, rounding=ROUND_DOWN)
        quote_id = _opaque(f"quote {len(self.quotes)} {ms(now)}")
        quote = MockQuote(quote_id, symbol, offer, qty, offer.px, amount, now, now + QUOTE_LIFE)
        self.quotes[quote_id] = quote
        return quote

    def _quoted(self, quote: MockQuote) -> dict[str, object]:
        return {
            "responseCode": "FULL_QUOTE",
            **self._amounts(quote),
            "retailRateInSettlementCurrency": plain(quote.px),
            "quoteId": quote.quote_id,
            "quoteExpiresAt": ms(quote.expires_at),
            "quoteCreatedAt": ms(quote.created_at),
            "isPtsSufficient": False,  # as seen, also on quotes that then traded
        }

    def _amounts(self, quote: MockQuote) -> dict[str, object]:
        exchange = self._exchanges[quote.symbol]
        return {
            "buyTradedCurrency": False,
            "settlementCurrency": exchange.quote,
            "tradedCurrency": exchange.base,
            "quotedSettlementCurrencyAmount": plain(quote.amount),
            "quotedTradedCurrencyAmount": plain(quote.qty),
            "executedPrice": plain(quote.px),
        }

    # --- acceptance -------------------------------------------------------------------------------------------

    async def _trade(self, asked: dict[str, object]) -> Response:
        """In this order: known, not traded before, alive, funds, the dealer's last look. OSL documents no order."""
        wanted = asked.get("tradeRequest")
        quote_id = wanted.get("quoteId") if isinstance(wanted, dict) else None
        quote = self.quotes.get(quote_id) if isinstance(quote_id, str) else None
        if quote is None:
            return self._no_trade(str(quote_id), "INVALID_QUOTE_ID", "s100002")
        if quote.traded:
            return self._no_trade(quote.quote_id, "", "s100005")
        now = self._clock.now()
        if now >= quote.expires_at:
            return self._no_trade(quote.quote_id, "QUOTE_EXPIRED", "s100006")
        exchange = self._exchanges[quote.symbol]
        if self.wallets.get(exchange.base, Wallet()).free < quote.qty:
            return self._no_trade(quote.quote_id, "INSUFFICIENT_FUND", "s400013")
        if quote.traded is None:
            quote.traded = self.dealers[quote.symbol].accept(quote.dealer_quote, now)
            done_at = now + quote.dealer_quote.hold
            # Decided and booked in one step, shown in the ledger when the hold is over: a client that hangs up
            # meanwhile does not undo the trade.
            trade = self._book(quote, done_at) if quote.traded else None
            await self._clock.sleep_until(done_at)
            if trade is not None:
                return self._traded(quote, trade)
        return self._no_trade(
            quote.quote_id, "TRADE_UNSUCCESSFUL_PLEASE_RETRY", "RFS600001", result_code="SYSTEM_ERROR"
        )

    @staticmethod
    def trade_id(quote_id: str) -> str:
        """The id of the trade that a quote becomes."""
        return hashlib.sha256(quote_id.encode()).hexdigest()[:32]

    def _book(self, quote: MockQuote, at: datetime) -> MockRfqTrade:
        exchange = self._exchanges[quote.symbol]
        self.wallets[exchange.base].free -= quote.qty
        self.wallets.setdefault(exchange.quote, Wallet()).free += quote.amount
        trade = MockRfqTrade(self.trade_id(quote.quote_id), exchange.base, exchange.quote, quote.qty, quote.amount, at)
        self.trades.append(trade)
        return trade

    def _traded(self, quote: MockQuote, trade: MockRfqTrade) -> Response:
        executed = {
            "responseCode": "EXECUTED",
            "tradeId": trade.trade_id,
            "tradeRef": trade.trade_id,
            "quoteId": quote.quote_id,
            **self._amounts(quote),
        }
        return self._answer({"tradeResponse": executed})

    def _no_trade(self, quote_id: str, response_code: str, error_code: str, *, result_code: str = "OK") -> Response:
        """Which ``resultCode`` goes with a documented refusal is the mock's own choice."""
        refused = {"responseCode": response_code, "quoteId": quote_id, "errorCode": error_code}
        return self._answer({"tradeResponse": refused}, result_code)

    # --- account ----------------------------------------------------------------------------------------------

    async def _ledger(self, asked: dict[str, object]) -> Response:
        """Newest first (mock's own choice). Rows show when the trade is done."""
        now = self._clock.now()
        rows = [row for trade in reversed(self.trades) if trade.at <= now for row in _ledger_rows(trade)]
        start, most = asked.get("offset", 0), asked.get("max", 50)
        if not isinstance(start, int) or not isinstance(most, int):
            return self._answer({}, "INVALID_PARAMETERS")
        return self._answer({"transactions": rows[start : start + most]})

    async def _account(self, _: dict[str, object]) -> Response:
        wallets = {
            asset: {"Brokerage_Available_Balance": {"currency": asset, "value": plain(wallet.free)}}
            for asset, wallet in self.wallets.items()
        }
        return self._answer({"data": {"Wallets": wallets}})

    async def _static(self, _: Request) -> Response:
        pairs = {
            symbol: {
                "tradedCcy": self._exchanges[symbol].base,
                "settlementCcy": self._exchanges[symbol].quote,
                "priceDecimals": 8,
                "engineSettings": {**self.switches, "displayEnabled": True, "verifyRequired": True},
            }
            for symbol in self.dealers
        }
        return self._answer({"currencyStatic": {"currencies": {}, "currencyPairs": pairs}})

    # --- inside -----------------------------------------------------------------------------------------------

    def _answer(self, content: dict[str, object], result_code: str = "OK") -> Response:
        return as_json({**content, "timestamp": ms(self._clock.now()), "resultCode": result_code})

    def _signed(
        self, handler: Callable[[dict[str, object]], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                asked = await self._gate.v3(request)
            except Denied as denied:
                return denied.response
            for exchange in self._exchanges.values():
                exchange.settle()
            return await handler(asked)

        return handle


def _ledger_rows(trade: MockRfqTrade) -> list[dict[str, object]]:
    """Two rows: the credit of the proceeds and the debit, negative, of what was sold. Whole seconds, JSON floats."""
    price = (trade.amount / trade.qty).quantize(Decimal("0.00000001"))
    received = ms(trade.at) // 1000 * 1000
    both = {
        "transactionClass": "ETRADE",
        "fee": Decimal("0.0"),
        "balanceBefore": Decimal("0.0"),
        "balanceAfter": Decimal("0.0"),
        "transactionState": "PROCESSED",
        "received": str(received),
        "processed": str(received),
        "timestampMillis": str(received),
        "quoteId": trade.trade_id,
        "tradeId": trade.trade_id,
        "executedPrice": f"[{trade.base}/{trade.quote}] {price:f}",
    }
    return [
        {"uuid": f"{trade.trade_id}-c", "ccy": trade.quote, "amount": trade.amount, "transactionType": "TRADE_CREDIT"}
        | both,
        {"uuid": f"{trade.trade_id}-d", "ccy": trade.base, "amount": -trade.qty, "transactionType": "TRADE_DEBIT"}
        | both,
    ]


def _opaque(seed: str) -> str:
    """Text that means nothing, of the length and alphabet of a real quote id, the same in every run."""
    blocks = (hashlib.sha512(f"{seed} {n}".encode()).digest() for n in range(_QUOTE_ID_BYTES // 64 + 1))
    return base64.b64encode(b"".join(blocks)[:_QUOTE_ID_BYTES]).decode()
