"""The choice among quotes: the best money at or above the limit, from quotes that live long enough."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import Quote
from executor.strategy.quotes import Choice, choose

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


def pick(*quotes: Quote, min_quotes: int = 1, lead: int = 0) -> Choice:
    names = {each.venue for each in quotes}
    return choose(
        quotes,
        limit_px=LIMIT,
        min_quotes=min_quotes,
        now_at=dict.fromkeys(names, NOW + timedelta(seconds=lead)),
        min_life_left=dict.fromkeys(names, timedelta(seconds=3)),
    )


QUOTES = st.lists(
    st.builds(
        quote,
        st.sampled_from(["alpha", "beta", "gamma"]),
        st.decimals(D(85_000), D(95_000), places=2),
        life=st.integers(0, 10),
        executable=st.booleans(),
    ),
    max_size=6,
)


@given(QUOTES, st.integers(1, 3))
def test_the_choice_is_the_best_that_may_be_taken(quotes: list[Quote], min_quotes: int) -> None:
    """Never under the limit, never a dying or indicative quote, and nothing better was left among the others."""
    choice = pick(*quotes, min_quotes=min_quotes)
    executable = [each for each in quotes if each.executable]
    fit = [e for e in executable if e.px >= LIMIT and e.expires_at - NOW >= timedelta(seconds=3)]
    if len(executable) < min_quotes or not fit:
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
    assert pick(quote("alpha", "95000"), lead=8).why == "every quote has too little life left to be accepted safely"


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
