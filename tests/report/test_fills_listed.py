"""The period of a sale, and the lists of its fills: two sales of one case are told apart in them."""

import csv
import io
from datetime import timedelta

import pytest

from executor.report.blocks import Table
from executor.report.bundle import bundle_files
from executor.report.casefile import CaseFile
from executor.report.report import summary
from executor.report.sections_sale import all_fills
from executor.report.words import Words
from tests.domain.events_made import AT, D, created, filled, intended
from tests.report.test_words_held import PARENT, record, sale


def listed(case: CaseFile, language: str) -> tuple[list[str], list[list[str]]]:
    (table,) = [block for block in all_fills(case, Words(language)).blocks if isinstance(block, Table)]
    return [label for label, _ in table.columns], table.rows


def two_sales() -> CaseFile:
    """One bitcoin for dollars, and one ether for Hong Kong dollars."""
    other = created(parent_id="second", asset="ETH", quote_asset="HKD", floor_px=D(1000))
    sold = filled(1, "t2", "1", "24000", client_order_id="second-1", fee_asset="HKD")
    return record(
        (PARENT, created()), (PARENT, intended(1, "5")), (PARENT, filled(1, "t1", "1")),
        ("parent/second", other), ("parent/second", intended(1, "5", client_order_id="second-1")),
        ("parent/second", sold),
    )  # fmt: skip


def test_a_fill_that_was_recorded_late_lies_within_the_period() -> None:
    late = filled(1, "t2", "1", at=AT + timedelta(minutes=10))
    case = sale(intended(1, "5"), filled(1, "t1", "1", at=AT + timedelta(minutes=50)), late)
    (period,) = [row[1] for row in summary(case, Words("en")).rows if row[0] == "Period"]
    assert period == "23 November 2026, 10:10:00 – 23 November 2026, 10:50:00"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_fill_says_what_was_sold_for_what(language: str) -> None:
    heads, rows = listed(two_sales(), language)
    assert len(set(heads)) == len(heads)
    words = Words(language)
    shown = [
        [row[heads.index(words(f"label.{name}"))] for name in ("parent", "asset", "quote_asset", "px")] for row in rows
    ]
    assert shown == [["abcdefghij", "BTC", "USD", "95,000.00"], ["second", "ETH", "HKD", "24,000.00"]]


def test_where_there_is_one_sale_its_name_takes_no_room() -> None:
    heads, (row,) = listed(sale(intended(1, "5"), filled(1, "t1", "1")), "en")
    assert "Parent order" not in heads
    assert len(row) == len(heads)


def test_the_table_of_fills_says_it_too() -> None:
    fills = list(csv.DictReader(io.StringIO(bundle_files(two_sales(), {}, {}, {})["fills.csv"].decode())))
    assert [(each["parent"], each["asset"], each["quote_asset"], each["px"]) for each in fills] == [
        ("abcdefghij", "BTC", "USD", "95000"),
        ("second", "ETH", "HKD", "24000"),
    ]
