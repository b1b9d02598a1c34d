"""What a journal keeps and what it asks of a database: rows, appends, and the two interfaces that both stores offer."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec

from executor.domain.control import Hold
from executor.domain.money import ZERO, add, plain
from executor.domain.reservation import Reservation
from executor.errors import CapReached, JournalFailed, Outdated, Stopped

NOTHING: Mapping[str, Any] = MappingProxyType({})  # the one empty mapping: an append makes none


class Row(NamedTuple):
    """One event as stored; ``line`` is its canonical text."""

    stream: str
    version: int
    case_id: str
    kind: str
    at: str
    line: str


class Append(msgspec.Struct, frozen=True, gc=False):  # made for each event: cheap to make
    """Rows of one stream that are written whole or not at all. ``scopes``: refuse it if a hold is on one of them.
    ``holds``: what it does to the holds, scope to the new hold or to ``None`` for a cleared one. ``reserve``: what it
    takes from the counters of caps or gives back; refused if one of them would go over; never beside ``holds``.
    ``expects``: streams that must still end at this version, for what was read there is what it rests on."""

    rows: Sequence[Row]
    scopes: Sequence[str] = ()
    holds: Mapping[str, Hold | None] = NOTHING
    reserve: Sequence[Reservation] = ()
    expects: Mapping[str, int] = NOTHING


def whole(appends: Sequence[Append]) -> tuple[list[Row], set[tuple[str, int]]] | None:
    """All rows of a batch and what it rests on (streams, and the versions that they must end at), if it can be written
    in one go; ``None`` where an append changes holds or counters, or rests on a stream that another one writes."""
    rows: list[Row] = []
    rests_on: set[tuple[str, int]] = set()
    for each in appends:
        if each.holds or each.reserve:
            return None
        rows += each.rows
        if each.expects:
            rests_on.update(each.expects.items())
    if rests_on and not {row.stream for row in rows}.isdisjoint({stream for stream, _ in rests_on}):
        return None
    return rows, rests_on


def counted(used: Mapping[str, Decimal], reserve: Sequence[Reservation]) -> dict[str, Decimal]:
    """What the counters stand at with ``reserve`` added; ``used`` holds those that are not at zero. Raises
    ``CapReached`` if one would go over, and ``JournalFailed`` if more would be given back than was taken."""
    after: dict[str, Decimal] = {}
    for each in reserve:
        before = after.get(each.counter, used.get(each.counter, ZERO))
        now = add(before, each.amount)
        if each.most is not None and now > each.most:
            raise cap_reached(each, before)
        if now < 0:
            raise JournalFailed(f"{plain(-each.amount)} of {each.counter} is given back, {plain(before)} was taken")
        after[each.counter] = now
    return after


def cap_reached(asked: Reservation, used: Decimal) -> CapReached:
    """The refusal of ``asked`` at a counter that stands at ``used``."""
    most = plain(asked.most) if asked.most is not None else "no cap"
    text = f"{asked.counter} stands at {plain(used)} of {most}: no room for {plain(asked.amount)}"
    return CapReached(asked.counter, text)


def outdated(stream: str) -> Outdated:
    """The refusal of an append that rests on an older ``stream``."""
    return Outdated(f"{stream} has changed since it was read")


class Reading(Protocol):
    """Looks at a journal. Raises ``JournalFailed`` when it cannot be read."""

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        """The lines of ``stream`` after version ``after``, in order."""

    def of_kind(self, kind: str) -> Iterator[str]:
        """The lines of all events of this kind, in the order in which they were written."""

    def of_people(self, kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds in the streams that people write (holds, people, cases), in the order in which they
        were written."""

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        """The first line of each of ``streams``, or the last; those that are not there are left out."""

    def settled(self) -> int:
        """A place in the record up to which nothing can appear any more."""

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What is in the places after ``after``, and in those that were ``empty``, in order: the place, and the line of
        an event of these kinds, or nothing for another. What was durable when this was called is there. Of two writers
        the one that was given its place first may be seen last."""

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds after the version that is ``known`` of each stream, in order within a stream. What
        was durable when this was called is there."""

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        """The holds in force on any of ``scopes``, or all of them; kills first."""

    def used(self, counters: Sequence[str] | None = None) -> dict[str, Decimal]:
        """What stands at these counters of caps, or at all; those at zero are left out."""

    def close(self) -> None:
        """Release the connection."""


class Store(Protocol):
    """What the writer needs from a database."""

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        """Write every append that fits its stream. Each is taken whole or not at all; the answer says for each whether
        a hold refused it or another writer was first, and ``None`` only for what is durable. Raises ``JournalFailed``
        when it cannot be said what was made durable."""

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]: ...

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]: ...

    def read(self, stream: str, after: int = 0) -> Iterator[str]: ...

    def streams(self, prefix: str) -> list[str]: ...

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]: ...

    def settled(self) -> int: ...

    def wait_for_appends(self) -> None:
        """Return when every append that was under way, from any process, has ended. An append that begins later sees
        what was durable before."""

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]: ...

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]: ...

    def close(self) -> None: ...
