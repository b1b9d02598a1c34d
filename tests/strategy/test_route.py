"""Where a slice goes. The properties hold for any books, purses and grids; the examples show the shape."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from adapters.venue import Book, Instrument, Level, TimeInForce
from executor.domain.money import is_multiple
from executor.strategy.route import NoRoute, Offer, Route, largest_child, resting, route, smallest_child

D = Decimal
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
LIMIT = D(90_000)
MIN_NOTIONAL = D(100)
ALL = frozenset(TimeInForce)


def instrument(**changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "symbol": "BTCUSD",
        "base": "BTC",
        "quote": "USD",
        "tick_size": D("0.01"),
        "step_size": D("0.00001"),
        "min_qty": D("0.0001"),
        "max_qty": D(50),
        "min_notional": D(10),
        "max_notional": D(5_000_000),
        "taker_fee": D("0.001"),
        "maker_fee": D("0.001"),
        "trading": True,
    }
    return Instrument(**values | changes)


Rows = Sequence[tuple[str, str]]


def offer(venue: str, free: str, bids: Rows, asks: Rows = (), **changes: Any) -> Offer:
    book = Book("BTCUSD", _levels(bids), _levels(asks), NOW)
    return Offer(venue, instrument(**changes), book, D(free), ALL)


def _levels(rows: Rows) -> tuple[Level, ...]:
    return tuple(Level(D(px), D(qty)) for px, qty in rows)


@st.composite
def offers_made(draw: st.DrawFn) -> list[Offer]:
    made = []
    for venue in draw(st.sampled_from([["alpha"], ["alpha", "beta"], ["alpha", "beta", "gamma"]])):
        tick = draw(st.sampled_from([D("0.01"), D("0.1"), D("0.5")]))
        pxs = draw(st.lists(st.integers(85_000 * 2, 105_000 * 2), min_size=0, max_size=5, unique=True))
        bids = tuple(
            Level(D(px) / 2, draw(st.decimals(D("0.0001"), D(8), places=7))) for px in sorted(pxs, reverse=True)
        )
        asks = (Level(D(106_000), D(1)),) if draw(st.booleans()) else ()
        pair = instrument(
            tick_size=tick,
            step_size=draw(st.sampled_from([D("0.00001"), D("0.0000001"), D("0.001")])),
            max_qty=draw(st.sampled_from([D(2), D(50)])),
            max_notional=draw(st.sampled_from([D(200_000), D(5_000_000)])),
            taker_fee=draw(st.sampled_from([D(0), D("0.0005"), D("0.0029")])),
        )
        free = draw(st.sampled_from([D(0), D("0.0000001"), D("0.0012"), D("0.5"), D(3), D(30)]))
        free = draw(st.sampled_from([free, draw(st.decimals(0, 20, places=7))]))
        made.append(Offer(venue, pair, Book("BTCUSD", bids, asks, NOW), free, ALL))
    return made


@st.composite
def asks_made(draw: st.DrawFn) -> tuple[Decimal, Decimal, list[Offer]]:
    """Due, leaves and offers; the leaves are often what the purses hold, sub-step remainders included."""
    offers = draw(offers_made())
    credited = sum((each.free_qty for each in offers), D(0))
    leaves = draw(st.one_of(st.just(credited), st.decimals(D("0.0000001"), 20, places=7)))
    leaves = leaves or D("0.0000001")
    due = draw(st.one_of(st.just(leaves), st.decimals(D("0.0000001"), leaves, places=7)))
    return min(due, leaves), leaves, offers


def purse(one: Offer, leaves: Decimal) -> Decimal:
    return min(one.free_qty, leaves)


@settings(max_examples=300)
@given(asks_made())
def test_no_route_breaks_a_bound(asked: tuple[Decimal, Decimal, list[Offer]]) -> None:
    """Floor, leaves, purse, per-order caps, grids: whatever the books, each order keeps them all."""
    due, leaves, offers = asked
    routes = route(due, leaves, offers, limit_px=LIMIT, least=smallest_child(offers, MIN_NOTIONAL, LIMIT))
    if isinstance(routes, NoRoute):
        event(f"none: {routes.rule}")
        assert routes.reason
        return
    by_venue = {each.venue: each for each in offers}
    assert len({each.venue for each in routes}) == len(routes)
    assert sum((each.qty for each in routes), D(0)) <= leaves
    for one in routes:
        event(one.time_in_force.value)
        pair, place = by_venue[one.venue].instrument, by_venue[one.venue]
        assert one.limit_px >= LIMIT
        assert is_multiple(one.limit_px, pair.tick_size)
        assert is_multiple(one.qty, pair.step_size)
        assert pair.min_qty <= one.qty <= min(pair.max_qty, place.free_qty)
        assert pair.min_notional <= one.qty * one.limit_px <= pair.max_notional
        assert one.limit_px < place.book.bids[0].px + pair.tick_size


@settings(max_examples=300)
@given(asks_made())
def test_no_more_is_ordered_than_is_due(asked: tuple[Decimal, Decimal, list[Offer]]) -> None:
    """Only a purse too small to be sold in two orders is cleared ahead of its time; all else stays within the due."""
    due, leaves, offers = asked
    routes = route(due, leaves, offers, limit_px=LIMIT, least=smallest_child(offers, MIN_NOTIONAL, LIMIT))
    if isinstance(routes, NoRoute):
        return
    least = smallest_child(offers, MIN_NOTIONAL, LIMIT)
    small = sum((each.qty for each in routes if each.time_in_force is TimeInForce.FOK and each.qty < 2 * least), D(0))
    assert sum((each.qty for each in routes), D(0)) <= due + small


@settings(max_examples=300)
@given(asks_made())
def test_no_partial_fill_strands_a_remainder(asked: tuple[Decimal, Decimal, list[Offer]]) -> None:
    """What may fill in part leaves at least the smallest order, in the whole and in its venue's purse."""
    due, leaves, offers = asked
    routes = route(due, leaves, offers, limit_px=LIMIT, least=smallest_child(offers, MIN_NOTIONAL, LIMIT))
    if isinstance(routes, NoRoute):
        return
    least = smallest_child(offers, MIN_NOTIONAL, LIMIT)
    by_venue = {each.venue: each for each in offers}
    partial = [each for each in routes if each.time_in_force is TimeInForce.IOC]
    assert {each.time_in_force for each in routes} <= {TimeInForce.IOC, TimeInForce.FOK}
    if partial:
        assert leaves - sum((each.qty for each in routes), D(0)) >= least
    for one in partial:
        assert one.qty >= least
        assert purse(by_venue[one.venue], leaves) - one.qty >= least


