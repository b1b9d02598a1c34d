"""All that the report says of a case, taken from its record in one pass: facts with their types, no words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from executor.domain.books import Books, books_of
from executor.domain.case_events import (
    BenchmarkRecorded,
    CaseOpened,
    FloorRaised,
    HoldingMoved,
    KeyRevoked,
    PersonEnrolled,
    PlanApproved,
    PlanFrozen,
    PlanRevoked,
    RoleAssigned,
)
from executor.domain.events import ChildIntended, ChildUnknown, Event, FillRecorded
from executor.domain.parent import Parent
from executor.domain.reconcile_case import Verdict, reconcile_case
from executor.errors import InputRefused
from executor.journal.line import Line
from executor.journal.note import VerifierKey
from executor.market.benchmark import BenchmarkRecord
from executor.report.averages import averages_of
from executor.report.floors import floor_at, raises_of
from executor.report.incidents import (
    Incident,
    Wait,
    binding_scopes,
    incident,
    incidents_of,
    stops_of,
    waits_of,
)
from executor.report.market_seen import Market
from executor.report.tca import Tca, Timed, tca


@dataclass(slots=True)
class Sale:
    """One parent order: its state at the end, its events, and how well it was done."""

    state: Parent
    events: list[Timed]
    quality: Tca
    fills: list[FillRecorded]
    orders: dict[str, ChildIntended]
    floors: dict[str, Decimal]  # in force at the intent of each order
    averages: dict[str, Decimal | None]  # what each order is held against
    waits: list[Wait] = field(default_factory=list)

    def under_floor(self, fill: FillRecorded) -> bool:
        """True if ``fill`` is under the floor that was in force when its order was made."""
        return fill.px < self.floors[fill.client_order_id]


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
    raised: list[tuple[datetime, FloorRaised]] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
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

    def waits(self) -> list[Wait]:
        """Every wait of every sale."""
        return [wait for sale in self.sales for wait in sale.waits]

    def unknowns(self) -> tuple[int, int]:
        """How many orders were not answered at once and have ended since, and how many of them are still open."""
        asked = [
            (sale, order)
            for sale in self.sales
            for order in {event.client_order_id for _, event in sale.events if isinstance(event, ChildUnknown)}
        ]
        still_open = sum(1 for sale, order in asked if order in sale.state.open)
        return len(asked) - still_open, still_open

    def name(self, person: str) -> str:
        """A person's name as enrolled; what the record calls them where there is none."""
        return self.names.get(person, person)


def casefile(
    case_id: str,
    lines: Sequence[Line],
    house: Sequence[Line] = (),
    market: Market | None = None,
    benchmarks: Sequence[BenchmarkRecord] = (),
    holidays: Collection[date] = (),
) -> CaseFile:
    """The facts of a case from the lines of its tree. ``house`` are those of the institution's own tree: who was
    enrolled, and what people stopped everywhere or at a venue. ``market`` and ``benchmarks`` are what was recorded of
    the market outside; ``holidays`` are those of Hong Kong, for the clock on contract notes."""
    if not lines:
        raise InputRefused(f"the record holds nothing of case {case_id}")
    found = CaseFile(case_id, list(lines))
    for line in house:
        if isinstance(line.event, PersonEnrolled):
            found.names[line.event.person] = line.event.name
    streams: dict[str, list[Line]] = {}
    averages: dict[str, BenchmarkRecord] = {}
    for line in lines:
        streams.setdefault(line.stream, []).append(line)
        _of_case(found, line.at, line.event)
        if isinstance(line.event, BenchmarkRecorded):
            averages[line.event.record_sha256] = BenchmarkRecord.model_validate(line.event.record)
    found.benchmarks = list((averages | {each.sha256: each for each in benchmarks}).values())
    for name, own in streams.items():
        if name.startswith("parent/"):
            found.sales.append(_sale(own, market, found.benchmarks, found.raised))
    found.incidents = _incidents(found, lines, house)
    found.books = books_of(lines)
    found.verdict = reconcile_case(found.books, found.until, holidays)
    return found


def _incidents(found: CaseFile, lines: Sequence[Line], house: Sequence[Line]) -> list[Incident]:
    """Those of the case, those of the house that touched it, and fills that should not be."""
    made = incidents_of(lines)
    specs = [sale.state.spec for sale in found.sales]
    if specs:
        begin = min(sale.events[0][0] for sale in found.sales)
        end = max(sale.events[-1][0] for sale in found.sales)
        venues = [venue for spec in specs for venue in spec.venues]
        scopes = binding_scopes(found.case_id, [spec.parent_id for spec in specs], venues)
        made += stops_of(house, scopes, begin, end)
    plans = {frozen.plan_hash for _, frozen in found.frozen}
    made += [
        incident(line)
        for line in house
        if isinstance(line.event, KeyRevoked) and not plans.isdisjoint(line.event.voids)
    ]
    made += [
        Incident(fill.at, "FillUnderFloor", fill.venue, f"{fill.trade_id}: {fill.px:f}")
        for sale, fill in found.fills()
        if sale.under_floor(fill)
    ]
    return sorted(made, key=lambda each: each.at)


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
        case FloorRaised():
            found.raised.append((at, event))
        case _:
            pass


def _sale(
    lines: Sequence[Line],
    market: Market | None,
    benchmarks: Sequence[BenchmarkRecord],
    raised: Sequence[tuple[datetime, FloorRaised]],
) -> Sale:
    state, events = Parent(), list[tuple[datetime, Event]]()
    for line in lines:
        state.apply(line.event, line.at)
        events.append((line.at, line.event))
    fills = [event for _, event in events if isinstance(event, FillRecorded)]
    orders = {event.client_order_id: event for _, event in events if isinstance(event, ChildIntended)}
    averages = averages_of(state.spec, benchmarks)
    raises = raises_of(state.spec.plan_hash, raised)
    ordered = {event.client_order_id: at for at, event in events if isinstance(event, ChildIntended)}
    floors = {order: floor_at(state.spec.floor_px, raises, at) for order, at in ordered.items()}
    held = {order: averages.at(at) for order, at in ordered.items()}
    quality = tca(events, market, averages.at, raises)
    return Sale(state, events, quality, fills, orders, floors, held, waits_of(lines))
