"""Guards over time: which books sit out, and when the market as a whole halts the parent order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.venue import Book, Level
from executor.domain.plan import Guards
from executor.guards.market_watch import MarketWatch
from executor.guards.verdict import ALLOW, Action

D = Decimal
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def book(bid: str | None, ask: str | None = None, qty: int = 1) -> Book:
    bids = (Level(D(bid), D(qty)),) if bid else ()
    asks = (Level(D(ask), D(qty)),) if ask else ()
    return Book("BTCUSD", bids, asks, NOW)


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_calm_books_are_usable() -> None:
    usable, verdict = MarketWatch(Guards()).look({"alpha": book("100", "101"), "beta": book("100", "102")}, NOW)
    assert (set(usable), verdict) == ({"alpha", "beta"}, ALLOW)


def test_a_book_that_is_no_price_sits_out_and_the_others_go_on() -> None:
    faulty = {"none": None, "empty": book(None, "101"), "crossed": book("101", "101"), "good": book("100", "101")}
    usable, verdict = MarketWatch(Guards()).look(faulty, NOW)
    assert (set(usable), verdict) == ({"good"}, ALLOW)


def test_a_book_that_does_not_change_becomes_stale_and_recovers() -> None:
    watch = MarketWatch(Guards(stale_after=120))
    for seconds, usable in ((0, True), (120, True), (121, False)):
        assert bool(watch.look({"alpha": book("100", "101")}, at(seconds))[0]) is usable
    assert watch.look({"alpha": book("100", "101", qty=2)}, at(122))[0]


def test_a_venue_that_stays_unusable_halts() -> None:
    watch = MarketWatch(Guards(unusable_for=600))
    good = book("100", "101")
    for seconds in (0, 599):
        assert watch.look({"alpha": book("101", "101"), "beta": good}, at(seconds))[1] is ALLOW
    verdict = watch.look({"alpha": book("101", "101"), "beta": good}, at(600))[1]
    assert (verdict.action, verdict.rule) == (Action.HALT, "book")
    assert "crossed" in verdict.reason


def test_a_venue_that_does_not_answer_sits_out_and_all_of_them_halt() -> None:
    watch = MarketWatch(Guards(unusable_for=600, stale_after=9000))
    good = book("100", "101")
    watch.look({"alpha": good, "beta": good}, at(0))
    assert watch.look({"alpha": None, "beta": good}, at(1))[1] is ALLOW
    assert watch.look({"alpha": None, "beta": good}, at(800))[1] is ALLOW
    for seconds in (801, 1400):  # until the last moment before that beta could be traded on
        assert watch.look({"alpha": None, "beta": None}, at(seconds))[1] is ALLOW
    assert watch.look({"alpha": None, "beta": None}, at(1401))[1].rule == "book"


def test_venues_that_disagree_halt() -> None:
    verdict = MarketWatch(Guards()).look({"alpha": book("100", "101"), "beta": book("104", "105")}, NOW)[1]
    assert (verdict.action, verdict.rule) == (Action.HALT, "disagreement")


def test_a_price_that_runs_halts_within_its_window_only() -> None:
    watch = MarketWatch(Guards(fast_move_bps=D(500), fast_move_window=300))
    assert watch.look({"alpha": book("100", "100.2")}, at(0))[1] is ALLOW
    assert watch.look({"alpha": book("104", "104.2")}, at(100))[1] is ALLOW
    assert watch.look({"alpha": book("108", "108.2")}, at(350))[1] is ALLOW
    verdict = watch.look({"alpha": book("102", "102.2")}, at(380))[1]
    assert (verdict.action, verdict.rule) == (Action.HALT, "fast_move")


def test_a_venue_that_is_closed_is_judged_anew_when_it_opens() -> None:
    """Empty before it closed and empty when it opens: the hours between are no market that failed."""
    watch, good = MarketWatch(Guards(unusable_for=600)), book("100", "101")
    watch.look({"alpha": book(None), "beta": good}, at(0))
    watch.look({"beta": book("100", "101", qty=2)}, at(300))
    usable, verdict = watch.look({"alpha": book(None), "beta": book("100", "101", qty=3)}, at(601))
    assert (set(usable), verdict) == ({"beta"}, ALLOW)
