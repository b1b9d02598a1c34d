"""Who may do what: roles, keys, holdings, frozen plans and approvals. Each test names the rule that it guards."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from executor.domain.case import Case, HoldingState
from executor.domain.case_events import (
    CaseOpened,
    HoldingMoved,
    KeyRevoked,
    PersonEnrolled,
    PlanApproved,
    PlanFrozen,
    PlanRevoked,
    RoleAssigned,
)
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.people import People
from executor.domain.signing import approval_message, public_hex, sign, verified
from executor.errors import InvariantBroken

CASE = "BJ-1"
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
FROZEN = frozen_plan(CASE, {"asset": "BTC", "qty": "1"})
HASH = plan_hash(FROZEN)
END = NOW + timedelta(hours=1)
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b".")) for name in ("op", "ch", "ri", "xx")}


def people() -> People:
    known = People()
    for person in ("op", "ch", "ri"):
        known.apply(PersonEnrolled(person=person, name=person, public_key=public_hex(KEYS[person]), who="admin"))
    return known


def case(case_id: str = CASE) -> Case:
    """A case with one holding, three roles and a frozen plan."""
    made = Case(case_id)
    mandate: dict[str, Any] = {"holdings": [{"asset": "BTC", "qty": "2"}]}
    made.apply(CaseOpened(case_id=case_id, mandate=mandate, mandate_hash="-", who="op"))
    for person, role in (("op", "operator"), ("ch", "checker"), ("ri", "risk")):
        made.apply(RoleAssigned(person=person, role=role, who="admin"))
    if case_id == CASE:
        made.apply(PlanFrozen(plan_hash=HASH, frozen=FROZEN, drafter="op", expires_at=END))
    return made


def approval(person: str, key: str | None = None, case_id: str = CASE, fixed: str = HASH) -> PlanApproved:
    private = KEYS[key or person]
    signature = sign(private, approval_message(case_id, fixed, "op", END))
    return PlanApproved(plan_hash=fixed, person=person, public_key=public_hex(private), signature=signature)


def approved() -> Case:
    made = case()
    for person in ("ch", "ri"):
        assert not made.refuse_approval(approval(person), people(), NOW)
        made.apply(approval(person))
    return made


def test_two_approvals_by_two_people_make_a_plan_executable() -> None:
    assert "no plan" in case("OTHER").refuse_execution(HASH, people(), NOW)
    made = case()
    assert "0 of 2" in made.refuse_execution(HASH, people(), NOW)
    made.apply(approval("ch"))
    assert "1 of 2" in made.refuse_execution(HASH, people(), NOW)
    made.apply(approval("ch"))  # the same person twice is one person
    assert "1 of 2" in made.refuse_execution(HASH, people(), NOW)
    assert approved().refuse_execution(HASH, people(), NOW) == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (approval("op"), "drafted the plan"),
        (approval("ri", key="ch"), "does not speak for ri"),
        (approval("ch", key="xx"), "does not speak for ch"),
        (approval("xx"), "neither checker nor risk"),
        (approval("ch", case_id="OTHER"), "does not fit"),
        (approval("ch", fixed="0" * 64), "no plan"),
        (PlanApproved(plan_hash=HASH, person="ch", public_key=public_hex(KEYS["ch"]), signature="00"), "does not fit"),
    ],
    ids=["drafter", "anothers-key", "unknown-key", "no-role", "other-case", "other-plan", "no-signature"],
)
def test_an_approval_that_does_not_count(given: PlanApproved, why: str) -> None:
    """Nobody approves their own plan, with another's key, without the role, or for another case."""
    assert why in case().refuse_approval(given, people(), NOW)


def test_an_approval_smuggled_into_the_record_does_not_count() -> None:
    """The fold takes what the record says; execution verifies every signature again."""
    made = case()
    made.apply(approval("ch"))
    made.apply(approval("op"))
    made.apply(approval("ri", key="ch"))
    assert "1 of 2" in made.refuse_execution(HASH, people(), NOW)


def test_a_revoked_key_voids_its_approvals() -> None:
    known = people()
    known.apply(KeyRevoked(person="ri", public_key=public_hex(KEYS["ri"]), voids=[HASH], who="admin", why="lost"))
    assert "1 of 2" in approved().refuse_execution(HASH, known, NOW)


