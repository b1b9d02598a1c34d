"""What every adapter must do, against its mocked venue, over the wire. A new venue is done when it passes.

C-cases are for every adapter; R-cases (``test_conformance_rfq``) for those that can execute quotes.
"""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from adapters.venue import (
    Fill,
    NotSent,
    OrderRef,
    OrderStatus,
    Rejected,
    RejectReason,
    TimeInForce,
    Unauthorized,
    Unknown,
    Venue,
)
from tests.conformance.cases import ASKS, BIDS, HIGH, LOW, D, conforms, cum_is, ref, rejected, sell, sums
from tests.conformance.worlds import Fault, World

# --- start and readings -----------------------------------------------------------------------------------------


@conforms()
async def test_c01_start_and_instruments(world: World) -> None:
    assert isinstance(world.venue, Venue)
    assert world.venue.symbol(world.base, world.quote) == world.symbol
    one = (await world.venue.instruments())[world.symbol]
    assert one.trading, one.why_not_trading
    assert (one.base, one.quote, one.taker_fee) == (world.base, world.quote, world.exchange.taker_fee)
    assert one.tick_size > 0 < one.step_size
    assert D(0) < one.min_qty < one.max_qty
    assert D(0) < one.min_notional < one.max_notional


@conforms()
async def test_c02_book_is_sorted_and_exact(world: World) -> None:
    book = await world.venue.book(world.symbol)
    assert [(level.px, level.qty) for level in book.bids] == BIDS
    assert [(level.px, level.qty) for level in book.asks] == ASKS
    world.book.override(None)
    await asyncio.sleep(60)
    book = await world.venue.book(world.symbol)
    assert len(book.bids) > 10 < len(book.asks)
    assert all(better.px > worse.px for better, worse in pairwise(book.bids))
    assert all(better.px < worse.px for better, worse in pairwise(book.asks))


@conforms()
async def test_c03_ioc_fills_and_fees_to_the_last_digit(world: World) -> None:
    order = sell(world, "0.91234", LOW, TimeInForce.IOC)
    report = await world.venue.place(order)
    seen = await world.venue.query(ref(order, report))
    assert seen is not None
    assert seen.status is OrderStatus.FILLED
    assert cum_is(seen, order.qty)
    fills = await world.venue.fills(ref(order, report))
    truth = world.exchange.find(client_id=order.client_order_id)
    assert truth is not None
    assert len(fills) == len(truth.trades) == 2
    assert len({one.trade_id for one in fills}) == len(fills)
    fee = sum((trade.fee for trade in truth.trades), D(0))
    assert sums(fills) == (order.qty, truth.cum_quote, fee)
    assert {one.fee_asset for one in fills} == {world.quote}
    assert world.exchange.wallet(world.quote).free == truth.cum_quote - fee
    assert all(one.px >= order.limit_px for one in fills)


@conforms()
async def test_c04_post_only_rests_or_is_refused(world: World) -> None:
    order = sell(world, "0.1", HIGH, post_only=True)
    report = await world.venue.place(order)
    assert report.status is OrderStatus.NEW
    seen = await world.venue.query(ref(order, report))
    assert seen is not None
    assert not seen.status.terminal
    crossing = sell(world, "0.1", LOW, client_id="lot-0007-c02", post_only=True)
    await rejected(world.venue.place(crossing), RejectReason.WOULD_TAKE)
    assert not await world.venue.fills(ref(crossing))


@conforms()
async def test_c05_cancel_then_query(world: World) -> None:
    order = sell(world, "0.1", HIGH)
    report = await world.venue.place(order)
    await world.venue.cancel(ref(order, report))
    seen = await world.venue.query(ref(order, report))
    assert seen is not None
    assert seen.status is OrderStatus.CANCELED
    assert cum_is(seen, D(0))
    assert await world.venue.fills(ref(order, report)) == []


@conforms()
async def test_c06_cancel_of_a_finished_order(world: World) -> None:
    order = sell(world, "0.1", LOW, TimeInForce.IOC)
    report = await world.venue.place(order)
    with pytest.raises(Rejected) as caught:
        await world.venue.cancel(ref(order, report))
    assert caught.value.reason in (RejectReason.FINISHED, RejectReason.NOT_FOUND)


