"""People who act at once: whoever is second is judged by what the first has written."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.clock import LoopClock
from executor.domain.case_events import ActDenied, PersonEnrolled, RoleAssigned
from executor.domain.people import People
from executor.domain.signing import public_hex
from executor.engine.approval import PEOPLE_STREAM, act, load_people, write_people
from executor.errors import RuleRefused
from executor.journal.journal import Journal, row_of
from executor.journal.line import Line
from executor.journal.sqlite import SqliteStore
from executor.journal.store import Append
from tests.domain.test_case import KEYS

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CLOCK = LoopClock(NOW)


def enrolment(person: str) -> PersonEnrolled:
    return PersonEnrolled(person=person, name=person, public_key=public_hex(KEYS[person]), who="admin")


def test_of_two_at_once_the_second_is_judged_again(tmp_path: Path) -> None:
    """Both see that the key is nobody's; the second to write sees that it is not any more."""
    seen = []

    async def main() -> None:
        journals = [Journal(SqliteStore(tmp_path / "journal.sqlite"), threaded=False) for _ in range(2)]

        def judge(people: People) -> PersonEnrolled:
            seen.append(sorted(people.persons))
            if fault := people.refuse_enrolment("op", public_hex(KEYS["op"])):
                raise RuleRefused(fault)
            return enrolment("op")

        ends = await asyncio.gather(*(write_people(each, judge, CLOCK) for each in journals), return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), RuleRefused]
        assert list(load_people(journals[1]).persons) == ["op"]
        for each in journals:
            await each.aclose()

    asyncio.run(main())
    assert seen == [[], [], ["op"]]


@pytest.mark.parametrize("stream", ["case/A", PEOPLE_STREAM])
def test_an_act_is_judged_again_when_case_or_people_have_changed(stream: str, tmp_path: Path) -> None:
    """Another process writes between the judging and the writing."""
    path, looks = tmp_path / "journal.sqlite", 0

    def judge() -> tuple[RoleAssigned, str]:
        nonlocal looks
        looks += 1
        if looks == 1:
            other = SqliteStore(path)
            line = Line(stream=stream, version=1, case_id="", at=NOW, event=enrolment("op"))
            assert other.commit([Append([row_of(line)])]) == [None]
            other.close()
        return RoleAssigned(person="op", role="operator", who="op"), "" if looks == 1 else "overtaken"

    async def main() -> None:
        journal = Journal(SqliteStore(path), threaded=False)
        with pytest.raises(RuleRefused, match="overtaken"):
            await act(journal, "A", judge, "op", CLOCK)
        events = [line.event for line in journal.read("case/A")]
        assert [type(event) for event in events][-1] is ActDenied
        assert not any(isinstance(event, RoleAssigned) for event in events)
        await journal.aclose()

    asyncio.run(main())
    assert looks == 2
