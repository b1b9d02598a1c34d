"""Tampering with the approval: the engine itself refuses, called directly and without the command line, and records
that it was tried. Nothing is connected to, nothing is intended, nothing is on the wire."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clock import LoopClock
from executor.domain.case import FrozenPlan
from executor.domain.case_events import (
    ActDenied,
    CaseEvent,
    KeyRevoked,
    PersonEnrolled,
    PlanApproved,
    PlanFrozen,
    PlanRevoked,
    RoleAssigned,
)
from executor.domain.events import ChildIntended
from executor.domain.orders import ParentStatus
from executor.domain.people import People
from executor.domain.signing import approval_message, public_hex, sign
from executor.engine.approval import Approval, case_stream, load_case
from executor.engine.rehearsal import approved, opened, stand_ins
from executor.engine.runner import Runner
from executor.errors import CredentialsRefused, GuardHalts, InvariantBroken, NotApproved
from executor.journal.journal import Journal
from executor.journal.line import Line
from tests.approved import approve, last, write
from tests.engine.rig import START, TWAP, MemoryStore, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue

CASE = "CASE-1"


def papers(*, case: list[CaseEvent] | None = None, people: list[CaseEvent] | None = None) -> MemoryStore:
    """A journal with the case opened and these events about its plan."""
    store = MemoryStore()
    write(store, "people", "", [*stand_ins(), *(people or [])], START)
    write(store, case_stream(CASE), CASE, [*opened(mandate()), *(case or [])], START)
    return store


def signed(at: datetime = START) -> tuple[PlanFrozen, PlanApproved, PlanApproved]:
    frozen, one, two = approved(mandate(), plan(), at)
    assert isinstance(frozen, PlanFrozen)
    assert isinstance(one, PlanApproved)
    assert isinstance(two, PlanApproved)
    return frozen, one, two


def one_signature() -> MemoryStore:
    frozen, one, _ = signed()
    return papers(case=[frozen, one])


def one_signature_twice() -> MemoryStore:
    frozen, one, _ = signed()
    return papers(case=[frozen, one, one])


def nothing_signed() -> MemoryStore:
    return papers(case=[signed()[0]])


def the_drafters_own() -> MemoryStore:
    """The drafter signs beside the checker."""
    frozen, one, _ = signed()
    key = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
    own = PlanApproved(
        plan_hash=frozen.plan_hash,
        person=frozen.drafter,
        public_key=public_hex(key),
        signature=sign(key, approval_message(CASE, frozen.plan_hash, frozen.drafter, frozen.expires_at)),
    )
    return papers(case=[frozen, one, own])


def prolonged() -> MemoryStore:
    """Its end was put off in the line that froze it."""
    frozen, one, two = signed()
    later = msgspec.structs.replace(frozen, expires_at=frozen.expires_at + timedelta(days=1))
    return papers(case=[later, one, two])


def expired() -> MemoryStore:
    frozen, one, two = signed()
    return papers(case=[msgspec.structs.replace(frozen, expires_at=START), one, two])


def revoked_plan() -> MemoryStore:
    frozen, one, two = signed()
    return papers(case=[frozen, one, two, PlanRevoked(plan_hash=frozen.plan_hash, who="risk", why="new price")])


def revoked_key() -> MemoryStore:
    frozen, one, two = signed()
    gone = KeyRevoked(person=two.person, public_key=two.public_key, voids=[], who="admin", why="lost")
    return papers(case=[frozen, one, two], people=[gone])


def another_case() -> MemoryStore:
    """Approved, word for word, for another case of the same asset."""
    other = mandate().model_copy(update={"case_id": "CASE-2"})
    store = papers()
    write(store, case_stream("CASE-2"), "CASE-2", [*opened(other), *approved(other, plan(), START)], START)
    return store


def taken_from_another_case() -> MemoryStore:
    """The signatures of the other case's approval under this case's plan."""
    other = mandate().model_copy(update={"case_id": "CASE-2"})
    frozen, *_ = signed()
    theirs = [each for each in approved(other, plan(), START) if isinstance(each, PlanApproved)]
    return papers(case=[frozen, *(msgspec.structs.replace(each, plan_hash=frozen.plan_hash) for each in theirs)])


def edited() -> MemoryStore:
    """What was approved has another floor than what is run."""
    return papers(case=approved(mandate(), plan(floor_px="95000"), START))


def nothing_at_all() -> MemoryStore:
    return MemoryStore()


WAYS: dict[str, tuple[Callable[[], MemoryStore], str]] = {
    "bypass: no case, no plan": (nothing_at_all, "no plan"),
    "nothing signed": (nothing_signed, "0 of 2 approvals"),
    "one signature": (one_signature, "1 of 2 approvals"),
    "one signature twice": (one_signature_twice, "1 of 2 approvals"),
    "the drafter's own": (the_drafters_own, "1 of 2 approvals"),
    "an expired plan": (expired, "expired"),
    "a prolonged plan": (prolonged, "0 of 2 approvals"),
    "a revoked plan": (revoked_plan, "revoked by risk"),
    "a revoked key": (revoked_key, "1 of 2 approvals"),
    "another case's plan": (another_case, "no plan"),
    "another case's signatures": (taken_from_another_case, "0 of 2 approvals"),
    "an edited plan": (edited, "no plan"),
}


def runner(store: MemoryStore, alpha: ScriptedVenue, lines: list[Line]) -> Runner:
    return Runner(
        mandate(), plan(), [alpha], Journal(store, threaded=False), alpha.clock, observer=lines.append, owner="stranger"
    )


@pytest.mark.parametrize("way", WAYS)
@virtual
async def test_the_engine_refuses_and_records(way: str) -> None:
    make, why = WAYS[way]
    store, alpha, lines = make(), ScriptedVenue(LoopClock(START)), list[Line]()
    with pytest.raises(NotApproved, match=why):
        await runner(store, alpha, lines).run()
    assert (alpha.wire, alpha.reads, store.rows, lines) == ([], 0, [], [])
    (denied,) = [event for event in _events(store) if isinstance(event, ActDenied)]
    assert (denied.act, denied.who) == ("run", "stranger")
    assert why in denied.reason


def _events(store: MemoryStore) -> list[object]:
    journal = Journal(store, threaded=False)
    return [line.event for line in journal.read(case_stream(CASE))]


@virtual
async def test_a_person_under_two_names_with_one_key_cannot_be_written_down() -> None:
    """The second name is refused where people are enrolled; a record that has it anyway does not read."""
    _, one, _ = signed()
    again = PersonEnrolled(person="another-name", name="x", public_key=one.public_key, who="admin")
    people = People()
    for each in stand_ins():
        people.apply(each)
    assert "belongs to" in people.refuse_enrolment(again.person, again.public_key)
    store, alpha = papers(people=[again], case=list(signed())), ScriptedVenue(LoopClock(START))
    with pytest.raises(InvariantBroken, match="one person, one name"):
        await runner(store, alpha, []).run()
    assert alpha.wire == []


@virtual
async def test_two_signatures_with_one_key_count_once() -> None:
    """The same key under a second role-holder's name speaks for its owner only."""
    frozen, one, two = signed()
    borrowed = msgspec.structs.replace(one, person=two.person)
    alpha = ScriptedVenue(LoopClock(START))
    with pytest.raises(NotApproved, match="1 of 2"):
        await runner(papers(case=[frozen, one, borrowed]), alpha, []).run()


