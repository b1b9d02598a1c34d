"""Pause, resume and kill over the mocked venues: while a hold is in force not one order of its scope gets out."""

from pathlib import Path

import pytest

from adapters.venue import NewOrder, OrderReport, Unknown, Venue
from executor.domain.control import Hold, HoldAction
from executor.domain.events import ChildResent, ChildResolved, ParentStopped, ParentWaiting
from executor.engine.control import Controls
from executor.engine.parent_log import ParentLog
from executor.engine.runner import Runner
from executor.errors import Held
from executor.exit_codes import ExitCode
from executor.journal.sqlite import SqliteStore
from tests.engine.mocked import REST, START, Bent, D, Stage, plan, resting, running
from tests.engine.rig import virtual

WHOLE = ("parent", "case", "all")


def named(scope: str, run: Runner) -> str:
    """The scope that binds ``run`` as a whole."""
    names = {"parent": run.parent_id, "case": "CASE-1", "venue": "osl"}
    return f"{scope}/{names[scope]}" if scope in names else scope


# --- the parent order as a whole --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", WHOLE)
@virtual
async def test_pause_lets_no_order_out_and_resume_completes(scope: str, tmp_path: Path) -> None:
    """Guards pause: nothing new at any venue from the moment the hold is durable until it is cleared; the wait stands
    in the record with who and why; afterwards the plan completes to the last digit."""
    stage = Stage(tmp_path)
    process = stage.runner()
    async with running(process) as run:
        await stage.at(150)
        await stage.pause(named(scope, process))
        held_at, before = stage.clock.now(), len(stage.orders())
        assert before > 0
        await stage.at(700)
        assert stage.orders(since=held_at) == []
        (waited,) = [e for e in stage.events(ParentWaiting) if e.rule == "control"]
        assert waited.reason == f"pause on {named(scope, process)} by Li: lunch"
        await stage.resume(named(scope, process))
        state, fault = await run
    assert fault is None
    stage.exact(state)


@pytest.mark.parametrize("scope", WHOLE)
@virtual
async def test_kill_ends_the_run_and_refuses_the_next_until_resumed(scope: str, tmp_path: Path) -> None:
    """Guards kill: the run ends with exit code 6, nothing new leaves, a new run is refused before it asks a venue for
    anything, and after a person's resume it goes on where it stopped."""
    stage = Stage(tmp_path)
    process = stage.runner()
    async with running(process) as run:
        await stage.at(150)
        await stage.kill(named(scope, process))
        killed_at = stage.clock.now()
        state, fault = await run
    assert isinstance(fault, Held)
    assert fault.exit_code is ExitCode.STOPPED == 6
    assert stage.events(ParentStopped)[-1].reason == f"kill on {named(scope, process)} by Li: fire"
    assert D(0) < state.cum_qty < 1
    said = len(stage.sent)
    _, fault = await stage.ran()
    assert isinstance(fault, Held)
    assert len(stage.sent) == said
    assert stage.orders(since=killed_at) == []
    await stage.resume(named(scope, process))
    state, fault = await stage.ran()
    assert fault is None
    stage.exact(state)


@virtual
async def test_a_hold_on_one_case_lets_the_other_case_go_on(tmp_path: Path) -> None:
    """Guards the scope: two cases on the same accounts, one of them paused."""
    stage, asked = Stage(tmp_path), plan(venues=["hashkey"])
    ours, theirs = stage.runner(asked, case="CASE-1"), stage.runner(asked, case="CASE-2")
    async with running(ours, theirs) as (one, other):
        await stage.at(150)
        await stage.pause("case/CASE-1")
        stopped_at = ours.state.cum_qty
        state, fault = await other
        assert (fault, state.cum_qty) == (None, D(1))
        assert ours.state.cum_qty == stopped_at < 1
        await stage.resume("case/CASE-1")
        state, fault = await one
    assert (fault, state.cum_qty) == (None, D(1))
    assert stage.sold() == D(2)


# --- one venue --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", ["osl", "hashkey"])
@pytest.mark.parametrize("action", ["pause", "kill"])
@virtual
async def test_a_hold_on_a_venue_stops_that_venue_and_no_other(venue: str, action: str, tmp_path: Path) -> None:
    """Guards the scope: the other venue takes over the whole plan, also where the held one shows the better price."""
    stage = Stage(tmp_path)
    async with running(stage.runner(plan(REST))) as run:
        await stage.at(150)
        await (stage.pause(f"venue/{venue}") if action == "pause" else stage.kill(f"venue/{venue}"))
        held_at = stage.clock.now()
        state, fault = await run
    assert fault is None
    stage.exact(state)
    assert stage.orders(venue, since=held_at) == []
    assert {order.status.live for order in stage.orders()} == {False}
    assert [(hold.scope, hold.who) for hold in stage.holds()] == [(f"venue/{venue}", "Li")]


