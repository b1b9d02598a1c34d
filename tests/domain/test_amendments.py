"""Limits that people change: stricter by one for good, looser by two for a while, and each signature asked again."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from executor.domain.amendments import Lowered, Raised, amended, raise_values
from executor.domain.caps import Caps
from executor.domain.case import Case
from executor.domain.case_events import FloorRaised, KeyRevoked, LimitLowered, PlanApproved, PlanFrozen
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.people import People
from executor.domain.signing import approval_message, floor_message, limit_message, public_hex, sign
from tests.domain.test_case import CASE, KEYS, NOW, case, people
from tests.domain.test_changes import agreed, asked, refusal

D = Decimal
CAPS: dict[str, Any] = {"order_value": "50000", "min_venues": 2}
WEEK: dict[str, Any] = {
    "week_values": ["50", "100"],
    "week_currency": "USD",
    "week_starts": "saturday",
    "week_zone": "UTC",
    "first_week": "2026-02-28",
}
FROZEN = frozen_plan(CASE, {"asset": "BTC", "qty": "1", "floor_px": "90000", "caps": CAPS | WEEK})
HASH = plan_hash(FROZEN)
END = NOW + timedelta(minutes=30)


def approved() -> Case:
    """A case whose plan has caps and two approvals."""
    made = case()
    made.apply(PlanFrozen(plan_hash=HASH, frozen=FROZEN, drafter="op", expires_at=NOW + timedelta(hours=1)))
    for person in ("ch", "ri"):
        private = KEYS[person]
        signature = sign(private, approval_message(CASE, HASH, "op", NOW + timedelta(hours=1)))
        made.apply(PlanApproved(plan_hash=HASH, person=person, public_key=public_hex(private), signature=signature))
    return made


def lowered(limit: str, value: str, person: str = "ch", key: str = "", signed: str = "") -> LimitLowered:
    private = KEYS[key or person]
    signature = sign(private, limit_message(CASE, HASH, limit, signed or value))
    return LimitLowered(
        plan_hash=HASH,
        limit=limit,
        value=D(value),
        person=person,
        public_key=public_hex(private),
        signature=signature,
        why="court",
    )


def raising(
    limit: str = "order_value", value: str = "80000", until: datetime = END, why: str = "court"
) -> dict[str, Any]:
    return raise_values(CASE, HASH, limit, D(value), until, why)


def order_value(made: Case, now: datetime = NOW, known: People | None = None) -> Decimal | None:
    caps = made.caps(HASH, known or people(), now)
    assert caps is not None
    return caps.order_value


def raised(made: Case, *by: str, value: str = "80000") -> Case:
    made.apply(asked(raising(value=value)))
    for person in by:
        made.apply(agreed(person, raising(value=value)))
    return made


# --- stricter ---------------------------------------------------------------------------------------------------------


def test_one_approver_makes_a_cap_stricter() -> None:
    made = approved()
    event = lowered("order_value", "20000")
    assert made.refuse_lowering(event, people(), NOW) == ""
    made.apply(event)
    assert order_value(made) == D(20_000)
    assert made.refuse_execution(HASH, people(), NOW) == ""
    assert "can only make it stricter" in made.refuse_lowering(lowered("order_value", "20000"), people(), NOW)
    assert "can only make it stricter" in made.refuse_lowering(lowered("order_value", "30000", "ri"), people(), NOW)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (lowered("order_value", "50001"), "can only make it stricter"),
        (lowered("min_venues", "1"), "can only make it stricter"),
        (lowered("order_value", "20000", "op"), "neither checker nor risk"),
        (lowered("order_value", "20000", "ri", key="ch"), "does not speak for ri"),
        (lowered("order_value", "20000", signed="30000"), "the signature does not fit"),
        (lowered("plan_percent_per_day", "5"), "the plan has no cap plan_percent_per_day"),
        (lowered("floor_px", "1"), "is no limit that can be changed"),
        (lowered("order_value", "0"), "must be above zero"),
        (lowered("min_venues", "2.5"), "must be above zero, and whole"),
    ],
    ids=["looser", "fewer-venues", "drafter", "borrowed-key", "another-value", "new-cap", "no-cap", "zero", "half"],
)
def test_what_one_person_cannot_do(event: LimitLowered, why: str) -> None:
    assert why in approved().refuse_lowering(event, people(), NOW)


def test_more_venues_and_smaller_weeks_are_stricter() -> None:
    made = approved()
    for event in (lowered("min_venues", "3"), lowered("week_values", "70", "ri")):
        assert made.refuse_lowering(event, people(), NOW) == ""
        made.apply(event)
    caps = made.caps(HASH, people(), NOW)
    assert caps is not None
    assert (caps.min_venues, caps.week_values) == (3, (D(50), D(70)))


@pytest.mark.parametrize(
    "forged",
    [
        msgspec.structs.replace(lowered("order_value", "20000"), value=D(10_000)),
        lowered("order_value", "20000", "op"),
        lowered("order_value", "20000", "ri", key="xx"),
        FloorRaised(plan_hash=HASH, floor_px=D(95_000), person="ri", public_key="", signature="", why="-"),
    ],
    ids=["edited", "drafter", "unknown-key", "floor-without-signature"],
)
def test_a_change_smuggled_into_the_record_stops_the_plan(forged: FloorRaised | LimitLowered) -> None:
    """Whoever wrote it, it was no approver: the record is examined before anything is sold."""
    made = approved()
    made.apply(forged)
    assert "in the record is not theirs" in made.refuse_execution(HASH, people(), NOW)


def test_a_key_that_was_revoked_later_makes_nothing_looser() -> None:
    """The third approver's key is lost: what they made stricter stays, and the plan goes on."""
    made, known, key = approved(), people(), KEYS["ch"]
    made.apply(lowered("order_value", "20000"))
    signature = sign(key, floor_message(CASE, HASH, "95000"))
    made.apply(
        FloorRaised(
            plan_hash=HASH, floor_px=D(95_000), person="ch", public_key=public_hex(key), signature=signature, why="-"
        )
    )
    known.apply(KeyRevoked(person="ch", public_key=public_hex(key), voids=[], who="admin", why="lost"))
    assert order_value(made, known=known) == D(20_000)
    assert "1 of 2" in made.refuse_execution(HASH, known, NOW)  # the approval by that key is void, the floor is not
    assert "not theirs" not in made.refuse_execution(HASH, known, NOW)


