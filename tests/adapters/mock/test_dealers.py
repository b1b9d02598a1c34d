"""Requests for quote: the spread of the sheet, last look, memory and leakage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.mock.dealers import Dealers
from adapters.mock.market import Market
from adapters.mock.params import DEEP
from adapters.mock.tape import SimulatedTape

START = datetime(2025, 11, 3, tzinfo=UTC)


def opened(seed=1, params=DEEP):
    market = Market(SimulatedTape(params, seed, START, Decimal(100_000)), params)
    return market, Dealers(market, params, seed)


def spread(quote):
    return float((quote.mid - quote.px) / quote.mid) * 1e4


def test_quotes_are_repeatable_sorted_and_within_the_formula():
    first, again = (opened()[1].quote(Decimal(50), START) for _ in range(2))
    assert first == again
    assert len(first) == 5
    assert [q.px for q in first] == sorted((q.px for q in first), reverse=True)
    assert {q.expires_at for q in first} == {START + timedelta(seconds=10)}
    fair = 2 / 3 * DEEP.impact_bps(50)
    for quote in first:
        assert 2 + 0.5 * fair - 1.5 < spread(quote) < 2 + 1.2 * fair + 1.5


def test_spread_on_average():
    _, dealers = opened()
    spreads = [spread(q) for n in range(400) for q in dealers.quote(Decimal(50), START + timedelta(seconds=n))]
    assert sum(spreads) / len(spreads) == pytest.approx(2 + 0.85 * 2 / 3 * DEEP.impact_bps(50), abs=0.15)


def test_dealers_widen_after_a_clip_and_forget():
    def mean(quotes):
        return sum(spread(q) for q in quotes) / len(quotes)

    fixed = replace(DEEP, rfq_noise_bps=0.0, rfq_dealers=200)
    _, dealers = opened(params=fixed)
    quotes = dealers.quote(Decimal(100), START)
    before = mean(quotes)
    assert dealers.accept(quotes[0], START)
    after = mean(dealers.quote(Decimal(100), START))
    later = mean(dealers.quote(Decimal(100), START + timedelta(hours=6)))
    assert after > before * 1.2
    assert later == pytest.approx(before, rel=0.1)


def test_a_clip_leaks_half_of_itself_over_a_quarter_of_an_hour():
    market, dealers = opened()
    assert dealers.accept(dealers.quote(Decimal(100), START)[0], START)
    assert market.footprint == 0
    market.advance(START + timedelta(minutes=7, seconds=30))
    assert market.footprint == pytest.approx(-25, rel=0.02)
    market.advance(START + timedelta(minutes=15))
    assert market.footprint == pytest.approx(-50, rel=0.02)
    market.advance(START + timedelta(minutes=30))
    assert -50 < market.footprint < -47
    assert market.mid() < market.counterfactual_mid()


def test_last_look_refuses_when_the_mid_has_moved_against_the_dealer():
    market, dealers = opened()
    quote = dealers.quote(Decimal(10), START)[0]
    market.shock(-10)
    assert dealers.accept(quote, START) is False
    assert market.footprint == 0


def test_last_look_looks_at_the_end_of_the_hold():
    """With no tolerance at all, refusals follow the coming second exactly."""
    strict = replace(DEEP, rfq_last_look_bps=0.0)
    for seed in range(12):
        market, dealers = opened(seed, strict)
        quote = dealers.quote(Decimal("0.01"), START)[0]
        done = dealers.accept(quote, START)
        market.advance(START + quote.hold)
        assert done == (market.counterfactual_mid() >= quote.mid)


def test_a_quote_is_accepted_at_most_once_and_not_after_its_expiry():
    _, dealers = opened()
    one, other = dealers.quote(Decimal(1), START)[:2]
    assert dealers.accept(one, START)
    with pytest.raises(ValueError, match="already decided"):
        dealers.accept(one, START)
    assert dealers.accept(other, other.expires_at) is False
