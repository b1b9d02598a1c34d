"""An order that rests or is sent once more is held to the rules of that moment, not only to those of its intent."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clock import LoopClock
from adapters.venue import NewOrder, Unknown
from executor.domain.case_events import FloorRaised
from executor.domain.counting import Sale, counted_at
from executor.domain.events import ChildClosed, ChildIntended, ChildResent, ChildResolved
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.money import plain
from executor.domain.plan import Plan
from executor.domain.signing import floor_message, public_hex, sign
from executor.engine.approval import case_stream
from executor.engine.gate import Gate
from tests.approved import approve, write
from tests.engine.rig import REST, START, TWAP, MemoryStore, Ran, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue, Step

RISK = Ed25519PrivateKey.from_private_bytes(bytes([3] * 32))  # the stand-in's
LOST = Step(error=Unknown("alpha", "no answer"), effect=False)
SALE = Sale("CASE-1", "BTC", "USD", D(10))


async def sold(asked: Plan, alpha: ScriptedVenue, floor: str) -> Ran:
    """A run in which an approver raises the floor while the first order is being placed."""
    store = MemoryStore()
    approve(store, mandate(), asked, START)
    frozen = plan_hash(frozen_plan("CASE-1", asked.model_dump(mode="json")))
    event = FloorRaised(
        plan_hash=frozen,
        floor_px=D(floor),
        person="rehearsal-risk",
        public_key=public_hex(RISK),
        signature=sign(RISK, floor_message("CASE-1", frozen, plain(D(floor)))),
        why="the market has turned",
    )

    def place(_order: NewOrder) -> None:
        if len(alpha.wire) <= 1 and not raised:
            raised.append(True)
            write(store, case_stream("CASE-1"), "CASE-1", [event], START)

    raised: list[bool] = []
    alpha.on_place = place
    return await ran(alpha, store=store, asked=asked)


def rested(end: Ran) -> timedelta:
    """How long the first order was on the book."""
    sent = next(line.at for line in end.lines if isinstance(line.event, ChildIntended))
    return next(line.at for line in end.lines if isinstance(line.event, ChildClosed)) - sent


@virtual
@pytest.mark.parametrize(("floor", "shorter"), [("150000", True), ("90001", False)], ids=["over it", "under it"])
async def test_what_rests_is_taken_off_when_the_floor_is_raised_over_it(floor: str, shorter: bool) -> None:
    alpha = ScriptedVenue(LoopClock(START), free="5", script=[Step(fill=D(0))])
    end = await sold(plan(REST | {"slices": 2, "rest_for": "100s"}), alpha, floor)
    assert (rested(end) < timedelta(seconds=10)) is shorter
    assert all(fill.px >= D(floor) for fill in alpha.fills_made)


@virtual
async def test_an_order_proved_absent_is_not_sent_again_under_a_floor_raised_meanwhile() -> None:
    alpha = ScriptedVenue(LoopClock(START), free="5", script=[LOST])
    end = await sold(plan(TWAP), alpha, "150000")
    assert len(alpha.wire) == 1
    assert end.events(ChildResent) == []
    assert [event.found for event in end.events(ChildResolved)] == [False]
    assert alpha.sold == 0


@virtual
async def test_without_the_second_asking_it_is_sold_under_the_raised_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "_still_good", lambda *_: None)
    alpha = ScriptedVenue(LoopClock(START), free="5", script=[LOST])
    end = await sold(plan(TWAP), alpha, "150000")
    assert len(end.events(ChildResent)) == 1
    assert alpha.sold > 0


@pytest.mark.parametrize("term", ["participation_percent 60", "participation_percent 7", "plan_percent_per_day UTC"])
@pytest.mark.parametrize("rests", [timedelta(minutes=7), timedelta(days=3)])
def test_an_order_counts_in_every_span_in_which_it_may_fill(term: str, rests: timedelta) -> None:
    begins = datetime(2026, 3, 2, 22, 59, 13, 250_000, tzinfo=UTC)
    if "percent_per_day" not in term:
        rests = min(rests, timedelta(minutes=7))
    counts = set(counted_at([term], SALE, "osl", begins, begins + rests))
    for part in range(1_000):
        fills_at = begins + rests * part / 999
        assert set(counted_at([term], SALE, "osl", fills_at)) <= counts
