"""The report: what it says in both languages, and the PDF as a reader's program sees it."""

import re
import resource
import shutil
import subprocess
import sys
import tomllib
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from executor.domain.case_events import FloorRaised
from executor.domain.events import ChildIntended
from executor.errors import InputRefused
from executor.journal.line import Line
from executor.report import words as words_folder
from executor.report.blocks import Chart, Table
from executor.report.casefile import CaseFile, casefile
from executor.report.listing import pages
from executor.report.report import html, sections_of
from executor.report.words import LANGUAGES, Words, grouped
from tests.report.case_whole import ACCOUNT, ADDRESSES, PEOPLE, TRANSACTION

Finished = tuple[CaseFile, dict[str, bytes]]
POPPLER = shutil.which("pdftotext")
needs_poppler = pytest.mark.skipif(
    POPPLER is None, reason="NO PDF IS READ: poppler-utils is not installed; on Debian or Ubuntu: apt-get install it"
)


def able() -> str:
    """Why no PDF can be made here; empty if it can."""
    from executor.report.pdf import missing_fonts

    try:
        absent = missing_fonts()
    except InputRefused as error:
        return str(error)
    return f"fonts are missing: {absent}; apt-get install fonts-noto-cjk libharfbuzz-subset0" if absent else ""


needs_fonts = pytest.mark.skipif(bool(able()), reason=f"NO PDF IS MADE: {able()}")


