"""Who is alive and who runs what, in the journal's own database. Synchronous; use from one thread at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from adapters.clock import SystemClock
from executor.errors import InputRefused, JournalFailed
from executor.journal import sql as journal_sql
from executor.journal.postgres_link import Link
from executor.workers import sql

SERVES = len(journal_sql.MIGRATIONS)
"""The newest schema of the journal that this program can work on: what a worker's version is."""


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker as its row says. ``silent_ms``: since its last heartbeat, by the database's clock. ``lag_ms``: how late
    its event loop was at that heartbeat."""

    name: str
    place: str
    state: str
    program: str
    serves: int
    silent_ms: int
    lag_ms: int
    parents: list[str]


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """A parent order that nobody runs. ``said``: why, as its last worker put it."""

    parent: str
    place: str
    state: str
    said: str
    needs: int


class Roster:
    """Asks the tables of the workers. ``patience``: how long a lost database is waited for before ``JournalFailed``."""

    def __init__(self, url: str, *, patience: timedelta) -> None:
        # A statement that lasts longer than this would make a heartbeat worthless.
        session = journal_sql.SESSION + "SET statement_timeout = '5s'"
        self._link = Link(url, session, patience, SystemClock())

    def prepare(self) -> None:
        """Make the tables if they are not there. The journal itself must be."""
        db = self._link.db
        try:
            with db.transaction():
                db.execute(sql.TABLES_LOCK)
                for statement in sql.TABLES:
                    db.execute(statement.encode())
        except psycopg.Error as error:
            raise JournalFailed(f"the tables of the workers cannot be made in {self._link}: {error}") from None

    def require(self) -> None:
        """Raise ``InputRefused`` unless there are tables of workers here."""
        ((there,),) = self._link.ask("SELECT to_regclass('workers') IS NOT NULL")
        if not there:
            raise InputRefused(f"no worker was ever started on {self._link}; `executor worker --help` says how")

    # --- a worker's life ----------------------------------------------------------------------------------------

    def join(self, stem: str, place: str, program: str, signer: str, serves: int = SERVES) -> str:
        """Be alive from now on; the name, never used before. Raises ``InputRefused`` if the others sign the record
        with another key: a record has one."""
        others = self._link.ask(sql.OTHER_SIGNERS, (signer,))
        if others:
            raise InputRefused(
                f"worker {others[0][0]} signs the record with the key {others[0][1]}, this one would with {signer}: "
                "put the same key file on every machine and name it with EXECUTOR_RECORD_KEY"
            )
        values = {"stem": stem, "place": place, "serves": serves, "program": program, "signer": signer}
        ((name,),) = self._link.ask(sql.JOIN, values)
        return str(name)

    def beat(self, name: str, lag_ms: int) -> tuple[str, datetime] | None:
        """Say that ``name`` is alive: its state and the database's time. ``None``: it has been declared dead."""
        found = self._link.ask(sql.BEAT, {"name": name, "lag_ms": lag_ms})
        return (found[0][0], found[0][1]) if found else None

    def drain(self, name: str) -> list[str]:
        """Ask a worker to hand over; empty if there is none of that name that is up."""
        return _column(self._link.ask(sql.DRAIN, (name,)))

    def leave(self, name: str) -> None:
        """Be gone in good order."""
        self._link.ask(sql.LEAVE, {"name": name})

    # --- for the dead -------------------------------------------------------------------------------------------

    def judge(self, term: timedelta) -> tuple[list[str], list[str]]:
        """Declare dead who has been silent for ``term``, and free every parent order whose worker is gone."""
        dead = _column(self._link.ask(sql.JUDGE, (term,)))
        return dead, _column(self._link.ask(sql.FREE))

    def rebuild(self) -> list[str]:
        """Make a row for everything that was submitted and has none."""
        return _column(self._link.ask(sql.REBUILD))

    # --- work ---------------------------------------------------------------------------------------------------

    def claim(self, name: str, place: str, serves: int = SERVES, unable: Sequence[str] = ()) -> list[str]:
        """Take what is free but for ``unable``, up to this worker's share; everything that is its own afterwards. An
        answer that was lost on the way is made good by the next call."""
        self._link.ask(sql.CLAIM, {"name": name, "place": place, "serves": serves, "unable": list(unable)})
        return self.mine(name)

    def mine(self, name: str) -> list[str]:
        """The open parent orders that ``name`` runs."""
        return _column(self._link.ask(sql.MINE, (name,)))

    def give_back(self, name: str, parent: str, *, state: str, said: str, after: timedelta) -> bool:
        """End this worker's hold on ``parent``: ``done``, ``refused``, or ``open`` again ``after`` a while. False if it
        was not its own any more."""
        values = {"name": name, "parent": parent, "state": state, "said": said, "after": after}
        return bool(self._link.ask(sql.GIVE_BACK, values))

    def submit(self, parent: str, place: str, needs: int = SERVES) -> str:
        """Make a submitted parent order known to the workers; its state."""
        ((state,),) = self._link.ask(sql.SUBMIT, {"parent": parent, "place": place, "needs": needs})
        return str(state)

    # --- looking ------------------------------------------------------------------------------------------------

    def workers(self, *, every: bool = False) -> list[WorkerSeen]:
        """The living workers, or with ``every`` the dead and gone too, in the order in which they joined."""
        return [WorkerSeen(*row) for row in self._link.ask(sql.WORKERS, (every,))]

    def waiting(self) -> list[WaitingWork]:
        """What nobody runs and is not done."""
        return [WaitingWork(*row) for row in self._link.ask(sql.WAITING)]

    def take_turns(self, account: str, kind: str, every: timedelta, count: int) -> tuple[timedelta, timedelta]:
        """``count`` turns in a row, one every ``every``: how long from now the first of them is, and for how long the
        account must still be left alone."""
        values = {"key": f"{account}/{kind}", "every": every, "count": count, "pause": _pause(account)}
        ((wait, pause),) = self._link.ask(sql.TAKE_TURNS, values)
        return wait, pause

    def pause(self, account: str, least: timedelta) -> None:
        """Nobody may use the account for ``least``."""
        self._link.ask(sql.PAUSE, (_pause(account), least))

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


def _pause(account: str) -> str:
    return f"{account}/pause"


def _column(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    return [row[0] for row in rows]
