"""The hours in which a venue takes orders, or its desk answers requests for quote. No venue here documents any: an
operator writes down what the venue has told them (``hours`` in its profile); without it there is no such rule."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@dataclass(frozen=True, slots=True)
class Hours:
    """On these weekdays from ``opens`` to, and not including, ``closes``, both in ``zone``. A desk that is open past
    midnight has ``closes`` before ``opens``: its night belongs to the day on which it began."""

    zone: str
    days: tuple[Weekday, ...]
    opens: time
    closes: time

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"hours: there is no zone {self.zone!r}; write for example Asia/Hong_Kong") from None
        if self.opens == self.closes or not self.days:
            raise ValueError("hours: opens and closes are the same, or there are no days: leave out what is not known")

    def open_at(self, moment: datetime) -> bool:
        """True if it is open at ``moment``, which knows its offset."""
        there = moment.astimezone(ZoneInfo(self.zone))
        today, clock = there.weekday(), there.time()
        if self.opens < self.closes:
            return self._on(today) and self.opens <= clock < self.closes
        return (self._on(today) and clock >= self.opens) or (self._on(today - 1) and clock < self.closes)

    def _on(self, weekday: int) -> bool:
        return _WEEKDAYS[weekday % 7] in self.days

    def __str__(self) -> str:
        return f"{', '.join(self.days)} {self.opens:%H:%M} to {self.closes:%H:%M} {self.zone}"


_WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
