"""Five ways in which other execution systems were measured to sell too much, too little, or not to know: each is run
here as a scenario and must end exact, to the last digit and with every fill of the venue in the record."""

from decimal import Decimal

from adapters.mock.faults import Fault, FaultKind
from executor.domain.events import ChildIntended, FillRecorded
from executor.journal.line import decode
from executor.simulation import world
from executor.simulation.scenario import Scenario
from executor.simulation.world import Outcome, run_world
from tests.simulation.plans import PLACING, during, scenario, twap

K = FaultKind


def _run(told: Scenario) -> tuple[Outcome, list[object]]:
    """The outcome and the events of the record."""
    lines: list[str] = []
    real = world.World.judge

    def judged(self: world.World) -> Outcome:
        lines.extend(self.checker.lines)
        return real(self)

    world.World.judge = judged  # type: ignore[method-assign]
    try:
        outcome = run_world(told)
    finally:
        world.World.judge = real  # type: ignore[method-assign]
    return outcome, [decode(text).event for text in lines]


def _exact(outcome: Outcome, events: list[object], qty: str) -> list[ChildIntended]:
    assert outcome.breaches == ()
    assert (outcome.end, outcome.parked) == ("completed", 0)
    assert Decimal(outcome.sold) == Decimal(qty)
    assert sum(event.qty for event in events if isinstance(event, FillRecorded)) == Decimal(qty)
    return [event for event in events if isinstance(event, ChildIntended)]


def _hit(outcome: Outcome, *kinds: FaultKind) -> None:
    assert {kind.name for kind in kinds} <= outcome.hits.keys()


def test_stall_then_burst() -> None:
    """A peer asked to sell 10 sold 29.29: after a stall all slices came due at once and each was sized anew."""
    stall = during(K.PAUSED, 150, 1200, seconds=600)
    unanswered = during(K.RESPONSE_LOST, 160, 1200, left=2, calls=PLACING)
    outcome, events = _run(scenario([twap("10", 10)], [stall, unanswered], minutes=20))
    _hit(outcome, K.PAUSED, K.RESPONSE_LOST)
    children = _exact(outcome, events, "10")
    by_slice: dict[int, Decimal] = {}
    for child in children:
        by_slice[child.slice] = by_slice.get(child.slice, Decimal(0)) + child.qty
    assert max(by_slice.values()) <= 2  # catch_up bounds a slice to twice its size: no burst


def test_rejected_slice() -> None:
    """A peer lost the rest of the plan after one refusal; another saved the refused ones up for one order of 81."""
    refused = [during(K.TOO_MANY, 200, 300, calls=PLACING), during(K.BANNED, 500, 560, calls=PLACING)]
    outcome, events = _run(scenario([twap("10", 10)], refused, minutes=20))
    _hit(outcome, K.TOO_MANY)
    children = _exact(outcome, events, "10")
    assert max(child.qty for child in children) <= 2


def test_timed_out_slice_that_filled() -> None:
    """A peer believed a slice that timed out to be unsold, and sold it again."""
    late = during(K.TIMEOUT, 0, 1200, left=4, calls=PLACING)
    outcome, events = _run(scenario([twap("4", 5)], [late], minutes=20))
    _hit(outcome, K.TIMEOUT)
    _exact(outcome, events, "4")


def test_resting_last_slice() -> None:
    """A peer called itself completed while its last order was still live, and never counted what it sold."""
    faults: list[Fault] = [
        during(K.CANCEL_REFUSED, 0, 1200, left=2),
        during(K.FILL_IN_CANCEL, 0, 1200, left=3),
        during(K.RESPONSE_LOST, 0, 1200, left=1, calls=PLACING),
    ]
    leg = twap("5", 4, style="rest_then_cross", rest_for=60)
    outcome, events = _run(scenario([leg], faults, minutes=20))
    _hit(outcome, K.FILL_IN_CANCEL)
    _exact(outcome, events, "5")


def test_partial_fill_then_refresh() -> None:
    """A peer replaced a partly filled order with one of the whole size and sold 5.6 of 5, saying 5.0."""
    partial = during(K.PARTIAL_FILL, 0, 1200, left=4)
    late = during(K.FILL_LATE, 0, 400, left=20)
    outcome, events = _run(scenario([twap("5", 5)], [partial, late], minutes=20))
    _hit(outcome, K.PARTIAL_FILL)
    _exact(outcome, events, "5")
