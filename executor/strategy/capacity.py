"""How much the caps of a plan let it sell in its window at the most: asked before the first order and before anybody
signs. What other plans use of the same caps is not known here and comes on top."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from executor.domain.caps import Caps, part
from executor.domain.money import RATIO, ZERO, multiples, plain, times
from executor.domain.plan import Plan
from executor.domain.trade_days import boundary, trade_date_at, trade_day
from executor.domain.windows import first_of_week

_DAY_S = 86_400


def over_caps(plan: Plan, starts_at: datetime) -> list[str]:
    """Every cap under which the plan cannot sell all of its quantity from ``starts_at`` to the end of its window, with
    what would be needed; empty if there is none. Values are taken at the floor, where they leave room for most."""
    if plan.caps is None:
        return []
    found = []
    for rule, most, advice in _bounds(plan, plan.caps, starts_at):
        if most < plan.qty:
            found.append(
                f"cap.{rule}: at most {_short(most)} {plan.asset} can be sold in the window of "
                f"{timedelta(seconds=plan.duration)}, the plan sells {plain(plan.qty)}; {advice}"
            )
    return found


def _bounds(plan: Plan, caps: Caps, starts_at: datetime) -> Iterator[tuple[str, Decimal, str]]:
    """Rule, the most that it lets the plan sell, and what to do."""
    ends_at = starts_at + timedelta(seconds=plan.duration)
    days = Decimal(_days(starts_at, ends_at, boundary(caps.day_boundary))) if caps.day_boundary else ZERO
    longer = "make the window longer"
    if caps.plan_percent_per_day is not None:
        least = multiples(Decimal(100), caps.plan_percent_per_day)
        advice = f"it needs {least} days at {plain(caps.plan_percent_per_day)} % a day"
        yield "plan_percent_per_day", times(days, part(plan.qty, caps.plan_percent_per_day)), advice
    volume = sum((each.qty for each in caps.venue_volumes), ZERO)
    if caps.venue_volume_percent is not None:
        yield "venue_volume_percent", times(days, part(volume, caps.venue_volume_percent)), f"{longer} or add a venue"
    if caps.participation_percent is not None and caps.participation_window is not None:
        # A window of the length that is counted may be full at both ends.
        seconds = Decimal(plan.duration + caps.participation_window)
        share = RATIO.divide(part(volume, caps.participation_percent) * seconds, Decimal(_DAY_S))
        yield "participation_percent", share, f"{longer} or add a venue"
    if caps.venue_value_per_day is not None:
        value = times(days, caps.venue_value_per_day) * len(plan.venues)
        yield "venue_value_per_day", RATIO.divide(value, plan.floor_px), f"{longer} or add a venue"
    if caps.week_values and caps.week_starts and caps.week_zone and caps.first_week:
        value = _of_weeks(caps, starts_at, ends_at, boundary(caps.week_zone))
        yield "week_values", RATIO.divide(value, plan.floor_px), longer


def _days(starts_at: datetime, ends_at: datetime, zone: tzinfo) -> int:
    """How many days the window touches."""
    last = trade_date_at(ends_at - timedelta(microseconds=1), zone)
    return (last - trade_date_at(starts_at, zone)).days + 1


def _of_weeks(caps: Caps, starts_at: datetime, ends_at: datetime, zone: tzinfo) -> Decimal:
    """The caps of all weeks that the window touches, added up."""
    assert caps.week_starts is not None
    assert caps.first_week is not None
    total, moment = ZERO, starts_at
    while moment < ends_at:
        first = first_of_week(moment, caps.week_starts, zone)
        number = (first - caps.first_week) // timedelta(days=7)
        if number >= 0:
            total += caps.week_values[min(number, len(caps.week_values) - 1)]
        moment = trade_day(first + timedelta(days=6), zone).ends_at.astimezone(UTC)
    return total


def _short(value: Decimal) -> str:
    return plain(RATIO.quantize(value, Decimal("0.00000001")))
