"""Who is alive and who runs what: every rule of the roster on a real database."""

from datetime import timedelta

import pytest

from executor.domain.case_events import PlanSubmitted
from executor.errors import InputRefused
from executor.journal.line import Line, encode, time_text
from executor.journal.store import Append, Row
from tests.engine.rig import START
from tests.workers.desk import Desk

LONG, NOW = timedelta(hours=1), timedelta(0)


def test_a_name_is_never_used_twice(desk: Desk) -> None:
    names = [desk.join() for _ in range(3)]
    assert len(set(names)) == 3
    assert all(name.startswith("w.") for name in names)


def test_one_record_has_one_key(desk: Desk) -> None:
    first = desk.join()
    with pytest.raises(InputRefused, match="put the same key file on every machine"):
        desk.roster.join("x", "mock", "1.0", "another key")
    desk.roster.leave(first)
    assert desk.roster.join("x", "mock", "1.0", "another key")


def test_the_silent_are_declared_dead_and_what_they_ran_is_free(desk: Desk) -> None:
    dead, living = desk.join(), desk.join()
    desk.roster.submit("p1", "mock")
    assert desk.roster.claim(dead, "mock") == ["p1"]
    assert desk.roster.judge(timedelta(seconds=6)) == ([], [])
    desk.silent(dead, 7)
    assert desk.roster.judge(timedelta(seconds=6)) == ([dead], ["p1"])
    assert desk.roster.claim(living, "mock") == ["p1"]
    assert desk.roster.beat(dead, 0) is None  # and stays dead, whatever it says
    assert desk.roster.claim(dead, "mock") == []
    assert not desk.roster.give_back(dead, "p1", state="done", said="", after=NOW)
    assert desk.roster.mine(living) == ["p1"]


def test_one_that_beats_is_not_declared_dead(desk: Desk) -> None:
    name = desk.join()
    desk.silent(name, 7)
    told = desk.roster.beat(name, 12)
    assert told is not None
    assert told[0] == "up"
    assert desk.roster.judge(timedelta(seconds=6)) == ([], [])
    (seen,) = desk.roster.workers()
    assert (seen.name, seen.lag_ms, seen.silent_ms < 5_000) == (name, 12, True)


def test_each_takes_its_share(desk: Desk) -> None:
    names = [desk.join() for _ in range(3)]
    for number in range(10):
        desk.roster.submit(f"p{number}", "mock")
    assert [len(desk.roster.claim(name, "mock")) for name in names] == [4, 4, 2]
    assert len({parent for name in names for parent in desk.roster.mine(name)}) == 10


def test_what_nobody_takes_is_taken_beyond_the_share(desk: Desk) -> None:
    old, new = desk.join(serves=1), desk.join(serves=2)
    for number in range(4):
        desk.roster.submit(f"p{number}", "mock", needs=2)
    assert desk.roster.claim(old, "mock", serves=1) == []
    assert len(desk.roster.claim(new, "mock", serves=2)) == 2
    desk.sql("UPDATE work SET due = due - interval '4 seconds'")
    assert len(desk.roster.claim(new, "mock", serves=2)) == 4


def test_what_a_newer_program_has_touched_is_for_those_that_know_as_much(desk: Desk) -> None:
    old, new = desk.join(serves=1), desk.join(serves=2)
    desk.roster.submit("p1", "mock", needs=1)
    assert desk.roster.claim(new, "mock", serves=2) == ["p1"]
    desk.roster.give_back(new, "p1", state="open", said="", after=NOW)
    assert desk.roster.claim(old, "mock", serves=1) == []
    assert [work.needs for work in desk.roster.waiting()] == [2]
    assert desk.roster.claim(new, "mock", serves=2) == ["p1"]


def test_venues_of_another_kind_are_left_alone(desk: Desk) -> None:
    mock, real = desk.join(place="mock"), desk.join(place="production")
    desk.roster.submit("p1", "production")
    assert desk.roster.claim(mock, "mock") == []
    assert desk.roster.claim(real, "production") == ["p1"]


