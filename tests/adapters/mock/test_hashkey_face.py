"""The mocked HashKey refuses what the venue refuses, in the venue's words; and the adapter will not start elsewhere."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.hashkey import HashKey, HashKeySettings
from adapters.mock.exchange import MockExchange, Refusal, Refused
from adapters.mock.hashkey_face import hashkey_face
from adapters.mock.hashkey_rows import HashKeyRules, ms
from adapters.mock.params import DEEP
from adapters.venue import Rejected, RejectReason
from executor.engine.virtual_time import run_virtual
from tests.conformance.worlds import GRID, START, market

D = Decimal


class Venue:
    """A mocked venue and a bare client that signs like the documents say."""

    def __init__(self, **face: object) -> None:
        self.clock = LoopClock(START)
        shared = market()
        self.book = shared.venue("hashkey", DEEP, GRID)
        self.book.override([(D(20_000), D(1)), (D(19_990), D(5))], [(D(20_010), D(1))])
        self.exchange = MockExchange(
            shared,
            self.book,
            self.clock,
            symbol="BTCUSD",
            base="BTC",
            quote="USD",
            taker_fee=D("0.0029"),
            maker_fee=D("0.0021"),
            balances={"BTC": D(40)},
            min_order_fee=D("1.99"),
        )
        app = hashkey_face({"BTCUSD": self.exchange}, {}, self.clock, api_key="key", secret="secret", **face)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://mock")

    async def send(
        self, method: str, path: str, params: str = "", *, late_ms: int = 0, key: str = "key", forged: bool = False
    ) -> httpx.Response:
        stamp = ms(self.clock.now()) - late_ms
        total = f"timestamp={stamp}" + (f"&{params}" if params else "")
        signature = hmac.new(b"secret", total.encode(), hashlib.sha256).hexdigest()
        if forged:
            signature = signature[::-1]
        text = f"{total}&signature={signature}"
        headers = {"X-HK-APIKEY": key}
        if method == "GET":
            return await self.client.request(method, f"{path}?{text}", headers=headers)
        return await self.client.request(method, path, content=text, headers=headers)

    async def order(self, changed: str = "", **send: object) -> httpx.Response:
        fields = dict(pair.split("=") for pair in changed.split("&") if pair)
        params = {
            "symbol": "BTCUSD",
            "side": "SELL",
            "type": "LIMIT",
            "quantity": "0.1",
            "price": "20000",
            "timeInForce": "IOC",
            "newClientOrderId": "lot-1",
            **fields,
        }
        text = "&".join(f"{name}={value}" for name, value in params.items())
        return await self.send("POST", "/api/v1.1/spot/order", text, **send)  # type: ignore[arg-type]


def at(case: Callable[[Venue], Awaitable[None]], **face: object) -> None:
    async def main() -> None:
        await case(Venue(**face))

    run_virtual(main())


def refused(code: str, changed: str = "", face: dict[str, object] | None = None, **send: object) -> None:
    async def case(venue: Venue) -> None:
        answer = await venue.order(changed, **send)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert not venue.exchange.orders

    at(case, **(face or {}))


def test_wrong_key() -> None:
    refused("0102", key="other")


def test_forged_signature() -> None:
    refused("0002", forged=True)


@pytest.mark.parametrize("late_ms", [5001, -1000])
def test_stale_or_early_timestamp(late_ms: int) -> None:
    refused("-1021", late_ms=late_ms)


@pytest.mark.parametrize("late_ms", [5000, -999])
def test_the_window_includes_its_edges(late_ms: int) -> None:
    async def case(venue: Venue) -> None:
        assert (await venue.order(late_ms=late_ms)).status_code == 200

    at(case)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ("symbol=XYZUSD", "0201"),
        ("side=BUY", "-1117"),
        ("type=MARKET", "-1020"),
        ("timeInForce=GTD", "-1115"),
        ("price=20000.001", "0209"),
        ("quantity=0.000001", "-1136"),
        ("quantity=16.00001", "-1135"),
        ("quantity=0.100001", "-1137"),
        ("quantity=0.0004", "-1140"),
        ("quantity=16&price=25000.01", "-1206"),
        ("price=15999.99", "-1133"),
        ("quantity=abc", "-1126"),
        ("price=-1", "-1124"),
        ("amount=5", "-1129"),
        ("type=LIMIT_MAKER&timeInForce=GTC", "-1156"),
    ],
)
def test_filters_and_caps(changed: str, code: str) -> None:
    refused(code, changed)


def test_both_caps_of_one_order_are_inclusive() -> None:
    async def case(venue: Venue) -> None:
        assert (await venue.order("quantity=16&price=25000")).status_code == 200

    at(case)


def test_status_and_band_of_the_rules() -> None:
    refused("-2001", face={"rules": {"BTCUSD": HashKeyRules(status="HALT")}})
    refused("-1132", face={"rules": {"BTCUSD": HashKeyRules(max_sell_px=D(19_000))}})


def test_a_used_client_id_is_refused() -> None:
    async def case(venue: Venue) -> None:
        assert (await venue.order()).status_code == 200
        assert (await venue.order()).json()["code"] == "-1141"
        assert len(venue.exchange.orders) == 1

    at(case)


def test_shapes_of_an_order() -> None:
    async def case(venue: Venue) -> None:
        created = (await venue.order()).json()
        assert not {"avgPrice", "feeAmount", "sumFeeAmount"} & set(created)
        assert (created["orderId"], created["executedQty"]) == (str(created["orderId"]), "0.1")
        seen = (await venue.send("GET", "/api/v1/spot/order", "origClientOrderId=lot-1")).json()
        assert D(seen["sumFeeAmount"]) == D("5.8")
        row = (await venue.send("GET", "/api/v1/account/tradesByClOrderId", "clientOrderId=lot-1")).json()[0]
        assert D(row["fee"]["fee"]) == D("5.8")
        assert D(row["feeSupplementaryAmount"]) == 0

    at(case)


def test_minimum_fee_of_a_small_order() -> None:
    async def case(venue: Venue) -> None:
        await venue.order("quantity=0.01")
        row = (await venue.send("GET", "/api/v1/account/tradesByClOrderId", "clientOrderId=lot-1")).json()[0]
        assert D(row["fee"]["fee"]) + D(row["feeSupplementaryAmount"]) == D("1.99")
        assert venue.exchange.wallet("USD").free == D(200) - D("1.99")

    at(case)


def test_rates_are_kept_when_asked_for() -> None:
    async def case(venue: Venue) -> None:
        codes = [(await venue.send("GET", "/api/v1/account/checkApiKey")).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        assert (await venue.order()).status_code == 429
        await asyncio.sleep(60)
        assert (await venue.order()).status_code == 200

    at(case, limit_rates=True)


def test_unknown_path_is_a_page_that_calls_itself_json() -> None:
    async def case(venue: Venue) -> None:
        answer = await venue.client.get("/api/v1/nothing")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert answer.text.startswith("<html>")

    at(case)


@pytest.mark.parametrize("site", ["BMU", "MENA", ""])
def test_the_adapter_starts_only_at_the_hong_kong_site(site: str) -> None:
    async def case(venue: Venue) -> None:
        settings = HashKeySettings(SecretStr("key"), SecretStr("secret"), "pi", base_url="https://mock")
        with pytest.raises(Rejected) as caught:
            await HashKey(settings, venue.client, venue.clock).start()
        assert caught.value.reason is RejectReason.NOT_ALLOWED

    at(case, site=site)


def test_accounts_by_type() -> None:
    async def case(venue: Venue) -> None:
        settings = HashKeySettings(SecretStr("key"), SecretStr("secret"), "pi", base_url="https://mock")
        adapter = HashKey(settings, venue.client, venue.clock)
        await adapter.start()
        seen = {(one.account, one.asset): one.free for one in await adapter.balances()}
        assert seen == {("trading", "BTC"): D(40), ("custody", "BTC"): D(3)}
        assert "BBTCUSD-PERPETUAL" not in await adapter.instruments()

    at(case, custody={"BTC": D(3)})


def test_book_trade_moves_both_amounts_or_none() -> None:
    async def case(venue: Venue) -> None:
        venue.exchange.book_trade(D(15), D(300_000))
        assert (venue.exchange.wallet("BTC").free, venue.exchange.wallet("USD").free) == (D(25), D(300_000))
        with pytest.raises(Refused) as caught:
            venue.exchange.book_trade(D(26), D(1))
        assert caught.value.why is Refusal.BALANCE
        assert venue.exchange.wallet("USD").free == D(300_000)

    at(case)


def test_coins_are_locked_while_an_order_rests() -> None:
    async def case(venue: Venue) -> None:
        await venue.order("timeInForce=GTC&price=20500")
        wallet = venue.exchange.wallet("BTC")
        assert (wallet.free, wallet.locked) == (D("39.9"), D("0.1"))
        await asyncio.sleep(timedelta(seconds=3).total_seconds())
        answer = await venue.send("DELETE", "/api/v1/spot/order", "clientOrderId=lot-1")
        assert answer.json()["status"] == "CANCELED"
        assert (wallet.free, wallet.locked) == (D(40), D(0))

    at(case)