@pytest.fixture(scope="module", params=LANGUAGES)
def document(
    request: pytest.FixtureRequest, finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The PDF in one language."""
    from executor.report.pdf import pdf

    case, exported = finished
    path = tmp_path_factory.mktemp("pdf") / f"{request.param}.pdf"
    path.write_bytes(pdf(html(case, Words(request.param)), case.until, exported))
    return request.param, path


def run(*arguments: object) -> str:
    return subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=True, timeout=120).stdout


# --- words -----------------------------------------------------------------------------------------------------------


def keys_of(table: dict[str, object], before: str = "") -> set[str]:
    found = set()
    for key, value in table.items():
        found |= keys_of(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}"}
    return found


def test_both_languages_say_everything_with_the_same_values() -> None:
    tables = [tomllib.loads((files(words_folder) / f"{name}.toml").read_text("utf-8")) for name in LANGUAGES]
    zh, en = (keys_of(table) for table in tables)
    assert {key for key in zh ^ en if not key.startswith("currency.")} == set()
    for section in ("text", "row"):
        for key, text in tables[0][section].items():
            holes = [sorted(re.findall(r"\{(\w+)\}", table[section][key])) for table in tables]
            assert holes[0] == holes[1], (section, key, text)


def test_dates_amounts_and_zones_are_those_of_the_language(finished: Finished) -> None:
    at = finished[0].lines[0].at.replace(year=2026, month=3, day=1, hour=17, minute=5, second=9)
    zh, en = Words("zh"), Words("en")
    assert (zh.moment(at), en.moment(at)) == ("2026年3月2日 01:05:09", "2 March 2026, 01:05:09")
    assert zh.money(Decimal("1234567.895"), "CNY") == "人民币 1,234,567.90 元"
    assert zh.money(Decimal("1234567.885"), "USD") == "1,234,567.88 美元"
    assert en.money(Decimal("-0.005"), "USD") == "USD 0.00"
    assert en.money(Fraction(1, 3), "USDT") == "USDT 0.33"
    assert (zh.money(None, "USD"), en.money(None, "USD")) == ("未留存", "not recorded")
    assert grouped(Decimal("1234.5"), 8) == "1,234.50000000"
    assert "北京时间" in zh("zone")
    with pytest.raises(InputRefused, match="not one of zh, en"):
        Words("fr")


# --- what it says ----------------------------------------------------------------------------------------------------


def table_text(case: CaseFile, language: str, key: str) -> str:
    (section,) = [each for each in sections_of(case, Words(language)) if each.key == key]
    rows = [row for block in section.blocks if isinstance(block, Table) for row in block.rows]
    return "\n".join("|".join(row) for row in rows) + "".join(b for b in section.blocks if isinstance(b, str))


def test_every_section_is_there(finished: Finished) -> None:
    keys = [section.key for section in sections_of(finished[0], Words("zh"))]
    assert keys == [
        "mandate", "intake", "plan", "price", "quotes", "sale", "fees", "incidents", "settlement", "deposit", "quality",
        "verify", "fills",
    ]  # fmt: skip


def test_the_figures_are_those_of_the_record(finished: Finished) -> None:
    case = finished[0]
    (sale,) = case.sales
    fills = table_text(case, "en", "fills")
    for fill in sale.fills:
        assert fill.trade_id in fills
        assert grouped(fill.notional, max(8, -int(fill.notional.as_tuple().exponent))) in fills
    assert "0.50000000 BTC" in html(case, Words("en"))
    assert case.verdict is not None
    assert case.verdict.zero
    assert "agrees" in table_text(case, "en", "settlement")
    assert "差异说明" in table_text(case, "zh", "incidents")
    assert "平台奖励小额入账" in table_text(case, "zh", "incidents")
    assert "李静" in table_text(case, "zh", "plan")


def test_what_is_missing_is_shown_as_missing(finished: Finished) -> None:
    """Only the sale itself is in the record: every step after it is missing, and nothing is assumed."""
    lines = [line for line in finished[0].lines if line.stream.startswith("parent/")]
    bare = casefile("SH-2026-0032", lines)
    assert "missing" in table_text(bare, "en", "settlement")
    assert "The record holds no deposit." in table_text(bare, "en", "deposit")
    assert "no acceptance of a mandate" in table_text(bare, "en", "mandate")
    assert "未留存" in table_text(bare, "zh", "quality")
    with pytest.raises(InputRefused, match="nothing of case X"):
        casefile("X", [])


def test_a_fill_under_the_floor_is_not_hidden(finished: Finished) -> None:
    lines = list(finished[0].lines)
    place = max(n for n, line in enumerate(lines) if type(line.event).__name__ == "FillRecorded")
    low = {"px": Decimal("89999.99")}
    changed = type(lines[place])(
        **{n: getattr(lines[place], n) for n in ("stream", "version", "case_id", "at")},
        event=type(lines[place].event)(
            **{n: getattr(lines[place].event, n) for n in lines[place].event.__struct_fields__} | low
        ),
    )
    case = casefile("SH-2026-0032", [*lines[:place], changed, *lines[place + 1 :]])
    assert "made: 1; see Differences" in table_text(case, "en", "price")
    assert "fill under the floor" in table_text(case, "en", "incidents")


def test_a_fill_under_a_floor_raised_before_its_order_is_not_hidden(finished: Finished) -> None:
    """The floor of the plan is far below; what was sent after the raise is held to the raised one, and only that."""
    lines, (sold,) = list(finished[0].lines), finished[0].sales
    begun = {line.event.client_order_id: line.at for line in lines if isinstance(line.event, ChildIntended)}
    moment = sorted(begun[fill.client_order_id] for fill in sold.fills)[len(sold.fills) // 2]
    later = sum(1 for fill in sold.fills if begun[fill.client_order_id] >= moment)
    assert 0 < later < len(sold.fills)
    event = FloorRaised(
        plan_hash=sold.state.spec.plan_hash, floor_px=Decimal(200_000), person="ri-wang", public_key="",
        signature="", why="市场走高",
    )  # fmt: skip
    raised = Line(stream="case/SH-2026-0032", version=999, case_id="SH-2026-0032", at=moment, event=event)
    case = casefile("SH-2026-0032", [*lines, raised])
    assert sum(1 for each in case.incidents if each.kind == "FillUnderFloor") == later
    assert f"made: {later}; see Differences" in table_text(case, "en", "price")
    assert (case.sales[0].quality.whole["floor_distance_worst_bps"] or 0) < 0
    assert f"底价上调（{Words('zh').short(moment)} 起）" in html(case, Words("zh"))
    other = msgspec.structs.replace(raised, event=msgspec.structs.replace(event, plan_hash="00"))
    assert "FillUnderFloor" not in [each.kind for each in casefile("SH-2026-0032", [*lines, other]).incidents]


def test_charts_hold_every_fill_and_the_floor(finished: Finished) -> None:
    (section,) = [each for each in sections_of(finished[0], Words("zh")) if each.key == "sale"]
    charts = [block for block in section.blocks if isinstance(block, Chart)]
    assert [chart.caption[:2] for chart in charts] == ["图一", "图二", "图三"]
    drawn = [ET.fromstring(chart.svg) for chart in charts]
    name = "{http://www.w3.org/2000/svg}"
    marks = drawn[0].findall(f"{name}circle") + drawn[0].findall(f"{name}rect")
    assert len(marks) == len(finished[0].sales[0].fills) + 1  # and the frame
    assert any("stroke-dasharray" in line.attrib for line in drawn[0].findall(f"{name}polyline"))  # the floor
    assert sum(float(t.text[:-1]) for t in drawn[2].iter(f"{name}text") if t.text and t.text.endswith("%")) == 100


def test_the_redacted_variant_names_nobody(finished: Finished) -> None:
    case = finished[0]
    for language in LANGUAGES:
        page = html(case, Words(language), redacted=True)
        secret = [*ADDRESSES, TRANSACTION, ACCOUNT, "osl", "hashkey", "OSL-PRE-0417", "示例处置服务有限公司"]
        secret += [name for person, (named, _) in PEOPLE.items() for name in (person, named)]
        secret += [fill.trade_id for fill in case.sales[0].fills]
        assert [each for each in secret if each in page] == []
        average = case.sales[0].quality.whole["avg_px"]
        assert average is not None
        assert grouped(average, 2) in page


def test_listings_are_aligned_and_have_a_head_on_each_page() -> None:
    rows = [[str(n), "询价" if n % 2 else "book", f"{n}.50"] for n in range(500)]
    made = pages(Table([("序号", "n"), ("方式", "t"), ("价格", "n")], rows, listing=True))
    assert len(made) > 4
    assert all(part.text.startswith("序号") for part in made)
    ends = {
        sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in made[1].text.split("\n")[2:]
    }
    assert len(ends) == 1
    assert sum(part.text.count("\n") - 1 for part in made) == 500


# --- the PDF ---------------------------------------------------------------------------------------------------------


@needs_fonts
@needs_poppler
def test_the_text_can_be_taken_out_clean(document: tuple[str, Path]) -> None:
    language, path = document
    text = run(POPPLER, "-layout", path, "-")
    wanted = {
        "zh": ["涉案虚拟货币处置情况报告", "一、委托事项", "资金结算与上缴", "履约保证金", "附件一", "人民币", "美元"],
        "en": ["Report on the disposal of seized virtual assets", "Settlement", "Annex A", "CNY", "USD"],
    }[language]
    assert [each for each in wanted if each not in text] == []
    assert not [c for c in text if c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn")]
    assert "None" not in text


@needs_fonts
@needs_poppler
def test_nothing_runs_off_the_page(document: tuple[str, Path]) -> None:
    """Every word lies between the margins, and every font is in the file and one of ours."""
    xml = run(POPPLER, "-bbox", document[1], "-")
    for page in re.findall(r'<page width="([\d.]+)" height="([\d.]+)">(.*?)</page>', xml, re.S):
        boxes = re.findall(r'xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)<', page[2])
        assert boxes
        off = [
            b for b in boxes if float(b[0]) < 44 or float(b[2]) > float(page[0]) - 43 or float(b[3]) > float(page[1])
        ]
        assert off == []
    fonts = run(shutil.which("pdffonts"), document[1]).splitlines()[2:]
    assert all("Noto" in line and re.search(r"yes\s+yes\s+yes", line) for line in fonts), fonts


@needs_fonts
@needs_poppler
def test_it_is_a_tagged_archive_file_that_carries_the_record(
    document: tuple[str, Path], finished: Finished, tmp_path: Path
) -> None:
    told = run(shutil.which("pdfinfo"), document[1])
    assert re.search(r"Tagged:\s+yes", told)
    metadata = run(shutil.which("pdfinfo"), "-meta", document[1])
    assert re.search(r"part\W+3\W", metadata)
    assert re.search(r"conformance\W+A\W", metadata)
    run(shutil.which("pdfdetach"), "-saveall", "-o", tmp_path, document[1])
    for name, content in finished[1].items():
        assert (tmp_path / name).read_bytes() == content
    done = subprocess.run([sys.executable, "-I", "-S", "verify.py"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0


@needs_fonts
def test_two_runs_give_the_same_bytes(document: tuple[str, Path], finished: Finished) -> None:
    """In another process, with another seed of hashes."""
    from executor.report.pdf import pdf

    language, path = document
    again = pdf(html(finished[0], Words(language)), finished[0].until, finished[1])
    assert again == path.read_bytes()


LARGE = """
import pickle, resource, sys
from executor.report.pdf import pdf
page, dated, files = pickle.load(open(sys.argv[1], "rb"))
print(len(pdf(page, dated, files)))
"""


@needs_fonts
def test_five_thousand_fills_in_a_minute_and_a_gigabyte(finished: Finished, tmp_path: Path) -> None:
    """Seconds of the processor, since other tests run beside this one; memory of the process that makes the PDF."""
    import pickle

    case = finished[0]
    (sale,) = case.sales
    fills = [sale.fills[n % len(sale.fills)] for n in range(5_000)]
    moved = [
        type(f)(**{n: getattr(f, n) for n in f.__struct_fields__} | {"at": f.at + timedelta(seconds=k)})
        for k, f in enumerate(fills)
    ]
    page = html(replace(case, sales=[replace(sale, fills=moved)]), Words("zh"))
    (tmp_path / "page").write_bytes(pickle.dumps((page, case.until, finished[1])))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "page")], capture_output=True, text=True, check=False, timeout=900
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime < 60
    assert used.ru_maxrss < 1_000_000  # kilobytes
