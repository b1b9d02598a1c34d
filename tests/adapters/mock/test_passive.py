"""Resting asks: the queue, the trade-through, and the measured fill curve."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.mock.market import Market
from adapters.mock.params import DEEP, THIN, VenueGrid
from adapters.mock.tape import SimulatedTape

START = datetime(2025, 11, 3, tzinfo=UTC)
GRID = VenueGrid(Decimal("0.01"), Decimal("0.00001"))
STEADY = replace(DEEP, volume_sds=(0.0, 0.0, 0.0), volume_white=0.0, hour_shares=(1.0,) * 24)


def opened(seed=1, params=DEEP):
    market = Market(SimulatedTape(params, seed, START, Decimal(100_000)), params)
    return market, market.venue("main", params, GRID)


@pytest.mark.parametrize("params", [DEEP, THIN])
def test_no_fill_without_prints_through_the_queue_or_a_trade_through(params):
    """Checked from outside, on what the venue publishes: the queue shown when the order was accepted, the
    buys printed at its price since, the mid (which the fill itself has lowered a little by then). Seen to
    fail with no queue in front (`ahead = 0`), and with no trade-through threshold."""
    by_queue = by_mid = 0
    for seed in range(6):
        market, book = opened(seed, params)
        for n in range(60):
            px, ahead = book.best_ask()
            qty = Decimal("0.001")
            book.rest_ask(str(n), px, qty)
            printed, filled = Decimal(0), Decimal(0)
            for _ in range(20):
                market.advance(market.now + timedelta(seconds=1))
                index, offset = divmod(market.steps - 1, market.tape.block_steps)
                sigma = float(market.tape.block(index).sigma[offset])
                new = [p for p in book.prints(400) if p.at == market.now and p.px == px and p.side == "buy"]
                printed += sum((p.qty for p in new), Decimal(0))
                for fill in book.pop_fills():
                    filled += fill.qty
                    beyond = float(market.mid() / px - 1) * 1e4 + params.half_spread
                    own = params.impact_bps(float(qty)) + 0.002
                    through = beyond >= params.through_bps + params.through_sigmas * sigma - own
                    assert fill.px == px
                    assert through or printed >= ahead + filled
                    by_mid, by_queue = by_mid + through, by_queue + (not through)
                if filled == qty:
                    break
            else:
                book.withdraw(str(n))
    assert by_mid > 20
    if params is THIN:
        assert by_queue >= 3


def test_fill_curve_and_markouts_of_the_deep_book():
    """P(fill) within 0.05 and markouts within 0.3 bps of the table, at average activity.

    Average activity, because markouts are in bps and grow with the volatility of the hour, while the table is
    one figure. Averaged over the swings of volume, fills are as likely but markouts are about a quarter
    smaller. A step is a second: the markout at 0.1 s is the one at the end of the step of the fill.
    """
    table = {1: 0.29, 2: 0.42, 5: 0.60, 10: 0.72, 30: 0.83, 60: 0.86, 120: 0.92}
    markouts = {0: -0.91, 1: -1.23, 5: -1.36}
    waits, moves, placed = [], {lag: [] for lag in markouts}, 0
    for seed in range(2):
        placed += _join_the_best_ask(seed, waits, moves, seconds=9_000)
    assert placed > 1_500
    for horizon, probability in table.items():
        assert sum(w <= horizon for w in waits) / placed == pytest.approx(probability, abs=0.05), horizon
    for lag, wanted in markouts.items():
        assert sum(moves[lag]) / len(moves[lag]) == pytest.approx(wanted, abs=0.3), lag


def _join_the_best_ask(seed, waits, moves, seconds, books=12, patience=120):
    """Every ten seconds one of the books gets a small ask at its best price; cancelled after two minutes."""
    market = Market(SimulatedTape(STEADY, seed, START, Decimal(100_000)), STEADY)
    venues = [market.venue(f"v{n}", STEADY, GRID) for n in range(books)]
    open_asks, mids, fills, placed = {}, [], [], 0
    for second in range(seconds):
        market.advance(START + timedelta(seconds=second))
        mids.append(float(market.counterfactual_mid()))
        for n, venue in enumerate(venues):
            for fill in venue.pop_fills():
                open_asks[n][3] -= fill.qty
            if n in open_asks and open_asks[n][3] == 0:
                since, relative, *_ = open_asks.pop(n)
                waits.append(second - since)
                fills.append((second, relative))
            if second % patience == n * patience // books:
                if n in open_asks:
                    venue.withdraw(open_asks.pop(n)[2])
                if second + patience + 5 < seconds:
                    px = venue.best_ask()[0]
                    venue.rest_ask(str(second), px, Decimal("0.001"))
                    # the order's price had we never traded: our earlier fills do not count as a markout
                    price = float(px / market.mid()) * mids[-1]
                    open_asks[n] = [second, price, str(second), Decimal("0.001")]
                    placed += 1
    for at, price in fills:
        for lag, found in moves.items():
            found.append((1 - mids[at + lag] / price) * 1e4)
    return placed


def test_first_come_first_served_at_one_price():
    market, book = opened(8)
    px = book.best_ask()[0]
    for name in ("first", "second"):
        book.rest_ask(name, px, Decimal("4"))
    fills = []
    while len({f.order_id for f in fills}) < 2:
        market.advance(market.now + timedelta(seconds=1))
        fills += book.pop_fills()
    assert [f.order_id for f in fills] == sorted(f.order_id for f in fills)


def test_our_ask_is_shown_and_the_book_is_never_crossed_by_it():
    market, book = opened(8)
    px, shown = book.best_ask()
    book.rest_ask("a", px, Decimal(30))
    assert book.best_ask() == (px, shown + 30)
    left = Decimal(30)
    for _ in range(600):
        market.advance(market.now + timedelta(seconds=1))
        left -= sum((f.qty for f in book.pop_fills()), Decimal(0))
        bid, ask = book.best_bid(), book.best_ask()
        assert bid[0] < ask[0] <= max(px, ask[0])
        if left == 0:
            break
        assert bid[0] < px
        assert dict(book.levels(150)[1])[px] >= left


def test_withdraw_returns_what_is_left():
    market, book = opened(8)
    book.rest_ask("a", book.best_ask()[0], Decimal(30))
    filled = Decimal(0)
    while filled == 0:
        market.advance(market.now + timedelta(seconds=1))
        filled += sum((f.qty for f in book.pop_fills()), Decimal(0))
    assert 0 < filled < 30
    assert book.withdraw("a") == 30 - filled
    with pytest.raises(KeyError):
        book.withdraw("a")
    market.advance(market.now + timedelta(minutes=5))
    assert book.pop_fills() == []


def test_an_ask_that_would_trade_at_once_is_refused():
    _, book = opened()
    with pytest.raises(ValueError, match="take it first"):
        book.rest_ask("a", book.best_bid()[0], Decimal(1))
    book.rest_ask("a", book.best_ask()[0], Decimal(1))
    with pytest.raises(ValueError, match="already resting"):
        book.rest_ask("a", book.best_ask()[0], Decimal(1))


def test_a_passive_fill_leaves_a_footprint():
    market, book = opened(8)
    book.rest_ask("a", book.best_ask()[0], Decimal(1))
    market.shock(50)
    market.advance(START + timedelta(seconds=1))
    assert [f.qty for f in book.pop_fills()] == [Decimal(1)]
    assert market.footprint == pytest.approx(-1)
    assert ("buy", Decimal(1)) in [(p.side, p.qty) for p in book.prints(30)]


@pytest.mark.parametrize("stop", ["freeze", "override"])
def test_nothing_fills_while_the_book_stands_still(stop):
    market, book = opened(8)
    book.rest_ask("a", book.best_ask()[0], Decimal(1))
    if stop == "freeze":
        book.freeze()
    else:
        book.override([], [])
    market.shock(50)
    market.advance(START + timedelta(seconds=30))
    assert book.pop_fills() == []
    book.thaw()
    book.override(None)
    market.advance(START + timedelta(seconds=31))
    assert len(book.pop_fills()) == 1