@conforms()
async def test_c07_query_of_an_order_never_sent(world: World) -> None:
    assert await world.venue.query(OrderRef("lot-0007-c99", world.symbol)) is None


@conforms()
async def test_c08_too_small(world: World) -> None:
    one = (await world.venue.instruments())[world.symbol]
    await rejected(world.venue.place(sell(world, one.step_size, D("100000"))), RejectReason.SIZE)
    assert not world.exchange.orders


@conforms()
async def test_c09_off_the_tick(world: World) -> None:
    one = (await world.venue.instruments())[world.symbol]
    await rejected(world.venue.place(sell(world, "0.1", HIGH + one.tick_size / 2)), RejectReason.PRICE)
    assert not world.exchange.orders


@conforms(base_balance=D("0.01"))
async def test_c10_not_enough_coins(world: World) -> None:
    await rejected(world.venue.place(sell(world, "0.02", HIGH)), RejectReason.BALANCE)
    assert not world.exchange.orders


@conforms(started=False, wrong_key=True)
async def test_c11_wrong_key(world: World) -> None:
    with pytest.raises(Unauthorized):
        await world.venue.start()
    with pytest.raises(Unauthorized):
        await world.venue.place(sell(world, "0.1", HIGH))


@conforms(started=False, wrong_secret=True)
async def test_c11_wrong_secret(world: World) -> None:
    with pytest.raises(Unauthorized) as caught:
        await world.venue.start()
    assert "other" not in str(caught.value)


@conforms(venue_skew=timedelta(seconds=7))
async def test_c12_venue_clock_ahead(world: World) -> None:
    offset = await world.venue.clock_offset()
    assert abs(offset - timedelta(seconds=7)) < timedelta(milliseconds=50)
    await world.venue.place(sell(world, "0.1", HIGH))


@conforms(venue_skew=timedelta(seconds=-7))
async def test_c12_venue_clock_behind(world: World) -> None:
    offset = await world.venue.clock_offset()
    assert abs(offset + timedelta(seconds=7)) < timedelta(milliseconds=50)
    await world.venue.place(sell(world, "0.1", HIGH))


# --- lost and strange answers -----------------------------------------------------------------------------------


async def _unknown_then_found(world: World, fault: Fault) -> None:
    order = sell(world, "0.1", LOW, TimeInForce.IOC)
    world.wire.fault = fault
    before = len(world.wire.sent)
    with pytest.raises(Unknown):
        await world.venue.place(order)
    assert len(world.wire.sent) == before + 1, "a write goes out exactly once"
    seen = await world.venue.query(ref(order))
    assert seen is not None
    assert seen.status is OrderStatus.FILLED
    assert sums(await world.venue.fills(ref(order)))[0] == order.qty


@conforms()
async def test_c13_lost_answer(world: World) -> None:
    await _unknown_then_found(world, Fault.ANSWER_LOST)


@conforms()
async def test_c14_connection_refused(world: World) -> None:
    order = sell(world, "0.1", LOW, TimeInForce.IOC)
    world.wire.fault = Fault.CONNECT_REFUSED
    with pytest.raises(NotSent):
        await world.venue.place(order)
    assert await world.venue.query(ref(order)) is None
    assert not world.exchange.orders


@conforms()
async def test_c19_page_instead_of_an_answer(world: World) -> None:
    await _unknown_then_found(world, Fault.HTML)


@conforms()
async def test_c19_server_error(world: World) -> None:
    await _unknown_then_found(world, Fault.SERVER_ERROR)


# --- books and lists --------------------------------------------------------------------------------------------


