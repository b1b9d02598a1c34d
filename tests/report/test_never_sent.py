"""Orders that the record proves never to have left are neither sent, nor unfilled, nor refused by a venue."""

from datetime import timedelta
from fractions import Fraction

from executor.domain.events import ChildNotSent, ChildRejected, ChildResent, Event, QuoteAnswer, QuotesAsked, Top
from executor.report.tca import never_sent, tca
from executor.report.tca_shown import tca_values
from tests.domain.events_made import AT, D, closed, created, filled, intended
from tests.report.test_report import table_text
from tests.report.test_words_held import sale

QUOTE = QuoteAnswer(
    venue="beta", quote_id="q", px=D(95000), notional=D(475000), received_at=AT + timedelta(seconds=2), executable=True
)
ASKED = QuotesAsked(leg=0, slice=1, qty=D(5), asked_at=AT, answers=[QUOTE], chosen="q", chosen_venue="beta", why="best")
ACCEPTED = intended(1, "5", venue="beta", method="rfq", quote_id="q", tops=[])
NOT_SENT = ChildNotSent(client_order_id="abcdefghij-1", message="the quote ran out of life before it was accepted")
TOP = Top(venue="alpha", bid=D(95_000), bid_qty=D(1), ask=D(95_000), ask_qty=D(1))
SOLD: list[Event] = [intended(2, "5", tops=[TOP]), filled(2, "t", "5"), closed(2, "5")]


def test_it_does_not_count_as_sent_and_lowers_no_fill_rate() -> None:
    case = sale(ASKED, ACCEPTED, NOT_SENT, *SOLD)
    text = table_text(case, "en", "sale")
    assert "Orders sent: 1; fills: 1" in text
    assert "never left, so that no venue had them: 1" in text
    assert "另有 1 笔委托登记后未能发出" in table_text(case, "zh", "sale")
    assert text.splitlines()[0].startswith("alpha|book|1|1|")
    assert "beta" not in text
    (found,) = case.sales
    assert (found.quality.whole["fill_rate"], found.quality.whole["arrival_px"]) == (1, 95_000)
    assert list(found.quality.groups["venue"]) == ["alpha"]


def test_it_is_no_reject_of_the_venue() -> None:
    (made,) = tca_values(sale(ASKED, ACCEPTED, NOT_SENT).sales[0].quality)["rounds"]
    assert (made["rejects"], made["hold_s"]) == (0, None)
    refused = ChildRejected(client_order_id="abcdefghij-1", reason="", code="", message="")
    (made,) = tca_values(sale(ASKED, ACCEPTED, refused).sales[0].quality)["rounds"]
    assert made["rejects"] == 1


def test_one_that_was_sent_before_or_filled_counts() -> None:
    resent = ChildResent(client_order_id="abcdefghij-1", evidence="")
    for event in (resent, filled(1, "t", "1")):
        events = [(AT, each) for each in (created(), ACCEPTED, event, NOT_SENT)]
        assert never_sent(events) == set()
        assert tca(events).whole["fill_rate"] == Fraction(1 if event is not resent else 0, 5)


def test_nothing_is_said_where_all_were_sent() -> None:
    assert "never left" not in table_text(sale(*SOLD), "en", "sale")
