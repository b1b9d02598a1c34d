"""Venue papers against the record, trade by trade: what matches, what differs, what only one side has.

Hong Kong venues must make and send a contract note within two business days of the trade (SFC, FAQ on contract notes
and statements of account). A trade for which no contract note was imported by then is overdue.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from executor.domain.events import FillRecorded
from executor.domain.money import EXACT, plain, times
from executor.domain.settlement_events import StatementImported, StatementRow

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
NOTE_DAYS = 2
DIFFERS, NOT_RECORDED, NOT_STATED = "differs", "not in the record", "not on a statement"
NO_NOTE = "no contract note"
CONTRACT_NOTE = "contract-note"
STATEMENT = "statement"
_FIELDS = ("qty", "px", "notional", "fee", "fee_asset")
_WEEKEND = 5


@dataclass(frozen=True, slots=True)
class Unmatched:
    """One item of the queue. ``what`` is one of the four words above; ``due`` is the last day on which the contract
    note is in time, ``overdue`` says that it has passed."""

    venue: str
    trade_id: str
    what: str
    detail: str
    ref: str
    due: date
    overdue: bool
    fill: FillRecorded | None = None
    row: StatementRow | None = None


@dataclass(frozen=True, slots=True)
class Matching:
    """How the papers and the record compare. ``venues`` are those of which there is a paper, ``stated`` the fills (by
    reference) that match one, ``noted`` those that match a contract note."""

    queue: list[Unmatched]
    venues: set[str]
    stated: set[str]
    noted: set[str]

    @property
    def differing(self) -> list[Unmatched]:
        """What differs or stands on one side only; a note that has not come is no difference."""
        return [item for item in self.queue if item.what != NO_NOTE]

    @property
    def late(self) -> list[Unmatched]:
        """The trades whose contract note has not come though its time is over."""
        return [item for item in self.queue if item.what == NO_NOTE and item.overdue]


def business_day_after(day: date, days: int, holidays: Collection[date]) -> date:
    """The day that is ``days`` business days after ``day``: Saturdays, Sundays and ``holidays`` do not count."""
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < _WEEKEND and day not in holidays
    return day


def note_due(traded: datetime, holidays: Collection[date]) -> date:
    """The last day for the contract note of a trade, by the Hong Kong calendar."""
    return business_day_after(traded.astimezone(HONG_KONG).date(), NOTE_DAYS, holidays)


def match(
    fills: Mapping[str, FillRecorded],
    papers: Iterable[StatementImported],
    now: datetime,
    holidays: Collection[date],
    settled: Collection[tuple[str, str]] = (),
) -> Matching:
    """Compare fills (by reference) and papers by venue and trade id, then quantity, price, money and fee. Trades in
    ``settled`` (venue and trade id) were corrected by two people and are left out."""
    rows: dict[tuple[str, str], list[tuple[str, StatementRow]]] = {}
    found = Matching([], set(), set(), set())
    for paper in papers:
        found.venues.add(paper.venue)
        for row in paper.rows:
            if (paper.venue, row.trade_id) not in settled:
                rows.setdefault((paper.venue, row.trade_id), []).append((paper.paper, row))
    today = now.astimezone(HONG_KONG).date()
    for ref, fill in fills.items():
        own = rows.pop((fill.venue, fill.trade_id), [])
        due = note_due(fill.at, holidays)
        for what, detail, stranger in _compared(ref, fill, own, found):
            late = today > due
            text = detail or f"due by {due} in Hong Kong"
            found.queue.append(Unmatched(fill.venue, fill.trade_id, what, text, ref, due, late, fill, stranger))
    for (venue, trade_id), strangers in rows.items():
        for _, row in strangers:
            due = note_due(row.at, holidays)
            text = f"{plain(row.qty)} at {plain(row.px)} is on a paper of the venue"
            found.queue.append(Unmatched(venue, trade_id, NOT_RECORDED, text, "", due, today > due, row=row))
    return found


def _compared(
    ref: str, fill: FillRecorded, own: list[tuple[str, StatementRow]], found: Matching
) -> Iterator[tuple[str, str, StatementRow | None]]:
    """What is to be said of one fill: kind, detail, and the row that differs."""
    differing = [(_differences(fill, row), row) for _, row in own if _differences(fill, row)]
    agreeing = [paper for paper, row in own if not _differences(fill, row)]
    if agreeing:
        found.stated.add(ref)
    if CONTRACT_NOTE in agreeing:
        found.noted.add(ref)
    for detail, row in differing:
        yield DIFFERS, detail, row
    if not own and fill.venue in found.venues:
        yield NOT_STATED, "no paper of the venue has this trade", None
    elif not differing and CONTRACT_NOTE not in agreeing:
        yield NO_NOTE, "", None


def _differences(fill: FillRecorded, row: StatementRow) -> str:
    return "; ".join(
        f"{field} {_word(getattr(fill, field))} in the record, {_word(getattr(row, field))} on the paper"
        for field in _FIELDS
        if getattr(fill, field) != getattr(row, field)
    )


def off(side: FillRecorded | StatementRow) -> Decimal:
    """How far price times quantity lies from the money stated: the side that is further off is the one mistyped."""
    return abs(EXACT.subtract(times(side.px, side.qty), side.notional))


def _word(value: Decimal | str) -> str:
    return plain(value) if isinstance(value, Decimal) else value
