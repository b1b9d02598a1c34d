"""Days of a market that never closes: which moment begins a day, and which days come before a trade date.

Crypto has no close. A rule that speaks of days therefore needs a boundary: ``UTC``, a fixed offset such as ``+08:00``,
or a zone such as ``Asia/Hong_Kong``. A day begins at its midnight there and lasts until the next one.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class TradeDay:
    """One day: from ``starts_at`` up to, not including, ``ends_at``; both UTC."""

    day: date
    starts_at: datetime
    ends_at: datetime


def boundary(text: str) -> tzinfo:
    """The boundary that ``text`` names. Raises ``ValueError`` saying how to write one."""
    if text == "UTC":
        return UTC
    if found := _OFFSET.fullmatch(text):
        shift = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if shift >= timedelta(hours=24) or int(found[3]) > 59:
            raise ValueError(f"'{text}' is not an offset from UTC")
        return timezone(-shift if found[1] == "-" else shift)
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"'{text}' is not a day boundary known here; write UTC, an offset such as +08:00 or a zone such as "
            "Asia/Hong_Kong"
        ) from None


def trade_day(day: date, zone: tzinfo) -> TradeDay:
    """``day`` as a span of time in ``zone``; 23 or 25 hours where clocks change."""
    return TradeDay(day, _midnight(day, zone), _midnight(day + timedelta(days=1), zone))


def days_before(trade_date: date, count: int, zone: tzinfo) -> tuple[TradeDay, ...]:
    """The ``count`` calendar days before ``trade_date``, oldest first; the trade date itself is not among them."""
    return tuple(trade_day(trade_date - timedelta(days=back), zone) for back in range(count, 0, -1))


def trade_date_at(moment: datetime, zone: tzinfo) -> date:
    """The date to which ``moment`` belongs."""
    return moment.astimezone(zone).date()


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
