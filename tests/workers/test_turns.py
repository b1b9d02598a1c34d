"""The rate limit of an account holds whoever uses it: three workers on a mocked venue that counts, and suspends."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import httpx
import pytest
from pydantic import SecretStr

from adapters.clock import SystemClock
from adapters.fence import FencedClient
from adapters.hashkey import HashKey
from adapters.mock.exchange import MockExchange
from adapters.mock.hashkey_face import hashkey_face
from adapters.mock.world import MockWorld, WorldSpec, world_start
from adapters.transport import Spacing, Transport
from adapters.venue import Throttled
from config.settings import TEMPLATES, adapter_settings, load_profile
from executor.journal.open import open_store
from executor.workers import turns as module
from executor.workers.roster import Roster
from executor.workers.turns import SharedTurns
from tests.postgresql import Server

NOW = timedelta(0)
KEY, SECRET = "key", "c2VjcmV0"


@pytest.fixture
def rosters(postgres_server: Server) -> Iterator[list[Roster]]:
    url = postgres_server.url()
    open_store(url).close()
    found = [Roster(url, patience=NOW) for _ in range(3)]
    found[0].prepare()
    yield found
    for roster in found:
        roster.close()


def venue() -> tuple[httpx.ASGITransport, MockExchange]:
    """A mocked HashKey that keeps its documented limits: two queries and ten orders a second, and a minute's suspension
    for who goes over."""
    clock = SystemClock()
    start = world_start(datetime.now(UTC))
    world = MockWorld(WorldSpec("BTC", "USD", 1, start, Decimal(100000), [], latency=NOW), clock)
    exchange = world.exchanges["hashkey"]
    app = hashkey_face({"BTCUSD": exchange}, {}, clock, api_key=KEY, secret=SECRET, limit_rates=True)
    return httpx.ASGITransport(app), exchange


def adapter_of(wire: httpx.ASGITransport, turns: SharedTurns | None) -> HashKey:
    profile = load_profile(TEMPLATES / "hashkey-mock.toml")
    # Half of what the venue allows: this machine's own delays may bring two requests together.
    slowly = profile.model_copy(update={"settings": profile.settings | {"queries_per_second": "1"}})
    settings = adapter_settings(slowly, {"api_key": SecretStr(KEY), "secret": SecretStr(SECRET)})
    client = (
        FencedClient(lambda: True, turns.of(profile.name), transport=wire)
        if turns is not None
        else httpx.AsyncClient(transport=wire)
    )
    return HashKey(settings, client, SystemClock())


async def ask(wire: httpx.ASGITransport, shared: list[SharedTurns | None]) -> list[object]:
    """Each worker asks the venue three times, all at once; what came of it."""
    workers = [adapter_of(wire, turns) for turns in shared]
    ends = await asyncio.gather(*(worker.permissions() for worker in workers for _ in range(3)), return_exceptions=True)
    for worker in workers:
        await worker.aclose()
    return [end for end in ends if isinstance(end, BaseException)]


def test_three_workers_hold_the_venue_s_limit_together(rosters: list[Roster]) -> None:
    wire, _ = venue()
    shared = [SharedTurns(roster, Spacing) for roster in rosters]
    assert asyncio.run(ask(wire, list(shared))) == []
    for turns in shared:
        turns.close()


def test_without_shared_turns_they_do_not(rosters: list[Roster]) -> None:
    """What the test above is worth: each by itself keeps the rate, and together they are suspended."""
    wire, _ = venue()
    assert asyncio.run(ask(wire, [None, None, None])) != []


def test_a_pause_that_one_is_asked_for_is_kept_by_all(rosters: list[Roster]) -> None:
    """The second worker has had no refusal itself: it hears of the pause before it sends, and sends nothing."""
    shared = [SharedTurns(roster, Spacing) for roster in rosters]
    arrived: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        arrived.append(request.url.path)
        return httpx.Response(429, headers={"retry-after": "60"}) if len(arrived) == 1 else httpx.Response(200, json={})

    def transport(turns: SharedTurns, account: str) -> Transport:
        client = FencedClient(lambda: True, turns.of(account), transport=httpx.MockTransport(answer))
        return Transport(
            "venue",
            client,
            SystemClock(),
            queries_per_second=Decimal(1000),
            orders_per_second=Decimal(1000),
            timeout=timedelta(minutes=1),
            throttle_pause=timedelta(minutes=1),
        )

    async def main() -> None:
        first, second = transport(shared[0], "osl"), transport(shared[1], "osl")
        with pytest.raises(Throttled):
            await first.read(lambda: httpx.Request("GET", "http://venue/first"))
        await shared[0].take("nobody", "queries", NOW, 1)  # what was said to the database before is said by now
        for call in (second.read, second.write):
            with pytest.raises(Throttled, match="waiting out") as refused:
                await call(lambda: httpx.Request("GET", "http://venue/second"))
            assert refused.value.retry_after > timedelta(seconds=30)
        await transport(shared[2], "hashkey").read(lambda: httpx.Request("GET", "http://venue/other"))

    asyncio.run(main())
    assert arrived == ["/first", "/other"]
    for turns in shared:
        turns.close()


def test_without_the_database_each_goes_on_alone_and_slowly(postgres_server: Server, rosters: list[Roster]) -> None:
    asked: list[Decimal] = []

    def alone(per_second: Decimal) -> Spacing:
        asked.append(per_second)
        return Spacing(per_second)

    turns = SharedTurns(rosters[0], alone)

    async def once() -> None:
        await turns.of("hashkey").turns("orders", Decimal(1000)).acquire()

    postgres_server.stop()
    try:
        asyncio.run(once())
    finally:
        postgres_server.start()
    assert asked == [Decimal(125)]
    turns.close()


class Busy:
    """A roster whose turns are always at once, and a process that is 160 ms late for each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moment = timedelta(hours=5)
        self.asked: list[int] = []
        monkeypatch.setattr(module, "steady", self.steady)

    def steady(self) -> timedelta:
        self.moment += timedelta(milliseconds=80)
        return self.moment

    def take_turns(self, account: str, kind: str, every: timedelta, count: int) -> tuple[timedelta, timedelta]:
        self.asked.append(count)
        self.moment += timedelta(milliseconds=50)
        return NOW, NOW

    def close(self) -> None:
        pass


