"""All that the report says of a case, taken from its record in one pass: facts with their types, no words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from executor.domain.books import Books, books_of
from executor.domain.case_events import (
    ActDenied,
    CaseOpened,
    HoldingMoved,
    KeyRevoked,
    PersonEnrolled,
    PlanApproved,
    PlanFrozen,
    PlanRevoked,
    RoleAssigned,
)
from executor.domain.events import (
    ActRefused,
    BreakExplained,
    BreakFound,
    ChildIntended,
    ChildParked,
    ChildSettled,
    ChildUnknown,
    ControlCleared,
    ControlSet,
    Event,
    FillRecorded,
    ParentHalted,
    ParentResumed,
    ParentWaiting,
)
from executor.domain.parent import Parent
from executor.domain.reconcile_case import Verdict, reconcile_case
from executor.errors import InputRefused
from executor.journal.line import Line
from executor.journal.note import VerifierKey
from executor.market.benchmark import BenchmarkRecord
from executor.report.market_seen import Market
from executor.report.tca import Tca, Timed, tca

_INCIDENTS = (
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
)


@dataclass(slots=True)
class Incident:
    """Something that was not as planned, and how it ended; ``detail`` is the record's own text."""

    at: datetime
    kind: str
    where: str
    detail: str
    who: str = ""


@dataclass(slots=True)
class Sale:
    """One parent order: its state at the end, its events, and how well it was done."""

    state: Parent
    events: list[Timed]
    quality: Tca
    fills: list[FillRecorded]
    orders: dict[str, ChildIntended]


@dataclass(slots=True)
class CaseFile:
    """A case as the report sees it; ``lines`` are those of its tree, in order."""

    case_id: str
    lines: list[Line]
    opened: CaseOpened | None = None
    opened_at: datetime | None = None
    names: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    moves: list[tuple[datetime, HoldingMoved]] = field(default_factory=list)
    frozen: list[tuple[datetime, PlanFrozen]] = field(default_factory=list)
    approved: list[tuple[datetime, PlanApproved]] = field(default_factory=list)
    revoked: list[tuple[datetime, PlanRevoked]] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    waits: int = 0
    unknowns: int = 0
    books: Books = field(default_factory=Books)
    verdict: Verdict | None = None
    benchmarks: list[BenchmarkRecord] = field(default_factory=list)
    head: str = ""  # the text of the last checkpoint
    key: str = ""
    checkpoints: int = 0

    @property
    def mandate(self) -> dict[str, Any]:
        """The mandate as it was accepted; empty if none was."""
        return self.opened.mandate if self.opened else {}

    @property
    def until(self) -> datetime:
        """The time of the last event: what the report is dated by."""
        return max(line.at for line in self.lines)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key that signs the record; empty if none was given."""
        return VerifierKey.parse(self.key).fingerprint if self.key else ""

    def fills(self) -> list[tuple[Sale, FillRecorded]]:
        """Every fill with its sale, in the order in which they were recorded."""
        return [(sale, fill) for sale in self.sales for fill in sale.fills]

    def name(self, person: str) -> str:
        """A person's name as enrolled; what the record calls them where there is none."""
        return self.names.get(person, person)


def casefile(
    case_id: str,
    lines: Sequence[Line],
    people: Sequence[Line] = (),
    market: Market | None = None,
    benchmarks: Sequence[BenchmarkRecord] = (),
) -> CaseFile:
    """The facts of a case from the lines of its tree. ``people`` is the stream in which keys were enrolled; ``market``
    and ``benchmarks`` are what was recorded of the market outside."""
    if not lines:
        raise InputRefused(f"the record holds nothing of case {case_id}")
    found = CaseFile(case_id, list(lines), benchmarks=list(benchmarks))
    for line in people:
        if isinstance(line.event, PersonEnrolled):
            found.names[line.event.person] = line.event.name
    streams: dict[str, list[Line]] = {}
    for line in lines:
        streams.setdefault(line.stream, []).append(line)
        _of_case(found, line.at, line.event)
        if isinstance(line.event, _INCIDENTS):
            found.incidents.append(_incident(line))
    px = Decimal(benchmarks[-1].result) if benchmarks else None
    for name, own in streams.items():
        if name.startswith("parent/"):
            found.sales.append(_sale(own, market, px))
    found.incidents += [
        Incident(fill.at, "FillUnderFloor", fill.venue, f"{fill.trade_id}: {fill.px}")
        for sale, fill in found.fills()
        if fill.px < sale.state.spec.floor_px
    ]
    found.incidents.sort(key=lambda each: each.at)
    found.books = books_of(lines)
    found.verdict = reconcile_case(found.books, found.until)
    return found


def _of_case(found: CaseFile, at: datetime, event: object) -> None:
    match event:
        case CaseOpened():
            found.opened, found.opened_at = event, at
            for each in event.mandate.get("authorised_people") or ():
                found.names.setdefault(each["person"], each["name"])
        case RoleAssigned():
            found.roles[event.person] = event.role
        case HoldingMoved():
            found.moves.append((at, event))
        case PlanFrozen():
            found.frozen.append((at, event))
        case PlanApproved():
            found.approved.append((at, event))
        case PlanRevoked():
            found.revoked.append((at, event))
        case ParentWaiting():
            found.waits += 1
        case ChildUnknown():
            found.unknowns += 1
        case _:
            pass


def _sale(lines: Sequence[Line], market: Market | None, benchmark: Decimal | None) -> Sale:
    state, events = Parent(), list[tuple[datetime, Event]]()
    for line in lines:
        state.apply(line.event, line.at)
        events.append((line.at, line.event))
    fills = [event for _, event in events if isinstance(event, FillRecorded)]
    orders = {event.client_order_id: event for _, event in events if isinstance(event, ChildIntended)}
    return Sale(state, events, tca(events, market, benchmark), fills, orders)


def _incident(line: Line) -> Incident:
    event: Any = line.event
    detail = next((str(v) for v in (getattr(event, n, None) for n in ("detail", "reason", "why", "act")) if v), "")
    named = (getattr(event, n, None) for n in ("client_order_id", "venue", "scope", "person", "plan_hash"))
    where = next((str(v) for v in named if v), line.stream)
    rule = getattr(event, "rule", "") or getattr(event, "name", "")
    return Incident(line.at, line.kind, where, f"{rule}: {detail}" if rule else detail, getattr(event, "who", ""))