def test_an_expired_or_revoked_plan_is_not_executed() -> None:
    made = approved()
    assert "expired" in made.refuse_execution(HASH, people(), NOW + timedelta(hours=1))
    made.apply(PlanRevoked(plan_hash=HASH, who="ri", why="new reserve price"))
    assert "revoked by ri" in made.refuse_execution(HASH, people(), NOW)
    assert "revoked by ri" in made.refuse_approval(approval("ch"), people(), NOW)


def test_an_edited_plan_is_another_plan() -> None:
    """The plan's hash is over its canonical bytes: one digit more and nothing is approved."""
    edited = frozen_plan(CASE, {"asset": "BTC", "qty": "1.1"})
    assert plan_hash(edited) != HASH
    event = PlanFrozen(plan_hash=HASH, frozen=edited, drafter="op", expires_at=NOW)
    assert "hash" in case().refuse_freeze(event)
    assert "no plan" in approved().refuse_execution(plan_hash(edited), people(), NOW)


def test_a_plan_for_another_case_cannot_be_frozen_here() -> None:
    other = frozen_plan("OTHER", {"asset": "BTC", "qty": "1"})
    event = PlanFrozen(plan_hash=plan_hash(other), frozen=other, drafter="op", expires_at=NOW)
    assert "for case OTHER" in case().refuse_freeze(event)


def test_one_key_one_person() -> None:
    """A person under two names shows when the second name brings the same key; a revoked key does not come back."""
    known = people()
    assert "belongs to ch" in known.refuse_enrolment("li", public_hex(KEYS["ch"]))
    known.apply(KeyRevoked(person="ch", public_key=public_hex(KEYS["ch"]), voids=[], who="admin", why="lost"))
    assert "belongs to ch" in known.refuse_enrolment("li", public_hex(KEYS["ch"]))
    assert "already enrolled" in known.refuse_enrolment("ch", public_hex(KEYS["ch"]))
    with pytest.raises(InvariantBroken):
        known.apply(PersonEnrolled(person="li", name="li", public_key=public_hex(KEYS["ch"]), who="admin"))


def test_nobody_gets_a_second_key_beside_a_live_one() -> None:
    """Else whoever enrols keys gives a second one to ``ri``, keeps it, and is both approvers. Where a record has it all
    the same, neither key speaks until one is revoked."""
    known, second = people(), Ed25519PrivateKey.from_private_bytes(bytes([77] * 32))
    assert "revoke it first" in known.refuse_enrolment("ri", public_hex(second))
    assert known.refuse_enrolment("li", public_hex(second)) == ""
    known.apply(KeyRevoked(person="ri", public_key=public_hex(KEYS["ri"]), voids=[], who="admin", why="lost"))
    assert known.refuse_enrolment("ri", public_hex(second)) == ""
    older = people()
    older.apply(PersonEnrolled(person="ri", name="ri", public_key=public_hex(second), who="admin"))
    assert older.speaks_for(public_hex(second)) is older.speaks_for(public_hex(KEYS["ri"])) is None
    assert older.holder(public_hex(second)) == older.holder(public_hex(KEYS["ri"])) == "ri"  # so it can be revoked
    older.apply(KeyRevoked(person="ri", public_key=public_hex(second), voids=[], who="admin", why="whose?"))
    assert older.speaks_for(public_hex(KEYS["ri"])) == "ri"


def test_one_person_one_role() -> None:
    assert "second role" in case().refuse_role("op", "checker")
    assert case().refuse_role("op", "operator") == ""
    assert "no role" in case().refuse_role("op", "king")
    with pytest.raises(InvariantBroken):
        case().apply(RoleAssigned(person="op", role="risk", who="admin"))


@pytest.mark.parametrize(
    ("qty", "way", "evidence", "why"),
    [
        ("1", ("accepted", "reserved"), {"plan": "x"}, "cannot go"),
        ("1", ("in_transit", "sold"), {"parent": "x"}, "cannot go"),
        ("1", ("accepted", "in_transit"), {"transaction": "t"}, "evidence is missing"),
        ("3", ("accepted", "returned"), {"transaction": "t"}, "cannot leave"),
        ("0", ("accepted", "returned"), {"transaction": "t"}, "cannot leave"),
        ("1", ("accepted", "lost"), {}, "states are"),
    ],
)
def test_coins_move_only_along_the_ways_with_their_evidence(
    qty: str, way: tuple[str, str], evidence: dict[str, str], why: str
) -> None:
    """Sent is not sold, only credited coins can be reserved, and nothing moves without what shows it."""
    move = HoldingMoved(asset="BTC", qty=Decimal(qty), from_state=way[0], to_state=way[1], evidence=evidence, who="op")
    assert why in case().refuse_move(move, people())


