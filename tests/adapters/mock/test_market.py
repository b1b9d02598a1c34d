"""The shared mid, our footprint in it, and what it costs to trade against it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.mock.market import Market
from adapters.mock.params import DEEP, THIN, VenueGrid
from adapters.mock.tape import SimulatedTape

START = datetime(2025, 11, 3, tzinfo=UTC)
GRID = VenueGrid(Decimal("0.01"), Decimal("0.00001"))
NO_LIMIT = Decimal("0.01")
ANY_PRICE = Decimal(10_000_000)


def opened(seed=1, params=DEEP):
    market = Market(SimulatedTape(params, seed, START, Decimal(100_000)), params)
    return market, market.venue("main", params, GRID)


def signed_cost(market, fills):
    """Cash of the fills against the mid that would have been had we never traded: sum q (px / mid0 - 1)."""
    base = market.counterfactual_mid()
    return sum(qty * (px / base - 1) for px, qty in fills)


def twap(market, book, quantity, hours, side, begin):
    """Clips of one minute, crossing; returns quantity * (relative price) against the counterfactual mid."""
    clips = round(hours * 60)
    clip = (Decimal(quantity) / clips).quantize(GRID.step)
    total = Decimal(0)
    for n in range(clips):
        market.advance(begin + timedelta(minutes=n))
        fills = book.take_bids(clip, NO_LIMIT) if side == "sell" else book.take_asks(clip, ANY_PRICE)
        total += signed_cost(market, fills)
    return total


def test_the_same_seed_and_orders_give_the_same_market():
    def played():
        market, book = opened(3)
        for n in range(20):
            market.advance(START + timedelta(seconds=7 * n))
            book.take_bids(Decimal("2.5"), NO_LIMIT)
            if n == 4:
                book.rest_ask("a", book.best_ask()[0], Decimal("0.7"))
        return market.tape.digest(1_200), market.mid(), book.levels(50), book.prints(300), book.pop_fills()

    assert played() == played()


def test_our_orders_leave_the_exogenous_stream_untouched():
    quiet, _ = opened(4)
    loud, book = opened(4)
    for n in range(1, 200):
        at = START + timedelta(seconds=5 * n)
        quiet.advance(at)
        loud.advance(at)
        book.take_bids(Decimal(3), NO_LIMIT)
        assert loud.counterfactual_mid() == quiet.counterfactual_mid() == quiet.mid()
    assert loud.tape.digest(1_200) == quiet.tape.digest(1_200)
    assert loud.mid() < quiet.mid()


def test_advance_is_idempotent_and_never_goes_back():
    market, book = opened()
    market.advance(START + timedelta(seconds=30.5))
    seen = (market.mid(), book.levels(20), book.updated_at)
    market.advance(START + timedelta(seconds=30.5))
    market.advance(START + timedelta(seconds=10))
    assert (market.mid(), book.levels(20), book.updated_at) == seen
    assert (market.steps, book.updated_at) == (30, START + timedelta(seconds=30))
    with pytest.raises(ValueError, match="begins at"):
        market.advance(START - timedelta(seconds=1))


def test_one_long_advance_equals_many_short_ones():
    once, a = opened(9)
    often, b = opened(9)
    once.advance(START + timedelta(minutes=25))
    for n in range(251):
        often.advance(START + timedelta(seconds=6 * n))
    assert (once.mid(), a.levels(30), a.prints(50)) == (often.mid(), b.levels(30), b.prints(50))


def test_the_mid_ahead_is_the_mid_that_comes():
    market, book = opened(2)
    book.take_bids(Decimal(5), NO_LIMIT)
    ahead = market.mid_at(START + timedelta(seconds=900))
    market.advance(START + timedelta(seconds=900))
    assert market.mid() == pytest.approx(ahead, rel=Decimal("1e-10"))


def test_square_root_law_and_decay():
    market, _ = opened()
    market.add_impact(-500)
    bps = float(market.mid() / market.counterfactual_mid() - 1) * 1e4
    assert bps == pytest.approx(-0.75 * 272 * (500 / 26_162) ** 0.5, rel=2e-3)
    market.advance(START + timedelta(hours=8))
    assert market.footprint == pytest.approx(-500 / 2.718281828, rel=1e-6)


@pytest.mark.parametrize("params", [DEEP, THIN])
def test_four_per_cent_of_volume_costs_twice_what_one_per_cent_costs(params):
    def cost(share):
        market, book = opened(11, params)
        quantity = round(params.adv * share)
        return -twap(market, book, quantity, 8, "sell", START) / quantity * 10_000

    assert float(cost(0.04) / cost(0.01)) == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(("params", "known"), [(DEEP, 21.4), (THIN, 28.7)])
def test_naive_twap_costs_what_the_model_is_known_to_cost(params, known):
    """500 BTC in 8 h, crossing every minute, fees on. The thin figure is a thin venue on the deep market: its
    quotes follow the world's price, and the footprint is measured against the world's volume."""
    market = Market(SimulatedTape(DEEP, 12, START, Decimal(100_000)), DEEP)
    book = market.venue("main", params, GRID)
    cost = -float(twap(market, book, 500, 8, "sell", START)) / 500 * 1e4 + params.taker_fee_bps
    assert cost == pytest.approx(known, abs=0.5)


@pytest.mark.parametrize(("params", "known"), [(DEEP, 49.7), (THIN, 347.0)])
def test_one_market_order_costs_what_the_model_is_known_to_cost(params, known):
    """500 BTC at once, mean of 40 books. The cost goes as 1/density, whose spread makes the mean uncertain by
    about 5 %: hence 10 %."""
    costs = []
    for seed in range(40):
        market, book = opened(seed, params)
        market.advance(START + timedelta(seconds=60))
        fills = book.take_bids(Decimal(500), NO_LIMIT)
        assert sum(qty for _, qty in fills) == 500
        costs.append(-float(signed_cost(market, fills)) / 500 * 1e4 + params.taker_fee_bps)
    assert sum(costs) / len(costs) == pytest.approx(known, rel=0.10)


@pytest.mark.parametrize("params", [DEEP, THIN])
@pytest.mark.parametrize("seed", range(4))
def test_a_slow_round_trip_loses_even_without_fees(params, seed):
    market, book = opened(seed, params)
    quantity = round(params.adv * 0.004)
    earned = -twap(market, book, quantity, 1, "buy", START)
    earned += twap(market, book, quantity, 1, "sell", START + timedelta(hours=1))
    assert earned < 0


@pytest.mark.parametrize("params", [DEEP, THIN])
@pytest.mark.parametrize("size", [1, 5, 15, 50, 300])
def test_a_fast_round_trip_loses_after_fees(params, size):
    """One clip each way, 30 s apart, for every seed. Fees are needed here: on the deep book the square-root
    law moves the mid by more than a small clip pays for walking the book, so that before fees a clip of about
    14 BTC would gain some 2 bps. The law is steeper at zero than any displayed depth; sellers never gain."""
    for seed in range(5):
        market, book = opened(seed, params)
        bought = book.take_asks(Decimal(size), ANY_PRICE)
        earned = -signed_cost(market, bought)
        market.advance(START + timedelta(seconds=30))
        earned += signed_cost(market, book.take_bids(Decimal(size), NO_LIMIT))
        fees = 2 * size * params.taker_fee_bps / 1e4
        assert float(earned) - fees < 0


def test_a_shock_moves_both_mids_and_the_book():
    market, book = opened()
    before, bid = market.mid(), book.best_bid()[0]
    market.shock(-300)
    assert float(market.mid() / before) == pytest.approx(0.97, abs=1e-9)
    assert market.counterfactual_mid() == market.mid()
    assert float(book.best_bid()[0] / bid) == pytest.approx(0.97, abs=1e-6)


def test_venues_share_one_mid_and_one_footprint():
    market, deep = opened()
    thin = market.venue("thin", THIN, VenueGrid(Decimal("0.1"), Decimal("0.0001")))
    bid = thin.best_bid()[0]
    deep.take_bids(Decimal(50), NO_LIMIT)
    assert thin.best_bid()[0] < bid
    market.advance(START + timedelta(hours=1))
    volumes = [float(sum(p.qty for p in book.prints(10**6))) for book in (deep, thin)]
    assert 0.06 < volumes[1] / volumes[0] < 0.2  # 3,000 of 26,162 is 0.115; sizes have a heavy tail


def test_a_venue_is_opened_once_and_is_part_of_its_market():
    market, _ = opened(params=THIN)
    with pytest.raises(ValueError, match="already open"):
        market.venue("main", THIN, GRID)
    with pytest.raises(ValueError, match="more orders than the market has"):
        market.venue("deep", replace(THIN, adv=9_000.0), GRID)
