"""The fold of one parent order: what it promises, what it refuses, and what it flags."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.domain.events import (
    ArrivalMarked,
    ChildAcknowledged,
    ChildClosed,
    ChildNotSent,
    ChildParked,
    ChildRejected,
    ChildResent,
    ChildResolved,
    ChildUnknown,
    ParentFinished,
    ParentHalted,
    ParentStopped,
    ParentTaken,
    ParentWaiting,
    ParentWorking,
    PursesRead,
    SliceStarted,
)
from executor.domain.money import EXACT
from executor.domain.parent import Child, ChildStatus, Parent, ParentStatus
from executor.errors import InvariantBroken
from tests.domain.events_made import AT, closed, created, filled, folded, intended

D = Decimal
ID = "abcdefghij-1"


def acknowledged(number: int = 1) -> ChildAcknowledged:
    return ChildAcknowledged(client_order_id=f"abcdefghij-{number}", venue_order_id="v1", venue_status="NEW")


def unknown(number: int = 1) -> ChildUnknown:
    return ChildUnknown(client_order_id=f"abcdefghij-{number}", message="no answer")


def parked(number: int = 1) -> ChildParked:
    return ChildParked(client_order_id=f"abcdefghij-{number}", reason="cannot be proved")


def absent(number: int = 1) -> ChildResolved:
    return ChildResolved(client_order_id=f"abcdefghij-{number}", found=False, venue_order_id="", evidence="looked")


# --- random legal lives -----------------------------------------------------------------------------------------------


class Life:
    """Draws legal events from the state as it is, so that every sequence could have happened."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.state = Parent()
        self.trades = 0
        self.take(created())
        self.take(ParentTaken(epoch=1, owner="a"))

    def take(self, event: Any) -> None:
        self.state.apply(event, AT + timedelta(seconds=self.state.version))

    def step(self) -> None:
        children = list(self.state.open.values())
        if self.state.leaves_qty > 0 and (not children or self.data.draw(st.booleans())):
            most = max(D("0.001"), self.state.leaves_qty)
            qty = self.data.draw(st.decimals(D("0.001"), most, places=3))
            number = len(self.state.children) + 1
            venue = self.data.draw(st.sampled_from(["alpha", "beta"]))
            self.take(intended(number, min(qty, self.state.leaves_qty), venue=venue))
        elif children:
            self.take(self._news(self.data.draw(st.sampled_from(children))))

    def _news(self, child: Child) -> Any:
        number, left = child.number, child.qty - child.cum_qty
        endings = [ChildNotSent, ChildRejected]
        kinds = ["ack", "unknown", "parked", "resent", "closed"] + ["fill"] * 4 * (left > 0)
        kinds += ["absent", "refused"] * (not child.cum_qty)
        kind = self.data.draw(st.sampled_from(kinds))
        if kind == "fill":
            self.trades += 1
            qty = self.data.draw(st.sampled_from([left, left / 2]))
            return filled(number, f"t{self.trades}", qty)
        if kind == "refused":
            ending = self.data.draw(st.sampled_from(endings))
            rest = {} if ending is ChildNotSent else {"reason": "price", "code": "1"}
            return ending(client_order_id=child.client_order_id, message="no", **rest)
        if kind == "resent":
            return ChildResent(client_order_id=child.client_order_id, evidence="looked")
        if kind == "closed":
            return closed(number, child.cum_qty)
        return {"ack": acknowledged, "unknown": unknown, "parked": parked, "absent": absent}[kind](number)


@settings(max_examples=60)
@given(st.data())
def test_sold_and_exposed_never_exceed_the_parent(data: st.DataObject) -> None:
    """The conserved equation: after every event ``cum + exposure <= qty``, and every total is that of its parts."""
    life = Life(data)
    for _ in range(data.draw(st.integers(1, 25))):
        life.step()
        state = life.state
        assert state.cum_qty + state.exposure_qty <= state.spec.qty
        assert state.leaves_qty >= 0
        assert state.exposure_qty == sum((c.exposure_qty for c in state.children.values()), D(0))
        assert state.cum_qty == sum((c.cum_qty for c in state.children.values()), D(0))
        assert state.exposure_qty == sum((t.exposure_qty for t in state.routes.values()), D(0))
        assert (state.legs[0].cum_qty, state.legs[0].exposure_qty) == (state.cum_qty, state.exposure_qty)
        assert set(state.open) == {c.client_order_id for c in state.children.values() if c.status != "closed"}
        assert state.leg_leaves(0) == state.leaves_qty
        assert not state.breach


