"""Rounding and exact arithmetic of money."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.money import (
    add,
    bps_between,
    is_multiple,
    multiples,
    parse_amount,
    plain,
    round_down,
    round_up,
    times,
)

D = Decimal
AMOUNTS = st.decimals(min_value=D("-1e12"), max_value=D("1e12"), places=18)
STEPS = st.sampled_from([D("0.00001"), D("0.0000001"), D("0.01"), D("0.1"), D("0.5"), D("0.25"), D(1), D("0.03"), D(7)])


@given(AMOUNTS, STEPS)
def test_round_down_is_the_largest_multiple_that_is_not_above(value: Decimal, step: Decimal) -> None:
    """Quantities round down: never a step more than there is."""
    rounded = round_down(value, step)
    assert rounded <= value < add(rounded, step)
    assert is_multiple(rounded, step)


@given(AMOUNTS, STEPS)
def test_round_up_is_the_smallest_multiple_that_is_not_below(value: Decimal, step: Decimal) -> None:
    """A sell limit rounds up: never under the floor."""
    rounded = round_up(value, step)
    assert add(rounded, -step) < value <= rounded
    assert is_multiple(rounded, step)


@given(st.integers(-(10**12), 10**12), STEPS)
def test_what_lies_on_the_grid_stays(steps: int, step: Decimal) -> None:
    value = times(D(steps), step)
    assert round_down(value, step) == value == round_up(value, step)


@pytest.mark.parametrize("digits", [20, 28, 29, 40, 60])
def test_many_nines_are_not_rounded_over_the_next_step(digits: int) -> None:
    """More digits than the usual precision of 28 do not make a quantity larger than it is, nor a limit lower."""
    nearly = D("0." + "9" * digits)
    assert round_down(nearly, D(1)) == 0
    assert round_up(D("1." + "0" * digits + "1"), D(1)) == 2


@given(AMOUNTS, AMOUNTS)
def test_sums_and_products_are_exact(left: Decimal, right: Decimal) -> None:
    assert Fraction(add(left, right)) == Fraction(left) + Fraction(right)
    assert Fraction(times(left, right)) == Fraction(left) * Fraction(right)


@given(st.decimals(D("0.0000001"), D(10_000), places=7), st.sampled_from([D("0.3"), D(1), D(10), D("2.5")]))
def test_multiples_cover_the_value_and_none_is_spare(value: Decimal, step: Decimal) -> None:
    """The last clip may be a part: 25 in clips of 10 are three."""
    count = multiples(value, step)
    assert times(D(count - 1), step) < value <= times(D(count), step)


def test_an_operation_that_would_round_raises() -> None:
    with pytest.raises(Inexact):
        times(D("1." + "1" * 60), D("1." + "1" * 60))


@given(AMOUNTS)
def test_plain_has_one_spelling_and_loses_nothing(value: Decimal) -> None:
    text = plain(value)
    assert D(text) == value
    assert "e" not in text.lower()
    assert text == "0" or not ("." in text and text.endswith("0"))
    assert plain(D(text + "0" if "." in text else text + ".0")) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E-7", "0.0000001"), ("1E+3", "1000"), ("0E-9", "0"), ("-0", "0"), ("500.00", "500"), ("-1.50", "-1.5")],
)
def test_plain_examples(value: str, text: str) -> None:
    assert plain(D(value)) == text


@pytest.mark.parametrize("text", ["", "1,000", "abc", "NaN", "Infinity", "-Infinity", "0x1", "1.2.3"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_amount(text)


@pytest.mark.parametrize("text", ["1E18", "9E73", "1E-21", "0." + "1" * 21, "1" * 19, "1e999999", "1e-999999"])
def test_what_no_holding_has_is_refused(text: str) -> None:
    """A figure so long that sums and products with it would not be exact would shut the books for good."""
    with pytest.raises(ValueError, match="has more than 18 digits before the point or 20 behind it"):
        parse_amount(text)


@pytest.mark.parametrize("text", ["9" * 18 + "." + "9" * 20, "1E-20", "100." + "0" * 40, "-0." + "1" * 20])
def test_the_product_of_the_longest_amounts_is_exact(text: str) -> None:
    value = parse_amount(text)
    assert Fraction(times(value, value)) == Fraction(value) ** 2


@given(AMOUNTS)
def test_parse_reads_back_what_was_written(value: Decimal) -> None:
    assert parse_amount(plain(value)) == value


def test_basis_points_have_two_decimals_and_a_sign() -> None:
    assert bps_between(D(101), D(100)) == D("100.00")
    assert bps_between(D("99.9"), D(100)) == D("-10.00")
    assert bps_between(D(100), D(3)).as_tuple().exponent == -2
