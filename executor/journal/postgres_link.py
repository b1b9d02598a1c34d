"""One connection to PostgreSQL that is made again when it is lost.

A lost connection is not an answer. Whatever was asked is asked again until the database says yes or no, for as long as
patience lasts, so only what may be repeated may be asked. Before it is repeated the server process of the lost
connection is made to end: what it was doing is then done or not done, and cannot happen later.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from adapters.clock import Clock
from executor.errors import Collided, JournalFailed
from executor.journal import sql

# A dead peer is found in seconds, not in the two hours that are the system's default. A URL may say otherwise.
_DEFAULTS: Mapping[str, Any] = {
    "application_name": "executor",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_PAUSE = timedelta(milliseconds=100)
# These mean that the same statement, sent again, can have another answer.
_COLLIDED = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
_COLLISIONS = 1_000
# And these that the database is not there, not now, or not the one that may be written.
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
_NO = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory)

Answer = Sequence[tuple[Any, ...]]


class Link:
    """Asks one database. Use from one thread at a time. ``session`` is said at the start of every connection."""

    def __init__(self, url: str, session: str, patience: timedelta, clock: Clock) -> None:
        self._parts = _parts(url)
        self._session = session
        self._patience = patience
        self._clock = clock
        self._db: psycopg.Connection[tuple[Any, ...]] | None = None
        self._away_since: datetime | None = None
        self._lost: tuple[int, datetime] | None = None
        self._mine: tuple[int, datetime] | None = None
        try:
            self._connect()
        except psycopg.Error as error:
            raise JournalFailed(f"the journal at {self} cannot be opened: {_said(error)}") from None

    def __str__(self) -> str:
        """Where it is, without the password."""
        parts = self._parts
        user = f"{parts['user']}@" if "user" in parts else ""
        port = f":{parts['port']}" if "port" in parts else ""
        return f"postgresql://{user}{parts.get('host', '')}{port}/{parts.get('dbname', '')}"

    @property
    def db(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The connection itself, for what is done once at the start and not repeated."""
        assert self._db is not None
        return self._db

    def ask(
        self,
        statement: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        collisions: int = _COLLISIONS,
    ) -> Answer:
        """The rows of ``statement``. Raises ``JournalFailed`` when the database refuses it or patience ends; when it
        has ended, each later question is asked once, until there is an answer again. Raises ``Collided`` when it has
        met others once more often than ``collisions``."""
        while True:
            try:
                return self._ask(statement, parameters)
            except _COLLIDED as error:
                collisions -= 1
                if collisions < 0:
                    raise Collided(f"the journal at {self} is being fought over: {_said(error)}") from None
            except _NO as error:
                raise JournalFailed(f"the journal at {self} refuses: {_said(error)}") from None
            except _LOST as error:
                self._drop()
                self._away_since = self._away_since or self._clock.now()
                if self._clock.now() >= self._away_since + self._patience:
                    waited = self._patience.total_seconds()
                    silent = f"has not answered for {waited:.0f} s" if waited else "does not answer"
                    raise JournalFailed(
                        f"the journal at {self} {silent}: {_said(error)}; whether the last events were written is not "
                        "known"
                    ) from None
                _wait(_PAUSE)
            except psycopg.Error as error:
                raise JournalFailed(f"the journal at {self} refuses: {_said(error)}") from None

    def _ask(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> Answer:
        if self._db is None:
            self._connect()
        answer = self.db.execute(statement.encode(), parameters).fetchall()
        self._away_since = None
        return answer

    def _connect(self) -> None:
        db = _connected(self._parts, self._session)
        try:
            if self._lost is not None:
                self._end(db, self._lost)
                self._lost = None
            (self._mine,) = db.execute(sql.WHO_AM_I).fetchall()
        except BaseException:
            db.close()
            raise
        self._db = db

    def _end(self, db: psycopg.Connection[tuple[Any, ...]], lost: tuple[int, datetime]) -> None:
        """Make sure that the server process of the lost connection is gone. Raises if it does not go."""
        for _ in range(20):
            ((left,),) = db.execute(sql.END_OF, lost).fetchall()
            if not left:
                return
            _wait(_PAUSE)
        raise psycopg.OperationalError(f"server process {lost[0]} of the lost connection does not end")

    def _drop(self) -> None:
        if self._db is not None:
            self._lost = self._mine
            self._db.close()
            self._db = None

    def close(self) -> None:
        """Close the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None


def connection(url: str, session: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection as ``Link`` makes them, for what is not to be repeated. Raises ``psycopg.Error``."""
    return _connected(_parts(url), session)


def _connected(parts: Mapping[str, Any], session: str) -> psycopg.Connection[tuple[Any, ...]]:
    db = psycopg.connect(**parts, autocommit=True)
    try:
        db.execute(session.encode())
    except BaseException:
        db.close()
        raise
    return db


def _parts(url: str) -> dict[str, Any]:
    """What the URL says, over the defaults. The driver's own words are not repeated: they may quote the password."""
    try:
        found = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    except psycopg.Error:
        found = {"port": "unreadable"}
    if not all(port.isdecimal() for port in str(found.get("port", 0)).split(",")):
        raise JournalFailed(
            "the URL of the journal cannot be read: write postgresql+psycopg://user@host:5432/database and put the "
            "password into a password file (PGPASSFILE)"
        )
    return dict(_DEFAULTS) | found


def _said(error: psycopg.Error) -> str:
    """The first line of what the database or the driver says, without the parameters of a statement."""
    return (error.diag.message_primary or str(error) or type(error).__name__).strip().partition("\n")[0]


def _wait(span: timedelta) -> None:
    threading.Event().wait(span.total_seconds())
