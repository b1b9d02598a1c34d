"""Who may do what: people and their keys, institution-wide, and the roles that a case gives them.

Segregation of duties is law for confiscated property: enforcement apart from custody and disposal, no one acts alone
(MOF Measures on Confiscated Property, art. 4). One person has one role in a case, one key belongs to one person, and a
person has one live key.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from executor.domain.case_events import KeyRevoked, PersonEnrolled
from executor.domain.signing import usable
from executor.errors import InvariantBroken


class Role(StrEnum):
    OPERATOR = "operator"  # drafts plans, runs them
    CHECKER = "checker"  # approves, resumes after a halt
    RISK = "risk"  # approves, watches limits
    SETTLEMENT = "settlement"  # money after the sale
    AUDITOR = "auditor"  # reads
    ADMIN = "admin"  # enrols people and keys


APPROVERS = frozenset({Role.CHECKER, Role.RISK})


@dataclass(slots=True)
class Person:
    """``keys`` are the live public keys (hex) that speak for the person."""

    person: str
    name: str
    keys: set[str] = field(default_factory=set)


class People:
    """The fold over the stream ``people``."""

    def __init__(self) -> None:
        self.persons: dict[str, Person] = {}
        self.stand_ins: set[str] = set()  # who stand in for people in a rehearsal
        self.owner_of: dict[str, str] = {}  # every key ever enrolled, revoked ones too

    def apply(self, event: object) -> None:
        """Take the next event of the stream."""
        if isinstance(event, PersonEnrolled):
            fault = self._refuse_key(event.person, event.public_key)
            if fault:
                raise InvariantBroken(fault)
            known = self.persons.setdefault(event.person, Person(event.person, event.name))
            known.keys.add(event.public_key)
            self.owner_of[event.public_key] = event.person
            if event.rehearsal:
                self.stand_ins.add(event.person)
        elif isinstance(event, KeyRevoked):
            self.persons[event.person].keys.discard(event.public_key)

    def refuse_enrolment(self, person: str, public_key: str) -> str:
        """Why this key cannot be enrolled for this person; empty if it can. A key that was ever enrolled stays with
        its owner: the same person under two names shows here. Nobody gets a second key beside a live one, with which
        another could sign in their name: to change keys, the old one is revoked, and what rested on it is void."""
        if fault := self._refuse_key(person, public_key):
            return fault
        known = self.persons.get(person)
        if known is None or not known.keys:
            return ""
        return (
            f"{person} has a key that is in force: revoke it first (`executor keys revoke`), which voids its approvals"
        )

    def _refuse_key(self, person: str, public_key: str) -> str:
        """Why this key can never be this person's, in the record either; empty if it can."""
        if not usable(public_key):
            return "this is no key that can speak for anybody; make one with `executor keys new`"
        owner = self.owner_of.get(public_key)
        if owner is None:
            return ""
        if owner == person:
            return f"the key is already enrolled for {person}, or was revoked; make a new key"
        return f"the key belongs to {owner}: one person, one name"

    def holder(self, public_key: str) -> str | None:
        """The person whose live key this is, whether or not it speaks."""
        owner = self.owner_of.get(public_key)
        return owner if owner is not None and public_key in self.persons[owner].keys else None

    def speaks_for(self, public_key: str) -> str | None:
        """The person whom a live key speaks for. Where one has two, which `keys enroll` refuses, neither does until one
        is revoked: the second may be somebody else's."""
        owner = self.owner_of.get(public_key)
        return owner if owner is not None and self.persons[owner].keys == {public_key} else None