# --- what rests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cancel", [False, True])
@virtual
async def test_resting_orders_are_kept_or_cancelled_as_the_pause_says(cancel: bool, tmp_path: Path) -> None:
    """Guards the explicit choice: ``keep`` leaves them to their time, ``cancel`` takes them off within two seconds."""
    stage = Stage(tmp_path)
    run = stage.runner(plan(REST | {"rest_for": "50s"}))
    async with running(run) as task:
        await stage.at(95)
        live = resting(run.state)
        assert live
        await stage.pause("all", cancel=cancel)
        await stage.at(98)
        on_book = [o for x in stage.world.exchanges.values() for o in x.open_orders()]
        assert bool(on_book) is not cancel
        assert bool(resting(run.state)) is not cancel
        await stage.at(600)
        assert not any(x.open_orders() for x in stage.world.exchanges.values())
        await stage.resume("all")
        state, fault = await task
    assert fault is None
    stage.exact(state)


# --- the refusal comes from the journal -------------------------------------------------------------------------------


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own looks at the holds see nothing: what is left is the journal's transaction."""
    monkeypatch.setattr(Controls, "whole", lambda self, anew=False: None)
    monkeypatch.setattr(Controls, "venue", lambda self, name: None)
    monkeypatch.setattr(ParentLog, "why_not", lambda self, child, stop: "")


@pytest.mark.parametrize("scope", [*WHOLE, "venue"])
@virtual
async def test_the_journal_refuses_when_the_engine_does_not_look(
    scope: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the fence: with every check of the engine taken away the transaction that would write the intent still
    refuses it, so nothing is sent."""
    stage, asked = Stage(tmp_path), plan(venues=["osl"])
    deaf(monkeypatch)
    process = stage.runner(asked)
    async with running(process) as run:
        await stage.at(150)
        await stage.pause(named(scope, process))
        held_at = stage.clock.now()
        await stage.at(500)
        assert stage.orders(since=held_at) == []
        assert process.state.status_rule == "control"
        process.stop.set()
        await run
    assert stage.orders(since=held_at) == []


@virtual
async def test_without_the_fence_an_order_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the store no longer looks holds up in its transaction, and orders leave during a pause."""
    stage, asked = Stage(tmp_path), plan(venues=["osl"])
    deaf(monkeypatch)
    monkeypatch.setattr(SqliteStore, "_held", lambda self, scopes: None)
    async with running(stage.runner(asked)) as run:
        await stage.at(150)
        await stage.pause("all")
        held_at = stage.clock.now()
        await run
    assert stage.orders(since=held_at) != []


@virtual
async def test_an_order_proved_absent_is_not_sent_again_during_a_hold(tmp_path: Path) -> None:
    """Guards the fence for repeated sends: HashKey would get the same id once more; under a pause it does not, the
    order is settled as absent and its quantity is sold after the resume."""
    stage, lost = Stage(tmp_path), []

    def bend(venue: Venue) -> Venue:
        async def place(order: NewOrder) -> OrderReport:
            if not lost:
                lost.append(order.client_order_id)
                raise Unknown("hashkey", "no answer")
            return await venue.place(order)

        return Bent(venue, place=place)

    async with running(stage.runner(plan(venues=["hashkey"]), bend=bend)) as run:
        await stage.at(25)
        assert lost
        await stage.pause("venue/hashkey")
        await stage.at(300)
        assert stage.orders() == stage.events(ChildResent) == []
        assert [event.found for event in stage.events(ChildResolved)] == [False]
        await stage.resume("venue/hashkey")
        state, fault = await run
    assert fault is None
    stage.exact(state)


@virtual
async def test_a_hold_says_who_when_and_why(tmp_path: Path) -> None:
    """Guards the record of a person's act: the hold in force and the event behind it name who, when and why."""
    stage = Stage(tmp_path)
    await stage.at(5)
    await stage.kill("all")
    assert stage.holds() == [Hold("all", HoldAction.KILL, True, "Li", "fire", "2026-03-02T01:00:05.000000Z")]
    journal = stage.journal()
    (line,) = journal.read("control")
    assert (line.kind, line.at) == ("ControlSet", START.replace(second=5))
