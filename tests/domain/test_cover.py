"""The arithmetic of the deposit's cover, exact at its edges."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.domain.cover import Cover, NoValue, Stand, stand
from executor.domain.plan import Plan
from tests.engine.rig import plan

D = Decimal
TERMS: dict[str, Any] = {
    "currency": "USD",
    "coins": "all",
    "release_percent": "110",
    "halt_percent": "100",
    "warn_percents": ["110", "105", "100"],
}


def standing(
    mark: str, deposit: str = "110000", coins: str = "1", proceeds: dict[str, Decimal] | None = None, **changes: Any
) -> Stand:
    terms = Cover.model_validate(TERMS | changes)
    return stand(terms, ("BTC", "USD"), {terms.currency: D(deposit)}, {"BTC": D(coins)}, proceeds or {}, D(mark))


@pytest.mark.parametrize(
    ("mark", "percent", "level"),
    [
        ("100000", "110", None),
        ("100000.01", "109.99", "110"),
        ("105000", "104.76", "105"),
        ("110000", "100", "105"),
        ("110000.01", "99.99", "100"),
        ("115000", "95.65", "100"),
        ("125000", "88", "100"),
    ],
)
def test_a_deposit_of_110_percent_as_the_price_rises(mark: str, percent: str, level: str | None) -> None:
    """The figures that follow from a static deposit: 104.8 % after +5 %, 100 % after +10 %, 95.7 % after +15 %."""
    found = standing(mark)
    assert found.percent == D(percent)
    assert found.level == (D(level) if level else None)


def test_proceeds_on_their_way_count_until_they_are_delivered() -> None:
    """Half is sold at 90000 and its money is on the way; then it is delivered and the cover is free for other coins."""
    assert standing("100000", coins="0.5", proceeds={"USD": D(45_000)}).exposure == D(95_000)
    assert standing("100000", coins="0.5").percent == D(220)


def test_what_the_deposit_covers() -> None:
    """At 110 % and a price of 100000 a deposit of 110000 covers one coin, and what is on its way takes from it."""
    assert standing("100000", coins="3").covered(D(110)) == D(1)
    assert standing("112000", coins="3").covered(D(110)) == D("0.89285714")
    assert standing("100000", coins="3", proceeds={"USD": D(40_000)}).covered(D(110)) == D("0.6")
    assert standing("100000", proceeds={"USD": D(140_000)}).covered(D(110)) == 0


def test_nothing_is_converted_without_a_rate_of_the_plan() -> None:
    """A deposit in CNY against coins priced in USD, and another asset of the case."""
    rated = standing("100000", "770000", currency="CNY", rates={"USD": "7"})
    assert (rated.exposure, rated.percent) == (D(700_000), D(110))
    with pytest.raises(NoValue, match="9 ETH"):
        standing("100000", proceeds={"ETH": D(9)})
    assert standing("100000", proceeds={"ETH": D(9)}, rates={"ETH": "1000"}).exposure == D(109_000)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"halt_percent": "111"}, "is over release_percent"),
        ({"warn_percents": ["100", "105"]}, "must fall"),
        ({"warn_percents": []}, "at least 1"),
        ({"rates": {"USD": "1"}}, "own currency"),
        ({"rates": {"BTC": "90000"}}, "BTC is valued at the market's price"),
        ({"currency": "CNY"}, "say what one USD is worth in CNY"),
        *(({name: None}, name) for name in TERMS),
    ],
)
def test_terms_that_do_not_hold_together_are_refused(changes: dict[str, Any], why: str) -> None:
    """Every term must be said: nothing has a default."""
    terms = {key: value for key, value in (TERMS | changes).items() if value is not None}
    with pytest.raises(ValidationError, match=why):
        plan(cover=terms)


def test_a_plan_without_cover_has_the_bytes_that_it_had() -> None:
    """An approved plan of before keeps its hash."""
    assert "cover" not in plan().model_dump(mode="json")
    told = Plan.model_validate(plan(cover=TERMS).model_dump(mode="json")).model_dump(mode="json")
    assert told["cover"] == TERMS