DOSSIER = dict.fromkeys(("ownership_proof", "kyt", "clearance"), "reference")
TRAVEL = dict.fromkeys(("originator", "originator_account", "originator_id", "recipient", "recipient_account"), "data")


def sent(qty: str, transaction: str, test: str, *, hkd: str = "7999.99", **more: str) -> HoldingMoved:
    """A transfer to a venue."""
    evidence = {**DOSSIER, "transaction": transaction, "test_transfer": test, **more}
    return HoldingMoved(
        asset="BTC",
        qty=Decimal(qty),
        from_state="accepted",
        to_state="in_transit",
        evidence=evidence,
        who="op",
        value_hkd=Decimal(hkd),
    )


def credited(qty: str, transaction: str) -> HoldingMoved:
    evidence = {"transaction": transaction, "venue_credit": "advice 1"}
    return HoldingMoved(
        asset="BTC", qty=Decimal(qty), from_state="in_transit", to_state="credited", evidence=evidence, who="op"
    )


def half_credited() -> Case:
    """A case whose small test transfer, t1, was credited."""
    made = case()
    made.apply(sent("0.5", "t1", "t1"))
    made.apply(credited("0.5", "t1"))
    return made


def test_coins_that_move_are_neither_lost_nor_made() -> None:
    made = case()
    made.apply(sent("0.5", "t1", "t1"))
    states = made.holdings["BTC"]
    assert (states[HoldingState.ACCEPTED], states[HoldingState.IN_TRANSIT]) == (Decimal("1.5"), Decimal("0.5"))
    assert sum(states.values()) == 2


def test_from_8000_hkd_on_a_transfer_carries_who_sends_and_who_receives() -> None:
    """The Travel Rule binds at the threshold, not above it; the value must be said."""
    assert half_credited().refuse_move(sent("1", "t2", "t1"), people()) == ""
    assert "originator, originator_account, originator_id, recipient" in half_credited().refuse_move(
        sent("1", "t2", "t1", hkd="8000"), people()
    )
    assert half_credited().refuse_move(sent("1", "t2", "t1", hkd="8000", **TRAVEL), people()) == ""
    unsaid = HoldingMoved(
        asset="BTC",
        qty=Decimal(1),
        from_state="accepted",
        to_state="in_transit",
        evidence={**DOSSIER, **TRAVEL, "transaction": "t2", "test_transfer": "t1"},
        who="op",
    )
    assert "value of the transfer in HKD" in half_credited().refuse_move(unsaid, people())


@pytest.mark.parametrize(
    ("made", "move", "why"),
    [
        (case(), sent("1", "t1", "t0"), "send a small test first"),
        (case(), sent("2", "t1", "t1"), "a test of all 2 BTC is no test"),
        (half_credited(), credited("0.1", "t9"), "0 BTC are on the way by transaction t9"),
    ],
    ids=["no-test", "all-at-once", "credit-without-transfer"],
)
def test_a_small_transfer_comes_first_and_a_credit_names_its_transfer(made: Case, move: HoldingMoved, why: str) -> None:
    if move.from_state == "in_transit":
        made.apply(sent("0.1", "t2", "t1"))
    assert why in made.refuse_move(move, people())


def test_coins_that_came_back_are_on_the_way_no_more() -> None:
    """The transfer bounced: nothing can be credited by it, it was no test, and it can be recorded again."""
    made = case()
    made.apply(sent("0.5", "t1", "t1"))
    back = HoldingMoved(
        asset="BTC",
        qty=Decimal("0.5"),
        from_state="in_transit",
        to_state="accepted",
        evidence={"transaction": "t1"},
        who="op",
    )
    assert "0 BTC are on the way by transaction t9" in made.refuse_move(
        replace(back, evidence={"transaction": "t9"}), people()
    )
    assert made.refuse_move(back, people()) == ""
    made.apply(back)
    made.apply(sent("0.5", "t2", "t2"))
    assert "0 BTC are on the way by transaction t1" in made.refuse_move(credited("0.5", "t1"), people())
    assert made.refuse_move(sent("0.4", "t1", "t1"), people()) == ""


