"""A sale of several days under a rule that takes each trade date's own average: each fill is held against its day's."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from adapters.candles import Candle
from executor.domain.average import AverageParams
from executor.domain.case_events import BenchmarkRecorded
from executor.journal.line import Line
from executor.market.benchmark import BenchmarkRecord, compute
from executor.market.candles import CandleFile
from executor.report.casefile import CaseFile, casefile
from executor.report.sections_sale import price
from executor.report.words import Words
from tests.domain.events_made import closed, created, filled, intended

D = Decimal
FIRST = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def average(day: int, px: str) -> BenchmarkRecord:
    """The average of the one day before the trade date, which is ``day`` days after the first."""
    terms = {
        "source": "x", "pair": "BTC/USD", "currency": "USD", "candle_length": 86400, "candle_stamp": "open",
        "method": "mean_of_daily_closes", "volume_unit": "base", "day_boundary": "UTC", "days": 1, "rounding": "up",
        "tolerated_missing_candles": 0, "tolerated_missing_days": 0, "decimals": 2,
        "trade_date": FIRST + timedelta(days=day),
    }  # fmt: skip
    params = AverageParams.model_validate(terms)
    at = datetime.combine(params.trade_date - timedelta(days=1), datetime.min.time(), UTC)
    return compute(params, CandleFile(f"{day}.csv", "0" * 64, (Candle(at, D(px), D(px), D(px), D(px), D(1)),)))


def case_of(
    fills: Sequence[tuple[int, str]], averages: Sequence[tuple[int, BenchmarkRecord]], named: str = ""
) -> CaseFile:
    """Fills of five coins each at noon of a day, and averages recorded an hour before noon of a day."""
    rule = {"kind": "average", "name": "mean", "currency": "USD", "scope": "per_fill", "compare": "before_fees",
            "benchmark": named, "renewal": "each_trade_date", "factor": "1"}  # fmt: skip
    plan = {"price_rules": [rule] if named else []}
    told: list[tuple[datetime, str, Any]] = [
        (NOON - timedelta(hours=2), "parent/abcdefghij", created(plan=plan, ends_at=NOON + timedelta(days=3)))
    ]
    for day, record in averages:
        event = BenchmarkRecorded(record_sha256=record.sha256, record=record.values(), who="ri")
        told.append((NOON + timedelta(days=day, hours=-1), "case/CASE-1", event))
    for number, (day, px) in enumerate(fills, 1):
        at = NOON + timedelta(days=day)
        done = (
            intended(number, "5", limit_px=D(px)),
            filled(number, f"t{number}", "5", px, at=at),
            closed(number, "5"),
        )
        told += [(at, "parent/abcdefghij", event) for event in done]
    versions: dict[str, int] = {}
    lines = []
    for at, stream, event in sorted(told, key=lambda each: each[0]):
        versions[stream] = versions.get(stream, 0) + 1
        lines.append(Line(stream=stream, version=versions[stream], case_id="CASE-1", at=at, event=event))
    return casefile("CASE-1", lines)


def beside(case: CaseFile) -> Fraction | None:
    return case.sales[0].quality.whole["benchmark_distance_bps"]


def said(case: CaseFile) -> str:
    return " ".join(each for each in price(case, Words("en")).blocks if isinstance(each, str))


TERMS = average(0, "1").parameters.terms_sha256


def test_a_fill_under_the_average_of_its_own_day_is_shown_however_low_a_later_one_is() -> None:
    case = case_of([(0, "95000"), (1, "95000")], [(0, average(0, "100000")), (1, average(1, "90000"))], TERMS)
    assert beside(case) == 0
    assert "was -500.00 bps above USD 100,000.00" in said(case)


def test_an_average_for_a_day_after_the_sale_is_not_looked_at() -> None:
    averages = [(0, average(0, "100000")), (1, average(1, "90000")), (2, average(2, "70000"))]
    case = case_of([(0, "100000"), (1, "90000")], averages, TERMS)
    assert beside(case) == 0
    assert "was 0.00 bps above USD" in said(case)


def test_rising_averages_make_no_breach() -> None:
    case = case_of([(0, "91000"), (1, "101000")], [(0, average(0, "90000")), (1, average(1, "100000"))], TERMS)
    assert beside(case) == Fraction(1000, 95000) * 10_000
    assert "was 100.00 bps above USD 100,000.00" in said(case)


def test_a_day_without_an_average_is_not_compared_and_said_so() -> None:
    case = case_of([(0, "91000"), (1, "101000")], [(0, average(0, "90000"))], TERMS)
    assert beside(case) is None
    assert "was 111.11 bps above USD 90,000.00" in said(case)
    assert "For 1 of 2 fills the record holds no average" in said(case)


def test_where_the_rule_waits_for_its_first_average_the_report_says_so() -> None:
    assert "rests on an average, and the record holds none" in said(case_of([], [], TERMS))
    assert "The plan rests on no average" in said(case_of([], []))


@pytest.mark.parametrize(("day", "found"), [(-1, "was 0.00 bps"), (0, "was 0.00 bps"), (1, "For 1 of 1 fills")])
def test_one_that_no_rule_names_serves_from_its_day_on(day: int, found: str) -> None:
    assert found in said(case_of([(0, "90000")], [(0, average(day, "90000"))]))
