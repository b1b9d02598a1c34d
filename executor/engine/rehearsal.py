"""A rehearsal goes the whole way: a case is opened, coins are credited, two people approve exactly this plan.

The people are stand-ins and their keys are known to everybody, so the record says of itself that it is a rehearsal,
and no real venue is ever traded on by it.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from executor.domain.canonical import digest
from executor.domain.case import HoldingState
from executor.domain.case_events import (
    BenchmarkRecorded,
    CaseEvent,
    CaseOpened,
    HoldingMoved,
    PersonEnrolled,
    PlanApproved,
    PlanFrozen,
    RoleAssigned,
)
from executor.domain.dossier import PAPERS, TRAVEL_RULE, TRAVEL_RULE_HKD
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.money import ZERO, times
from executor.domain.people import Role
from executor.domain.plan import Mandate, Plan
from executor.domain.settlement_events import DepositPosted
from executor.domain.signing import approval_message, public_hex, sign
from executor.engine.approval import PEOPLE_STREAM, case_stream, load_case, load_people
from executor.errors import RuleRefused, TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.market.benchmark import BenchmarkRecord

_STAND_INS = {
    f"rehearsal-{role}": (role, Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)))
    for number, role in enumerate((Role.OPERATOR, Role.CHECKER, Role.RISK), start=1)
}
_WAY = (HoldingState.ACCEPTED, HoldingState.IN_TRANSIT, HoldingState.CREDITED)
_VALID = timedelta(days=3660)


def stand_ins() -> list[PersonEnrolled]:
    """The people of every rehearsal."""
    return [
        PersonEnrolled(person=person, name="stand-in", public_key=public_hex(key), who="rehearsal", rehearsal=True)
        for person, (_, key) in _STAND_INS.items()
    ]


def opened(mandate: Mandate) -> list[CaseEvent]:
    """The case of a rehearsal up to its plan: opened, its roles given, its deposit posted, all that it holds
    credited."""
    values = mandate.model_dump(mode="json") | {"authorised_people": None}  # the stand-ins are not the people it names
    events: list[CaseEvent] = [
        CaseOpened(case_id=mandate.case_id, mandate=values, mandate_hash=digest(values), who="rehearsal")
    ]
    events += [
        RoleAssigned(person=person, role=role.value, who="rehearsal") for person, (role, _) in _STAND_INS.items()
    ]
    if mandate.deposit is not None:
        paid = mandate.deposit
        shown = {"deposit_receipt": "rehearsal"}
        events.append(
            DepositPosted(amount=paid.amount, currency=paid.currency, form=paid.form, evidence=shown, who="rehearsal")
        )
    for asset in {holding.asset: None for holding in mandate.holdings}:
        held = sum((holding.qty for holding in mandate.holdings if holding.asset == asset), ZERO)
        test = times(held, Decimal("0.5"))
        events += [*_credited(asset, test, "test"), *_credited(asset, held - test, "rest")]
    return events


def _credited(asset: str, qty: Decimal, transaction: str) -> list[CaseEvent]:
    """Coins on their way to a venue and there."""
    papers = dict.fromkeys(PAPERS | TRAVEL_RULE, "rehearsal")
    evidence = papers | {"transaction": f"{asset}-{transaction}", "test_transfer": f"{asset}-test", "venue_credit": "-"}
    return [
        HoldingMoved(
            asset=asset,
            qty=qty,
            from_state=before.value,
            to_state=after.value,
            evidence=evidence,
            who="rehearsal",
            value_hkd=TRAVEL_RULE_HKD,
        )
        for before, after in pairwise(_WAY)
    ]


def approved(mandate: Mandate, plan: Plan, now: datetime) -> list[CaseEvent]:
    """The plan frozen and approved by two stand-ins."""
    frozen = frozen_plan(mandate.case_id, plan.model_dump(mode="json"))
    found = plan_hash(frozen)
    (drafter, _), *approvers = _STAND_INS.items()
    until = now + _VALID
    events: list[CaseEvent] = [PlanFrozen(plan_hash=found, frozen=frozen, drafter=drafter, expires_at=until)]
    events += [
        PlanApproved(
            plan_hash=found,
            person=person,
            public_key=public_hex(key),
            signature=sign(key, approval_message(mandate.case_id, found, drafter, until)),
        )
        for person, (_, key) in approvers
    ]
    return events


async def prepare_rehearsal(
    journal: Journal, mandate: Mandate, plan: Plan, now: datetime, averages: Sequence[BenchmarkRecord] = ()
) -> None:
    """Make a journal ready for a rehearsal of ``plan`` under these ``averages``; what is there already is left as it
    is. Raises ``RuleRefused`` if it is a journal of real people: a rehearsal never stands beside a real case."""
    people, case = load_people(journal), load_case(journal, mandate.case_id)
    if people.persons.keys() - people.stand_ins or any(person not in people.stand_ins for person in case.roles):
        raise RuleRefused("this is a journal of real people and cases: rehearse with a journal of its own (--journal)")
    plans = approved(mandate, plan, now)
    if not people.persons:
        with suppress(TakenOver):  # another rehearsal has just enrolled them
            await _append(journal, PEOPLE_STREAM, "", stand_ins(), now)
    if case.mandate is None:
        await _append(journal, case_stream(mandate.case_id), mandate.case_id, opened(mandate), now)
    if not any(isinstance(event, PlanFrozen) and event.plan_hash in case.plans for event in plans):
        await _append(journal, case_stream(mandate.case_id), mandate.case_id, plans, now)
    (_, checker, _) = _STAND_INS
    told = [BenchmarkRecorded(record_sha256=each.sha256, record=each.values(), who=checker) for each in averages]
    if told:
        await _append(journal, case_stream(mandate.case_id), mandate.case_id, told, now)


async def _append(journal: Journal, stream: str, case_id: str, events: Sequence[CaseEvent], now: datetime) -> None:
    after = sum(1 for _ in journal.read(stream))
    await journal.append(lines_of(events, stream, case_id, now, after))


def lines_of(events: Sequence[CaseEvent], stream: str, case_id: str, now: datetime, after: int = 0) -> list[Line]:
    """``events`` as the next lines of ``stream``."""
    return [
        Line(stream=stream, version=version, case_id=case_id, at=now, event=event)
        for version, event in enumerate(events, start=after + 1)
    ]
