"""An order ends by proof, a parent order by an answered comparison: whoever may go on with it, whatever the venue
says last."""

import asyncio
import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.clock import LoopClock
from adapters.venue import (
    Balance,
    DuplicateIds,
    Fill,
    NotSent,
    OrderRef,
    OrderReport,
    Rejected,
    RejectReason,
    Unknown,
    Venue,
)
from executor.domain.case_events import PlanRevoked
from executor.domain.events import ChildParked, ChildResent, ParentFinished
from executor.domain.orders import ChildStatus, ParentStatus
from executor.engine.approval import case_stream, load_case
from executor.engine.control import append_as_person
from executor.engine.holdings import CaseCoins, sold_from_case
from executor.engine.runner import Runner
from executor.errors import GuardHalts, Held, TakenOver, VenueUnreachable
from executor.journal.journal import Journal
from tests.approved import approve
from tests.engine.mocked import Bent, Stage, ended, running
from tests.engine.mocked import plan as mocked_plan
from tests.engine.rig import OTC, REST, START, TWAP, D, MemoryStore, mandate, plan, ran, virtual
from tests.engine.scripted_venue import ScriptedVenue, Step

LOST = Unknown("alpha", "no answer")


class Behind(ScriptedVenue):
    """Its readings lag behind its matching, all of them by the same; it refuses an id that it knows."""

    lag = timedelta(seconds=90)

    def _shown(self, held: Any) -> bool:
        return bool(self.clock.now() >= held.since + self.lag)

    async def query(self, ref: OrderRef) -> OrderReport | None:
        held = self._found(ref)
        return None if held is None or not self._shown(held) else self._report(held)

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        return [self._report(held) for held in self.orders if held.open and self._shown(held)]

    async def fills(self, ref: OrderRef) -> list[Fill]:
        held = self._found(ref)
        return [] if held is None or not self._shown(held) else held.fills

    async def balances(self) -> list[Balance]:
        hidden = sum((fill.qty for held in self.orders if not self._shown(held) for fill in held.fills), D(0))
        return [Balance("main", "BTC", self.base + hidden, D(0))]


@virtual
async def test_what_the_venue_says_it_has_is_never_held_to_be_absent() -> None:
    """The answer was lost; every reading shows the time before it; the same id is refused as known. However long
    nothing is shown, it is there: selling its quantity again would sell it twice."""
    alpha = Behind(LoopClock(START), free="5", script=[Step(error=LOST)])
    end = await ran(alpha, asked=plan(guards={"unknown_for": 36_000}))
    assert isinstance(end.fault, GuardHalts)
    (parked,) = end.events(ChildParked)
    assert "says that it has the order" in parked.reason
    assert len(end.events(ChildResent)) == 1
    assert alpha.sold <= 1


