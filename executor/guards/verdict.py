"""The answer of a guard."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    ALLOW = "allow"
    WAIT = "wait"  # not now; a normal, reported state
    REFUSE = "refuse"  # never in this form: the order breaks a rule of the venue or the plan
    HALT = "halt"  # cancel, freeze, tell people


@dataclass(frozen=True, slots=True)
class Verdict:
    """``rule`` is the guard's name in the record; ``reason`` is a sentence for people."""

    action: Action
    rule: str = ""
    reason: str = ""


ALLOW = Verdict(Action.ALLOW)


def refuse(rule: str, reason: str) -> Verdict:
    """The order breaks ``rule``."""
    return Verdict(Action.REFUSE, rule, reason)


def wait(rule: str, reason: str) -> Verdict:
    """``rule`` holds the order back for now."""
    return Verdict(Action.WAIT, rule, reason)


def halt(rule: str, reason: str) -> Verdict:
    """``rule`` stops everything of this parent order."""
    return Verdict(Action.HALT, rule, reason)
