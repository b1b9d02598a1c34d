"""What a worker gives back and how: what is wrong on one machine must not take a parent order from the others."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from executor.engine.runner import Runner
from executor.errors import CredentialsRefused, InputRefused, NotApproved, RecordBroken, RuleRefused, VenueUnreachable
from executor.workers.roster import SERVES
from executor.workers.worker import Job, Worker
from tests.workers.desk import Desk


def job(ends: Callable[[], Any], *, begun: bool) -> Job:
    """A parent order whose run ends as told."""

    async def run() -> object:
        return ends()

    async def aclose() -> None:
        pass

    runner = SimpleNamespace(state=SimpleNamespace(created="then" if begun else None), stop=asyncio.Event())
    runner.aclose = aclose
    return Job(cast(Runner, runner), run)


def raising(error: Exception) -> Callable[..., Any]:
    def end(*_: object) -> Any:
        raise error

    return end


def works_once(desk: Desk, make: Callable[[str], Job], times: int = 1) -> str:
    """One worker that takes what is free and gives it back; its name."""
    name = desk.join()
    worker = Worker(name, "mock", SERVES, desk.roster)

    async def main() -> None:
        for _ in range(times):
            desk.wait_out()
            await worker._take(make)
            await asyncio.gather(*worker._running.values())

    asyncio.run(main())
    worker._thread.shutdown()
    desk.roster.leave(name)
    return name


def seen(desk: Desk) -> tuple[str | None, str, str]:
    with desk.server.connect(desk.url) as db:
        ((worker, state, said),) = db.execute("SELECT worker, state, said FROM work").fetchall()
    return worker, state, said


def test_what_is_missing_on_one_machine_is_left_to_the_others(desk: Desk) -> None:
    """Guards that one wrong profile makes no parent order nobody's."""
    desk.roster.submit("p1", "mock")
    name = works_once(desk, raising(InputRefused("there is no venue profile osl.toml")))
    assert seen(desk) == (None, "open", f"{name} cannot: there is no venue profile osl.toml")
    desk.wait_out()
    assert desk.roster.claim(desk.join(), "mock") == ["p1"]


@pytest.mark.parametrize("error", [InputRefused("no profile"), CredentialsRefused("not from this address")])
def test_who_cannot_do_it_does_not_take_it_again_at_once(desk: Desk, error: Exception) -> None:
    """Else it takes its share again and again, and the others have theirs already."""
    desk.roster.submit("p1", "mock")
    made: list[str] = []

    def make(parent: str) -> Job:
        made.append(parent)
        if isinstance(error, InputRefused):
            raise error
        return job(raising(error), begun=True)

    works_once(desk, make, times=3)
    assert made == ["p1"]


@pytest.mark.parametrize("error", [RuleRefused("floor: no"), InputRefused("a field"), ValueError("a defect")])
def test_what_has_begun_is_never_left_to_nobody(desk: Desk, error: Exception) -> None:
    desk.roster.submit("p1", "mock")
    works_once(desk, lambda _: job(raising(error), begun=True))
    worker, state, said = seen(desk)
    assert (worker, state) == (None, "open")
    assert str(error) in said


@pytest.mark.parametrize(
    "error", [RuleRefused("floor: no"), InputRefused("a field"), NotApproved("it is revoked"), ValueError("a defect")]
)
def test_what_has_not_begun_is_refused_and_a_person_submits_it_again(desk: Desk, error: Exception) -> None:
    """A plan that is over would otherwise be tried, and its refusal recorded, for ever."""
    desk.roster.submit("p1", "mock")
    works_once(desk, lambda _: job(raising(error), begun=False))
    assert seen(desk)[:2] == (None, "refused")
    assert str(error) in seen(desk)[2]


@pytest.mark.parametrize("begun", [False, True])
def test_a_broken_record_is_nobody_s_to_go_on_with(desk: Desk, begun: bool) -> None:
    desk.roster.submit("p1", "mock")
    works_once(desk, lambda _: job(raising(RecordBroken("it contradicts itself")), begun=begun))
    assert seen(desk) == (None, "refused", "it contradicts itself")


@pytest.mark.parametrize("begun", [False, True])
def test_what_may_pass_is_tried_again(desk: Desk, begun: bool) -> None:
    desk.roster.submit("p1", "mock")
    works_once(desk, lambda _: job(raising(VenueUnreachable("no answer")), begun=begun))
    assert seen(desk) == (None, "open", "no answer")


def test_who_leaves_is_seen_to_and_lets_go_of_what_it_has_not_begun(desk: Desk) -> None:
    name = desk.join()
    worker = Worker(name, "mock", SERVES, desk.roster)
    worker.drain()  # a signal, before the answer to a claim has arrived
    desk.roster.submit("p1", "mock")
    assert desk.roster.claim(name, "mock") == ["p1"]
    asyncio.run(worker.work(raising(AssertionError("nothing may be begun"))))
    assert seen(desk) == (None, "open", "")
    assert [each.state for each in desk.roster.workers()] == ["draining"]
