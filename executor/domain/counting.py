"""What is counted of every order, whatever its own plan's caps: by which rule, and over which spans of time.

A cap binds what all plans sell together, so an order counts also where only another plan has the cap. Which spans those
are nobody knows beforehand (days begin in a zone, windows have a length), so the first plan that needs one says so in
the journal, in the stream ``counting``; from then on every order counts there too.

A *term* is a rule and its calendar in words: ``plan_percent_per_day UTC``, ``participation_percent 3600``,
``week_values saturday America/New_York``. Where an order counts is a function of term, sale, venue and moment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

from executor.domain.event import Event
from executor.domain.trade_days import boundary
from executor.domain.windows import Span, Weekday, day_of, rolling, week_of

PLAN_DAY, VENUE_DAY, VENUE_VALUE = "plan_percent_per_day", "venue_volume_percent", "venue_value_per_day"
WINDOW, WEEK = "participation_percent", "week_values"
Unit = Literal["qty", "value"]
_HALF_A_DAY = timedelta(hours=12)  # shorter than any day, whatever the clocks do


class CountingNamed(Event, frozen=True, kw_only=True):
    """A plan needs these terms counted: every intent from here on adds to them."""

    terms: list[str]


class CountingFilled(Event, frozen=True, kw_only=True):
    """What was ordered before these terms were named has been added: ``counted`` by counter. Caps may rest on them."""

    terms: list[str]
    counted: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Sale:
    """What counting needs to know of a sale."""

    case_id: str
    asset: str
    quote_asset: str
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Counter:
    """A place in the journal where orders of one kind add up over one span: quantity, or value. Free at ``ends_at``."""

    rule: str
    name: str
    unit: Unit
    ends_at: datetime


def counters(term: str, sale: Sale, venue: str, moment: datetime) -> Sequence[Counter]:
    """Where an order at ``venue`` counts at ``moment`` under ``term``."""
    rule, *calendar = term.split(" ")
    spans: Sequence[Span]
    if rule == WINDOW:
        spans = rolling(moment, int(calendar[0]))
    elif rule == WEEK:
        spans = [week_of(moment, cast(Weekday, calendar[0]), boundary(calendar[1]), calendar[1])]
    else:
        spans = [day_of(moment, boundary(calendar[0]), calendar[0])]
    where, unit = _place(rule, sale, venue)
    return [Counter(rule, f"{rule}/{where}/{span.name}", unit, span.ends_at) for span in spans]


def _place(rule: str, sale: Sale, venue: str) -> tuple[str, Unit]:
    if rule == PLAN_DAY:
        return f"{sale.case_id}/{sale.asset}", "qty"
    if rule in (VENUE_DAY, WINDOW):
        return f"{venue}/{sale.asset}", "qty"
    return (sale.quote_asset if rule == WEEK else f"{venue}/{sale.quote_asset}"), "value"


def moments(term: str, begins: datetime, ends: datetime) -> list[datetime]:
    """Moments between the two, both among them, of which every span of ``term`` that lies between holds one."""
    rule, _, rest = term.partition(" ")
    step = timedelta(seconds=int(rest)) if rule == WINDOW else _HALF_A_DAY
    found = []
    while begins < ends:
        found.append(begins)
        begins += step
    return [*found, ends]


def counted_at(
    terms: Iterable[str], sale: Sale, venue: str, begins: datetime, ends: datetime | None = None
) -> dict[str, Counter]:
    """Every counter of ``terms`` where an order counts that may fill from ``begins`` to ``ends``, by name."""
    return {
        each.name: each
        for term in sorted(terms)
        for moment in moments(term, begins, ends or begins)
        for each in counters(term, sale, venue, moment)
    }
