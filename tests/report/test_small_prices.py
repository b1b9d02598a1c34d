"""A coin that costs a part of a cent: its prices are written out, and the average times the quantity is the gross."""

from decimal import Decimal
from fractions import Fraction

from executor.domain.events import ArrivalMarked, CoverCrossed, Top
from executor.domain.settlement_events import DepositPosted
from executor.report.blocks import Table
from executor.report.casefile import CaseFile
from executor.report.figures import figure
from executor.report.report import sections_of, summary
from executor.report.sections_money import deposit
from executor.report.words import Words, priced
from tests.domain.events_made import AT, D, closed, created, filled, intended
from tests.report.test_report import table_text
from tests.report.test_words_held import record, sale

SOLD = D(10) ** 9


def cheap() -> CaseFile:
    """Two fills of a billion each, at 0.00000813 and 0.0000084, above a floor of 0.00000812."""
    tops = [Top(venue="alpha", bid=D("0.0000083"), bid_qty=D(1), ask=D("0.0000083"), ask_qty=D(1))]
    leg = {"kind": "twap", "qty": str(2 * SOLD), "slices": 4, "interval": None, "limit_px": "0.00000813"}
    events = [
        created(asset="SHIB", floor_px=D("0.00000812"), qty=2 * SOLD, legs=[leg]),
        ArrivalMarked(arrival_px=D("0.0000083"), tops=tops),
    ]
    for number, px in enumerate(("0.00000813", "0.0000084"), start=1):
        done = intended(number, SOLD, limit_px=D(px), tops=tops), filled(number, f"t{number}", SOLD, px, at=AT)
        events += [*done, closed(number, SOLD)]
    return record(*(("parent/abcdefghij", event) for event in events))


def test_every_price_of_the_body_has_its_digits() -> None:
    case, words = cheap(), Words("en")
    told = dict(tuple(row) for row in summary(case, words).rows)
    assert told["Average price"] == "USD 0.000008265"
    assert Fraction(told["Average price"].removeprefix("USD ")) * 2 * Fraction(SOLD) == 16_530
    assert (told["Floor"], told["Lowest fill"]) == ("USD 0.00000812", "USD 0.00000813")
    assert "the lowest price was USD 0.00000813" in table_text(case, "en", "price")
    assert "|100.00%|0.000008265|16,530.00" in table_text(case, "en", "sale")
    assert "|0.000008265|0.00000813|0.0000084|16,530.00" in table_text(case, "en", "sale")
    quality = table_text(case, "en", "quality")
    assert "Decision price|0.0000083|" in quality
    assert "Average price|0.000008265|" in quality
    plan = table_text(case, "en", "plan")
    assert "Floor|USD 0.00000812" in plan
    assert "|0.00000813|" in plan  # the limit of the leg


def test_a_row_of_long_prices_is_set_in_smaller_letters() -> None:
    """Prices of eight decimals and a gross of thousands of millions would run off the page."""
    events = [created(qty=D(190_000))]
    for number, px in enumerate(("108765.44370001", "108765.58070011"), start=1):
        qty = D("49533.67901229") + number
        done = intended(number, qty, limit_px=D(px)), filled(number, f"t{number}", qty, px), closed(number, qty)
        events += done
    for case, small in ((record(*(("parent/abcdefghij", event) for event in events)), True), (dear(), False)):
        (section,) = [each for each in sections_of(case, Words("zh")) if each.key == "sale"]
        hours = [block for block in section.blocks if isinstance(block, Table)][1]
        assert hours.small is small


def dear() -> CaseFile:
    """One fill of five bitcoin."""
    return sale(intended(1, "5"), filled(1, "t", "5"), closed(1, "5"))


def test_the_price_that_the_cover_was_reckoned_with_has_its_digits() -> None:
    crossed = CoverCrossed(
        below=D(110), percent=D(109), deposit=D(1), exposure=D(1), currency="USD", mark_px=D("0.0000083")
    )
    case = cheap()
    case.sales[0].events.append((AT, crossed))
    posted = DepositPosted(amount=D(5), currency="USD", form="cash", evidence={}, who="se")
    case.books = record(("case/CASE-1", posted)).books
    rows = [row for block in deposit(case, Words("en")).blocks if isinstance(block, Table) for row in block.rows]
    assert "USD 0.0000083" in rows[-1]


def test_prices() -> None:
    assert [priced(D(px)) for px in ("95000", "2.3441", "0.00000813")] == ["95,000.00", "2.3441", "0.00000813"]
    assert priced(Fraction(10, 3)) == "3.33333333"
    assert priced(Fraction(1, 3_000_000)) == "0.00000033333333"
    assert priced(Fraction(Decimal("98765.5"))) == "98,765.50"
    assert figure(Fraction(1, 3_000_000), "px") == "0.00000033333333"
    assert (figure(Fraction(1, 3), "px"), figure(Fraction(0), "px")) == ("0.33333333", "0")
    assert Words("zh").price(D("2.344"), "USD") == "2.344 美元"
    assert Words("zh").price(None, "USD") == "未留存"
