"""Kill with 500 open orders, over the real adapters and 50 ms of latency: the last new order has left when the kill
returns, and every cancellation is on the wire within two seconds, whatever else is broken."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import httpx
import pytest

from adapters.leave import asking
from adapters.venue import OrderRef, TimeInForce, Unauthorized, Unknown, Venue
from executor.domain.orders import ChildStatus
from executor.engine import runner as engine
from executor.engine.child import BookOrder
from executor.engine.kill import Killed, cancel_scope
from executor.engine.runner import Runner
from executor.engine.work import Work
from executor.errors import Held
from tests.engine.mocked import START, TWAP, Bent, Stage, plan, running
from tests.engine.rig import virtual

ORDERS = 500
FULL_AT = 130  # seconds: by then all of them rest
BOUND = timedelta(seconds=2)
FAR = Decimal(102_000)  # inside OSL's price band, out of the market's reach
BIG = TWAP | {"qty": "6"}


def never_ending(venues: tuple[str, ...], orders: int, *, hangs: bool = False) -> Callable[..., object]:
    """A strategy that rests ``orders`` far from the market and then goes on sending. If it ``hangs`` it does not even
    hear that the run should stop."""

    async def leg(work: Work, number: int, _: object) -> None:
        for place in range(orders):
            order = BookOrder(
                number, 1, venues[place % len(venues)], Decimal("0.01"), FAR + place, TimeInForce.GTC, True
            )
            await work.orders.send(order, [], work.clock.now())
        if hangs:
            await asyncio.sleep(3600)
        while not work.stop.requested():
            order = BookOrder(number, 2, venues[0], Decimal("0.001"), FAR, TimeInForce.GTC, True)
            await work.orders.send(order, [], work.clock.now())

    return leg


def placements(stage: Stage, since: datetime) -> list[datetime]:
    """When new orders went on the wire after ``since``."""
    paths = ("/api/v4/order", "/api/v1.1/spot/order")
    return [at for at, _, one in stage.sent if one.method == "POST" and one.url.path in paths and at > since]


def cancelled(request: httpx.Request) -> set[str]:
    """The orders that a cancellation names, by either id."""
    if request.url.path == "/api/v4/order":
        body = json.loads(request.content)
        return set(body.get("clOrdID", [])) | set(body.get("orderID", []))
    fields = parse_qs(request.url.query.decode()) | parse_qs(request.content.decode())
    return {one for value in fields.get("ids", []) for one in value.split(",")} | set(fields.get("clientOrderId", []))


def asked_within(stage: Stage, venue: str, since: datetime, bound: timedelta) -> set[str]:
    """Every id whose cancellation was on the wire to ``venue`` within ``bound``."""
    found: set[str] = set()
    for at, name, request in stage.sent:
        if name == venue and request.method == "DELETE" and since <= at <= since + bound:
            found |= cancelled(request)
    return found


def all_asked(stage: Stage, venue: str, ids: set[str], since: datetime) -> bool:
    """True if every order of the venue that was live is named in time."""
    named = asked_within(stage, venue, since, BOUND)
    mine = [order for order in stage.orders(venue) if order.client_id in ids]
    return bool(mine) and all({order.client_id, order.order_id} & named for order in mine)


async def kill_from_outside(stage: Stage, bend: Callable[[Venue], Venue] = lambda venue: venue) -> Killed:
    """What the command does, over connections of its own."""
    await stage.kill("all")
    journal = stage.journal()
    venues = {name: bend(stage.venue(name)) for name in ("osl", "hashkey")}
    try:
        return await cancel_scope(journal, stage.clock, "all", venues)
    finally:
        await journal.aclose()
        for venue in venues.values():
            await venue.aclose()


def live_ids(run: Runner) -> set[str]:
    return {c.client_order_id for c in run.state.open.values() if c.status is ChildStatus.WORKING}


def dies(venue: Venue, is_dead: Callable[[], bool]) -> Venue:
    """``venue`` until ``is_dead``; from then on every request runs into its time limit."""

    def call(name: str) -> Callable[..., object]:
        async def answer(*given: object) -> object:
            if not is_dead():
                return await getattr(venue, name)(*given)
            await asyncio.sleep(10)
            raise Unknown(venue.name, "no answer")

        return answer

    names = ("place", "cancel_many", "cancel", "query", "fills", "balances", "open_orders", "book", "clock_offset")
    return Bent(venue, **{name: call(name) for name in names})


async def first_intent(run: Runner) -> None:
    """Wait until the first order is written down."""
    while not run.state.open:  # noqa: ASYNC110 - the state has no event to wait for
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("venue", ["osl", "hashkey"])
@virtual
async def test_500_open_orders_are_cancelled_within_two_seconds(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards kill: no order leaves after it has returned; all cancellations are on the wire within 2 s of its start;
    the run, which went on sending until then, ends held with nothing left on the book."""
    stage = Stage(tmp_path)
    monkeypatch.setattr(engine, "work_twap", never_ending((venue,), ORDERS))
    run = stage.runner(plan(BIG, venues=[venue]))
    async with running(run) as task:
        await stage.at(FULL_AT)
        ids, began = live_ids(run), stage.clock.now()
        assert len(ids) >= ORDERS
        await kill_from_outside(stage)
        returned = stage.clock.now()
        _, fault = await task
    assert isinstance(fault, Held)
    assert placements(stage, returned) == []
    assert all_asked(stage, venue, ids, began)
    assert stage.world.exchanges[venue].open_orders() == []
    assert not run.state.open


