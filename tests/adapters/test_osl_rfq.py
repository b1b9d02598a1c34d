"""OSL's v3 brokerage: quotes, acceptance, the ledger; the published tables of codes row by row."""

import asyncio
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
from adapters.osl_sign import sign_v3
from adapters.venue import NotSent, Quote, Rejected, RejectReason, Unauthorized, Unknown
from executor.engine.virtual_time import run_virtual

START = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)  # 1790000000
MS = 1790000000000
URL = "https://trade-hk.oslsandbox.com"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
SETTINGS = OslSettings(URL, SecretStr("the-key"), SecretStr(SECRET), V4Fields(), "clOrdID", ledger_page=4)
QUOTE_ID = "ab+/" * 86 + "abc="
AMOUNTS = {
    "buyTradedCurrency": False,
    "settlementCurrency": "USD",
    "tradedCurrency": "BTC",
    "quotedSettlementCurrencyAmount": "21549.02",
    "quotedTradedCurrencyAmount": "0.25",
    "executedPrice": "86196.112345",
}
QUOTED = {
    "responseCode": "FULL_QUOTE",
    **AMOUNTS,
    "quoteId": QUOTE_ID,
    "quoteExpiresAt": MS + 7717,
    "quoteCreatedAt": MS + 717,
    "isPtsSufficient": False,
}
TRADED = {"responseCode": "EXECUTED", "tradeId": "0f0e", "tradeRef": "0f0e", "quoteId": QUOTE_ID, **AMOUNTS}
STATIC = {
    "currencyStatic": {
        "currencyPairs": {
            "BTCUSD": {
                "tradedCcy": "BTC",
                "settlementCcy": "USD",
                "engineSettings": {"tradingEnabled": True, "cancelOnly": False, "restrictedSell": False},
            }
        }
    }
}
QUOTE = Quote(
    "osl",
    QUOTE_ID,
    "BTC",
    "USD",
    Decimal("0.25"),
    Decimal("86196.112345"),
    Decimal("21549.02"),
    START + timedelta(milliseconds=717),
    START + timedelta(milliseconds=7717),
)


def talk(act, settings=SETTINGS):
    async def run():
        router = respx.MockRouter(assert_all_called=False)
        router.get("/api/v4/instrument").respond(json=[])
        router.get("/api/v5/symbols").respond(json=[])
        router.get("/api/3/currencyStatic").respond(json=STATIC)
        client = httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler))
        return await act(Osl(settings, client, LoopClock(START)), router)

    return run_virtual(run())


def quoted(body, status=200):
    async def act(osl, router):
        route = router.post("/api/3/retail/quote").respond(status, json=body)
        return await osl.quote("BTC", "USD", Decimal("0.25")), route

    return talk(act)


def accepted(body, status=200, ledger=None):
    async def act(osl, router):
        route = router.post("/api/3/retail/trade").respond(status, json=body)
        router.post("/api/3/transaction/list").respond(json=ledger if ledger is not None else {})
        return await osl.accept(QUOTE, "p1-1"), route

    return talk(act)


def trade(response_code, error_code="", result_code="OK"):
    row = {"responseCode": response_code, "quoteId": QUOTE_ID, "errorCode": error_code}
    return {"tradeResponse": row, "timestamp": MS, "resultCode": result_code}


def rows(trade_id="0f0e", amount="21549.02", qty="0.25", second=2, fee="0.0", base="BTC", quote="USD"):
    """The two ledger rows of one trade, as JSON text with floats in it."""
    at = str(MS + second * 1000)
    shared = (
        f'"transactionClass":"ETRADE","fee":{fee},"transactionState":"PROCESSED","received":"{at}",'
        f'"quoteId":"{trade_id}","tradeId":"{trade_id}","executedPrice":"[BTC/USD] 86196.08000000"'
    )
    return [
        f'{{"ccy":"{quote}","amount":{amount},"transactionType":"TRADE_CREDIT",{shared}}}',
        f'{{"ccy":"{base}","amount":-{qty},"transactionType":"TRADE_DEBIT",{shared}}}',
    ]


def ledger(*texts):
    return '{"transactions":[' + ",".join(texts) + '],"resultCode":"OK","timestamp":1}'


