"""What people order is read once for all parent orders of a process: seen soon, or at once where it is asked anew."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from unittest.mock import patch

from executor.domain.control import HoldAction
from executor.domain.events import ResumeAsked
from executor.engine.virtual_time import run_virtual
from executor.journal.journal import row_of
from executor.journal.line import Line
from executor.journal.people import FRESH, People
from executor.journal.store import Append, Store
from tests.journal.rows import clears, hold, sets

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WHOLE = ("all", "case/x", "parent/p")


def asks(stream: str, version: int, why: str) -> Append:
    """A person's act in the stream of one parent order."""
    return Append(
        [row_of(Line(stream=stream, version=version, case_id="", at=AT, event=ResumeAsked(who="Li", why=why)))]
    )


def whys(people: People, stream: str, after: int = 0) -> list[str]:
    return [line.event.why for line in people.acts(stream, after) if isinstance(line.event, ResumeAsked)]


async def a_moment() -> None:
    await asyncio.sleep(FRESH.total_seconds())


def test_a_hold_is_seen_within_a_moment_and_at_once_where_it_is_asked_anew(store: Store) -> None:
    """Also that a kill comes before a pause, and that it is over when it is cleared."""

    async def main() -> None:
        people = People(store)
        assert people.hold(WHOLE) is None
        store.commit([sets(1, hold("all"), hold("case/other"))])
        assert people.hold(WHOLE, anew=True) == hold("all")
        store.commit([sets(2, hold("parent/p", HoldAction.KILL))])
        await a_moment()
        assert people.hold(WHOLE) == hold("parent/p", HoldAction.KILL)
        assert people.hold(["case/y"]) is None
        store.commit([clears(3, "all", "parent/p")])
        await a_moment()
        assert people.hold(WHOLE) is None

    run_virtual(main())


def test_acts_of_many_parent_orders_are_read_together(store: Store) -> None:
    """Each is told of its own acts, of those after the last one it has done, until it is forgotten."""

    async def main() -> None:
        people = People(store)
        store.commit([asks("acts/a", 1, "first")])
        assert (whys(people, "acts/a"), whys(people, "acts/b")) == (["first"], [])
        store.commit([asks("acts/a", 2, "second"), asks("acts/b", 1, "other")])
        await a_moment()
        with patch.object(store, "news", wraps=store.news) as read:
            assert whys(people, "acts/a") == ["first", "second"]
            assert whys(people, "acts/a", after=1) == ["second"]
            assert whys(people, "acts/b") == ["other"]
        assert read.call_count == 1
        people.forget("acts/a")
        await a_moment()
        with patch.object(store, "news", wraps=store.news) as read:
            assert whys(people, "acts/b", after=1) == []
        asked: Sequence[str] = list(read.call_args.args[0])
        assert asked == ["acts/b"]
        assert whys(people, "acts/a", after=1) == ["second"]  # followed anew: read at once

    run_virtual(main())


def test_another_loop_has_another_clock(store: Store) -> None:
    """What was read under one loop is not taken for fresh under the next, whose time begins anew."""
    people = People(store)

    async def before() -> None:
        await asyncio.sleep(3600)
        assert people.hold(WHOLE) is None
        assert whys(people, "acts/a") == []
        store.commit([sets(1, hold("all")), asks("acts/a", 1, "first")])

    async def after() -> None:
        assert people.hold(WHOLE) == hold("all")
        assert whys(people, "acts/a") == ["first"]

    run_virtual(before())
    run_virtual(after())
