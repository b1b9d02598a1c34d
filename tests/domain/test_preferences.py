"""A rule for another quote than the best: who may ask for it, what it must say, and how far it reaches."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from executor.domain.case_events import KeyRevoked
from executor.domain.preferences import Preference, preference_values
from executor.domain.signing import public_hex
from tests.domain.test_case import CASE, HASH, KEYS, NOW, approved, people
from tests.domain.test_changes import agreed, asked, refusal

D = Decimal


def values(**changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "case_id": CASE,
        "plan_hash": HASH,
        "desk": "alpha",
        "up_to_bps": D(5),
        "until": NOW + timedelta(minutes=30),
        "why": "it settles today",
    }
    return preference_values(**said | changes)


def in_force(now: datetime = NOW, plan: str = HASH, *, by: tuple[str, ...] = ("ch", "ri"), lost: str = "") -> int:
    """How many rules are in force after one was asked for and agreed to."""
    made, known = approved(), people()
    made.apply(asked(values()))
    for person in by:
        made.apply(agreed(person, values()))
    if lost:
        key = public_hex(KEYS[lost])
        known.apply(KeyRevoked(person=lost, public_key=key, voids=[], who="admin", why="lost"))
    return len(made.changes.preferences(plan, made.roles, known, now))


def test_a_rule_is_in_force_for_its_plan_until_it_ends() -> None:
    assert in_force() == 1
    assert in_force(NOW + timedelta(minutes=30) - timedelta(microseconds=1)) == 1
    assert in_force(NOW + timedelta(minutes=30)) == 0
    assert in_force(plan="0" * 64) == 0


def test_signatures_are_verified_again_whenever_it_is_used() -> None:
    """One is too few; the asker's own is none, also if it is smuggled into the record; nor is one by a lost key."""
    assert in_force(by=("ch",)) == 0
    assert in_force(by=("ch", "op")) == 0
    assert in_force(by=("ch", "ch")) == 0
    assert in_force(lost="ri") == 0


def test_who_asked_cannot_agree() -> None:
    made = approved()
    made.apply(asked(values()))
    assert "asked for the change" in refusal(made, agreed("op", values()))


@pytest.mark.parametrize(
    ("changes", "who", "why"),
    [
        ({}, "ch", "neither operator nor settlement"),
        ({}, "se", "no say in quotes"),
        ({"why": " "}, "op", "the reason is missing"),
        ({"up_to_bps": D(0)}, "op", "over 0 and under 10000"),
        ({"up_to_bps": D(10_000)}, "op", "over 0 and under 10000"),
        ({"until": NOW + timedelta(hours=1, seconds=1)}, "op", "must end with it or before"),
        ({"plan_hash": "0" * 64}, "op", "no plan 000000000000 is in force"),
        ({"case_id": "OTHER"}, "op", "another case"),
    ],
    ids=["checker", "settlement", "no-reason", "nothing", "everything", "too-long", "no-plan", "other-case"],
)
def test_a_rule_that_cannot_be_asked_for(changes: dict[str, Any], who: str, why: str) -> None:
    from executor.domain.people import Role

    made = approved()
    made.roles["se"] = Role.SETTLEMENT
    assert why in made.refuse_proposal(asked(values(**changes), who=who), people())


def test_an_affiliate_cannot_be_preferred() -> None:
    made = approved()
    made.affiliates = frozenset({"alpha"})
    assert "stands in the register" in made.refuse_proposal(asked(values()), people())


@pytest.mark.parametrize(("money", "fits"), [("99950", True), ("99949.99", False), ("100001", True)])
def test_it_reaches_as_far_as_it_says(money: str, fits: bool) -> None:
    rule = Preference("hash", "Desk A", D(5), NOW, "why", ("ch", "ri"))
    assert rule.allows("alpha", "desk a", D(money), D(100_000)) is fits
    assert not rule.allows("alpha", "", D(money), D(100_000))
