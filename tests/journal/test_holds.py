"""The holds in force are those of the events: a table that says something else was changed by hand."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from executor.domain.case_events import CaseEvent, KeyRevoked, PlanApproved, PlanRevoked
from executor.domain.events import ControlCleared, ControlSet
from executor.errors import RecordBroken
from executor.journal.holds import check_holds
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.open import Place, open_reading, open_store
from executor.journal.store import Append, Store
from tests.journal.rows import hold, row

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
PLAN, OTHER = "a" * 64, "b" * 64
KILL = ControlSet(scope="all", action="kill", cancel=True, who="Li", why="fire")
APPROVED = PlanApproved(plan_hash=PLAN, person="ch", public_key="", signature="", restores=True)
ACTS: list[tuple[str, Any]] = [
    ("control", KILL),
    ("control", ControlSet(scope="venue/osl", action="pause", cancel=False, who="Li", why="lunch")),
    ("people", KeyRevoked(person="ch", public_key="", voids=[PLAN, OTHER], who="admin", why="lost")),
    ("case/A", APPROVED),
    ("case/A", PlanRevoked(plan_hash=PLAN, who="ri", why="new price")),
    ("control", ControlCleared(scope="venue/osl", who="Wang", why="over")),
]


def write(place: Place, acts: list[tuple[str, CaseEvent]]) -> None:
    async def main() -> None:
        journal = Journal(open_store(place), threaded=False)
        for stream, event in acts:
            version = sum(1 for _ in journal.read(stream)) + 1
            await journal.append([Line(stream=stream, version=version, case_id="", at=AT, event=event)])
        await journal.aclose()

    asyncio.run(main())


def look(place: Place) -> list[str]:
    with closing(open_reading(place)) as reading:
        check_holds(reading)
        return sorted(each.scope for each in reading.holds())


def test_they_are_what_the_events_come_to(place: Place) -> None:
    for count in range(len(ACTS)):
        write(place, ACTS[count : count + 1])
        look(place)
    assert look(place) == ["all", f"plan/{PLAN}", f"plan/{OTHER}"]


@pytest.mark.parametrize("change", [{"all": None}, {"all": hold("all")}, {"case/A": hold("case/A")}])
def test_a_table_that_was_changed_by_hand_is_found(change: dict[str, Any], place: Place, store: Store) -> None:
    """Taken away, made weaker, made up."""
    write(place, ACTS)
    assert store.commit([Append([row(1, "parent/x")], (), change)]) == [None]
    with pytest.raises(RecordBroken, match=rf"are not those of the record \({next(iter(change))}\)"):
        look(place)
