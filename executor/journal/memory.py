"""Journals in memory: for rehearsals that keep no record, and for simulations.

The fence is that of the journals on disk: a version of a stream is written once; an append under a scope that is held,
over a cap, or on what is outdated is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice

from executor.domain.control import Hold
from executor.domain.reservation import Reservation
from executor.errors import CapReached, Held, Stopped, TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line, decode
from executor.journal.store import Append, Row, counted, outdated


class MemoryStore:
    """A journal's database in memory, with the same fence as the one on disk: a version is written once."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, str]] = {}
        self._rows: list[Row] = []
        self._holds: dict[str, Hold] = {}
        self._used: dict[str, Decimal] = {}

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        return [self._append(each) for each in appends]

    def _append(self, append: Append) -> Stopped | None:
        held = self.holds(append.scopes)
        if held:
            return Held(str(held[0]))
        for stream_name, version in append.expects.items():
            if max(self._lines.get(stream_name, {}), default=0) != version:
                return outdated(stream_name)
        try:
            used = counted(self._used, append.reserve)
        except CapReached as full:
            return full
        first = append.rows[0]
        stream = self._lines.setdefault(first.stream, {})
        if self.taken(stream, append.rows):
            return TakenOver(f"another process has written version {first.version} of {first.stream}")
        self.keep(stream, append.rows)
        self._used |= used
        for scope, hold in append.holds.items():
            self._holds.pop(scope, None)
            if hold is not None:
                self._holds[scope] = hold
        return None

    @staticmethod
    def taken(stream: Mapping[int, str], rows: Sequence[Row]) -> bool:
        """The fence: true when somebody has written one of these versions."""
        return any(row.version in stream for row in rows)

    def keep(self, stream: dict[int, str], rows: Sequence[Row]) -> None:
        """Add the rows to their stream."""
        stream.update({row.version: row.line for row in rows})
        self._rows.extend(rows)

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
        return [stream for stream in self._lines if stream.startswith(prefix)]

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        found = [self._lines[stream] for stream in streams if self._lines.get(stream)]
        return iter([held[max(held) if last else min(held)] for held in found])

    def settled(self) -> int:
        return len(self._rows)

    def tail(self, after: int, _empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        rows = enumerate(islice(self._rows, after, None), after + 1)
        return iter([(place, row.line if row.kind in kinds else "") for place, row in rows])

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        wanted = set(kinds)
        for stream, after in known.items():
            held = self._lines.get(stream, {})
            for version in range(after + 1, max(held, default=0) + 1):
                if decode(held[version]).kind in wanted:
                    yield held[version]

    def close(self) -> None:
        """Nothing to close: the next process finds what was committed."""


class _CountingStore(MemoryStore):
    """Keeps of a parent order's stream only how far it has come."""

    @staticmethod
    def taken(stream: Mapping[int, str], rows: Sequence[Row]) -> bool:
        return rows[0].version <= max(stream, default=0)

    def keep(self, stream: dict[int, str], rows: Sequence[Row]) -> None:
        if _counted_only(rows[-1].stream):
            stream.clear()
            stream[rows[-1].version] = ""
        else:
            super().keep(stream, rows)

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        return iter(()) if _counted_only(stream) else super().read(stream, after)

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        return super().edges([stream for stream in streams if not _counted_only(stream)], last=last)

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        return super().news({stream: known[stream] for stream in known if not _counted_only(stream)}, kinds)


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
        expects: Mapping[str, int] | None = None,
    ) -> None:
        """As :meth:`Journal.append`; a parent order's lines pass the same fence and are not written out."""
        if not _counted_only(lines[0].stream):
            await super().append(lines, scopes, reserve, expects)
            return
        rows = [Row(line.stream, line.version, line.case_id, "", "", "") for line in lines]
        (refused,) = self._counts.commit([Append(rows, scopes, {}, reserve, expects or {})])
        if refused is not None:
            raise refused


def _counted_only(stream: str) -> bool:
    return stream.startswith("parent/")