def test_what_is_put_off_is_not_taken_before_its_time(desk: Desk) -> None:
    name = desk.join()
    desk.roster.submit("p1", "mock")
    desk.roster.claim(name, "mock")
    assert desk.roster.give_back(name, "p1", state="open", said="killed by Li", after=LONG)
    assert desk.roster.claim(name, "mock") == []
    assert [(work.parent, work.said) for work in desk.roster.waiting()] == [("p1", "killed by Li")]
    desk.wait_out()
    assert desk.roster.claim(name, "mock") == ["p1"]
    assert desk.roster.waiting() == []


def test_what_was_refused_is_open_again_when_submitted_again_and_what_is_done_is_not(desk: Desk) -> None:
    name = desk.join()
    for parent, state in (("p1", "refused"), ("p2", "done")):
        desk.roster.submit(parent, "mock")
        desk.roster.claim(name, "mock")
        desk.roster.give_back(name, parent, state=state, said="", after=NOW)
    assert desk.roster.claim(name, "mock") == []
    assert (desk.roster.submit("p1", "mock"), desk.roster.submit("p2", "mock")) == ("open", "done")
    assert desk.roster.claim(name, "mock") == ["p1"]


def test_one_that_drains_takes_nothing_and_one_that_left_holds_nothing(desk: Desk) -> None:
    name, other = desk.join(), desk.join()
    desk.roster.submit("p1", "mock")
    assert desk.roster.claim(name, "mock") == ["p1"]
    assert desk.roster.drain(name) == [name]
    assert desk.roster.drain("nobody.1") == []
    told = desk.roster.beat(name, 0)
    assert told is not None
    assert told[0] == "draining"
    desk.roster.submit("p2", "mock")
    assert desk.roster.claim(name, "mock") == ["p1"]
    desk.roster.leave(name)
    assert desk.roster.beat(name, 0) is None
    assert desk.roster.claim(other, "mock") == ["p1", "p2"]
    assert [each.state for each in desk.roster.workers(every=True)] == ["left", "up"]


def test_the_tables_are_made_again_from_the_journal(desk: Desk) -> None:
    event = PlanSubmitted(parent_id="p1", place="mock", schema=1, mandate={}, plan={}, who="Li")
    line = Line(stream="submitted/p1", version=1, case_id="C", at=START, event=event)
    row = Row(line.stream, 1, "C", "PlanSubmitted", time_text(START), encode(line))
    assert desk.store.commit([Append([row])]) == [None]
    assert desk.roster.rebuild() == ["p1"]
    assert desk.roster.rebuild() == []
    desk.sql("DROP TABLE work, workers, turns")
    desk.roster.prepare()
    name = desk.join()
    assert desk.roster.rebuild() == ["p1"]
    assert desk.roster.claim(name, "mock") == ["p1"]


def test_turns_are_given_out_once_and_evenly(desk: Desk) -> None:
    every = timedelta(seconds=10)
    first, pause = desk.roster.take_turns("osl", "orders", every, 1)
    assert first <= NOW == pause
    waits = [desk.roster.take_turns("osl", "orders", every, count)[0] for count in (1, 3, 2)]
    # Each begins where the one before it ended, less the time that has gone by meanwhile.
    assert [round(wait / every) for wait in waits] == [1, 2, 5]
    assert all(wait <= every * number for wait, number in zip(waits, (1, 2, 5), strict=True))
    assert desk.roster.take_turns("osl", "queries", every, 1)[0] <= NOW


def test_a_pause_holds_for_the_account_until_its_end_and_a_shorter_one_does_not_end_it(desk: Desk) -> None:
    minute = timedelta(minutes=1)
    desk.roster.pause("osl", minute)
    desk.roster.pause("osl", timedelta(seconds=1))
    assert minute / 2 < desk.roster.take_turns("osl", "orders", NOW, 1)[1] <= minute
    assert desk.roster.take_turns("hashkey", "orders", NOW, 1)[1] == NOW
