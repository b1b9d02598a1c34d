"""Many parent orders on one connection: readings are made together, and none is older than the question."""

import asyncio
from typing import Any, cast

import pytest

from adapters.venue import Venue
from executor.engine.virtual_time import run_virtual
from executor.workers.shared_venue import SharedVenue


class Slow:
    """A venue whose readings take a second and answer with the time at which they began."""

    name = "slow"

    def __init__(self, *, fails: int = 0) -> None:
        self.began: list[float] = []
        self.starts = 0
        self.closed = 0
        self._fails = fails

    async def start(self) -> None:
        self.starts += 1
        if self.starts <= self._fails:
            raise RuntimeError("not now")

    async def balances(self) -> float:
        began = asyncio.get_running_loop().time()
        self.began.append(began)
        await asyncio.sleep(1)
        return began

    async def aclose(self) -> None:
        self.closed += 1


def test_who_asks_while_one_is_under_way_is_told_what_was_true_afterwards() -> None:
    async def ask() -> None:
        inner = Slow()
        shared = cast(Any, SharedVenue(cast(Venue, inner)))
        loop = asyncio.get_running_loop()

        async def later(seconds: float) -> tuple[float, float]:
            await asyncio.sleep(seconds)
            asked = loop.time()
            return asked, await shared.balances()

        ends = await asyncio.gather(*(later(number / 10) for number in range(25)))
        assert all(answer >= asked for asked, answer in ends)
        assert len(inner.began) <= 5

    run_virtual(ask())


def test_one_that_gives_up_does_not_take_the_answer_from_the_others() -> None:
    async def ask() -> None:
        shared = cast(Any, SharedVenue(cast(Venue, Slow())))
        first = asyncio.create_task(shared.balances())
        second = asyncio.create_task(shared.balances())
        await asyncio.sleep(0.5)
        first.cancel()
        assert await second == 0
        with pytest.raises(asyncio.CancelledError):
            await first

    run_virtual(ask())


def test_it_is_started_once_and_again_after_a_failure_and_closed_by_its_owner_alone() -> None:
    async def ask() -> None:
        inner = Slow(fails=1)
        shared = SharedVenue(cast(Venue, inner))
        with pytest.raises(RuntimeError):
            await shared.start()
        await asyncio.gather(*(shared.start() for _ in range(5)))
        assert inner.starts == 2
        await shared.aclose()
        assert inner.closed == 0
        await shared.really_close()
        assert inner.closed == 1

    run_virtual(ask())
