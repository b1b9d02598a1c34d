"""The reference price: the median of sources that agree and are recent, or a verdict that says why there is none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.market.reference import Reference, ReferenceTerms, SourcePrice, reference_price

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
TERMS = ReferenceTerms(min_sources=3, agreement_bps=Decimal(50), max_age=60)


def look(*prices: str, ages: tuple[int, ...] = (), terms: ReferenceTerms = TERMS) -> Reference:
    given_ages = ages + (0,) * (len(prices) - len(ages))
    sources = [
        SourcePrice(f"s{n}", Decimal(px), NOW - timedelta(seconds=age))
        for n, (px, age) in enumerate(zip(prices, given_ages, strict=True))
    ]
    return reference_price(terms, sources, NOW)


def test_the_median() -> None:
    assert look("100000", "100100", "99900").px == 100000
    even = look("100000", "100001", "99900", "100100")
    assert (even.verdict, even.px) == ("agreed", Decimal("100000.5"))


@given(st.permutations(["100000", "100100", "99900", "100050"]))
def test_the_order_of_sources_does_not_matter(prices: list[str]) -> None:
    assert look(*prices).px == 100025


def test_too_few() -> None:
    seen = look("100000", "100100")
    assert (seen.verdict, seen.px, seen.reason) == ("too_few", None, "2 sources, 3 are needed")


@pytest.mark.parametrize("age", [61, -61])
def test_too_old_or_from_a_wrong_clock(age: int) -> None:
    seen = look("100000", "100100", "99900", ages=(age,))
    assert (seen.verdict, seen.px) == ("too_old", None)
    assert seen.reason == "2 of 3 sources are within 0:01:00 of now; too old: s0 (0:01:01)"
    assert [price.source for price in seen.left_out] == ["s0"]
    assert look("100000", "100100", "99900", ages=(60, -60)).verdict == "agreed"


def test_an_old_price_does_not_count_where_enough_are_left() -> None:
    seen = look("50000", "100000", "100100", "99900", ages=(3600,))
    assert (seen.verdict, seen.px) == ("agreed", 100000)


def test_disagreement_names_the_outlier_and_gives_no_price() -> None:
    assert look("100000", "100500", "99500").verdict == "agreed"  # 50 bps exactly
    seen = look("100000", "100500.01", "99500")
    assert (seen.verdict, seen.px) == ("disagreeing", None)
    assert seen.reason == "more than 50 bps from the median 100000: s1 100500.01"


def test_one_source_cannot_count_twice_and_a_price_is_positive() -> None:
    twice = [SourcePrice("a", Decimal(1), NOW)] * 2
    with pytest.raises(ValueError, match="given twice"):
        reference_price(TERMS, twice, NOW)
    with pytest.raises(ValueError, match="above zero"):
        look("0", "1", "1")
