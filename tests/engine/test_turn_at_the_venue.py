"""Between an intent and its turn at the venue's rate limit people may change their minds: then it does not leave."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.transport import Spacing, Transport
from adapters.venue import Venue
from executor.domain.events import ChildIntended, ChildNotSent
from executor.domain.orders import ChildStatus, ParentStatus
from executor.engine import child, resolve, rfq
from executor.engine.runner import Runner
from executor.errors import Held, Interrupted
from tests.engine.mocked import START, TWAP, D, Stage, plan, running
from tests.engine.rig import OTC, virtual

BOOK = TWAP | {"qty": "2"}
SELLING = ("/api/v4/order", "/api/3/retail/trade")


def crowded(seconds: str) -> Any:
    """A venue at which a turn comes every so many seconds."""

    def bend(venue: Venue) -> Venue:
        transport: Transport = cast(Any, venue)._transport
        transport._orders = Spacing(1 / D(seconds))
        return venue

    return bend


async def stopped_in_the_queue(
    stage: Stage, leg: dict[str, Any], stop: Callable[[Runner], Awaitable[None]]
) -> tuple[Any, Any, list[str]]:
    """``stop`` while the second intent waits for its turn. Returns the end, and what left afterwards that sells."""
    run = stage.runner(plan(leg, venues=["osl"]), bend=crowded("65"))
    async with running(run) as task:
        await stage.at(61)
        while not any(one.status is ChildStatus.INTENDED for one in run.state.open.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stopped_at = stage.clock.now()
        await stop(run)
        state, fault = await task
    left = [one.url.path for at, _, one in stage.sent if at > stopped_at and one.method == "POST"]
    return state, fault, [path for path in left if path in SELLING]


both = pytest.mark.parametrize("leg", [BOOK, OTC], ids=["order", "quote"])


@both
@virtual
async def test_what_waits_for_its_turn_does_not_leave_after_a_kill(leg: dict[str, Any], tmp_path: Path) -> None:
    """It stays here, and its coins are sold when people let the plan go on."""
    stage = Stage(tmp_path)
    state, fault, left = await stopped_in_the_queue(stage, leg, lambda run: stage.kill("all"))
    assert isinstance(fault, Held)
    assert left == []
    (kept,) = stage.events(ChildNotSent)
    assert "kill on all by Li" in kept.message
    await stage.resume("all")
    state, fault = await stage.ran(plan(leg, venues=["osl"]))
    assert fault is None
    assert (state.status, state.cum_qty) == (ParentStatus.COMPLETED, D(leg["qty"]))


@both
@virtual
async def test_it_leaves_where_nobody_asks(
    leg: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without the question the order or the acceptance goes out after the kill."""
    for module in (child, rfq, resolve):
        monkeypatch.setattr(module, "asking", lambda _: nullcontext())
    stage = Stage(tmp_path)
    _, _, left = await stopped_in_the_queue(stage, leg, lambda run: stage.kill("all"))
    assert left != []


@both
@virtual
async def test_it_does_not_leave_once_the_run_is_ending(leg: dict[str, Any], tmp_path: Path) -> None:
    """A signal, and likewise a guard's halt in another leg, which ends the run in the same way."""

    async def stop(run: Runner) -> None:
        run.stop.set()

    _, fault, left = await stopped_in_the_queue(Stage(tmp_path), leg, stop)
    assert isinstance(fault, Interrupted)
    assert left == []


@virtual
async def test_an_order_made_for_one_day_does_not_leave_on_the_next(tmp_path: Path) -> None:
    """Its turn comes two seconds after the day of the cap has turned, under which it would not be counted."""
    stage = Stage(tmp_path)
    caps = {"plan_percent_per_day": "50", "day_boundary": "-01:02"}  # the day turns at 01:02 UTC
    asked = plan(BOOK, venues=["osl"], caps=caps, starts_at=START + timedelta(seconds=57))
    run = stage.runner(asked, bend=crowded("65"))
    async with running(run) as task:
        await stage.at(150)
        (kept,) = stage.events(ChildNotSent)
        run.stop.set()
        await task
    assert "spans of caps that are over" in kept.message
    sold_at = {line.event.client_order_id: line.event for line in stage.lines if isinstance(line.event, ChildIntended)}
    for order in stage.orders():
        day = "2026-03-02" if order.created_at >= START + timedelta(minutes=2) else "2026-03-01"
        assert day in sold_at[order.client_id].reserved[0].counter