@settings(max_examples=200)
@given(asks_made())
def test_resting_orders_keep_the_bounds(asked: tuple[Decimal, Decimal, list[Offer]]) -> None:
    """Passive orders sit at or above the limit and the ask, within due, purse and caps, and strand nothing."""
    due, leaves, offers = asked
    least = smallest_child(offers, MIN_NOTIONAL, LIMIT)
    by_venue = {each.venue: each for each in offers}
    routes = resting(due, leaves, offers, limit_px=LIMIT, least=smallest_child(offers, MIN_NOTIONAL, LIMIT))
    total = sum((each.qty for each in routes), D(0))
    assert total <= due
    assert not routes or leaves - total >= least
    for one in routes:
        place = by_venue[one.venue]
        assert one.time_in_force is TimeInForce.GTC
        assert one.limit_px >= max(LIMIT, place.book.asks[0].px)
        assert is_multiple(one.limit_px, place.instrument.tick_size)
        assert is_multiple(one.qty, place.instrument.step_size)
        assert least <= one.qty <= largest_child(place.instrument, one.limit_px)
        assert purse(place, leaves) - one.qty >= least


# --- examples ---------------------------------------------------------------------------------------------------------


def taken(due: str, leaves: str, *offers: Offer, limit: Decimal = LIMIT) -> list[Route] | NoRoute:
    return route(D(due), D(leaves), offers, limit_px=limit, least=smallest_child(offers, MIN_NOTIONAL, limit))