# --- while it runs ----------------------------------------------------------------------------------------------------


async def running(store: MemoryStore, meanwhile: Callable[[], None]) -> tuple[ScriptedVenue, BaseException | None]:
    """A run in whose midst something happens: after its first order."""
    alpha = ScriptedVenue(LoopClock(START))

    def once(order: object) -> None:
        alpha.on_place = lambda order: None
        meanwhile()

    alpha.on_place = once
    try:
        await runner(store, alpha, []).run()
    except (GuardHalts, NotApproved) as fault:
        return alpha, fault
    return alpha, None


@virtual
async def test_an_approval_that_is_lost_while_it_runs_stops_the_next_order() -> None:
    """Asked in the transaction of each intent: no hold, no signal, only the lost signature."""
    store = papers(case=list(signed()))
    gone = KeyRevoked(person="rehearsal-risk", public_key=signed()[2].public_key, voids=[], who="admin", why="lost")
    alpha, fault = await running(store, lambda: _add(store, "people", "", gone))
    assert "1 of 2 approvals" in str(fault)
    assert len(alpha.wire) == 1
    assert alpha.sold == D("0.5")


@virtual
async def test_what_else_happens_in_the_case_meanwhile_does_not_stop_it() -> None:
    store = papers(case=list(signed()))
    role = RoleAssigned(person="rehearsal-risk", role="risk", who="admin")
    alpha, fault = await running(store, lambda: _add(store, case_stream(CASE), CASE, role))
    assert fault is None
    assert alpha.sold == D(1)


@virtual
async def test_an_approval_that_expires_while_it_runs_stops_the_next_order() -> None:
    whole = signed()[0].expires_at - START
    store = papers(case=list(signed(START + timedelta(minutes=3) - whole)))
    alpha, fault = await running(store, lambda: None)
    assert "expired" in str(fault)
    assert alpha.sold == D("0.5")


def _add(store: MemoryStore, stream: str, case_id: str, event: CaseEvent) -> None:
    write(store, stream, case_id, [event], START)
    assert last(store, stream)