@conforms()
async def test_c15_fill_or_kill(world: World) -> None:
    if TimeInForce.FOK not in world.venue.traits.time_in_force:
        return
    over = sell(world, "0.6", D("100000"), TimeInForce.FOK)
    try:
        report = await world.venue.place(over)
    except Rejected:
        pass
    else:
        seen = await world.venue.query(ref(over, report))
        assert seen is not None
        assert seen.status.terminal
        assert cum_is(seen, D(0))
    assert await world.venue.fills(ref(over)) == []
    within = sell(world, "0.6", D("99990.5"), TimeInForce.FOK, client_id="lot-0007-c02")
    report = await world.venue.place(within)
    assert sums(await world.venue.fills(ref(within, report)))[0] == within.qty


@conforms()
async def test_c16_balances_add_up(world: World) -> None:
    await world.venue.place(sell(world, "0.3", LOW, TimeInForce.IOC))
    await world.venue.place(sell(world, "0.2", HIGH, client_id="lot-0007-c02"))
    account = world.venue.traits.order_account
    seen = {one.asset: (one.free, one.locked) for one in await world.venue.balances() if one.account == account}
    assert seen[world.base] == (D("49.5"), D("0.2"))
    assert seen[world.quote] == (world.exchange.wallet(world.quote).free, D(0))


@conforms()
async def test_c17_open_orders(world: World) -> None:
    kept = sell(world, "0.2", HIGH)
    await world.venue.place(kept)
    await world.venue.place(sell(world, "0.2", LOW, TimeInForce.IOC, client_id="lot-0007-c02"))
    listed = await world.venue.open_orders(world.symbol)
    assert [one.client_order_id for one in listed] == [kept.client_order_id]
    assert not listed[0].status.terminal


@conforms()
async def test_c18_cancel_many(world: World) -> None:
    refs = []
    for number in range(4):
        order = sell(world, "0.1", HIGH, client_id=f"lot-0007-c{number:02d}")
        report = await world.venue.place(order)
        refs.append(ref(order, report if number else None))
    await world.venue.cancel_many(refs)
    assert await world.venue.open_orders(world.symbol) == []
    for one in refs:
        seen = await world.venue.query(one)
        assert seen is not None
        assert seen.status is OrderStatus.CANCELED


@conforms()
async def test_c18_cancel_many_goes_on_after_a_refusal(world: World) -> None:
    done = sell(world, "0.1", LOW, TimeInForce.IOC)
    live = sell(world, "0.1", HIGH, client_id="lot-0007-c02")
    refs = [ref(order, await world.venue.place(order)) for order in (done, live)]
    with pytest.raises(Rejected):
        await world.venue.cancel_many(refs)
    assert await world.venue.open_orders(world.symbol) == []


@conforms(fill_page=2)
async def test_c20_fills_beyond_one_page(world: World) -> None:
    world.book.override([(D(100_000 - step), D("0.01")) for step in range(7)], list(ASKS))
    order = sell(world, "0.07", LOW, TimeInForce.IOC)
    report = await world.venue.place(order)
    fills = await world.venue.fills(ref(order, report))
    assert [one.px for one in fills] == [D(100_000 - step) for step in range(7)]
    assert sums(fills)[0] == order.qty


@conforms()
async def test_c21_partly_filled_ioc_is_terminal(world: World) -> None:
    order = sell(world, "0.6", D("100000"), TimeInForce.IOC)
    report = await world.venue.place(order)
    seen = await world.venue.query(ref(order, report))
    assert seen is not None
    assert seen.status.terminal
    assert cum_is(seen, D("0.5"))
    assert sums(await world.venue.fills(ref(order, report)))[0] == D("0.5")


@conforms()
async def test_c22_a_resting_order_is_filled_by_the_market(world: World) -> None:
    world.book.override(None)
    await asyncio.sleep(1)
    best = (await world.venue.book(world.symbol)).asks[0].px
    order = sell(world, "0.00500", best, post_only=True)
    report = await world.venue.place(order)
    fills: list[Fill] = []
    for _ in range(240):
        await asyncio.sleep(15)
        fills = await world.venue.fills(ref(order, report))
        if sums(fills)[0] == order.qty:
            break
    assert sums(fills)[0] == order.qty
    truth = world.exchange.find(client_id=order.client_order_id)
    assert truth is not None
    assert sums(fills)[2] == sum((trade.fee for trade in truth.trades), D(0))
