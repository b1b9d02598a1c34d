"""Runs one parent order over scripted venues under virtual time, and says whether record and venues agree."""

import functools
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapters.clock import Clock
from adapters.venue import Venue
from executor.domain.control import Hold
from executor.domain.events import ChildIntended, FillRecorded
from executor.domain.parent import Parent
from executor.domain.plan import Mandate, Plan
from executor.engine.runner import Runner
from executor.engine.virtual_time import run_virtual
from executor.errors import CapReached, ExecutorError, JournalFailed, Stopped, TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line, decode
from executor.journal.sqlite import Append, Row
from executor.journal.store import counted, outdated
from tests.approved import approve
from tests.engine.scripted_venue import ScriptedVenue

D = Decimal
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
TWAP: dict[str, Any] = {
    "kind": "twap",
    "qty": "1",
    "slices": 2,
    "size_jitter": "0",
    "time_jitter": "0",
    "style": "cross",
    "catch_up": "3",
    "min_notional": "10",
}
REST = TWAP | {"style": "rest_then_cross", "rest_for": "20s"}
OTC: dict[str, Any] = {"kind": "otc", "qty": "1", "clip": "0.5", "pause": "1m", "min_quotes": 1}


_PAPERS = ("people", "case/")


class MemoryStore:
    """A journal in memory. ``fails_at`` is the number of the commit that cannot be written; ``fence`` can be taken
    away to show what it is for."""

    def __init__(self, *, fence: bool = True) -> None:
        self.rows: list[Row] = []
        self.papers: list[Row] = []  # people and cases: there before the run, and not counted with what it writes
        self.fence = fence
        self.commits = 0
        self.fails_at = 0
        self._used: dict[str, Decimal] = {}

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        if not all(append.rows[0].stream.startswith(_PAPERS) for append in appends):
            self.commits += 1
            if self.commits == self.fails_at:
                raise JournalFailed("disk full")
        return [self._append(append) for append in appends]

    def _append(self, append: Append) -> Stopped | None:
        known = {(row.stream, row.version) for row in (*self.rows, *self.papers)}
        if self.fence and any((row.stream, row.version) in known for row in append.rows):
            return TakenOver("another process")
        for stream, version in append.expects.items():
            if (stream, version + 1) in known:
                return outdated(stream)
        try:
            self._used |= counted(self._used, append.reserve)
        except CapReached as full:
            return full
        (self.papers if append.rows[0].stream.startswith(_PAPERS) else self.rows).extend(append.rows)
        return None

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]:
        return {counter: self._used[counter] for counter in counters if self._used.get(counter)}

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        found = self.papers if stream.startswith(_PAPERS) else self.rows
        return iter([row.line for row in found if row.stream == stream and row.version > after])

    def holds(self, scopes: Sequence[str]) -> list[Hold]:
        return []

    def streams(self, prefix: str) -> list[str]:
        return [row.stream for row in self.rows if row.version == 1 and row.stream.startswith(prefix)]

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        found: dict[str, str] = {}
        for row in self.rows:
            found[row.stream] = row.line if last else found.get(row.stream, row.line)
        return iter([found[stream] for stream in streams if stream in found])

    def settled(self) -> int:
        return len(self.rows)

    def wait_for_appends(self) -> None: ...

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        rows = enumerate(self.rows[after:], after + 1)
        return iter([(place, row.line if row.kind in kinds else "") for place, row in rows])

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        return iter([row.line for row in self.rows if row.kind in kinds and row.version > known.get(row.stream, 2**62)])

    def close(self) -> None: ...

    def events(self, *kinds: type) -> list[Any]:
        """Every durable event of these kinds."""
        found = [decode(row.line).event for row in self.rows]
        return [event for event in found if isinstance(event, kinds)] if kinds else found


def plan(*legs: dict[str, Any], **changes: Any) -> Plan:
    """One BTC in two slices within ten minutes at alpha, not under 90000."""
    legs = legs or (TWAP,)
    values: dict[str, Any] = {
        "asset": "BTC",
        "quote_asset": "USD",
        "qty": sum(D(leg["qty"]) for leg in legs),
        "floor_px": "90000",
        "venues": ["alpha"],
        "duration": "10m",
        "seed": 7,
        "legs": list(legs),
    }
    return Plan.model_validate(values | changes)


def mandate(held: str = "100") -> Mandate:
    """A case that holds ``held`` BTC."""
    holding = {"asset": "BTC", "network": "bitcoin", "qty": held}
    credited = {"venue": "alpha", "account": "main", "asset": "BTC", "qty": held}
    words = dict.fromkeys(("authority", "institution", "legal_basis", "proceeds_account", "plan"), "x")
    return Mandate.model_validate({"case_id": "CASE-1", "holdings": [holding], "credited": [credited]} | words)


@dataclass
class Ran:
    """How a run ended: the state, the fault that ended it if any, and what was made durable."""

    state: Parent
    fault: ExecutorError | None
    lines: list[Line] = field(default_factory=list)

    def events(self, *kinds: type) -> list[Any]:
        return [line.event for line in self.lines if isinstance(line.event, kinds)]

    @property
    def intents(self) -> list[ChildIntended]:
        return self.events(ChildIntended)


def runner(
    venues: Sequence[Venue], store: MemoryStore, clock: Clock, lines: list[Line], asked: Plan | None, held: str
) -> Runner:
    """A runner on ``store``, its plan approved, that notes every durable line in ``lines``."""
    approve(store, mandate(held), asked or plan(), START)
    journal = Journal(store, threaded=False)
    return Runner(mandate(held), asked or plan(), venues, journal, clock, observer=lines.append)


async def ran(
    *venues: ScriptedVenue, store: MemoryStore | None = None, asked: Plan | None = None, held: str = "100"
) -> Ran:
    """Run to the end, whatever it is."""
    lines: list[Line] = []
    one = runner(venues, store or MemoryStore(), venues[0].clock, lines, asked, held)
    try:
        await one.run()
    except ExecutorError as error:
        return Ran(one.state, error, lines)
    return Ran(one.state, None, lines)


def exact(state: Parent, *venues: ScriptedVenue, qty: str = "1") -> None:
    """The record and the venues' own books agree to the last digit, nothing is sold twice or under the floor."""
    made = [fill for venue in venues for fill in venue.fills_made]
    assert sum((fill.qty for fill in made), D(0)) == state.cum_qty == D(qty)
    assert {fill.trade_id for fill in made} == {trade for c in state.children.values() for trade in c.trade_ids}
    assert len({fill.trade_id for fill in made}) == len(made) == state.total.fills
    money = state.total.notional - state.total.fees.get("USD", D(0))
    assert money == sum((venue.cash for venue in venues), D(0))
    assert all(fill.px >= state.spec.floor_px for fill in made)
    assert state.exposure_qty == 0
    assert not state.breach


def recorded_fills(store: MemoryStore) -> list[FillRecorded]:
    """Every fill in the journal."""
    return store.events(FillRecorded)


def virtual(case: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Turn an async case into a test under virtual time."""

    @functools.wraps(case)
    def test(*args: Any, **kwargs: Any) -> None:
        run_virtual(case(*args, **kwargs))

    return test
