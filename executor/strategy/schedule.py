"""When a TWAP leg's slices come due and how large they are: a pure function of the plan, its seed and its start.

Nothing about the schedule is kept in memory between runs: after a restart the same slices come out again. Sizes are
whole multiples of ``lot`` that add up to the leg exactly; the last slice takes the remainder.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from executor.domain.money import ONE, ZERO, round_down
from executor.domain.plan import TwapLeg


@dataclass(frozen=True, slots=True)
class Slice:
    """A scheduled portion. ``target_qty`` is what the leg should have sold once this slice is done."""

    number: int  # from 1
    due_at: datetime
    qty: Decimal
    target_qty: Decimal


def slice_count(leg: TwapLeg, duration_s: int) -> int:
    """How many slices the leg has in a window of ``duration_s`` seconds."""
    if leg.slices is not None:
        return leg.slices
    assert leg.interval is not None  # the plan's own check
    return max(1, duration_s // leg.interval)


def schedule(leg: TwapLeg, *, starts_at: datetime, duration_s: int, lot: Decimal, seed: int) -> tuple[Slice, ...]:
    """The leg's slices in order. The window is cut into equal turns, one a slice; a slice comes due inside its turn,
    late by up to ``time_jitter`` of it. Equal slices on a fixed clock can be read by others, hence both jitters."""
    count = slice_count(leg, duration_s)
    turn = timedelta(seconds=duration_s) / count
    turn_us = turn // timedelta(microseconds=1)
    weights = [ONE + leg.size_jitter * (2 * u - 1) for u in _uniform(f"{seed}/size", count)]
    delays = [timedelta(microseconds=int(turn_us * leg.time_jitter * u)) for u in _uniform(f"{seed}/time", count)]
    total_weight = sum(weights, ZERO)
    slices: list[Slice] = []
    target, weight_so_far = ZERO, ZERO
    for number in range(1, count + 1):
        weight_so_far += weights[number - 1]
        reached = leg.qty if number == count else round_down(leg.qty * weight_so_far / total_weight, lot)
        slices.append(Slice(number, starts_at + turn * (number - 1) + delays[number - 1], reached - target, reached))
        target = reached
    return tuple(slices)


def due_qty(leg: TwapLeg, piece: Slice, sold_or_exposed: Decimal) -> Decimal:
    """What slice ``piece`` should try to sell: its own part and what earlier ones missed, but never more than
    ``catch_up`` times its own size: a stall is made good over many slices, not in a burst."""
    behind = piece.target_qty - sold_or_exposed
    if behind <= 0:
        return ZERO
    return min(behind, leg.catch_up * piece.qty)


def _uniform(key: str, count: int) -> Iterator[Decimal]:
    """``count`` numbers in [0, 1), nine digits each, the same for the same key on every machine and version."""
    for index in range(count):
        digest = hashlib.sha256(f"{key}/{index}".encode()).digest()
        yield Decimal(int.from_bytes(digest[:8], "big") % 1_000_000_000).scaleb(-9)
