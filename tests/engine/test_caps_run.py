"""Caps in a run: orders are made to fit, what does not fit waits until the window turns, and several runs share one."""

import asyncio
from typing import Any

import pytest

from adapters.clock import LoopClock
from adapters.venue import DuplicateIds, Unknown
from executor.domain.events import ChildIntended, ParentWaiting
from executor.domain.orders import ParentStatus
from executor.domain.plan import Plan
from executor.engine.gate import Gate
from executor.engine.runner import Runner
from executor.errors import ExecutorError
from executor.journal.journal import Journal
from executor.journal.line import Line
from tests.approved import approve
from tests.engine.rig import OTC, REST, START, TWAP, MemoryStore, Ran, exact, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue, Step

DAY = {"day_boundary": "UTC"}
TURNS = {"day_boundary": "-02:05"}  # the runs begin at 02:00 UTC: this day turns after five minutes


@pytest.fixture(autouse=True)
def plans_that_cannot_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """These plans are cut off by their caps on purpose; that one is refused at its start is tested elsewhere."""
    monkeypatch.setattr("executor.engine.runner.over_caps", lambda plan, starts_at: [])


def volume(venue: str = "alpha", qty: str = "30") -> dict[str, Any]:
    return {"venue": venue, "qty": qty, "measured_until": "2026-11-22", "source": "a test", "file_sha256": "0" * 64}


def venue(name: str = "alpha", clock: LoopClock | None = None, **changes: Any) -> ScriptedVenue:
    return ScriptedVenue(clock or LoopClock(START), name, free="5", **changes)


def waits(end: Ran) -> list[str]:
    return [event.rule for event in end.events(ParentWaiting)]


@pytest.mark.parametrize("leg", [TWAP, REST, OTC])
@virtual
async def test_a_daily_share_of_the_plan_is_sold_to_the_last_unit_and_no_more(leg: dict[str, Any]) -> None:
    alpha = venue()
    end = await ran(alpha, asked=plan(leg, caps={"plan_percent_per_day": "37.5"} | DAY))
    assert alpha.sold == D("0.375") == end.state.cum_qty
    assert end.state.status is ParentStatus.ENDED
    assert waits(end)[-1] == "cap.plan_percent_per_day"
    assert "until 2026-11-24T00:00:00+00:00" in end.events(ParentWaiting)[-1].reason


@virtual
async def test_when_the_day_turns_the_sale_goes_on() -> None:
    alpha = venue()
    end = await ran(alpha, asked=plan(TWAP | {"slices": 10}, caps={"plan_percent_per_day": "50"} | TURNS))
    exact(end.state, alpha)
    early = [line for line in end.lines if isinstance(line.event, ChildIntended) and line.at.minute < 5]
    assert sum((line.event.qty for line in early if isinstance(line.event, ChildIntended)), D(0)) <= D("0.5")


