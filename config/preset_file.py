"""Reads a preset: a fragment of a disposal plan in which published rules are filled in, and what no source says is not.

A value that begins with ``SET:`` is a question to the people who write the plan. The rest of the text says what is
asked and why. A preset with an open question is refused, each question named: there is no silent default.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from config.toml_file import faults, read_toml
from executor.domain.average import AverageTerms
from executor.domain.plan import Code, Frozen, PositiveAmount, Seconds
from executor.domain.price_rules import PriceRule, PriceRules
from executor.domain.trade_days import boundary
from executor.errors import InputRefused

OPEN = "SET:"

_Percent = Annotated[PositiveAmount, Field(le=100)]
_Count = Annotated[int, Field(ge=1)]
_Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class PresetCaps(Frozen):
    """Published limits on how much is sold. A limit that a source lacks is absent. ``week_values``: the cap of the
    first week, the second and so on; the last one stays."""

    plan_percent_per_day: _Percent | None = None
    day_boundary: str | None = None
    venue_volume_percent: _Percent | None = None
    venue_volume_days: _Count | None = None
    min_venues: _Count | None = None
    participation_percent: _Percent | None = None
    participation_window: Seconds | None = None
    week_values: tuple[PositiveAmount, ...] = ()
    week_value_by_court: PositiveAmount | None = None
    week_currency: Code | None = None
    week_starts: _Weekday | None = None
    week_zone: str | None = None

    @field_validator("day_boundary", "week_zone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            boundary(value)
        return value


class PresetQuotes(Frozen):
    """Whether quotes must be asked, and how many there must be to choose from."""

    required: bool
    min_quotes: _Count


class PresetDeposit(Frozen):
    """The deposit in percent of the value of the coins."""

    percent: PositiveAmount


class PresetNotice(Frozen):
    """How long before a sale people must be told, and how the days are counted."""

    days: _Count
    counted: Literal["calendar", "business"]


class PresetWindow(Frozen):
    """When the sale must be over, from its start."""

    complete_within: Seconds


class Preset(Frozen):
    """One preset, every question answered. ``benchmark`` holds the terms of the average that a price rule names."""

    name: Code
    summary: str
    price_rules: Annotated[tuple[PriceRule, ...], Field(min_length=1)]
    benchmark: AverageTerms | None = None
    caps: PresetCaps = PresetCaps()
    quotes: PresetQuotes | None = None
    deposit: PresetDeposit | None = None
    notice: PresetNotice | None = None
    window: PresetWindow

    @model_validator(mode="after")
    def _rules_fit(self) -> "Preset":
        PriceRules(rules=self.price_rules)
        if (self.benchmark is not None) != any(rule.kind == "average" for rule in self.price_rules):
            raise ValueError("benchmark belongs to a price rule of kind average: give both or neither")
        for rule in self.price_rules:
            if rule.kind != "average" or self.benchmark is None:
                continue
            if rule.currency != self.benchmark.currency:
                raise ValueError(
                    f"price rule {rule.name} is in another currency than the benchmark; nothing is converted"
                )
            if rule.renewal == "each_trade_date" and rule.benchmark != self.benchmark.terms_sha256:
                raise ValueError(
                    f"price rule {rule.name} names other terms than the benchmark's, {self.benchmark.terms_sha256}"
                )
        return self


def load_preset(path: Path) -> Preset:
    """The preset in ``path``, complete. Raises ``InputRefused`` with every open question and every fault."""
    table = read_toml(path)
    if questions := open_questions(table):
        raise InputRefused(
            "\n".join(f"{path}: {key}: is not set; set it to {question}" for key, question in questions.items())
        )
    try:
        return Preset.model_validate(table)
    except ValidationError as error:
        raise InputRefused(faults(error, str(path))) from None


def open_questions(value: Any, key: str = "") -> dict[str, str]:
    """The keys that still say ``SET:``, and what they ask."""
    if isinstance(value, str):
        return {key: value.removeprefix(OPEN).strip()} if value.startswith(OPEN) else {}
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: dict[str, str] = {}
    for name, item in parts:
        found |= open_questions(item, f"{key}.{name}" if key else str(name))
    return found
