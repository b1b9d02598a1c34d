"""The choice among quotes: the best money at or above the limit, from quotes that live long enough."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import Quote
from executor.domain.preferences import Preference
from executor.strategy.quotes import Choice, choose, key, left_out

D = Decimal
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
LIMIT = D(90_000)


def quote(venue: str, px: str | Decimal, *, life: int = 10, qty: str = "10", **changes: Any) -> Quote:
    px = D(px)
    values: dict[str, Any] = {
        "venue": venue,
        "quote_id": f"{venue}-q",
        "base": "BTC",
        "quote": "USD",
        "qty": D(qty),
        "px": px,
        "notional": (px * D(qty)).quantize(D("0.01")),
        "created_at": NOW,
        "expires_at": NOW + timedelta(seconds=life),
    }
    return Quote(**values | changes)


def pick(*quotes: Quote, min_quotes: int = 1, lead: int = 0, rules: Sequence[Preference] = ()) -> Choice:
    now, needed = NOW + timedelta(seconds=lead), timedelta(seconds=3)
    found = {key(each): left_out(each, LIMIT, now, needed) for each in quotes}
    left = {name: why for name, why in found.items() if why is not None}
    return choose(quotes, left, min_quotes=min_quotes, preferences=rules)


def prefers(desk: str, bps: str) -> Preference:
    return Preference("hash", desk, D(bps), NOW, "they settle today", ("ch", "ri"))


QUOTES = st.lists(
    st.builds(
        quote,
        st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon"]),
        st.decimals(D(85_000), D(95_000), places=2),
        life=st.integers(0, 10),
        executable=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda each: each.venue,
)


@given(QUOTES, st.integers(1, 3))
def test_the_choice_is_the_best_that_may_be_taken(quotes: list[Quote], min_quotes: int) -> None:
    """Never under the limit, never a dying or indicative quote, and nothing better was left among the others."""
    choice = pick(*quotes, min_quotes=min_quotes)
    alive = [each for each in quotes if each.executable and each.expires_at - NOW >= timedelta(seconds=3)]
    fit = [each for each in alive if each.px >= LIMIT]
    if len(alive) < min_quotes or not fit:
        assert choice.quote is None
        assert choice.rule in ("quotes", "floor")
        assert choice.why
        return
    assert choice.quote in fit
    assert choice.quote.notional == max(each.notional for each in fit)
    assert choice.rule == ""


def test_too_few_quotes_are_no_competition() -> None:
    assert pick(quote("alpha", "95000"), min_quotes=2).rule == "quotes"
    assert pick(quote("alpha", "95000"), quote("beta", "94000"), min_quotes=2).quote is not None


def test_indicative_quotes_do_not_count() -> None:
    choice = pick(quote("alpha", "95000"), quote("beta", "99000", executable=False), min_quotes=2)
    assert (choice.quote, choice.rule) == (None, "quotes")


def test_the_life_left_is_measured_on_the_venues_own_clock() -> None:
    """A venue whose clock is eight seconds ahead has already let a ten-second quote run down to two."""
    assert pick(quote("alpha", "95000")).quote is not None
    assert "too little life is left: 0:00:02, it needs 0:00:03" in pick(quote("alpha", "95000"), lead=8).why
    assert "it has expired" in pick(quote("alpha", "95000"), lead=10).why


def test_a_quote_under_the_limit_waits() -> None:
    """Guards the floor for quotes: the reason names price and venue."""
    choice = pick(quote("alpha", "89999.99"), quote("beta", "80000"))
    assert (choice.quote, choice.rule) == (None, "floor")
    assert "89999.99" in choice.why
    assert "alpha" in choice.why


@pytest.mark.parametrize(
    ("notional", "taken"),
    [("900000.00", True), ("899999.99", False), ("899900", False), ("8.99E+5", False)],
)
def test_the_money_holds_the_floor_as_the_price_does(notional: str, taken: bool) -> None:
    """A price at the floor with less money is under the floor; only what cutting off after the venue's smallest
    unit can take away is let through: less than one unit."""
    assert (pick(quote("alpha", "90000", notional=D(notional))).quote is not None) is taken


def test_money_decides_before_the_printed_price() -> None:
    better = quote("beta", "94999", notional=D("950000.01"))
    assert pick(quote("alpha", "95000"), better).quote == better


def test_a_quote_that_has_run_out_is_no_competition() -> None:
    """Guards the number of quotes: one that can no longer be accepted does not make the other one the best of two. One
    under the floor does."""
    dying = quote("beta", "96000", life=2)
    assert pick(quote("alpha", "95000"), dying, min_quotes=2).rule == "quotes"
    assert pick(quote("alpha", "95000"), quote("beta", "80000"), min_quotes=2).quote is not None


def test_a_dearer_quote_that_came_too_late_is_named_beside_the_choice() -> None:
    choice = pick(quote("alpha", "95000"), quote("beta", "96000", life=1))
    assert choice.quote is not None
    assert choice.why == (
        "best of 1 live quotes: 950000.00 USD at alpha; 960000.00 at beta left out: too little life is left: 0:00:01, "
        "it needs 0:00:03"
    )
    assert choice.left_out["beta", "beta-q"].rule == "expired"


@pytest.mark.parametrize(("bps", "taken"), [("10", "beta"), ("9.99", "alpha")])
def test_another_quote_than_the_best_is_taken_under_a_signed_rule_to_its_bound(bps: str, taken: str) -> None:
    """950000 less 10 basis points is 949050."""
    other = quote("beta", "94905", counterparty="Desk B")
    for desk in ("beta", "desk b"):
        choice = pick(quote("alpha", "95000"), other, rules=[prefers(desk, bps)])
        assert choice.quote is not None
        assert choice.quote.venue == taken
        assert bool(choice.preference) is (taken == "beta")
    if taken == "beta":
        assert "not the best of 2 live quotes, 950000.00 at alpha" in choice.why
        assert "signed by ch, ri: they settle today" in choice.why


def test_a_preferred_quote_under_the_floor_or_without_life_is_not_taken() -> None:
    """Guards the floor under a preference: it chooses among quotes that may be taken, and makes none of them so."""
    best, rule = quote("alpha", "90001"), prefers("beta", "500")
    assert pick(best, quote("beta", "89999"), rules=[rule]).quote == best
    assert pick(best, quote("beta", "90000", life=2), rules=[rule]).quote == best


def test_the_preferred_desk_needs_no_rule_when_it_is_the_best() -> None:
    choice = pick(quote("alpha", "95000"), quote("beta", "95001"), rules=[prefers("beta", "10")])
    assert (choice.quote and choice.quote.venue, choice.preference) == ("beta", "")