@virtual
async def test_executions_are_asked_for_before_an_order_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of an order that has ended still says that nothing was executed; its executions know better."""
    alpha = ScriptedVenue(LoopClock(START), free="5", script=[Step(fill=D("0.4"))])
    query = alpha.query

    async def stale(ref: OrderRef) -> OrderReport | None:
        report = await query(ref)
        late = alpha.clock.now() >= START + timedelta(seconds=30)
        return report if report is None or late else replace(report, cum_qty=D(0))

    monkeypatch.setattr(alpha, "query", stale)
    end = await ran(alpha, asked=plan(TWAP | {"slices": 1}))
    assert end.fault is None
    assert (alpha.sold, end.state.cum_qty) == (1, 1)


@pytest.mark.parametrize("answers", [True, False])
@virtual
async def test_nothing_is_completed_before_the_last_comparison_is_answered(answers: bool) -> None:
    """An order that was held to be absent comes to life as the last one is sold."""
    script = [Step(error=LOST, late=timedelta(seconds=100))]
    alpha = ScriptedVenue(LoopClock(START), free="5", duplicates=DuplicateIds.NOT_DOCUMENTED, script=script)
    open_orders = alpha.open_orders

    async def silent(symbol: str) -> list[OrderReport]:
        if not answers and alpha.clock.now() > START + timedelta(seconds=295):
            raise NotSent("alpha", "HTTP 503")
        return await open_orders(symbol)

    alpha.open_orders = silent  # type: ignore[method-assign]
    end = await ran(alpha)
    assert not end.events(ParentFinished)
    if answers:
        assert end.state.status is ParentStatus.HALTED
    else:
        assert isinstance(end.fault, VenueUnreachable)
        assert end.state.status is ParentStatus.STOPPED


@virtual
async def test_an_order_that_has_ended_in_the_record_and_is_live_is_cancelled() -> None:
    """It reached the book after it was held to be absent; it must not sell on while a person is called."""
    script = [Step(error=LOST, late=timedelta(seconds=100), fill=D(0))]
    alpha = ScriptedVenue(LoopClock(START), free="5", duplicates=DuplicateIds.NOT_DOCUMENTED, script=script)
    end = await ran(alpha, asked=plan(REST))
    assert ("alpha", "foreign_order") in end.state.breaks
    assert not [held for held in alpha.orders if held.open]
    assert alpha.sold <= 1


@virtual
async def test_a_trade_is_found_though_the_venues_clock_is_behind() -> None:
    behind = timedelta(seconds=-20)
    gone = Rejected("alpha", "expired", reason=RejectReason.EXPIRED)
    alpha = ScriptedVenue(LoopClock(START), free="5", script=[Step(error=LOST), Step(error=gone)])
    executed, quoted = alpha._executed, alpha.quote

    async def offset() -> timedelta:
        return behind

    async def quote(*asked: Any) -> Any:
        found = await quoted(*asked)
        return _moved(found, behind)

    alpha.clock_offset = offset  # type: ignore[method-assign]
    alpha._executed = lambda *each: replace(executed(*each), at=alpha.clock.now() + behind)  # type: ignore[method-assign]
    alpha.quote = quote  # type: ignore[method-assign]
    end = await ran(alpha, asked=plan(OTC))
    assert end.fault is None
    assert (alpha.sold, end.state.cum_qty) == (1, 1)


def _moved(quote: Any, by: timedelta) -> Any:
    return dataclasses.replace(quote, created_at=quote.created_at + by, expires_at=quote.expires_at + by)


def hiding(stage: Stage, seconds: int) -> Any:
    """The answer to the first order is lost, and it is shown to nobody for so long."""

    def bend(venue: Venue) -> Venue:
        sent: list[Any] = []

        def hidden() -> bool:
            return bool(sent) and stage.clock.now() < sent[0] + timedelta(seconds=seconds)

        async def place(order: Any) -> Any:
            report = await venue.place(order)
            if not sent:
                sent.append(stage.clock.now())
                raise Unknown(venue.name, "sent, but no answer")
            return report

        async def query(ref: OrderRef) -> Any:
            return None if hidden() else await venue.query(ref)

        async def open_orders(symbol: str) -> Any:
            return [] if hidden() else await venue.open_orders(symbol)

        async def fills(ref: OrderRef) -> Any:
            return [] if hidden() else await venue.fills(ref)

        async def cancel_many(refs: Any) -> None:
            if hidden():
                raise Rejected(venue.name, "not found", reason=RejectReason.NOT_FOUND)
            await venue.cancel_many(refs)

        return Bent(venue, place=place, query=query, open_orders=open_orders, fills=fills, cancel_many=cancel_many)

    return bend


async def revoke(stage: Stage, digest: str) -> None:
    gone = PlanRevoked(plan_hash=digest, who="rehearsal-risk", why="a new price")
    await stage._person(lambda journal: append_as_person(journal, case_stream("CASE-1"), "CASE-1", gone, stage.clock))


@virtual
async def test_what_a_revoked_plan_has_sold_is_found_though_nobody_may_go_on(tmp_path: Path) -> None:
    stage, asked = Stage(tmp_path), mocked_plan(venues=["osl"])
    run = stage.runner(asked, bend=hiding(stage, 40))
    async with running(run) as task:
        await stage.at(20)
        await revoke(stage, run.digest)
        state, fault = await task
    assert isinstance(fault, Held)
    assert [child.status for child in state.open.values()] == [ChildStatus.UNKNOWN]
    sold = stage.sold()
    assert sold > 0
    await stage.clock.sleep_until(stage.clock.now() + timedelta(hours=1))
    state, fault = await stage.ran(asked)
    assert fault is None
    assert state.status is ParentStatus.ENDED
    assert (state.cum_qty, stage.sold()) == (sold, sold)
    assert state.total.children == 1


@virtual
async def test_what_rests_of_a_revoked_plan_is_taken_off(tmp_path: Path) -> None:
    """Its process was told to stop while the outcome was not known; the plan is revoked when it is started again."""
    stage, asked = Stage(tmp_path), mocked_plan(REST | {"slices": 5}, venues=["osl"])
    run = stage.runner(asked, bend=hiding(stage, 40))
    async with running(run) as task:
        await stage.at(30)
        run.stop.set()
        await task
    assert list(stage.world.exchanges["osl"].open_orders())
    await revoke(stage, run.digest)
    await stage.at(120)
    state, fault = await stage.ran(asked)
    assert fault is None
    assert not list(stage.world.exchanges["osl"].open_orders())
    assert not state.open
    assert state.cum_qty == stage.sold()


@virtual
async def test_who_was_too_late_to_begin_keeps_its_hands_off_the_coins(tmp_path: Path) -> None:
    """Two processes begin the same plan; the slower gives nothing back of what the quicker sells."""
    stage, asked = Stage(tmp_path), mocked_plan(TWAP | {"slices": 4}, venues=["osl"])

    async def sold(delay: int) -> Any:
        def bend(venue: Venue) -> Venue:
            async def start() -> None:
                await asyncio.sleep(delay)
                await venue.start()

            return Bent(venue, start=start)

        run = stage.runner(asked, bend=bend)
        coins = CaseCoins(run._journal, "CASE-1", asked, run.digest, stage.clock)
        run._reserve = coins.reserve
        return await sold_from_case(run, coins)

    first, second = await asyncio.gather(sold(0), sold(40), return_exceptions=True)
    assert first.status is ParentStatus.COMPLETED
    assert isinstance(second, TakenOver)
    assert load_case(stage.journal(), "CASE-1").sold == {first.spec.plan_hash: D(1)}


@virtual
async def test_a_revoked_plan_ends_with_a_comparison_that_finds_what_it_has_sold() -> None:
    """An order was held to be absent, its process was stopped, and it filled after all. The coins that it sold are not
    free for another plan of the case."""
    alpha = ScriptedVenue(
        LoopClock(START),
        free="5",
        duplicates=DuplicateIds.NOT_DOCUMENTED,
        script=[Step(error=LOST, late=timedelta(seconds=100))],
    )
    beta = ScriptedVenue(alpha.clock, "beta", free="0")
    store, case, asked = MemoryStore(), mandate("1"), plan(venues=["alpha", "beta"])
    approve(store, case, asked, START)

    def run() -> Runner:
        journal = Journal(store, threaded=False)
        return Runner(case, asked, [alpha, beta], journal, alpha.clock, observer=lambda line: None)

    async def gone_for_good() -> None:
        raise NotSent("beta", "no route to host")

    first = run()
    task = asyncio.create_task(ended(first))
    await alpha.clock.sleep_until(START + timedelta(seconds=60))
    first.stop.set()
    await task
    await alpha.clock.sleep_until(START + timedelta(minutes=10))
    gone = PlanRevoked(plan_hash=first.digest, who="rehearsal-risk", why="a new price")
    await append_as_person(Journal(store, threaded=False), case_stream("CASE-1"), "CASE-1", gone, alpha.clock)
    beta.start = gone_for_good  # type: ignore[method-assign]  # nothing was sold there: it need not answer
    state, fault = await ended(run())
    assert (fault, state.status) == (None, ParentStatus.ENDED)
    assert state.cum_qty == alpha.sold == D("0.5")
    assert store.used(["holding/CASE-1/BTC"]) == {"holding/CASE-1/BTC": D("0.5")}
