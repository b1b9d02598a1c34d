"""The report's words and its way of writing dates, amounts and numbers, one file for each language."""

import tomllib
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import Any

from executor.errors import InputRefused
from executor.report.figures import figure, fixed

LANGUAGES = ("zh", "en")
_EAST_8 = timezone(timedelta(hours=8))  # Beijing and Hong Kong alike; neither has summer time
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_LENGTHS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
Number = Decimal | Fraction | int


class Words:
    """One language. ``words("text.sale", ...)`` is a sentence, ``term("state", code)`` the word for a code."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise InputRefused(f"--lang: '{language}' is not one of {', '.join(LANGUAGES)}")
        self.language = language
        self._words = tomllib.loads((files(__name__) / f"{language}.toml").read_text("utf-8"))

    def __call__(self, key: str, **values: Any) -> str:
        """The words at ``key`` with ``values`` put in. A key that is not there is a mistake: ``KeyError``."""
        found: Any = self._words
        for part in key.split("."):
            found = found[part]
        return str(found).format(**values) if values else str(found)

    def term(self, group: str, code: str) -> str:
        """The word for a code of the record; the code itself where there is none."""
        return str(self._words[group].get(code, code))

    def rule(self, rule: str) -> str:
        """The word for a rule that held the sale back, with the name that the plan gives it."""
        kind, point, name = rule.partition(".")
        if not point or rule in self._words["rule"]:
            return self.term("rule", rule)
        return self.aside(self.term("rule", kind), self.term("field", name))

    def in_order(self, group: str, codes: Iterable[str]) -> list[str]:
        """Codes in the order in which the group lists them; those that it does not know last."""
        places = {code: place for place, code in enumerate(self._words[group])}
        return sorted(codes, key=lambda code: (places.get(code, len(places)), code))

    def moment(self, at: datetime) -> str:
        """Date and time to the second, eight hours east of Greenwich."""
        there = at.astimezone(_EAST_8)
        return f"{self.day(at)} {there:%H:%M:%S}" if self.language == "zh" else f"{self.day(at)}, {there:%H:%M:%S}"

    def day(self, at: datetime) -> str:
        """A date as it is written in the language."""
        there = at.astimezone(_EAST_8)
        if self.language == "zh":
            return f"{there.year}年{there.month}月{there.day}日"
        return f"{there.day} {_MONTHS[there.month - 1]} {there.year}"

    def short(self, at: datetime) -> str:
        """Date and time for narrow columns."""
        return f"{at.astimezone(_EAST_8):%Y-%m-%d %H:%M:%S}"

    def hour(self, at: datetime) -> str:
        """The hour that ``at`` lies in."""
        there = at.astimezone(_EAST_8)
        return f"{there:%Y-%m-%d %H}:00–{(there + timedelta(hours=1)):%H}:00"

    def money(self, amount: Number | None, currency: str) -> str:
        """An amount with its currency, two decimals."""
        if amount is None:
            return self("not_recorded")
        known = self._words["currency"].get(currency, self("currency.other"))
        return str(known).format(amount=grouped(Fraction(amount), 2), code=currency)

    def exactly(self, amount: Decimal, currency: str) -> str:
        """An amount with its currency and every digit, two decimals at least."""
        known = self._words["currency"].get(currency, self("currency.other"))
        return str(known).format(amount=every_digit(amount, 2), code=currency)

    def price(self, px: Number | None, currency: str) -> str:
        """A price with its currency, as :func:`priced` writes it."""
        if px is None:
            return self("not_recorded")
        known = self._words["currency"].get(currency, self("currency.other"))
        return str(known).format(amount=priced(px), code=currency)

    def duration(self, seconds: int) -> str:
        """A span of time in days, hours, minutes and seconds, without those that are zero."""
        parts, rest = [], seconds
        for name, length in _LENGTHS:
            count, rest = divmod(rest, length)
            parts += [self(f"length.{name}", count=count)] if count else []
        return self("length.join").join(parts) or self("length.second", count=0)

    def span(self, begin: datetime, end: datetime) -> str:
        """From one moment to another."""
        return self("span", begin=self.moment(begin), end=self.moment(end))

    def aside(self, text: str, remark: str) -> str:
        """A text with a remark in brackets, as they are in the language."""
        return self("aside", text=text, remark=remark)

    def listed(self, parts: list[str]) -> str:
        """Parts in a row; the word for none."""
        return self("list_comma").join(parts) if parts else self("none")


def grouped(value: Fraction | Decimal | int, decimals: int) -> str:
    """``value`` with that many decimals and a comma every three digits before the point."""
    whole, point, part = fixed(Fraction(value), decimals).partition(".")
    return f"{int(whole):,}{point}{part}" if not whole.startswith("-0") else f"{whole}{point}{part}"


def every_digit(value: Decimal, decimals: int) -> str:
    """Every digit of ``value``, and at least so many decimals."""
    return grouped(value, max(decimals, -int(value.as_tuple().exponent)))


def priced(px: Number) -> str:
    """A price of one unit, two decimals at least: one of the record with every digit, a computed one (``Fraction``)
    with as many as :func:`figure` gives it, so that a coin that costs a part of a cent has a price too."""
    if isinstance(px, Decimal):
        return every_digit(px, 2)
    decimals = (figure(px, "px") or "").partition(".")[2]
    return grouped(px, max(2, len(decimals)))


def percent(value: Fraction) -> str:
    """A fraction of one as percent, two decimals."""
    return f"{fixed(value * 100, 2)}%"
