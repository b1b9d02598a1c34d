"""Reads who may do what from the journal, and carries out what people do to a case. Every refusal is recorded too."""

from collections.abc import Callable, Mapping
from datetime import datetime

from adapters.clock import Clock
from executor.domain.amendments import Raised, amended
from executor.domain.caps import Caps
from executor.domain.case import Case
from executor.domain.case_events import (
    ActDenied,
    CaseEvent,
    CaseOpened,
    KeyRevoked,
    PersonEnrolled,
)
from executor.domain.people import People
from executor.domain.preferences import Preference
from executor.errors import InputRefused, NotApproved, RuleRefused
from executor.journal.as_person import append_as_person, append_judged
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


async def act(
    journal: Journal, case_id: str, judge: Callable[[], tuple[CaseEvent, str]], who: str, clock: Clock
) -> None:
    """Record what ``judge`` makes of the record as it stands: an event of the case, or, if it says why not, that it was
    tried. Raises ``RuleRefused``."""
    fault = ""

    def judged() -> CaseEvent:
        nonlocal fault
        event, fault = judge()
        return ActDenied(act=type(event).__name__, who=who, reason=fault) if fault else event

    await append_judged(journal, case_stream(case_id), case_id, judged, clock, rests_on=(PEOPLE_STREAM,))
    if fault:
        raise RuleRefused(fault)


async def open_case(journal: Journal, event: CaseOpened, clock: Clock) -> None:
    """Record a new case. Raises ``RuleRefused`` if it is open already, with another mandate or the same."""

    def judged() -> CaseOpened:
        case = load_case(journal, event.case_id)
        if case.mandate is not None:
            same = "with this mandate" if case.mandate_hash == event.mandate_hash else "with another mandate"
            raise RuleRefused(f"case {event.case_id} is open already, {same}")
        return event

    await append_judged(journal, case_stream(event.case_id), event.case_id, judged, clock)


async def write_people(journal: Journal, judge: Callable[[People], PersonEnrolled | KeyRevoked], clock: Clock) -> None:
    """Record what ``judge`` makes of the people as they stand; it raises ``RuleRefused`` to say why not."""
    await append_judged(journal, PEOPLE_STREAM, "", lambda: judge(load_people(journal)), clock)


class Approval:
    """Whether exactly one plan may be executed, by the journal as it was last read. Every signature is verified again
    whenever something in the journal has changed; ``rests_on`` says what was read, so that the journal itself can
    refuse what rests on an older reading."""

    def __init__(self, journal: Journal, case_id: str, plan_hash: str) -> None:
        self.case_id = case_id
        self.plan_hash = plan_hash
        self.case = Case(case_id)
        self._people = People()
        self.journal = journal
        self._read = {PEOPLE_STREAM: 0, case_stream(case_id): 0}
        self._fault: str | None = None
        self._raises: list[Raised] | None = None

    @property
    def rests_on(self) -> Mapping[str, int]:
        """The streams that were read, and their last versions."""
        return self._read

    def reread(self) -> None:
        """Read what was written since the last look."""
        for stream, fold in ((PEOPLE_STREAM, self._people), (case_stream(self.case_id), self.case)):
            for line in self.journal.read(stream, after=self._read[stream]):
                fold.apply(line.event)
                self._read[stream] = line.version
                self._fault = self._raises = None

    def fault(self, now: datetime) -> str:
        """Why the plan may not be executed now; empty if it may."""
        plan = self.case.plans.get(self.plan_hash)
        if self._fault is None or self._fault or plan is None or now >= plan.expires_at:
            self._fault = self.case.refuse_execution(self.plan_hash, self._people, now)
        return self._fault

    def caps(self, frozen: Caps, now: datetime) -> Caps:
        """The caps of the plan as people have left them at ``now``. What two have signed is verified when the record
        has changed; whether it has ended is asked each time."""
        plan = self.case.plans.get(self.plan_hash)
        if plan is None:
            return frozen
        if self._raises is None:
            self._raises = self.case.changes.raises(self.plan_hash, self.case.roles, self._people)
        return amended(frozen, plan.lowered, self._raises, now) if plan.lowered or self._raises else frozen

    def preferences(self, now: datetime) -> list[Preference]:
        """The signed rules by which another quote than the best may be taken under this plan now."""
        return self.case.changes.preferences(self.plan_hash, self.case.roles, self._people, now)

    def over(self, now: datetime) -> bool:
        """True if the plan was revoked or has expired: it will never be executed again, whoever signs."""
        plan = self.case.plans.get(self.plan_hash)
        return plan is not None and (bool(plan.revoked) or now >= plan.expires_at)

    @property
    def of_rehearsal(self) -> bool:
        """True if a stand-in of a rehearsal has approved the plan or has a role in its case: then no real venue may be
        traded on."""
        plan = self.case.plans.get(self.plan_hash)
        people = {*self.case.roles, *({plan.drafter, *plan.approvals} if plan is not None else ())}
        return any(person in self._people.stand_ins for person in people)


async def require_approval(journal: Journal, approval: Approval, who: str, clock: Clock) -> None:
    """Raise ``NotApproved`` unless exactly this plan is approved now; that it was tried is recorded."""
    approval.reread()
    fault = approval.fault(clock.now())
    if fault:
        await refuse(journal, approval, f"the plan is not approved by two people: {fault}", who, clock)


async def refuse(journal: Journal, approval: Approval, fault: str, who: str, clock: Clock) -> None:
    """Record that a plan was to be executed that may not be, and raise ``NotApproved``."""
    denied = ActDenied(act="run", who=who, reason=f"plan {approval.plan_hash}: {fault}")
    await append_as_person(journal, case_stream(approval.case_id), approval.case_id, denied, clock)
    raise NotApproved(fault)


def voided_by(journal: Journal, public_key: str, now: datetime) -> list[str]:
    """The plans of every case that may be executed now and may not without this key."""
    people, without = load_people(journal), load_people(journal)
    owner = without.holder(public_key)
    if owner is not None:
        without.persons[owner].keys.discard(public_key)
    lost = []
    for stream in journal.streams("case/"):
        case = load_case(journal, stream.removeprefix("case/"))
        for plan in case.plans:
            if not case.refuse_execution(plan, people, now) and case.refuse_execution(plan, without, now):
                lost.append(plan)
    return lost
