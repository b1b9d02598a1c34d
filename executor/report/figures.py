"""Exact numbers as text: one rounding, at the end, half to even; a number that ends is never cut."""

from fractions import Fraction

_DECIMALS = {"px": 8, "money": 8, "qty": 18, "bps": 4, "share": 6, "seconds": 3, "count": 0}


def figure(value: Fraction | int | None, unit: str) -> str | None:
    """``value`` in plain digits without trailing zeros, with at most the decimals of its unit (money and quantities
    that end later than that are given whole; a price has eight digits that say something, however small it is)."""
    if value is None:
        return None
    exact = Fraction(value)
    decimals = _DECIMALS[unit]
    if unit in ("money", "qty"):
        decimals = max(decimals, _ending(exact))
    elif unit == "px":
        decimals += _zeros(exact)
    text = fixed(exact, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: Fraction, decimals: int) -> str:
    """``value`` with exactly ``decimals`` digits after the point, half to even."""
    scaled = round(value * 10**decimals)  # Fraction rounds half to even
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def _zeros(value: Fraction) -> int:
    """How many zeros stand between the point and the first digit of a number below one."""
    rest, zeros = abs(value) * 10, 0
    while 0 < rest < 1:
        rest, zeros = rest * 10, zeros + 1
    return zeros


def _ending(value: Fraction) -> int:
    """How many decimals a number has that ends, and 0 for one that does not."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else 0