@virtual
async def test_the_run_cancels_by_itself_in_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards kill without connections of its own: the hold alone makes the run take everything off."""
    stage = Stage(tmp_path)
    monkeypatch.setattr(engine, "work_twap", never_ending(("hashkey",), ORDERS))
    run = stage.runner(plan(BIG, venues=["hashkey"]))
    async with running(run) as task:
        await stage.at(FULL_AT)
        ids, began = live_ids(run), stage.clock.now()
        await stage.kill("all")
        _, fault = await task
    assert isinstance(fault, Held)
    assert all_asked(stage, "hashkey", ids, began)
    assert stage.world.exchanges["hashkey"].open_orders() == []


@pytest.mark.parametrize("alive", ["osl", "hashkey"])
@virtual
async def test_with_one_venue_dead_the_other_is_cancelled_in_time(
    alive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards kill against a dead venue: it times out, is named as failed, and holds up nothing at the other; a strategy
    that hangs and books that cannot be read make no difference."""
    stage = Stage(tmp_path)
    monkeypatch.setattr(engine, "work_twap", never_ending(("osl", "hashkey"), 40, hangs=True))
    gone = "osl" if alive == "hashkey" else "hashkey"

    def bend(venue: Venue) -> Venue:
        return dies(venue, lambda: stage.clock.now() >= START + timedelta(seconds=60)) if venue.name == gone else venue

    run = stage.runner(plan(BIG), bend=bend)
    task = asyncio.create_task(run.run())
    await stage.at(60)
    assert live_ids(run)
    monkeypatch.setattr(run._desk, "books", lambda: asyncio.sleep(9999))
    ids, began = live_ids(run), stage.clock.now()
    done = await kill_from_outside(stage, bend)
    await stage.at(75)
    assert all_asked(stage, alive, ids, began)
    assert stage.world.exchanges[alive].open_orders() == []
    assert len(stage.world.exchanges[gone].open_orders()) == 20
    assert set(done.faults) == {gone}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert placements(stage, began + BOUND) == []


@virtual
async def test_kill_waits_for_what_was_on_its_way_and_cancels_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards "the last new order leaves before the kill returns": a placement that was written down before the kill and
    arrives three seconds after it is waited for, and cancelled."""
    stage = Stage(tmp_path)
    monkeypatch.setattr(engine, "work_twap", never_ending(("hashkey",), 1))

    def slow(venue: Venue) -> Venue:
        async def place(order: object) -> object:
            await asyncio.sleep(3)
            with asking(str):  # it has left by then
                return await venue.place(order)  # type: ignore[arg-type]

        return Bent(venue, place=place)

    run = stage.runner(plan(BIG, venues=["hashkey"]), bend=slow)
    async with running(run) as task:
        await first_intent(run)
        done = await kill_from_outside(stage)
        returned = stage.clock.now()
        assert done.without_outcome == []
        await task
    assert placements(stage, START) != []
    assert placements(stage, returned) == []
    assert stage.world.exchanges["hashkey"].open_orders() == []


@virtual
async def test_an_intent_of_a_dead_process_does_not_hold_up_the_kill(tmp_path: Path) -> None:
    """Guards kill against a crash: an intent that never gets an outcome is named after a bounded wait, and its order is
    cancelled by our own id all the same."""
    stage = Stage(tmp_path)

    def mute(venue: Venue) -> Venue:
        return Bent(venue, place=lambda order: asyncio.sleep(9999))

    run = stage.runner(plan(venues=["osl"]), bend=mute)
    task = asyncio.create_task(run.run())
    await first_intent(run)
    task.cancel()
    (child,) = run.state.open
    began = stage.clock.now()
    done = await kill_from_outside(stage)
    assert done.without_outcome == [child]
    assert stage.clock.now() - began < timedelta(seconds=45)
    assert child in asked_within(stage, "osl", began, BOUND)


@virtual
async def test_kill_measures_the_clock_when_its_signature_is_refused(tmp_path: Path) -> None:
    """Guards kill on a machine whose clock is off: it was not started, so it measures when it is refused, and asks
    again; a venue whose time cannot be read keeps the refusal as its fault."""
    stage = Stage(tmp_path)
    calls: list[str] = []

    class Strict:
        name = "osl"

        def __init__(self, clock_works: bool) -> None:
            self.clock_works = clock_works
            self.traits = SimpleNamespace(signs_within=timedelta(0))

        async def cancel_many(self, refs: list[OrderRef]) -> None:
            calls.append("cancel")
            if "clock" not in calls:
                raise Unauthorized("osl", "signature expired")

        async def clock_offset(self) -> timedelta:
            if not self.clock_works:
                raise Unauthorized("osl", "no time")
            calls.append("clock")
            return timedelta(0)

    run = stage.runner(plan(venues=["osl"]), bend=lambda venue: Bent(venue, place=lambda order: asyncio.sleep(9999)))
    task = asyncio.create_task(run.run())
    await first_intent(run)
    task.cancel()
    journal = stage.journal()
    for works, fault in ((False, {"osl": "osl: signature expired"}), (True, {})):
        done = await cancel_scope(journal, stage.clock, "all", {"osl": Strict(works)})  # type: ignore[dict-item]
        assert done.faults == fault
    assert calls == ["cancel", "cancel", "clock", "cancel"]
    await journal.aclose()
