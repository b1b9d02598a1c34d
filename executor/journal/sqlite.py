"""The journal on SQLite: one file, nothing to install.

``UNIQUE (stream, version)`` is the fence: of two writers of one stream the slower is refused. WAL with
``synchronous=FULL`` makes a commit durable with one fsync. SQLite before 3.51.3 can corrupt a WAL that one connection
resets while another checkpoints, so every commit and every checkpoint, of any process, is taken under a lock on a
file beside the journal.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from pathlib import Path

from executor.domain.control import Hold, HoldAction
from executor.errors import CapReached, Held, InputRefused, JournalFailed, RecordBroken, Stopped, TakenOver
from executor.journal import sql
from executor.journal.store import Append as Append
from executor.journal.store import Row as Row
from executor.journal.store import counted, outdated, whole

# Commits. After it the log is written from its beginning again, into space that the file has: making a file longer is
# dear (a commit of one event takes 120 us instead of 175 on a fast disk).
CHECKPOINT_EVERY = 200


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
            reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            reader.execute("PRAGMA query_only=ON")
            self._reader = SqliteReading(reader, path)
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(f"the journal {path} cannot be opened: {error}; check the path and the disk") from None
        self._commits = 0

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        found = self._db.execute(sql.SCHEMA_FOUND.sqlite).fetchone()[0]
        known = len(sql.MIGRATIONS)
        if found > known:
            raise JournalFailed(
                f"the journal {self.path} has schema {found}, this program knows {known}: use the version of the "
                "program that wrote it"
            )
        for version in range(found + 1, known + 1):
            done = sql.SCHEMA_DONE.sqlite.format(version=version)
            try:
                self._db.executescript(f"BEGIN IMMEDIATE; {sql.MIGRATIONS[version - 1].sqlite}; {done}; COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

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
                if self._commits % CHECKPOINT_EVERY == 0:
                    self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                return answers
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(f"the journal {self.path} cannot be written: {error}") from None

    def _transaction(self, appends: Sequence[Append]) -> list[Stopped | None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answers = self._together(appends)
            if answers is None:
                answers = [self._append(each) for each in appends]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return answers

    def _together(self, appends: Sequence[Append]) -> list[Stopped | None] | None:
        """All rows in one go, as nearly every batch can be written; ``None``, with nothing written, for one in which an
        append may have to be refused."""
        plain = whole(appends)
        if plain is None:
            return None
        rows, rests_on = plain
        if any(self._db.execute(sql.LAST_VERSION, (stream,)).fetchone()[0] != version for stream, version in rests_on):
            return None
        held = {hold.scope for hold in _holds(self._db, None)}
        if held and any(not held.isdisjoint(each.scopes) for each in appends):
            return None
        try:
            full = len(rows) // sql.MANY * sql.MANY
            for start in range(0, full, sql.MANY):
                self._db.execute(sql.INSERT_MANY_EVENTS, list(chain.from_iterable(rows[start : start + sql.MANY])))
            self._db.executemany(sql.INSERT_EVENT, rows[full:])
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            return None
        return [None] * len(appends)

    def _append(self, append: Append) -> Stopped | None:
        held = self._held(append.scopes)
        if held is not None:
            return held
        for stream, version in append.expects.items():
            if self._db.execute(sql.LAST_VERSION, (stream,)).fetchone()[0] != version:
                return outdated(stream)
        try:
            used = counted(_used(self._db, [each.counter for each in append.reserve]), append.reserve)
        except CapReached as full:
            return full
        self._db.execute("SAVEPOINT one")
        try:
            self._db.executemany(sql.INSERT_EVENT, append.rows)
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK TO one")
            self._db.execute("RELEASE one")
            first = append.rows[0]
            return TakenOver(f"another process has written version {first.version} of {first.stream}")
        for counter, amount in used.items():
            self._db.execute(
                *((sql.PUT_COUNTER, (counter, f"{amount:f}")) if amount else (sql.DROP_COUNTER, (counter,)))
            )
        for scope, hold in append.holds.items():
            self._db.execute(sql.DROP_HOLD, (scope,))
            if hold is not None:
                values = (hold.scope, hold.action.value, int(hold.cancel), hold.who, hold.why, hold.at)
                self._db.execute(sql.PUT_HOLD, values)
        self._db.execute("RELEASE one")
        return None

    def _held(self, scopes: Sequence[str]) -> Held | None:
        if not scopes:
            return None
        found = _holds(self._db, scopes)
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
        return self._reader.read(stream, after)

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        """The holds in force on any of ``scopes``, or all of them; kills first."""
        return self._reader.holds(scopes)

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]:
        """What stands at these counters of caps; those at zero are left out."""
        return self._reader.used(counters)

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""
        return self._reader.streams(prefix)

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        """The first or the last line of each of ``streams``."""
        return self._reader.edges(streams, last=last)

    def settled(self) -> int:
        """The last place."""
        return self._reader.settled()

    def wait_for_appends(self) -> None:
        """Nothing to wait for: an append looks at what it rests on while no other can be under way."""

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What is in the places after ``after``: lines of these kinds."""
        return self._reader.tail(after, empty, kinds)

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds after the version that is known of each stream."""
        return self._reader.news(known, kinds)


class SqliteReading:
    """Looks at a journal file over a connection of its own."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        """The lines of ``stream`` after version ``after``, in order."""
        with self._reading():
            yield from (line for (line,) in self._db.execute(sql.LINES.sqlite, (stream, after)))

    def of_kind(self, kind: str) -> Iterator[str]:
        """The lines of all events of this kind, in the order in which they were written."""
        with self._reading():
            yield from (line for (line,) in self._db.execute(sql.LINES_OF_KIND.sqlite, (kind,)))

    def of_people(self, kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds in the streams that people write, in the order in which they were written."""
        with self._reading():
            yield from (line for (line,) in self._db.execute(sql.LINES_OF_PEOPLE.sqlite, (json.dumps(kinds),)))

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""
        with self._reading():
            return [stream for (stream,) in self._db.execute(sql.STREAMS.sqlite, (prefix,))]

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        """The first or the last line of each of ``streams``."""
        statement = sql.LAST_LINES if last else sql.FIRST_LINES
        with self._reading():
            yield from (line for (line,) in self._db.execute(statement.sqlite, (json.dumps(streams),)))

    def settled(self) -> int:
        """The last place."""
        with self._reading():
            ((last,),) = self._db.execute(sql.SETTLED.sqlite).fetchall()
            return int(last)

    def tail(self, after: int, _empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What is in the places after ``after``: lines of these kinds. There are no empty places."""
        with self._reading():
            yield from self._db.execute(sql.TAIL.sqlite, (json.dumps(kinds), after))

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds after the version that is known of each stream."""
        wanted = json.dumps(kinds)
        with self._reading():
            for asked in known.items():
                yield from (line for (line,) in self._db.execute(sql.NEWS.sqlite, (*asked, wanted)))

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        """The holds in force on any of ``scopes``, or all of them; kills first."""
        with self._reading():
            return _holds(self._db, scopes)

    def used(self, counters: Sequence[str] | None = None) -> dict[str, Decimal]:
        """What stands at these counters of caps, or at all; those at zero are left out."""
        with self._reading():
            return _used(self._db, counters)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise JournalFailed(f"the journal {self._path} cannot be read: {error}") from None
        except sqlite3.Error as error:
            raise RecordBroken(f"the journal {self._path} is damaged: {error}") from None


def _holds(db: sqlite3.Connection, scopes: Sequence[str] | None) -> list[Hold]:
    if scopes is None:
        found = db.execute(sql.HOLDS.sqlite).fetchall()
    else:
        marks = ", ".join("?" * len(scopes))
        found = db.execute(sql.HOLDS_ON.sqlite.format(marks=marks), tuple(scopes)).fetchall()
    return [
        Hold(scope, HoldAction(action), bool(cancel), who, why, at) for scope, action, cancel, who, why, at in found
    ]


def _used(db: sqlite3.Connection, counters: Sequence[str] | None) -> dict[str, Decimal]:
    if counters is None:
        found = db.execute(sql.COUNTERS.sqlite).fetchall()
    elif not counters:
        return {}
    else:
        marks = ", ".join("?" * len(counters))
        found = db.execute(sql.COUNTERS_NAMED.sqlite.format(marks=marks), tuple(counters)).fetchall()
    return {counter: Decimal(used) for counter, used in found}


def open_file(path: Path) -> SqliteReading:
    """A read-only look at a file, for commands that only look. Raises ``InputRefused`` if there is no journal."""
    if not path.is_file():
        raise InputRefused(f"there is no journal at {path}: name it with --journal, or run a mandate first")
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    return SqliteReading(db, path)
