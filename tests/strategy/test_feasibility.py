"""Every obstacle that keeps a plan from being started, one case each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.venue import Book, DuplicateIds, Instrument, Level, RfqTraits, VenueTraits
from executor.domain.plan import Plan
from executor.strategy.feasibility import VenueFacts, obstacles

D = Decimal
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
RFQ = RfqTraits(executable=True, same_id_is_safe=True, min_life_left=timedelta(seconds=1), account="main")
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
    rfq=RFQ,
)
PAIR = Instrument(
    symbol="BTCUSD",
    base="BTC",
    quote="USD",
    tick_size=D("0.01"),
    step_size=D("0.00001"),
    min_qty=D("0.0001"),
    max_qty=D(5),
    min_notional=D(10),
    max_notional=D(10_000_000),
    taker_fee=D("0.001"),
    maker_fee=D("0.001"),
    trading=True,
)
BOOK = Book("BTCUSD", (Level(D(100_000), D(5)),), (Level(D(100_010), D(5)),), NOW)
FACTS = VenueFacts("alpha", TRAITS, "BTCUSD", PAIR, BOOK, {"main": D(20)})
TWAP: dict[str, Any] = {
    "kind": "twap",
    "qty": "10",
    "slices": 4,
    "size_jitter": "0.3",
    "time_jitter": "0",
    "style": "cross",
    "catch_up": "2",
    "min_notional": "100",
}
OTC: dict[str, Any] = {"kind": "otc", "qty": "10", "clip": "5", "pause": "5m", "min_quotes": 1}


def plan(*legs: dict[str, Any], **changes: Any) -> Plan:
    legs = legs or (TWAP,)
    values = {
        "asset": "BTC",
        "quote_asset": "USD",
        "qty": sum(D(each["qty"]) for each in legs),
        "floor_px": "90000",
        "venues": ["alpha"],
        "duration": "1h",
        "seed": 7,
        "legs": list(legs),
    }
    return Plan.model_validate(values | changes)


def test_a_plan_that_can_be_done_has_no_obstacle() -> None:
    assert obstacles(plan(TWAP, OTC), [FACTS]) == []


CLOSED = replace(PAIR, trading=False, why_not_trading="maintenance")
COARSE = replace(PAIR, step_size=D("0.3"))
CASES: list[tuple[str, Plan, VenueFacts]] = [
    ("venue: beta is not connected", plan(venues=["alpha", "beta"]), FACTS),
    ("pair: alpha does not list BTCUSD", plan(), replace(FACTS, instrument=None)),
    ("pair: BTCUSD at alpha is not open: maintenance", plan(), replace(FACTS, instrument=CLOSED)),
    ("market: no venue shows a bid", plan(), replace(FACTS, book=None)),
    ("market: no venue shows a bid", plan(), replace(FACTS, book=Book(BOOK.symbol, (), BOOK.asks, BOOK.received_at))),
    ("floor: the best bid 100000 is under the floor 100001", plan(floor_px="100001"), FACTS),
    ("legs.0 (twap): slices: 4 slices in 3 s is more than one a second", plan(duration="3s"), FACTS),
    (
        "legs.0 (twap): rest_for: resting 900 s in each of 4 slices does not fit",
        plan(TWAP | {"style": "rest_then_cross", "rest_for": "15m"}),
        FACTS,
    ),
    ("use at most 5 slices", plan(TWAP | {"qty": "0.01", "slices": 9, "min_notional": "120"}), FACTS),
    ("size: 0.0001 is under the smallest order", plan(TWAP | {"qty": "0.0001"}), FACTS),
    ("is over what the venues take at once, 5; use at least 3 slices", plan(TWAP | {"slices": 1}), FACTS),
    ("step: 10 is finer than the smallest step of every venue", plan(), replace(FACTS, instrument=COARSE)),
    ("legs.0 (otc): quotes: 1 venues of the plan execute quotes", plan(OTC | {"min_quotes": 2}), FACTS),
    (
        "quotes: 0 venues of the plan execute quotes",
        plan(OTC),
        replace(FACTS, traits=replace(TRAITS, rfq=replace(RFQ, executable=False))),
    ),
    ("legs.0 (otc): window: 2 clips with 0:40:00 between them", plan(OTC | {"pause": "40m"}), FACTS),
    ("window: 3 clips", plan(OTC | {"clip": "4", "pause": "25m"}), FACTS),
    ("balance: legs.0 needs 10 BTC, 9 is credited where it can sell", plan(), replace(FACTS, free={"main": D(9)})),
    ("balance: legs.0 needs 10 BTC, 0 is credited", plan(), replace(FACTS, free={"vault": D(20)})),
    ("balance: the plan needs 20 BTC, 15 is credited", plan(TWAP, OTC), replace(FACTS, free={"main": D(15)})),
]


@pytest.mark.parametrize(("said", "asked", "facts"), CASES, ids=[case[0][:40] for case in CASES])
def test_each_obstacle_is_named(said: str, asked: Plan, facts: VenueFacts) -> None:
    """A plan that cannot be done is refused before its first order, with its rule and what would make it possible."""
    found = obstacles(asked, [facts])
    assert any(said in each for each in found), found


def test_a_cap_on_one_order_under_the_least_order_is_named() -> None:
    """100 at the floor of 90000 are 0.00112 BTC, which are worth 112 at the best bid."""
    (why,) = obstacles(plan(caps={"order_value": "111.99"}), [FACTS])
    assert why.startswith("legs.0 (twap): cap.order_value: 111.99 is under the value of the smallest order, 0.00112 at")
    assert obstacles(plan(caps={"order_value": "112"}), [FACTS]) == []


def test_all_obstacles_are_named_at_once() -> None:
    found = obstacles(plan(TWAP | {"slices": 1}, OTC | {"min_quotes": 2}, duration="2m"), [replace(FACTS, free={})])
    assert {"caps:", "quotes:", "window:", "balance:"} <= {word for each in found for word in each.split()}


def test_a_leg_is_checked_against_its_own_venues() -> None:
    """Coins at a venue that the leg may not use do not count for it."""
    beta = replace(FACTS, venue="beta", free={})
    found = obstacles(plan(TWAP | {"venues": ["beta"]}, venues=["alpha", "beta"]), [FACTS, beta])
    assert found[0] == "balance: legs.0 needs 10 BTC, 0 is credited where it can sell"
