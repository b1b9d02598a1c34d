"""Plans that are refused before the first order: nothing is recorded, nothing is sent."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.clock import LoopClock
from adapters.venue import Halted, Instrument, NotSent, Rejected, RejectReason, Unauthorized
from executor.domain.events import ChildIntended, ParentStopped
from executor.domain.plan import Plan
from executor.engine.approval import load_case, load_people
from executor.engine.rehearsal import prepare_rehearsal
from executor.errors import CredentialsRefused, ExecutorError, RuleRefused, VenueUnreachable
from executor.journal import memory
from executor.journal.journal import Journal
from tests.engine.rig import OTC, REST, START, TWAP, MemoryStore, exact, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue

CASES: list[tuple[str, Plan, dict[str, Any]]] = [
    ("venue: the plan names beta", plan(venues=["alpha", "beta"]), {}),
    ("pair: alpha does not list BTCUSD", plan(), {"listed": False}),
    ("pair: BTCUSD at alpha is not open", plan(), {"trading": False}),
    ("market: no venue shows a bid", plan(), {"no_bids": True}),
    ("floor: the best bid 100000 is under the floor", plan(floor_px="100001"), {}),
    ("slices:", plan(TWAP | {"slices": 700}), {}),
    ("rest_for:", plan(REST | {"rest_for": "5m"}), {}),
    ("size:", plan(TWAP | {"slices": 500, "min_notional": "5000"}), {}),
    ("caps:", plan(TWAP | {"qty": "200"}), {"free": "500"}),
    ("step:", plan(TWAP | {"qty": "1.0000001"}), {}),
    ("quotes:", plan(OTC | {"min_quotes": 2}), {}),
    ("window:", plan(OTC | {"pause": "9m"}), {}),
    ("balance:", plan(), {"free": "0.9"}),
]


def shaped(listed: bool = True, trading: bool = True, no_bids: bool = False, free: str = "1") -> ScriptedVenue:
    """A venue with one fault."""
    alpha = ScriptedVenue(LoopClock(START), free=free)
    read = alpha.instruments

    async def instruments() -> dict[str, Instrument]:
        found = await read()
        return {"BTCUSD": replace(found["BTCUSD"], trading=trading)} if listed else {}

    alpha.instruments = instruments  # type: ignore[method-assign]
    alpha.no_bids = no_bids
    return alpha


@pytest.mark.parametrize(("said", "asked", "faults"), CASES, ids=[case[0][:20] for case in CASES])
@virtual
async def test_each_obstacle_refuses_the_plan_before_anything_is_recorded(
    said: str, asked: Plan, faults: dict[str, Any]
) -> None:
    """One row for each obstacle of the feasibility check."""
    alpha, store = shaped(**faults), MemoryStore()
    end = await ran(alpha, store=store, asked=asked, held="1000")
    assert isinstance(end.fault, RuleRefused)
    assert said in str(end.fault)
    assert (alpha.wire, alpha.accepted, store.rows) == ([], [], [])


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Unauthorized("alpha", "key"), CredentialsRefused),
        (Rejected("alpha", "site", reason=RejectReason.NOT_ALLOWED), RuleRefused),
        (NotSent("alpha", "no network"), VenueUnreachable),
        (Halted("alpha", "closed"), VenueUnreachable),
    ],
)
@virtual
async def test_a_venue_that_cannot_be_started_ends_the_run(error: Exception, raised: type[ExecutorError]) -> None:
    alpha, store = ScriptedVenue(LoopClock(START)), MemoryStore()

    async def start() -> None:
        raise error

    alpha.start = start  # type: ignore[method-assign]
    end = await ran(alpha, store=store)
    assert isinstance(end.fault, raised)
    assert store.rows == []


@virtual
async def test_a_second_plan_that_overcommits_the_mandate_is_refused() -> None:
    """Guards the holding: what a finished plan has sold counts, and the next one may only take what is left."""
    store = MemoryStore()
    first = await ran(ScriptedVenue(LoopClock(START)), store=store, held="1.5")
    assert first.fault is None
    rows = len(store.rows)
    again = await ran(ScriptedVenue(LoopClock(START)), store=store, asked=plan(seed=8), held="1.5")
    assert isinstance(again.fault, RuleRefused)
    assert "mandate: 1.5 BTC of the case are credited" in str(again.fault)
    assert "stands at 1 of 1.5: no room for 1" in str(again.fault)
    assert len(store.rows) == rows
    half = plan(TWAP | {"qty": "0.5"}, seed=9)
    alpha = ScriptedVenue(LoopClock(START))
    assert (await ran(alpha, store=store, asked=half, held="1.5")).fault is None
    assert alpha.sold == D("0.5")


@virtual
async def test_an_unfinished_plan_counts_with_all_that_it_may_still_sell() -> None:
    store, alpha = MemoryStore(), ScriptedVenue(LoopClock(START))
    store.fails_at = 6
    await ran(alpha, store=store, held="1.5")
    assert alpha.sold < D(1)
    again = await ran(ScriptedVenue(LoopClock(START)), store=store, asked=plan(seed=8), held="1.5")
    assert "stands at 1 of 1.5: no room for 1" in str(again.fault)


@virtual
async def test_a_plan_with_a_start_waits_for_it() -> None:
    alpha = ScriptedVenue(LoopClock(START))
    later = START + timedelta(hours=2)
    end = await ran(alpha, asked=plan(starts_at=later))
    assert end.state.arrival_at == later
    exact(end.state, alpha)


@virtual
async def test_a_window_that_ends_below_the_floor_ends_with_all_coins_kept() -> None:
    """Below the floor is a normal state: reported, waited out, and the coins are kept."""
    alpha, store = ScriptedVenue(LoopClock(START)), MemoryStore()
    alpha.fall_to = D(89_999)
    wide = {"disagreement_bps": "5000", "fast_move_bps": "5000"}
    end = await ran(alpha, store=store, asked=plan(guards=wide))
    assert end.fault is None
    assert end.state.status.value == "ended"
    assert "floor" in end.state.status_reason
    assert not store.events(ParentStopped)
    exact(end.state, alpha, qty="0")


@virtual
async def test_slices_that_are_overdue_are_never_sold_in_a_burst() -> None:
    """Bounded catch-up: a plan begun late tries the latest slice, once, for ``catch_up`` times its size at most."""
    alpha = ScriptedVenue(LoopClock(START))
    late = START - timedelta(minutes=7)
    end = await ran(alpha, asked=plan(TWAP | {"slices": 10, "catch_up": "2"}, starts_at=late))
    first = [order for order in end.events(ChildIntended) if order.slice <= 8]
    assert sum(order.qty for order in first) <= D("0.2")
    assert len({order.slice for order in first}) <= 1
    assert alpha.sold <= D(1)


@virtual
async def test_a_window_that_is_over_is_refused() -> None:
    alpha = ScriptedVenue(LoopClock(START))
    end = await ran(alpha, asked=plan(starts_at=START - timedelta(hours=1)))
    assert isinstance(end.fault, RuleRefused)
    assert "is over" in str(end.fault)
    assert not alpha.wire


@virtual
async def test_two_rehearsals_that_begin_at_once_on_one_journal_share_the_stand_ins() -> None:
    """Both find nobody enrolled; one is quicker, and the other goes on with the same people."""
    store = memory.MemoryStore()
    first, second = Journal(store, threaded=False), Journal(store, threaded=False)
    other = mandate().model_copy(update={"case_id": "CASE-2"})
    await asyncio.gather(
        prepare_rehearsal(first, mandate(), plan(), START), prepare_rehearsal(second, other, plan(), START)
    )
    assert load_people(first).persons.keys() == load_people(first).stand_ins
    assert all(load_case(first, case).plans for case in ("CASE-1", "CASE-2"))