def test_the_best_price_after_the_fee_is_taken_first() -> None:
    """A higher bid with a higher fee brings less: the lower bid gets the order."""
    dear = offer("alpha", "20", [("100100", "1")], taker_fee=D("0.0029"))
    fair = offer("beta", "20", [("100000", "1")], taker_fee=D("0.0005"))
    assert taken("1", "20", dear, fair) == [Route("beta", D(1), D(100_000), TimeInForce.IOC)]


def test_levels_of_two_books_are_merged_in_net_order() -> None:
    alpha = offer("alpha", "20", [("100000", "1"), ("99000", "5")])
    beta = offer("beta", "20", [("99900", "2"), ("99800", "5")])
    found = taken("4", "20", alpha, beta)
    assert found == [
        Route("beta", D(3), D(99_800), TimeInForce.IOC),
        Route("alpha", D(1), D(100_000), TimeInForce.IOC),
    ]


def test_a_venue_gets_its_share_where_the_coins_lie() -> None:
    """Three quarters of the coins lie at alpha: it gets three quarters of the slice, however good beta's price."""
    alpha, beta = offer("alpha", "15", [("99000", "50")]), offer("beta", "5", [("100000", "50")])
    found = taken("4", "20", alpha, beta)
    assert isinstance(found, list)
    assert {each.venue: each.qty for each in found} == {"alpha": D(3), "beta": D(1)}


def test_the_whole_remainder_goes_as_fill_or_kill() -> None:
    found = taken("3", "3", offer("alpha", "3", [("100000", "2"), ("99000", "2")]))
    assert found == [Route("alpha", D(3), D(99_000), TimeInForce.FOK)]


def test_a_remainder_that_the_book_does_not_show_in_whole_is_sold_in_part() -> None:
    found = taken("3", "3", offer("alpha", "3", [("100000", "2")]))
    assert found == [Route("alpha", D(2), D(100_000), TimeInForce.IOC)]


def test_levels_below_the_limit_are_left_alone() -> None:
    """Guards the floor: the book's lower levels are not touched, and the limit is rounded up to the tick."""
    found = taken("3", "10", offer("alpha", "10", [("100000", "1"), ("89999.99", "9")]))
    assert found == [Route("alpha", D(1), D(100_000), TimeInForce.IOC)]
    odd = taken("3", "10", offer("alpha", "10", [("90000.5", "5")], tick_size=D("0.3")), limit=D("90000.1"))
    assert isinstance(odd, list)
    assert odd[0].limit_px == D("90000.6")


def test_each_reason_for_sending_nothing_has_its_rule() -> None:
    cases = {
        "market": [taken("1", "5"), taken("1", "5", offer("alpha", "5", []))],
        "floor": [taken("1", "5", offer("alpha", "5", [("89999", "9")]))],
        "size": [
            taken("0.0001", "5", offer("alpha", "5", [("99000", "9")])),
            taken("1", "5", offer("alpha", "0", [("99000", "9")])),
        ],
    }
    for rule, found in cases.items():
        assert [each.rule for each in found if isinstance(each, NoRoute)] == [rule] * len(found)


def test_a_venue_without_ioc_is_not_crossed() -> None:
    plain = offer("alpha", "20", [("100000", "5")])
    passive = Offer("beta", plain.instrument, plain.book, D(20), frozenset({TimeInForce.GTC}))
    assert isinstance(taken("1", "20", passive), NoRoute)


def test_resting_takes_the_better_ask_and_respects_the_band() -> None:
    alpha = offer("alpha", "20", [("99000", "1")], [("100000", "1")])
    beta = offer("beta", "20", [("99000", "1")], [("100500", "1")])
    banded = offer("gamma", "20", [("99000", "1")], [("101000", "1")], max_px=D(100_900))
    found = resting(
        D(2),
        D(20),
        [alpha, beta, banded],
        limit_px=LIMIT,
        least=smallest_child([alpha, beta, banded], MIN_NOTIONAL, LIMIT),
    )
    assert found == [Route("beta", D(2), D(100_500), TimeInForce.GTC)]
