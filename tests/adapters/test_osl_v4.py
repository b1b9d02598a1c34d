"""OSL's v4 order book: what is sent, and what each answer is taken to say."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
import respx
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.osl import Osl
from adapters.osl_settings import OslSettings, V4Fields
from adapters.osl_sign import sign_v4
from adapters.venue import (
    Balance,
    Halted,
    NewOrder,
    NotSent,
    OrderRef,
    OrderStatus,
    Rejected,
    RejectReason,
    Throttled,
    TimeInForce,
    Unauthorized,
    Unknown,
)
from executor.engine.virtual_time import run_virtual

START = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)  # 1790000000
URL = "https://trade-hk.oslsandbox.com"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
FIELDS = V4Fields("cumQty", "leavesQty", "execID", "lastQty", "lastPx", "fee", "feeCurrency", "transactTime")
SETTINGS = OslSettings(URL, SecretStr("the-key"), SecretStr(SECRET), FIELDS, "clOrdID")
ORDER = NewOrder("hkx-000001", "BTCUSD", Decimal("0.25"), Decimal("86196.1"), TimeInForce.IOC)
REF = OrderRef("hkx-000001", "BTCUSD")
ROW = {
    "orderID": "2400000001",
    "clOrdID": "hkx-000001",
    "symbol": "BTCUSD",
    "side": "Sell",
    "ordType": "Limit",
    "orderQty": "0.25",
    "price": "86196.1",
    "timeInForce": "ImmediateOrCancel",
    "execInst": "",
    "ordStatus": "New",
    "cumQty": "0",
    "leavesQty": "0.25",
}
EXECUTION = {
    "execID": "E1",
    "orderID": "2400000001",
    "clOrdID": "hkx-000001",
    "side": "Sell",
    "lastQty": "0.1",
    "lastPx": "86196.1",
    "fee": "4.309805",
    "feeCurrency": "USD",
    "transactTime": "2026-09-21T14:13:20.123Z",
}


def talk(act, settings=SETTINGS):
    """Run ``act(osl, router)`` under virtual time against a router of canned answers."""

    async def run():
        router = respx.MockRouter(assert_all_called=False)
        client = httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler))
        return await act(Osl(settings, client, LoopClock(START)), router)

    return run_virtual(run())


def answered(method, path, status, body, call, settings=SETTINGS):
    async def act(osl, router):
        route = router.route(method=method, path=path).respond(status, json=body)
        result = await call(osl)
        return result, route

    return talk(act, settings)


def placed(status, body):
    return answered("POST", "/api/v4/order", status, body, lambda osl: osl.place(ORDER))


def error(message, name="SOME_NAME"):
    return {"error": {"message": message, "name": name}}


# --- place ------------------------------------------------------------------------------------------------------


def test_place_sends_a_signed_limit_order_to_sell_once():
    report, route = placed(200, ROW)
    assert route.call_count == 1
    request = route.calls[0].request
    assert json.loads(request.content) == {
        "symbol": "BTCUSD",
        "side": "Sell",
        "ordType": "Limit",
        "orderQty": "0.25",
        "price": "86196.1",
        "timeInForce": "ImmediateOrCancel",
        "clOrdID": "hkx-000001",
    }
    assert request.headers["api-key"] == "the-key"
    assert request.headers["api-expires"] == "1790000010"
    assert request.headers["content-type"] == "application/json"
    made = sign_v4(SECRET, "POST", "/api/v4/order", 1790000010, request.content.decode())
    assert request.headers["api-signature"] == made
    assert (report.venue_order_id, report.client_order_id) == ("2400000001", "hkx-000001")
    assert report.status is OrderStatus.NEW
    assert report.cum_qty == 0


@pytest.mark.parametrize(
    ("tif", "word"),
    [
        (TimeInForce.GTC, "GoodTillCancel"),
        (TimeInForce.IOC, "ImmediateOrCancel"),
        (TimeInForce.FOK, "FillOrKill"),
    ],
)
def test_times_in_force(tif, word):
    order = NewOrder("a-1", "BTCUSD", Decimal("1E+2"), Decimal("86196.10"), tif, post_only=True)
    row = {**ROW, "clOrdID": "a-1", "orderQty": "100", "leavesQty": "100"}
    _, route = answered("POST", "/api/v4/order", 200, row, lambda osl: osl.place(order))
    sent = json.loads(route.calls[0].request.content)
    assert (sent["timeInForce"], sent["execInst"]) == (word, "PostOnly")
    assert (sent["orderQty"], sent["price"]) == ("100", "86196.1")


def test_the_configured_name_carries_the_client_order_id():
    settings = OslSettings(URL, SecretStr("k"), SecretStr(SECRET), FIELDS, "clientRef")
    row = {**ROW, "clientRef": "hkx-000001"}
    _, route = answered("POST", "/api/v4/order", 200, row, lambda osl: osl.place(ORDER), settings)
    sent = json.loads(route.calls[0].request.content)
    assert sent["clientRef"] == "hkx-000001"
    assert "clOrdID" not in sent


def test_without_a_name_for_the_client_order_id_nothing_is_sent():
    settings = OslSettings(URL, SecretStr("k"), SecretStr(SECRET), FIELDS)
    with pytest.raises(Rejected) as refused:
        answered("POST", "/api/v4/order", 200, ROW, lambda osl: osl.place(ORDER), settings)
    assert refused.value.reason is RejectReason.NOT_CONFIGURED


@pytest.mark.parametrize("client_id", ["", "x" * 21, "a_b", "a b", "ä"])
def test_client_order_ids_outside_the_defensive_rules_are_refused(client_id):
    order = NewOrder(client_id, "BTCUSD", Decimal(1), Decimal(1), TimeInForce.GTC)
    with pytest.raises(Rejected) as refused:
        answered("POST", "/api/v4/order", 200, ROW, lambda osl: osl.place(order))
    assert refused.value.reason is RejectReason.INVALID


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, error("symbol 'X' is not supported or does not exist", "INVALID_SYMBOL"), RejectReason.NOT_FOUND),
        (400, error("post only order would match"), RejectReason.WOULD_TAKE),
        (400, error("order price too low"), RejectReason.PRICE),
        (400, error("order price too high"), RejectReason.PRICE),
        (400, error("order quantity too large"), RejectReason.SIZE),
        (200, error("order price too low"), RejectReason.PRICE),
        (400, error("order quantity too small"), RejectReason.SIZE),
        (400, error("order value too small"), RejectReason.SIZE),
        (400, error("order value too large"), RejectReason.SIZE),
        (400, error("price step"), RejectReason.PRICE),
        (400, error("quantity step"), RejectReason.SIZE),
        (400, error("insufficient holdings"), RejectReason.BALANCE),
        (400, error("no holdings"), RejectReason.BALANCE),
        (400, error("insufficient cash"), RejectReason.BALANCE),
        (400, error("user suspended"), RejectReason.NOT_ALLOWED),
    ],
)
def test_refusals_of_an_order(status, body, reason):
    with pytest.raises(Rejected) as refused:
        placed(status, body)
    assert refused.value.reason is reason


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials(status):
    with pytest.raises(Unauthorized):
        placed(status, error("no"))


@pytest.mark.parametrize("message", ["instrument market closed", "system suspended"])
def test_a_closed_market(message):
    with pytest.raises(Halted):
        placed(400, error(message))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, error("x")),
        (502, {}),
        (200, error("something new")),
        (400, error("something new")),
        (404, error("something new")),
        (400, {"error": "SOME_NAME"}),
        (200, {}),
        (200, []),
        (200, {k: v for k, v in ROW.items() if k != "orderID"}),
        (200, {k: v for k, v in ROW.items() if k != "ordStatus"}),
        (200, {**ROW, "clOrdID": "another"}),
        (200, {**ROW, "symbol": "ETHUSD"}),
        (200, {**ROW, "orderQty": "0.26"}),
        (200, {**ROW, "side": "Buy"}),
        (202, ROW),
        (400, {}),
        (400, {"code": "1"}),
        (409, error("order price too strange")),
        (400, error("duplicate clOrdID")),
        (400, error("x", "SYSTEM_ERROR")),
        (400, {"error": 7}),
    ],
)
def test_answers_to_an_order_that_settle_nothing(status, body):
    with pytest.raises(Unknown):
        placed(status, body)


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("t"), httpx.RemoteProtocolError("p"), httpx.WriteError("w")])
def test_an_order_without_an_answer_is_unknown_and_sent_once(fault):
    async def act(osl, router):
        route = router.post("/api/v4/order").mock(side_effect=fault)
        with pytest.raises(Unknown):
            await osl.place(ORDER)
        assert route.call_count == 1

    talk(act)


def test_an_order_that_could_not_connect_was_not_sent():
    async def act(osl, router):
        router.post("/api/v4/order").mock(side_effect=httpx.ConnectError("c"))
        with pytest.raises(NotSent):
            await osl.place(ORDER)

    talk(act)


def test_html_of_the_edge_is_unknown():
    async def act(osl, router):
        router.post("/api/v4/order").respond(403, text="<html>blocked</html>")
        with pytest.raises(Unknown):
            await osl.place(ORDER)

    talk(act)


@pytest.mark.parametrize(
    ("told", "pause"),
    [("7", 7), ("86400", 1800), *((odd, 60) for odd in ("1797225600", "1797225600000", "\u00b2", "soon"))],
)
def test_429_closes_the_adapter_for_the_time_told(told: str, pause: int) -> None:
    """A time that nobody would believe is not believed: for as long nothing could be cancelled either."""

    async def act(osl, router):
        router.post("/api/v4/order").respond(429, headers={"retry-after": told.encode()}, json={})
        with pytest.raises(Throttled) as limited:
            await osl.place(ORDER)
        assert limited.value.retry_after == timedelta(seconds=pause)

    talk(act)


# --- cancel -----------------------------------------------------------------------------------------------------


def cancelled(status, body, refs=(REF,)):
    return answered("DELETE", "/api/v4/order", status, body, lambda osl: osl.cancel_many(refs))


def failed(message, name="X", client_id="hkx-000001"):
    return {"clOrdID": client_id, "error": {"message": message, "name": name}}


def test_cancel_names_the_order_by_our_id_in_an_array():
    _, route = answered("DELETE", "/api/v4/order", 200, [{"clOrdID": "hkx-000001"}], lambda osl: osl.cancel(REF))
    assert json.loads(route.calls[0].request.content) == {"clOrdID": ["hkx-000001"]}


def test_cancel_many_puts_all_into_one_request():
    refs = [OrderRef(f"a-{n}", "BTCUSD") for n in range(3)]
    _, route = cancelled(200, [], refs)
    assert route.call_count == 1
    assert json.loads(route.calls[0].request.content) == {"clOrdID": ["a-0", "a-1", "a-2"]}


def test_cancel_many_tries_all_and_names_foreign_orders_by_the_venue_id():
    async def act(osl, router):
        route = router.delete("/api/v4/order").mock(
            side_effect=[httpx.Response(400, json=[failed("order not found")]), httpx.Response(200, json=[])]
        )
        with pytest.raises(Rejected) as refused:
            await osl.cancel_many([REF, OrderRef("", "BTCUSD", "77")])
        assert refused.value.reason is RejectReason.NOT_FOUND
        assert [json.loads(call.request.content) for call in route.calls] == [
            {"clOrdID": ["hkx-000001"]},
            {"orderID": ["77"]},
        ]

    talk(act)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, [failed("order already matched")], RejectReason.FINISHED),
        (400, [failed("order already cancelled")], RejectReason.FINISHED),
        (400, [failed("", "ERROR_ORDER_STATUS_SET_NO_CANCEL_MATCHED")], RejectReason.FINISHED),
        (400, [failed("", "ERROR_ORDER_STATUS_SET_NO_CANCEL_CANCELLED")], RejectReason.FINISHED),
        (400, [failed("", "ORDER_NOT_FOUND")], RejectReason.NOT_FOUND),
        (404, error("x", "ORDER_NOT_FOUND"), RejectReason.NOT_FOUND),
        (200, [failed("order already matched")], RejectReason.FINISHED),
    ],
)
def test_cancel_of_what_cannot_be_cancelled(status, body, reason):
    with pytest.raises(Rejected) as refused:
        cancelled(status, body)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, [failed("something new")]),
        (400, [failed("", "SYSTEM_ERROR")]),
        (400, [failed("order already matched", client_id="another")]),
        (400, [{"clOrdID": "hkx-000001"}]),
        (400, [{"clOrdID": "hkx-000001", "ordStatus": "New"}]),
        (400, [7]),
        (400, {}),
        (200, {}),
        (500, {}),
    ],
)
def test_cancel_answers_that_settle_nothing(status, body):
    with pytest.raises(Unknown):
        cancelled(status, body)


@pytest.mark.parametrize("status", [401, 403])
def test_cancel_with_refused_credentials(status):
    with pytest.raises(Unauthorized):
        cancelled(status, {})


# --- query ------------------------------------------------------------------------------------------------------


def queried(open_rows, finished_rows, ref=REF):
    async def act(osl, router):
        live = router.get("/api/v4/order", params={"open": "true"}).respond(json=open_rows)
        done = router.get("/api/v4/order", params={"open": "false"}).respond(json=finished_rows)
        return await osl.query(ref), live, done

    return talk(act)


def test_query_looks_among_open_and_then_finished_orders():
    report, live, done = queried([], [{**ROW, "ordStatus": "Filled", "cumQty": "0.25", "avgPx": "86200"}])
    assert live.call_count == done.call_count == 1
    assert live.calls[0].request.url.params["clOrdID"] == "hkx-000001"
    assert (report.status, report.cum_qty, report.avg_px) == (OrderStatus.FILLED, Decimal("0.25"), Decimal(86200))


def test_query_asks_by_the_venue_id_where_it_is_known():
    report, live, _ = queried([ROW], [], OrderRef("hkx-000001", "BTCUSD", "2400000001"))
    assert live.calls[0].request.url.params["orderID"] == "2400000001"
    assert report.status is OrderStatus.NEW


def test_absent_in_both_lists_is_not_known():
    assert queried([], [])[0] is None


def test_an_order_of_somebody_else_is_not_ours():
    assert queried([{**ROW, "clOrdID": "another"}], [])[0] is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("New", OrderStatus.NEW),
        ("PartiallyFilled", OrderStatus.PARTIALLY_FILLED),
        ("Filled", OrderStatus.FILLED),
        ("Cancelled", OrderStatus.CANCELED),
        ("Replaced", OrderStatus.UNRECOGNISED),
        ("Rejected", OrderStatus.REJECTED),
        ("Suspended", OrderStatus.SUSPENDED),
        ("Expired", OrderStatus.EXPIRED),
        ("Withdrawn", OrderStatus.CANCELED),
        ("Canceled", OrderStatus.UNRECOGNISED),
        ("Anything", OrderStatus.UNRECOGNISED),
    ],
)
def test_order_states(word, status):
    report = queried([{**ROW, "ordStatus": word}], [])[0]
    assert (report.status, report.raw_status) == (status, word)


def test_a_missing_quantity_is_not_a_zero():
    row = {k: v for k, v in ROW.items() if k not in ("cumQty", "leavesQty", "avgPx")}
    report = queried([row], [])[0]
    assert report.cum_qty is None
    assert report.avg_px is None


@pytest.mark.parametrize(
    "open_rows",
    [
        [{k: v for k, v in ROW.items() if k != "clOrdID"}],
        [{**ROW, "cumQty": "0.1"}],
        [{**ROW, "cumQty": "NaN"}],
        [{**ROW, "cumQty": True}],
        [ROW, {**ROW, "orderID": "2400000002"}],
        {"rows": []},
        [[]],
    ],
)
def test_query_answers_that_make_no_sense_are_no_reading(open_rows):
    with pytest.raises(NotSent):
        queried(open_rows, [])


def test_a_refused_query_is_no_absence():
    for status in (400, 500):
        with pytest.raises(NotSent):
            answered("GET", "/api/v4/order", status, error("x"), lambda osl: osl.query(REF))


def test_open_orders_go_on_until_a_short_page():
    async def act(osl, router):
        first = [{**ROW, "orderID": str(n), "clOrdID": f"a-{n}"} for n in range(1000)]
        route = router.get("/api/v4/order").mock(
            side_effect=[httpx.Response(200, json=first), httpx.Response(200, json=[{**ROW, "orderID": "z"}])]
        )
        found = await osl.open_orders("BTCUSD")
        assert len(found) == 1001
        assert [call.request.url.params["start"] for call in route.calls] == ["0", "1000"]

    talk(act)


# --- fills ------------------------------------------------------------------------------------------------------


def filled(body, ref=REF):
    return answered("GET", "/api/v4/execution", 200, body, lambda osl: osl.fills(ref))


def test_fills_are_exact_and_oldest_first():
    later = {**EXECUTION, "execID": "E2", "transactTime": "2026-09-21T14:13:21.000Z"}
    fills, route = filled([later, EXECUTION, EXECUTION])
    assert [fill.trade_id for fill in fills] == ["E1", "E2"]
    assert fills[0].notional == Decimal("8619.61")
    assert (fills[0].fee, fills[0].fee_asset) == (Decimal("4.309805"), "USD")
    assert fills[0].at == datetime(2026, 9, 21, 14, 13, 20, 123000, tzinfo=UTC)
    params = route.calls[0].request.url.params
    assert (params["clOrdID"], params["count"], params["endTime"]) == (
        "hkx-000001",
        "500",
        "2026-09-21T14:13:30.000Z",
    )


@pytest.mark.parametrize("gone", ["execID", "lastQty", "lastPx", "fee", "feeCurrency", "transactTime"])
def test_a_fill_with_a_part_missing_is_no_reading(gone):
    for value in (None, ""):
        with pytest.raises(NotSent):
            filled([{**EXECUTION, gone: value}])


@pytest.mark.parametrize(
    "odd",
    [
        {"fee": "-1"},
        {"lastQty": "0"},
        {"lastPx": "-1"},
        {"fee": "1,120.00"},
        {"transactTime": "2026-09-21T14:13:20"},
        {"side": "Buy"},
        {"clOrdID": "another"},
    ],
)
def test_a_fill_that_makes_no_sense_is_no_reading(odd):
    with pytest.raises(NotSent):
        filled([{**EXECUTION, **odd}])


def test_fills_page_with_a_fixed_end_and_count_each_once():
    async def act(osl, router):
        first = [{**EXECUTION, "execID": f"E{n}"} for n in range(500)]
        second = [{**EXECUTION, "execID": f"E{n}"} for n in range(499, 510)]
        route = router.get("/api/v4/execution").mock(
            side_effect=[httpx.Response(200, json=first), httpx.Response(200, json=second)]
        )
        fills = await osl.fills(REF)
        assert len(fills) == len({fill.trade_id for fill in fills}) == 510
        assert len({call.request.url.params["endTime"] for call in route.calls}) == 1

    talk(act)


def test_a_list_that_repeats_itself_is_no_reading():
    with pytest.raises(NotSent):
        filled([{**EXECUTION, "execID": f"E{n}"} for n in range(500)])


# --- wallet and book --------------------------------------------------------------------------------------------


def test_the_wallet_is_the_exchange_purse():
    rows = [{"currency": "USD", "exchangeAvailableBalance": "500.00000", "exchangeTotalBalance": "510.5"}]
    account = {"data": {"Wallets": {"BTC": {"Brokerage_Available_Balance": {"value": "0.5"}}}}, "resultCode": "OK"}

    async def act(osl, router):
        router.get("/api/v4/user/wallet").respond(json=rows)
        router.post("/api/3/account").respond(json=account)
        return await osl.balances()

    assert talk(act) == [
        Balance("exchange", "USD", Decimal(500), Decimal("10.5")),
        Balance("brokerage", "BTC", Decimal("0.5"), Decimal(0)),
    ]


def test_the_book_keeps_its_order_and_claims_no_time_of_change():
    body = {"symbol": "BTCUSD", "asks": [["2", "1"]], "bids": [["1.5", "3"], ["1.4", "1"]], "updateTime": "x"}
    book, _ = answered("GET", "/api/v4/orderBook/L2", 200, body, lambda osl: osl.book("BTCUSD"))
    assert [level.px for level in book.bids] == [Decimal("1.5"), Decimal("1.4")]
    assert book.changed_at is None


def test_the_book_of_an_unknown_symbol():
    body = error("symbol 'X' is not supported or does not exist", "INVALID_SYMBOL")
    with pytest.raises(Rejected) as refused:
        answered("GET", "/api/v4/orderBook/L2", 400, body, lambda osl: osl.book("X"))
    assert refused.value.reason is RejectReason.NOT_FOUND


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"status": 404, "error": "Not Found", "path": "/api/v4/order"}),  # a route that is no longer there
        (400, error("account not found", "ACCOUNT_ERROR")),
        (400, error("upstream host not found", "GATEWAY")),
    ],
)
def test_only_words_about_an_order_say_that_there_is_none(status, body):
    with pytest.raises(NotSent):
        answered("GET", "/api/v4/order", status, body, lambda osl: osl.query(REF))
    with pytest.raises(Unknown):
        answered("DELETE", "/api/v4/order", status, body, lambda osl: osl.cancel(REF))


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_a_time_outside_the_calendar_is_no_answer(moment):
    body = [EXECUTION | {"transactTime": moment}]
    with pytest.raises(NotSent):
        answered("GET", "/api/v4/execution", 200, body, lambda osl: osl.fills(REF))
