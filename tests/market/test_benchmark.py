"""The average: what it refuses, what moves it, and that nothing about a record can be changed unseen."""

import csv
import io
import itertools
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.candles import Candle
from executor.domain.average import AverageParams
from executor.domain.trade_days import boundary, days_before, trade_date_at, trade_day
from executor.errors import InputRefused, RecordBroken
from executor.market.benchmark import compute, differences, read_record
from executor.market.candles import CandleFile, load
from executor.market.ratios import RatioSum, rounded
from tests.market.recorded import SYNTHETIC, params

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = st.integers(1, 10**8).map(lambda n: Decimal(n).scaleb(-2))


def candle(at: datetime, close: Decimal | int | str, volume: Decimal | int | str = 1) -> Candle:
    px = Decimal(close)
    return Candle(at, px, px, px, px, Decimal(volume))


def file(candles: list[Candle]) -> CandleFile:
    return CandleFile("made.csv", "0" * 64, tuple(candles))


def hourly(closes: list[Decimal], start: datetime = START) -> CandleFile:
    return file([candle(start + n * HOUR, close, n + 1) for n, close in enumerate(closes)])


def two_days(**changes: object) -> AverageParams:
    return params(**{"days": 2, "trade_date": "2026-01-03", "decimals": 6} | changes)


DAYS = st.lists(PRICES, min_size=48, max_size=48)
METHODS = st.sampled_from(
    [{"method": "mean_of_daily_closes"}]
    + [
        {"method": "volume_weighted", "candle_price": px, "volume_unit": unit}
        for px in ("close", "hlc3", "ohlc4")
        for unit in ("base", "quote")
    ]
)


def test_mean_is_of_last_closes_and_rounded_once_in_the_stated_direction() -> None:
    closes = [Decimal(1)] * 23 + [Decimal(10)] + [Decimal(1)] * 23 + [Decimal(11)] + [Decimal(1)] * 23 + [Decimal(10)]
    given_three = {"days": 3, "trade_date": "2026-01-04", "decimals": 2}
    results = {
        way: compute(params(**given_three, rounding=way), hourly(closes)).result for way in ("up", "down", "half_even")
    }
    assert results == {"up": "10.34", "down": "10.33", "half_even": "10.33"}


@given(DAYS, METHODS, st.integers(1, 1000))
def test_prices_times_a_number_give_the_average_times_that_number(
    closes: list[Decimal], method: dict[str, str], factor: int
) -> None:
    # Volume in quote currency scales with the price; without that the weights would change.
    by = factor if method.get("volume_unit") == "quote" else 1
    before, after = hourly(closes), hourly([close * factor for close in closes])
    after = file([candle(c.at, c.close, c.volume * by) for c in after.candles])
    terms = two_days(**method, rounding="down", decimals=18)
    low, high = Fraction(compute(terms, before).result), Fraction(compute(terms, after).result)
    assert 0 <= high - low * factor < factor * Fraction(1, 10**18) + Fraction(1, 10**18)


@given(DAYS, METHODS)
def test_the_average_lies_between_the_lowest_and_the_highest_close(
    closes: list[Decimal], method: dict[str, str]
) -> None:
    result = Decimal(compute(two_days(**method), hourly(closes)).result)
    assert min(closes) <= result <= max(closes)


@given(DAYS, METHODS, st.integers(-14, 14))
def test_moving_the_boundary_with_the_candles_changes_nothing(
    closes: list[Decimal], method: dict[str, str], by: int
) -> None:
    offset = f"{'-' if by < 0 else '+'}{abs(by):02d}:00"
    there = compute(two_days(**method, day_boundary=offset), hourly(closes, START - by * HOUR))
    assert there.result == compute(two_days(**method), hourly(closes)).result


def test_moving_the_boundary_alone_moves_the_closes() -> None:
    closes = [Decimal(n) for n in range(1, 97)]
    utc = compute(params(days=2, trade_date="2026-01-04"), hourly(closes))
    hong_kong = compute(params(days=2, trade_date="2026-01-04", day_boundary="Asia/Hong_Kong"), hourly(closes))
    assert [day.close for day in utc.days] == ["48", "72"]
    assert [day.close for day in hong_kong.days] == ["40", "64"]
    assert hong_kong.days[0].starts_at == "2026-01-01T16:00:00Z"
    assert (utc.result, hong_kong.result) == ("60.00", "52.00")


def test_a_candle_named_by_its_end_belongs_to_the_day_in_which_it_opens() -> None:
    closes = [Decimal(n) for n in range(1, 49)]
    assert (
        compute(two_days(candle_stamp="close"), hourly(closes, START + HOUR)).result
        == compute(two_days(), hourly(closes)).result
    )


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("base", Fraction(10 * 1 + 40 * 3, 4)), ("quote", Fraction(1 + 3) / (Fraction(1, 10) + Fraction(3, 40)))],
)
def test_volume_weighted_by_hand(weights: str, expected: Fraction) -> None:
    made = file([candle(START, 10, 1), candle(START + timedelta(hours=12), 40, 3)])
    terms = params(days=1, trade_date="2026-01-02", candle_length="12h", method="volume_weighted", candle_price="close")
    result = compute(terms.model_copy(update={"volume_unit": weights}), made).result
    assert result == rounded(expected.numerator, expected.denominator, 2, "up")