def trades_of(*pages, since=START, settings=SETTINGS):
    async def act(osl, router):
        route = router.route(path="/api/3/transaction/list").mock(
            side_effect=[httpx.Response(200, text=page) for page in pages]
        )
        return await osl.quote_trades("BTC", "USD", since), route

    return talk(act, settings)


# --- quote ------------------------------------------------------------------------------------------------------


def test_a_quote_is_asked_for_signed_and_read_exactly():
    quote, route = quoted({"quoteResponse": QUOTED, "timestamp": MS, "resultCode": "OK"})
    request = route.calls[0].request
    sent = json.loads(request.content)
    assert sent["quoteRequest"] == {
        "buyTradedCurrency": False,
        "tradedCurrency": "BTC",
        "settlementCurrency": "USD",
        "tradedCurrencyAmount": "0.25",
    }
    assert sent["tonce"] >= MS * 1000
    assert request.headers["rest-key"] == "the-key"
    assert request.headers["rest-sign"] == sign_v3(SECRET, "api/3/retail/quote", request.content.decode())
    assert request.headers["content-type"] == "application/json"
    assert quote == QUOTE
    assert len(quote.quote_id) == 348
    assert quote.executable


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("CANNOT_PRICE", RejectReason.NO_PRICE),
        ("EXCHANGE_RATES_CONVERSION_ERROR", RejectReason.NO_PRICE),
        ("PER_TXN_LIMIT_EXCEEDED", RejectReason.SIZE),
        ("USER_DAILY_LIMIT_EXCEEDED", RejectReason.LIMIT),
        ("DEALER_DAILY_LIMIT_EXCEEDED", RejectReason.LIMIT),
    ],
)
def test_quote_response_codes(code, reason):
    with pytest.raises(Rejected) as refused:
        quoted({"quoteResponse": {"responseCode": code}, "resultCode": "OK"})
    assert (refused.value.reason, refused.value.code) == (reason, code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("p200021", RejectReason.NO_PRICE),
        ("p500005", RejectReason.NO_PRICE),
        ("p500019", RejectReason.NO_PRICE),
        ("s500018", RejectReason.NO_PRICE),
        ("s500024", RejectReason.NO_PRICE),
        ("s500025", RejectReason.NO_PRICE),
        ("s200003", RejectReason.NOT_ALLOWED),
        ("s200004", RejectReason.NOT_ALLOWED),
        ("s200015", RejectReason.NOT_ALLOWED),
        ("s300001", RejectReason.NO_PRICE),
        ("s300019", RejectReason.NO_PRICE),
    ],
)
def test_quote_error_codes_under_an_empty_response_code(code, reason):
    with pytest.raises(Rejected) as refused:
        quoted({"quoteResponse": {"responseCode": "", "errorCode": code}, "resultCode": "OK"})
    assert (refused.value.reason, refused.value.code) == (reason, code)


RESULT_CODES = [
    ("INSUFFICIENT_AVAILABLE_BALANCE", RejectReason.BALANCE),
    ("TOO_MANY_OPEN_ORDERS", RejectReason.LIMIT),
    ("TOO_SMALL", RejectReason.SIZE),
    ("SIMPLE_TRADE_DISABLED", RejectReason.NOT_ALLOWED),
    ("USER_NOT_VERIFIED", RejectReason.NOT_ALLOWED),
    ("USER_ACTIVITY_RESTRICTED", RejectReason.NOT_ALLOWED),
    ("INVALID_PARAMETERS", RejectReason.INVALID),
]


@pytest.mark.parametrize(("code", "reason"), RESULT_CODES)
def test_result_codes_of_a_quote(code, reason):
    with pytest.raises(Rejected) as refused:
        quoted({"timestamp": MS, "resultCode": code})
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        {"timestamp": MS, "resultCode": "SYSTEM_ERROR"},
        {"quoteResponse": QUOTED, "resultCode": "SYSTEM_ERROR"},
        {"quoteResponse": {**QUOTED, "responseCode": "NEW_WORD"}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "errorCode": "x1"}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "buyTradedCurrency": True}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "tradedCurrency": "ETH"}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "settlementCurrency": "HKD"}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "quoteId": ""}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "quoteExpiresAt": None}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "executedPrice": "0"}, "resultCode": "OK"},
        {"quoteResponse": {**QUOTED, "quotedSettlementCurrencyAmount": ""}, "resultCode": "OK"},
        {"apiVersion": 3, "timestamp": MS, "error": "SYSTEM_ERROR"},
        {"error": {"i18n": "error.user.activity.restricted.trading", "params": {}}},
        [],
        {},
    ],
)
def test_quote_answers_that_hold_no_quote(body):
    with pytest.raises(NotSent):
        quoted(body)


