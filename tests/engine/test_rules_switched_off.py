"""Twins: each safety rule is shown to hold, and the invariant is shown to break when the rule is taken away.

A test that cannot fail proves nothing. The fence has its twin in ``test_restart``."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.clock import LoopClock
from adapters.venue import DuplicateIds, NewOrder, TimeInForce, Unknown
from executor.domain import parent
from executor.domain.events import ChildIntended, ChildParked
from executor.domain.parent import Parent
from executor.engine import legs
from executor.engine.parent_log import ParentLog
from executor.engine.reconcile import Reconciler
from executor.engine.resolve import Resolver
from executor.errors import InvariantBroken, RuleRefused
from executor.guards import floor, venue_rules
from executor.guards.verdict import ALLOW
from executor.strategy.route import Route
from tests.engine.rig import START, TWAP, MemoryStore, Ran, exact, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue, Step

NO_ANSWER = Unknown("alpha", "no answer")


def venue(*steps: Step, duplicates: DuplicateIds = DuplicateIds.NOT_DOCUMENTED) -> ScriptedVenue:
    return ScriptedVenue(LoopClock(START), free="5", duplicates=duplicates, script=steps)


# --- intent before send -----------------------------------------------------------------------------------------------


async def killed_after_the_send(alpha: ScriptedVenue) -> Ran:
    """The process dies before it can write what came of its first order; another one goes on."""
    store = MemoryStore()

    def die(order: NewOrder) -> None:
        store.fails_at = store.commits + 1
        alpha.on_place = lambda order: None

    alpha.on_place = die
    await ran(alpha, store=store)
    return await ran(alpha, store=store)


@virtual
async def test_the_intent_is_durable_before_the_first_byte_leaves() -> None:
    """Guards intent before send: at the moment of every send its intent is in the journal, so a crash sells nothing
    twice."""
    alpha, store = venue(), MemoryStore()
    seen: list[bool] = []
    alpha.on_place = lambda order: seen.append(
        order.client_order_id in {event.client_order_id for event in store.events(ChildIntended)}
    )
    await ran(alpha, store=store)
    assert seen == [True, True]
    other = venue()
    exact((await killed_after_the_send(other)).state, other)


@virtual
async def test_an_intent_that_is_not_written_first_is_sold_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the intent is only remembered, the process dies after the send, the next one does not know of it. The
    comparison of the purses at the start, which would stop this venue, is switched off as well."""

    async def compares_nothing(self: Reconciler, *, at_start: bool = False) -> None: ...

    async def only_remembered(self: ParentLog, venue: str, build: Any) -> Any:
        intent = build(self.state)
        if intent is not None:
            self.state.apply(intent, self.state.now)
        return intent

    alpha = venue()
    with monkeypatch.context() as patched:
        patched.setattr(ParentLog, "intend", only_remembered)
        store = MemoryStore()
        alpha.on_place = lambda order: setattr(store, "fails_at", store.commits + 1)
        await ran(alpha, store=store)
    alpha.on_place = lambda order: None
    monkeypatch.setattr(Reconciler, "run", compares_nothing)
    await ran(alpha, store=store)
    assert alpha.sold > D(1)


# --- unknown counts as exposure ---------------------------------------------------------------------------------------


@virtual
async def test_an_unknown_counts_as_exposure_until_it_is_settled() -> None:
    """Guards: an order without known outcome is never replaced, for whatever it sold is not sold again."""
    alpha = venue(Step(error=NO_ANSWER, lost=True))
    end = await ran(alpha)
    assert alpha.sold == D(1) == end.state.cum_qty + end.state.exposure_qty


