"""Limits that people change while a sale runs: it obeys from its next order on, and what was looser ends by itself."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clock import LoopClock
from executor.domain.amendments import raise_values
from executor.domain.canonical import digest
from executor.domain.case import Case
from executor.domain.case_events import CaseEvent, ChangeAgreed, ChangeProposed, FloorRaised, LimitLowered
from executor.domain.events import ChildIntended, ParentHalted, ParentWaiting
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.plan import Plan
from executor.domain.signing import change_message, limit_message, public_hex, sign
from executor.engine.approval import Approval, case_stream
from executor.engine.counting import worth
from executor.errors import GuardHalts
from tests.approved import approve, write
from tests.engine.rig import START, TWAP, MemoryStore, Ran, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue

CHECKER, RISK = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (2, 3))  # the stand-ins'
NAMES = {"rehearsal-checker": CHECKER, "rehearsal-risk": RISK}
SLICED = TWAP | {"slices": 10, "qty": "1"}


def capped(most: str = "10500") -> Plan:
    """Ten slices of a tenth within ten minutes, each worth about 10000, and a cap on the value of an order."""
    return plan(SLICED, caps={"order_value": most})


def hash_of(asked: Plan) -> str:
    return plan_hash(frozen_plan("CASE-1", asked.model_dump(mode="json")))


def lowered(asked: Plan, value: str, key: Ed25519PrivateKey = RISK) -> list[CaseEvent]:
    message = limit_message("CASE-1", hash_of(asked), "order_value", value)
    event = LimitLowered(
        plan_hash=hash_of(asked),
        limit="order_value",
        value=D(value),
        person="rehearsal-risk",
        public_key=public_hex(RISK),
        signature=sign(key, message),
        why="thin market",
    )
    return [event]


def raised(asked: Plan, value: str, after: timedelta, by: tuple[str, ...] = tuple(NAMES)) -> list[CaseEvent]:
    values = raise_values("CASE-1", hash_of(asked), "order_value", D(value), START + after, "court order")
    found: list[CaseEvent] = [ChangeProposed(change_hash=digest(values), change=values, who="rehearsal-operator")]
    for person in by:
        key = NAMES[person]
        signature = sign(key, change_message("CASE-1", digest(values)))
        found.append(
            ChangeAgreed(change_hash=digest(values), person=person, public_key=public_hex(key), signature=signature)
        )
    return found


async def sold(asked: Plan, papers: list[CaseEvent], after: int = 0) -> tuple[ScriptedVenue, Ran]:
    """A run in which these papers are written while order number ``after`` is being placed."""
    store, alpha = MemoryStore(), ScriptedVenue(LoopClock(START), free="5")
    approve(store, mandate(), asked, START)

    def place(_order: object) -> None:
        if len(alpha.wire) == after - 1:
            write(store, case_stream("CASE-1"), "CASE-1", papers, START)

    if after:
        alpha.on_place = place
    else:
        write(store, case_stream("CASE-1"), "CASE-1", papers, START)
    return alpha, await ran(alpha, store=store, asked=asked)


def values(end: Ran) -> list[Any]:
    return [worth(intent) for intent in end.events(ChildIntended)]


@virtual
async def test_a_running_sale_obeys_a_lowered_cap_from_its_next_order_on() -> None:
    asked = capped("30000")
    _, end = await sold(asked, lowered(asked, "5000"), after=3)
    found = values(end)
    assert all(value > 9_000 for value in found[:3])
    assert len(found) > 3
    assert all(value <= 5_000 for value in found[3:])
    assert end.events(ParentWaiting)[0].rule == "cap.order_value"  # the order it came between


@virtual
async def test_a_raised_cap_binds_until_it_ends_by_itself() -> None:
    """A cap of 3000 is 30000 for the first five minutes: then orders are small again, though nobody did anything."""
    asked = capped("3000")
    _, end = await sold(asked, raised(asked, "30000", timedelta(minutes=5)))
    sent = [(line.at - START, worth(line.event)) for line in end.lines if isinstance(line.event, ChildIntended)]
    early = [value for at, value in sent if at < timedelta(minutes=5)]
    late = [value for at, value in sent if at >= timedelta(minutes=5)]
    assert early
    assert late
    assert max(early) > 9_000
    assert max(late) <= 3_000


@pytest.mark.parametrize("by", [(), ("rehearsal-checker",)], ids=["nobody", "one"])
@virtual
async def test_without_two_signatures_nothing_is_looser(by: tuple[str, ...]) -> None:
    asked = capped("3000")
    _, end = await sold(asked, raised(asked, "30000", timedelta(minutes=5), by))
    assert end.intents
    assert max(values(end)) <= 3_000


@pytest.mark.parametrize("what", ["limit", "floor"])
@virtual
async def test_a_change_that_no_approver_has_signed_halts_the_sale(what: str) -> None:
    """Guards the signature at the gate: a line that somebody put into the journal, whatever it says."""
    asked = capped("30000")
    papers = lowered(asked, "5000", key=CHECKER)
    if what == "floor":
        bare = FloorRaised(
            plan_hash=hash_of(asked), floor_px=D(95_000), person="rehearsal-risk", public_key="", signature="", why="-"
        )
        papers = [bare]
    alpha, end = await sold(asked, papers, after=2)
    assert isinstance(end.fault, GuardHalts)
    assert len(alpha.wire) == 2
    (halted,) = end.events(ParentHalted)
    assert "in the record is not theirs" in halted.reason


@virtual
async def test_without_the_rules_neither_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins: caps as they were frozen, and signatures that nobody asks for."""
    asked = capped("30000")
    with monkeypatch.context() as patched:
        patched.setattr(Approval, "caps", lambda self, frozen, now: frozen)
        _, end = await sold(asked, lowered(asked, "5000"), after=3)
        assert max(values(end)[3:]) > 9_000
    with monkeypatch.context() as patched:
        patched.setattr(Case, "_forged", lambda self, event, people: "")
        _, end = await sold(asked, lowered(asked, "5000", key=CHECKER), after=2)
        assert end.fault is None
        assert max(values(end)[2:]) <= 5_000  # whoever wrote it is obeyed