# --- what is missing or crooked ---------------------------------------------------------------------------------------


def test_missing_candles_are_named_and_tolerated_only_as_stated() -> None:
    whole = hourly([Decimal(5)] * 48)
    holed = file([c for n, c in enumerate(whole.candles) if n not in (3, 4, 30)])
    with pytest.raises(
        InputRefused, match=r"3 candles are missing \(tolerated 2\): 2026-01-01T03:00:00Z to "
    ) as caught:
        compute(two_days(tolerated_missing_candles=2), holed)
    assert "2026-01-01T04:00:00Z, 2026-01-02T06:00:00Z; get the whole period" in str(caught.value)
    record = compute(two_days(tolerated_missing_candles=3), holed)
    assert [day.missing for day in record.days] == [2, 1]


def test_a_day_without_candles_is_left_out_only_if_tolerated() -> None:
    whole = hourly([Decimal(5)] * 24 + [Decimal(8)] * 24)
    second = file(list(whole.candles[24:]))
    with pytest.raises(InputRefused, match=r"no candle on 2026-01-01 \(1 days, tolerated 0\)"):
        compute(two_days(tolerated_missing_candles=24), second)
    record = compute(two_days(tolerated_missing_days=1), second)
    assert (record.result, record.days[0].close, record.candle_count) == ("8.000000", None, 24)
    with pytest.raises(InputRefused, match="no candle on 2026-01-01, 2026-01-02"):
        compute(two_days(tolerated_missing_days=1), hourly([Decimal(1)], START - 24 * HOUR))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"candle_length": "30m", "tolerated_missing_candles": 0}, "48 candles are missing"),
        ({"candle_length": "2h"}, "does not lie on the grid"),
        ({"day_boundary": "+05:30"}, "does not lie on the grid"),
        ({"candle_length": "7h"}, "is not a whole number of candles"),
    ],
)
def test_candles_that_do_not_fit_the_parameters(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InputRefused, match=reason):
        compute(two_days(**changes), hourly([Decimal(5)] * 60, START - 8 * HOUR))


def test_no_volume_no_weighted_average() -> None:
    made = file([candle(START + n * HOUR, 5, 0) for n in range(48)])
    with pytest.raises(InputRefused, match="volume of the whole window is zero"):
        compute(two_days(method="volume_weighted", candle_price="close"), made)


