"""What one plan sells counts against the caps of another, whatever its own caps, days and windows."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.clock import LoopClock
from adapters.venue import DuplicateIds, Unknown
from executor.domain.counting import CountingFilled, CountingNamed, counted_at
from executor.domain.plan import Plan
from executor.engine.counting import COUNTING_STREAM, ordered_before
from executor.engine.gate import Gate
from executor.engine.runner import Runner
from executor.errors import ExecutorError
from executor.journal.journal import Journal
from executor.journal.line import decode
from executor.simulation.process import MemoryStore as PlainStore
from tests.approved import approve
from tests.domain.events_made import AT
from tests.engine.counting_seller import Seller
from tests.engine.rig import START, TWAP, MemoryStore, mandate, plan, virtual
from tests.engine.scripted_venue import ScriptedVenue, Step

D = Decimal


@pytest.fixture(autouse=True)
def plans_that_cannot_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """These plans are cut off by their caps on purpose."""
    monkeypatch.setattr("executor.engine.runner.over_caps", lambda plan, starts_at: [])


def tenth(of: str, day: str = "UTC") -> dict[str, Any]:
    """At most a tenth of a venue's average day."""
    average = {"venue": "alpha", "qty": of, "measured_until": "2026-11-22", "source": "a test", "file_sha256": "0" * 64}
    return {"venue_volume_percent": "10", "venue_volume_days": 30, "day_boundary": day, "venue_volumes": [average]}


async def sells(number: int, store: MemoryStore, clock: LoopClock, *script: Step, **changes: Any) -> ScriptedVenue:
    """Run a case of its own that wants to sell one coin at alpha. What its venue has sold says how it went."""
    asked: Plan = plan(TWAP | {"slices": 4}, seed=number, **changes)
    case = mandate().model_copy(update={"case_id": f"CASE-{number}"})
    approve(store, case, asked, START)
    alpha = ScriptedVenue(clock, free="5", script=script, duplicates=DuplicateIds.NOT_DOCUMENTED)
    try:
        await Runner(case, asked, [alpha], Journal(store, threaded=False), clock, observer=lambda _: None).run()
    except ExecutorError as error:
        if not script:
            raise AssertionError(str(error)) from error
    return alpha


def counter(day: str) -> str:
    return f"venue_volume_percent/alpha/BTC/{day}"


@virtual
async def test_what_a_plan_without_the_cap_sold_before_counts() -> None:
    """One coin was sold without any cap; of a cap of 1.3 the next plan has 0.3 left, however it says its days."""
    store, clock = MemoryStore(), LoopClock(START)
    assert (await sells(1, store, clock)).sold == D(1)
    assert (await sells(2, store, clock, caps=tenth("13"))).sold == D("0.3")
    assert (await sells(3, store, clock, caps=tenth("17", "+08:00"))).sold == D("0.4")
    assert store.used([counter("2026-11-23@UTC"), counter("2026-11-23@+08:00")]) == {
        counter("2026-11-23@UTC"): D("1.7"),
        counter("2026-11-23@+08:00"): D("1.7"),
    }


@virtual
async def test_what_a_plan_without_the_cap_sells_meanwhile_counts() -> None:
    store, clock = MemoryStore(), LoopClock(START)
    free, bound = await asyncio.gather(sells(1, store, clock), sells(2, store, clock, caps=tenth("13")))
    assert free.sold == D(1)
    assert bound.sold <= D("1.3")
    assert store.used([counter("2026-11-23@UTC")]) == {counter("2026-11-23@UTC"): free.sold + bound.sold}


@virtual
async def test_plans_whose_days_begin_at_other_hours_share_what_they_sell() -> None:
    store, clock = MemoryStore(), LoopClock(START)
    both = await asyncio.gather(
        sells(1, store, clock, caps=tenth("12")), sells(2, store, clock, caps=tenth("12", "+08:00"))
    )
    assert sum((each.sold for each in both), D(0)) == D("1.2")


