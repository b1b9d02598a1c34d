"""Changes that would let value leave a case need one who asks and two others who agree."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from executor.domain.canonical import digest
from executor.domain.case import Case, HoldingState
from executor.domain.case_events import ChangeAgreed, ChangeProposed, HoldingMoved, KeyRevoked, PersonEnrolled
from executor.domain.people import People
from executor.domain.signing import approval_message, change_message, public_hex, sign
from executor.errors import InvariantBroken
from tests.domain.test_case import CASE, KEYS, NOW, half_credited, people

ACCOUNT = {"case_id": CASE, "kind": "proceeds_account", "account": "new account", "why": "closed"}
RECALL = {"case_id": CASE, "kind": "recall", "asset": "BTC", "qty": "0.3", "address": "a", "why": "judgment"}


def asked(change: dict[str, Any], who: str = "op") -> ChangeProposed:
    return ChangeProposed(change_hash=digest(change), change=change, who=who)


def agreed(person: str, change: dict[str, Any], key: str = "") -> ChangeAgreed:
    private = KEYS[key or person]
    signature = sign(private, change_message(CASE, digest(change)))
    return ChangeAgreed(change_hash=digest(change), person=person, public_key=public_hex(private), signature=signature)


def refusal(made: Case, event: ChangeAgreed) -> str:
    return made.changes.refuse_agreement(event, made.roles, people())


def account(made: Case, known: People | None = None) -> str:
    return made.changes.proceeds_account(made.roles, known or people())


def test_the_account_changes_when_two_others_have_agreed() -> None:
    made = half_credited()
    made.changes.mandated_account = "old account"
    made.apply(asked(ACCOUNT))
    for person, now in (("ch", "old account"), ("ch", "old account"), ("ri", "new account")):
        assert refusal(made, agreed(person, ACCOUNT)) == ""
        made.apply(agreed(person, ACCOUNT))  # the same person twice is one person
        assert account(made) == now
    assert "in force already" in refusal(made, agreed("ch", ACCOUNT))


def test_who_has_lost_their_key_has_agreed_to_nothing() -> None:
    """A stolen key agrees, is revoked, and one other agrees: that is one. Nor does a change stay in force by a key that
    was revoked since, nor the account before it come back; its owner can agree again with a new key."""
    made = half_credited()
    made.changes.mandated_account = "old account"
    made.apply(asked(ACCOUNT))
    made.apply(agreed("ch", ACCOUNT))
    lost = people()
    lost.apply(KeyRevoked(person="ch", public_key=public_hex(KEYS["ch"]), voids=[], who="admin", why="stolen"))
    made.apply(agreed("ri", ACCOUNT))
    assert (account(made), account(made, lost)) == ("new account", "")
    lost.apply(PersonEnrolled(person="ch", name="ch", public_key=public_hex(KEYS["xx"]), who="admin"))
    again = agreed("ch", ACCOUNT, key="xx")
    assert made.changes.refuse_agreement(again, made.roles, lost) == ""
    made.apply(again)
    assert account(made, lost) == "new account"


def test_an_account_that_another_has_replaced_does_not_come_back_by_one_signature() -> None:
    """Both agreed to one account, then to another; then a key was changed. The first account needs a new proposal."""
    made, second = half_credited(), {**ACCOUNT, "account": "second account"}
    for change in (ACCOUNT, second):
        made.apply(asked(change))
        for person in ("ch", "ri"):
            made.apply(agreed(person, change))
    assert account(made) == "second account"
    known = people()
    known.apply(KeyRevoked(person="ch", public_key=public_hex(KEYS["ch"]), voids=[], who="admin", why="a new card"))
    known.apply(PersonEnrolled(person="ch", name="ch", public_key=public_hex(KEYS["xx"]), who="admin"))
    assert account(made, known) == ""
    first = agreed("ch", ACCOUNT, key="xx")
    assert "has taken its place" in made.changes.refuse_agreement(first, made.roles, known)
    made.apply(first)  # by hand all the same
    assert account(made, known) == ""
    made.apply(agreed("ch", second, key="xx"))
    assert account(made, known) == "second account"


def test_agreements_that_nobody_signed_put_nothing_in_force() -> None:
    """Lines put into the record by hand: no account is in force until it was examined, and no coin can be recalled."""
    made = half_credited()
    made.changes.mandated_account = "old account"
    for change in (ACCOUNT, RECALL):
        made.apply(asked(change))
        for person in ("ch", "ri"):
            made.apply(replace(agreed(person, change), public_key="0" * 64, signature="0" * 128))
    assert account(made) == ""
    assert "two people have agreed" in made.refuse_move(recalled("0.3"), people())


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (agreed("op", ACCOUNT), "asked for the change"),
        (agreed("ri", ACCOUNT, key="ch"), "does not speak for ri"),
        (agreed("xx", ACCOUNT), "neither checker nor risk"),
        (agreed("ch", RECALL), "no change"),
    ],
    ids=["own", "borrowed-key", "no-role", "another-change"],
)
def test_an_agreement_that_does_not_count(event: ChangeAgreed, why: str) -> None:
    made = half_credited()
    made.apply(asked(ACCOUNT))
    assert why in refusal(made, event)


def test_a_signature_for_a_plan_is_none_for_a_change_and_a_revoked_key_is_none() -> None:
    made = half_credited()
    made.apply(asked(ACCOUNT))
    signature = sign(KEYS["ch"], approval_message(CASE, digest(ACCOUNT), "op", NOW))
    event = ChangeAgreed(
        change_hash=digest(ACCOUNT), person="ch", public_key=public_hex(KEYS["ch"]), signature=signature
    )
    assert "does not fit" in refusal(made, event)
    known = people()
    known.apply(KeyRevoked(person="ch", public_key=public_hex(KEYS["ch"]), voids=[], who="admin", why="lost"))
    assert "revoked" in made.changes.refuse_agreement(agreed("ch", ACCOUNT), made.roles, known)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (asked(ACCOUNT, who="ch"), "neither operator nor settlement"),
        (asked({**RECALL, "qty": "0.6"}), "0.5 are credited"),
        (asked({**RECALL, "asset": "ETH"}), "0 are credited"),
        (asked({**ACCOUNT, "case_id": "OTHER"}), "another case"),
        (ChangeProposed(change_hash="0" * 64, change=ACCOUNT, who="op"), "hash"),
    ],
    ids=["approver", "too-much", "no-such-asset", "other-case", "edited"],
)
def test_a_change_that_cannot_be_asked_for(event: ChangeProposed, why: str) -> None:
    assert why in half_credited().refuse_proposal(event, people())
    with pytest.raises(InvariantBroken):
        half_credited().apply(event)


def recalled(qty: str) -> HoldingMoved:
    evidence = {"recall_order": digest(RECALL)}
    return HoldingMoved(
        asset="BTC", qty=Decimal(qty), from_state="credited", to_state="recalled", evidence=evidence, who="x"
    )


def test_coins_are_recalled_only_as_two_have_agreed_and_only_once() -> None:
    made = half_credited()
    assert "two people have agreed" in made.refuse_move(recalled("0.3"), people())
    made.apply(asked(RECALL))
    made.apply(agreed("ch", RECALL))
    assert "two people have agreed" in made.refuse_move(recalled("0.3"), people())
    made.apply(agreed("ri", RECALL))
    assert "of which 0.3 are left" in made.refuse_move(recalled("0.31"), people())
    made.apply(recalled("0.3"))
    assert made.holdings["BTC"][HoldingState.RECALLED] == Decimal("0.3")
    assert "of which 0 are left" in made.refuse_move(recalled("0.1"), people())
