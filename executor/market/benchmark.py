"""N-day average before the trade date, computed so that anyone gets the same digits from the record and the file.

The parameters, none of which has a default, are in :mod:`executor.domain.average`.
All arithmetic is in whole numbers and fractions; one rounding at the end, in a stated direction.
"""

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from adapters.candles import Candle
from executor.domain.average import AverageParams
from executor.domain.canonical import canonical, digest
from executor.domain.plan import Frozen
from executor.domain.price_rules import Benchmark
from executor.domain.trade_days import TradeDay, boundary, days_before, trade_day
from executor.errors import InputRefused, RecordBroken
from executor.market.candles import CandleFile
from executor.market.ratios import RatioSum, rounded

FORMULA_VERSION = 1

_WINDOW = (
    "The window is the `days` calendar days before `trade_date`; a day runs from its midnight at `day_boundary` up to "
    "the next. A candle opens at its timestamp (`candle_stamp` open) or at its timestamp less `candle_length` (close) "
    "and belongs to the day in which it opens. Days without a candle are left out. "
)
_ROUNDED = "Computed in exact fractions and rounded once, `rounding` to `decimals` decimals."
FORMULAS = {
    "mean_of_daily_closes": _WINDOW
    + "Result = (C_1 + ... + C_n) / n, where C_d is the close of the last candle of day d and n the number of days not "
    + "left out. "
    + _ROUNDED,
    "volume_weighted": _WINDOW
    + "With p_i the `candle_price` of candle i (close; hlc3 = (high + low + close) / 3; ohlc4 = (open + high + low + "
    + "close) / 4) and v_i its volume: volume_unit base: result = sum(p_i * v_i) / sum(v_i); volume_unit quote: result "
    + "= sum(v_i) / sum(v_i / p_i). "
    + _ROUNDED,
}

_LISTED = 10  # how many gaps an error names


def _above_zero(text: str) -> str:
    if not text.strip("0."):
        raise ValueError("an average is above zero")
    return text


