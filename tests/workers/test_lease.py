"""A worker's right to send: gone before anybody can take over, and judging nobody after a silence of its own."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from adapters.clock import SetClock
from executor.errors import JournalFailed
from executor.workers import lease as module
from executor.workers.lease import SENDS_FOR, TERM, Lease
from executor.workers.roster import Roster

DB_NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)


class FakeRoster:
    """A database that answers as told. ``costs``: how long a heartbeat takes before its answer is here."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.away = False
        self.state: str | None = "up"
        self.costs = timedelta(milliseconds=2)
        self.jumped = timedelta(0)
        self.judged = 0

    def beat(self, name: str, lag_ms: int) -> tuple[str, datetime] | None:
        self.world.moment += self.costs
        if self.away:
            raise JournalFailed("away")
        return (self.state, DB_NOW + self.world.moment + self.jumped) if self.state else None

    def judge(self, term: timedelta) -> tuple[list[str], list[str]]:
        assert term == TERM
        self.judged += 1
        return [], []

    def rebuild(self) -> list[str]:
        return []


class World:
    """Steady time that a test moves, and one worker's lease in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moment = timedelta(hours=5)
        self.ends: list[str] = []
        self.roster = FakeRoster(self)
        self.clock = SetClock()
        monkeypatch.setattr(module, "steady", lambda: self.moment)
        monkeypatch.setattr("adapters.clock.steady", lambda: self.moment)
        self.lease = Lease(
            "w.1",
            cast(Roster, self.roster),
            self.clock,
            lag=lambda: timedelta(0),
            on_death=lambda: self.ends.append("dead"),
            on_despair=lambda: self.ends.append("despair"),
            on_drain=lambda: self.ends.append("drain"),
        )

    def beats(self, seconds: int) -> None:
        """A heartbeat each second; one that fails is as the thread takes it."""
        for _ in range(seconds):
            self.moment += timedelta(seconds=1)
            try:
                self.lease.renew()
            except JournalFailed:
                continue


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_nothing_is_sold_before_the_first_heartbeat(world: World) -> None:
    assert not world.lease.may_sell()
    world.lease.renew()
    assert world.lease.may_sell()


def test_it_stops_before_it_can_be_declared_dead(world: World) -> None:
    """Counted from when the heartbeat was begun: the database counts from a later moment, so it is the first to stop.
    With the count from the answer this fails."""
    world.roster.costs = timedelta(seconds=3)
    began = world.moment
    world.lease.renew()
    world.moment = began + SENDS_FOR - timedelta(milliseconds=1)
    assert world.lease.may_sell()
    world.moment = began + SENDS_FOR
    assert not world.lease.may_sell()
    assert SENDS_FOR < TERM


def test_without_the_database_it_stops_and_goes_on_when_it_is_back(world: World) -> None:
    world.beats(2)
    world.roster.away = True
    world.beats(5)
    assert not world.lease.may_sell()
    world.roster.away = False
    world.beats(1)
    assert world.lease.may_sell()


def test_one_that_was_declared_dead_sells_nothing_and_ends(world: World) -> None:
    world.beats(2)
    world.roster.state = None
    world.beats(1)
    assert not world.lease.may_sell()
    assert world.ends == ["dead"]


def test_after_a_silence_of_its_own_it_judges_nobody_for_a_term(world: World) -> None:
    """Everybody else may have been cut off too. Without the rule the first back declares all others dead."""
    world.beats(10)
    before = world.roster.judged
    assert before > 0
    world.roster.away = True
    world.beats(9)
    world.roster.away = False
    world.beats(6)
    assert world.roster.judged == before
    world.beats(2)
    assert world.roster.judged > before


def test_a_process_that_was_stopped_sells_nothing_and_judges_nobody_when_it_goes_on(world: World) -> None:
    world.beats(10)
    before = world.roster.judged
    world.moment += timedelta(minutes=1)  # the signal
    assert not world.lease.may_sell()
    world.beats(1)
    assert world.roster.judged == before


@pytest.mark.parametrize("seconds", [5, -5])
def test_after_a_jump_of_the_database_s_clock_it_judges_nobody_for_a_term(world: World, seconds: int) -> None:
    """Everybody's heartbeat looks old then, also of those who may still sell."""
    world.beats(10)
    before = world.roster.judged
    world.roster.jumped = timedelta(seconds=seconds)
    world.beats(6)
    assert world.roster.judged == before
    world.beats(2)
    assert world.roster.judged > before


def test_a_slow_heartbeat_is_no_jump(world: World) -> None:
    """The database's time was read at its beginning, or at its end."""
    world.beats(10)
    for costs, jumped in ((1800, -1700), (2, 0), (1800, 0), (2, 0)):
        before = world.roster.judged
        world.roster.costs, world.roster.jumped = timedelta(milliseconds=costs), timedelta(milliseconds=jumped)
        world.beats(1)
        assert world.roster.judged == before + 1


def test_it_is_asked_to_drain_once(world: World) -> None:
    world.roster.state = "draining"
    world.beats(3)
    assert world.ends == ["drain"]
    assert world.lease.may_sell()  # orders in flight are followed, and finished


def test_the_clock_is_the_database_s(world: World) -> None:
    world.lease.renew()
    assert abs(world.clock.now() - (DB_NOW + world.moment)) < timedelta(milliseconds=2)
    world.moment += timedelta(seconds=3)
    assert abs(world.clock.now() - (DB_NOW + world.moment)) < timedelta(milliseconds=2)


def test_a_slow_answer_does_not_set_the_clock(world: World) -> None:
    world.lease.renew()
    world.roster.costs = timedelta(seconds=2)
    world.beats(1)
    assert abs(world.clock.now() - (DB_NOW + world.moment)) < timedelta(milliseconds=2)


def test_the_clock_never_goes_back(world: World) -> None:
    world.lease.renew()
    shown = world.clock.now()
    world.clock.set(shown - timedelta(seconds=1), world.moment)
    assert world.clock.now() == shown


def test_a_clock_that_was_never_set_says_so() -> None:
    with pytest.raises(ValueError, match="was not set"):
        SetClock().now()
