"""The venue's known traps, one test for each that code can meet; and what must be true before anything is sent.

Not here because no code can meet them: that the sandbox simulates activity, and that pages of the documentation have
near-identical names.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
import respx
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.osl import Osl
from adapters.osl_settings import OslSettings, V4Fields
from adapters.osl_sign import sign_v3, sign_v4
from adapters.venue import (
    DuplicateIds,
    NewOrder,
    NotSent,
    OrderRef,
    OrderStatus,
    Quote,
    Rejected,
    RejectReason,
    RfqVenue,
    TimeInForce,
    Unknown,
    Venue,
    VenueError,
)
from executor.engine.virtual_time import run_virtual

START = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)  # 1790000000
MS = 1790000000000
URL = "https://trade-hk.oslsandbox.com"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
FIELDS = V4Fields("cumQty", "leavesQty", "execID", "lastQty", "lastPx", "fee", "feeCurrency", "transactTime")
INSTRUMENT = {
    "symbol": "BTCUSD",
    "currency": "BTC",
    "settlCurrency": "USD",
    "minPrice": "81890.0",
    "maxPrice": "90510.0",
    "minOrderQty": "0.0001",
    "maxOrderQty": "400",
    "minValue": "10",
    "maxValue": "600000",
    "tickSize": "0.1",
    "stepSize": "0.0000001",
    "priceDecimals": "5",
    "quantityDecimals": "8",
    "volume": None,
}
SYMBOL = {
    "symbol": "BTCUSD",
    "status": "1",
    "takerFeeRate": "0.0005",
    "makerFeeRate": "0",
    "retailAvailable": False,
    "piAvailable": True,
}
OPEN = {"tradingEnabled": True, "cancelOnly": False, "restrictedSell": False}
ROW = {"orderID": "1", "clOrdID": "a-1", "symbol": "BTCUSD", "side": "Sell", "orderQty": "1", "ordStatus": "New"}


def settings(**changes):
    given = {"base_url": URL, "api_key": SecretStr("key"), "secret": SecretStr(SECRET), "fields": FIELDS}
    return OslSettings(**{**given, "client_id_on_create": "clOrdID", **changes})


def talk(act, *, instrument=INSTRUMENT, symbol=SYMBOL, engine=OPEN, server_ms=MS, **changes):
    async def run():
        router = respx.MockRouter(assert_all_called=False)
        pair = {"tradedCcy": "BTC", "settlementCcy": "USD", "engineSettings": engine}
        router.get("/api/v4/instrument").respond(json=[instrument])
        router.get("/api/v5/symbols").respond(json=[symbol] if symbol else [])
        router.get("/api/3/currencyStatic").respond(json={"currencyStatic": {"currencyPairs": {"x": pair}}})
        router.get("/api/v5/time").respond(json={"serverTime": server_ms})
        router.get("/api/v4/user/wallet").respond(json=[])
        router.post("/api/3/account").respond(json={"data": {"Wallets": {}}, "resultCode": "OK"})
        client = httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler))
        return await act(Osl(settings(**changes), client, LoopClock(START)), router)

    return run_virtual(run())


def order(px="86000", tif=TimeInForce.GTC, *, post_only=False):
    return NewOrder("a-1", "BTCUSD", Decimal(1), Decimal(px), tif, post_only)


def quote():
    amounts = (Decimal("0.25"), Decimal("86196.1"), Decimal("21549.02"))
    return Quote("osl", "ab+/=", "BTC", "USD", *amounts, START, START + timedelta(seconds=7))


# --- the traps --------------------------------------------------------------------------------------------------


def test_trap_01_and_02_each_family_signs_its_own_path_and_clock():
    async def act(osl, router):
        book = router.get("/api/v4/order").respond(json=[])
        account = router.post("/api/3/transaction/list").respond(json={"transactions": [], "resultCode": "OK"})
        await osl.query(OrderRef("a-1", "BTCUSD"))
        await osl.quote_trades("BTC", "USD", START)
        v4, v3 = book.calls[0].request, account.calls[0].request
        target = "/api/v4/order?symbol=BTCUSD&open=true&clOrdID=a-1"
        assert v4.headers["api-expires"] == "1790000010"
        assert v4.headers["api-signature"] == sign_v4(SECRET, "GET", target, 1790000010)
        assert len(str(json.loads(v3.content)["tonce"])) == 16
        assert v3.headers["rest-sign"] == sign_v3(SECRET, "api/3/transaction/list", v3.content.decode())

    talk(act)


def test_trap_03_what_is_signed_is_what_is_sent():
    async def act(osl, router):
        route = router.get("/api/v4/execution").respond(json=[])
        await osl.fills(OrderRef("a-1", "BTCUSD"))
        request = route.calls[0].request
        target = request.url.raw_path.decode()
        assert "%3A" in target  # the colons of endTime, as they go over the wire
        assert request.headers["api-signature"] == sign_v4(SECRET, "GET", target, int(request.headers["api-expires"]))

    talk(act)


def test_trap_04_a_reading_that_is_tried_again_is_signed_anew():
    async def act(osl, router):
        good = httpx.Response(200, json={"transactions": [], "resultCode": "OK"})
        route = router.post("/api/3/transaction/list").mock(side_effect=[httpx.Response(502), good])
        await osl.quote_trades("BTC", "USD", START)
        first, second = (json.loads(call.request.content)["tonce"] for call in route.calls)
        assert first < second
        assert len({call.request.headers["rest-sign"] for call in route.calls}) == 2

    talk(act)


def test_trap_05_http_200_is_not_success_and_400_on_cancel_is_not_failure():
    async def act(osl, router):
        router.get("/api/v4/orderBook/L2").respond(json={"code": -1107, "msg": "symbol not exist"})
        with pytest.raises((NotSent, Rejected)):
            await osl.book("BTCUSD")
        mixed = [
            {"clOrdID": "a-1", "ordStatus": "Cancelled"},
            {"clOrdID": "a-2", "error": {"message": "order already matched", "name": "X"}},
        ]
        router.delete("/api/v4/order").respond(400, json=mixed)
        await osl.cancel(OrderRef("a-1", "BTCUSD"))
        with pytest.raises(Rejected) as refused:
            await osl.cancel(OrderRef("a-2", "BTCUSD"))
        assert refused.value.reason is RejectReason.FINISHED

    talk(act)


def test_trap_06_finished_orders_are_asked_for_and_executions_never_for_today_only():
    """Shown to fail when only the default view is read."""

    async def act(osl, router):
        router.get("/api/v4/order", params={"open": "true"}).respond(json=[])
        router.get("/api/v4/order", params={"open": "false"}).respond(json=[{**ROW, "ordStatus": "Filled"}])
        today = router.get("/api/v4/execution/order")
        router.get("/api/v4/execution").respond(json=[])
        assert (await osl.query(OrderRef("a-1", "BTCUSD"))).status is OrderStatus.FILLED
        assert await osl.fills(OrderRef("a-1", "BTCUSD")) == []
        assert not today.called

    talk(act)


def test_trap_07_the_two_purses_are_kept_apart():
    async def act(osl, router):
        row = {"currency": "BTC", "exchangeAvailableBalance": "1", "exchangeTotalBalance": "1"}
        router.get("/api/v4/user/wallet").respond(json=[row])
        wallets = {"Wallets": {"BTC": {"Brokerage_Available_Balance": {"value": "2"}}}}
        router.post("/api/3/account").respond(json={"data": wallets, "resultCode": "OK"})
        assert {purse.account: purse.free for purse in await osl.balances()} == {"exchange": 1, "brokerage": 2}
        assert (osl.traits.order_account, osl.traits.rfq.account) == ("exchange", "brokerage")

    talk(act)


def test_trap_08_the_quote_id_of_the_ledger_is_not_taken_for_one():
    async def act(osl, router):
        both = '"transactionState":"PROCESSED","received":"1790000001000","fee":0.0,"quoteId":"T","tradeId":"T"'
        text = (
            '{"transactions":[{"ccy":"USD","amount":21549.020000000000000001,"transactionType":"TRADE_CREDIT",'
            + both
            + '},{"ccy":"BTC","amount":-0.25,"transactionType":"TRADE_DEBIT",'
            + both
            + '}],"resultCode":"OK"}'
        )
        router.post("/api/3/transaction/list").respond(text=text)
        (sale,) = await osl.quote_trades("BTC", "USD", START)
        assert sale.quote_id == ""
        assert sale.notional == Decimal("21549.020000000000000001")  # never through a float
        assert sale.qty == Decimal("0.25")

    talk(act)


def test_trap_09_post_only_with_ioc_ends_withdrawn_without_an_error():
    async def act(osl, router):
        router.post("/api/v4/order").respond(json={**ROW, "ordStatus": "Withdrawn"})
        report = await osl.place(order(tif=TimeInForce.IOC, post_only=True))
        assert (report.status, report.raw_status) == (OrderStatus.CANCELED, "Withdrawn")

    talk(act)


def test_trap_10_the_price_band_is_told_and_its_refusal_understood():
    async def act(osl, router):
        one = (await osl.instruments())["BTCUSD"]
        assert (one.min_px, one.max_px) == (Decimal("81890.0"), Decimal("90510.0"))
        router.post("/api/v4/order").respond(400, json={"error": {"message": "order price too low", "name": "N"}})
        with pytest.raises(Rejected) as refused:
            await osl.place(order(px="0.1"))
        assert refused.value.reason is RejectReason.PRICE

    talk(act)


@pytest.mark.parametrize(
    "world",
    [
        {"symbol": {**SYMBOL, "status": "0"}},
        {"symbol": {**SYMBOL, "status": None}},
        {"symbol": {**SYMBOL, "piAvailable": False}},
        {"symbol": {k: v for k, v in SYMBOL.items() if k != "piAvailable"}},
        {"client_type": "retail"},
        {"engine": {**OPEN, "tradingEnabled": False}},
        {"engine": {**OPEN, "cancelOnly": True}},
        {"engine": {**OPEN, "restrictedSell": True}},
    ],
)
def test_trap_12_a_pair_that_is_listed_may_not_be_open_to_us(world):
    async def act(osl, router):
        one = (await osl.instruments())["BTCUSD"]
        assert not one.trading
        assert one.why_not_trading

    talk(act, **world)


def test_trap_14_an_order_pulled_by_self_trade_prevention_is_cancelled_and_may_have_fills():
    async def act(osl, router):
        row = {**ROW, "ordStatus": "Withdrawn", "cumQty": "0.4", "leavesQty": "0"}
        router.get("/api/v4/order").respond(json=[row])
        report = await osl.query(OrderRef("a-1", "BTCUSD"))
        assert (report.status, report.cum_qty) == (OrderStatus.CANCELED, Decimal("0.4"))

    talk(act)


def test_trap_15_a_cancelled_order_keeps_its_partial_fills():
    async def act(osl, router):
        row = {**ROW, "ordStatus": "Cancelled", "cumQty": "0.4", "leavesQty": "0", "avgPx": "86000"}
        router.get("/api/v4/order").respond(json=[row])
        report = await osl.query(OrderRef("a-1", "BTCUSD"))
        assert report.status.terminal
        assert (report.cum_qty, report.avg_px) == (Decimal("0.4"), Decimal(86000))

    talk(act)


# --- instruments ------------------------------------------------------------------------------------------------


def test_bounds_and_fees_of_a_pair():
    async def act(osl, router):
        assert await osl.instruments() is not None
        return (await osl.instruments())["BTCUSD"]

    one = talk(act)
    assert one.trading
    assert (one.tick_size, one.step_size) == (Decimal("0.1"), Decimal("0.0000001"))
    assert (one.min_qty, one.max_qty) == (Decimal("0.0001"), Decimal(400))
    assert (one.min_notional, one.max_notional) == (Decimal(10), Decimal(600000))
    assert (one.taker_fee, one.maker_fee) == (Decimal("0.0005"), Decimal(0))
    assert talk(act, taker_fee=Decimal("0.001")).taker_fee == Decimal("0.001")


@pytest.mark.parametrize(
    "world",
    [
        {"symbol": None},
        {"symbol": {**SYMBOL, "takerFeeRate": None}},
        {"instrument": {**INSTRUMENT, "tickSize": "0"}},
        {"instrument": {**INSTRUMENT, "maxValue": None}},
    ],
)
def test_a_pair_with_a_part_missing_is_left_out_with_the_reason(world):
    async def act(osl, router):
        assert await osl.instruments() == {}
        assert osl.left_out["BTCUSD"]

    talk(act, **world)


# --- before anything is sent ------------------------------------------------------------------------------------


def test_start_reads_and_measures_and_places_nothing():
    async def act(osl, router):
        await osl.start()
        assert isinstance(osl, Venue)
        assert isinstance(osl, RfqVenue)
        route = router.post("/api/v4/order").respond(json=ROW)
        await osl.place(order())
        assert route.calls[0].request.headers["api-expires"] > "1790000090"  # by the venue's clock

    talk(act, server_ms=MS + 90_000)


@pytest.mark.parametrize("name", list(V4Fields.__dataclass_fields__))
def test_start_refuses_without_a_name_and_says_what_to_ask_for(name):
    given = {each: getattr(FIELDS, each) for each in V4Fields.__dataclass_fields__ if each != name}

    async def act(osl, router):
        with pytest.raises(Rejected) as refused:
            await osl.start()
        assert refused.value.reason is RejectReason.NOT_CONFIGURED
        assert f"fields.{name} (ask for" in str(refused.value)
        assert not router.calls

    talk(act, fields=V4Fields(**given))


def test_start_refuses_without_a_client_order_id_on_create():
    async def act(osl, router):
        with pytest.raises(Rejected, match="client_id_on_create"):
            await osl.start()

    talk(act, client_id_on_create=None)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.osl.com",
        "https://trade-au.osl.com",
        "https://trade-hk.osl.com.example.org",
        "http://trade-hk.osl.com",
        "https://trade-hk.osl.com/proxy",
    ],
)
def test_start_refuses_any_site_but_the_hong_kong_venue(url):
    async def act(osl, router):
        with pytest.raises(Rejected) as refused:
            await osl.start()
        assert refused.value.reason is RejectReason.NOT_ALLOWED
        assert not router.calls

    talk(act, base_url=url)


@pytest.mark.parametrize(
    "change",
    [
        {"timeout_s": 9},
        {"expires_in_s": 1},
        {"ledger_page": 1},
        {"executions_page": 501},
        {"secret": SecretStr("not base64!")},
    ],
)
def test_settings_that_cannot_work(change):
    with pytest.raises(ValueError) as fault:
        settings(**change)
    assert "not base64!" not in str(fault.value)


def test_traits_are_the_documented_ones():
    async def act(osl, router):
        traits = osl.traits
        assert traits.duplicate_ids is DuplicateIds.NOT_DOCUMENTED
        assert (traits.quiet_period, traits.looks) == (timedelta(seconds=60), 6)
        assert (traits.fills_window, traits.request_window) == (None, timedelta(seconds=10))
        assert traits.rfq.executable
        assert traits.rfq.same_id_is_safe
        seen = await osl.permissions()
        assert (seen.trade, seen.withdraw) == (None, None)
        assert "Move Funds" in seen.note
        osl._settings = replace(osl._settings, withdrawals_confirmed_off=True)
        assert (await osl.permissions()).withdraw is False

    talk(act)


def test_secrets_are_in_no_message():
    async def act(osl, router):
        assert SECRET not in repr(osl._settings)
        router.post("/api/v4/order").respond(401, json={"error": {"message": "no", "name": "N"}})
        router.post("/api/3/retail/trade").mock(side_effect=httpx.ReadError(SECRET))
        for call in (osl.place(order()), osl.accept(quote(), "a-1")):
            with pytest.raises(VenueError) as fault:
                await call
            assert SECRET not in str(fault.value)

    talk(act)


def test_an_unreadable_acceptance_is_unknown():
    async def act(osl, router):
        router.post("/api/3/retail/trade").respond(503, text="<html>maintenance</html>")
        with pytest.raises(Unknown):
            await osl.accept(quote(), "a-1")

    talk(act)
