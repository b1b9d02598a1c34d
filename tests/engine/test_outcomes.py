"""One test for each way in which a book order can go, each over a scripted venue.

Whatever the venue answers, the record ends equal to the venue's own books."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.clock import LoopClock
from adapters.venue import (
    DuplicateIds,
    Halted,
    NotSent,
    Rejected,
    RejectReason,
    Throttled,
    Unauthorized,
    Unknown,
    VenueError,
)
from executor.domain.events import (
    ChildNotSent,
    ChildParked,
    ChildRejected,
    ChildResent,
    ChildResolved,
    ChildUnknown,
    ParentHalted,
)
from executor.domain.orders import ParentStatus
from executor.errors import GuardHalts, Stopped
from tests.engine.rig import REST, START, MemoryStore, exact, plan, ran, virtual
from tests.engine.scripted_venue import ScriptedVenue, Step

D = Decimal
NO_ANSWER = Unknown("alpha", "no answer")
UNDOCUMENTED = DuplicateIds.NOT_DOCUMENTED


def venue(*steps: Step, free: str = "1", duplicates: DuplicateIds = DuplicateIds.REFUSED) -> ScriptedVenue:
    return ScriptedVenue(LoopClock(START), free=free, duplicates=duplicates, script=steps)


@virtual
async def test_an_undisturbed_run_sells_exactly() -> None:
    alpha = venue()
    end = await ran(alpha)
    assert (end.fault, end.state.status) == (None, ParentStatus.COMPLETED)
    exact(end.state, alpha)
    assert [order.time_in_force for order in alpha.wire] == ["IOC", "FOK"]


@virtual
async def test_not_sent_ends_the_child_and_the_quantity_is_tried_again() -> None:
    alpha = venue(Step(error=NotSent("alpha", "refused"), effect=False))
    end = await ran(alpha)
    assert len(end.events(ChildNotSent)) == 1
    assert len({order.client_order_id for order in alpha.wire}) == len(alpha.wire)
    exact(end.state, alpha)


GOES_ON = ["price", "size", "would_take", "balance", "limit", "not_found", "finished", "expired", "no_price"]
STOPS = ["not_allowed", "not_configured", "invalid", "other"]


def test_every_reason_of_the_taxonomy_has_a_row() -> None:
    assert {*GOES_ON, *STOPS} == {reason.value for reason in RejectReason}


@pytest.mark.parametrize("reason", GOES_ON)
@virtual
async def test_a_refusal_of_one_order_lets_the_next_slice_try(reason: str) -> None:
    alpha = venue(Step(error=Rejected("alpha", "no", code="1", reason=RejectReason(reason)), effect=False))
    end = await ran(alpha)
    assert [event.reason for event in end.events(ChildRejected)] == [reason]
    exact(end.state, alpha)


@pytest.mark.parametrize("reason", STOPS)
@virtual
async def test_a_refusal_that_a_person_must_see_halts(reason: str) -> None:
    """More of the same must not be sent: halted after one order, nothing sold, nothing exposed."""
    alpha = venue(Step(error=Rejected("alpha", "no", reason=RejectReason(reason)), effect=False))
    end = await ran(alpha)
    assert isinstance(end.fault, GuardHalts)
    assert [event.rule for event in end.events(ParentHalted)] == ["venue.rejected"]
    assert len(alpha.wire) == 1
    exact(end.state, alpha, qty="0")


BUSY = Throttled("alpha", "slow down", retry_after=timedelta(seconds=1))


@pytest.mark.parametrize(("error", "reason"), [(BUSY, "throttled"), (Halted("alpha", "closed"), "halted")])
@virtual
async def test_a_closed_or_busy_venue_is_tried_again(error: VenueError, reason: str) -> None:
    alpha = venue(Step(error=error, effect=False))
    end = await ran(alpha)
    assert [event.reason for event in end.events(ChildRejected)] == [reason]
    exact(end.state, alpha)


@virtual
async def test_unauthorized_halts_at_once() -> None:
    """A key that is refused is not tried again."""
    alpha, store = venue(Step(error=Unauthorized("alpha", "key"), effect=False)), MemoryStore()
    end = await ran(alpha, store=store)
    assert [event.rule for event in end.events(ParentHalted)] == ["venue.unauthorized"]
    again = await ran(alpha, store=store)
    assert isinstance(again.fault, Stopped)
    assert len(alpha.wire) == 1


@virtual
async def test_an_unknown_that_is_found_goes_on() -> None:
    alpha = venue(Step(error=NO_ANSWER))
    end = await ran(alpha)
    assert len(end.events(ChildUnknown)) == 1
    assert [event.found for event in end.events(ChildResolved)] == [True]
    assert len(alpha.wire) == 2
    exact(end.state, alpha)


@virtual
async def test_an_unknown_that_is_absent_is_sent_once_more_under_the_same_id() -> None:
    """Only where the venue documents that it refuses a known id, and only after the quiet period has shown nothing."""
    alpha = venue(Step(error=NO_ANSWER, effect=False))
    end = await ran(alpha)
    (resent,) = end.events(ChildResent)
    assert [order.client_order_id for order in alpha.wire[:2]] == [resent.client_order_id] * 2
    first, second = (replace(order, not_after=None) for order in alpha.wire[:2])
    assert first == second
    assert "the purse agrees" in resent.evidence
    unknown, again = (line.at for line in end.lines if isinstance(line.event, ChildUnknown | ChildResent))
    assert again - unknown >= alpha.traits.quiet_period
    exact(end.state, alpha)


@virtual
async def test_a_late_first_sending_and_its_copy_sell_once() -> None:
    """The first request was only late, beyond the quiet period: the venue takes one of the two, as it documents."""
    alpha = venue(Step(error=NO_ANSWER, late=timedelta(seconds=40)))
    end = await ran(alpha)
    assert len(end.events(ChildResent)) == 1
    assert len(alpha.coming) == 0
    exact(end.state, alpha)


@virtual
async def test_two_lost_sendings_end_absent_and_the_quantity_goes_under_a_new_id() -> None:
    alpha = venue(Step(error=NO_ANSWER, effect=False), Step(error=NO_ANSWER, effect=False))
    end = await ran(alpha)
    ids = [order.client_order_id for order in alpha.wire]
    assert ids[0] == ids[1]
    assert ids.count(ids[0]) == 2
    assert [event.found for event in end.events(ChildResolved)] == [False]
    exact(end.state, alpha)


@virtual
async def test_an_absent_order_is_never_sent_again_where_duplicates_are_not_documented() -> None:
    """Proved absent by every look and by the purse, its id is spent; the quantity goes with a later slice."""
    alpha = venue(Step(error=NO_ANSWER, effect=False), duplicates=UNDOCUMENTED)
    end = await ran(alpha)
    assert end.events(ChildResent) == []
    assert len({order.client_order_id for order in alpha.wire}) == len(alpha.wire)
    assert [event.found for event in end.events(ChildResolved)] == [False]
    exact(end.state, alpha)


@pytest.mark.parametrize("duplicates", list(DuplicateIds))
@virtual
async def test_an_unknown_that_the_purse_contradicts_is_parked(duplicates: DuplicateIds) -> None:
    """No reading shows the order, and coins are missing: a person must look, and its quantity stays exposed."""
    alpha = venue(Step(error=NO_ANSWER, lost=True), free="2", duplicates=duplicates)
    end = await ran(alpha)
    assert "main holds 1.50000, expected 2" in end.events(ChildParked)[0].reason
    assert isinstance(end.fault, GuardHalts)
    assert len({order.client_order_id for order in alpha.wire}) == len(alpha.wire)
    assert alpha.sold == end.state.cum_qty + end.state.exposure_qty == D(1)


@virtual
async def test_fills_that_lag_behind_the_status_are_waited_for() -> None:
    """Finished by its status, without fills for a minute: it is not closed until every fill is in the record."""
    alpha = venue(Step(fills_late=timedelta(seconds=60)))
    end = await ran(alpha)
    exact(end.state, alpha)


@virtual
async def test_fills_that_never_come_park_the_order() -> None:
    alpha = venue(Step(fills_late=timedelta(days=1)), free="2")
    end = await ran(alpha)
    assert "not settled 0:02:00" in end.events(ChildParked)[0].reason
    assert end.state.exposure_qty == D("0.5")
    assert alpha.sold == D(1)


@virtual
async def test_a_fill_that_is_reported_twice_is_recorded_once() -> None:
    alpha = venue()
    alpha.repeat_fills = 2
    end = await ran(alpha)
    exact(end.state, alpha)


@virtual
async def test_an_order_that_is_missing_for_a_while_is_waited_for() -> None:
    """Acknowledged, and the venue does not know it for a minute: still ours."""
    alpha = venue(Step(missing=timedelta(seconds=60)))
    end = await ran(alpha)
    exact(end.state, alpha)
    assert len(alpha.wire) == 2


@virtual
async def test_a_partial_fill_leaves_the_rest_to_the_next_order() -> None:
    alpha = venue(Step(fill=D("0.4")))
    end = await ran(alpha)
    exact(end.state, alpha)
    assert [order.qty for order in alpha.wire] == [D("0.5"), D("0.8")]


@virtual
async def test_a_resting_order_is_cancelled_after_a_partial_fill_and_the_rest_crosses() -> None:
    alpha = venue(Step(fill=D("0.4")))
    end = await ran(alpha, asked=plan(REST))
    resting, crossing = alpha.wire[:2]
    assert (resting.post_only, resting.limit_px, crossing.time_in_force) == (True, D("100010"), "IOC")
    assert resting.qty * D("0.6") == crossing.qty
    exact(end.state, alpha)


CANCELS = [
    Step(fill=D(0), on_cancel=D(1), cancel_error=Rejected("alpha", "done", reason=RejectReason.FINISHED)),
    Step(fill=D(0), on_cancel=D("0.4")),
    Step(fill=D(0), on_cancel=D(1), cancel_error=Unknown("alpha", "no answer")),
    Step(fill=D(0), on_cancel=D(1), cancel_error=NotSent("alpha", "no way")),
]


@pytest.mark.parametrize("number", range(len(CANCELS)))
@virtual
async def test_a_cancel_proves_nothing_only_the_order_itself_does(number: int) -> None:
    """Refused because it is finished, unanswered, or filled on the way: what was filled is in the record."""
    step = CANCELS[number]
    alpha = venue(Step(fill=step.fill, on_cancel=step.on_cancel, cancel_error=step.cancel_error))
    end = await ran(alpha, asked=plan(REST))
    exact(end.state, alpha)


@virtual
async def test_a_cancel_that_never_arrives_parks_the_live_order() -> None:
    """The order is still live and its quantity stays exposed: nothing is sold in its place."""
    step = Step(fill=D(0), cancel_error=NotSent("alpha", "no way"), cancel_always_fails=True)
    alpha = venue(step, free="2")
    end = await ran(alpha, asked=plan(REST))
    assert len(end.events(ChildParked)) == 1
    assert alpha.sold + end.state.exposure_qty <= D(1)


@pytest.mark.parametrize("style", ["cross", "rest"])
@virtual
async def test_an_over_fill_is_booked_and_halts(style: str) -> None:
    """The venue sold more than was ordered: the fact is in the record, and nothing more is sent."""
    alpha = venue(Step(over=D("0.1")), free="2")
    end = await ran(alpha, asked=plan(REST if style == "rest" else REST | {"style": "cross", "rest_for": None}))
    assert [event.rule for event in end.events(ParentHalted)] == ["invariant"]
    assert "more than its" in end.state.breach
    assert len(alpha.wire) == 1
    assert end.state.cum_qty == alpha.sold


@virtual
async def test_a_second_send_that_is_refused_proves_nothing_about_the_first() -> None:
    """The refusal may be the first send's own doing: the order is looked for again, never taken as rejected."""
    alpha = venue(Step(error=NO_ANSWER, effect=False), Step(error=Rejected("alpha", "no", reason=RejectReason.BALANCE)))
    end = await ran(alpha)
    (resent,) = end.events(ChildResent)
    after = [e for e in end.events(ChildUnknown) if e.client_order_id == resent.client_order_id]
    assert len(after) == 2
    assert resent.client_order_id not in {e.client_order_id for e in end.events(ChildRejected)}
    exact(end.state, alpha)
