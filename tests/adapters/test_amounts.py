"""Amounts stay exact where the interpreter's 28 digits would round, and the last digit decides nothing by accident."""

from decimal import Decimal, Inexact

import pytest

from adapters.amounts import plain, product, quotient

LARGE = Decimal("123456789012.123456789012345678")  # 30 digits: a token with 18 decimals


def test_a_value_of_many_digits_is_exact() -> None:
    assert product(Decimal("1.01"), LARGE) == Decimal("124691356902.24469135690246913478")
    assert Decimal("1.01") * LARGE != product(Decimal("1.01"), LARGE)


def test_a_quantity_of_many_digits_is_sent_whole() -> None:
    assert plain(LARGE) == "123456789012.123456789012345678"
    assert plain(Decimal("1.2300E+3")) == "1230"


def test_a_price_per_unit_is_cut_never_raised() -> None:
    assert quotient(Decimal(200), Decimal(3), Decimal("0.01")) == Decimal("66.66")


def test_more_digits_than_any_holding_has_are_an_error() -> None:
    with pytest.raises(Inexact):
        product(Decimal("1." + "1" * 60), Decimal("1." + "1" * 60))
