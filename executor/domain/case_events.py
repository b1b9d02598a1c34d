"""The events of people (stream ``people``) and of a case (stream ``case/ID``): who may do what, what was entrusted,
where the coins are, which plan was frozen and who approved it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from executor.domain.events import Event
from executor.domain.settlement_events import SettlementEvent


class PersonEnrolled(Event, frozen=True, kw_only=True):
    """A person and the public key (hex) that speaks for them. A key belongs to one person for ever. ``rehearsal``:
    nobody at all, a stand-in with a key that everybody knows; what they approve is never sold at a real venue."""

    person: str
    name: str
    public_key: str
    who: str
    rehearsal: bool = False


class KeyRevoked(Event, frozen=True, kw_only=True):
    """A key speaks for nobody any more: every approval made with it is void from now on. ``voids`` are the hashes of
    the plans that may not be executed any more because of it."""

    person: str
    public_key: str
    voids: list[str]
    who: str
    why: str


class CaseOpened(Event, frozen=True, kw_only=True):
    """A mandate was accepted. ``mandate`` is the file as it was read; ``mandate_hash`` its SHA-256."""

    case_id: str
    mandate: dict[str, Any]
    mandate_hash: str
    who: str


class RoleAssigned(Event, frozen=True, kw_only=True):
    """A person has a role in this case, and no other."""

    person: str
    role: str
    who: str


class HoldingMoved(Event, frozen=True, kw_only=True):
    """Coins moved from one state to another, with the evidence that shows it (kind to reference or hash). A transfer
    to a venue says its value in HKD: from a threshold on it needs more evidence."""

    asset: str
    qty: Decimal
    from_state: str
    to_state: str
    evidence: dict[str, str]
    who: str
    value_hkd: Decimal | None = None


class PlanFrozen(Event, frozen=True, kw_only=True):
    """A plan was fixed: ``frozen`` holds plan, case, version, drafter and expiry; ``plan_hash`` is the SHA-256 of its
    canonical bytes, and what approvals are given to."""

    plan_hash: str
    frozen: dict[str, Any]
    drafter: str
    expires_at: datetime


class PlanApproved(Event, frozen=True, kw_only=True):
    """A person approved exactly this plan: Ed25519 over purpose, case and plan hash."""

    plan_hash: str
    person: str
    public_key: str
    signature: str
    restores: bool = False  # after a revoked key, this approval makes the plan executable again


class PlanRevoked(Event, frozen=True, kw_only=True):
    """The plan may not be executed any more."""

    plan_hash: str
    who: str
    why: str


class FloorRaised(Event, frozen=True, kw_only=True):
    """One approver raised the floor of a plan: Ed25519 over purpose, case, plan hash and price. Stricter needs one
    person; the other way needs a new plan and two."""

    plan_hash: str
    floor_px: Decimal
    person: str
    public_key: str
    signature: str
    why: str


class LimitLowered(Event, frozen=True, kw_only=True):
    """One approver made a cap of a plan stricter (``limit`` is its key; of ``min_venues`` more is stricter): Ed25519
    over purpose, case, plan hash, limit and value. It stays; what loosens it for a while is a change signed by two."""

    plan_hash: str
    limit: str
    value: Decimal
    person: str
    public_key: str
    signature: str
    why: str


class BenchmarkRecorded(Event, frozen=True, kw_only=True):
    """An average was made that price rules may name: ``record`` is the whole record with formula, version, parameters
    and the hash of the candle file; it was computed again from that file before it was written down."""

    record_sha256: str
    record: dict[str, Any]
    who: str


class ChangeProposed(Event, frozen=True, kw_only=True):
    """Somebody asked for another account for the proceeds, or for unsold coins back. ``change_hash`` is the SHA-256 of
    ``change`` (case, kind, values, reason) and what others agree to."""

    change_hash: str
    change: dict[str, Any]
    who: str


class ChangeAgreed(Event, frozen=True, kw_only=True):
    """A person agreed to exactly this change: Ed25519 over purpose, case and change hash."""

    change_hash: str
    person: str
    public_key: str
    signature: str


class PlanSubmitted(Event, frozen=True, kw_only=True):
    """A person handed a plan to the workers (stream ``submitted/PARENT``). ``place``: the venues of mock, sandbox or
    production. ``schema`` is the journal's: a worker must know it. Mandate and plan are as they were read."""

    parent_id: str
    place: str
    schema: int
    mandate: dict[str, Any]
    plan: dict[str, Any]
    who: str


class ActDenied(Event, frozen=True, kw_only=True):
    """Somebody tried what is not allowed; nothing was changed. Kept, because attempts are evidence too."""

    act: str
    who: str
    reason: str


CaseEvent = (
    PersonEnrolled
    | KeyRevoked
    | CaseOpened
    | RoleAssigned
    | HoldingMoved
    | PlanFrozen
    | PlanApproved
    | PlanRevoked
    | FloorRaised
    | LimitLowered
    | BenchmarkRecorded
    | ChangeProposed
    | ChangeAgreed
    | PlanSubmitted
    | ActDenied
    | SettlementEvent
)
