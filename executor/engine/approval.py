"""Reads who may do what from the journal, and carries out what people do to a case. Every refusal is recorded too."""

from datetime import datetime

from adapters.clock import Clock
from executor.domain.case import Case
from executor.domain.case_events import (
    ActDenied,
    CaseEvent,
    CaseOpened,
)
from executor.domain.people import People
from executor.engine.control import append_as_person
from executor.errors import InputRefused, NotApproved, RuleRefused
from executor.journal.journal import Journal

PEOPLE_STREAM = "people"


def case_stream(case_id: str) -> str:
    """The stream that holds a case's events."""
    return f"case/{case_id}"


def load_people(journal: Journal) -> People:
    """The people and keys as the journal has them."""
    people = People()
    for line in journal.read(PEOPLE_STREAM):
        people.apply(line.event)
    return people


def load_case(journal: Journal, case_id: str) -> Case:
    """The case as the journal has it; without a mandate if it was never opened."""
    case = Case(case_id)
    for line in journal.read(case_stream(case_id)):
        case.apply(line.event)
    return case


def opened_case(journal: Journal, case_id: str) -> Case:
    """Like :func:`load_case`; raises ``InputRefused`` if there is no such case."""
    case = load_case(journal, case_id)
    if case.mandate is None:
        raise InputRefused(f"case {case_id} is not opened; `executor mandate accept FILE` opens it")
    return case


async def act(journal: Journal, case_id: str, event: CaseEvent, fault: str, who: str, clock: Clock) -> None:
    """Record ``event`` in the case, or, if ``fault`` says why not, that it was tried. Raises ``RuleRefused``."""
    if fault:
        denied = ActDenied(act=type(event).__name__, who=who, reason=fault)
        await append_as_person(journal, case_stream(case_id), case_id, denied, clock)
        raise RuleRefused(fault)
    await append_as_person(journal, case_stream(case_id), case_id, event, clock)


async def open_case(journal: Journal, event: CaseOpened, clock: Clock) -> None:
    """Record a new case. Raises ``RuleRefused`` if it is open already, with another mandate or the same."""
    case = load_case(journal, event.case_id)
    if case.mandate is not None:
        same = "with this mandate" if case.mandate_hash == event.mandate_hash else "with another mandate"
        raise RuleRefused(f"case {event.case_id} is open already, {same}")
    await append_as_person(journal, case_stream(event.case_id), event.case_id, event, clock)


def require_approval(journal: Journal, case_id: str, plan_hash: str, now: datetime) -> datetime:
    """When the approval of exactly this plan ends. Raises ``NotApproved`` if it has none now; every signature is
    verified again."""
    case = load_case(journal, case_id)
    fault = case.refuse_execution(plan_hash, load_people(journal), now)
    if fault:
        raise NotApproved(f"the plan is not approved by two people: {fault}")
    return case.plans[plan_hash].expires_at


def voided_by(journal: Journal, public_key: str, now: datetime) -> list[str]:
    """The plans of every case that may be executed now and may not without this key."""
    people, without = load_people(journal), load_people(journal)
    owner = without.speaks_for(public_key)
    if owner is not None:
        without.persons[owner].keys.discard(public_key)
    lost = []
    for stream in journal.streams("case/"):
        case = load_case(journal, stream.removeprefix("case/"))
        for plan in case.plans:
            if not case.refuse_execution(plan, people, now) and case.refuse_execution(plan, without, now):
                lost.append(plan)
    return lost