@virtual
async def test_without_it_they_sell_past_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: each plan counts only where its own caps bind, and nothing that was sold before."""

    def own(self: Gate, venue: str, now: Any, until: Any) -> Any:
        return list(counted_at(self.counting.own, self._sale, venue, now, until).values())

    monkeypatch.setattr(Gate, "_counters", own)
    monkeypatch.setattr("executor.engine.counting.ordered_before", lambda *_: {})
    store, clock = MemoryStore(), LoopClock(START)
    assert (await sells(1, store, clock)).sold == D(1)
    assert (await sells(2, store, clock, caps=tenth("12"))).sold == D(1)
    assert (await sells(3, store, clock, caps=tenth("12", "+08:00"))).sold == D(1)


@virtual
async def test_an_order_without_known_outcome_counts_in_full() -> None:
    """A quarter of a coin may have been sold: the next plan takes it for sold."""
    store, clock = MemoryStore(), LoopClock(START)
    lost = Step(error=Unknown("alpha", "no answer"), lost=True)
    await sells(1, store, clock, lost, duration="2m")
    assert (await sells(2, store, clock, caps=tenth("2.5"))).sold == D(0)


def test_a_span_that_is_over_is_not_filled() -> None:
    async def run() -> dict[str, Decimal]:
        store = PlainStore()
        seller = Seller(store, "a", frozenset(), "alpha")
        await seller.begin()
        await seller.intend(D(3))
        now = AT + timedelta(days=1)
        return ordered_before(Journal(store, threaded=False), ["venue_volume_percent UTC"], now)

    # The order is still open the day after: there it counts, and no more on the day that is over.
    assert asyncio.run(run()) == {"venue_volume_percent/alpha/BTC/2026-11-24@UTC": D(3)}


# --- every interleaving -----------------------------------------------------------------------------------------------


TERMS = st.sets(
    st.sampled_from(["venue_volume_percent UTC", "venue_volume_percent +08:00", "participation_percent 3600"]),
    max_size=2,
).map(frozenset)
STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 40), st.integers(0, 100)), min_size=1, max_size=40
)


@given(terms=st.lists(TERMS, min_size=4, max_size=4), most=st.integers(1, 120), steps=STEPS)
@settings(max_examples=1_000, deadline=None)
def test_joint_caps_hold_whatever_caps_the_plans_carry(
    terms: list[frozenset[str]], most: int, steps: list[tuple[int, bool, int, int]]
) -> None:
    """Four processes, cases of their own, at two venues, each with some caps or none, in any order: whenever an order
    is admitted under a cap, everything that anybody sold and may still sell at the venue is within it; and what stands
    at a counter that is filled is never less than that."""

    async def run() -> None:
        store = PlainStore()
        sellers = [Seller(store, f"s{n}", terms[n], ("alpha", "beta")[n % 2], D(most)) for n in range(4)]
        for each in sellers:
            await each.begin()
        for who, ends, size, part in steps:
            seller = sellers[who]
            if ends and seller.open:
                await seller.end(part)
                continue
            done = await seller.intend(D(size))
            there = sum((each.taken for each in sellers if each.venue == seller.venue), D(0))
            if done == "intended" and seller.own:
                assert there <= most
            if seller.counting.ready:
                for name in counted_at(seller.own, seller.sale, seller.venue, AT):
                    assert store.used([name]).get(name, D(0)) >= there
        _each_step_once(store)

    asyncio.run(run())


def _each_step_once(store: PlainStore) -> None:
    """No term is named or filled twice, and none is filled that was not named."""
    events = [decode(text).event for text in store.read(COUNTING_STREAM)]
    named = [term for event in events if isinstance(event, CountingNamed) for term in event.terms]
    filled = [term for event in events if isinstance(event, CountingFilled) for term in event.terms]
    assert len(set(named)) == len(named)
    assert len(set(filled)) == len(filled)
    assert set(filled) <= set(named)