def test_a_process_that_is_always_late_gets_turns_that_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With single turns it would take one after the other, use up the account's rate, and never send."""
    busy = Busy(monkeypatch)
    turns = SharedTurns(cast(Roster, busy), Spacing)

    async def once() -> timedelta:
        async with asyncio.timeout(10):
            return await turns.of("hashkey").turns("orders", Decimal(24)).acquire()  # one every 50 ms

    assert asyncio.run(once()) == NOW
    first, second, third = busy.asked
    assert (first, second) == (1, 1)  # one stall alone does not keep the account from the others
    assert third > 1
    turns.close()


def test_a_turn_is_not_later_because_it_is_heard_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the rate against an event loop that is busy while the answer arrives: the turn is then over, and another
    is taken."""
    asked: list[int] = []
    moment = timedelta(hours=5)
    monkeypatch.setattr(module, "steady", lambda: moment)

    class Late:
        def take_turns(self, account: str, kind: str, every: timedelta, count: int) -> tuple[timedelta, timedelta]:
            asked.append(count)
            if len(asked) == 1:
                stall.set()
                stalled.wait(10)
            return NOW, NOW

        def close(self) -> None:
            pass

    stall, stalled = threading.Event(), threading.Event()
    turns = SharedTurns(cast(Roster, Late()), Spacing)

    async def once() -> None:
        nonlocal moment
        line = asyncio.create_task(turns.of("hashkey").turns("orders", Decimal(24)).acquire())
        assert await asyncio.to_thread(stall.wait, 10)
        stalled.set()
        turns._thread.submit(lambda: None).result(10)  # the answer is here, and the loop has not heard of it
        moment += timedelta(seconds=1)
        await line

    asyncio.run(once())
    assert asked == [1, 1]
    turns.close()
