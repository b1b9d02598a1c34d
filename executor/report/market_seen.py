"""What the market did, as far as it was recorded: mids from the record itself, or candles from a file.

Every number is a ``Fraction``: exact until it is shown. Where nothing was seen there is no number.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from executor.domain.events import (
    ArrivalMarked,
    ChildIntended,
    Event,
    ParentFinished,
    QuotesAsked,
    SliceStarted,
    Top,
)
from executor.errors import InputRefused
from executor.market.candles import CandleFile


@dataclass(frozen=True, slots=True)
class Mark:
    """The market at one moment. ``volume`` was traded in base units since ``since``, at the mean price ``typical``;
    both are ``None`` where only prices were seen."""

    at: datetime
    mid: Fraction
    since: datetime | None = None
    volume: Fraction | None = None
    typical: Fraction | None = None


@dataclass(frozen=True, slots=True)
class MarketFile:
    """The candle file that a market was read from; ``volume_unit`` says whether its volumes count coins or money."""

    name: str
    sha256: str
    volume_unit: Literal["base", "quote"]

    def __str__(self) -> str:
        return f"{self.name} sha256 {self.sha256}, volume in {self.volume_unit} units"


class Market:
    """Marks in order of time, and where they come from; ``length`` is that of its candles, if it is made of them."""

    def __init__(self, source: MarketFile | str, marks: Iterable[Mark], length: timedelta | None = None) -> None:
        self.file = source if isinstance(source, MarketFile) else None
        self.source = str(source)
        self.length = length
        self.marks = sorted(marks, key=lambda mark: mark.at)
        self._times = [mark.at for mark in self.marks]

    def after(self, moment: datetime, within: timedelta) -> Fraction | None:
        """The latest mid seen after ``moment`` and not more than ``within`` later."""
        place = bisect_right(self._times, moment + within)
        return self.marks[place - 1].mid if place and self._times[place - 1] > moment else None

    def twap(self, begin: datetime, end: datetime) -> Fraction | None:
        """The mean of the mids from ``begin`` to ``end``, each weighted by the time until the next; the first one is
        the latest seen at or before ``begin``. ``None`` where candles leave a part of that time out."""
        first = max(bisect_right(self._times, begin) - 1, 0)
        inside = [mark for mark in self.marks[first : bisect_right(self._times, end)] if mark.at < end]
        if not inside:
            return None
        if inside[0].since is not None:
            touching = self._traded(begin, end)
            if not touching or inside[0].at != touching[0].since:
                return None
        edges = [max(mark.at, begin) for mark in inside] + [end]
        spans = [Fraction((b - a) // _US) for a, b in pairwise(edges)]
        total = sum(spans, Fraction(0))
        return sum((m.mid * s for m, s in zip(inside, spans, strict=True)), Fraction(0)) / total if total else None

    def volume(self, begin: datetime, end: datetime) -> Fraction | None:
        """What was traded in all marks that touch the time from ``begin`` to ``end``; ``None`` if that is not known."""
        found = self._traded(begin, end)
        return sum((mark.volume or Fraction(0) for mark in found), Fraction(0)) if found else None

    def vwap(self, begin: datetime, end: datetime) -> Fraction | None:
        """Money over quantity in all marks that touch the time from ``begin`` to ``end``."""
        found = self._traded(begin, end)
        volume = sum((mark.volume or Fraction(0) for mark in found), Fraction(0))
        money = sum(((m.volume or Fraction(0)) * (m.typical or m.mid) for m in found), Fraction(0))
        return money / volume if volume else None

    def _traded(self, begin: datetime, end: datetime) -> list[Mark]:
        first = bisect_right(self._times, begin)
        found = []
        for mark in self.marks[first:]:
            if mark.since is None or mark.since > end:
                break
            found.append(mark)
        covered = found and found[0].since is not None and found[0].since <= begin and found[-1].at >= end
        whole = all(before.at == after.since for before, after in pairwise(found))
        return found if covered and whole else []


_US = timedelta(microseconds=1)


def composite(tops: Sequence[Top]) -> Decimal | None:
    """The mean of the venues' mid prices, eight decimals, as the engine reckons it; ``None`` if no venue shows both
    sides."""
    mids = [(top.bid + top.ask) / 2 for top in tops if top.bid is not None and top.ask is not None]
    return (sum(mids, Decimal(0)) / len(mids)).quantize(Decimal("0.00000001")) if mids else None


def seen_by_engine(events: Iterable[tuple[datetime, Event]]) -> Market:
    """The mids that the record holds: at the start, at each slice, round of quotes and intent, and at the end."""
    marks = []
    for at, event in events:
        if isinstance(event, ArrivalMarked | SliceStarted | QuotesAsked | ChildIntended | ParentFinished):
            mid = composite(event.tops)
            if mid is not None:
                marks.append(Mark(at, Fraction(mid)))
    return Market("record", marks)


def from_candles(file: CandleFile, volume_unit: Literal["base", "quote"] = "base") -> Market:
    """Each candle as a mark at its end: the close, the volume, and (high + low + close) / 3 as its mean price. A
    candle is as long as the commonest step between two; other steps are gaps of whole candles. A volume that counts
    money (``quote``) is divided by the mean price. Raises ``InputRefused`` for rows between the others."""
    candles = file.candles
    steps = Counter(b.at - a.at for a, b in pairwise(candles))
    length = max(steps, key=lambda step: (steps[step], -step)) if steps else timedelta(minutes=1)
    odd = next((b for a, b in pairwise(candles) if (b.at - a.at) % length), None)
    if odd is not None:
        raise InputRefused(
            f"{file.name}: the row of {odd.at:%Y-%m-%d %H:%M:%S}Z does not stand a whole number of candles of {length} "
            "after the one before it; get a file of candles of one length"
        )
    marks = []
    for c in candles:
        typical = (Fraction(c.high) + Fraction(c.low) + Fraction(c.close)) / 3
        volume = Fraction(c.volume) if volume_unit == "base" else Fraction(c.volume) / typical
        marks.append(Mark(c.at + length, Fraction(c.close), c.at, volume, typical))
    return Market(MarketFile(file.name, file.sha256, volume_unit), marks, length)