@settings(max_examples=30)
@given(st.data())
def test_an_intent_beyond_what_is_left_is_refused_in_every_state(data: st.DataObject) -> None:
    """Never sell more than asked: whatever happened before, one step more than the leaves is refused."""
    life = Life(data)
    for _ in range(data.draw(st.integers(0, 15))):
        life.step()
    number = len(life.state.children) + 1
    with pytest.raises(InvariantBroken, match="would exceed"):
        life.state.check_intent(intended(number, life.state.leaves_qty + D("0.00000001")))
    if life.state.leaves_qty:
        life.state.check_intent(intended(number, life.state.leaves_qty))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"qty": D(11)}, "would exceed the parent order"),
        ({"qty": D(0)}, "not above zero"),
        ({"qty": D(-1)}, "not above zero"),
        ({"limit_px": D("89999.99")}, "under the floor"),
        ({"venue": "gamma"}, "not in the plan"),
    ],
)
def test_an_intent_that_breaks_a_promise_is_refused(changes: dict[str, Any], said: str) -> None:
    """Floor, quantity and venues of the plan bind every intent, in the fold itself."""
    with pytest.raises(InvariantBroken, match=said):
        folded(intended(1, **{"qty": "1"} | changes))


def test_a_known_client_id_is_refused() -> None:
    """One id names one order, for ever."""
    with pytest.raises(InvariantBroken, match="already in the record"):
        folded(intended(1, "1"), ChildNotSent(client_order_id=ID, message=""), intended(1, "1"))


@pytest.mark.parametrize(
    "end",
    [
        ParentHalted(rule="r", reason="s"),
        ParentFinished(completed=False, leaves_qty=D(10), reason="over"),
        ParentFinished(completed=True, leaves_qty=D(0), reason="all sold"),
    ],
)
def test_nothing_is_intended_after_the_end_or_a_halt(end: Any) -> None:
    with pytest.raises(InvariantBroken, match="the parent order is"):
        folded(end, intended(1, "1"))


def test_a_trade_is_recorded_once() -> None:
    with pytest.raises(InvariantBroken, match="recorded twice"):
        folded(intended(1, "2"), filled(1, "t1", "1"), filled(1, "t1", "1"))


def test_news_about_an_order_without_intent_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="no intent was recorded"):
        folded(acknowledged())


def test_a_close_must_count_every_fill() -> None:
    with pytest.raises(InvariantBroken, match="closed at 2 with 1 recorded"):
        folded(intended(1, "2"), filled(1, "t1", "1"), closed(1, "2"))


def test_a_parent_with_an_open_child_cannot_finish() -> None:
    with pytest.raises(InvariantBroken, match="1 child orders open"):
        folded(intended(1, "2"), ParentFinished(completed=False, leaves_qty=D(10), reason=""))


def test_owners_are_counted_one_by_one() -> None:
    with pytest.raises(InvariantBroken, match="epoch 3 follows 1"):
        folded(ParentTaken(epoch=1, owner="a"), ParentTaken(epoch=3, owner="b"))


def test_an_empty_stream_has_no_state() -> None:
    for question in ("spec", "now"):
        with pytest.raises(InvariantBroken):
            getattr(Parent(), question)


# --- exposure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("news", [(), (unknown(),), (unknown(), parked()), (acknowledged(),)])
def test_what_might_still_be_sold_counts_as_exposure(news: tuple[Any, ...]) -> None:
    """Unknown and parked count like open: in full, until the venue proves otherwise."""
    state = folded(intended(1, "4"), *news)
    assert (state.exposure_qty, state.leaves_qty) == (D(4), D(6))
    with pytest.raises(InvariantBroken, match="would exceed"):
        state.check_intent(intended(2, "6.00001"))


@pytest.mark.parametrize(
    "end",
    [
        absent(),
        ChildNotSent(client_order_id=ID, message=""),
        ChildRejected(client_order_id=ID, reason="price", code="1", message=""),
        ChildClosed(client_order_id=ID, venue_status="CANCELED", cum_qty=D(0)),
    ],
)
def test_a_proved_end_gives_the_quantity_back(end: Any) -> None:
    state = folded(intended(1, "4"), unknown(), end)
    assert (state.exposure_qty, state.leaves_qty) == (D(0), D(10))
    assert state.children[ID].status is ChildStatus.CLOSED
    assert not state.open


