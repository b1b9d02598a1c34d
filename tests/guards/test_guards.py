"""Each guard allows the ordinary case and answers every broken rule by its name."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.venue import DuplicateIds, Hours, Instrument, TimeInForce, VenueTraits
from executor.guards import floor, venue_rules
from executor.guards.verdict import ALLOW, Action, halt

D = Decimal
PAIR = Instrument(
    symbol="BTCUSD",
    base="BTC",
    quote="USD",
    tick_size=D("0.5"),
    step_size=D("0.001"),
    min_qty=D("0.01"),
    max_qty=D(5),
    min_notional=D(1_000),
    max_notional=D(400_000),
    taker_fee=D(0),
    maker_fee=D(0),
    trading=True,
    min_px=D(50_000),
    max_px=D(150_000),
)
TRAITS = VenueTraits(
    duplicate_ids=DuplicateIds.REFUSED,
    quiet_period=timedelta(seconds=30),
    looks=3,
    fills_window=None,
    orders_window=None,
    request_window=timedelta(seconds=5),
    client_id_max_len=20,
    orders_per_second=D(10),
    queries_per_second=D(10),
    order_account="main",
    settlement="",
    max_clock_lead=timedelta(seconds=1),
    max_clock_lag=timedelta(seconds=1),
)


@pytest.mark.parametrize(("px", "action"), [("90000", Action.ALLOW), ("90000.01", Action.ALLOW)])
def test_the_floor_allows_itself_and_above(px: str, action: Action) -> None:
    assert floor.check(D(px), D(90_000)).action is action


def test_the_floor_refuses_the_smallest_amount_below() -> None:
    """Guards the floor: it binds the limit, so that no fill can be under it."""
    verdict = floor.check(D("89999.99999999"), D(90_000))
    assert (verdict.action, verdict.rule) == (Action.REFUSE, "floor")
    assert "90000" in verdict.reason


ORDER: dict[str, Any] = {
    "now": datetime(2026, 11, 23, 2, 0, tzinfo=UTC),
    "qty": D("1.001"),
    "limit_px": D("100000.5"),
    "time_in_force": TimeInForce.IOC,
    "post_only": False,
}


def test_an_order_that_the_venue_takes_is_allowed() -> None:
    assert venue_rules.check(PAIR, TRAITS, **ORDER) is ALLOW
    open_band = replace(PAIR, min_px=None, max_px=None)
    assert venue_rules.check(open_band, TRAITS, **ORDER | {"post_only": True}) is ALLOW


@pytest.mark.parametrize(
    ("pair", "traits", "changes", "rule"),
    [
        ({"trading": False}, {}, {}, "venue.pair"),
        ({}, {}, {"qty": D("1.0005")}, "venue.step"),
        ({}, {}, {"limit_px": D("100000.1")}, "venue.tick"),
        ({}, {}, {"qty": D("0.009")}, "venue.size"),
        ({}, {}, {"qty": D("5.001"), "limit_px": D(60_000)}, "venue.size"),
        ({}, {}, {"qty": D("0.01"), "limit_px": D(60_000)}, "venue.value"),
        ({}, {}, {"qty": D("4.5")}, "venue.value"),
        ({}, {}, {"limit_px": D("49999.5")}, "venue.band"),
        ({}, {}, {"limit_px": D("150000.5")}, "venue.band"),
        ({}, {"time_in_force": frozenset({TimeInForce.GTC})}, {}, "venue.type"),
        ({}, {"post_only": False}, {"post_only": True}, "venue.type"),
    ],
)
def test_each_rule_of_the_venue_is_named(
    pair: dict[str, Any], traits: dict[str, Any], changes: dict[str, Any], rule: str
) -> None:
    """What the venue documents that it refuses never leaves the building."""
    verdict = venue_rules.check(replace(PAIR, **pair), replace(TRAITS, **traits), **ORDER | changes)
    assert (verdict.action, verdict.rule) == (Action.REFUSE, rule)
    assert verdict.reason


def test_a_halt_carries_rule_and_reason() -> None:
    verdict = halt("cover", "lost")
    assert (verdict.action, verdict.rule, verdict.reason) == (Action.HALT, "cover", "lost")


DAYTIME = Hours("Asia/Hong_Kong", ("monday", "friday"), time(9), time(18))
NIGHT = Hours("Asia/Hong_Kong", ("friday",), time(22), time(6))


@pytest.mark.parametrize(
    ("hours", "moment", "is_open"),
    [
        (DAYTIME, "2026-11-23T09:00:00+08:00", True),
        (DAYTIME, "2026-11-23T08:59:59.999999+08:00", False),
        (DAYTIME, "2026-11-23T17:59:59.999999+08:00", True),
        (DAYTIME, "2026-11-23T18:00:00+08:00", False),
        (DAYTIME, "2026-11-24T12:00:00+08:00", False),
        (NIGHT, "2026-11-27T22:00:00+08:00", True),
        (NIGHT, "2026-11-28T05:59:00+08:00", True),
        (NIGHT, "2026-11-27T05:00:00+08:00", False),
        (NIGHT, "2026-11-28T22:30:00+08:00", False),
    ],
)
def test_outside_its_hours_a_venue_is_sent_nothing(hours: Hours, moment: str, is_open: bool) -> None:
    """In the venue's own zone; the night of a Friday ends on Saturday morning. The order is not wrong: it waits."""
    asked = ORDER | {"now": datetime.fromisoformat(moment).astimezone(UTC)}
    verdict = venue_rules.check(PAIR, replace(TRAITS, hours=hours), **asked)
    assert (verdict.action is Action.ALLOW) is is_open
    if not is_open:
        assert (verdict.action, verdict.rule) == (Action.WAIT, "venue.hours")
        assert "Asia/Hong_Kong" in verdict.reason


@pytest.mark.parametrize(
    ("zone", "opens", "closes"), [("Asia/Kowloon City", time(9), time(18)), ("Asia/Hong_Kong", time(9), time(9))]
)
def test_hours_that_are_none_are_refused(zone: str, opens: time, closes: time) -> None:
    with pytest.raises(ValueError, match="hours: "):
        Hours(zone, ("monday",), opens, closes)
