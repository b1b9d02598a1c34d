"""The state of a case: its mandate, roles, holdings, frozen plans and approvals. A fold over ``case/ID``.

A plan may be executed while it is frozen for this case, not revoked, not expired, and approved by at least two
distinct people in an approving role, none of them its drafter, each by a signature of a key that is still theirs.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from executor.domain.amendments import RAISE_LIMIT, Lowered, amended, refuse_lowering, refuse_raise
from executor.domain.canonical import digest
from executor.domain.caps import Caps
from executor.domain.case_events import (
    BenchmarkRecorded,
    CaseOpened,
    ChangeAgreed,
    ChangeProposed,
    FloorRaised,
    HoldingMoved,
    LimitLowered,
    PlanApproved,
    PlanFrozen,
    PlanRevoked,
    RoleAssigned,
)
from executor.domain.changes import Changes
from executor.domain.dossier import PAPERS, papers
from executor.domain.frozen_plan import FrozenPlan as FrozenPlan
from executor.domain.money import ZERO, add, plain
from executor.domain.people import APPROVERS, People, Role
from executor.domain.postings import coin_fees
from executor.domain.preferences import PREFER_QUOTE, refuse_preference
from executor.domain.settlement_events import CoinsPooled, PoolAllocated, PoolFormed, ShareReceived
from executor.domain.signing import approval_message, floor_message, limit_message, verified
from executor.domain.transfers import Transfers
from executor.errors import InvariantBroken

APPROVALS_NEEDED = 2
MOVERS = frozenset({Role.OPERATOR, Role.SETTLEMENT})  # they move coins by hand


class HoldingState(StrEnum):
    ACCEPTED = "accepted"  # verified and taken over from the police
    IN_TRANSIT = "in_transit"  # sent to a venue; sent is not sold
    CREDITED = "credited"  # in a venue's purse: may be reserved for a sale
    RESERVED = "reserved"  # promised to a plan
    SOLD = "sold"
    FEES = "fees"  # kept by a venue that takes its fee in coins
    RECALLED = "recalled"  # on its way back
    RETURNED = "returned"
    ALLOCATED = "allocated"  # a pool has given them back to its member cases


# From each state, where coins may go, and what must show it.
MOVES: dict[tuple[HoldingState, HoldingState], frozenset[str]] = {
    (HoldingState.ACCEPTED, HoldingState.IN_TRANSIT): PAPERS,  # and more from a value on: executor.domain.dossier
    (HoldingState.IN_TRANSIT, HoldingState.CREDITED): frozenset({"transaction", "venue_credit"}),
    (HoldingState.IN_TRANSIT, HoldingState.ACCEPTED): frozenset({"transaction"}),
    (HoldingState.CREDITED, HoldingState.RESERVED): frozenset({"plan"}),
    (HoldingState.RESERVED, HoldingState.CREDITED): frozenset({"plan"}),
    (HoldingState.RESERVED, HoldingState.SOLD): frozenset({"plan", "parent"}),
    (HoldingState.RESERVED, HoldingState.FEES): frozenset({"plan", "parent"}),
    (HoldingState.CREDITED, HoldingState.RECALLED): frozenset({"recall_order"}),
    (HoldingState.RECALLED, HoldingState.RETURNED): frozenset({"transaction"}),
    (HoldingState.ACCEPTED, HoldingState.RETURNED): frozenset({"transaction"}),
}


class Case:
    """The folded state of one case stream."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.mandate: dict[str, Any] | None = None
        self.mandate_hash = ""
        self.affiliates: frozenset[str] = frozenset()  # in small letters: none of them may buy
        self.roles: dict[str, Role] = {}
        self.holdings: dict[str, dict[HoldingState, Decimal]] = {}
        self.plans: dict[str, FrozenPlan] = {}
        self.reserved: dict[str, Decimal] = {}  # by plan, what is reserved for it and not yet moved on
        self.sold: dict[str, Decimal] = {}  # by plan
        self.kept: dict[str, Decimal] = {}  # by plan, what venues took of the coins as fees
        self.benchmarks: list[dict[str, Any]] = []  # the records of averages, in the order in which they came
        self.changes = Changes(case_id)
        self._authorised: dict[str, str] | None = None  # person to role, as the mandate names them
        self._pool = ""  # why its coins do not go back by themselves, if this case is one
        self._shared_out: set[str] = set()  # assets of a pool that are its members' again
        self._transfers = Transfers()

    # --- the fold -------------------------------------------------------------------------------------------------

    def apply(self, event: object) -> None:
        """Take the next event of the stream."""
        match event:
            case CaseOpened():
                self._open(event)
            case RoleAssigned():
                self._fail(self.refuse_role(event.person, event.role))
                self.roles[event.person] = Role(event.role)
            case HoldingMoved():
                self._fail(self._refuse_quantity(event))  # which papers it needed is asked when it is made, not again
                self._move(event)
            case ChangeProposed():
                self._fail(self._refuse_proposal(event))
                self.changes.propose(event)
            case ChangeAgreed():
                self.changes.agree(event)
            case CoinsPooled():
                self._fail(self.refuse_pooling(event))
                self._shift(event.asset, event.qty, HoldingState.CREDITED, HoldingState.RESERVED)
            case ShareReceived():
                self._shift(event.asset, event.share.qty, HoldingState.RESERVED, HoldingState.SOLD)
                self._shift(event.asset, coin_fees(event.share, event.asset), HoldingState.RESERVED, HoldingState.FEES)
                self._shift(event.asset, event.unsold, HoldingState.RESERVED, HoldingState.CREDITED)
            case PoolFormed():
                self._pool = "the coins of a pool go back to its member cases (`executor ledger pool allocate`)"
            case PoolAllocated():
                self._shared_out.add(event.asset)
                for state, qty in event.unsold.items():
                    self._shift(event.asset, qty, HoldingState(state), HoldingState.ALLOCATED)
            case PlanFrozen():
                self._fail(self._refuse_frozen(event))
                self.plans[event.plan_hash] = FrozenPlan(event.plan_hash, event.frozen, event.drafter, event.expires_at)
            case PlanApproved():
                self.plans[event.plan_hash].approvals[event.person] = event
            case BenchmarkRecorded():
                self._fail(self.refuse_benchmark(event))
                self.benchmarks.append(event.record)
            case FloorRaised():
                self.plans[event.plan_hash].raise_floor(event)
            case LimitLowered():
                self.plans[event.plan_hash].lowered.append(Lowered(event, frozenset(self.changes.asked)))
            case PlanRevoked():
                self.plans[event.plan_hash].revoked = f"{event.who}: {event.why}"
            case _:
                pass

    def _open(self, event: CaseOpened) -> None:
        if self.mandate is not None:
            raise InvariantBroken(f"case {self.case_id} is opened twice")
        self.mandate, self.mandate_hash = event.mandate, event.mandate_hash
        for holding in event.mandate["holdings"]:
            states = self.holdings.setdefault(holding["asset"], dict.fromkeys(HoldingState, ZERO))
            states[HoldingState.ACCEPTED] = add(states[HoldingState.ACCEPTED], Decimal(holding["qty"]))

        # A case without a list (a rehearsal: `mandate accept` demands one) has nobody to compare with.
        people = event.mandate.get("authorised_people")
        self._authorised = {each["person"]: each["role"] for each in people} if people else None
        self.affiliates = frozenset(each["name"].casefold() for each in event.mandate.get("affiliates") or ())
        self.changes.mandated_account = str(event.mandate.get("proceeds_account", ""))

    def _shift(self, asset: str, qty: Decimal, left: HoldingState, reached: HoldingState) -> None:
        states = self.holdings[asset]
        states[left] = add(states[left], -qty)
        states[reached] = add(states[reached], qty)

    def _move(self, event: HoldingMoved) -> None:
        """Take a move of the record; one of long ago may lack what its evidence must name today."""
        left, reached = HoldingState(event.from_state), HoldingState(event.to_state)
        self._shift(event.asset, event.qty, left, reached)
        plan = event.evidence.get("plan", "")
        if reached is HoldingState.IN_TRANSIT:
            self._transfers.sent(event)
        elif reached is HoldingState.CREDITED and left is HoldingState.IN_TRANSIT:
            self._transfers.credited(event)
        elif reached is HoldingState.ACCEPTED:
            self._transfers.came_back(event)
        elif reached is HoldingState.RECALLED:
            self.changes.recalled(event.evidence.get("recall_order", ""), event.qty)
        if HoldingState.RESERVED in (left, reached):
            sign = 1 if reached is HoldingState.RESERVED else -1
            self.reserved[plan] = self.reserved.get(plan, ZERO) + sign * event.qty
        for state, moved in ((HoldingState.SOLD, self.sold), (HoldingState.FEES, self.kept)):
            if reached is state:
                moved[plan] = moved.get(plan, ZERO) + event.qty

    def _fail(self, fault: str) -> None:
        if fault:
            raise InvariantBroken(f"case {self.case_id}: {fault}")

    def sellable(self, asset: str) -> Decimal:
        """What the plans of the case may sell, all together: what is credited at venues, and what was sold of it."""
        states = self.holdings.get(asset, {})
        counted = (HoldingState.CREDITED, HoldingState.RESERVED, HoldingState.SOLD)
        return sum((states.get(state, ZERO) for state in counted), ZERO)

    # --- what may be done -----------------------------------------------------------------------------------------

    def refuse_role(self, person: str, role: str) -> str:
        """Why ``person`` cannot have ``role``; empty if they can."""
        if role not in set(Role):
            return f"'{role}' is no role; roles are {', '.join(Role)}"
        if self._authorised is not None and self._authorised.get(person) != role:
            named = self._authorised.get(person)
            return f"the mandate names {person} as {named}" if named else f"the mandate does not authorise {person}"
        held = self.roles.get(person)
        return f"{person} is {held} in this case and can have no second role" if held not in (None, role) else ""

    def refuse_move(self, move: HoldingMoved, people: People) -> str:
        """Why these coins cannot move so; empty if they can."""
        if fault := self._refuse_quantity(move):
            return fault
        if move.asset in self._shared_out:
            return f"{self.case_id} was shared out: its {move.asset} are its members'"
        if self._pool and move.to_state in (HoldingState.RECALLED, HoldingState.RETURNED):
            return self._pool
        way = HoldingState(move.from_state), HoldingState(move.to_state)
        wanted = papers(move) if way[1] is HoldingState.IN_TRANSIT else MOVES[way]
        missing = wanted - {kind for kind, reference in move.evidence.items() if reference}
        if missing:
            return f"evidence is missing: {', '.join(sorted(missing))}"
        return self._refuse_evidence(move, *way, people)

    def refuse_by_hand(self, move: HoldingMoved) -> str:
        """Why a person cannot move coins so, though the engine may; empty if they can."""
        if HoldingState.RESERVED in (move.from_state, move.to_state):
            return "coins are reserved, sold and given back by `executor run`, from its own record of the sale"
        if self.roles.get(move.who) not in MOVERS:
            return f"{move.who} is neither operator nor settlement in this case"
        return ""

    def _refuse_quantity(self, move: HoldingMoved) -> str:
        """Why there are no such coins to move so; empty if there are."""
        if move.asset not in self.holdings:
            return f"{move.asset} is not in the inventory of the case"
        try:
            way = HoldingState(move.from_state), HoldingState(move.to_state)
        except ValueError:
            return f"states are {', '.join(HoldingState)}"
        if way not in MOVES:
            return f"coins cannot go from {move.from_state} to {move.to_state}"
        have = self.holdings[move.asset][way[0]]
        if move.qty <= 0 or move.qty > have:
            return f"{plain(move.qty)} {move.asset} cannot leave {move.from_state}: {plain(have)} are there"
        return ""

    def _refuse_evidence(self, move: HoldingMoved, left: HoldingState, reached: HoldingState, people: People) -> str:
        """Why the evidence, all kinds of which are there, does not show this move; empty if it does."""
        if reached is HoldingState.IN_TRANSIT:
            return self._transfers.refuse_sending(move, self.holdings[move.asset][left])
        if left is HoldingState.IN_TRANSIT:
            return self._transfers.refuse_end(move)
        if reached is HoldingState.RECALLED:
            return self.changes.refuse_recall(move.evidence["recall_order"], move.asset, move.qty, self.roles, people)
        plan = move.evidence.get("plan", "")
        if reached is HoldingState.RESERVED and plan not in self.plans:
            return f"no plan {plan[:12]} is frozen in case {self.case_id}"
        if left is HoldingState.RESERVED and move.qty > self.reserved.get(plan, ZERO):
            return f"{plain(self.reserved.get(plan, ZERO))} {move.asset} are reserved for plan {plan[:12]}"
        return ""

    def refuse_floor(self, event: FloorRaised, people: People) -> str:
        """Why this floor cannot be set; empty if it can. One approver may make it stricter, never the other way."""
        plan = self.plans.get(event.plan_hash)
        if plan is None or plan.revoked:
            return f"no plan {event.plan_hash[:12]} is in force in case {self.case_id}"
        now = plan.raised_px or Decimal(plan.frozen["plan"]["floor_px"])
        if event.floor_px <= now:
            return f"the floor is {plain(now)}: one person can only raise it; to lower it, freeze another plan"
        return self._refuse_stricter(event, people)

    def refuse_lowering(self, event: LimitLowered, people: People, now: datetime) -> str:
        """Why this cap cannot be made stricter; empty if it can. One approver may, never the other way."""
        plan = self.plans.get(event.plan_hash)
        if plan is None or plan.revoked:
            return f"no plan {event.plan_hash[:12]} is in force in case {self.case_id}"
        caps = self.caps(event.plan_hash, people, now)
        return refuse_lowering(caps, event.limit, event.value) or self._refuse_stricter(event, people)

    def caps(self, plan_hash: str, people: People, now: datetime) -> Caps | None:
        """The caps of a plan as people have left them at ``now``."""
        plan = self.plans[plan_hash]
        caps = plan.caps
        return amended(caps, plan.lowered, self.changes.raises(plan_hash, self.roles, people), now) if caps else None

    def _refuse_stricter(self, event: FloorRaised | LimitLowered, people: People) -> str:
        """Why what one approver did does not count; empty if it does."""
        if people.speaks_for(event.public_key) != event.person:
            return f"the key does not speak for {event.person}: it is unknown, another's, or revoked"
        return self._forged(event, people)

    def _forged(self, event: FloorRaised | LimitLowered, people: People) -> str:
        """Why no approver of this case can ever have signed this; empty if one has. That a key was revoked since makes
        nothing looser."""
        plan = self.plans[event.plan_hash]
        if self.roles.get(event.person) not in APPROVERS or event.person == plan.drafter:
            return f"{event.person} is neither checker nor risk in this case"
        if isinstance(event, FloorRaised):
            message = floor_message(self.case_id, event.plan_hash, plain(event.floor_px))
        else:
            message = limit_message(self.case_id, event.plan_hash, event.limit, plain(event.value))
        owned = people.owner_of.get(event.public_key) == event.person
        fits = owned and verified(event.public_key, message, event.signature)
        return "" if fits else "the signature does not fit this case, plan and value"

    def refuse_benchmark(self, event: BenchmarkRecorded) -> str:
        """Why this average cannot be recorded; empty if it can."""
        if self.roles.get(event.who) not in APPROVERS:
            return f"{event.who} is neither checker nor risk in this case"
        if digest(event.record) != event.record_sha256:
            return "the record does not have the hash that it is recorded under"
        return "exactly this average is recorded already" if event.record in self.benchmarks else ""

    def refuse_proposal(self, event: ChangeProposed, people: People) -> str:
        """Why this change cannot be asked for; empty if it can."""
        if fault := self._refuse_proposal(event):
            return fault
        same = event.change.get("account") == self.changes.proceeds_account(self.roles, people)
        return f"the proceeds go to {event.change['account']} already" if same else ""

    def _refuse_proposal(self, event: ChangeProposed) -> str:
        """Why this can be no change of the case, asked for now or long ago; empty if it can."""
        credited = {asset: states[HoldingState.CREDITED] for asset, states in self.holdings.items()}
        fault = self.changes.refuse_proposal(event, self.roles, credited)
        if fault or event.change["kind"] not in (PREFER_QUOTE, RAISE_LIMIT):
            return fault
        plan = self.plans.get(event.change["plan"])
        if plan is None or plan.revoked:
            return f"no plan {event.change['plan'][:12]} is in force in case {self.case_id}"
        if event.change["kind"] == RAISE_LIMIT:
            return refuse_raise(plan.lasting_caps, event.change, plan.expires_at)
        return refuse_preference(event.change, plan.expires_at, self.affiliates)

    def refuse_pooling(self, event: CoinsPooled) -> str:
        """Why these coins cannot be sold by a pool; empty if they can."""
        have = self.holdings.get(event.asset, {}).get(HoldingState.CREDITED, ZERO)
        if event.qty <= 0 or event.qty > have:
            return f"{plain(event.qty)} {event.asset} cannot be pooled by {self.case_id}: {plain(have)} are credited"
        return ""

    def refuse_freeze(self, event: PlanFrozen) -> str:
        """Why this plan cannot be frozen; empty if it can."""
        if fault := self._refuse_frozen(event):
            return fault
        if (self.mandate or {}).get("deposit") and not event.frozen["plan"].get("cover"):
            return "the mandate has a deposit: the plan must say what it is to cover, in a [cover] table"
        return ""

    def _refuse_frozen(self, event: PlanFrozen) -> str:
        """Why this can be no frozen plan, old or new; empty if it can."""
        if digest(event.frozen) != event.plan_hash:
            return "the plan does not have the hash that it is frozen under"
        if event.frozen.get("case_id") != self.case_id:
            return f"the plan is for case {event.frozen.get('case_id')}"
        if event.plan_hash in self.plans:
            return "exactly this plan is frozen already"
        if self.roles.get(event.drafter) is not Role.OPERATOR:
            return f"{event.drafter} is not an operator of this case"
        asset = event.frozen["plan"]["asset"]
        if asset not in self.holdings:
            return f"{asset} is not in the inventory of the case"
        return ""

    def refuse_approval(self, approval: PlanApproved, people: People, now: datetime) -> str:
        """Why this approval does not count; empty if it does."""
        plan = self.plans.get(approval.plan_hash)
        if plan is None:
            return f"no plan {approval.plan_hash[:12]} is frozen in case {self.case_id}"
        if plan.revoked:
            return f"the plan was revoked by {plan.revoked}"
        if now >= plan.expires_at:
            return f"the plan expired at {plan.expires_at.isoformat()}"
        return self._refuse_signature(plan, approval, people)

    def _refuse_signature(self, plan: FrozenPlan, approval: PlanApproved, people: People) -> str:
        if approval.person == plan.drafter:
            return f"{approval.person} drafted the plan and cannot approve it"
        if self.roles.get(approval.person) not in APPROVERS:
            return f"{approval.person} is neither checker nor risk in this case"
        if people.speaks_for(approval.public_key) != approval.person:
            return f"the key does not speak for {approval.person}: it is unknown, another's, or revoked"
        message = approval_message(self.case_id, approval.plan_hash, plan.drafter, plan.expires_at)
        if not verified(approval.public_key, message, approval.signature):
            return "the signature does not fit this case and plan"
        return ""

    def refuse_execution(self, plan_hash: str, people: People, now: datetime) -> str:
        """Why this plan may not be executed now; empty if it may. Every signature is verified again."""
        plan = self.plans.get(plan_hash)
        if plan is None:
            return f"no plan {plan_hash[:12]} is frozen in case {self.case_id}; freeze it and have it approved"
        if plan.revoked:
            return f"the plan was revoked by {plan.revoked}"
        if now >= plan.expires_at:
            return f"the plan expired at {plan.expires_at.isoformat()}; freeze a new version and have it approved"
        good = [a.person for a in plan.approvals.values() if not self._refuse_signature(plan, a, people)]
        if len(good) < APPROVALS_NEEDED:
            return f"{len(good)} of {APPROVALS_NEEDED} approvals count ({', '.join(good) or 'none'})"
        alone: list[FloorRaised | LimitLowered] = [*plan.raises, *(each.event for each in plan.lowered)]
        for event in alone:
            if fault := self._forged(event, people):
                return (
                    f"{type(event).__name__} by {event.person} in the record is not theirs: {fault}; have it examined"
                )
        return ""