def test_a_quote_for_another_quantity_is_refused():
    with pytest.raises(Rejected) as refused:
        quoted({"quoteResponse": {**QUOTED, "quotedTradedCurrencyAmount": "0.24"}, "resultCode": "OK"})
    assert refused.value.reason is RejectReason.SIZE


def test_a_quote_with_refused_credentials():
    with pytest.raises(Unauthorized):
        quoted({"error": "x"}, 401)


@pytest.mark.parametrize(
    "switch", [{"tradingEnabled": False}, {"cancelOnly": True}, {"restrictedSell": True}, {"restrictedSell": None}]
)
def test_no_quote_is_asked_for_where_the_pair_is_closed_to_sellers(switch):
    async def act(osl, router):
        pair = STATIC["currencyStatic"]["currencyPairs"]["BTCUSD"]
        closed = {**pair, "engineSettings": {**pair["engineSettings"], **switch}}
        router.get("/api/3/currencyStatic").respond(json={"currencyStatic": {"currencyPairs": {"x": closed}}})
        route = router.post("/api/3/retail/quote")
        with pytest.raises(Rejected) as refused:
            await osl.quote("BTC", "USD", Decimal(1))
        assert refused.value.reason is RejectReason.NOT_ALLOWED
        assert not route.called

    talk(act)


def test_no_quote_is_asked_for_a_pair_that_the_brokerage_does_not_list():
    async def act(osl, router):
        with pytest.raises(Rejected):
            await osl.quote("DOGE", "USD", Decimal(1))

    talk(act)


# --- accept -----------------------------------------------------------------------------------------------------


def test_an_executed_quote_is_a_fill_without_a_fee():
    fill, route = accepted({"tradeResponse": TRADED, "timestamp": MS + 1700, "resultCode": "OK"})
    assert route.call_count == 1
    assert json.loads(route.calls[0].request.content)["tradeRequest"] == {"quoteId": QUOTE_ID}
    assert (fill.trade_id, fill.client_order_id, fill.symbol) == ("0f0e", "p1-1", "BTCUSD")
    assert (fill.qty, fill.px, fill.notional) == (Decimal("0.25"), Decimal("86196.112345"), Decimal("21549.02"))
    assert (fill.fee, fill.fee_asset) == (Decimal(0), "USD")
    assert fill.at == START + timedelta(milliseconds=1700)


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (("INVALID_QUOTE_ID", ""), RejectReason.NOT_FOUND),
        (("", "s100002"), RejectReason.NOT_FOUND),
        (("QUOTE_EXPIRED", ""), RejectReason.EXPIRED),
        (("QUOTE_EXPIRED", "s100006"), RejectReason.EXPIRED),
        (("", "s100006"), RejectReason.EXPIRED),
        (("", "s100026"), RejectReason.EXPIRED),
        (("INSUFFICIENT_FUND", ""), RejectReason.BALANCE),
        (("", "s400013"), RejectReason.BALANCE),
        (("", "s400012"), RejectReason.NOT_ALLOWED),
        (("DAILY_LIMIT_EXCEEDED", ""), RejectReason.LIMIT),
        (("", "s200003"), RejectReason.NOT_ALLOWED),
        (("", "s200004"), RejectReason.NOT_ALLOWED),
        (("", "s300001"), RejectReason.NO_PRICE),
    ],
)
def test_trade_codes_that_document_no_trade(codes, reason):
    with pytest.raises(Rejected) as refused:
        accepted(trade(*codes))
    assert refused.value.reason is reason


