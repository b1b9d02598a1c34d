"""Tells people, through the log, what was just made durable. The log repeats the record; it never replaces it."""

import logging
from typing import Any

import structlog

from executor.domain.events import (
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    ChildNotSent,
    ChildParked,
    ChildRejected,
    ChildResent,
    ChildResolved,
    ChildUnknown,
    CoverCrossed,
    FillRecorded,
    ParentCreated,
    ParentFinished,
    ParentHalted,
    ParentStopped,
    ParentTaken,
    ParentWaiting,
    QuotesAsked,
    SliceStarted,
    WaitEscalated,
)
from executor.journal.line import Line
from executor.log_events import LogEvent

log = structlog.get_logger()

# Event, level and the fields worth a person's eye; what is not here is in the record only.
_TOLD: dict[type, tuple[LogEvent, str, tuple[str, ...]]] = {
    ParentCreated: (LogEvent.PARENT_STARTED, "info", ("asset", "qty", "floor_px", "plan_hash")),
    ParentTaken: (LogEvent.PARENT_RESUMED, "info", ("epoch", "owner")),
    SliceStarted: (LogEvent.SLICE_STARTED, "info", ("leg", "slice", "due_qty", "mid_px")),
    QuotesAsked: (LogEvent.QUOTE_RECEIVED, "info", ("leg", "slice", "qty", "why")),
    ChildIntended: (LogEvent.CHILD_INTENDED, "info", ("method", "qty", "limit_px", "time_in_force")),
    ChildAcknowledged: (LogEvent.CHILD_ACKNOWLEDGED, "debug", ("venue_status",)),
    ChildRejected: (LogEvent.CHILD_REJECTED, "warning", ("reason", "code", "message")),
    ChildNotSent: (LogEvent.CHILD_NOT_SENT, "warning", ("message",)),
    ChildUnknown: (LogEvent.CHILD_UNKNOWN, "warning", ("message",)),
    ChildResolved: (LogEvent.CHILD_RESOLVED, "warning", ("found", "evidence")),
    ChildResent: (LogEvent.CHILD_RESENT, "warning", ("evidence",)),
    ChildParked: (LogEvent.CHILD_PARKED, "error", ("reason",)),
    FillRecorded: (LogEvent.FILL_RECORDED, "info", ("qty", "px", "fee", "fee_asset", "trade_id")),
    ChildClosed: (LogEvent.CHILD_CLOSED, "debug", ("venue_status", "cum_qty")),
    CoverCrossed: (LogEvent.COVER_CROSSED, "warning", ("below", "percent", "mark_px")),
    ParentWaiting: (LogEvent.PARENT_WAITING, "warning", ("rule", "reason", "told")),
    WaitEscalated: (LogEvent.WAIT_ESCALATED, "error", ("rule", "reason", "since", "told")),
    ParentHalted: (LogEvent.PARENT_HALTED, "error", ("rule", "reason")),
    ParentStopped: (LogEvent.INTERRUPTED, "warning", ("reason",)),
    ParentFinished: (LogEvent.PARENT_FINISHED, "info", ("completed", "leaves_qty", "reason")),
}


_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def narrate(line: Line) -> None:
    """Log one event of the record."""
    told = _TOLD.get(type(line.event))
    if told is None:
        return
    name, level, fields = told
    if not log.is_enabled_for(_LEVELS[level]):
        return
    context: dict[str, Any] = {"case": line.case_id, "parent": line.stream.removeprefix("parent/")}
    for key, field in (("child", "client_order_id"), ("venue", "venue")):
        if hasattr(line.event, field):
            context[key] = getattr(line.event, field)
    context |= {field: str(getattr(line.event, field)) for field in fields}
    getattr(log, level)(name, **context)
