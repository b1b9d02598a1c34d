"""Amounts as a person types them."""

from decimal import Decimal

from executor.domain.money import parse_amount
from executor.errors import InputRefused


def amount(option: str, text: str) -> Decimal:
    """The exact number in ``text``. Raises ``InputRefused`` naming ``option``."""
    try:
        return parse_amount(text)
    except ValueError as error:
        raise InputRefused(f"{option}: {error}") from None
