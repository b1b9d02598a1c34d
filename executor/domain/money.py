"""Exact arithmetic for prices, quantities and money. Everything is ``Decimal``; nothing here rounds unasked."""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal(10_000)
_BEFORE, _BEHIND = 18, 20  # digits around the point: more than there is of any coin, finer than any smallest unit

# Wide enough for any holding in its smallest unit times any price; an operation that would round raises ``Inexact``.
EXACT = Context(prec=76, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_SMALLEST = Decimal(1).scaleb(-_BEHIND)
_WIDE = Context(prec=_BEFORE + _BEHIND, traps=[DivisionByZero, Overflow])  # what does not fit becomes no number
# For ratios shown to people, which need not end.
RATIO = Context(prec=34, traps=[InvalidOperation, DivisionByZero, Overflow])


def parse_amount(text: str) -> Decimal:
    """The exact number written in ``text``. Raises ``ValueError`` for anything that is not a finite decimal number, and
    for one that no holding has."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"'{text:.40}' is not a decimal number") from None
    if "_" in text or not value.is_finite():
        raise ValueError(f"'{text:.40}' is not a finite number in plain digits")
    return bounded(value)


def bounded(value: Decimal) -> Decimal:
    """``value``, if it has no more digits than any amount here can have, so that the product of two is exact. Raises
    ``ValueError``."""
    if value.adjusted() >= _BEFORE or value != value.quantize(_SMALLEST, context=_WIDE):
        raise ValueError(f"{value!s:.40} has more than {_BEFORE} digits before the point or {_BEHIND} behind it")
    return value


def plain(value: Decimal) -> str:
    """``value`` in plain digits, without exponent or trailing zeros: the one spelling in output."""
    return f"{EXACT.normalize(value):f}" if value else "0"


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that is not above ``value``: quantities round down, never selling more."""
    whole = EXACT.multiply(EXACT.divide_int(value, step), step)
    return EXACT.subtract(whole, step) if whole > value else whole


def round_up(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of ``step`` that is not below ``value``: a sell limit rounds up, never under the floor."""
    # A quotient of limited digits could round up over a whole number; whole steps and what is left over cannot.
    whole = EXACT.multiply(EXACT.divide_int(value, step), step)
    return EXACT.add(whole, step) if whole < value else whole


def multiples(value: Decimal, step: Decimal) -> int:
    """How many steps cover ``value``: the last one may be a part. (``-(-a // b)`` does not: Decimal cuts to zero.)"""
    return int(EXACT.divide_int(round_up(value, step), step))


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """True when ``value`` lies on the grid of ``step``."""
    return not EXACT.remainder(value, step)


# Exact sum, difference and product of two amounts: the context's own methods, without a call of ours around them.
add = EXACT.add
less = EXACT.subtract
times = EXACT.multiply


def bps_between(price: Decimal, reference: Decimal) -> Decimal:
    """How far ``price`` lies above ``reference``, in basis points; negative when below. Two decimals."""
    return RATIO.divide((price - reference) * BPS, reference).quantize(Decimal("0.01"))
