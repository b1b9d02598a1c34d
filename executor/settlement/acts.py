"""Reads a case and its books from the journal, and carries out what people of the settlement do.

A step is checked against the record and written at the version that was read: if somebody wrote in between, it is read
and checked again. So two people cannot release one deposit, and one paper cannot be recorded twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from adapters.clock import Clock
from executor.domain.books import Books, books_of, reference
from executor.domain.case import Case
from executor.domain.case_events import ActDenied
from executor.domain.people import People
from executor.errors import InputRefused, RuleRefused
from executor.journal.as_person import append_judged
from executor.journal.journal import Journal
from executor.journal.line import Line


class Lines(Protocol):
    """What the books are read from: a journal, or a reading of one."""

    def read(self, stream: str, after: int = 0) -> Iterator[Line]: ...

    def streams(self, prefix: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Office:
    """What a step is judged by: the case, its books and the people, as the journal has them now."""

    case: Case
    books: Books
    people: People


def case_lines(record: Lines, case_id: str) -> Iterator[Line]:
    """Every line of the case that its books look at: its own stream, then its parent orders."""
    yield from record.read(f"case/{case_id}")
    for stream in record.streams("parent/"):
        for line in record.read(stream):
            if line.case_id != case_id:
                break
            yield line


def read_books(record: Lines, case_id: str, until: datetime | None = None) -> Books:
    """The books of a case, now or as they stood at ``until``. Raises ``InputRefused`` if the record has no such
    case."""
    lines = list(case_lines(record, case_id))
    if not lines:
        raise InputRefused(f"the record holds nothing of case {case_id}")
    return books_of(lines, until)


def read_office(journal: Journal, case_id: str) -> Office:
    """The case, its books and the people. Raises ``InputRefused`` if the case is not opened."""
    case = Case(case_id)
    for line in journal.read(f"case/{case_id}"):
        case.apply(line.event)
    if case.mandate is None:
        raise InputRefused(f"case {case_id} is not opened; `executor mandate accept FILE` opens it")
    people = People()
    for line in journal.read("people"):
        people.apply(line.event)
    return Office(case, books_of(case_lines(journal, case_id)), people)


async def carry_out(journal: Journal, case_id: str, event: Any, refuse: Callable[[Office], str], clock: Clock) -> str:
    """Record ``event`` in the case unless ``refuse`` says why not; that it was tried is recorded then. The reference of
    what was recorded. Raises ``RuleRefused``."""
    fault = ""

    def judged() -> Any:
        nonlocal fault
        fault = refuse(read_office(journal, case_id))
        return ActDenied(act=type(event).__name__, who=event.who, reason=fault) if fault else event

    stream = f"case/{case_id}"
    version = await append_judged(journal, stream, case_id, judged, clock, rests_on=("people",))
    if fault:
        raise RuleRefused(fault)
    return reference(stream, version)
