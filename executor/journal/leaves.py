"""The leaves and checkpoints of the record in its database, beside the events and never in their way.

The statements are the same on every database; they are written with ``?`` and a database that wants another mark is
given a ``Run`` that puts it in. What differs between databases is how a turn is taken: see :class:`Leaves`.
"""

import base64
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from executor.errors import InputRefused, JournalFailed, RecordBroken
from executor.journal.note import Note
from executor.journal.tree import leaf_hash

_NO_HORIZON = 2**63 - 1
Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

TABLES = (
    """CREATE TABLE IF NOT EXISTS leaves (
    tree      TEXT NOT NULL,
    idx       {integer} NOT NULL,
    seq       {integer} NOT NULL UNIQUE,
    leaf_hash {bytes} NOT NULL,
    PRIMARY KEY (tree, idx)
)""",
    """CREATE TABLE IF NOT EXISTS checkpoints (
    tree TEXT NOT NULL,
    size {integer} NOT NULL,
    at   TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (tree, size)
)""",
    """CREATE TABLE IF NOT EXISTS timestamps (
    tree  TEXT NOT NULL,
    size  {integer} NOT NULL,
    token TEXT NOT NULL
)""",
)


class Turn:
    """What can be done while no other process gives out leaves: one transaction."""

    def __init__(self, run: Run, horizon: int = _NO_HORIZON) -> None:
        self._run = run
        self._horizon = horizon  # up to here no event can appear any more

    def sequence(self, limit: int) -> list[tuple[str, int, bytes]]:
        """Give the next committed events their places, in the order of ``seq``; the leaves that were added: tree, index
        and hash. Nothing is left out: an event that is passed by here is found the next time."""
        fresh = self._run(
            "SELECT e.seq, e.case_id, e.line FROM events e LEFT JOIN leaves l ON l.seq = e.seq "
            "WHERE e.seq > ? AND e.seq <= ? AND l.seq IS NULL ORDER BY e.seq LIMIT ?",
            (self._settled(), self._horizon, limit),
        )
        sizes: dict[str, int] = {}
        added = []
        for seq, tree, line in fresh:
            index = sizes[tree] if tree in sizes else self.size(tree)
            leaf = leaf_hash(line.encode())
            self._run("INSERT INTO leaves (tree, idx, seq, leaf_hash) VALUES (?, ?, ?, ?)", (tree, index, seq, leaf))
            sizes[tree] = index + 1
            added.append((tree, index, leaf))
        return added

    def _settled(self) -> int:
        """The last event that has a leaf. No event appears below it later: on SQLite commits happen one after the other
        in the order of ``seq``, elsewhere nothing above the horizon is given a leaf."""
        ((last,),) = self._run("SELECT COALESCE(MAX(seq), 0) FROM leaves", ())
        return int(last)

    def trees(self) -> list[str]:
        """Every tree that has leaves."""
        return [tree for (tree,) in self._run("SELECT DISTINCT tree FROM leaves ORDER BY tree", ())]

    def size(self, tree: str) -> int:
        """How many leaves a tree has."""
        ((size,),) = self._run("SELECT COALESCE(MAX(idx) + 1, 0) FROM leaves WHERE tree = ?", (tree,))
        return int(size)

    def hashes(self, tree: str, after: int) -> list[bytes]:
        """The leaf hashes of a tree from index ``after`` on. Raises ``RecordBroken`` at a hole."""
        found = self._run("SELECT idx, leaf_hash FROM leaves WHERE tree = ? AND idx >= ? ORDER BY idx", (tree, after))
        for place, (index, _) in enumerate(found, start=after):
            if index != place:
                raise RecordBroken(f"{tree or 'institution'}: leaf {place} is missing")
        return [bytes(leaf) for _, leaf in found]

    def last(self, tree: str) -> Note | None:
        """The latest checkpoint of a tree."""
        found = self._run("SELECT note FROM checkpoints WHERE tree = ? ORDER BY size DESC LIMIT 1", (tree,))
        return Note.parse(found[0][0]) if found else None

    def notes(self, tree: str) -> list[Note]:
        """All checkpoints of a tree."""
        found = self._run("SELECT note FROM checkpoints WHERE tree = ? ORDER BY size", (tree,))
        return [Note.parse(note) for (note,) in found]

    def keep(self, tree: str, size: int, at: str, note: Note) -> None:
        """Add a checkpoint."""
        self._run("INSERT INTO checkpoints (tree, size, at, note) VALUES (?, ?, ?, ?)", (tree, size, at, str(note)))

    def replace(self, tree: str, size: int, note: Note) -> None:
        """The same checkpoint with more signatures."""
        self._run("UPDATE checkpoints SET note = ? WHERE tree = ? AND size = ?", (str(note), tree, size))

    def stamp(self, tree: str, size: int, token: bytes) -> None:
        """Keep an RFC 3161 answer for the checkpoint of ``size``."""
        spelled = base64.b64encode(token).decode()
        self._run("INSERT INTO timestamps (tree, size, token) VALUES (?, ?, ?)", (tree, size, spelled))

    def stamps(self, tree: str) -> list[tuple[int, bytes]]:
        """The RFC 3161 answers of a tree, with the sizes of their checkpoints."""
        found = self._run("SELECT size, token FROM timestamps WHERE tree = ? ORDER BY size, token", (tree,))
        return [(size, base64.b64decode(token)) for size, token in found]

    def lines(self, tree: str, size: int) -> Iterator[str]:
        """The events of a tree as they stand, by index, up to ``size``."""
        found = self._run(
            "SELECT e.line FROM leaves l JOIN events e ON e.seq = l.seq WHERE l.tree = ? AND l.idx < ? ORDER BY l.idx",
            (tree, size),
        )
        return (line for (line,) in found)


