"""The quote sheet: quotes for another quantity, quotes that could not be taken, and ids that two venues share."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

from executor.domain.events import Event, QuoteAnswer, QuotesAsked, Top
from executor.report.tca_quotes import Round, rounds_of
from tests.domain.events_made import AT, D, filled, intended

TOPS = [Top(venue="alpha", bid=D(99_990), bid_qty=D(1), ask=D(100_010), ask_qty=D(1))]


def answer(venue: str, quote_id: str, px: int, notional: int, **more: Any) -> QuoteAnswer:
    values = {"px": D(px), "notional": D(notional), "received_at": AT, "executable": True}
    return QuoteAnswer(venue=venue, quote_id=quote_id, **values | more)


def asked(*answers: QuoteAnswer, chosen: str, venue: str) -> QuotesAsked:
    return QuotesAsked(
        leg=0, slice=1, qty=D(2), asked_at=AT, answers=list(answers), chosen=chosen, chosen_venue=venue, why="best",
        tops=TOPS,
    )  # fmt: skip


def rounds(*events: Event) -> list[Round]:
    return rounds_of((AT + timedelta(seconds=second), event) for second, event in enumerate(events))


def test_a_quote_for_another_quantity_has_its_own_price_and_no_rank() -> None:
    (made,) = rounds(
        asked(
            answer("alpha", "q1", 99_900, 199_800),
            answer("beta", "q2", 99_000, 99_000, qty=D(1), left_out="size"),
            answer("gamma", "q3", 99_000, 1_980_000, qty=D(20), left_out="size"),
            answer("delta", "q4", 99_950, 199_900, executable=False),
            chosen="q1",
            venue="alpha",
        )
    )
    shown = {each.venue: (each.px, each.rank, each.chosen) for each in made.answers}
    assert shown == {
        "alpha": (99_900, 1, True),
        "beta": (99_000, None, False),
        "gamma": (99_000, None, False),
        "delta": (99_950, None, False),
    }
    assert made.answers[1].spread_bps == 100
    assert made.cover_bps is None  # no second one that could be taken


def test_a_quote_under_the_floor_is_no_competition() -> None:
    """It is left out, so that it neither has a place nor is the second best."""
    quotes = [answer("alpha", "q1", 99_900, 199_800), answer("beta", "q2", 99_000, 198_000)]
    low = answer("gamma", "q3", 80_000, 160_000, left_out="floor")
    (made,) = rounds(asked(*quotes, low, chosen="q1", venue="alpha"))
    assert [each.rank for each in made.answers] == [1, 2, None]
    assert made.cover_bps == Fraction(900 * 10_000, 99_900)


def test_two_venues_may_use_one_id() -> None:
    both = answer("alpha", "7", 99_900, 199_800), answer("beta", "7", 99_800, 199_600)
    (made,) = rounds(asked(*both, chosen="7", venue="alpha"))
    assert [(each.rank, each.chosen) for each in made.answers] == [(1, True), (2, False)]


def test_each_acceptance_belongs_to_the_round_of_its_venue() -> None:
    """The second round takes a quote of beta with the id that alpha used: the first round's order was alpha's."""
    first, second = rounds(
        asked(answer("alpha", "7", 99_900, 199_800), chosen="7", venue="alpha"),
        asked(answer("beta", "7", 99_900, 199_800), chosen="7", venue="beta"),
        intended(1, "2", method="rfq", quote_id="7"),
        filled(1, "t", "2"),
    )
    assert (first.executed, second.executed) == (True, None)


def test_an_older_record_names_the_chosen_one_by_its_id_alone() -> None:
    (made,) = rounds(
        asked(answer("alpha", "q1", 99_900, 199_800), chosen="q1", venue=""),
        intended(1, "2", method="rfq", quote_id="q1"),
        filled(1, "t", "2"),
    )
    assert (made.answers[0].chosen, made.executed) == (True, True)
