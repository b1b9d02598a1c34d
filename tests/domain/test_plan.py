"""What a plan and a mandate accept and refuse."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.domain.plan import Mandate, Plan

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
PLAN: dict[str, Any] = {
    "asset": "BTC",
    "quote_asset": "USD",
    "qty": "10",
    "floor_px": "90000",
    "venues": ["alpha", "beta"],
    "duration": "8h",
    "seed": 7,
    "legs": [TWAP],
}
MANDATE: dict[str, Any] = {
    "case_id": "CASE-1",
    "authority": "a",
    "institution": "b",
    "legal_basis": "c",
    "proceeds_account": "d",
    "plan": "plan.toml",
    "holdings": [{"asset": "BTC", "network": "bitcoin", "qty": "10"}],
    "credited": [{"venue": "alpha", "account": "main", "asset": "BTC", "qty": "10"}],
}


def test_amounts_are_exact_and_durations_are_seconds() -> None:
    plan = Plan.model_validate(
        PLAN | {"qty": "10.000000000000000001", "legs": [TWAP | {"qty": "10.000000000000000001"}]}
    )
    assert plan.qty == Decimal("10.000000000000000001")
    assert plan.duration == 8 * 3600
    assert plan.venues_of(plan.legs[0]) == {"alpha", "beta"}


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("90m", 5400), ("2d", 172_800), (60, 60)])
def test_durations(text: object, seconds: int) -> None:
    assert Plan.model_validate(PLAN | {"duration": text}).duration == seconds


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"qty": 10.5}, "write the number in quotes"),
        ({"qty": True}, "write a decimal number in quotes"),
        ({"qty": "NaN"}, "not a finite number"),
        ({"qty": "0"}, "greater than 0"),
        ({"qty": "11"}, "the legs add up to 10, the plan sells 11"),
        ({"floor_px": "-1"}, "greater than 0"),
        ({"duration": "8 hours"}, "write a duration"),
        ({"duration": "0s"}, "greater than 0"),
        ({"venues": []}, "at least 1"),
        ({"venues": ["alpha", "alpha"]}, "named twice"),
        ({"legs": []}, "at least 1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"starts_at": "2026-03-02T01:00:00"}, "needs an offset"),
        ({"speed": 3}, "Extra inputs"),
        ({"legs": [TWAP | {"limit_px": "89999"}]}, "is under floor_px"),
        ({"legs": [TWAP | {"venues": ["gamma"]}]}, "gamma is not among"),
        ({"legs": [TWAP | {"interval": "5m"}]}, "exactly one of interval and slices"),
        ({"legs": [TWAP | {"slices": None}]}, "exactly one of interval and slices"),
        ({"legs": [TWAP | {"rest_for": "5s"}]}, "rest_for belongs"),
        ({"legs": [TWAP | {"style": "rest_then_cross"}]}, "rest_for belongs"),
        ({"legs": [TWAP | {"style": "market"}]}, "cross"),
        ({"legs": [TWAP | {"size_jitter": "1"}]}, "less than 1"),
        ({"legs": [TWAP | {"catch_up": "0.5"}]}, "greater than or equal to 1"),
        ({"legs": [OTC | {"min_quotes": 0}]}, "greater than or equal to 1"),
        ({"legs": [OTC | {"kind": "auction"}]}, "kind"),
    ],
)
def test_what_a_plan_refuses(changes: dict[str, Any], said: str) -> None:
    """Every refusal says what is wrong: nothing that touches price, size, venue or time has a silent default."""
    with pytest.raises(ValidationError, match=said):
        Plan.model_validate(PLAN | changes)


@pytest.mark.parametrize("key", ["asset", "quote_asset", "qty", "floor_px", "venues", "duration", "seed", "legs"])
def test_nothing_that_matters_has_a_default(key: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        Plan.model_validate({name: value for name, value in PLAN.items() if name != key})


def test_a_plan_cannot_be_changed_after_reading() -> None:
    plan = Plan.model_validate(PLAN)
    with pytest.raises(ValidationError, match="frozen"):
        plan.qty = Decimal(11)  # type: ignore[misc]


def test_no_more_is_credited_than_is_held() -> None:
    """Sent is not credited, and credited never exceeds the holding."""
    assert Mandate.model_validate(MANDATE).holdings[0].qty == 10
    more = MANDATE["credited"] * 2
    with pytest.raises(ValidationError, match="20 BTC are said to be credited, the holding is 10"):
        Mandate.model_validate(MANDATE | {"credited": more})
