"""Averages of recorded candles, to the last digit, against a second calculation that shares no code with the first."""

import gzip
import math
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapters.candles import Candle
from executor.domain.price_rules import AverageRule, PriceContext, PriceRules, lowest_price
from executor.market.benchmark import BenchmarkRecord, compute, differences
from executor.market.candles import CandleFile, load
from tests.market.recorded import BINANCE, BINANCE_TERMS, FTX, FTX_TERMS, SYNTHETIC, params, recorded


@cache
def candles(path: Path) -> CandleFile:
    return load(path)


# --- the second calculation: text, whole numbers and dictionaries; no Candle, no zone, no Decimal ---------------------


@cache
def cells(path: Path) -> list[tuple[date, str, list[str]]]:
    """Day, time and the columns of each line, cut from the text."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    lines = [line.split(",") for line in text.split("\n")[1:] if line]
    return [(date(int(c[0][:4]), int(c[0][5:7]), int(c[0][8:10])), c[0][11:19], c[1:]) for c in lines]


def spreadsheet(path: Path, trade_date: date, *, weighted: bool = False, quote: bool = False) -> Fraction:
    """Mean of the last closes of the 20 UTC days before, or the volume-weighted average of their closes."""
    rows = [row for row in cells(path) if trade_date - timedelta(days=20) <= row[0] < trade_date]
    if not weighted:
        last = {day: columns[3] for day, _, columns in rows}
        assert len(last) == 20
        return sum(map(Fraction, last.values())) / 20
    paid: dict[str, Fraction] = {}  # price -> volume traded at it, which keeps the fractions few
    for _, _, columns in rows:
        paid[columns[3]] = paid.get(columns[3], Fraction(0)) + Fraction(columns[4])
    if not quote:
        return sum(Fraction(px) * volume for px, volume in paid.items()) / sum(paid.values())
    # With whole numbers over one denominator: the product of all prices would be too long to divide by repeatedly.
    scale = 10**60
    low = sum(volume.numerator * scale // (volume.denominator * Fraction(px)) for px, volume in paid.items())
    return sum(paid.values()) * scale / Fraction(low)  # right to some 50 digits, far beyond the cents that are compared


def cents_up(exact: Fraction) -> str:
    cents = math.ceil(exact * 100)
    return f"{cents // 100}.{cents % 100:02d}"


# --- the figures ------------------------------------------------------------------------------------------------------

FTX_MEANS = {  # trade date -> mean of the 20 daily closes before it, USD, UTC days, rounded up to the cent
    "2022-01-21": "43326.50",
    "2022-01-22": "42764.25",
    "2022-01-23": "42148.60",
    "2022-01-24": "41640.50",
    "2022-01-25": "41179.95",
    "2022-01-26": "40853.80",
    "2022-01-27": "40536.75",
    "2022-01-28": "40312.75",
    "2022-01-29": "40115.00",
    "2022-01-30": "39931.95",
    "2022-01-31": "39735.80",
}
BINANCE_MEANS = {  # USDT
    "2024-11-21": "81634.66",
    "2024-11-22": "83075.71",
    "2024-11-23": "84551.58",
    "2024-11-24": "85996.40",
    "2024-11-25": "87498.90",
}


@pytest.mark.parametrize("day", range(21, 32))
def test_ftx_mean_of_daily_closes(day: int) -> None:
    path, on = recorded(FTX), date(2022, 1, day)
    record = compute(params(trade_date=on, **FTX_TERMS), candles(path))
    assert record.result == cents_up(spreadsheet(path, on))
    assert record.result == FTX_MEANS[on.isoformat()]
    assert record.candle_count == 20 * 1440


@pytest.mark.parametrize("day", range(21, 26))
def test_binance_mean_of_daily_closes(day: int) -> None:
    path, on = recorded(BINANCE), date(2024, 11, day)
    record = compute(params(trade_date=on, **BINANCE_TERMS), candles(path))
    assert record.result == cents_up(spreadsheet(path, on)) == BINANCE_MEANS[on.isoformat()]
    assert record.candle_count == 20 * 288


def test_the_first_trade_date_of_the_ftx_file_lacks_most_of_a_day() -> None:
    """The file begins at 23:01 on 31 December: the 20 days before 20 January are whole only with a tolerance."""
    path, on = recorded(FTX), date(2022, 1, 20)
    with pytest.raises(Exception, match=r"1381 candles are missing \(tolerated 0\): 2021-12-31T00:00:00Z to "):
        compute(params(trade_date=on, **FTX_TERMS), candles(path))
    record = compute(params(trade_date=on, tolerated_missing_candles=1381, **FTX_TERMS), candles(path))
    assert record.result == cents_up(spreadsheet(path, on)) == "43602.00"
    assert (record.days[0].day, record.days[0].candles, record.days[0].missing) == ("2021-12-31", 59, 1381)


@pytest.mark.parametrize(
    ("name", "on", "terms", "quote", "figure"),
    [
        (FTX, date(2022, 1, 21), FTX_TERMS, True, "43175.18"),
        (BINANCE, date(2024, 11, 21), BINANCE_TERMS, False, "82639.28"),
    ],
)
def test_volume_weighted(name: str, on: date, terms: dict[str, Any], quote: bool, figure: str) -> None:
    """FTX's volume is in USD, Binance's in coins: the formula differs and the unit must be said."""
    path = recorded(name)
    weighted = {"method": "volume_weighted", "candle_price": "close"}
    record = compute(params(trade_date=on, **terms, **weighted), candles(path))
    assert record.result == cents_up(spreadsheet(path, on, weighted=True, quote=quote)) == figure
    mistaken = terms | weighted | {"volume_unit": "base" if quote else "quote"}
    assert compute(params(trade_date=on, **mistaken), candles(path)).result != record.result


@pytest.mark.parametrize("day", range(20, 32))
def test_the_recorded_price_is_under_its_mean_on_every_trade_date(day: int) -> None:
    """From 20 January 2022 not one candle of the trade date reaches the floor: a sale that obeys it sells nothing."""
    path, on = recorded(FTX), date(2022, 1, day)
    tolerated = 1381 if day == 20 else 0
    record = compute(params(trade_date=on, tolerated_missing_candles=tolerated, **FTX_TERMS), candles(path))
    floor, of_day = floor_on(record, path)
    assert len(of_day) == 1440
    assert max(candle.high for candle in of_day) < floor


def test_the_made_up_price_falls_through_its_mean() -> None:
    """In the morning of the trade date it can be sold, from some hour on it cannot."""
    record = compute(params(trade_date=date(2026, 1, 21), volume_unit="quote"), candles(SYNTHETIC))
    floor, of_day = floor_on(record, SYNTHETIC)
    assert all(candle.low > floor for candle in of_day[:4])
    assert all(candle.high < floor for candle in of_day[12:])
    later = [candle for candle in candles(SYNTHETIC).candles if candle.at >= of_day[12].at]
    assert all(candle.high < floor for candle in later)


def floor_on(record: BenchmarkRecord, path: Path) -> tuple[Decimal, list[Candle]]:
    """The floor that the rule makes of the record, and the candles of the trade date."""
    mark = record.benchmark()
    rule = AverageRule.model_validate(
        {"kind": "average", "name": "average-20-days", "currency": "USD", "scope": "per_fill", "factor": 1}
        | {"compare": "before_fees", "benchmark": record.parameters.terms_sha256, "renewal": "each_trade_date"}
    )
    cent = Decimal("0.01")
    context = PriceContext("USD", tick=cent, qty=Decimal(1), now=mark.starts_at, benchmarks=[mark])
    floor = lowest_price(PriceRules(rules=(rule,)), context).px
    assert f"{floor:.2f}" == record.result
    return floor, [c for c in candles(path).candles if mark.starts_at <= c.at < mark.ends_at]


def test_made_up_candles_without_any_recording() -> None:
    """What a fresh clone can check: the same comparison on the file that comes with the project."""
    on = date(2026, 1, 21)
    record = compute(params(trade_date=on, volume_unit="quote"), candles(SYNTHETIC))
    assert record.result == cents_up(spreadsheet(SYNTHETIC, on))
    weighted = params(trade_date=on, volume_unit="quote", method="volume_weighted", candle_price="close")
    result = compute(weighted, candles(SYNTHETIC)).result
    assert result == cents_up(spreadsheet(SYNTHETIC, on, weighted=True, quote=True))
    assert differences(record, candles(SYNTHETIC)) == []
