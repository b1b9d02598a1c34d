"""When a TWAP leg's slices come due and how large they are: a pure function of the plan, its seed and its start.

Nothing about the schedule is kept in memory between runs: after a restart the same slices come out again. Sizes are
whole multiples of ``lot`` that add up to the leg exactly; the last slice takes the remainder.
"""

import hashlib
import itertools
import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import overload

import msgspec

from executor.domain.money import ONE, ZERO, round_down
from executor.domain.plan import TwapLeg


class Slice(msgspec.Struct, frozen=True):
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


class Schedule(Sequence[Slice]):
    """The leg's slices in order, each made when it is asked for: what is kept of a slice is one number."""

    def __init__(self, leg: TwapLeg, *, starts_at: datetime, duration_s: int, lot: Decimal, seed: int) -> None:
        self._count = slice_count(leg, duration_s)
        self._starts_at = starts_at
        self._turn_us = timedelta(seconds=duration_s) / self._count // _MICROSECOND
        self._late = b"%d/time" % seed
        self._late_us = (self._turn_us * leg.time_jitter).scaleb(-_DIGITS)  # for each unit of a draw
        self._reached = _reached(leg, self._count, lot, seed)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Slice: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Slice, ...]: ...
    def __getitem__(self, index: int | slice) -> Slice | tuple[Slice, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(self._count)))
        place = index if 0 <= index < self._count else range(self._count)[index]
        due_us = self._turn_us * place + int(self._late_us * _draw(self._late, place))
        before, reached = self._reached[place], self._reached[place + 1]
        return Slice(place + 1, self._starts_at + _MICROSECOND * due_us, reached - before, reached)


def _reached(leg: TwapLeg, count: int, lot: Decimal, seed: int) -> list[Decimal]:
    """What the leg should have sold before the first slice and after each."""
    # Weights are whole numbers: an even slice weighs ``whole``, and each up to its jitter more or less.
    grain = ONE.scaleb(min(0, leg.size_jitter.as_tuple().exponent))  # type: ignore[arg-type]
    whole, jitter = int(_SCALE / grain), int(leg.size_jitter / grain)
    key = b"%d/size" % seed
    least = whole - jitter * _SCALE
    *sums, total = itertools.accumulate([least + 2 * jitter * _draw(key, number) for number in range(count)])
    qty, together = leg.qty, Decimal(total)
    return [ZERO, *[round_down(qty * weight / together, lot) for weight in sums], qty]


def schedule(leg: TwapLeg, *, starts_at: datetime, duration_s: int, lot: Decimal, seed: int) -> Schedule:
    """The leg's slices in order. The window is cut into equal turns, one a slice; a slice comes due inside its turn,
    late by up to ``time_jitter`` of it. Equal slices on a fixed clock can be read by others, hence both jitters."""
    return Schedule(leg, starts_at=starts_at, duration_s=duration_s, lot=lot, seed=seed)


def due_qty(leg: TwapLeg, piece: Slice, sold_or_exposed: Decimal) -> Decimal:
    """What slice ``piece`` should try to sell: its own part and what earlier ones missed, but never more than
    ``catch_up`` times its own size: a stall is made good over many slices, not in a burst."""
    behind = piece.target_qty - sold_or_exposed
    if behind <= ZERO:
        return ZERO
    return min(behind, leg.catch_up * piece.qty)


_MICROSECOND = timedelta(microseconds=1)
_DIGITS = 9
_SCALE: int = 10**_DIGITS


def _draw(key: bytes, index: int) -> int:
    """A whole number in [0, 10^9), the same for the same key and index on every machine and version."""
    drawn: int = _FIRST_EIGHT(hashlib.sha256(b"%b/%d" % (key, index)).digest())[0]
    return drawn % _SCALE


_FIRST_EIGHT = struct.Struct(">Q").unpack_from
