"""What events do to the stop controls, and whether the holds in force are those of the events.

The holds stand in a table of their own, which the transaction that would write an order looks at. It is written in the
transaction of the event; whoever changes it otherwise has changed the database by hand.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from executor.domain.case_events import KeyRevoked, PlanApproved, PlanRevoked
from executor.domain.control import Hold, HoldAction, plan_scope
from executor.domain.events import ControlCleared, ControlSet
from executor.errors import RecordBroken
from executor.journal.line import Line, decode, time_text
from executor.journal.store import NOTHING, Reading

_LOOKS = 3  # somebody may act between the look at the table and that at the events


def _set(line: Line, event: ControlSet) -> dict[str, Hold | None]:
    action = HoldAction(event.action)
    return {event.scope: Hold(event.scope, action, event.cancel, event.who, event.why, time_text(line.at))}


def _void(line: Line, plans: Sequence[str], who: str, why: str) -> dict[str, Hold | None]:
    """No order under these plans any more, from the transaction that records why."""
    scopes = [plan_scope(plan) for plan in plans]
    return {scope: Hold(scope, HoldAction.KILL, True, who, why, time_text(line.at)) for scope in scopes}


# What an event does to the stop controls.
_CHANGES: dict[type, Callable[[Line, Any], dict[str, Hold | None]]] = {
    ControlSet: _set,
    ControlCleared: lambda _, event: {event.scope: None},
    PlanRevoked: lambda line, event: _void(line, [event.plan_hash], event.who, f"plan revoked: {event.why}"),
    KeyRevoked: lambda line, event: _void(line, event.voids, event.who, f"key of {event.person} revoked: {event.why}"),
    PlanApproved: lambda _, event: {plan_scope(event.plan_hash): None} if event.restores else {},
}


def changes_of(lines: Sequence[Line]) -> Mapping[str, Hold | None]:
    """What these events do to the stop controls, the last word on each scope: ``None`` where nothing holds it."""
    if len(lines) == 1 and type(lines[0].event) not in _CHANGES:
        return NOTHING  # nearly always
    changing = [line for line in lines if type(line.event) in _CHANGES]
    if not changing:
        return NOTHING
    changes: dict[str, Hold | None] = {}
    for line in changing:
        changes |= _CHANGES[type(line.event)](line, line.event)
    return changes


def check_holds(reading: Reading) -> None:
    """Raise ``RecordBroken`` if the holds in force are not those that the events of the record come to."""
    kinds = [kind.__name__ for kind in _CHANGES]
    for _ in range(_LOOKS):
        there, wanted = {hold.scope: hold for hold in reading.holds()}, dict[str, Hold]()
        for line in map(decode, reading.of_people(kinds)):
            for scope, hold in changes_of([line]).items():
                wanted.pop(scope, None)
                if hold is not None:
                    wanted[scope] = hold
        if there == wanted:
            return
    odd = sorted(scope for scope in there.keys() | wanted.keys() if there.get(scope) != wanted.get(scope))
    raise RecordBroken(
        f"the holds in force are not those of the record ({', '.join(odd)}): the database was changed by hand; nothing "
        "is sold on it. Keep it as it is, and have it examined"
    )
