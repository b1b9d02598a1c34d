"""The OSL adapter against the mocked OSL where the common conformance cases do not reach."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.venue import Unknown
from executor.engine.virtual_time import run_virtual
from tests.conformance import worlds


def test_a_quote_accepted_again_gives_the_same_fill_from_the_ledger():
    async def main():
        world = await worlds.osl(worlds.Options())
        await world.venue.start()
        quote = await world.rfq.quote("BTC", "USD", Decimal("2.5"))
        first = await world.rfq.accept(quote, "a-1")
        again = await world.rfq.accept(quote, "a-1")
        assert replace(again, at=first.at) == first
        assert timedelta(0) <= first.at - again.at < timedelta(seconds=1)  # the ledger keeps whole seconds
        assert world.purses["brokerage"]["BTC"].free == Decimal("47.5")

    run_virtual(main())


def test_a_dealer_who_steps_back_leaves_it_unknown_and_the_ledger_empty():
    async def main():
        world = await worlds.osl(worlds.Options())
        await world.venue.start()
        quote = await world.rfq.quote("BTC", "USD", Decimal("2.5"))
        world.market.shock(-300)
        with pytest.raises(Unknown) as unsettled:
            await world.rfq.accept(quote, "a-1")
        assert "RFS600001" in unsettled.value.code
        assert await world.rfq.quote_trades("BTC", "USD", quote.created_at) == []
        assert world.purses["brokerage"]["BTC"].free == Decimal(50)

    run_virtual(main())