@virtual
async def test_an_unknown_that_does_not_count_is_sold_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the parked order gives its quantity back, which is then ordered a second time."""

    def given_back(state: Parent, event: ChildParked) -> None:
        state._close(state._child(event.client_order_id), event.reason)

    monkeypatch.setitem(parent._HANDLERS, ChildParked, given_back)
    alpha = venue(Step(error=NO_ANSWER, lost=True))
    await ran(alpha)
    assert alpha.sold > D(1)


# --- no second sending where duplicates are not documented ------------------------------------------------------------

LATE = Step(error=NO_ANSWER, late=timedelta(seconds=45))


@virtual
async def test_one_id_is_on_the_wire_once_where_duplicates_are_not_documented() -> None:
    """Guards: never send again. The venue knows at most one order under each id."""
    alpha = venue(LATE)
    await ran(alpha)
    ids = [held.order.client_order_id for held in alpha.orders]
    assert len(set(ids)) == len(ids)


@virtual
async def test_a_second_sending_there_makes_two_orders_of_one_id() -> None:
    """The twin: taken for a venue that refuses known ids, it is sent again, and the late first one trades too."""
    alpha = venue(LATE, duplicates=DuplicateIds.REFUSED)
    alpha.takes_doubles = True
    await ran(alpha)
    ids = [held.order.client_order_id for held in alpha.orders]
    assert ids.count(ids[0]) == 2
    assert sum(held.cum for held in alpha.orders if held.order.client_order_id == ids[0]) == D(1)  # of one half


# --- the quiet period -------------------------------------------------------------------------------------------------

SLOW = Step(error=NO_ANSWER, late=timedelta(seconds=15))


@virtual
async def test_absence_is_believed_only_after_the_quiet_period() -> None:
    """Guards the quiet period: an order that shows up after fifteen seconds is found and sold once."""
    alpha = venue(SLOW)
    end = await ran(alpha, asked=plan(TWAP | {"slices": 60}, duration="1m"))
    exact(end.state, alpha)


@virtual
async def test_absence_believed_at_the_first_look_sells_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: one look without patience, and what was only slow is sold again."""

    async def at_once(self: Resolver, child: Any, looks: int, quiet: timedelta) -> str:
        return "not seen in one look"

    monkeypatch.setattr(Resolver, "_looks", at_once)
    alpha = venue(SLOW)
    await ran(alpha, asked=plan(TWAP | {"slices": 60}, duration="1m"))
    assert alpha.sold > D(1)


# --- the floor --------------------------------------------------------------------------------------------------------


def _too_low(due: Any, leaves: Any, offers: Any, **_: Any) -> list[Route]:
    return [Route("alpha", due, D("89999.99"), TimeInForce.IOC)]


@virtual
async def test_a_strategy_that_goes_under_the_floor_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the floor: whatever the strategy asks for, the guard refuses it before the intent is written."""
    monkeypatch.setattr(legs, "route", _too_low)
    alpha, store = venue(), MemoryStore()
    end = await ran(alpha, store=store)
    assert isinstance(end.fault, RuleRefused)
    assert (alpha.wire, store.events(ChildIntended)) == ([], [])


@virtual
async def test_the_fold_refuses_what_the_guard_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor holds twice: with the guard blind, the record itself refuses the intent."""
    monkeypatch.setattr(legs, "route", _too_low)
    monkeypatch.setattr(floor, "check", lambda limit, floor_px: ALLOW)
    alpha = venue()
    end = await ran(alpha)
    assert isinstance(end.fault, InvariantBroken)
    assert alpha.wire == []


@virtual
async def test_without_both_the_order_goes_out_under_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: guard and fold switched off, coins are sold under the floor."""
    monkeypatch.setattr(legs, "route", _too_low)
    monkeypatch.setattr(floor, "check", lambda limit, floor_px: ALLOW)
    monkeypatch.setattr(Parent, "check_intent", lambda self, intent: None)
    alpha = venue()
    end = await ran(alpha)
    assert alpha.wire[0].limit_px < end.state.spec.floor_px
    assert any(fill.px < end.state.spec.floor_px for fill in alpha.fills_made)


# --- the rules of the venues ------------------------------------------------------------------------------------------

BETWEEN_TICKS, BETWEEN_STEPS, TOO_LITTLE = ("0.5", "99999.999"), ("0.500001", "99999"), ("0.00005", "99999")
BROKEN = pytest.mark.parametrize(
    ("qty", "px", "rule"),
    [(*BETWEEN_TICKS, "venue.tick"), (*BETWEEN_STEPS, "venue.step"), (*TOO_LITTLE, "venue.size")],
    ids=["tick", "step", "size"],
)


def _asks_for(qty: str, px: str) -> Any:
    return lambda due, leaves, offers, **_: [Route("alpha", D(qty), D(px), TimeInForce.IOC)]


@BROKEN
@virtual
async def test_what_a_venue_would_refuse_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, qty: str, px: str, rule: str
) -> None:
    """Guards the venue's own rules: whatever the strategy asks for, the intent is refused before it is written."""
    monkeypatch.setattr(legs, "route", _asks_for(qty, px))
    alpha, store = venue(), MemoryStore()
    end = await ran(alpha, store=store)
    assert isinstance(end.fault, RuleRefused)
    assert str(end.fault).startswith(f"{rule}: ")
    assert (alpha.wire, store.events(ChildIntended)) == ([], [])


@BROKEN
@virtual
async def test_without_the_venues_rules_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, qty: str, px: str, rule: str
) -> None:
    """The twin: the guard blind, the order that the venue documents that it refuses goes out."""
    monkeypatch.setattr(legs, "route", _asks_for(qty, px))
    monkeypatch.setattr(venue_rules, "check", lambda *_, **__: ALLOW)
    alpha = venue()
    await ran(alpha)
    assert (alpha.wire[0].qty, alpha.wire[0].limit_px) == (D(qty), D(px))
