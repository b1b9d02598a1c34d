"""Two parent orders that sell by quote at one venue whose ledger names no quotes: a trade is nobody's but its own's."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from adapters.clock import LoopClock
from adapters.venue import Fill, Quote, Rejected, RejectReason, Unknown
from executor.domain.events import ChildResolved, ChildUnknown, FillRecorded
from executor.domain.orders import ChildStatus
from executor.domain.parent import Parent
from executor.engine.desk import Desk
from executor.engine.runner import Runner
from executor.errors import ExecutorError
from executor.journal.journal import Journal
from tests.approved import approve
from tests.engine.rig import OTC, START, MemoryStore, mandate, plan, virtual
from tests.engine.scripted_venue import D, ScriptedVenue, Step

LOST = Step(error=Unknown("alpha", "no answer"), effect=False)
GONE = Step(error=Rejected("alpha", "expired", reason=RejectReason.EXPIRED), effect=False)


class OnePurse(ScriptedVenue):
    """Two connections to one account: what one sells, the other sees gone."""

    purse: dict[str, Decimal]

    @property
    def base(self) -> Decimal:
        return self.purse["BTC"]

    @base.setter
    def base(self, qty: Decimal) -> None:
        self.purse["BTC"] = qty


async def beside_each_other(*script: Step) -> tuple[Parent, Parent, MemoryStore]:
    """Both ask for the same clips at the same price, the second a little later; ``script`` is what the second one
    meets. The ledger shows the trades of both, by their amounts only."""
    store, clock = MemoryStore(), LoopClock(START)
    ledger: dict[str, Any] = {}

    class Account(OnePurse):
        purse: ClassVar[dict[str, Decimal]] = {}

    runs = []
    for number, steps in ((1, ()), (2, script)):
        asked = plan(OTC, seed=number)
        case = mandate().model_copy(update={"case_id": f"CASE-{number}"})
        approve(store, case, asked, START)
        alpha = Account(clock, free="5", script=steps)
        alpha.trades, alpha.ledger_has_ids, alpha.quotes = ledger, False, 100 * number
        alpha.quote_takes = timedelta(seconds=1)  # nothing is sold at the very moment at which a purse is read
        runs.append(Runner(case, asked, [alpha], Journal(store, threaded=False), clock, observer=lambda _: None))

    async def ended(one: Runner, after: int) -> Parent:
        await clock.sleep_until(START + timedelta(seconds=after))  # the purse is read while nothing is under way
        try:
            await one.run()
        except ExecutorError:
            # What is booked wrongly shows in the purse at the latest; what is there and not shown is a person's.
            assert one.state.breaks or any(child.exists for child in one.state.open.values())
        return one.state

    first, second = await asyncio.gather(*(ended(one, after) for one, after in zip(runs, (0, 3), strict=True)))
    return first, second, store


@virtual
async def test_a_trade_of_another_parent_order_with_the_same_amounts_is_not_taken_for_ours() -> None:
    """Our first acceptance was lost on the way. The only trade that fits is the other's: ours never traded."""
    first, second, store = await beside_each_other(LOST, GONE)
    assert not first.trades & second.trades
    assert [event.found for event in store.events(ChildResolved)] == [False]
    assert {trade for _, trade in first.trades} == {"t-alpha-q101", "t-alpha-q102"}
    assert all(trade.startswith("t-alpha-q2") for _, trade in second.trades)
    assert second.cum_qty == D(1)


@virtual
async def test_our_own_trade_is_found_beside_the_others() -> None:
    """The same amounts twice in the ledger, one of them in the other's record: the one that is left is ours."""
    first, second, _ = await beside_each_other(Step(error=LOST.error), GONE)
    assert not first.trades & second.trades
    assert ("alpha", "t-alpha-q201") in second.trades
    assert (first.cum_qty, second.cum_qty) == (D(1), D(1))


@virtual
async def test_without_a_look_into_the_others_records_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: only our own trades are known, and the other's is booked as ours."""
    own = lambda self, name, state: {trade for venue, trade in state.trades if venue == name}  # noqa: E731
    monkeypatch.setattr(Desk, "known_trades", own)
    first, second, store = await beside_each_other(LOST, GONE)
    assert first.trades & second.trades
    booked = [event.trade_id for event in store.events(FillRecorded)]
    assert len(booked) > len(set(booked))


@virtual
async def test_a_repeated_acceptance_that_is_answered_with_the_others_trade_is_not_booked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A venue that says "traded before" and shows the only trade of these amounts: it is in the other's record, so ours
    is there and not shown: no looking in vain proves it absent, and a person must find it."""
    accept = ScriptedVenue.accept

    async def answered(self: ScriptedVenue, quote: Quote, client_order_id: str) -> Fill:
        repeated = quote.quote_id in self.accepted
        if repeated and "alpha-q101" in self.trades:
            self.accepted.append(quote.quote_id)
            self.script.clear()
            if len(self.accepted) > 2:
                raise Rejected("alpha", "expired", reason=RejectReason.EXPIRED)
            return replace(self.trades["alpha-q101"], client_order_id=client_order_id)
        return await accept(self, quote, client_order_id)

    monkeypatch.setattr(ScriptedVenue, "accept", answered)
    first, second, store = await beside_each_other(LOST)
    assert not first.trades & second.trades
    told = [event.message for event in store.events(ChildUnknown)]
    assert any("answers with trade t-alpha-q101, which another order has made" in message for message in told)
    assert not store.events(ChildResolved)
    (ours,) = second.open.values()
    assert (ours.status, ours.cum_qty) == (ChildStatus.PARKED, 0)
