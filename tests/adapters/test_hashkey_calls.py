"""What HashKey's adapter does with whole answers: start, fees, fills, cancellation in bulk, and the clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.hashkey import HashKey, HashKeySettings
from adapters.hashkey_wire import SANDBOX, HashKeyWire
from adapters.venue import (
    NewOrder,
    NotSent,
    OrderRef,
    Rejected,
    RejectReason,
    TimeInForce,
    Unauthorized,
    Unknown,
    VenueError,
)
from executor.engine.virtual_time import run_virtual

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
API = f"{SANDBOX}/api/v1"
FILL = {
    "id": "11",
    "clientOrderId": "lot-1",
    "orderId": "9",
    "symbol": "BTCUSD",
    "price": "100000",
    "qty": "0.1",
    "time": "1790000000000",
    "fee": {"feeCoinId": "USD", "feeCoinName": "USD", "fee": "29"},
    "feeSupplementaryAmount": "0",
}


class Moments(LoopClock):
    """Tells these moments, one after the other, in seconds after ``START``."""

    def __init__(self, *seconds: float) -> None:
        super().__init__(START)
        self._seconds = iter(seconds)

    def now(self) -> datetime:
        return START + timedelta(seconds=next(self._seconds))


def with_venue(case: Callable[[HashKey, respx.MockRouter], object], **settings: object) -> None:
    async def main() -> None:
        with respx.mock(assert_all_called=False) as router:
            router.get(f"{API}/time").respond(json={"serverTime": int(START.timestamp() * 1000)})
            router.get(f"{API}/exchangeInfo").respond(json={"site": "HK", "symbols": []})
            router.get(f"{API}/account/checkApiKey").respond(json={"accountType": "master"})
            async with httpx.AsyncClient() as client:
                chosen = HashKeySettings(SecretStr("key"), SecretStr("secret"), "pi", base_url=SANDBOX, **settings)  # type: ignore[arg-type]
                await case(HashKey(chosen, client, LoopClock(START)), router)  # type: ignore[misc]

    run_virtual(main())


def test_no_fee_rates_no_start() -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/account/vipInfo").respond(json={"code": 0, "data": []})
        with pytest.raises(Rejected, match="fee rates") as caught:
            await venue.start()
        assert caught.value.reason is RejectReason.NOT_CONFIGURED

    with_venue(case)


@pytest.mark.parametrize(
    ("account_id", "trading", "starts"),
    [
        (None, ["1"], True),
        ("1", ["1"], True),
        ("3", ["1"], False),  # custody
        (None, ["1", "2"], False),
        ("1", ["1", "2"], False),  # an order names no account: it may sell the coins of the other
        (None, [], False),
    ],
)
def test_the_trading_account_must_be_beyond_doubt(account_id: str | None, trading: list[str], starts: bool) -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/account/vipInfo").respond(json={"data": []})
        listed = [{"accountId": one, "accountType": 1} for one in trading] + [{"accountId": "3", "accountType": 5}]
        router.get(f"{API}/account/type").respond(json=listed)
        if starts:
            await venue.start()
            return
        with pytest.raises(Rejected, match="one trading account only"):
            await venue.start()

    with_venue(case, account_id=account_id, taker_fee=Decimal("0.0029"), maker_fee=Decimal("0.0029"))


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a": 1e9999999999999999999}', b'{"orderId": ' + b"9" * 5_000 + b"}"],
)
def test_numbers_and_depths_that_no_venue_means_leave_an_order_unknown(body: bytes) -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.route(method="POST").respond(200, content=body)
        with pytest.raises(Unknown, match="not JSON"):
            await venue.place(NewOrder("lot-1", "BTCUSD", Decimal("0.1"), Decimal(90_000), TimeInForce.IOC))

    with_venue(case)


@pytest.mark.parametrize(
    "changed",
    [
        {"time": "1790000001700000000000"},
        {"time": "\u00b2"},
        {"price": "1" + "0" * 50 + ".1"},
        {"qty": "0." + "1" * 80},
    ],
)
def test_a_fill_with_an_impossible_number_is_no_answer(changed: dict[str, str]) -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/account/tradesByClOrderId").respond(json=[FILL | changed])
        with pytest.raises(NotSent):
            await venue.fills(OrderRef("lot-1", "BTCUSD"))

    with_venue(case)


@pytest.mark.parametrize(("code", "known"), [("0211", True), ("0201", False), ("-100011", False), ("0104", False)])
def test_only_the_code_for_a_missing_order_says_that_it_is_missing(code: str, known: bool) -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/spot/order").respond(400, json={"code": code, "msg": "x"})
        if known:
            assert await venue.query(OrderRef("lot-1", "BTCUSD")) is None
            return
        with pytest.raises((NotSent, Unauthorized)):
            await venue.query(OrderRef("lot-1", "BTCUSD"))

    with_venue(case)


def listed(number: int, status: str, order: str = "") -> dict[str, str]:
    """A row of the RFQ history; without ``order`` of a quote that was only asked for."""
    moment = str(int(START.timestamp() * 1000))
    return {"quoteId": f"RFQ{number}", "rfqOrderId": f"9{number}", "clientOrderId": order, "status": status,
            "sellCcy": "BTC", "buyCcy": "USD", "sellAmount": "10", "buyAmount": "900000", "buyPrice": "1",
            "sellPrice": "1", "submitTime": moment, "transactTime": moment}  # fmt: skip


def test_the_rfq_history_is_read_to_its_end_whatever_fills_its_first_page() -> None:
    rows = [listed(number, "New") for number in range(1000)] + [listed(1000, "Processing", "p1-1")]

    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        def page(request: httpx.Request) -> httpx.Response:
            number, size = int(request.url.params["page"]), int(request.url.params["limit"])
            return httpx.Response(200, json=rows[(number - 1) * size : number * size])

        router.get(f"{API}/rfq/transactions").mock(side_effect=page)
        with pytest.raises(NotSent, match="calls an acceptance Processing"):
            await venue.quote_trades("BTC", "USD", START)
        router.get(f"{API}/rfq/transactions").respond(json=rows[:1000])  # whatever page is asked for
        with pytest.raises(NotSent, match="the same page again"):
            await venue.quote_trades("BTC", "USD", START)

    with_venue(case)


@pytest.mark.parametrize("changed", [{"fee": None}, {"feeSupplementaryAmount": None}, {"clientOrderId": "lot-2"}])
def test_fills_without_a_whole_fee_or_of_another_order_are_no_answer(changed: dict[str, object]) -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/account/tradesByClOrderId").respond(json=[{**FILL, **changed}])
        with pytest.raises(NotSent):
            await venue.fills(OrderRef("lot-1", "BTCUSD"))

    with_venue(case)


@pytest.mark.parametrize("answer", [{}, None, {"code": "0"}, []])
def test_empty_balances_are_never_read_from_an_error(answer: object) -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/account/type").respond(json=[{"accountId": "1", "accountType": 1}])
        router.get(f"{API}/account").respond(json=answer)
        with pytest.raises(NotSent):
            await venue.balances()

    with_venue(case)


def test_a_bulk_cancellation_refused_as_a_whole_is_done_one_by_one() -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        bulk = router.delete(f"{API}/spot/cancelOrderByIds").respond(400, json={"code": "0002", "msg": "signature"})
        single = router.delete(f"{API}/spot/order").respond(json={"orderId": "1", "status": "NEW"})
        await venue.cancel_many([OrderRef("lot-1", "BTCUSD", "1"), OrderRef("lot-2", "BTCUSD", "2")])
        assert (bulk.call_count, single.call_count) == (1, 2)

    with_venue(case)


def test_what_a_bulk_cancellation_could_not_do_is_raised() -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        listed = {"code": "0000", "result": [{"orderId": "1", "code": "0211"}]}
        router.delete(f"{API}/spot/cancelOrderByIds").respond(json=listed)
        with pytest.raises(Rejected) as caught:
            await venue.cancel_many([OrderRef("lot-1", "BTCUSD", "1")])
        assert caught.value.reason is RejectReason.NOT_FOUND

    with_venue(case)


def test_a_reading_refused_for_the_clock_is_asked_again_after_measuring() -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        refusal = httpx.Response(400, json={"code": "-1021", "msg": "outside of the recvWindow"})
        router.get(f"{API}/spot/openOrders").mock(side_effect=[refusal, httpx.Response(200, json=[])])
        assert await venue.open_orders("BTCUSD") == []
        assert router.get(f"{API}/time").call_count == 2

    with_venue(case)


def test_an_order_refused_for_the_clock_was_not_placed_and_may_be_sent_again() -> None:
    """It came late, or our clock is wrong: no reason to halt. The clock is measured before the next request."""

    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        refusal = httpx.Response(400, json={"code": "-1021", "msg": "outside of the recvWindow"})
        placed = router.post(f"{SANDBOX}/api/v1.1/spot/order").mock(return_value=refusal)
        order = NewOrder("lot-1", "BTCUSD", Decimal("0.1"), Decimal(90_000), TimeInForce.IOC)
        with pytest.raises(NotSent):
            await venue.place(order)
        assert placed.call_count == 1
        router.get(f"{API}/spot/openOrders").respond(json=[])
        await venue.open_orders("BTCUSD")
        assert router.get(f"{API}/time").call_count == 2

    with_venue(case)


def test_the_clock_is_believed_to_the_shortest_of_a_few_round_trips() -> None:
    """A round trip of seconds, as on a machine that is overloaded, would give an offset that the venue refuses."""

    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        wire = HashKeyWire(venue._settings, venue._client, Moments(0, 8, 10, 10.1))
        at_ten = START + timedelta(seconds=10)
        asked = router.get(f"{API}/time").respond(json={"serverTime": int(at_ten.timestamp() * 1000)})
        before = asked.call_count
        offset = await wire.measure_clock()
        assert asked.call_count == before + 2
        assert abs(offset) < timedelta(seconds=0.1)

    with_venue(case)


def test_nothing_is_sent_for_an_id_that_cannot_be_signed() -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        with pytest.raises(VenueError):
            await venue.cancel(OrderRef("lot 1", "BTCUSD"))
        assert not router.calls

    with_venue(case)


def test_the_permissions_say_what_cannot_be_seen() -> None:
    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        seen = await venue.permissions()
        assert (seen.trade, seen.withdraw) == (None, None)
        assert "must confirm" in seen.note

    with_venue(case)


def test_every_order_says_how_a_trade_with_oneself_is_prevented() -> None:
    """`stpMode` is documented for a new order; not left to a default that an account might have changed."""

    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        placed = router.post(f"{SANDBOX}/api/v1.1/spot/order").respond(500)
        order = NewOrder("lot-1", "BTCUSD", Decimal("0.1"), Decimal(90_000), TimeInForce.IOC)
        with pytest.raises(Unknown):
            await venue.place(order)
        (sent,) = placed.calls
        assert parse_qs(sent.request.content.decode())["stpMode"] == ["EXPIRE_TAKER"]
        assert parse_qs(sent.request.content.decode())["side"] == ["SELL"]

    with_venue(case)


@pytest.mark.parametrize(
    ("changed", "readable"),
    [
        ({}, False),
        ({"status": "New"}, False),
        ({"status": "a word of tomorrow", "submitTime": "soon"}, False),
        ({"status": "Failed"}, True),
        ({"clientOrderId": ""}, True),  # a quote that nobody accepted
        ({"sellCcy": "ETH"}, True),
        ({"submitTime": "1795399000000"}, True),  # before the time that is asked about
    ],
)
def test_an_acceptance_under_way_makes_the_history_no_reading(changed: dict[str, str], readable: bool) -> None:
    """It is no trade yet: a history that left it out would show that the quote was not traded, and it may yet be."""
    under_way = {
        "quoteId": "RFQ1",
        "rfqOrderId": "11",
        "clientOrderId": "p1-1",
        "status": "Processing",
        "sellCcy": "BTC",
        "buyCcy": "USD",
        "sellAmount": "-",
        "buyAmount": "-",
        "submitTime": str(int(START.timestamp() * 1000)),
        "transactTime": "-",
    }

    async def case(venue: HashKey, router: respx.MockRouter) -> None:
        router.get(f"{API}/rfq/transactions").respond(json=[under_way | changed])
        if readable:
            assert await venue.quote_trades("BTC", "USD", START) == []
            return
        with pytest.raises(NotSent, match="calls an acceptance"):
            await venue.quote_trades("BTC", "USD", START)

    with_venue(case)