@pytest.mark.parametrize(("code", "reason"), RESULT_CODES)
def test_result_codes_of_an_acceptance_that_document_no_trade(code, reason):
    with pytest.raises(Rejected) as refused:
        accepted({"timestamp": MS, "resultCode": code})
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        trade("TRADE_UNSUCCESSFUL_PLEASE_RETRY", "RFS600001", "SYSTEM_ERROR"),
        trade("TRADE_UNSUCCESSFUL_PLEASE_RETRY", "RFS600001"),
        trade("", "s400010"),
        trade("", "s400011"),
        trade("", "s400024"),
        trade("", "s400025"),
        trade("", "s999999"),
        trade("NEW_WORD"),
        trade("", ""),
        trade("QUOTE_EXPIRED", "s400010"),
        trade("QUOTE_EXPIRED", "s100006", "SYSTEM_ERROR"),
        {"timestamp": MS, "resultCode": "SYSTEM_ERROR"},
        {"timestamp": MS, "resultCode": "ORDER_REQUEST_SUBMITTED"},
        {"timestamp": MS, "resultCode": "OK"},
        {"apiVersion": 3, "timestamp": MS, "error": "SYSTEM_ERROR"},
        {"error": {"i18n": "error.user.activity.restricted.trading", "params": {}}},
        {"tradeResponse": None, "resultCode": "OK"},
        [],
        {"tradeResponse": TRADED, "timestamp": MS, "resultCode": "SYSTEM_ERROR"},
        {"tradeResponse": TRADED, "timestamp": MS},
        {"tradeResponse": TRADED, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "errorCode": "s400010"}, "timestamp": MS, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "tradeId": ""}, "timestamp": MS, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "quoteId": "other"}, "timestamp": MS, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "buyTradedCurrency": True}, "timestamp": MS, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "quotedTradedCurrencyAmount": "0.2"}, "timestamp": MS, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "quotedSettlementCurrencyAmount": "1"}, "timestamp": MS, "resultCode": "OK"},
        {"tradeResponse": {**TRADED, "executedPrice": None}, "timestamp": MS, "resultCode": "OK"},
    ],
)
def test_acceptances_that_settle_nothing(body):
    with pytest.raises(Unknown):
        accepted(body)


@pytest.mark.parametrize("status", [202, 400, 404, 500, 503])
def test_acceptances_under_another_status_settle_nothing(status):
    for body in (trade("QUOTE_EXPIRED", "s100006"), {"tradeResponse": TRADED, "timestamp": MS, "resultCode": "OK"}):
        with pytest.raises(Unknown):
            accepted(body, status)


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("t"), httpx.ReadError("r")])
def test_an_acceptance_without_an_answer_is_unknown_and_sent_once(fault):
    async def act(osl, router):
        route = router.post("/api/3/retail/trade").mock(side_effect=fault)
        with pytest.raises(Unknown):
            await osl.accept(QUOTE, "p1-1")
        assert route.call_count == 1

    talk(act)


def traded_before(*pages):
    async def act(osl, router):
        router.post("/api/3/retail/trade").respond(json=trade("", "s100005"))
        router.post("/api/3/transaction/list").mock(side_effect=[httpx.Response(200, text=page) for page in pages])
        return await osl.accept(QUOTE, "p1-1")

    return talk(act)


def test_a_quote_traded_before_is_read_from_the_ledger():
    fill = traded_before(ledger(*rows()))
    assert (fill.trade_id, fill.client_order_id) == ("0f0e", "p1-1")
    assert (fill.qty, fill.px, fill.notional) == (QUOTE.qty, QUOTE.px, QUOTE.notional)
    assert fill.at == START + timedelta(seconds=2)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        rows(amount="21549.03"),
        rows(qty="0.250001"),
        rows(second=-60),
        rows(quote="HKD"),
        [*rows("a"), *rows("b")],
        rows()[:1],
        rows(fee='""'),
        [text.replace("PROCESSED", "PENDING") for text in rows()],
    ],
)
def test_a_quote_traded_before_stays_unknown_while_the_ledger_leaves_a_doubt(texts):
    with pytest.raises(Unknown) as unsettled:
        traded_before(ledger(*texts), ledger())
    assert unsettled.value.code == "s100005"
    assert unsettled.value.exists


def test_a_quote_traded_before_stays_unknown_when_the_ledger_cannot_be_read():
    with pytest.raises(Unknown):
        traded_before("<html>", "<html>", "<html>")


# --- ledger and purse -------------------------------------------------------------------------------------------


def test_the_ledger_pairs_its_rows_into_sales():
    (sale,), route = trades_of(ledger(*rows()))
    assert (sale.trade_id, sale.quote_id) == ("0f0e", "")
    assert (sale.qty, sale.notional, sale.fee) == (Decimal("0.25"), Decimal("21549.02"), Decimal(0))
    sent = json.loads(route.calls[0].request.content)
    assert (sent["lang"], sent["max"]) == ("en-US", 4)


