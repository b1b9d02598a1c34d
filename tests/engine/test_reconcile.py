"""The venue's books against the record, over the mocked venues: every difference is found, named, stops new orders at
that venue and no other, and is gone for good once a person has explained it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.mock.exchange import MockOrder
from adapters.venue import Fill, NotSent, OrderRef, OrderReport, Venue
from executor.domain.events import BreakExplained, BreakFound, ChildIntended, ExplainAsked, FillRecorded
from executor.engine.tuning import Tuning
from executor.errors import InvariantBroken
from tests.engine.mocked import START, Bent, D, Stage, plan, running
from tests.engine.rig import virtual

SATOSHI = Decimal("0.00000001")
NEVER = Tuning(reconcile=timedelta(days=9))
Spoil = Callable[[Stage], object]


def foreign(stage: Stage) -> MockOrder:
    """Somebody logs in by hand and rests an order."""
    return stage.world.exchanges["osl"].place("by-hand", D("0.5"), D(120_000), "GTC", True)


def one_satoshi(stage: Stage, venue: str = "osl") -> None:
    """The purse loses the smallest unit that there is."""
    stage.purse(venue).free -= SATOSHI


def busted(stage: Stage) -> None:
    """The venue takes one of its trades back and gives the coins back."""
    order = next(order for order in stage.orders("osl") if order.trades)
    gone = order.trades.pop()
    stage.purse("osl").free += gone.qty


FOUND: dict[str, tuple[Spoil, list[str]]] = {
    "foreign_order": (foreign, ["balance", "foreign_order"]),  # its coins are locked by an order that is not ours
    "balance": (one_satoshi, ["balance"]),
    "busted_trade": (busted, ["balance", "busted_trade"]),
}


async def explain_all(stage: Stage, parent: str, breaks: list[str]) -> None:
    for name in breaks:
        await stage.act(parent, ExplainAsked(venue="osl", name=name, who="Wang", why="seen on the statement"))


@pytest.mark.parametrize("remembered", [1_000, 0])
@pytest.mark.parametrize("name", list(FOUND))
@virtual
async def test_a_difference_stops_its_venue_until_it_is_explained_and_stays_explained(
    name: str, remembered: int, tmp_path: Path
) -> None:
    """Guards reconciliation on a schedule: found by its name, nothing new at OSL while HashKey goes on; the running
    parent order picks the explanation up; no later comparison, nor the one of a new process, finds it again. The same
    when the orders in question have been folded away."""
    spoil, names = FOUND[name]
    stage = Stage(tmp_path)
    run = stage.runner(tuning=Tuning(reconcile=timedelta(seconds=45), remembered=remembered))
    async with running(run) as task:
        await stage.at(110)
        spoil(stage)
        await stage.at(160)
        found = {(event.venue, event.name) for event in stage.events(BreakFound)}
        assert found == {("osl", each) for each in names}
        since = stage.clock.now()
        await stage.at(270)
        assert [order for order in stage.orders("osl", since) if order.client_id != "by-hand"] == []
        assert stage.orders("hashkey", since) != []
        await explain_all(stage, run.parent_id, names)
        found_so_far = len(stage.events(BreakFound))
        await stage.at(275)
        assert {event.who for event in stage.events(BreakExplained)} == {"Wang"}
        assert not run.state.breaks
        since = stage.clock.now()
        state, fault = await task
    assert (fault, state.cum_qty) == (None, D(1))
    assert stage.orders("osl", since) != []
    assert len(stage.events(BreakFound)) == found_so_far


@pytest.mark.parametrize("name", list(FOUND))
@virtual
async def test_a_new_process_finds_what_happened_meanwhile_and_nothing_that_is_explained(
    name: str, tmp_path: Path
) -> None:
    """Guards reconciliation at the start: the difference that came while nobody ran is found before the first new
    order; after the explanation the next start is quiet."""
    spoil, names = FOUND[name]
    stage, asked = Stage(tmp_path), plan(venues=["osl"])
    await interrupted(stage, asked)
    spoil(stage)
    since = stage.clock.now()
    await interrupted(stage, asked, after=150)
    assert {event.name for event in stage.events(BreakFound)} == set(names)
    assert [order for order in stage.orders("osl", since) if order.client_id != "by-hand"] == []
    await explain_all(stage, stage.runner(asked).parent_id, names)
    known = len(stage.events(BreakFound))
    state, fault = await stage.ran(asked)
    assert (fault, state.cum_qty) == (None, D(1))
    assert len(stage.events(BreakFound)) == known


async def interrupted(stage: Stage, asked: Any, after: int = 110) -> None:
    """A process that is told to stop after a while."""
    run = stage.runner(asked, tuning=NEVER)
    async with running(run) as task:
        await stage.clock.sleep_until(stage.clock.now() + timedelta(seconds=after))
        run.stop.set()
        await task


@virtual
async def test_an_explained_difference_does_not_hide_the_next_one(tmp_path: Path) -> None:
    """Guards the arithmetic after an explanation: what was explained is part of it, one more satoshi is a new break."""
    stage, asked = Stage(tmp_path), plan(venues=["osl"])
    await interrupted(stage, asked)
    one_satoshi(stage)
    await interrupted(stage, asked, after=5)
    await explain_all(stage, stage.runner(asked).parent_id, ["balance"])
    await interrupted(stage, asked, after=5)
    assert len(stage.events(BreakFound)) == 1
    one_satoshi(stage)
    await interrupted(stage, asked, after=5)
    first, second = stage.events(BreakFound)
    assert [each.gaps[0].total for each in (first, second)] == [-SATOSHI, -SATOSHI]


@virtual
async def test_a_difference_at_the_end_is_found_by_the_last_comparison(tmp_path: Path) -> None:
    """Guards reconciliation at the end: it is in the record although everything was sold."""
    stage = Stage(tmp_path)
    run = stage.runner(plan(venues=["osl"]), tuning=NEVER)
    async with running(run) as task:
        await stage.at(400)
        one_satoshi(stage)
        state, _ = await task
    assert ("osl", "balance") in state.breaks


@virtual
async def test_a_quote_trade_that_nobody_here_made_is_found(tmp_path: Path) -> None:
    """Guards the ledger: a block sold by hand on the same account is a break at OSL."""
    otc = {"kind": "otc", "qty": "1", "clip": "0.25", "pause": "1m", "min_quotes": 1}
    stage = Stage(tmp_path)
    run = stage.runner(plan(otc, venues=["osl"]), tuning=Tuning(reconcile=timedelta(seconds=40)))
    other = stage.venue("osl")
    async with running(run) as task:
        await stage.at(70)
        quote = await other.quote("BTC", "USD", D("0.1"))  # type: ignore[attr-defined]
        await other.accept(quote, "by-hand")  # type: ignore[attr-defined]
        await stage.at(125)
        assert {name for _, name in run.state.breaks} == {"unknown_trade", "balance"}
        sold = run.state.cum_qty
        await stage.at(300)
        assert run.state.cum_qty == sold < 1
        await explain_all(stage, run.parent_id, ["unknown_trade", "balance"])
        state, fault = await task
    await other.aclose()
    assert (fault, state.cum_qty, state.breaks) == (None, D(1), {})


@virtual
async def test_memory_holds_what_is_open_and_not_yet_compared(tmp_path: Path) -> None:
    """Guards bounded memory: orders that ended and were compared are folded away, the totals are not, and no number is
    given out twice."""
    stage = Stage(tmp_path)
    state, fault = await stage.ran(tuning=Tuning(reconcile=timedelta(seconds=45), remembered=2))
    assert fault is None
    assert len(state.children) <= 2 < state.total.children == state.last_number
    assert state.cum_qty == stage.sold() == D(1)
    again = stage.events(ChildIntended)[0]
    with pytest.raises(InvariantBroken, match="already in the record"):
        state.check_intent(again)


# --- news that is merely late -----------------------------------------------------------------------------------------


@virtual
async def test_a_late_fill_of_a_closed_order_is_booked_once(tmp_path: Path) -> None:
    """Guards late news: the venue shows an order as cancelled, and its fill only after the order was closed and looked
    at. The purse gives it away; the fill is booked once, and it is no break."""
    stage, asked = Stage(tmp_path), plan(venues=["osl"])
    hidden: set[str] = set()

    def hides(venue: Venue) -> Venue:
        async def query(ref: OrderRef) -> OrderReport | None:
            report = await venue.query(ref)
            if report is not None and ref.client_order_id.endswith("-2") and not stage_two(stage):
                hidden.add(ref.client_order_id)
                return replace(report, cum_qty=D(0))
            return report

        async def fills(ref: OrderRef) -> list[Fill]:
            return [] if ref.client_order_id in hidden and not stage_two(stage) else await venue.fills(ref)

        return Bent(venue, query=query, fills=fills)

    run = stage.runner(asked, bend=hides, tuning=Tuning(reconcile=timedelta(seconds=250)))
    async with running(run) as task:
        state, fault = await task
    assert hidden
    assert fault is None
    assert stage.sold() == state.cum_qty == sum((fill.qty for fill in stage.events(FillRecorded)), D(0))
    assert not state.breaks


def stage_two(stage: Stage) -> bool:
    """The venue has caught up."""
    return stage.clock.now() > START + timedelta(seconds=200)


def bent_fills(change: Callable[[list[Fill], Stage, OrderRef], Awaitable[list[Fill]]], stage: Stage) -> Any:
    """Fills as ``change`` lets them be seen."""

    def bend(venue: Venue) -> Venue:
        async def fills(ref: OrderRef) -> list[Fill]:
            return await change(await venue.fills(ref), stage, ref)

        return Bent(venue, fills=fills)

    return bend


async def twice(fills: list[Fill], stage: Stage, ref: OrderRef) -> list[Fill]:
    return fills + fills[::-1]


async def fee_later(fills: list[Fill], stage: Stage, ref: OrderRef) -> list[Fill]:
    placed = next(order.created_at for order in stage.orders() if order.client_id == ref.client_order_id)
    if stage.clock.now() < placed + timedelta(seconds=20):
        raise NotSent("osl", "an execution has no fee yet")
    return fills


@pytest.mark.parametrize("change", [twice, fee_later])
@virtual
async def test_duplicate_fills_and_late_fees_land_exactly_once(change: Any, tmp_path: Path) -> None:
    """Guards the record of fills: one told twice is booked once; one without its fee is waited for, and is never booked
    with a fee of zero."""
    stage = Stage(tmp_path)
    state, fault = await stage.ran(plan(venues=["osl"]), bend=bent_fills(change, stage))
    assert fault is None
    stage.exact(state)


# --- several parent orders on one purse -------------------------------------------------------------------------------


@virtual
async def test_two_parent_orders_on_one_purse_agree_and_still_see_a_missing_satoshi(tmp_path: Path) -> None:
    """Guards the arithmetic of a shared purse: what the other parent order sold is no break; a satoshi that neither of
    them sold is one."""
    stage, asked = Stage(tmp_path), plan(venues=["hashkey"])
    ours, theirs = stage.runner(asked, case="CASE-1"), stage.runner(asked, case="CASE-2")
    async with running(ours, theirs) as (one, other):
        ends = [await one, await other]
    assert [(fault, state.cum_qty, state.breaks) for state, fault in ends] == [(None, D(1), {})] * 2
    third = stage.runner(asked, case="CASE-3", tuning=NEVER)
    async with running(third) as task:
        await stage.clock.sleep_until(stage.clock.now() + timedelta(seconds=400))
        one_satoshi(stage, "hashkey")
        await task
    assert [name for _, name in third.state.breaks] == ["balance"]
