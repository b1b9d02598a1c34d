"""The schedule of a TWAP leg: exact sums, the lot, its turns, and its seed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executor.domain.money import is_multiple
from executor.domain.plan import TwapLeg
from executor.strategy.schedule import Slice, due_qty, schedule, slice_count

D = Decimal
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def leg(**changes: Any) -> TwapLeg:
    values: dict[str, Any] = {
        "kind": "twap",
        "qty": "200",
        "slices": 96,
        "size_jitter": "0.3",
        "time_jitter": "0.3",
        "style": "cross",
        "catch_up": "3",
        "min_notional": "100",
    }
    return TwapLeg.model_validate(values | changes)


LEGS = st.builds(
    leg,
    qty=st.decimals(D("0.0000001"), D(5000), places=7),
    slices=st.integers(1, 120),
    size_jitter=st.decimals(0, D("0.99"), places=2),
    time_jitter=st.decimals(0, D("0.99"), places=2),
)
LOTS = st.sampled_from([D("0.00001"), D("0.0000001"), D("0.001"), D("0.25"), D(1)])


@given(LEGS, LOTS, st.integers(0, 2**64), st.integers(1, 200_000))
def test_every_schedule_is_exact_on_the_lot_monotone_and_in_its_turns(
    one: TwapLeg, lot: Decimal, seed: int, duration_s: int
) -> None:
    """Slices sum to the leg exactly, the last takes the remainder, and each comes due inside its own turn."""
    made = schedule(one, starts_at=START, duration_s=duration_s, lot=lot, seed=seed)
    assert len(made) == one.slices
    assert sum((piece.qty for piece in made), D(0)) == one.qty == made[-1].target_qty
    assert all(is_multiple(piece.qty, lot) for piece in made[:-1])
    reached = D(0)
    turn = timedelta(seconds=duration_s) / len(made)
    for number, piece in enumerate(made, start=1):
        reached += piece.qty
        assert piece.number == number
        assert piece.qty >= 0
        assert piece.target_qty == reached
        assert START + turn * (number - 1) <= piece.due_at < START + turn * number or turn < timedelta(milliseconds=1)
    assert list(made) == list(schedule(one, starts_at=START, duration_s=duration_s, lot=lot, seed=seed))


def test_another_seed_gives_another_schedule() -> None:
    """Sizes and moments both move with the seed: others cannot read the next slice from the last ones."""
    made = [schedule(leg(), starts_at=START, duration_s=28_800, lot=D("0.00001"), seed=seed) for seed in (1, 2)]
    assert [p.qty for p in made[0]] != [p.qty for p in made[1]]
    assert [p.due_at for p in made[0]] != [p.due_at for p in made[1]]


def test_without_jitter_slices_are_equal_and_on_the_clock() -> None:
    made = schedule(
        leg(qty="10", slices=4, size_jitter="0", time_jitter="0"), starts_at=START, duration_s=400, lot=D("0.5"), seed=1
    )
    assert [piece.qty for piece in made] == [D("2.5")] * 4
    assert [piece.due_at for piece in made] == [START + timedelta(seconds=100 * n) for n in range(4)]


def test_jitter_stays_within_what_the_plan_allows() -> None:
    made = schedule(leg(), starts_at=START, duration_s=28_800, lot=D("0.00001"), seed=7)
    mean = D(200) / 96
    # The weights are scaled to the leg, so that a slice may exceed 1.3 means by what the others fell short.
    assert all(mean * D("0.5") < piece.qty < mean * D("1.7") for piece in made)
    late = [piece.due_at - START - timedelta(seconds=300) * (piece.number - 1) for piece in made]
    assert all(timedelta(0) <= delay <= timedelta(seconds=90) for delay in late)
    assert len(set(late)) > 90


def test_the_schedule_is_the_same_on_every_machine() -> None:
    """Pinned: a restart years later, on another machine, finds the same slices."""
    made = schedule(leg(qty="10", slices=3), starts_at=START, duration_s=900, lot=D("0.00001"), seed=20260417)
    assert [str(piece.qty) for piece in made] == PINNED_QTY
    assert [piece.due_at - START for piece in made] == PINNED_DELAYS


PINNED_QTY = ["2.93451", "3.40564", "3.65985"]
PINNED_DELAYS = [timedelta(microseconds=us) for us in (1_237_866, 363_540_949, 619_528_425)]


def test_the_number_of_slices() -> None:
    assert slice_count(leg(slices=5), 10) == 5
    assert slice_count(leg(slices=None, interval="5m"), 28_800) == 96
    assert slice_count(leg(slices=None, interval="5m"), 60) == 1


@given(
    st.decimals(0, 100, places=5),
    st.decimals(0, 100, places=5),
    st.decimals(0, 120, places=5),
    st.decimals(1, 10, places=1),
)
def test_what_is_due_is_bounded(qty: Decimal, target: Decimal, sold: Decimal, catch_up: Decimal) -> None:
    """Never beyond the target, never more than ``catch_up`` slices at once: a stall is not made good in a burst."""
    due = due_qty(leg(catch_up=catch_up), Slice(1, START, qty, target), sold)
    assert 0 <= due <= catch_up * qty
    assert sold + due <= max(target, sold)
    assert due == max(D(0), min(target - sold, catch_up * qty))
