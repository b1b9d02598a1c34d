"""Exact sums of many fractions, and the one rounding at the end. No float, no limited digits."""

from fractions import Fraction

from executor.domain.average import Rounding


class RatioSum:
    """Adds fractions exactly.

    A volume-weighted average over a volume in quote currency sums thousands of fractions whose denominators share
    little. Terms of one denominator are added as whole numbers first, and the rest in pairs without reducing: the
    numbers get long, but each is touched only a few times.
    """

    def __init__(self) -> None:
        self._over: dict[int, int] = {}  # denominator -> sum of numerators

    def add(self, term: Fraction) -> None:
        """Add one term."""
        self._over[term.denominator] = self._over.get(term.denominator, 0) + term.numerator

    def total(self) -> tuple[int, int]:
        """Numerator and denominator of the sum, not reduced."""
        parts = [(numerator, denominator) for denominator, numerator in self._over.items()] or [(0, 1)]
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=False)
            odd = parts[-1:] if len(parts) % 2 else []
            parts = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs] + odd
        return parts[0]


def rounded(numerator: int, denominator: int, decimals: int, rounding: Rounding) -> str:
    """``numerator / denominator`` (not negative) with exactly ``decimals`` digits after the point."""
    if numerator < 0 or denominator <= 0:
        raise ValueError("only amounts at or above zero are rounded here")
    whole, rest = divmod(numerator * 10**decimals, denominator)
    if rounding == "up":
        whole += rest > 0
    elif rounding == "half_even":
        whole += 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
    digits = str(whole).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
