"""Figures that come from a file of the market name it; the record needs no name."""

import pytest

from adapters.candles import Candle
from executor.market.candles import CandleFile
from executor.report.casefile import CaseFile, casefile
from executor.report.market_seen import from_candles
from executor.report.report import html
from executor.report.words import Words
from tests.domain.events_made import AT, D, closed, created, filled, intended
from tests.report.test_report import table_text
from tests.report.test_words_held import PARENT, record

SHA256 = "5c" * 32
CANDLE = Candle(AT, D(95_000), D(95_000), D(95_000), D(95_000), D(10))
FILE = CandleFile("btc-march.csv", SHA256, (CANDLE,))


def case() -> CaseFile:
    events = created(), intended(1, "5"), filled(1, "t", "5"), closed(1, "5")
    return record(*((PARENT, event) for event in events))


def with_market(found: CaseFile) -> CaseFile:
    return casefile("CASE-1", found.lines, market=from_candles(FILE, "quote"))


@pytest.mark.parametrize(("language", "unit"), [("en", "Volume counts|money"), ("zh", "成交量单位|计价货币")])
def test_the_market_file_is_named_with_its_hash_and_unit(language: str, unit: str) -> None:
    text = table_text(with_market(case()), language, "quality")
    assert "btc-march.csv" in text
    assert SHA256 in text
    assert unit in text
    assert Words(language)("text.quality_source") in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_said_where_all_figures_come_from_the_record(language: str) -> None:
    assert Words(language)("text.quality_source") not in table_text(case(), language, "quality")


def test_a_redacted_copy_has_the_hash_that_its_reader_compares() -> None:
    assert SHA256 in html(with_market(case()), Words("en"), redacted=True)