@virtual
async def test_what_a_revoked_plan_has_not_sold_is_free_for_the_next_plan() -> None:
    """The case has one coin. Half is sold, the plan is revoked: run again it ends, and a new plan sells the rest."""
    frozen, one, two = signed()
    store = MemoryStore()
    write(store, "people", "", list(stand_ins()), START)
    write(store, case_stream(CASE), CASE, [*opened(mandate("1")), frozen, one, two], START)
    gone = PlanRevoked(plan_hash=frozen.plan_hash, who="risk", why="new price")
    alpha, fault = await running(store, lambda: _add(store, case_stream(CASE), CASE, gone))
    assert "revoked by risk" in str(fault)
    rest = await ran(ScriptedVenue(LoopClock(START)), store=store, asked=plan(TWAP | {"qty": "0.5"}, seed=8), held="1")
    assert "no room for 0.5" in str(rest.fault)
    ended = await runner(store, alpha, []).run()
    assert (ended.status, ended.cum_qty) == (ParentStatus.ENDED, D("0.5"))
    assert "the plan is over" in ended.status_reason
    last_half = ScriptedVenue(LoopClock(START))
    again = await ran(last_half, store=store, asked=plan(TWAP | {"qty": "0.5"}, seed=8), held="1")
    assert again.fault is None
    assert last_half.sold == D("0.5")


# --- the twins: the same orders go out when the rule is taken away ----------------------------------------------------


@virtual
async def test_without_the_rule_an_unapproved_plan_is_sold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: an approval that finds no fault lets everything through."""
    monkeypatch.setattr(Approval, "fault", lambda self, now: "")
    store, alpha = nothing_signed(), ScriptedVenue(LoopClock(START))
    await runner(store, alpha, []).run()
    assert alpha.sold == D(1)


@virtual
async def test_without_the_question_at_each_intent_a_lost_approval_is_not_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The twin: the journal is not told what the intent rests on, so the revoked key goes on approving."""
    monkeypatch.setattr(Approval, "rests_on", property(lambda self: {}))
    store = papers(case=list(signed()))
    gone = KeyRevoked(person="rehearsal-risk", public_key=signed()[2].public_key, voids=[], who="admin", why="lost")
    alpha, fault = await running(store, lambda: _add(store, "people", "", gone))
    assert fault is None
    assert len(alpha.wire) == 2


# --- rehearsals -------------------------------------------------------------------------------------------------------


@virtual
async def test_what_stand_ins_approved_is_not_sold_at_a_venue_that_does_not_say_it_is_simulated() -> None:
    store, alpha, lines = papers(case=list(signed())), ScriptedVenue(LoopClock(START)), list[Line]()
    alpha.simulated = False
    with pytest.raises(NotApproved, match="alpha is no simulated venue"):
        await runner(store, alpha, lines).run()
    assert (alpha.wire, [line for line in lines if isinstance(line.event, ChildIntended)]) == ([], [])
    assert isinstance(_events(store)[-1], ActDenied)


@virtual
async def test_real_people_approve_for_any_venue() -> None:
    """The same, by people who are nobody's stand-ins."""
    store, alpha = MemoryStore(), ScriptedVenue(LoopClock(START))
    alpha.simulated = False
    real = [msgspec.structs.replace(each, rehearsal=False) for each in stand_ins()]
    write(store, "people", "", list(real), START)
    approve(store, mandate(), plan(), START)
    await runner(store, alpha, []).run()
    assert alpha.sold == D(1)
    frozen = load_case(Journal(store, threaded=False), CASE).plans
    assert [type(each) for each in frozen.values()] == [FrozenPlan]


@virtual
async def test_a_case_that_stand_ins_have_opened_is_not_sold_by_others_at_a_real_venue() -> None:
    """It has no list of people whom its mandate authorises: anybody could be given a role in it."""
    keys = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b".")) for name in ("op", "ch", "ri")}
    roles = dict(zip(keys, ("operator", "checker", "risk"), strict=True))
    people = [PersonEnrolled(person=p, name=p, public_key=public_hex(key), who="admin") for p, key in keys.items()]
    frozen = msgspec.structs.replace(signed()[0], drafter="op")
    message = approval_message(CASE, frozen.plan_hash, "op", frozen.expires_at)
    approvals = [
        PlanApproved(
            plan_hash=frozen.plan_hash, person=p, public_key=public_hex(keys[p]), signature=sign(keys[p], message)
        )
        for p in ("ch", "ri")
    ]
    given = [RoleAssigned(person=person, role=role, who="admin") for person, role in roles.items()]
    store, alpha = papers(people=list(people), case=[*given, frozen, *approvals]), ScriptedVenue(LoopClock(START))
    alpha.simulated = False
    with pytest.raises(NotApproved, match="for rehearsals only"):
        await runner(store, alpha, []).run()
    assert alpha.wire == []


@pytest.mark.parametrize("may", [True, None])
@virtual
async def test_a_key_that_might_withdraw_is_refused_at_a_real_venue(may: bool | None) -> None:
    store, alpha, lines = papers(case=list(signed())), ScriptedVenue(LoopClock(START)), list[Line]()
    alpha.simulated, alpha.may_withdraw = False, may
    with pytest.raises(CredentialsRefused, match="alpha: the key may withdraw, or nobody has confirmed"):
        await runner(store, alpha, lines).run()
    assert (alpha.wire, lines) == ([], [])