class Leaves(Protocol):
    """A database that holds leaves. A turn is one durable transaction that no other turn overlaps."""

    def turn(self) -> AbstractContextManager[Turn]: ...

    def close(self) -> None: ...


class SqliteLeaves:
    """The leaves in the journal's own file, over a connection of its own. A turn holds the same lock on the file beside
    the journal that every commit holds, for as long as it takes to write one batch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._lock_file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute("PRAGMA wal_autocheckpoint=0")
                for table in TABLES:
                    self._db.execute(table.format(integer="INTEGER", bytes="BLOB") + " STRICT")
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(f"the journal {path} cannot be opened: {error}; check the path and the disk") from None

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """One transaction under the lock; undone whole if anything in it fails."""
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield Turn(lambda sql, values: self._db.execute(sql, values).fetchall())
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(f"the journal {self.path} cannot be written: {error}") from None

    def close(self) -> None:
        """Let go of the file."""
        # The last connection to close folds the log into the file; that too is a write, so it is done under the lock.
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        self._db.close()
        os.close(self._lock_file)


@contextmanager
def _looking_file(path: Path) -> Iterator[Run]:
    """The journal file as it stands at one moment, for reading. Raises ``InputRefused`` if there is none."""
    if not path.is_file():
        raise InputRefused(f"there is no journal at {path}: name it with --journal, or run a mandate first")
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
    try:
        db.execute("BEGIN")
        found = db.execute("SELECT COUNT(*) FROM sqlite_master WHERE name IN ('leaves', 'checkpoints', 'timestamps')")
        if found.fetchone() != (3,):
            raise RecordBroken(f"the journal {path} has no leaves and no checkpoints; `executor checkpoint` makes them")
        yield lambda sql, values: db.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        raise JournalFailed(f"the journal {path} cannot be read: {error}") from None
    except sqlite3.Error as error:
        raise RecordBroken(f"the journal {path} is damaged: {error}") from None
    finally:
        db.close()


def open_leaves(place: Path | str) -> Leaves:
    """The leaves of the journal at ``place``, for writing."""
    if isinstance(place, Path):
        return SqliteLeaves(place)
    found: Leaves = _postgres().PostgresLeaves(place)
    return found


def looking(place: Path | str) -> AbstractContextManager[Run]:
    """The journal as it stands at one moment, for reading. Raises ``InputRefused`` if there is none."""
    if isinstance(place, Path):
        return _looking_file(place)
    found: AbstractContextManager[Run] = _postgres().looking(place)
    return found


def _postgres() -> ModuleType:
    try:
        from executor.journal import postgres_leaves
    except ImportError as missing:
        raise InputRefused(f"a journal on PostgreSQL needs the extra 'postgres': {missing}") from None
    return postgres_leaves
