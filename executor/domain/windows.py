"""The spans of time over which a cap counts: days, weeks that begin on a stated weekday, and rolling windows.

All are functions of the moment alone, so that two processes that ask at the same moment count in the same place.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

from executor.domain.trade_days import trade_date_at, trade_day

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS = 4  # a rolling window is covered by this many steps and one more


@dataclass(frozen=True, slots=True)
class Span:
    """A span with a name of its own; it ends at, and does not include, ``ends_at`` (UTC)."""

    name: str
    ends_at: datetime


def day_of(moment: datetime, zone: tzinfo, zone_name: str) -> Span:
    """The day to which ``moment`` belongs where days begin at midnight in ``zone``."""
    day = trade_date_at(moment, zone)
    return Span(f"{day}@{zone_name}", trade_day(day, zone).ends_at)


def first_of_week(moment: datetime, starts: Weekday, zone: tzinfo) -> date:
    """The date on which the week of ``moment`` began."""
    day = trade_date_at(moment, zone)
    return day - timedelta(days=(day.weekday() - _WEEKDAYS.index(starts)) % 7)


def week_of(moment: datetime, starts: Weekday, zone: tzinfo, zone_name: str) -> Span:
    """The week to which ``moment`` belongs: seven dates in ``zone``, the first of them a ``starts``. (FTX: Saturday
    00:00 to Friday 23:59, New York.) An hour longer or shorter where clocks change."""
    first = first_of_week(moment, starts, zone)
    return Span(f"{first}@{zone_name}", trade_day(first + timedelta(days=6), zone).ends_at)


def rolling(moment: datetime, window_s: int) -> tuple[Span, ...]:
    """The spans in which ``moment`` counts so that a limit on each of them holds for every window of ``window_s``
    seconds, wherever it begins. With the step s = window / 4 they begin at the multiples of s and last window + s:
    whatever window of that length one takes, one of them covers it."""
    step = -(-timedelta(seconds=window_s) // timedelta(microseconds=1) // _PARTS)
    lasts = timedelta(seconds=window_s) + timedelta(microseconds=step)
    now = (moment - _EPOCH) // timedelta(microseconds=1)
    spans = []
    for number in range(now // step, now // step - _PARTS - 1, -1):
        begins = _EPOCH + timedelta(microseconds=number * step)
        if begins + lasts > moment:
            spans.append(Span(f"{number}@{window_s}s", begins + lasts))
    return tuple(spans)
