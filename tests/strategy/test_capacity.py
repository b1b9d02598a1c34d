"""What the caps let a plan sell at the most, against figures worked out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executor.domain.plan import Plan
from executor.strategy.capacity import over_caps
from tests.cli.commands import plan, twap

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
VOLUMES = [
    {"venue": venue, "qty": qty, "measured_until": "2026-03-01", "source": "a file", "file_sha256": "0" * 64}
    for venue, qty in (("osl", "600"), ("hashkey", "400"))
]


def capped(qty: str, duration: str, **caps: Any) -> Plan:
    return Plan.model_validate(plan(twap(qty), qty=qty, duration=duration, floor_px="50000", caps=caps))


@pytest.mark.parametrize(
    ("qty", "duration", "caps", "most"),
    [
        # Nine days from noon touch ten dates; from midnight they would touch nine.
        ("500", "9d", {"plan_percent_per_day": "10", "day_boundary": "UTC"}, None),
        ("500", "8d", {"plan_percent_per_day": "10", "day_boundary": "UTC"}, "450"),
        ("500", "9d", {"plan_percent_per_day": "10", "day_boundary": "+12:00"}, "450"),
        # 5 % of 1,000 a day are 50.
        ("100", "1d", {"venue_volume_percent": "5", "venue_volume_days": 30, "day_boundary": "UTC"}, None),
        ("101", "1d", {"venue_volume_percent": "5", "venue_volume_days": 30, "day_boundary": "UTC"}, "100"),
        # 1 % of 1,000 in 24 h and one more hour are 10 and 10/24.
        ("11", "1d", {"participation_percent": "1", "participation_window": "1h"}, "10.41666667"),
        # One order's worth at two venues on two dates, 1,000,000 each, at 50,000.
        ("80", "1d", {"venue_value_per_day": "1000000", "day_boundary": "UTC"}, None),
        ("81", "1d", {"venue_value_per_day": "1000000", "day_boundary": "UTC"}, "80"),
    ],
)
def test_the_most_that_can_be_sold(qty: str, duration: str, caps: dict[str, Any], most: str | None) -> None:
    volumes = {"venue_volumes": VOLUMES} if "venue_volume_percent" in caps or "participation_percent" in caps else {}
    found = over_caps(capped(qty, duration, **caps, **volumes), NOON)
    assert len(found) == (most is not None)
    if most is not None:
        assert f"at most {most} BTC can be sold in the window" in found[0]


WEEK = {
    "week_values": ["50000000", "100000000"],
    "week_currency": "USD",
    "week_starts": "saturday",
    "week_zone": "America/New_York",
    "first_week": "2026-02-28",
}


@pytest.mark.parametrize(
    ("start", "days", "most"),
    [
        (datetime(2026, 2, 28, 5, 0, tzinfo=UTC), 7, "1000"),  # midnight in New York: one week, 50m at 50,000
        (datetime(2026, 2, 28, 5, 0, tzinfo=UTC), 8, "3000"),  # and one day of the second, which has 100m
        (datetime(2026, 2, 28, 5, 0, tzinfo=UTC), 21, "7000"),  # clocks change on 8 March: an hour of the fourth week
        (datetime(2026, 2, 28, 4, 59, tzinfo=UTC), 7, "1000"),  # a minute of the week before, which has none
    ],
)
def test_weeks_from_saturday_in_new_york(start: datetime, days: int, most: str) -> None:
    """USD 50m in the first week and 100m in each that follows."""
    (found,) = over_caps(capped("9999", f"{days}d", **WEEK), start)
    assert f"at most {most} BTC" in found
    assert over_caps(capped(most, f"{days}d", **WEEK), start) == []


def test_a_plan_without_caps_is_bound_by_none() -> None:
    assert over_caps(Plan.model_validate(plan()), NOON + timedelta(days=1)) == []
