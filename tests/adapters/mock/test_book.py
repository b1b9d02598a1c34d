"""One venue's book: what it shows is what it trades, and it heals at its half-life."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mock.market import Market
from adapters.mock.params import DEEP, THIN, VenueGrid
from adapters.mock.tape import SimulatedTape

START = datetime(2025, 11, 3, tzinfo=UTC)
GRID = VenueGrid(Decimal("0.01"), Decimal("0.00001"))
NO_LIMIT = Decimal("0.01")


def opened(seed=1, params=DEEP, grid=GRID):
    market = Market(SimulatedTape(params, seed, START, Decimal(100_000)), params)
    return market, market.venue("main", params, grid)


def walk_cost(market, book, qty):
    """Average cost of a sweep against the mid just before it, bps."""
    mid = market.mid()
    fills = book.take_bids(Decimal(qty), NO_LIMIT)
    return float(sum(q * (1 - px / mid) for px, q in fills) / sum(q for _, q in fills)) * 1e4


def local_density(book):
    """Density of the bids as shown, base units per bp."""
    bids, _ = book.levels(12)
    width = (bids[1][0] - bids[-1][0]) / bids[0][0] * 10_000
    return float(sum(q for _, q in bids[1:-1]) / width)


@pytest.mark.parametrize("qty", [3, 10, 50])
@pytest.mark.parametrize("params", [DEEP, THIN])
def test_a_second_sweep_at_once_costs_q_over_k_more(qty, params):
    """Within 100 ms, each sweep against the mid just before it. Levels are discrete, so that the difference
    is q/k give or take a fifteenth of a level's width: that much is allowed, and no more."""
    market, book = opened(5, params)
    market.advance(START + timedelta(seconds=60))
    density = local_density(book)
    first = walk_cost(market, book, qty)
    market.advance(START + timedelta(seconds=60.1))
    second = walk_cost(market, book, qty)
    assert second - first >= qty / density - params.level_bps / 15


@pytest.mark.parametrize("qty", [3, 10, 50])
@pytest.mark.parametrize("params", [DEEP, THIN])
def test_after_six_half_lives_the_book_has_healed(qty, params):
    """Less than 5 % dearer than the same sweep of the same book had we not swept before."""
    later = START + timedelta(seconds=60 + 6 * params.recovery_half_life)
    market, book = opened(5, params)
    market.advance(START + timedelta(seconds=60))
    walk_cost(market, book, qty)
    market.advance(later)
    healed = walk_cost(market, book, qty)
    market, book = opened(5, params)
    market.advance(later)
    assert healed < 1.05 * walk_cost(market, book, qty)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 50),
    clips=st.lists(st.tuples(st.integers(1, 4_000_000), st.integers(0, 9_000)), min_size=1, max_size=8),
)
def test_a_sweep_takes_exactly_what_is_shown_at_its_limit_or_better(seed, clips):
    market, book = opened(seed)
    now = START
    for lots, wait_ms in clips:
        now += timedelta(milliseconds=wait_ms)
        market.advance(now)
        bids, _ = book.levels(4_000)
        limit = bids[min(len(bids) - 1, 6)][0]
        qty = lots * GRID.step
        fills = book.take_bids(qty, limit)
        shown = dict(bids)
        assert all(px >= limit and q <= shown[px] for px, q in fills)
        assert sum(q for _, q in fills) == min(qty, sum(q for px, q in bids if px >= limit))
        assert [px for px, _ in fills] == [px for px, _ in bids[: len(fills)]]


