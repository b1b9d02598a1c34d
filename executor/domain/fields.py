"""The kinds of values that files of people hold: exact amounts, durations, names. Nothing is read approximately."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from executor.domain.money import bounded, parse_amount


def exact(value: Any) -> Decimal:
    """An exact number: TOML is read with decimals kept; a float from elsewhere has lost its digits and is refused."""
    if isinstance(value, Decimal):
        return bounded(value) if value.is_finite() else value
    if isinstance(value, float):
        raise ValueError('write the number in quotes, for example "500.5": a bare 500.5 is not exact')  # noqa: TRY004
    if isinstance(value, int) and not isinstance(value, bool):
        return bounded(Decimal(value))
    if not isinstance(value, str):
        raise ValueError('write a decimal number in quotes, for example "500"')  # noqa: TRY004
    return parse_amount(value)


def _seconds(value: Any) -> int:
    """``"8h"``, ``"90m"``, ``"45s"``, ``"2d"`` or a whole number of seconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if isinstance(value, str) and value[-1:] in units and value[:-1].isdigit():
        return int(value[:-1]) * units[value[-1]]
    raise ValueError('write a duration such as "8h", "15m" or "30s"')


Amount = Annotated[Decimal, BeforeValidator(exact)]
PositiveAmount = Annotated[Decimal, BeforeValidator(exact), Field(gt=0)]
Seconds = Annotated[int, BeforeValidator(_seconds), Field(gt=0)]
Share = Annotated[Decimal, BeforeValidator(exact), Field(ge=0, lt=1)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]


class Frozen(BaseModel):
    """Values from a file: unknown keys are errors, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
