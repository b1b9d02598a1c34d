"""The journal on SQLite: one file, nothing to install.

``UNIQUE (stream, version)`` is the fence: of two writers of one stream the slower is refused. WAL with
``synchronous=FULL`` makes a commit durable with one fsync. SQLite before 3.51.3 can corrupt a WAL that one connection
resets while another checkpoints, so every commit and every checkpoint, of any process, is taken under a lock on a
file beside the journal.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from executor.domain.control import Hold, HoldAction
from executor.errors import Held, InputRefused, JournalFailed, RecordBroken, Stopped, TakenOver

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq     INTEGER PRIMARY KEY,
    stream  TEXT NOT NULL,
    version INTEGER NOT NULL,
    case_id TEXT NOT NULL,
    kind    TEXT NOT NULL,
    at      TEXT NOT NULL,
    line    TEXT NOT NULL,
    UNIQUE (stream, version)
) STRICT;
-- The stop controls in force: a projection of the control stream, kept in the transaction that writes its events, so
-- that an intent can be refused in the transaction that would write it.
CREATE TABLE IF NOT EXISTS holds (
    scope  TEXT PRIMARY KEY,
    action TEXT NOT NULL,
    cancel INTEGER NOT NULL,
    who    TEXT NOT NULL,
    why    TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;
"""
_INSERT = "INSERT INTO events (stream, version, case_id, kind, at, line) VALUES (?, ?, ?, ?, ?, ?)"
_CHECKPOINT_EVERY = 2_000  # commits


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


class SqliteStore:
    """Synchronous access to one journal file. Use from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            with self._locked():
                self._prepare()
            # Readings have a connection of their own: the writer's may be inside a transaction in another thread.
            self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._reader.execute("PRAGMA query_only=ON")
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(f"the journal {path} cannot be opened: {error}; check the path and the disk") from None
        self._commits = 0

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, SCHEMA_VERSION):
            raise JournalFailed(
                f"the journal {self.path} has schema {found}, this program knows {SCHEMA_VERSION}: use the version "
                "of the program that wrote it"
            )
        self._db.executescript(_SCHEMA)
        if found != SCHEMA_VERSION:
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        """Write every append that fits its stream, all in one durable transaction. An append is taken whole or not at
        all; the answer says for each whether a hold refused it or another writer was first. Raises ``JournalFailed``
        when nothing at all could be made durable."""
        try:
            with self._locked():
                answers = self._transaction(appends)
                self._commits += 1
                if self._commits % _CHECKPOINT_EVERY == 0:
                    self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                return answers
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(f"the journal {self.path} cannot be written: {error}") from None

    def _transaction(self, appends: Sequence[Append]) -> list[Stopped | None]:
        answers: list[Stopped | None] = []
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for each in appends:
                answers.append(self._append(each))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return answers

    def _append(self, append: Append) -> Stopped | None:
        held = self._held(append.scopes)
        if held is not None:
            return held
        self._db.execute("SAVEPOINT one")
        try:
            for row in append.rows:
                self._db.execute(_INSERT, (row.stream, row.version, row.case_id, row.kind, row.at, row.line))
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK TO one")
            self._db.execute("RELEASE one")
            first = append.rows[0]
            return TakenOver(f"another process has written version {first.version} of {first.stream}")
        for scope, hold in append.holds.items():
            self._db.execute("DELETE FROM holds WHERE scope = ?", (scope,))
            if hold is not None:
                values = (hold.scope, hold.action.value, int(hold.cancel), hold.who, hold.why, hold.at)
                self._db.execute(
                    "INSERT INTO holds (scope, action, cancel, who, why, at) VALUES (?, ?, ?, ?, ?, ?)", values
                )
        self._db.execute("RELEASE one")
        return None

    def _held(self, scopes: Sequence[str]) -> Held | None:
        if not scopes:
            return None
        found = read_holds(self._db, scopes)
        return Held(str(found[0])) if found else None

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        try:
            with self._locked():
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(
                f"the journal {self.path} cannot be folded into one file ({error}); nothing is lost, keep the files "
                "beside it"
            ) from None
        finally:
            self._reader.close()
            self._db.close()
            os.close(self._lock_file)

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        """The lines of ``stream`` after version ``after``, in order."""
        with self._reading():
            yield from read_lines(self._reader, stream, after)

    def holds(self, scopes: Sequence[str]) -> list[Hold]:
        """The holds in force on any of ``scopes``."""
        with self._reading():
            return read_holds(self._reader, scopes)

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""
        with self._reading():
            return stream_names(self._reader, prefix)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise JournalFailed(f"the journal {self.path} cannot be read: {error}") from None
        except sqlite3.Error as error:
            raise RecordBroken(f"the journal {self.path} is damaged: {error}") from None


def read_lines(db: sqlite3.Connection, stream: str, after: int = 0) -> Iterator[str]:
    """The lines of ``stream`` after version ``after``, in order."""
    found = db.execute("SELECT line FROM events WHERE stream = ? AND version > ? ORDER BY version", (stream, after))
    return (line for (line,) in found)


def stream_names(db: sqlite3.Connection, prefix: str) -> list[str]:
    """The names of all streams that begin with ``prefix``, in order of first appearance."""
    found = db.execute(
        "SELECT stream FROM events WHERE version = 1 AND substr(stream, 1, ?) = ? ORDER BY seq", (len(prefix), prefix)
    )
    return [stream for (stream,) in found]


_HOLDS = "SELECT scope, action, cancel, who, why, at FROM holds"


def read_holds(db: sqlite3.Connection, scopes: Sequence[str] | None = None) -> list[Hold]:
    """The holds in force on any of ``scopes``, or all of them; kills first."""
    if scopes is None:
        found = db.execute(f"{_HOLDS} ORDER BY action, scope").fetchall()
    else:
        marks = ", ".join("?" * len(scopes))
        found = db.execute(f"{_HOLDS} WHERE scope IN ({marks}) ORDER BY action, scope", tuple(scopes)).fetchall()
    return [
        Hold(scope, HoldAction(action), bool(cancel), who, why, at) for scope, action, cancel, who, why, at in found
    ]


def open_reading(path: Path) -> sqlite3.Connection:
    """A read-only connection, for commands that only look. Raises ``InputRefused`` if there is no journal."""
    if not path.is_file():
        raise InputRefused(f"there is no journal at {path}: name it with --journal, or run a mandate first")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