def test_purchases_and_other_pairs_are_no_sales_of_ours():
    purchase = [
        text.replace("TRADE_CREDIT", "x").replace("TRADE_DEBIT", "TRADE_CREDIT").replace("x", "TRADE_DEBIT")
        for text in rows("p", amount="-100", qty="1")
    ]
    purchase[1] = purchase[1].replace('"amount":-1', '"amount":1')
    eth = rows("e", base="ETH", quote="HKD")
    assert trades_of(ledger(*purchase, rows("f")[0].replace("TRADE_CREDIT", "FLOAT_CREDIT")))[0] == []
    assert trades_of(ledger(*eth))[0] == []


def test_the_ledger_is_paged_back_to_the_time_asked_for():
    pages = [
        ledger(*rows("d", second=9), *rows("c", second=8)),
        ledger(*rows("b", second=7), *rows("a", second=-9)),
    ]
    sales, route = trades_of(*pages)
    assert [sale.trade_id for sale in sales] == ["b", "c", "d"]
    assert [json.loads(call.request.content).get("offset") for call in route.calls] == [None, 4]


def test_a_trade_split_over_two_pages_is_whole():
    first, second = rows("b", second=7), rows("a", second=6)
    pages = [ledger(*rows("c", second=8), *[first[0], second[0]]), ledger(first[1], second[1])]
    assert [sale.trade_id for sale in trades_of(*pages)[0]] == ["a", "b", "c"]


def test_a_ledger_that_repeats_itself_is_no_reading():
    page = ledger(*rows("d", second=9), *rows("c", second=8))
    with pytest.raises(NotSent):
        trades_of(page, page)


@pytest.mark.parametrize(
    "texts",
    [
        rows()[:1],
        [text.replace("PROCESSED", "PENDING") for text in rows()],
        [text.replace('"amount":-0.25', '"amount":0.25') for text in rows()],
        [text.replace(f'"received":"{MS + 2000}",', "") for text in rows()],
        rows(fee="-1.0"),
        rows(fee="1.0"),
        rows(fee="null"),
    ],
)
def test_a_ledger_that_makes_no_sense_is_no_reading(texts):
    with pytest.raises(NotSent):
        trades_of(ledger(*texts))


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_method_of_readings_is_configured(method):
    settings = OslSettings(URL, SecretStr("k"), SecretStr(SECRET), V4Fields(), "clOrdID", v3_read_method=method)
    _, route = trades_of(ledger(), settings=settings)
    assert route.calls[0].request.method == method
    assert "tonce" in json.loads(route.calls[0].request.content)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"resultCode": "SYSTEM_ERROR"}, NotSent),
        (200, {"resultCode": "OK"}, NotSent),
        (200, {"error": "SYSTEM_ERROR"}, NotSent),
        (200, {"data": {"Wallets": {"BTC": {}}}, "resultCode": "OK"}, NotSent),
        (400, {}, NotSent),
        (401, {}, Unauthorized),
        (200, {"resultCode": "USER_ACTIVITY_RESTRICTED"}, Rejected),
    ],
)
def test_refused_readings_of_the_brokerage_purse(status, body, error):
    async def act(osl, router):
        router.get("/api/v4/user/wallet").respond(json=[])
        router.post("/api/3/account").respond(status, json=body)
        with pytest.raises(error):
            await osl.balances()

    talk(act)


def test_requests_go_one_at_a_time_with_a_rising_tonce_even_when_the_clock_goes_back():
    """Shown to fail without the lock (requests overlap) and without the guard (the tonce falls)."""

    async def act():
        sent, inside = [], 0
        clock = LoopClock(START)

        async def answer(request):
            nonlocal inside
            inside += 1
            assert inside == 1
            clock.skew -= timedelta(seconds=5)
            sent.append(json.loads(request.content)["tonce"])
            await asyncio.sleep(3)
            inside -= 1
            return httpx.Response(200, text=ledger())

        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        osl = Osl(SETTINGS, client, clock)
        await asyncio.gather(*(osl.quote_trades("BTC", "USD", START) for _ in range(4)))
        assert sent == sorted(set(sent))
        assert len(sent) == 4

    run_virtual(act())
