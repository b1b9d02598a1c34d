"""Plans with different caps that begin and sell at once, each with a connection of its own, on both databases: whoever
names a calendar first, nobody's orders are missing from it."""

import asyncio
import threading
from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec.structs import replace

from executor.domain.counting import CountingFilled
from executor.domain.parent import Parent
from executor.engine.counting import COUNTING_STREAM
from executor.errors import Stopped
from executor.journal.counters import check_counters
from executor.journal.line import decode
from executor.journal.memory import MemoryStore
from executor.journal.open import Place, open_reading, open_store
from executor.journal.store import NOTHING, Append
from tests.domain.events_made import AT
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
    counting = [decode(text).event for text in reader.read(COUNTING_STREAM)]
    assert 2 <= len(counting) <= 4  # named and filled, together or one by one
    parents = [folded(reader.read(stream)) for stream in reader.streams("parent/")]
    reader.close()
    filled = [each.counted for each in counting if isinstance(each, CountingFilled)]
    check_counters(lambda _statement, _values: list(used.items()), parents, filled)
    assert all("intended" in answers for answers in told)
    for counter in COUNTERS.values():
        assert taken <= used[counter] <= taken + D("0.5") * len(own) * 10


def folded(texts: Iterable[str]) -> Parent:
    state = Parent()
    for line in map(decode, texts):
        state.apply(line.event, line.at)
    return state


class UnderWay(MemoryStore):
    """While ``slow``, what is written cannot be seen before somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.under_way: list[Append] = []

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        if self.slow:
            self.under_way += appends
            return [None] * len(appends)
        return super().commit(appends)

    def wait_for_appends(self) -> None:
        super().commit([replace(each, expects=NOTHING) for each in self.under_way])  # it has looked long ago
        self.under_way = []


def test_an_order_that_was_under_way_when_its_calendar_was_named_is_counted() -> None:
    """Of two that write at once on PostgreSQL the first may have looked before the calendar was named, and be seen only
    after the second has counted."""

    async def main() -> None:
        store = UnderWay()
        free, capped = (
            Seller(store, name, own, "alpha", D(60)) for name, own in (("a", frozenset()), ("b", frozenset({UTC_DAY})))
        )
        await free.begin()
        store.slow = True
        assert await free.intend(D(7)) == "intended"
        store.slow = False
        await capped.counting.step(AT)
        await capped.counting.step(AT)
        assert store.used([COUNTERS[UTC_DAY]]) == {COUNTERS[UTC_DAY]: D(7)}

    asyncio.run(main())