def test_no_more_is_credited_than_was_sent_and_no_transaction_carries_coins_twice() -> None:
    made = half_credited()
    made.apply(sent("1", "t2", "t1"))
    assert "0 BTC are on the way by transaction t1" in made.refuse_move(credited("0.5", "t1"), people())
    made.apply(sent("0.2", "t3", "t1"))
    assert "1 BTC are on the way by transaction t2" in made.refuse_move(credited("1.1", "t2"), people())
    for qty in ("0.4", "0.6"):  # a venue may credit it in parts
        assert made.refuse_move(credited(qty, "t2"), people()) == ""
        made.apply(credited(qty, "t2"))
    assert "0 BTC are on the way by transaction t2" in made.refuse_move(credited("0.1", "t2"), people())
    assert "has carried coins of this case already" in made.refuse_move(sent("0.1", "t2", "t1"), people())


def test_a_transfer_under_way_does_not_prove_itself() -> None:
    """Only a test that has arrived is one."""
    made = case()
    made.apply(sent("0.5", "t1", "t1"))
    assert "has credited" in made.refuse_move(sent("1", "t2", "t1"), people())


def reserved(qty: str, plan: str = HASH) -> HoldingMoved:
    return HoldingMoved(
        asset="BTC",
        qty=Decimal(qty),
        from_state="credited",
        to_state="reserved",
        evidence={"plan": plan},
        who="op",
    )


def test_coins_are_reserved_for_a_plan_and_leave_it_only_under_it() -> None:
    made = half_credited()
    assert "no plan" in made.refuse_move(reserved("0.5", "f" * 64), people())
    made.apply(reserved("0.4"))
    for evidence in ({"plan": "f" * 64, "parent": "p"}, {"plan": HASH, "parent": "p"}):
        move = HoldingMoved(
            asset="BTC", qty=Decimal("0.4"), from_state="reserved", to_state="sold", evidence=evidence, who="x"
        )
        assert (made.refuse_move(move, people()) == "") == (evidence["plan"] == HASH)
    made.apply(move)
    assert (made.reserved[HASH], made.sold[HASH], made.holdings["BTC"][HoldingState.SOLD]) == (
        Decimal(0),
        Decimal("0.4"),
        Decimal("0.4"),
    )


def test_the_mandate_names_who_may_have_which_role() -> None:
    made = Case(CASE)
    people_named = [{"person": "ch", "name": "Checker", "role": "checker"}]
    mandate = {"holdings": [{"asset": "BTC", "qty": "2"}], "authorised_people": people_named}
    made.apply(CaseOpened(case_id=CASE, mandate=mandate, mandate_hash="-", who="op"))
    assert made.refuse_role("ch", "checker") == ""
    assert "names ch as checker" in made.refuse_role("ch", "risk")
    assert "does not authorise li" in made.refuse_role("li", "risk")


def test_a_malformed_signature_is_no_signature() -> None:
    message = approval_message(CASE, HASH, "op", END)
    assert verified(public_hex(KEYS["ch"]), message, sign(KEYS["ch"], message))
    for public, signature in (("zz", "00"), (public_hex(KEYS["ch"]), "zz"), (public_hex(KEYS["ch"]), "00" * 64)):
        assert not verified(public, message, signature)


@pytest.mark.parametrize("public", ["00" * 32, "01" + "00" * 31, "00" * 31 + "80", "ec" + "ff" * 30 + "7f", "00"])
def test_a_key_that_fits_every_message_speaks_for_nobody(public: str) -> None:
    """Under a point of small order a signature of zeros verifies for any message: such a key is no key."""
    assert not verified(public, approval_message(CASE, HASH, "op", END), "00" * 64)
    assert "no key" in people().refuse_enrolment("li", public)


def test_the_lines_of_an_older_case_are_read_as_they_are() -> None:
    """A transfer needed fewer papers then, and a recall was a letter; the same act is refused today."""
    made = case()
    moves = [
        ("accepted", "in_transit", {"transaction": "t1", "ownership_proof": "o", "kyt": "k", "clearance": "c"}),
        ("in_transit", "credited", {"venue_credit": "advice"}),
        ("credited", "recalled", {"recall_order": "letter 7"}),
    ]
    for left, reached, evidence in moves:
        way = {"from_state": left, "to_state": reached}
        move = HoldingMoved(asset="BTC", qty=Decimal(1), evidence=evidence, who="op", **way)
        assert made.refuse_move(move, people()) != ""
        made.apply(move)
    assert made.holdings["BTC"][HoldingState.RECALLED] == 1
    sold = HoldingMoved(
        asset="BTC", qty=Decimal(1), from_state="reserved", to_state="sold", evidence={"parent": "p"}, who="executor"
    )
    with pytest.raises(InvariantBroken, match="0 are there"):  # what cannot be is refused in an old line too
        made.apply(sold)