@pytest.mark.parametrize("rule", [True, False])
@virtual
async def test_an_order_that_outlives_its_day_keeps_the_next_one_shut(
    rule: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be taken off its book, and was counted in the day that is over: what it yet sells would come on top of
    the half that may be sold today. Without the rule more is ordered."""
    if not rule:
        monkeypatch.setattr(Gate, "_none_outlived", lambda *_: None)
    stays = Step(fill=D(0), cancel_error=Unknown("alpha", "no answer"), cancel_always_fails=True)
    alpha = venue(script=[stays])
    leg, hour = REST | {"slices": 10}, {"unknown_for": "1h"}
    end = await ran(alpha, asked=plan(leg, caps={"plan_percent_per_day": "50"} | TURNS, guards=hour))
    late = [line for line in end.lines if isinstance(line.event, ChildIntended) and line.at.minute >= 5]
    assert bool(late) is not rule
    assert ("cap.span" in waits(end)) is rule


@virtual
async def test_what_was_not_filled_is_given_back() -> None:
    """The first order is rejected, the second fills a part: neither uses the cap up."""
    alpha = venue(script=[Step(fill=D("0.1"))])
    end = await ran(alpha, asked=plan(TWAP | {"slices": 10}, caps={"plan_percent_per_day": "100"} | DAY))
    exact(end.state, alpha)


@virtual
async def test_an_unknown_counts_as_sold() -> None:
    """Half may be sold today. The first half has no known outcome, so nothing more is ordered."""
    alpha = venue(duplicates=DuplicateIds.NOT_DOCUMENTED, script=[Step(error=Unknown("alpha", "no answer"), lost=True)])
    asked = plan(TWAP, caps={"plan_percent_per_day": "50"} | DAY, guards={"unknown_for": "1h"})
    end = await ran(alpha, asked=asked)
    assert len(end.intents) == 1
    assert alpha.sold <= D("0.5")


@virtual
async def test_no_order_is_worth_more_than_the_plan_says() -> None:
    alpha = venue()
    end = await ran(alpha, asked=plan(TWAP | {"slices": 10}, caps={"order_value": "20000"}))
    exact(end.state, alpha)
    assert max(fill.notional for fill in alpha.fills_made) <= D(20_000)


@virtual
async def test_the_value_of_a_week_is_not_passed() -> None:
    """Saturday to Friday in New York; the runs are on a Monday. Quotes count with their money, exactly."""
    week = {"week_currency": "USD", "week_starts": "saturday", "week_zone": "America/New_York"}
    alpha = venue()
    asked = plan(OTC, caps={"week_values": ["50000", "90000"], "first_week": "2026-11-21"} | week)
    end = await ran(alpha, asked=asked)
    assert sum((fill.notional for fill in alpha.fills_made), D(0)) <= D(50_000)
    assert alpha.sold > D("0.47")
    assert waits(end)[-1] == "cap.week_values"
    before = await ran(venue(), asked=plan(OTC, caps={"week_values": ["50000"], "first_week": "2026-11-28"} | week))
    assert before.intents == []


@virtual
async def test_too_few_venues_sell_nothing() -> None:
    alpha, beta = venue(), venue("beta")
    beta.clock, beta.no_bids = alpha.clock, True
    end = await ran(alpha, beta, asked=plan(venues=["alpha", "beta"], caps={"min_venues": 2}))
    assert alpha.wire == []
    assert waits(end) == ["cap.min_venues"]


# --- several runs on one journal --------------------------------------------------------------------------------------


async def together(caps: dict[str, Any], store: MemoryStore) -> tuple[list[ScriptedVenue], list[Line]]:
    """Two processes, each with a case of its own and one coin to sell, at alpha and beta, on one journal."""
    clock, lines, venues, runs = LoopClock(START), list[Line](), list[ScriptedVenue](), list[Runner]()
    for number in (1, 2):
        asked: Plan = plan(TWAP | {"slices": 4}, venues=["alpha", "beta"], caps=caps, seed=number)
        case = mandate().model_copy(update={"case_id": f"CASE-{number}"})
        approve(store, case, asked, START)
        mine = [venue(name, clock) for name in ("alpha", "beta")]
        venues += mine
        journal = Journal(store, threaded=False)
        runs.append(Runner(case, asked, mine, journal, clock, observer=lines.append, owner=f"process-{number}"))

    async def ended(one: Runner) -> None:
        try:
            await one.run()
        except ExecutorError as error:
            raise AssertionError(str(error)) from error

    await asyncio.gather(*(ended(one) for one in runs))
    return venues, lines


VOLUMES = {"venue_volumes": [volume("alpha", "6"), volume("beta", "9")]}


@virtual
async def test_two_cases_at_two_venues_hold_the_joint_cap_of_each_venue() -> None:
    """A tenth of each venue's average day is 0.6 and 0.9: together both cases sell no more there, and all of it."""
    caps = {"venue_volume_percent": "10", "venue_volume_days": 30} | VOLUMES | DAY
    venues, lines = await together(caps, MemoryStore())
    sold = {name: sum((v.sold for v in venues if v.name == name), D(0)) for name in ("alpha", "beta")}
    assert sold == {"alpha": D("0.6"), "beta": D("0.9")}
    assert {line.event.rule for line in lines if isinstance(line.event, ParentWaiting)} == {"cap.venue_volume_percent"}


@virtual
async def test_without_the_counters_the_joint_cap_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: no cap is asked where the intent is written, nor looked at before."""
    monkeypatch.setattr(Gate, "limits", lambda *_: ())
    caps = {"venue_volume_percent": "10", "venue_volume_days": 30} | VOLUMES | DAY
    venues, _ = await together(caps, MemoryStore())
    assert sum((each.sold for each in venues), D(0)) == D(2)


@virtual
async def test_participation_holds_in_every_window() -> None:
    """A tenth of what each trades in an hour: 6 and 9 a day are 0.025 and 0.0375 an hour, all of which is sold."""
    caps = {"participation_percent": "10", "participation_window": "1h"} | VOLUMES
    venues, _ = await together(caps, MemoryStore())
    sold = {name: sum((v.sold for v in venues if v.name == name), D(0)) for name in ("alpha", "beta")}
    assert sold == {"alpha": D("0.025"), "beta": D("0.0375")}
