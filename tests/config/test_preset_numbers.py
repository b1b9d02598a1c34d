"""The presets, drawn up as plans, reproduce the numbers that their sources publish: worked out by hand.

The 20-day mean has its own tests, on recorded candles of two markets, in tests/market/test_benchmark_recorded.py."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from config.plan_draft import draft, preset_path
from config.toml_file import read_toml
from executor.domain.caps import Limit, Sale, limits
from executor.domain.plan import Mandate, Plan
from executor.domain.price_rules import PriceContext, PriceRules, highest_allowed, lowest_price
from tests.cli.test_plan_draft import ANSWERS, COMMON

D = Decimal
MANDATE = Mandate.model_validate(
    {
        "case_id": "C-1",
        "authority": "a",
        "institution": "i",
        "legal_basis": "b",
        "proceeds_account": "p",
        "plan": "plan.toml",
        "holdings": [{"asset": "BTC", "network": "bitcoin", "qty": "500"}],
        "credited": [{"venue": venue, "account": "a", "asset": "BTC", "qty": "250"} for venue in ("osl", "hashkey")],
    }
)


def drawn(preset: str, **changes: str) -> Plan:
    """The plan of 500 BTC that a preset gives; each venue trades 1,000 BTC a day."""
    table = draft(read_toml(preset_path(preset)), MANDATE, COMMON | ANSWERS[preset] | changes, None)
    return Plan.model_validate({key: value for key, value in table.items() if key != "benchmark"})


def limit_at(plan: Plan, rule: str, at: datetime) -> Limit:
    assert plan.caps is not None
    sale = Sale("C-1", plan.asset, plan.quote_asset, plan.qty)
    return next(limit for limit in limits(plan.caps, sale, "osl", at, at) if limit.rule == rule)


NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


def test_korea_sells_a_tenth_of_the_plan_a_day() -> None:
    """500 BTC: 50 a day, free again at midnight in Seoul, which is three in the afternoon UTC."""
    limit = limit_at(drawn("korea"), "plan_percent_per_day", NOON)
    assert (limit.most, limit.unit, limit.turns_at) == (50, "qty", datetime(2026, 3, 9, 15, 0, tzinfo=UTC))


def test_korea_sells_a_twentieth_of_a_venue_s_volume() -> None:
    limit = limit_at(drawn("korea"), "venue_volume_percent", NOON)
    assert (limit.most, limit.unit) == (50, "qty")


def test_korea_needs_two_venues_and_three_months() -> None:
    plan = drawn("korea")
    assert plan.caps is not None
    assert (plan.caps.min_venues, plan.duration) == (2, 90 * 86_400)


@pytest.mark.parametrize(("mid", "low", "high"), [("100000", "99000", "101000"), ("99999.5", "98999.51", "100999.49")])
def test_korea_stays_within_one_percent_of_the_venue_s_price(mid: str, low: str, high: str) -> None:
    rules = PriceRules(rules=drawn("korea").price_rules)
    context = PriceContext(currency="USD", tick=D("0.01"), qty=D(1), now=NOON, venue_mid=D(mid))
    highest = highest_allowed(rules, context)
    assert highest is not None
    assert (lowest_price(rules, context).px, highest.px) == (D(low), D(high))


@pytest.mark.parametrize(
    ("at", "most", "turns_at"),
    [
        # Saturday 7 March 00:00 in New York is 05:00 UTC; the clocks there change on the 8th.
        (datetime(2026, 3, 7, 4, 59, 59, tzinfo=UTC), 0, datetime(2026, 3, 7, 5, 0, tzinfo=UTC)),
        (datetime(2026, 3, 7, 5, 0, tzinfo=UTC), 50_000_000, datetime(2026, 3, 14, 4, 0, tzinfo=UTC)),
        (datetime(2026, 3, 14, 3, 59, 59, tzinfo=UTC), 50_000_000, datetime(2026, 3, 14, 4, 0, tzinfo=UTC)),
        (datetime(2026, 3, 14, 4, 0, tzinfo=UTC), 100_000_000, datetime(2026, 3, 21, 4, 0, tzinfo=UTC)),
        (datetime(2026, 6, 3, 4, 0, tzinfo=UTC), 100_000_000, datetime(2026, 6, 6, 4, 0, tzinfo=UTC)),
    ],
)
def test_ftx_sells_50_million_in_the_first_week_and_then_100_million(
    at: datetime, most: int, turns_at: datetime
) -> None:
    """Saturday 00:00 to Friday 23:59, New York. The 200 million that only a court grants are not in the plan."""
    limit = limit_at(drawn("ftx"), "week_values", at)
    assert (limit.most, limit.unit, limit.turns_at) == (most, "value", turns_at)


def test_saxony_sells_under_one_percent_of_the_volume() -> None:
    """1,000 BTC a day: in an hour 1,000 / 24 / 100, rounded down."""
    limit = limit_at(drawn("saxony"), "participation_percent", NOON)
    assert limit.most == D("0.416666666666")


def test_beijing_has_a_day_and_a_reserve_price() -> None:
    plan = drawn("beijing")
    context = PriceContext(currency="USD", tick=D("0.01"), qty=D(1), now=NOON)
    assert plan.duration == 86_400
    assert lowest_price(PriceRules(rules=plan.price_rules), context).px == 90_000
    assert plan.legs[0].kind == "otc"


def test_shanghai_counts_twenty_days() -> None:
    rule: Any = drawn("shanghai").price_rules[0]
    table = draft(read_toml(preset_path("shanghai")), MANDATE, COMMON | ANSWERS["shanghai"], None)
    assert (rule.kind, rule.factor, table["benchmark"]["days"]) == ("average", 1, 20)
