"""Stop controls: which scopes bind a child order, and what a hold on one of them says."""

from dataclasses import dataclass
from enum import StrEnum

ALL = "all"


class HoldAction(StrEnum):
    PAUSE = "pause"  # no new orders; resting ones as the hold says
    KILL = "kill"  # cancel everything, refuse until cleared


@dataclass(frozen=True, slots=True)
class Hold:
    """One control in force."""

    scope: str
    action: HoldAction
    cancel: bool
    who: str
    why: str
    at: str

    def __str__(self) -> str:
        return f"{self.action} on {self.scope} by {self.who}: {self.why}"


def parent_scopes(case_id: str, parent_id: str, plan_hash: str) -> tuple[str, ...]:
    """The scopes that bind a parent order whatever the venue."""
    return ALL, f"case/{case_id}", f"parent/{parent_id}", plan_scope(plan_hash)


def child_scopes(case_id: str, parent_id: str, plan_hash: str, venue: str) -> tuple[str, ...]:
    """The scopes that bind a child order at ``venue``."""
    return *parent_scopes(case_id, parent_id, plan_hash), f"venue/{venue}"


def plan_scope(plan_hash: str) -> str:
    """The scope that is held while an approved plan has lost its approval. People do not set it by hand."""
    return f"plan/{plan_hash}"


def check_scope(scope: str) -> str:
    """``scope`` if it is well formed; raises ``ValueError`` saying what is."""
    kind, _, name = scope.partition("/")
    if scope == ALL or (kind in ("case", "venue", "parent") and name):
        return scope
    raise ValueError(f"'{scope}' is no scope; use all, case/ID, venue/NAME or parent/ID")
