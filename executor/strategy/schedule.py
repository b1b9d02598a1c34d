"""When a TWAP leg's slices come due and how large they are: a pure function of the plan, its seed and its start.

Nothing about the schedule is kept in memory between runs: after a restart the same slices come out again. Sizes are
whole multiples of ``lot`` that add up to the leg exactly; the last slice takes the remainder.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import overload

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


class Schedule(Sequence[Slice]):
    """The leg's slices in order, each made when it is asked for: what is kept of a slice is one number."""

    def __init__(self, leg: TwapLeg, *, starts_at: datetime, duration_s: int, lot: Decimal, seed: int) -> None:
        self._leg = leg
        self._starts_at = starts_at
        self._lot = lot
        self._seed = seed
        count = slice_count(leg, duration_s)
        self._turn = timedelta(seconds=duration_s) / count
        self._turn_us = self._turn // timedelta(microseconds=1)
        # The sum of the sizes' weights up to each slice, in whole units of ``_unit``, which all weights are.
        self._unit = Decimal(1).scaleb(-_DIGITS) * _grain(leg.size_jitter)
        whole, jitter = int(ONE / self._unit), int(leg.size_jitter / _grain(leg.size_jitter))
        weights = (whole + jitter * (2 * u - _SCALE) for u in (_draw(f"{seed}/size", n) for n in range(count)))
        self._sums = list(itertools.accumulate(weights, initial=0))
        self._count = count

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
        late = Decimal(_draw(f"{self._seed}/time", place)).scaleb(-_DIGITS)
        delay = timedelta(microseconds=int(self._turn_us * self._leg.time_jitter * late))
        reached = self._reached(place + 1)
        return Slice(place + 1, self._starts_at + self._turn * place + delay, reached - self._reached(place), reached)

    def _reached(self, number: int) -> Decimal:
        """What the leg should have sold after slice ``number``."""
        leg = self._leg
        if number in (0, self._count):
            return leg.qty if number else ZERO
        weight, total = self._sums[number] * self._unit, self._sums[-1] * self._unit
        return round_down(leg.qty * weight / total, self._lot)


def schedule(leg: TwapLeg, *, starts_at: datetime, duration_s: int, lot: Decimal, seed: int) -> Schedule:
    """The leg's slices in order. The window is cut into equal turns, one a slice; a slice comes due inside its turn,
    late by up to ``time_jitter`` of it. Equal slices on a fixed clock can be read by others, hence both jitters."""
    return Schedule(leg, starts_at=starts_at, duration_s=duration_s, lot=lot, seed=seed)


def due_qty(leg: TwapLeg, piece: Slice, sold_or_exposed: Decimal) -> Decimal:
    """What slice ``piece`` should try to sell: its own part and what earlier ones missed, but never more than
    ``catch_up`` times its own size: a stall is made good over many slices, not in a burst."""
    behind = piece.target_qty - sold_or_exposed
    if behind <= 0:
        return ZERO
    return min(behind, leg.catch_up * piece.qty)


_DIGITS = 9
_SCALE = 10**_DIGITS


def _draw(key: str, index: int) -> int:
    """A whole number in [0, 10^9), the same for the same key and index on every machine and version."""
    digest = hashlib.sha256(f"{key}/{index}".encode()).digest()
    drawn: int = int.from_bytes(digest[:8], "big") % _SCALE
    return drawn


def _grain(share: Decimal) -> Decimal:
    """The decimal unit of which ``share`` and one are whole multiples."""
    return ONE.scaleb(min(0, share.as_tuple().exponent))  # type: ignore[arg-type]
