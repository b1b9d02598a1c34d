"""Virtual time jumps when nothing is ready, and a run that would wait for the outside world is reported."""

import asyncio
from datetime import timedelta

import pytest

from adapters.clock import LoopClock
from executor.engine.virtual_time import Deadlock, run_virtual
from executor.engine.work import Stop
from tests.engine.rig import START, virtual


def test_a_day_passes_at_once_and_in_order() -> None:
    async def main() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: int) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, asyncio.get_running_loop().time()))

        await asyncio.gather(sleeper("day", 86_400), sleeper("hour", 3_600), sleeper("now", 0))
        return seen

    seen = run_virtual(main())
    assert [name for name, _ in seen] == ["now", "hour", "day"]
    assert seen[-1][1] == pytest.approx(86_400)


def test_waiting_for_what_never_comes_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="all tasks wait"):
        run_virtual(main())


@virtual
async def test_timers_that_are_almost_due_still_move_the_clock() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    for _ in range(10):
        await asyncio.sleep(1e-12)
    assert loop.time() > before


@virtual
async def test_the_stop_ends_a_wait_early() -> None:
    clock = LoopClock(START)
    stop = Stop(clock)
    assert await stop.wait_until(START + timedelta(seconds=5))
    assert clock.now() >= START + timedelta(seconds=5)
    asyncio.get_running_loop().call_later(3, stop.set)
    assert not await stop.wait_until(START + timedelta(hours=5))
    assert clock.now() - START < timedelta(seconds=9)
    assert stop.requested()
    assert not await stop.wait_until(START)


def test_a_clock_goes_with_the_next_loop_when_its_own_is_closed() -> None:
    clock = LoopClock(START)

    async def slept(seconds: int) -> timedelta:
        clock.now()
        await asyncio.sleep(seconds)
        return clock.now() - START

    assert run_virtual(slept(3600)) == timedelta(hours=1)
    assert run_virtual(slept(60)) == timedelta(minutes=1)


@virtual
async def test_a_clock_that_is_put_wrong_says_so_at_once() -> None:
    clock = LoopClock(START)
    before = clock.now()
    clock.skew += timedelta(seconds=5)
    assert clock.now() - before == timedelta(seconds=5)
    assert clock.now() is clock.now()
