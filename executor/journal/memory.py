"""Journals in memory: for rehearsals that keep no record, and for simulations.

The fence is that of the journals on disk: a version of a stream is written once; an append under a scope that is held,
over a cap, or on what is outdated is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice

from executor.domain.control import Hold
from executor.domain.reservation import Reservation
from executor.errors import Held, Stopped, TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line, decode
from executor.journal.store import NOTHING, Append, Row, counted, outdated


class MemoryStore:
    """A journal's database in memory, with the same fence as the one on disk: a version is written once."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, str]] = {}
        self._ends: dict[str, int] = {}  # the last version of each stream
        self._rows: list[Row] = []
        self._holds: dict[str, Hold] = {}
        self._used: dict[str, Decimal] = {}

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        return [self._append(each) for each in appends]

    def _append(self, append: Append) -> Stopped | None:
        rows = append.rows
        first = rows[0]
        stream = self._lines.setdefault(first.stream, {})
        try:
            used = self.admit(append.scopes, append.reserve, append.expects)
        except Stopped as refused:
            return refused
        if self.taken(stream, rows):
            return TakenOver(f"another process has written version {first.version} of {first.stream}")
        stream.update({row.version: row.line for row in rows})
        self._rows.extend(rows)
        self.reach(first.stream, max(self._ends.get(first.stream, 0), rows[-1].version), used)
        for scope, hold in append.holds.items():
            self._holds.pop(scope, None)
            if hold is not None:
                self._holds[scope] = hold
        return None

    def admit(
        self, scopes: Sequence[str], reserve: Sequence[Reservation], expects: Mapping[str, int]
    ) -> dict[str, Decimal]:
        """What the counters come to by an append on these terms. Raises ``Held``, ``Outdated`` or ``CapReached``."""
        held = self.holds(scopes)
        if held:
            raise Held(str(held[0]))
        for stream, version in expects.items():
            if self._ends.get(stream, 0) != version:
                raise outdated(stream)
        return counted(self._used, reserve)

    @staticmethod
    def taken(stream: Mapping[int, str], rows: Sequence[Row]) -> bool:
        """The fence: true when somebody has written one of these versions."""
        return any(row.version in stream for row in rows)

    def reach(self, stream: str, version: int, used: Mapping[str, Decimal]) -> None:
        """``stream`` ends at ``version`` now, and the counters stand at ``used``."""
        self._ends[stream] = version
        self._used.update(used)

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        if not self._holds:
            return []
        found = [self._holds[scope] for scope in (self._holds if scopes is None else scopes) if scope in self._holds]
        return sorted(found, key=lambda hold: (hold.action, hold.scope))

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]:
        return {counter: self._used[counter] for counter in counters if self._used.get(counter)}

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        held = self._lines.get(stream, {})
        return iter([held[version] for version in sorted(held) if version > after])

    def streams(self, prefix: str) -> list[str]:
        return [stream for stream in self._ends if stream.startswith(prefix)]

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        found = [self._lines[stream] for stream in streams if self._lines.get(stream)]
        return iter([held[max(held) if last else min(held)] for held in found])

    def settled(self) -> int:
        return len(self._rows)

    def wait_for_appends(self) -> None:
        """Nothing to wait for: one append after the other."""

    def tail(self, after: int, _empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        rows = enumerate(islice(self._rows, after, None), after + 1)
        return iter([(place, row.line if row.kind in kinds else "") for place, row in rows])

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        further = [stream for stream, after in known.items() if self._ends.get(stream, 0) > after]
        return iter(
            [line for stream in further for line in self.read(stream, known[stream]) if decode(line).kind in kinds]
        )

    def close(self) -> None:
        """Nothing to close: the next process finds what was committed."""


class _CountingStore(MemoryStore):
    """Knows of a parent order's stream only how far it has come."""

    def count(
        self,
        lines: Sequence[Line],
        scopes: Sequence[str],
        reserve: Sequence[Reservation],
        expects: Mapping[str, int],
    ) -> None:
        """Pass the fence and keep nothing else. Raises what :meth:`Journal.append` does."""
        stream, first = lines[0].stream, lines[0].version
        used = self.admit(scopes, reserve, expects)
        if first <= self._ends.get(stream, 0):
            raise TakenOver(f"another process has written version {first} of {stream}")
        self.reach(stream, lines[-1].version, used)


class CountingJournal(Journal):
    """A journal that keeps no line of a parent order: only how far its stream has come, the holds and the counters of
    caps. For plans that are only thought through: a hundred thousand orders leave nothing but the state they add up
    to."""

    def __init__(self) -> None:
        self._counts = _CountingStore()
        super().__init__(self._counts, threaded=False)

    async def append(
        self,
        lines: Sequence[Line],
        scopes: Sequence[str] = (),
        reserve: Sequence[Reservation] = (),
        expects: Mapping[str, int] = NOTHING,
    ) -> None:
        """As :meth:`Journal.append`; a parent order's lines pass the same fence and are not written out."""
        if lines[0].stream.startswith("parent/"):
            self._counts.count(lines, scopes, reserve, expects)
        else:
            await super().append(lines, scopes, reserve, expects)
