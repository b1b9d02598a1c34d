"""Amounts on their way to and from a venue, exact at any size: the interpreter's own 28 digits would round the value of
a large holding of a token with 18 decimals."""

from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

MOST_DIGITS = 38  # of an amount before the point, or zeros behind it: no venue means more
_EXACT = Context(prec=2 * MOST_DIGITS, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_CUT = Context(prec=76, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow])


def product(px: Decimal, qty: Decimal) -> Decimal:
    """``px`` times ``qty`` to the last digit. Raises ``decimal.Inexact`` rather than round."""
    return _EXACT.multiply(px, qty)


def quotient(notional: Decimal, qty: Decimal, quantum: Decimal) -> Decimal:
    """``notional`` by ``qty``, cut to a multiple of ``quantum``: never more than was offered."""
    return _CUT.quantize(_CUT.divide(notional, qty), quantum)


def plain(amount: Decimal) -> str:
    """Without an exponent and without trailing zeros."""
    return format(_EXACT.normalize(amount), "f")
