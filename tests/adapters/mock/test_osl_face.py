"""The mocked OSL: what it checks at the door, enforces on the book, and says in each of the documented cases."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from urllib.parse import urlencode

import httpx
import pytest

from adapters.clock import LoopClock
from adapters.mock.dealers import Dealers
from adapters.mock.exchange import MockExchange
from adapters.mock.market import Market
from adapters.mock.osl_face import osl_face
from adapters.mock.params import DEEP, VenueGrid
from adapters.mock.tape import SimulatedTape
from executor.engine.virtual_time import run_virtual

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEY = b"a secret of the mocked venue"
D = Decimal
BIDS = [(D("100000"), D("0.5")), (D("99990.5"), D("0.7")), (D("99000"), D("4"))]
ASKS = [(D("100010"), D("0.4"))]
ORDER = {
    "symbol": "BTCUSD",
    "side": "Sell",
    "ordType": "Limit",
    "orderQty": "0.1",
    "price": "100500",
    "timeInForce": "GoodTillCancel",
    "clOrdID": "a-1",
}


class Desk:
    """A hand-written client of the mocked venue, independent of the adapter."""

    def __init__(self, dealers_params=DEEP):
        market = Market(SimulatedTape(DEEP, 7, START, D(100_000)), DEEP)
        self.clock = LoopClock(START)
        book = market.venue("osl", DEEP, VenueGrid(D("0.1"), D("0.0000001")))
        book.override(list(BIDS), list(ASKS))
        self.market = market
        self.exchange = MockExchange(
            market,
            book,
            self.clock,
            symbol="BTCUSD",
            base="BTC",
            quote="USD",
            taker_fee=D("0.0005"),
            maker_fee=D(0),
            balances={"BTC": D(50)},
            refuse_duplicates=False,
        )
        self.face = osl_face(
            {"BTCUSD": self.exchange},
            {"BTCUSD": Dealers(market, dealers_params, 11)},
            self.clock,
            api_key="key",
            secret=base64.b64encode(KEY).decode(),
            brokerage={"BTC": D(3)},
        )
        self.brokerage = self.face.state.brokerage
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.face), base_url="http://osl")
        self.tonces = count((START - EPOCH) // timedelta(microseconds=1))

    async def v4(self, method, path, body=None, *, key="key", life=10, spoil="", **query):
        target = path + (f"?{urlencode(query)}" if query else "")
        content = "" if body is None else json.dumps(body)
        expires = (self.clock.now() - EPOCH) // timedelta(seconds=1) + life
        signature = _sign(f"{method}{target}{expires}{content}")
        headers = {"api-key": key, "api-expires": str(expires), "api-signature": signature}
        answer = await self.client.request(method, target, content=content + spoil, headers=headers)
        return answer.status_code, json.loads(answer.text, parse_float=Decimal) if answer.text else None

    async def v3(self, path, tonce=None, **body):
        content = json.dumps({**body, "tonce": next(self.tonces) if tonce is None else tonce})
        headers = {"Rest-Key": "key", "Rest-Sign": _sign(f"{path}\0{content}")}
        answer = await self.client.post("/" + path, content=content, headers=headers)
        return answer.status_code, json.loads(answer.text, parse_float=Decimal)

    async def quote(self, qty="0.25", **more):
        pair = {"tradedCurrency": "BTC", "settlementCurrency": "USD", "buyTradedCurrency": False}
        asked = {**pair, "tradedCurrencyAmount": qty, **more}
        return (await self.v3("api/3/retail/quote", quoteRequest=asked))[1]

    async def trade(self, quote_id):
        status, answer = await self.v3("api/3/retail/trade", tradeRequest={"quoteId": quote_id})
        assert status == 200
        return answer


def _sign(text):
    return base64.b64encode(hmac.new(KEY, text.encode(), hashlib.sha512).digest()).decode()


def at_the_desk(act, **options):
    async def run():
        await act(Desk(**options))

    run_virtual(run())


# --- the door ---------------------------------------------------------------------------------------------------


def test_the_door_of_v4():
    async def act(desk):
        assert (await desk.v4("GET", "/api/v4/order", symbol="BTCUSD"))[0] == 200
        assert (await desk.v4("GET", "/api/v4/order", key="other"))[0] == 401
        assert (await desk.v4("GET", "/api/v4/order", life=-1))[0] == 401
        assert (await desk.v4("GET", "/api/v4/order", life=3600))[0] == 401
        assert (await desk.v4("POST", "/api/v4/order", ORDER, spoil=" "))[0] == 401  # raw bytes are what is signed
        assert not desk.exchange.orders

    at_the_desk(act)


def test_the_door_of_v3_wants_a_tonce_that_moves_forward():
    async def act(desk):
        assert (await desk.v3("api/3/account"))[0] == 200
        assert (await desk.v3("api/3/account", tonce=5))[0] == 401
        tonce = next(desk.tonces)
        assert (await desk.v3("api/3/account", tonce=tonce))[0] == 200
        assert (await desk.v3("api/3/account", tonce=tonce))[0] == 401
        assert (await desk.v3("api/3/account", tonce=tonce * 2))[0] == 401

    at_the_desk(act)


# --- the book ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbol": "XRPUSD"}, "symbol 'XRPUSD' is not supported or does not exist"),
        ({"side": "Buy"}, "only limit orders to sell"),
        ({"ordType": "Market"}, "only limit orders to sell"),
        ({"price": "0.01"}, "order price too low"),
        ({"price": "95000"}, "order price too low"),
        ({"price": "105100"}, "order price too high"),
        ({"price": "100500.05"}, "order price off the price step"),
        ({"price": "x"}, "price is missing or no number"),
        ({"orderQty": "0.00009"}, "order quantity too small"),
        ({"orderQty": "401"}, "order quantity too large"),
        ({"orderQty": "0.10000001"}, "order quantity off the quantity step"),
        ({"orderQty": "6"}, "order value too large"),
        ({"timeInForce": "Day"}, "unknown timeInForce"),
        ({"price": "99000", "execInst": "PostOnly"}, "post only order would match"),
    ],
)
def test_filters(change, message):
    async def act(desk):
        status, answer = await desk.v4("POST", "/api/v4/order", {**ORDER, **change})
        assert (status, answer["error"]["message"]) == (400, message)
        assert not desk.exchange.orders

    at_the_desk(act)


def test_states_and_lists_of_orders():
    async def act(desk):
        async def place(**change):
            return (await desk.v4("POST", "/api/v4/order", {**ORDER, **change}))[1]

        assert (await place())["ordStatus"] == "New"
        ioc = await place(clOrdID="a-2", price="100000", orderQty="0.6", timeInForce="ImmediateOrCancel")
        assert (ioc["ordStatus"], ioc["cumQty"]) == ("Expired", "0.5")
        pulled = await place(clOrdID="a-3", timeInForce="ImmediateOrCancel", execInst="PostOnly")
        assert pulled["ordStatus"] == "Withdrawn"
        assert (await place(clOrdID="a-4", price="99000"))["ordStatus"] == "Filled"
        assert (await place(clOrdID="a-4"))["ordStatus"] == "New"  # a used id is taken again: not known to be refused
        ids = [row["clOrdID"] for row in (await desk.v4("GET", "/api/v4/order"))[1]]
        assert ids == ["a-1", "a-4"]
        ids = [row["clOrdID"] for row in (await desk.v4("GET", "/api/v4/order", open="false", reverse="true"))[1]]
        assert ids == ["a-4", "a-3", "a-2"]
        desk.exchange.expel(desk.exchange.open_orders()[0].order_id)
        (row,) = (await desk.v4("GET", "/api/v4/order", open="false", clOrdID="a-1"))[1]
        assert row["ordStatus"] == "Withdrawn"

    at_the_desk(act)


def test_cancel_answers_per_order():
    async def act(desk):
        for client_id, px in (("a-1", "100500"), ("a-2", "99000"), ("a-3", "100600")):
            await desk.v4("POST", "/api/v4/order", {**ORDER, "clOrdID": client_id, "price": px})
        status, rows = await desk.v4("DELETE", "/api/v4/order", {"clOrdID": ["a-1", "a-2", "a-9"]})
        assert status == 400
        assert [row.get("ordStatus") or row["error"]["message"] for row in rows] == [
            "Cancelled",
            "order already matched",
            "order not found",
        ]
        assert (await desk.v4("DELETE", "/api/v4/order", {"clOrdID": ["a-3"]}))[0] == 200
        assert (await desk.v4("DELETE", "/api/v4/order", {"clOrdID": ["a-3"], "orderID": ["1"]}))[0] == 400
        assert (await desk.v4("DELETE", "/api/v4/order/all"))[0] == 204

    at_the_desk(act)


def test_executions_page_and_filter():
    async def act(desk):
        await desk.v4("POST", "/api/v4/order", {**ORDER, "price": "99000", "orderQty": "1.3"})
        rows = (await desk.v4("GET", "/api/v4/execution", clOrdID="a-1"))[1]
        assert [(row["lastPx"], row["lastQty"]) for row in rows] == [
            ("100000", "0.5"),
            ("99990.5", "0.7"),
            ("99000", "0.1"),
        ]
        assert rows[0]["fee"] == "25"
        assert len((await desk.v4("GET", "/api/v4/execution", start="1", count="1"))[1]) == 1
        assert (await desk.v4("GET", "/api/v4/execution", clOrdID="a-2"))[1] == []
        assert (await desk.v4("GET", "/api/v4/execution", endTime="2026-11-23T01:59:59.999Z"))[1] == []
        assert len((await desk.v4("GET", "/api/v4/execution/order", clOrdID="a-1"))[1]) == 3
        assert (await desk.v4("GET", "/api/v4/execution/order"))[0] == 400

    at_the_desk(act)


def test_public_readings():
    async def act(desk):
        async def get(path):
            return (await desk.client.get(path)).json()

        (row,) = await get("/api/v4/instrument")
        assert (row["minPrice"], row["maxPrice"], row["tickSize"]) == ("95004.8", "105005.2", "0.1")
        assert await get("/api/v4/instrument?symbol=X") == []
        assert (await get("/api/v5/symbols"))[0]["status"] == "1"
        assert (await get("/api/v5/symbols?symbol=X"))["code"] == -1107
        assert (await get("/api/v5/order/depth?symbol=BTCUSD"))["bids"][0] == ["100000", "0.5"]
        assert (await get("/api/v5/time"))["serverTime"] == (START - EPOCH) // timedelta(milliseconds=1)
        assert (await get("/api/v4/orderBook/L2?symbol=X"))["error"]["name"] == "INVALID_SYMBOL"
        assert len((await get("/api/v4/orderBook/L2?symbol=BTCUSD&depth=1"))["bids"]) == 1

    at_the_desk(act)


# --- the brokerage ----------------------------------------------------------------------------------------------


def test_a_quote_lives_seven_seconds_and_pays_a_truncated_amount():
    async def act(desk):
        row = (await desk.quote("0.1234567"))["quoteResponse"]
        assert row["responseCode"] == "FULL_QUOTE"
        assert len(row["quoteId"]) == 348
        assert base64.b64decode(row["quoteId"], validate=True)
        assert row["quoteExpiresAt"] - row["quoteCreatedAt"] == 7000
        exact = D("0.1234567") * D(row["executedPrice"])
        assert 0 <= exact - D(row["quotedSettlementCurrencyAmount"]) < D("0.01")
        assert row["isPtsSufficient"] is False

    at_the_desk(act)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"qty": "500"}, ("PER_TXN_LIMIT_EXCEEDED", None, "OK")),
        ({"tradedCurrency": "DOGE"}, ("", "s200003", "OK")),
        ({"buyTradedCurrency": True}, (None, None, "INVALID_PARAMETERS")),
        ({"buyTradedCurrency": "false"}, (None, None, "INVALID_PARAMETERS")),
        ({"settlementCurrencyAmount": "5"}, (None, None, "INVALID_PARAMETERS")),
        ({"qty": "x"}, (None, None, "INVALID_PARAMETERS")),
        ({"qty": "0.000000001"}, (None, None, "TOO_SMALL")),
    ],
)
def test_refused_quotes(change, codes):
    async def act(desk):
        answer = await desk.quote(**change)
        row = answer.get("quoteResponse", {})
        assert (row.get("responseCode"), row.get("errorCode"), answer["resultCode"]) == codes

    at_the_desk(act)


def test_no_price():
    async def act(desk):
        desk.brokerage.pricing = False
        assert (await desk.quote())["quoteResponse"]["responseCode"] == "CANNOT_PRICE"

    at_the_desk(act)


def test_a_trade_its_ledger_and_its_second_acceptance():
    async def act(desk):
        quote = (await desk.quote())["quoteResponse"]
        traded = (await desk.trade(quote["quoteId"]))["tradeResponse"]
        assert traded["responseCode"] == "EXECUTED"
        assert traded["tradeId"] == traded["tradeRef"]
        again = (await desk.trade(quote["quoteId"]))["tradeResponse"]
        assert (again["responseCode"], again["errorCode"]) == ("", "s100005")
        credit, debit = (await desk.v3("api/3/transaction/list", max=50, lang="en-US"))[1]["transactions"]
        assert isinstance(credit["amount"], Decimal)  # a JSON number with a point
        assert (credit["amount"], debit["amount"]) == (D(quote["quotedSettlementCurrencyAmount"]), D("-0.25"))
        assert credit["quoteId"] == credit["tradeId"] == traded["tradeId"]
        assert credit["executedPrice"].startswith("[BTC/USD] ")
        assert credit["received"].endswith("000")
        wallets = (await desk.v3("api/3/account"))[1]["data"]["Wallets"]
        assert wallets["BTC"]["Brokerage_Available_Balance"]["value"] == "2.75"
        assert desk.exchange.wallet("BTC").free == 50  # the other purse is untouched

    at_the_desk(act)


def test_acceptances_that_do_not_trade():
    async def act(desk):
        async def codes(quote_id):
            answer = await desk.trade(quote_id)
            row = answer["tradeResponse"]
            return row["responseCode"], row["errorCode"], answer["resultCode"]

        assert await codes("nonsense") == ("INVALID_QUOTE_ID", "s100002", "OK")
        over = (await desk.quote("3.5"))["quoteResponse"]
        assert await codes(over["quoteId"]) == ("INSUFFICIENT_FUND", "s400013", "OK")
        late = (await desk.quote())["quoteResponse"]
        await desk.clock.sleep_until(desk.clock.now() + timedelta(seconds=7))
        assert await codes(late["quoteId"]) == ("QUOTE_EXPIRED", "s100006", "OK")
        stale = (await desk.quote())["quoteResponse"]
        desk.market.shock(-300)
        refused = ("TRADE_UNSUCCESSFUL_PLEASE_RETRY", "RFS600001", "SYSTEM_ERROR")
        assert await codes(stale["quoteId"]) == refused
        assert await codes(stale["quoteId"]) == refused
        assert desk.brokerage.wallets["BTC"].free == 3

    at_the_desk(act)


def test_the_dealer_answers_at_the_end_of_his_hold():
    async def act(desk):
        quote = (await desk.quote())["quoteResponse"]
        before = desk.clock.now()
        await desk.trade(quote["quoteId"])
        assert desk.clock.now() - before == timedelta(seconds=2)

    at_the_desk(act, dealers_params=replace(DEEP, rfq_hold_s=2))


def test_switches_of_the_pair():
    async def act(desk):
        desk.brokerage.switches["restrictedSell"] = True
        static = (await desk.client.get("/api/3/currencyStatic")).json()
        settings = static["currencyStatic"]["currencyPairs"]["BTCUSD"]["engineSettings"]
        assert settings["restrictedSell"] is True
        assert settings["tradingEnabled"] is True

    at_the_desk(act)