_Price = Annotated[str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$"), AfterValidator(_above_zero)]


class DayUsed(Frozen):
    """What one day of the window gave. Amounts are text as in the file; ``volume`` is the exact sum of the candles."""

    day: str
    starts_at: str
    ends_at: str
    candles: int
    missing: int
    close: str | None
    volume: str


class BenchmarkRecord(Frozen):
    """The average with all that is needed to make it again. ``canonical`` is its one spelling (RFC 8785)."""

    kind: Literal["average"] = "average"
    formula: str
    formula_version: int
    parameters: AverageParams
    file: str
    file_sha256: str
    candle_count: int
    first_candle: str
    last_candle: str
    trade_date_starts_at: str
    trade_date_ends_at: str
    days: tuple[DayUsed, ...]
    result: _Price

    def values(self) -> dict[str, Any]:
        """The record as JSON values."""
        return self.model_dump(mode="json") | {"parameters": self.parameters.values()}

    def canonical(self) -> bytes:
        """Canonical JSON: what is hashed, kept and handed over."""
        return canonical(self.values())

    @property
    def sha256(self) -> str:
        """What a plan names when one average holds for the whole sale."""
        return digest(self.values())

    def benchmark(self) -> Benchmark:
        """The record as price rules see it."""
        return Benchmark(
            record_sha256=self.sha256,
            terms_sha256=self.parameters.terms_sha256,
            trade_date=self.parameters.trade_date,
            starts_at=datetime.fromisoformat(self.trade_date_starts_at),
            ends_at=datetime.fromisoformat(self.trade_date_ends_at),
            px=Decimal(self.result),
            currency=self.parameters.currency,
        )


def compute(params: AverageParams, file: CandleFile) -> BenchmarkRecord:
    """The average of ``file`` under ``params``. Raises ``InputRefused`` naming what is missing."""
    zone = boundary(params.day_boundary)
    window = days_before(params.trade_date, params.days, zone)
    shift = timedelta(seconds=params.candle_length if params.candle_stamp == "close" else 0)
    by_day = [(day, _of_day(day, file.candles, shift)) for day in window]
    _complete(params, by_day, shift, file.name)
    used = [candle for _, candles in by_day for candle in candles]
    if params.method == "mean_of_daily_closes":
        numerator, denominator = _mean_of_closes(by_day)
    else:
        numerator, denominator = _volume_weighted(params, used, file.name)
    on = trade_day(params.trade_date, zone)
    return BenchmarkRecord(
        formula=FORMULAS[params.method],
        formula_version=FORMULA_VERSION,
        parameters=params,
        file=file.name,
        file_sha256=file.sha256,
        candle_count=len(used),
        first_candle=_stamp(used[0].at),
        last_candle=_stamp(used[-1].at),
        trade_date_starts_at=_stamp(on.starts_at),
        trade_date_ends_at=_stamp(on.ends_at),
        days=tuple(_used(day, candles, params.candle_length) for day, candles in by_day),
        result=rounded(numerator, denominator, params.decimals, params.rounding),
    )


def read_record(path: Path) -> BenchmarkRecord:
    """The record in ``path``. Raises ``RecordBroken`` if it is not one, or not in its one spelling."""
    try:
        text = path.read_bytes()
        record = BenchmarkRecord.model_validate(json.loads(text, parse_float=Decimal))
    except OSError as error:
        raise InputRefused(f"{path}: cannot be read ({error.strerror}); check the name and the permissions") from None
    except (ValueError, RecursionError) as error:
        what = f"{error.error_count()} faults" if isinstance(error, ValidationError) else str(error)
        raise RecordBroken(f"{path}: is not a benchmark record ({what}); take it from the bundle again") from None
    if text.strip() != record.canonical():
        raise RecordBroken(f"{path}: is not the canonical JSON of a benchmark record; take it from the bundle again")
    return record


def differences(record: BenchmarkRecord, file: CandleFile) -> list[str]:
    """What comes out differently when ``record`` is made again from ``file``; empty if every byte is the same. The
    file may have been renamed: its hash says what it is."""
    try:
        again = compute(record.parameters, replace(file, name=record.file)).values()
    except InputRefused as error:
        return [f"it cannot be computed from this file: {error}"]
    kept = record.values()
    return [_difference(name, kept[name], again[name]) for name in kept if kept[name] != again[name]]


def _difference(name: str, kept: Any, again: Any) -> str:
    if name == "days":
        changed = [one["day"] for one, other in zip(kept, again, strict=False) if one != other]
        return f"days: {', '.join(changed) or 'their number'} differ"
    return f"{name}: the record says {kept}, the file gives {again}"


def _of_day(day: TradeDay, candles: Sequence[Candle], shift: timedelta) -> list[Candle]:
    first, after = (bisect_left(candles, edge + shift, key=lambda c: c.at) for edge in (day.starts_at, day.ends_at))
    return list(candles[first:after])


def _complete(
    params: AverageParams, by_day: Sequence[tuple[TradeDay, list[Candle]]], shift: timedelta, name: str
) -> None:
    """Refuse candles beside the grid, and more missing ones than the parameters tolerate."""
    step = timedelta(seconds=params.candle_length)
    missing: list[datetime] = []
    empty: list[date] = []
    for day, candles in by_day:
        if (day.ends_at - day.starts_at) % step:
            raise InputRefused(f"candle_length: {day.day} is not a whole number of candles of {step}; correct it")
        for candle in candles:
            if (candle.at - shift - day.starts_at) % step:
                raise InputRefused(
                    f"{name}: the candle at {_stamp(candle.at)} does not lie on the grid of {step} from the start of "
                    f"{day.day} ({_stamp(day.starts_at)}); correct candle_length, candle_stamp or day_boundary"
                )
        if not candles:
            empty.append(day.day)
        elif len(candles) < (day.ends_at - day.starts_at) // step:
            there = {candle.at for candle in candles}
            missing += [at for at in _grid(day, step, shift) if at not in there]
    faults = []
    if len(empty) > params.tolerated_missing_days:
        faults.append(
            f"no candle on {', '.join(map(str, empty))} ({len(empty)} days, tolerated {params.tolerated_missing_days})"
        )
    if len(missing) > params.tolerated_missing_candles:
        runs = _runs(missing, step)
        more = f" and {len(runs) - _LISTED} more gaps" if len(runs) > _LISTED else ""
        faults.append(
            f"{len(missing)} candles are missing (tolerated {params.tolerated_missing_candles}): "
            f"{', '.join(runs[:_LISTED])}{more}"
        )
    if faults:
        raise InputRefused(f"{name}: {'; '.join(faults)}; get the whole period, or have a tolerance approved")


def _runs(missing: Sequence[datetime], step: timedelta) -> list[str]:
    """Missing candles with neighbours told as one gap: the timestamps of its first and last."""
    gaps: list[list[datetime]] = []
    for at in missing:
        if gaps and at - gaps[-1][-1] == step:
            gaps[-1].append(at)
        else:
            gaps.append([at])
    return [_stamp(gap[0]) + (f" to {_stamp(gap[-1])}" if len(gap) > 1 else "") for gap in gaps]


def _grid(day: TradeDay, step: timedelta, shift: timedelta) -> list[datetime]:
    return [day.starts_at + shift + step * n for n in range((day.ends_at - day.starts_at) // step)]


def _mean_of_closes(by_day: Sequence[tuple[TradeDay, list[Candle]]]) -> tuple[int, int]:
    closes = [Fraction(candles[-1].close) for _, candles in by_day if candles]
    mean = sum(closes, Fraction(0)) / len(closes)
    return mean.numerator, mean.denominator


def _volume_weighted(params: AverageParams, candles: Sequence[Candle], name: str) -> tuple[int, int]:
    base, quote = RatioSum(), RatioSum()
    for candle in candles:
        px, volume = _price(candle, params.candle_price or "close"), Fraction(candle.volume)
        if params.volume_unit == "base":
            base.add(volume)
            quote.add(px * volume)
        else:
            base.add(volume / px)
            quote.add(volume)
    over, under = quote.total(), base.total()
    if under[0] == 0:
        raise InputRefused(f"{name}: the volume of the whole window is zero: there is no volume-weighted average")
    return over[0] * under[1], over[1] * under[0]


def _price(candle: Candle, which: str) -> Fraction:
    if which == "close":
        return Fraction(candle.close)
    parts = [candle.high, candle.low, candle.close] + ([candle.open] if which == "ohlc4" else [])
    return sum(map(Fraction, parts), Fraction(0)) / len(parts)


def _used(day: TradeDay, candles: Sequence[Candle], length: int) -> DayUsed:
    volume = sum((Fraction(candle.volume) for candle in candles), Fraction(0))
    expected = (day.ends_at - day.starts_at) // timedelta(seconds=length)
    return DayUsed(
        day=day.day.isoformat(),
        starts_at=_stamp(day.starts_at),
        ends_at=_stamp(day.ends_at),
        candles=len(candles),
        missing=expected - len(candles),
        close=f"{candles[-1].close:f}" if candles else None,
        volume=_decimal(volume),
    )


def _decimal(value: Fraction) -> str:
    """A sum of decimal numbers is one: its digits, all of them."""
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    return rounded(value.numerator, value.denominator, digits, "down")


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
