"""The leaves on PostgreSQL. Here many append at once and a lower ``seq`` may be committed after a higher one.

So a turn begins by waiting, for an instant, until nothing is being appended: taking the table in SHARE mode and
letting it go again. What is committed then is all that there will ever be up to the highest ``seq`` seen: the horizon.
Leaves are given out up to it, under an advisory lock, while appends go on. (Explicit locking: PostgreSQL manual,
section 13.3; a SHARE lock conflicts with the ROW EXCLUSIVE lock that an INSERT takes before it draws its ``seq``.)

A process that freezes must stop nobody's appends: the table is locked, looked at and let go in one message, which the
server does without its client. The advisory lock is held while leaves are made and signed, and only recorders wait for
it: the server ends the transaction of one that has frozen after ``_IDLE``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from executor.errors import JournalFailed, RecordBroken
from executor.journal import sql
from executor.journal.leaves import TABLES, Run, Turn
from executor.journal.postgres_link import connection

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('executor journal leaves'))"
# Several statements in one message are one transaction (manual, section 55.2.2.1).
_HORIZON = "LOCK TABLE events IN SHARE MODE; SELECT COALESCE(MAX(seq), 0) FROM events"
# Longer than the journal's own: a tree of a million leaves is hashed in 2 to 4 s. Shorter than a statement may wait.
_IDLE = "SET idle_in_transaction_session_timeout = '20s'"
_SESSION = sql.SESSION + _IDLE
_ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"  # it locks nobody out, and may take as long as it does
_THERE = """
    SELECT count(*) FROM unnest(ARRAY['leaves', 'checkpoints', 'timestamps']) AS wanted (name)
    WHERE to_regclass(wanted.name) IS NOT NULL
"""
Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresLeaves:
    """The leaves in the journal's own database, over a connection of its own, made again if it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._db = _connected(url, _SESSION)
        with _said(), self._db.transaction():
            self._db.execute(_LOCK)
            for table in TABLES:
                self._db.execute(table.format(integer="BIGINT", bytes="BYTEA").encode())

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """One transaction under the lock; undone whole if anything in it fails."""
        if self._db.closed or self._db.broken:
            self._db = _connected(self._url, _SESSION)
        with _said():
            looked = self._db.execute(_HORIZON)
            looked.nextset()
            ((horizon,),) = looked.fetchall()
            with self._db.transaction():
                self._db.execute(_LOCK)
                yield Turn(_run(self._db), horizon)

    def close(self) -> None:
        """Let go of the connection."""
        self._db.close()


@contextmanager
def looking(url: str) -> Iterator[Run]:
    """The journal as it stands at one moment, for reading. Raises ``RecordBroken`` if nothing of it was ever signed."""
    db = _connected(url, _ONE_MOMENT)
    try:
        with _said():
            if db.execute(_THERE).fetchall() != [(3,)]:
                raise RecordBroken("the journal has no leaves and no checkpoints; `executor checkpoint` makes them")
            yield _run(db)
    finally:
        db.close()


def _connected(url: str, session: str) -> Connection:
    with _said():
        return connection(url, session)


def _run(db: Connection) -> Run:
    def run(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        cursor = db.execute(statement.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    return run


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise JournalFailed(f"the journal's database: {error}") from None
