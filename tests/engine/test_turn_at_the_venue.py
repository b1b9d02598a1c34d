"""Between an intent and its turn at the venue's rate limit people may change their minds: then it does not leave."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.transport import Spacing, Transport
from adapters.venue import Venue
from executor.domain.events import ChildNotSent
from executor.domain.orders import ChildStatus, ParentStatus
from executor.engine import child, resolve, rfq
from executor.errors import Held
from tests.engine.mocked import TWAP, D, Stage, plan, running
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


async def killed_in_the_queue(stage: Stage, leg: dict[str, Any], every: str, at: float) -> tuple[Any, Any, list[str]]:
    """Kill everything while an intent waits for its turn. Returns the run's end and what left afterwards that sells."""
    run = stage.runner(plan(leg, venues=["osl"]), bend=crowded(every))
    async with running(run) as task:
        await stage.at(at)
        while not any(one.status is ChildStatus.INTENDED for one in run.state.open.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        killed_at = stage.clock.now()
        await stage.kill("all")
        state, fault = await task
    left = [one.url.path for at, _, one in stage.sent if at > killed_at and one.method == "POST"]
    return state, fault, [path for path in left if path in SELLING]


@pytest.mark.parametrize(("leg", "every", "at"), [(BOOK, "65", 61), (OTC, "65", 61)], ids=["order", "quote"])
@virtual
async def test_what_waits_for_its_turn_does_not_leave_after_a_kill(
    leg: dict[str, Any], every: str, at: float, tmp_path: Path
) -> None:
    """It stays here, and its coins are sold when people let the plan go on."""
    stage = Stage(tmp_path)
    state, fault, left = await killed_in_the_queue(stage, leg, every, at)
    assert isinstance(fault, Held)
    assert left == []
    (kept,) = stage.events(ChildNotSent)
    assert "kill on all by Li" in kept.message
    await stage.resume("all")
    state, fault = await stage.ran(plan(leg, venues=["osl"]))
    assert fault is None
    assert (state.status, state.cum_qty) == (ParentStatus.COMPLETED, D(leg["qty"]))


@pytest.mark.parametrize(("leg", "every", "at"), [(BOOK, "65", 61), (OTC, "65", 61)], ids=["order", "quote"])
@virtual
async def test_it_leaves_where_nobody_asks(
    leg: dict[str, Any], every: str, at: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without the question the order or the acceptance goes out after the kill."""
    for module in (child, rfq, resolve):
        monkeypatch.setattr(module, "asking", lambda _: nullcontext())
    _, _, left = await killed_in_the_queue(Stage(tmp_path), leg, every, at)
    assert left != []