@given(order=st.permutations(range(48)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_rows_in_another_order_are_refused(order: list[int], tmp_path: Path) -> None:
    head, *rows = SYNTHETIC.read_text().splitlines()[:49]
    path = tmp_path / "shuffled.csv"
    path.write_text("\n".join([head, *(rows[n] for n in order)]) + "\n")
    if order == list(range(48)):
        assert len(load(path).candles) == 48
        return
    with pytest.raises(InputRefused, match="is not after the previous row"):
        load(path)


# --- nothing has a default --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(AverageParams.model_fields) - {"candle_price"}))
def test_every_parameter_must_be_given(name: str) -> None:
    values = params().values()
    del values[name]
    with pytest.raises(ValueError, match=rf"{name}\n  Field required"):
        AverageParams.model_validate(values)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "volume_weighted"}, "candle_price belongs to"),
        ({"candle_price": "close"}, "candle_price belongs to"),
        ({"day_boundary": "Hong Kong"}, "not a day boundary known here"),
        ({"day_boundary": "+24:00"}, "not an offset"),
        ({"tolerated_missing_days": 20}, "at least one day"),
        ({"days": 0}, "greater than or equal to 1"),
        ({"rounding": "nearest"}, "up"),
        ({"source": ""}, "at least 1"),
        ({"typo": 1}, "not permitted"),
    ],
)
def test_parameters_that_make_no_sense(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        params(**changes)


def test_terms_are_the_same_on_every_trade_date_and_differ_with_any_choice() -> None:
    terms = params().terms_sha256
    assert params(trade_date="2026-01-22").terms_sha256 == terms
    assert params(days=21).terms_sha256 != terms
    assert params(source="another").terms_sha256 != terms


# --- days -------------------------------------------------------------------------------------------------------------


def test_days_where_clocks_change() -> None:
    new_york = boundary("America/New_York")
    spring = trade_day(date(2024, 3, 10), new_york)
    assert spring.ends_at - spring.starts_at == timedelta(hours=23)
    days = days_before(date(2024, 3, 12), 3, new_york)
    assert [day.day.day for day in days] == [9, 10, 11]
    assert all(one.ends_at == other.starts_at for one, other in itertools.pairwise(days))
    assert trade_date_at(datetime(2026, 1, 1, 17, tzinfo=UTC), boundary("+08:00")) == date(2026, 1, 2)


# --- exact sums and the rounding --------------------------------------------------------------------------------------


@given(st.lists(st.fractions(min_value=0, max_value=1000), max_size=40))
def test_sums_are_exact(terms: list[Fraction]) -> None:
    total = RatioSum()
    for term in terms:
        total.add(term)
    assert Fraction(*total.total()) == sum(terms, Fraction(0))


@given(st.fractions(min_value=0, max_value=10**6), st.integers(0, 8))
def test_rounding(exact: Fraction, decimals: int) -> None:
    unit = Fraction(1, 10**decimals)
    down, up, even = (
        Fraction(rounded(exact.numerator, exact.denominator, decimals, way)) for way in ("down", "up", "half_even")
    )
    assert down <= exact <= up
    assert up - down in (0, unit)
    assert even == round(exact / unit) * unit
    assert (up == down) == ((exact / unit).denominator == 1)


# --- the record -------------------------------------------------------------------------------------------------------


def test_the_record_is_canonical_and_comes_back(tmp_path: Path) -> None:
    record = compute(params(volume_unit="quote"), load(SYNTHETIC))
    assert record.canonical() == rfc8785.dumps(record.values())
    path = tmp_path / "record.json"
    path.write_bytes(record.canonical() + b"\n")
    assert read_record(path) == record
    assert differences(read_record(path), load(SYNTHETIC)) == []
    renamed = tmp_path / "exhibit-7.csv"
    renamed.write_bytes(SYNTHETIC.read_bytes())
    assert differences(record, load(renamed)) == []


def test_anyone_with_a_spreadsheet_gets_the_same_from_the_record_and_the_file() -> None:
    """Only what the record says is used: its day table, its parameters, and the rows of the file between its times."""
    record = json.loads(compute(params(volume_unit="quote"), load(SYNTHETIC)).canonical())
    rows = list(csv.DictReader(io.StringIO(SYNTHETIC.read_text())))
    closes = []
    for day in record["days"]:
        inside = [r for r in rows if day["starts_at"] <= r["timestamp"].replace(" ", "T") + "Z" < day["ends_at"]]
        assert len(inside) == day["candles"]
        assert inside[-1]["close"] == day["close"]
        assert sum(Decimal(r["volume"]) for r in inside) == Decimal(day["volume"])
        closes.append(Fraction(day["close"]))
    mean = sum(closes) / len(closes)
    assert record["parameters"]["rounding"] == "up"
    unit = 10 ** record["parameters"]["decimals"]
    assert Fraction(record["result"]) - Fraction(1, unit) < mean <= Fraction(record["result"])
    assert record["candle_count"] == sum(day["candles"] for day in record["days"])


@given(position=st.integers(0, 10**6), step=st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_one_changed_digit_of_one_candle_is_seen(position: int, step: int, tmp_path: Path) -> None:
    text = SYNTHETIC.read_text()
    record = compute(params(volume_unit="quote"), load(SYNTHETIC))
    digits = [n for n, letter in enumerate(text) if letter.isdigit()]
    place = digits[position % len(digits)]
    path = tmp_path / SYNTHETIC.name
    path.write_text(text[:place] + str((int(text[place]) + step) % 10) + text[place + 1 :])
    try:
        changed = load(path)
    except InputRefused:
        return  # no candle file any more
    found = differences(record, changed)
    assert found
    assert found[0].startswith(("file_sha256: ", "it cannot be computed"))


def test_a_changed_close_changes_the_result(tmp_path: Path) -> None:
    record = compute(params(volume_unit="quote"), load(SYNTHETIC))
    path = tmp_path / SYNTHETIC.name
    line = next(line for line in SYNTHETIC.read_text().splitlines() if line.startswith("2026-01-20 23:00:00"))
    cells = line.split(",")
    cells[4] = str(Decimal(cells[4]) + Decimal("0.1"))
    path.write_text(SYNTHETIC.read_text().replace(line, ",".join(cells)))
    found = differences(record, load(path))
    assert any(each.startswith("result: the record says ") for each in found)
    assert "days: 2026-01-20 differ" in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"result":"', b'"result": "'),
        (b'"kind":"average"', b'"kind":"mean"'),
        (b'"formula_version":1', b'"formula_version":1.0'),
        (b'{"candle_count"', b'{"more":1,"candle_count"'),
        (b"}", b""),
    ],
)
def test_a_record_that_is_none(old: bytes, new: bytes, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    text = compute(params(volume_unit="quote"), load(SYNTHETIC)).canonical()
    assert old in text
    path.write_bytes(text.replace(old, new))
    with pytest.raises(RecordBroken, match=r"is not (a|the canonical JSON of a) benchmark record"):
        read_record(path)
