"""Caps of a plan: how much may be sold, where, in which span of time. Frozen with the plan, counted in the journal.

A cap has a counter in the journal that every order adds to in the transaction that writes its intent, and that gives
back what was not sold in the transaction that records so. Every order counts there, whatever its case, algorithm,
process and its own plan's caps (:mod:`executor.domain.counting`). What is unknown counts as sold.

Sources: 10 % of the plan a day, 5 % of a venue's average daily volume, two venues (Korea, FSC guideline of May 2025,
IT Chosun and Segye); value per week from Saturday to Friday, New York (FTX order, Binance summary).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from executor.domain.counting import PLAN_DAY, VENUE_DAY, VENUE_VALUE, WEEK, WINDOW, Unit, counters, moments
from executor.domain.counting import Sale as Sale
from executor.domain.fields import Code, Frozen, PositiveAmount, Seconds
from executor.domain.money import EXACT, times
from executor.domain.trade_days import boundary
from executor.domain.windows import Weekday, first_of_week

Percent = Annotated[PositiveAmount, Field(le=100)]
_DECIMALS = 12  # a limit that is a fraction of a day's volume is rounded down to so many
_DAY_S = 86_400


class VenueVolume(Frozen):
    """A venue's average daily volume of the asset, base units, over the days before ``measured_until``. ``source``
    says in words where it comes from; ``file_sha256`` fixes the file that it was computed from."""

    venue: Code
    qty: PositiveAmount
    measured_until: date
    source: Annotated[str, Field(min_length=1, max_length=200)]
    file_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Caps(Frozen):
    """The caps of one plan; what is absent does not bind. Values are in the plan's quote asset.

    ``plan_percent_per_day``: of the plan's quantity, over all plans of the case for the asset; days begin at
    ``day_boundary``, as for every cap by day. ``venue_volume_percent``: of a venue's average daily volume over
    ``venue_volume_days``, a day; the averages are ``venue_volumes``, one for each venue. ``participation_percent``: of
    what a venue trades on average in ``participation_window`` seconds, in any window of that length.
    ``week_values``: the cap of the week of ``first_week``, of the next, and so on; the last one stays.
    ``order_value`` and ``venue_value_per_day``: of one order, and of all orders at one venue. ``min_venues``: nothing
    is sold while fewer venues can be traded on.
    """

    plan_percent_per_day: Percent | None = None
    day_boundary: str | None = None
    venue_volume_percent: Percent | None = None
    venue_volume_days: Annotated[int, Field(ge=1)] | None = None
    venue_volumes: tuple[VenueVolume, ...] = ()
    participation_percent: Percent | None = None
    participation_window: Seconds | None = None
    week_values: tuple[PositiveAmount, ...] = ()
    week_currency: Code | None = None
    week_starts: Weekday | None = None
    week_zone: str | None = None
    first_week: date | None = None
    order_value: PositiveAmount | None = None
    venue_value_per_day: PositiveAmount | None = None
    min_venues: Annotated[int, Field(ge=1)] | None = None

    @field_validator("day_boundary", "week_zone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            boundary(value)
        return value

    @model_validator(mode="after")
    def _complete(self) -> "Caps":
        by_day = self.plan_percent_per_day or self.venue_volume_percent or self.venue_value_per_day
        if (by_day is None) != (self.day_boundary is None):
            raise ValueError("day_boundary says when the days of a cap by day begin: give it with one, and only then")
        if (self.venue_volume_percent is None) != (self.venue_volume_days is None):
            raise ValueError("venue_volume_percent and venue_volume_days belong together")
        if (self.participation_percent is None) != (self.participation_window is None):
            raise ValueError("participation_percent and participation_window belong together")
        wanted = self.venue_volume_percent or self.participation_percent
        if (wanted is None) == bool(self.venue_volumes):
            raise ValueError("venue_volumes belong to venue_volume_percent and participation_percent: give both")
        venues = [volume.venue for volume in self.venue_volumes]
        if len(set(venues)) != len(venues):
            raise ValueError("venue_volumes names a venue twice")
        week = (self.week_currency, self.week_starts, self.week_zone, self.first_week)
        if any(part is None for part in week) if self.week_values else any(part is not None for part in week):
            raise ValueError("week_values, week_currency, week_starts, week_zone and first_week belong together")
        if self.first_week is not None and self.week_starts != f"{self.first_week:%A}".lower():
            raise ValueError(f"first_week {self.first_week} is no {self.week_starts}: give the day its week begins on")
        return self

    def volume(self, venue: str) -> VenueVolume | None:
        """The venue's average daily volume, if the plan names it."""
        return next((volume for volume in self.venue_volumes if volume.venue == venue), None)


