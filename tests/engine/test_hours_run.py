"""Hours in a run: nothing is sent and nobody is asked while a venue is closed; when it opens the sale goes on."""

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from adapters.clock import LoopClock
from adapters.venue import Book, Hours
from executor.domain.events import ChildIntended, ParentHalted, ParentWaiting, QuotesAsked
from executor.domain.orders import ParentStatus
from tests.engine.rig import OTC, START, TWAP, exact, plan, ran, virtual
from tests.engine.scripted_venue import ScriptedVenue

# The runs begin on a Monday at 10:00 in Hong Kong and may last ten minutes.
OPENS = Hours("Asia/Hong_Kong", ("monday",), time(10, 5), time(18))


def venue(hours: Hours | None, name: str = "alpha", clock: LoopClock | None = None) -> ScriptedVenue:
    made = ScriptedVenue(clock or LoopClock(START), name)
    assert made.traits.rfq is not None
    made.traits = replace(made.traits, hours=hours, rfq=replace(made.traits.rfq, hours=hours))
    return made


@pytest.mark.parametrize("leg", [TWAP | {"slices": 10}, OTC], ids=["book", "quotes"])
@virtual
async def test_nothing_is_sent_before_the_venue_opens_and_then_all_is_sold(leg: dict[str, Any]) -> None:
    alpha = venue(OPENS)
    end = await ran(alpha, asked=plan(leg))
    exact(end.state, alpha)
    early = [line for line in end.lines if line.at < START + timedelta(minutes=5)]
    assert not [line for line in early if isinstance(line.event, ChildIntended | QuotesAsked)]
    first = end.events(ParentWaiting)[0]
    assert first.rule == "venue.hours"
    assert "monday 10:05 to 18:00 Asia/Hong_Kong" in first.reason


@pytest.mark.parametrize("leg", [TWAP, OTC], ids=["book", "quotes"])
@virtual
async def test_the_venue_that_is_open_sells_alone(leg: dict[str, Any]) -> None:
    shut = Hours("Asia/Hong_Kong", ("sunday",), time(0), time(12))
    alpha, beta = venue(shut), venue(None, "beta")
    end = await ran(alpha, beta, asked=plan(leg, venues=["alpha", "beta"]))
    exact(end.state, alpha, beta)
    assert (alpha.wire, alpha.quotes) == ([], 0)


@virtual
async def test_a_venue_that_never_opens_in_the_window_sells_nothing() -> None:
    alpha = venue(Hours("Asia/Hong_Kong", ("sunday",), time(0), time(12)))
    end = await ran(alpha)
    assert (alpha.wire, end.state.status) == ([], ParentStatus.ENDED)


@virtual
async def test_the_hour_is_asked_again_where_the_order_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards `venue.hours` in the engine: whoever looks away before still sends nothing."""
    monkeypatch.setattr("executor.engine.desk.Desk.shut", lambda *_: "")
    alpha = venue(Hours("Asia/Hong_Kong", ("sunday",), time(0), time(12)))
    end = await ran(alpha)
    assert alpha.wire == []
    assert {each.rule for each in end.events(ParentWaiting)} == {"venue.hours"}


@virtual
async def test_a_closed_venue_need_show_no_market() -> None:
    """Guards the hours against the guard of the books: an empty book for a quarter of an hour would halt the sale."""
    late = Hours("Asia/Hong_Kong", ("monday",), time(10, 15), time(18))
    alpha = venue(late)
    show = alpha.book

    async def book(symbol: str) -> Book:
        alpha.no_bids = not late.open_at(alpha.clock.now())
        return await show(symbol)

    alpha.book = book  # type: ignore[method-assign]
    beta = venue(late, "beta", alpha.clock)  # type: ignore[arg-type]
    end = await ran(alpha, beta, asked=plan(TWAP | {"slices": 20}, duration="40m", venues=["alpha", "beta"]))
    exact(end.state, alpha, beta)
    assert [each.rule for each in end.events(ParentWaiting)] == ["venue.hours"]
    assert not end.events(ParentHalted)


@virtual
async def test_a_closed_venue_is_none_of_the_venues_that_the_plan_wants() -> None:
    alpha, beta = venue(None), venue(Hours("Asia/Hong_Kong", ("sunday",), time(0), time(12)), "beta")
    end = await ran(alpha, beta, asked=plan(venues=["alpha", "beta"], caps={"min_venues": 2}))
    assert (alpha.wire, beta.wire) == ([], [])
    assert {each.rule for each in end.events(ParentWaiting)} == {"cap.min_venues"}
