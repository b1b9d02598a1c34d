"""The cheap way to an approved plan in a test: a case opened, its coins credited, the plan signed by two stand-ins."""

from datetime import datetime

from executor.domain.case_events import CaseEvent
from executor.domain.plan import Mandate, Plan
from executor.engine.approval import PEOPLE_STREAM, case_stream
from executor.engine.rehearsal import approved, lines_of, opened, stand_ins
from executor.journal.journal import Store, row_of
from executor.journal.line import Line
from executor.journal.store import Append


def approve(store: Store, mandate: Mandate, plan: Plan, at: datetime) -> None:
    """Make ``plan`` one that may be executed on ``store``: whatever is not there yet is written."""
    stream = case_stream(mandate.case_id)
    write(store, PEOPLE_STREAM, "", [] if last(store, PEOPLE_STREAM) else list(stand_ins()), at)
    write(store, stream, mandate.case_id, [] if last(store, stream) else opened(mandate), at)
    frozen, *signed = approved(mandate, plan, at)
    if not any(f'"plan_hash":"{frozen.plan_hash}"' in line for line in store.read(stream)):  # type: ignore[union-attr]
        write(store, stream, mandate.case_id, [frozen, *signed], at)


def write(store: Store, stream: str, case_id: str, events: list[CaseEvent], at: datetime) -> list[Line]:
    """Append events to a stream."""
    lines = lines_of(events, stream, case_id, at, after=last(store, stream))
    if lines:
        assert store.commit([Append([row_of(line) for line in lines])]) == [None]
    return lines


def last(store: Store, stream: str) -> int:
    """The last version of a stream."""
    return sum(1 for _ in store.read(stream))
