"""Reads who may do what from the journal, and carries out what people do to a case. Every refusal is recorded too."""

import hashlib
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clock import Clock
from executor.domain.canonical import digest
from executor.domain.case import Case
from executor.domain.case_events import (
    ActDenied,
    CaseEvent,
    CaseOpened,
    PersonEnrolled,
    PlanApproved,
    PlanFrozen,
    RoleAssigned,
)
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.people import People, Role
from executor.domain.plan import Mandate, Plan
from executor.domain.signing import approval_message, public_hex, sign
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


def require_approval(journal: Journal, case_id: str, plan_hash: str, now: datetime) -> None:
    """Raise ``NotApproved`` unless exactly this plan may be executed now. Signatures are verified again."""
    fault = load_case(journal, case_id).refuse_execution(plan_hash, load_people(journal), now)
    if fault:
        raise NotApproved(fault)


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


REHEARSAL = "rehearsal"
_CAST = (("rehearsal-operator", Role.OPERATOR), ("rehearsal-checker", Role.CHECKER), ("rehearsal-risk", Role.RISK))


async def approve_rehearsal(
    journal: Journal, mandate: Mandate, plan: Plan, clock: Clock, hours: int = 24 * 365
) -> None:
    """Give a rehearsal's plan its approvals, by people who do not exist, through the same checks as real ones.

    Only in a journal in which nobody real is enrolled: there approvals are given by people or not at all. A journal
    with rehearsal people in it is refused for anything but mocked venues."""
    people = load_people(journal)
    if set(people.persons) - {person for person, _ in _CAST}:
        return
    case_id = mandate.case_id
    keys = {
        person: Ed25519PrivateKey.from_private_bytes(hashlib.sha256(person.encode()).digest()) for person, _ in _CAST
    }
    for person, _ in _CAST:
        if person not in people.persons:
            enrolled = PersonEnrolled(person=person, name=REHEARSAL, public_key=public_hex(keys[person]), who=REHEARSAL)
            await append_as_person(journal, PEOPLE_STREAM, "", enrolled, clock)
    case = load_case(journal, case_id)
    values = mandate.model_dump(mode="json")
    frozen = frozen_plan(case_id, plan.model_dump(mode="json"))
    fixed = plan_hash(frozen)
    events: list[CaseEvent] = []
    if case.mandate is None:
        events.append(CaseOpened(case_id=case_id, mandate=values, mandate_hash=digest(values), who=REHEARSAL))
        events += [RoleAssigned(person=person, role=role.value, who=REHEARSAL) for person, role in _CAST]
    if fixed not in case.plans:
        expires = clock.now() + timedelta(hours=hours)
        events.append(PlanFrozen(plan_hash=fixed, frozen=frozen, drafter=_CAST[0][0], expires_at=expires))
        for person, _ in _CAST[1:]:
            signature = sign(keys[person], approval_message(case_id, fixed))
            public = public_hex(keys[person])
            events.append(PlanApproved(plan_hash=fixed, person=person, public_key=public, signature=signature))
    for event in events:
        await append_as_person(journal, case_stream(case_id), case_id, event, clock)


def is_rehearsal(journal: Journal) -> bool:
    """True if approvals in this journal may come from people who do not exist."""
    return any(person.name == REHEARSAL for person in load_people(journal).persons.values())
