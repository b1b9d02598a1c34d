"""Changes that would let value leave a case: another account for the proceeds, unsold coins back to a wallet, a quote
that is not the best, a looser limit for a while.

One person asks, two others agree by signature; nobody can do both, because the roles of a case exclude each other. (The
deposit exists because people abscond, Caixin; the thefts on record were by people who could act alone.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from executor.domain.amendments import RAISE_LIMIT, Raised, raised
from executor.domain.canonical import digest
from executor.domain.case_events import ChangeAgreed, ChangeProposed
from executor.domain.money import ZERO, add, parse_amount, plain
from executor.domain.people import APPROVERS, People, Role
from executor.domain.preferences import PREFER_QUOTE, Preference, preference
from executor.domain.signing import change_message, verified

AGREEMENTS_NEEDED = 2
PROPOSERS = frozenset({Role.OPERATOR, Role.SETTLEMENT})
PROCEEDS_ACCOUNT, RECALL = "proceeds_account", "recall"


@dataclass(slots=True)
class Change:
    """One change as it was asked for, and who has agreed. ``used`` is how much of a recall has been carried out."""

    values: dict[str, Any]
    who: str
    agreed_by: dict[str, ChangeAgreed] = field(default_factory=dict)
    used: Decimal = ZERO


class Changes:
    """The changes asked for in one case. ``mandated_account`` is where the mandate has the proceeds go."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.mandated_account = ""
        self.asked: dict[str, Change] = {}
        self._accounts: list[str] = []  # changes of the account, in the order in which two had agreed to them

    def propose(self, event: ChangeProposed) -> None:
        """Take a proposal of the record."""
        self.asked[event.change_hash] = Change(event.change, event.who)

    def agree(self, event: ChangeAgreed) -> None:
        """Take an agreement of the record; whether it counts is asked whenever something rests on it."""
        change = self.asked[event.change_hash]
        change.agreed_by[event.person] = event
        account = change.values["kind"] == PROCEEDS_ACCOUNT
        if account and len(change.agreed_by) >= AGREEMENTS_NEEDED and event.change_hash not in self._accounts:
            self._accounts.append(event.change_hash)

    def in_force(self, change_hash: str, roles: Mapping[str, Role], people: People) -> bool:
        """True while enough people have agreed. Every signature is verified again: who has lost their key has signed
        nothing."""
        return len(self._signers(self.asked[change_hash], roles, people)) >= AGREEMENTS_NEEDED

    def proceeds_account(self, roles: Mapping[str, Role], people: People) -> str:
        """Where the proceeds go now: by the last change to which two have agreed, else by the mandate. Nowhere (empty)
        while an agreement to that change is void: what was before it is not in force again by that."""
        if not self._accounts:
            return self.mandated_account
        last = self._accounts[-1]
        return str(self.asked[last].values["account"]) if self.in_force(last, roles, people) else ""

    def refuse_proposal(self, event: ChangeProposed, roles: Mapping[str, Role], credited: Mapping[str, Decimal]) -> str:
        """Why this change cannot be asked for; empty if it can. ``credited``: what each asset has to recall."""
        values = event.change
        if digest(values) != event.change_hash or values.get("case_id") != self.case_id:
            return "the change does not have the hash that it is asked for under, or is for another case"
        if event.change_hash in self.asked:
            return "exactly this change was asked for already"
        if roles.get(event.who) not in PROPOSERS:
            return f"{event.who} is neither operator nor settlement in this case"
        if values["kind"] in (PREFER_QUOTE, RAISE_LIMIT):
            drawn = roles[event.who] is Role.OPERATOR
            return "" if drawn else f"{event.who} is not an operator of this case and has no say in quotes and limits"
        if values["kind"] == PROCEEDS_ACCOUNT:
            return ""
        qty, have = parse_amount(values["qty"]), credited.get(values["asset"], ZERO)
        if qty <= 0 or qty > have:
            return f"{plain(qty)} {values['asset']} cannot be recalled: {plain(have)} are credited and unsold"
        return ""

    def refuse_agreement(self, event: ChangeAgreed, roles: Mapping[str, Role], people: People) -> str:
        """Why this agreement does not count; empty if it does."""
        change = self.asked.get(event.change_hash)
        if change is None:
            return f"no change {event.change_hash[:12]} was asked for in case {self.case_id}"
        if event.change_hash in self._accounts[:-1]:
            return "a later change of the account has taken its place; ask for it anew"
        if self.in_force(event.change_hash, roles, people):
            return "the change is in force already"
        return self.refuse_signature(change, event, roles, people)

    def refuse_signature(self, change: Change, event: ChangeAgreed, roles: Mapping[str, Role], people: People) -> str:
        """Why this is no agreement of somebody who may agree to the change; empty if it is."""
        if event.person == change.who:
            return f"{event.person} asked for the change and cannot agree to it"
        if roles.get(event.person) not in APPROVERS:
            return f"{event.person} is neither checker nor risk in this case"
        if people.speaks_for(event.public_key) != event.person:
            return f"the key does not speak for {event.person}: it is unknown, another's, or revoked"
        if not verified(event.public_key, change_message(self.case_id, event.change_hash), event.signature):
            return "the signature does not fit this case and change"
        return ""

    def _signers(self, change: Change, roles: Mapping[str, Role], people: People) -> list[str]:
        agreed = change.agreed_by.items()
        return sorted(person for person, each in agreed if not self.refuse_signature(change, each, roles, people))

    def _signed(
        self, kind: str, plan_hash: str, roles: Mapping[str, Role], people: People
    ) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """The changes of this kind of a plan that enough people have signed: hash, values, who."""
        for change_hash, change in self.asked.items():
            if change.values["kind"] != kind or change.values["plan"] != plan_hash:
                continue
            good = self._signers(change, roles, people)
            if len(good) >= AGREEMENTS_NEEDED:
                yield change_hash, change.values, good

    def preferences(self, plan_hash: str, roles: Mapping[str, Role], people: People, now: datetime) -> list[Preference]:
        """The rules for quotes in force for a plan, the first that was asked for first."""
        found = [preference(*each) for each in self._signed(PREFER_QUOTE, plan_hash, roles, people)]
        return [each for each in found if now < each.until]

    def raises(self, plan_hash: str, roles: Mapping[str, Role], people: People) -> list[Raised]:
        """The looser limits that two have signed for a plan, whether or not they have ended."""
        return [raised(*each) for each in self._signed(RAISE_LIMIT, plan_hash, roles, people)]

    def refuse_recall(
        self, change_hash: str, asset: str, qty: Decimal, roles: Mapping[str, Role], people: People
    ) -> str:
        """Why these coins cannot be recalled under this change; empty if they can."""
        change = self.asked.get(change_hash)
        recall = change is not None and change.values["kind"] == RECALL
        if change is None or not recall or not self.in_force(change_hash, roles, people):
            return "recall_order must be a recall to which two people have agreed (`executor mandate recall`)"
        left = parse_amount(change.values["qty"]) - change.used
        if change.values["asset"] != asset or qty > left:
            return f"the recall is for {change.values['qty']} {change.values['asset']}, of which {plain(left)} are left"
        return ""

    def recalled(self, change_hash: str, qty: Decimal) -> None:
        """Take a recall that was carried out; one of long ago names no change."""
        change = self.asked.get(change_hash)
        if change is not None:
            change.used = add(change.used, qty)
