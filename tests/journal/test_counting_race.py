"""Plans with different caps that begin and sell at once, each with a connection of its own, on both databases: whoever
names a calendar first, nobody's orders are missing from it."""

import asyncio
import threading
from decimal import Decimal

from executor.engine.counting import COUNTING_STREAM
from executor.journal.open import Place, open_reading, open_store
from tests.engine.counting_seller import Seller

D = Decimal
UTC_DAY, HONG_KONG_DAY = "venue_volume_percent UTC", "venue_volume_percent +08:00"
COUNTERS = {
    UTC_DAY: "venue_volume_percent/alpha/BTC/2026-11-23@UTC",
    HONG_KONG_DAY: "venue_volume_percent/alpha/BTC/2026-11-23@+08:00",
}


def test_orders_of_plans_that_begin_at_once_are_all_counted(place: Place) -> None:
    """The first sells without any cap while the others name theirs. What was open at that moment may count in full."""
    open_store(place).close()
    own = (frozenset[str](), frozenset({UTC_DAY}), frozenset({UTC_DAY, HONG_KONG_DAY}), frozenset({HONG_KONG_DAY}))
    ready = threading.Barrier(len(own))
    sellers: list[Seller] = []
    told: list[set[str]] = [set() for _ in own]

    def sell(number: int) -> None:
        async def run() -> None:
            seller = Seller(open_store(place), f"s{number}", own[number], "alpha", D(60))
            sellers.append(seller)
            await seller.begin()
            ready.wait()
            for round_ in range(30):
                told[number].add(await seller.intend(D(1)))
                if round_ % 3 == 2 and seller.open:
                    await seller.end(50)
            await seller.journal.aclose()

        asyncio.run(run())

    threads = [threading.Thread(target=sell, args=(number,)) for number in range(len(own))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = sum((seller.taken for seller in sellers), D(0))
    reader = open_reading(place)
    used = reader.used()
    assert 2 <= len(list(reader.read(COUNTING_STREAM))) <= 4  # named and filled, together or one by one
    reader.close()
    assert all("intended" in answers for answers in told)
    for counter in COUNTERS.values():
        assert taken <= used[counter] <= taken + D("0.5") * len(own) * 10
