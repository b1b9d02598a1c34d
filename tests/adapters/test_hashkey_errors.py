"""Every row of HashKey's error table and every failure of the wire, one by one, as the taxonomy reads them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
import respx
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.hashkey import HashKey, HashKeySettings
from adapters.hashkey_wire import SANDBOX
from adapters.venue import (
    Halted,
    NewOrder,
    NotSent,
    OrderRef,
    Rejected,
    RejectReason,
    Throttled,
    TimeInForce,
    Unauthorized,
    Unknown,
    VenueError,
)
from executor.engine.virtual_time import run_virtual

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
ORDER = NewOrder("lot-0007-c01", "BTCUSD", Decimal("0.12345"), Decimal("100000.12"), TimeInForce.IOC)
REF = OrderRef("lot-0007-c01", "BTCUSD")
PLACE, ORDER_PATH = f"{SANDBOX}/api/v1.1/spot/order", f"{SANDBOX}/api/v1/spot/order"
Call = Callable[[HashKey], Awaitable[object]]


def talk(route: Callable[[respx.MockRouter], object], call: Call) -> object:
    """Run one call of a fresh adapter against the routes, and return its result or its error."""

    async def main() -> object:
        with respx.mock(assert_all_called=False) as router:
            server = int(START.timestamp() * 1000)
            router.get(f"{SANDBOX}/api/v1/time").respond(json={"serverTime": server})
            route(router)
            settings = HashKeySettings(
                api_key=SecretStr("the-key"), secret=SecretStr("the-secret"), client_type="pi", base_url=SANDBOX
            )
            async with httpx.AsyncClient() as client:
                try:
                    return await call(HashKey(settings, client, LoopClock(START)))
                except VenueError as error:
                    return error

    result = run_virtual(main())
    assert "the-secret" not in str(result)
    assert "the-key" not in str(result)
    return result


def on_place(code: object, msg: str = "as documented", status: int = 400) -> object:
    def route(router: respx.MockRouter) -> None:
        router.post(PLACE).respond(status, json={"code": code, "msg": msg})
        router.get(ORDER_PATH).respond(400, json={"code": "0211", "msg": "Order not found"})

    return talk(route, lambda venue: venue.place(ORDER))


def on_cancel(code: str) -> object:
    return talk(
        lambda router: router.delete(ORDER_PATH).respond(400, json={"code": code, "msg": "as documented"}),
        lambda venue: venue.cancel(REF),
    )


def on_query(code: object, status: int = 400) -> object:
    return talk(
        lambda router: router.get(ORDER_PATH).respond(status, json={"code": code, "msg": "as documented"}),
        lambda venue: venue.query(REF),
    )


R = RejectReason
REJECTED = {
    R.INVALID: "0001 0206 -1004 -1014 -1020 -1115 -1117 -1123 -1129 -1130 -2036 -2027 -2028 -2029 -10009 -100002"
    " -100010 -100012",
    R.NOT_FOUND: "0201 -100011",
    R.PRICE: "0207 0209 0210 -1124 -1132 -1133 -1195 -1196",
    R.SIZE: "-1126 -1135 -1136 -1137 -1140 -1148 -1200 -1201 -1202 -1203 -1206",
    R.BALANCE: "0401 0402",
    R.LIMIT: "-1015 -1193 -2002 -2017",
    R.WOULD_TAKE: "-1156",
    R.NOT_ALLOWED: "-1152 -1160 -1205 -2020 -2021 -2023 -2024 -2025 -2032 -2034 -2042 -3117 -3143 -3144",
    R.OTHER: "-1149 -2010 -2033 -2051",
}
UNKNOWN = (
    "0211 -1000 -1001 -1006 -1007 -1024 -1138 -1139 -1141 -1142 -1143 -1144 -1145 -1146 -1147 -1150 -2011 -2040"
    " -1161 -1163 -1164 -1166 -1167 -1168 -1169 -1170 -1171 -4001 -4003 -4013 -9999 404"
)


@pytest.mark.parametrize(("reason", "code"), [(why, code) for why, codes in REJECTED.items() for code in codes.split()])
def test_place_rejected(reason: RejectReason, code: str) -> None:
    error = on_place(code)
    assert isinstance(error, Rejected)
    assert (error.reason, error.code) == (reason, code)


@pytest.mark.parametrize("code", UNKNOWN.split())
def test_place_unknown(code: str) -> None:
    assert isinstance(on_place(code), Unknown)


@pytest.mark.parametrize("code", ["0002", "0102", "0103", "0104", "0202", "-1002", "-1005"])
def test_place_unauthorized(code: str) -> None:
    assert isinstance(on_place(code), Unauthorized)


def test_0001_is_also_a_wrong_signature() -> None:
    assert isinstance(on_place("0001", "Incorrect signature"), Unauthorized)


@pytest.mark.parametrize("code", ["0003", "-3145"])
def test_place_throttled(code: str) -> None:
    error = on_place(code)
    assert isinstance(error, Throttled)
    assert error.retry_after >= timedelta(seconds=60)


@pytest.mark.parametrize("code", ["-1101", "-2001", "-1151", "-1155"])
def test_place_halted(code: str) -> None:
    assert isinstance(on_place(code), Halted)


@pytest.mark.parametrize("code", [-1156, " -1156 "])
def test_codes_are_compared_as_stripped_strings(code: object) -> None:
    assert isinstance(on_place(code), Rejected)


@pytest.mark.parametrize("code", ["-1156", "0401", -1130, "0", 200])
def test_an_error_inside_a_success_is_unknown_for_a_write(code: object) -> None:
    assert isinstance(on_place(code, status=200), Unknown)


def test_rejection_that_may_have_been_recorded_is_verified_once() -> None:
    row = {"symbol": "BTCUSD", "clientOrderId": "lot-0007-c01", "orderId": "12", "origQty": "0.12345"}

    def route(router: respx.MockRouter) -> None:
        router.post(PLACE).respond(400, json={"code": "-2010", "msg": "rejected"})
        router.get(ORDER_PATH).respond(json={**row, "executedQty": "0", "status": "NEW"})

    report = talk(route, lambda venue: venue.place(ORDER))
    assert getattr(report, "venue_order_id", None) == "12"


def test_rejection_that_cannot_be_verified_is_unknown() -> None:
    def route(router: respx.MockRouter) -> None:
        router.post(PLACE).respond(400, json={"code": "-2010", "msg": "rejected"})
        router.get(ORDER_PATH).respond(503)

    assert isinstance(talk(route, lambda venue: venue.place(ORDER)), Unknown)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("0211", R.NOT_FOUND),
        ("-1138", R.FINISHED),
        ("-1139", R.FINISHED),
        ("-1142", R.FINISHED),
        ("-1143", R.NOT_FOUND),
        ("-1145", R.NOT_ALLOWED),
    ],
)
def test_cancel_rejected(code: str, reason: RejectReason) -> None:
    error = on_cancel(code)
    assert isinstance(error, Rejected)
    assert error.reason is reason


@pytest.mark.parametrize("code", ["-1147", "-1144", "-1150", "-2011", "-1000", "-1001", "-1006", "-1007"])
def test_cancel_unknown(code: str) -> None:
    assert isinstance(on_cancel(code), Unknown)


def test_query_of_an_order_not_found_is_none() -> None:
    assert on_query("0211") is None


@pytest.mark.parametrize("code", ["-1000", "-1006", "-1143", "-9999", "0", 404])
def test_a_reading_without_an_answer(code: object) -> None:
    assert isinstance(on_query(code), NotSent)


def test_an_error_inside_a_success_is_an_error_for_a_reading() -> None:
    assert isinstance(on_query("0102", status=200), Unauthorized)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors(status: int) -> None:
    assert isinstance(on_place("-1001", status=status), Unknown)
    assert isinstance(on_query("-1001", status=status), NotSent)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(429), Throttled),
        (httpx.Response(418), Halted),
        (httpx.Response(200, text="<html>hello</html>"), Unknown),
        (httpx.Response(403, text="<html>denied</html>"), Unknown),
        (httpx.Response(404, text="<html/>", headers={"content-type": "application/json"}), Unknown),
        (httpx.Response(200, text='{"orderId": "1'), Unknown),
        (httpx.Response(200, text=""), Unknown),
        (httpx.Response(200, json={}), Unknown),
        (httpx.Response(200, json=[]), Unknown),
        (httpx.Response(200, json=None), Unknown),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), Unknown),
        (httpx.ReadTimeout("slow"), Unknown),
        (httpx.ReadError("reset"), Unknown),
        (httpx.RemoteProtocolError("closed"), Unknown),
        (httpx.WriteError("reset"), Unknown),
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("slow"), NotSent),
        (httpx.PoolTimeout("busy"), NotSent),
    ],
    ids=str,
)
def test_wire_failures_of_a_placement(answer: httpx.Response | Exception, expected: type[VenueError]) -> None:
    sent: list[respx.Route] = []

    def route(router: respx.MockRouter) -> None:
        one = router.post(PLACE)
        sent.append(one)
        if isinstance(answer, httpx.Response):
            one.mock(return_value=answer)
        else:
            one.mock(side_effect=answer)

    error = talk(route, lambda venue: venue.place(ORDER))
    assert type(error) is expected
    assert sent[0].call_count == 1, "a write is never sent twice"
