"""What a journal keeps and what it asks of a database: rows, appends, and the two interfaces that both stores offer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from executor.domain.control import Hold
from executor.errors import Stopped


@dataclass(frozen=True, slots=True)
class Row:
    """One event as stored; ``line`` is its canonical text."""

    stream: str
    version: int
    case_id: str
    kind: str
    at: str
    line: str


@dataclass(frozen=True, slots=True)
class Append:
    """Rows of one stream that are written whole or not at all. ``scopes``: refuse it if a hold is on one of them.
    ``holds``: what it does to the holds, scope to the new hold or to ``None`` for a cleared one."""

    rows: Sequence[Row]
    scopes: Sequence[str] = ()
    holds: Mapping[str, Hold | None] = field(default_factory=dict)


class Reading(Protocol):
    """Looks at a journal. Raises ``JournalFailed`` when it cannot be read."""

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        """The lines of ``stream`` after version ``after``, in order."""

    def of_kind(self, kind: str) -> Iterator[str]:
        """The lines of all events of this kind, in the order in which they were written."""

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        """The holds in force on any of ``scopes``, or all of them; kills first."""

    def close(self) -> None:
        """Release the connection."""


class Store(Protocol):
    """What the writer needs from a database."""

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        """Write every append that fits its stream. Each is taken whole or not at all; the answer says for each whether
        a hold refused it or another writer was first, and ``None`` only for what is durable. Raises ``JournalFailed``
        when it cannot be said what was made durable."""

    def holds(self, scopes: Sequence[str]) -> list[Hold]: ...

    def read(self, stream: str, after: int = 0) -> Iterator[str]: ...

    def streams(self, prefix: str) -> list[str]: ...

    def close(self) -> None: ...