def test_fills_at_a_level_never_exceed_what_was_displayed_plus_the_refill():
    """Taking the best level every 100 ms: the total is at most what it held, plus a refill that cannot be
    faster than the half-life says (and density moves by a few per cent a second)."""
    market, book = opened(7)
    taken, most = Decimal(0), Decimal(0)
    for n in range(100):
        market.advance(START + timedelta(milliseconds=100 * n))
        px, qty = book.best_bid()
        most = max(most, book.levels(2)[0][0][1])
        if px >= market.mid() * (1 - Decimal("0.00001")):  # the first level, not the next one down
            taken += sum(q for _, q in book.take_bids(qty, px))
    refills = sum(1 - 0.5 ** (1 / DEEP.recovery_half_life) for _ in range(10))
    assert 0 < float(taken) <= float(most) * (1 + refills) * 1.1


def test_best_quote_depth_and_trades_agree():
    """Without us: trades of a second are at the best quote at its beginning, or walk what is shown."""
    for params in (DEEP, THIN):
        market, book = opened(3, params)
        for n in range(1, 300):
            bids, asks = book.levels(40)
            assert (book.best_bid(), book.best_ask()) == (bids[0], asks[0])
            assert bids[0][0] < market.mid() < asks[0][0]
            assert [b[0] for b in bids] == sorted({b[0] for b in bids}, reverse=True)
            assert [a[0] for a in asks] == sorted({a[0] for a in asks})
            market.advance(START + timedelta(seconds=n))
            for trade in book.prints(200):
                if trade.at == market.now:
                    side = dict(asks if trade.side == "buy" else bids)
                    assert trade.qty <= side[trade.px]


def test_our_sweep_is_on_the_public_tape_and_gone_from_the_book():
    market, book = opened()
    bids, _ = book.levels(3)
    fills = book.take_bids(bids[0][1] + bids[1][1], NO_LIMIT)
    assert [(p.px, p.qty, p.side) for p in book.prints(2)] == [(px, q, "sell") for px, q in fills]
    half = GRID.tick * 2
    gone = bids[0][0] - bids[2][0]
    assert book.best_bid()[0] == pytest.approx(market.mid() - gone, abs=half)


@pytest.mark.parametrize("tick", ["0.01", "1", "25"])
def test_prices_and_quantities_are_on_the_grid(tick):
    grid = VenueGrid(Decimal(tick), Decimal("0.0001"))
    market, book = opened(2, THIN, grid)
    market.advance(START + timedelta(seconds=100))
    bids, asks = book.levels(30)
    assert all(px % grid.tick == 0 and q % grid.step == 0 and q > 0 for px, q in bids + asks)
    with pytest.raises(ValueError, match="multiple"):
        book.take_bids(Decimal("0.00005"), NO_LIMIT)
    with pytest.raises(ValueError, match="multiple"):
        book.rest_ask("a", asks[0][0] + grid.tick / 2, Decimal(1))


def test_a_frozen_book_stands_still_and_thaws():
    market, book = opened()
    market.advance(START + timedelta(seconds=5))
    shown, trades = book.levels(20), book.prints(5)
    book.freeze()
    market.shock(-200)
    market.advance(START + timedelta(seconds=65))
    assert (book.levels(20), book.prints(5)) == (shown, trades)
    assert book.updated_at == START + timedelta(seconds=5)
    fills = book.take_bids(Decimal(1), NO_LIMIT)
    assert fills[0][0] == shown[0][0][0]
    book.thaw()
    assert book.best_bid()[0] < shown[0][0][0] * Decimal("0.99")
    assert book.updated_at > START + timedelta(seconds=5)


def test_an_overridden_book_shows_and_trades_what_it_was_given():
    market, book = opened()
    real = book.levels(5)
    one = (Decimal("99999.99"), Decimal(1))
    for bids, asks in ([], []), ([one], []), ([one], [(Decimal("99990.00"), Decimal(1))]):
        book.override(bids, asks)
        assert book.levels(5) == (bids, asks)
        assert (book.best_bid() is None) == (not bids)
        assert book.take_bids(Decimal(3), Decimal(90_000)) == bids
    book.override(None)
    market.shock(0)
    assert book.levels(5)[1][0][0] <= real[1][0][0]
