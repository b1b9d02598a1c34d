"""What was not as planned in a case, from its record: incidents, stops by people, waits for the price."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executor.domain.case_events import (
    ActDenied,
    ChangeAgreed,
    ChangeProposed,
    FloorRaised,
    KeyRevoked,
    LimitLowered,
    PlanRevoked,
)
from executor.domain.control import ALL
from executor.domain.events import (
    ActRefused,
    BreakExplained,
    BreakFound,
    ChildParked,
    ChildSettled,
    ControlCleared,
    ControlSet,
    ParentFinished,
    ParentHalted,
    ParentResumed,
    ParentStopped,
    ParentWaiting,
    ParentWorking,
    WaitEscalated,
)
from executor.domain.settlement_events import LedgerCorrected
from executor.journal.line import Line

_KINDS = (
    BreakFound,
    BreakExplained,
    ParentHalted,
    ParentResumed,
    ChildParked,
    ChildSettled,
    ControlSet,
    ControlCleared,
    ActDenied,
    ActRefused,
    PlanRevoked,
    KeyRevoked,
    FloorRaised,
    LimitLowered,
    ChangeProposed,
    ChangeAgreed,
    LedgerCorrected,
)
_ENDS_WAIT = (ParentWorking, ParentWaiting, ParentHalted, ParentStopped, ParentFinished)


@dataclass(slots=True)
class Incident:
    """Something that was not as planned, and how it ended; ``detail`` is the record's own text."""

    at: datetime
    kind: str
    where: str
    detail: str
    who: str = ""
    second: str = ""


@dataclass(slots=True)
class Wait:
    """Nothing was sent although quantity was due: which rule held it back, from when to when (``None``: to the end of
    the record), who was told, and who besides when it lasted."""

    at: datetime
    rule: str
    reason: str
    told: list[str]
    until: datetime | None = None
    escalated_at: datetime | None = None
    escalated_to: list[str] = field(default_factory=list)

    @property
    def for_price(self) -> bool:
        """True if the floor or a price rule held the sale back."""
        return self.rule == "floor" or self.rule.startswith("price.")


def incidents_of(lines: Iterable[Line]) -> list[Incident]:
    """The incidents among the lines of a case, in their order."""
    return [incident(line) for line in lines if isinstance(line.event, _KINDS)]


def incident(line: Line) -> Incident:
    """One line as an incident."""
    event: Any = line.event
    names = ("detail", "reason", "why", "act", "floor_px")
    detail = next((str(v) for v in (getattr(event, n, None) for n in names) if v), "")
    if isinstance(event, ChangeProposed):
        change = {key: value for key, value in event.change.items() if key not in ("case_id", "kind", "why")}
        detail = "; ".join([str(event.change["kind"]), *(f"{k} {v}" for k, v in change.items())])
        detail += f": {event.change['why']}" if event.change.get("why") else ""
    elif isinstance(event, FloorRaised):
        detail = f"{event.floor_px:f}: {event.why}"
    elif isinstance(event, LimitLowered):
        detail = f"{event.limit} {event.value:f}: {event.why}"
    places = ("client_order_id", "venue", "scope", "reverses", "person", "plan_hash", "change_hash")
    where = next((str(v) for v in (getattr(event, n, None) for n in places) if v), line.stream)
    if isinstance(event, FloorRaised | LimitLowered | ChangeAgreed):
        where = event.change_hash if isinstance(event, ChangeAgreed) else event.plan_hash
    rule = getattr(event, "rule", "") or getattr(event, "name", "")
    kind = f"Control{event.action.title()}" if isinstance(event, ControlSet) else line.kind
    second = getattr(event, "second", None)
    return Incident(
        line.at,
        kind,
        where,
        f"{rule}: {detail}" if rule else detail,
        getattr(event, "who", "") or getattr(event, "person", ""),
        second.person if second is not None else "",
    )


def stops_of(house: Iterable[Line], scopes: Sequence[str], begin: datetime, end: datetime) -> list[Incident]:
    """The stops by people, set and cleared, that bound one of ``scopes`` at any time between ``begin`` and ``end``.
    What was cleared before the sale began, or set after it had ended, did not concern it. ``house`` are the lines of
    the institution's own tree."""
    found: list[Incident] = []
    held: dict[str, list[Incident]] = {}
    for line in house:
        event = line.event
        if isinstance(event, ControlSet) and event.scope in scopes and line.at <= end:
            held.setdefault(event.scope, []).append(incident(line))
        elif isinstance(event, ControlCleared) and event.scope in held:
            stops = held.pop(event.scope)
            if line.at >= begin:
                found += [*stops, incident(line)]
    return sorted([*found, *(each for stops in held.values() for each in stops)], key=lambda each: each.at)


def binding_scopes(case_id: str, parents: Iterable[str], venues: Iterable[str]) -> list[str]:
    """Every scope of a stop that binds some order of the case."""
    named = [f"parent/{each}" for each in parents] + [f"venue/{each}" for each in sorted(set(venues))]
    return [ALL, f"case/{case_id}", *named]


def waits_of(lines: Iterable[Line]) -> list[Wait]:
    """The waits of one parent order, in their order."""
    waits: list[Wait] = []
    for line in lines:
        event = line.event
        if isinstance(event, WaitEscalated):
            if waits and waits[-1].until is None:
                waits[-1].escalated_at = line.at
                waits[-1].escalated_to = [each for each in event.told if each not in waits[-1].told]
        elif isinstance(event, _ENDS_WAIT):
            if waits and waits[-1].until is None:
                waits[-1].until = line.at
            if isinstance(event, ParentWaiting):
                waits.append(Wait(line.at, event.rule, event.reason, list(event.told)))
    return waits