# --- looser for a while -----------------------------------------------------------------------------------------------


def test_two_approvers_loosen_a_cap_until_it_ends() -> None:
    assert order_value(raised(approved())) == D(50_000)
    assert order_value(raised(approved(), "ch")) == D(50_000)
    made = raised(approved(), "ch", "ri")
    assert order_value(made) == D(80_000)
    assert order_value(made, END - timedelta(microseconds=1)) == D(80_000)
    assert order_value(made, END) == D(50_000)


def test_who_counts_for_a_looser_cap() -> None:
    """Not the one who asked, not one person twice, not a key that is lost by now."""
    made = raised(approved())
    assert "asked for the change" in refusal(made, agreed("op", raising()))
    assert order_value(raised(approved(), "ch", "op")) == D(50_000)
    assert order_value(raised(approved(), "ch", "ch")) == D(50_000)
    known = people()
    known.apply(KeyRevoked(person="ri", public_key=public_hex(KEYS["ri"]), voids=[], who="admin", why="lost"))
    assert order_value(raised(approved(), "ch", "ri"), known=known) == D(50_000)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (raising(value="50000"), "would not loosen it"),
        (raising("min_venues", "2"), "would not loosen it"),
        (raising(until=NOW + timedelta(hours=2)), "must end with it or before"),
        (raising(why=" "), "the reason is missing"),
        (raising("venue_value_per_day", "5"), "the plan has no cap"),
        (raising("floor_px", "5"), "is no limit"),
    ],
)
def test_a_raise_that_cannot_be_asked_for(values: dict[str, Any], why: str) -> None:
    assert why in approved().refuse_proposal(asked(values), people())


def test_a_lowering_binds_over_a_raise_that_was_asked_for_before() -> None:
    """One approver always has the last word towards safety; what two sign afterwards counts again."""
    made = raised(approved(), "ch", "ri")
    event = lowered("order_value", "20000", "ri")
    assert made.refuse_lowering(event, people(), NOW) == ""
    made.apply(event)
    assert order_value(made) == D(20_000)
    assert order_value(raised(made, "ch", "ri", value="60000")) == D(60_000)
    assert order_value(made, END) == D(20_000)


def test_two_may_loosen_what_one_made_stricter() -> None:
    """Frozen 50,000, lowered to 20,000: for a while two allow 40,000, which the frozen cap alone would call no looser.
    One who lowers it after that has the last word again."""
    made = approved()
    made.apply(lowered("order_value", "20000"))
    assert "order_value is 20000 already" in made.refuse_proposal(asked(raising(value="20000")), people())
    assert made.refuse_proposal(asked(raising(value="40000")), people()) == ""
    assert order_value(raised(made, "ch", "ri", value="40000")) == D(40_000)
    assert order_value(made, END) == D(20_000)
    made.apply(lowered("order_value", "15000", "ri"))
    assert order_value(made) == D(15_000)


def test_fewer_venues_and_larger_weeks_for_a_while() -> None:
    caps = Caps.model_validate(CAPS | WEEK)
    week = Raised("h", "week_values", D(80), END, "court", ())
    venues = Raised("i", "min_venues", D(1), END, "one is down", ())
    now = amended(caps, [], [week, venues], NOW)
    assert (now.week_values, now.min_venues) == ((D(80), D(100)), 1)
    stricter = Lowered(lowered("week_values", "60"), frozenset())
    assert amended(caps, [stricter], [], END).week_values == (D(50), D(60))
    assert amended(caps, [], [week, venues], END) == caps
