"""Sharing out by largest remainder (Hamilton): exact, nothing lost, nothing made, the same for everyone who asks.

Each case gets the whole units of its exact quota; the units that are left go one each to the largest fractions, a tie
to the case whose id comes first in the order of characters.
"""

from collections.abc import Mapping
from decimal import Decimal

from executor.domain.money import EXACT, ZERO, add, times


def largest_remainder(total: Decimal, weights: Mapping[str, Decimal], unit: Decimal) -> dict[str, Decimal]:
    """``total`` shared out in proportion to ``weights`` in multiples of ``unit``; the parts sum to ``total`` exactly.

    Raises ``ValueError`` unless there are weights, all above zero, and ``total`` is a multiple of ``unit``. A negative
    total is shared out like its amount."""
    if not weights or any(weight <= 0 for weight in weights.values()):
        raise ValueError("every share must be above zero")
    if unit <= 0 or EXACT.remainder(total, unit):
        raise ValueError(f"{total} is not a whole number of units of {unit}")
    sign = -1 if total < 0 else 1
    units = int(EXACT.divide_int(abs(total), unit))
    # Weights as whole numbers, so that a quota and its fraction are exact.
    scale = -min(0, *(_exponent(weight) for weight in weights.values()))
    whole = {name: int(weight.scaleb(scale, EXACT)) for name, weight in weights.items()}
    sum_of_weights = sum(whole.values())
    parts = {name: units * weight // sum_of_weights for name, weight in whole.items()}
    left = units - sum(parts.values())
    for name in sorted(whole, key=lambda name: (-(units * whole[name] % sum_of_weights), name))[:left]:
        parts[name] += 1
    shared = {name: times(Decimal(sign * count), unit) for name, count in parts.items()}
    assert sum_exact(shared) == total
    return shared


def sum_exact(parts: Mapping[str, Decimal]) -> Decimal:
    """The exact sum."""
    total = ZERO
    for part in parts.values():
        total = add(total, part)
    return total


def finest(*amounts: Decimal) -> Decimal:
    """The power of ten of which all ``amounts`` are multiples: the unit in which they can be shared out exactly."""
    return Decimal(1).scaleb(min([0, *(_exponent(amount) for amount in amounts)]))


def _exponent(amount: Decimal) -> int:
    exponent = amount.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int), "amounts are finite"
    return exponent
