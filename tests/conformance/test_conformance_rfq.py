"""What every adapter must do with requests for quote, where its venue lets quotes be executed."""

import asyncio
from datetime import timedelta
from decimal import Decimal

from adapters.venue import Fill, RejectReason, RfqVenue, VenueError
from tests.conformance.cases import D, conforms, rejected
from tests.conformance.worlds import RFQ_WORLDS, World


@conforms(RFQ_WORLDS)
async def test_r01_quote(world: World) -> None:
    quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
    traits = world.rfq.traits.rfq
    assert traits is not None
    assert traits.executable
    assert quote.executable
    assert (quote.base, quote.quote, quote.qty) == (world.base, world.quote, D("2.5"))
    assert abs(quote.px * quote.qty - quote.notional) < D("0.02")
    assert timedelta(seconds=1) < quote.expires_at - world.clock.now() < timedelta(minutes=5)
    assert await world.rfq.quote_trades(world.base, world.quote, world.clock.now() - timedelta(hours=1)) == []


def _paid(world: World) -> tuple[Decimal, Decimal]:
    """Coins and cash of the purse that pays for quotes, on the mock's books."""
    assert world.venue.traits.rfq is not None
    purse = world.purses[world.venue.traits.rfq.account]
    return purse[world.base].free, purse[world.quote].free


@conforms(RFQ_WORLDS)
async def test_r02_accept(world: World) -> None:
    coins, cash = _paid(world)
    quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
    fill = await world.rfq.accept(quote, "lot-0007-c01")
    assert (fill.client_order_id, fill.qty, fill.notional) == ("lot-0007-c01", quote.qty, quote.notional)
    assert _paid(world) == (coins - fill.qty, cash + fill.notional - fill.fee)


@conforms(RFQ_WORLDS)
async def test_r03_the_same_quote_trades_once(world: World) -> None:
    coins, cash = _paid(world)
    quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
    first = await world.rfq.accept(quote, "lot-0007-c01")
    try:
        second: Fill | None = await world.rfq.accept(quote, "lot-0007-c01")
    except VenueError:
        second = None
    assert second is None or second.trade_id == first.trade_id
    assert _paid(world) == (coins - first.qty, cash + first.notional - first.fee)


@conforms(RFQ_WORLDS)
async def test_r04_expired_quote(world: World) -> None:
    before = _paid(world)
    quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
    await asyncio.sleep((quote.expires_at - world.clock.now()).total_seconds() + 1)
    await rejected(world.rfq.accept(quote, "lot-0007-c01"), RejectReason.EXPIRED)
    assert _paid(world) == before


@conforms(RFQ_WORLDS, base_balance=D("1"))
async def test_r05_not_enough_coins(world: World) -> None:
    async def ask_and_accept() -> None:
        quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
        await world.rfq.accept(quote, "lot-0007-c01")

    before = _paid(world)
    await rejected(ask_and_accept(), RejectReason.BALANCE)
    assert _paid(world) == before


@conforms(RFQ_WORLDS)
async def test_r06_the_ledger_has_it(world: World) -> None:
    since = world.clock.now() - timedelta(seconds=1)
    quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
    fill = await world.rfq.accept(quote, "lot-0007-c01")
    trades = await world.rfq.quote_trades(world.base, world.quote, since)
    assert [(one.trade_id, one.qty, one.notional) for one in trades] == [(fill.trade_id, fill.qty, fill.notional)]
    later = world.clock.now() + timedelta(hours=1)
    assert await world.rfq.quote_trades(world.base, world.quote, later) == []


@conforms()
async def test_r07_without_a_documented_way_nothing_is_accepted(world: World) -> None:
    """Where quotes cannot be executed, asking works and accepting is refused before anything is sent."""
    traits = world.venue.traits.rfq
    if traits is None or traits.executable:
        return
    assert isinstance(world.venue, RfqVenue)
    quote = await world.rfq.quote(world.base, world.quote, D("2.5"))
    assert not quote.executable
    before = len(world.wire.sent)
    await rejected(world.rfq.accept(quote, "lot-0007-c01"), RejectReason.NOT_CONFIGURED)
    assert len(world.wire.sent) == before