@dataclass(frozen=True, slots=True)
class Limit:
    """One cap as it binds an order: ``counter`` is its place in the journal, ``most`` what may be counted there, and
    ``unit`` says whether quantity or value counts. It is free again at ``turns_at``."""

    rule: str
    counter: str
    unit: Unit
    most: Decimal
    turns_at: datetime


def terms(caps: Caps | None) -> frozenset[str]:
    """What must be counted for these caps to bind."""
    if caps is None:
        return frozenset()
    day, week = caps.day_boundary, f"{caps.week_starts} {caps.week_zone}"
    wanted = (
        (caps.plan_percent_per_day, f"{PLAN_DAY} {day}"),
        (caps.venue_volume_percent, f"{VENUE_DAY} {day}"),
        (caps.venue_value_per_day, f"{VENUE_VALUE} {day}"),
        (caps.participation_percent, f"{WINDOW} {caps.participation_window}"),
        (caps.week_values, f"{WEEK} {week}"),
    )
    return frozenset(term for cap, term in wanted if cap)


def limits(caps: Caps, sale: Sale, venue: str, at: datetime, until: datetime) -> tuple[Limit, ...]:
    """Every cap that binds an order at ``venue`` that is written at ``at`` and may fill up to ``until``: it counts
    in every span that it may fill in."""
    found: dict[str, Limit] = {}
    for term in terms(caps):
        for moment in moments(term, at, max(at, until)):
            for each in counters(term, sale, venue, moment):
                most = _most(caps, each.rule, sale, venue, moment)
                if most is not None:
                    found[each.name] = Limit(each.rule, each.name, each.unit, most, each.ends_at)
    return tuple(found[name] for name in sorted(found))


def _most(caps: Caps, rule: str, sale: Sale, venue: str, moment: datetime) -> Decimal | None:
    """What may be counted under ``rule``; ``None`` where the plan gives the venue no average to take a part of."""
    if rule == WEEK:
        return _week(caps, moment)
    if rule == VENUE_VALUE:
        return caps.venue_value_per_day
    if rule == PLAN_DAY and caps.plan_percent_per_day is not None:
        return part(sale.qty, caps.plan_percent_per_day)
    volume = caps.volume(venue)
    if volume is None:
        return None
    if rule == VENUE_DAY and caps.venue_volume_percent is not None:
        return part(volume.qty, caps.venue_volume_percent)
    if caps.participation_percent is None or caps.participation_window is None:
        return None
    share = Fraction(volume.qty) * Fraction(caps.participation_percent) / 100
    share = share * caps.participation_window / _DAY_S
    return EXACT.scaleb(Decimal(share * 10**_DECIMALS // 1), -_DECIMALS)


def _week(caps: Caps, moment: datetime) -> Decimal | None:
    if caps.week_starts is None or caps.week_zone is None or caps.first_week is None:
        return None
    number = (first_of_week(moment, caps.week_starts, boundary(caps.week_zone)) - caps.first_week) // timedelta(days=7)
    return caps.week_values[min(number, len(caps.week_values) - 1)] if number >= 0 else Decimal(0)


def part(whole: Decimal, percent: Decimal) -> Decimal:
    """``percent`` of ``whole``, exactly."""
    return EXACT.scaleb(times(whole, percent), -2)
