"""The smallest unit of each currency in which banks pay (ISO 4217), and how banks round to it."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, InvalidOperation

from executor.domain.money import is_multiple
from executor.errors import InputRefused

_CENT = Decimal("0.01")
UNITS = {"CNY": _CENT, "HKD": _CENT, "USD": _CENT, "EUR": _CENT, "GBP": _CENT, "SGD": _CENT, "JPY": Decimal(1)}
ROUNDINGS = {"half-up": ROUND_HALF_UP, "half-even": ROUND_HALF_EVEN, "down": ROUND_DOWN}
_WIDE = Context(prec=76, traps=[InvalidOperation])


def unit_of(currency: str) -> Decimal:
    """The smallest unit. Raises ``InputRefused`` for a currency whose unit is not known here."""
    try:
        return UNITS[currency]
    except KeyError:
        raise InputRefused(f"banks are known to pay {', '.join(UNITS)}; {currency} is none of them") from None


def payable(amount: Decimal, currency: str) -> bool:
    """True if a bank can pay exactly ``amount``."""
    return is_multiple(amount, unit_of(currency))


def to_unit(exact: Decimal, currency: str, rounding: str) -> Decimal:
    """``exact`` in the smallest unit, rounded as ``rounding`` (a key of ``ROUNDINGS``) says."""
    return exact.quantize(unit_of(currency), rounding=ROUNDINGS[rounding], context=_WIDE)
