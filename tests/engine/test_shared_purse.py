"""An order without an answer, of a purse from which another parent order sells all the while."""

from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.clock import LoopClock
from adapters.venue import DuplicateIds, Unknown
from executor.domain.events import PursesRead
from executor.domain.orders import ChildStatus
from executor.errors import GuardHalts
from executor.journal.journal import row_of
from executor.journal.line import Line
from tests.domain.events_made import created, intended
from tests.engine.rig import START, MemoryStore, exact, ran, virtual
from tests.engine.scripted_venue import ScriptedVenue, Step

D = Decimal
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def with_a_neighbour(store: MemoryStore) -> None:
    """Another parent order of the same purse, whose order is on its way when ours reads it, and all the while."""
    totals = {"main": D(5)}
    events = [
        created(parent_id="abcdefghij"),
        PursesRead(venue="alpha", totals=totals, began_at=START - MINUTE, ended_at=START - MINUTE),
        intended(1, "2"),
    ]
    store.rows += [
        row_of(Line(stream="parent/abcdefghij", version=n, case_id="C", at=START - MINUTE + n * SECOND, event=event))
        for n, event in enumerate(events, start=1)
    ]


@pytest.mark.parametrize("duplicates", list(DuplicateIds))
@virtual
async def test_an_order_is_proved_absent_though_others_sell_from_the_purse(duplicates: DuplicateIds) -> None:
    """It holds what it held before anybody sold, less what all records say: nothing unknown was sold."""
    script = [Step(error=Unknown("alpha", "no answer"), effect=False)]
    alpha, store = ScriptedVenue(LoopClock(START), free="5", duplicates=duplicates, script=script), MemoryStore()
    with_a_neighbour(store)
    end = await ran(alpha, store=store)
    assert end.fault is None
    exact(end.state, alpha)
    assert not end.state.breaks


@pytest.mark.parametrize("duplicates", list(DuplicateIds))
@virtual
async def test_it_is_not_while_a_purse_holds_less_than_the_records_say(duplicates: DuplicateIds) -> None:
    """Whether our order or theirs took it nobody can tell: it is left for a person, and exposed."""
    script = [Step(error=Unknown("alpha", "no answer"), lost=True, fill=D("0.1"))]
    alpha, store = ScriptedVenue(LoopClock(START), free="5", duplicates=duplicates, script=script), MemoryStore()
    with_a_neighbour(store)
    end = await ran(alpha, store=store)
    assert isinstance(end.fault, GuardHalts)
    (child,) = end.state.open.values()
    assert child.status is ChildStatus.PARKED
    assert "in flight" in child.outcome
    assert child.exposure_qty == child.qty
    assert [held.order.client_order_id for held in alpha.orders].count(child.client_order_id) == 1