def test_a_found_order_goes_on_and_a_resent_one_counts_its_sends() -> None:
    found = ChildResolved(client_order_id=ID, found=True, venue_order_id="v9", evidence="the venue has it")
    state = folded(intended(1, "4"), unknown(), found)
    assert (state.children[ID].status, state.children[ID].venue_order_id) == (ChildStatus.WORKING, "v9")
    state = folded(intended(1, "4"), unknown(), ChildResent(client_order_id=ID, evidence="looked"))
    assert (state.children[ID].status, state.children[ID].sends) == (ChildStatus.INTENDED, 2)
    assert state.exposure_qty == D(4)


# --- breaches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((intended(1, "2"), filled(1, "t1", "2.1")), "more than its 2"),
        ((intended(1, "10"), closed(1, "0"), intended(2, "10"), filled(1, "t1", "5")), "more than 10"),
        ((intended(1, "2"), filled(1, "t1", "1", px="89999")), "under the floor"),
    ],
)
def test_a_fill_that_breaks_a_promise_is_booked_and_flagged(events: tuple[Any, ...], said: str) -> None:
    """A fill is a fact: it is counted, the breach is named, and nothing more may be ordered."""
    state = folded(*events)
    assert state.total.fills == 1
    assert said in state.breach
    with pytest.raises(InvariantBroken, match=r"would exceed|the parent order is"):
        state.check_intent(intended(9, "0.1"))


# --- the rest of the state --------------------------------------------------------------------------------------------


def test_totals_are_kept_by_leg_route_and_fee_asset() -> None:
    state = folded(
        intended(1, "2"),
        filled(1, "t1", "1.5", px="100000"),
        intended(2, "1", venue="beta", method="rfq"),
        filled(2, "t2", "1", px="100000.005", venue="beta", notional=D("100000.00"), fee_asset="HKD"),
    )
    assert state.total.notional == D(250_000)
    assert state.total.fees == {"USD": D(1), "HKD": D(1)}
    assert state.rounding == D("0.005")
    assert state.routes["beta", "rfq"].cum_qty == D(1)
    assert state.routes["alpha", "book"].exposure_qty == D("0.5")


def test_rounding_keeps_every_digit() -> None:
    """Thirty digits and more: the product of a long quantity and a price is not cut to the usual 28."""
    qty, px = D("123456.123456789012345678"), D("101319.987654321")
    state = folded(intended(1, "200000"), filled(1, "t1", qty, px=px, notional=D(0)), spec=created(qty=D(300_000)))
    assert int(state.rounding.scaleb(27, EXACT)) == 123456123456789012345678 * 101319987654321


def test_the_status_follows_the_events() -> None:
    state = folded(ParentTaken(epoch=1, owner="a"))
    assert state.status is ParentStatus.WORKING
    for event, status in (
        (ParentWaiting(rule="floor", reason="low"), ParentStatus.WAITING),
        (ParentWorking(), ParentStatus.WORKING),
        (ParentStopped(reason="signal"), ParentStatus.STOPPED),
        (ParentTaken(epoch=2, owner="b"), ParentStatus.WORKING),
        (ParentFinished(completed=False, leaves_qty=D(10), reason="over"), ParentStatus.ENDED),
    ):
        state.apply(event, AT)
        assert state.status is status
    assert state.finished
    assert (state.epoch, state.owner) == (2, "b")


def test_the_time_between_owners_is_idle() -> None:
    """The schedule stands still while nobody runs the parent order."""
    state = folded(ParentTaken(epoch=1, owner="a"))
    state.apply(ParentStopped(reason="signal"), AT + timedelta(minutes=1))
    state.apply(ParentTaken(epoch=2, owner="b"), AT + timedelta(hours=1))
    assert state.idle == timedelta(minutes=59)


def test_slices_mids_purses_and_arrival_are_remembered() -> None:
    state = folded(
        PursesRead(venue="alpha", totals={"main": D(12)}),
        ArrivalMarked(arrival_px=D(100_000), tops=[]),
        SliceStarted(leg=0, slice=3, planned_qty=D(1), due_qty=D(1), mid_px=D(100), tops=[]),
        SliceStarted(leg=0, slice=2, planned_qty=D(1), due_qty=D(1), mid_px=None, tops=[]),
    )
    assert state.purses == {("alpha", "main"): D(12)}
    assert (state.arrival_px, state.arrival_at) == (D(100_000), AT + timedelta(seconds=2))
    assert state.slices_done == {0: 3}
    assert (state.mids_sum, state.mids_count) == (D(100), 1)
