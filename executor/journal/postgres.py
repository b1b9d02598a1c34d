"""The journal on PostgreSQL: many machines, one record.

Everything that waits is written by one statement outside any transaction of the client's, so a process that freezes
holds no lock, and a batch is there whole or not at all. The statements and the two tables are in
``executor.journal.sql``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from adapters.clock import Clock, SystemClock
from executor.domain.control import Hold, HoldAction
from executor.domain.reservation import Reservation
from executor.errors import Collided, Held, InputRefused, JournalFailed, Stopped, TakenOver
from executor.journal import sql
from executor.journal.postgres_link import Link
from executor.journal.store import Append, Row, cap_reached, outdated, whole

PATIENCE = timedelta(seconds=60)
_PAGE = 2_000  # lines


class PostgresStore:
    """Synchronous access to one journal database. Writes are from one thread at a time, readings from another."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._link = Link(url, sql.SESSION + sql.WRITER_SESSION, patience, clock)
        try:
            self._prepare()
            ((self._writer,),) = self._link.ask(sql.NEW_WRITER)
            self._reading = PostgresReading(url, patience=patience, clock=clock)
        except BaseException:
            self._link.close()
            raise
        self._batches = count(1)
        self._counters: set[str] = set()  # those that are known to be there

    def _prepare(self) -> None:
        db, known = self._link.db, len(sql.MIGRATIONS)
        try:
            ((fsync,),) = db.execute(sql.FSYNC).fetchall()
            if fsync != "on":
                raise JournalFailed(
                    f"the database {self._link} runs with fsync={fsync}: nothing in it would be durable"
                )
            if _schema(db) < known:
                with db.transaction():
                    db.execute(sql.MIGRATION_LOCK)
                    db.execute(sql.SCHEMA_TABLE)
                    for version in range(_schema(db) + 1, known + 1):
                        db.execute(sql.MIGRATIONS[version - 1].postgres.encode())
                        db.execute(sql.SCHEMA_DONE.postgres.encode(), (version,))
            _refuse_newer(_schema(db), self._link)
        except psycopg.Error as error:
            raise JournalFailed(f"the journal at {self._link} cannot be prepared: {error}") from None

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        """Write every append that fits its stream, each whole or not at all; the answer says for each whether a hold
        refused it or another writer was first. Returns when it is durable. A lost connection is waited out; raises
        ``JournalFailed`` when patience ends, and then what was written is not known."""
        batch = next(self._batches)
        if appends and self._whole(appends, batch):
            return [None] * len(appends)
        answers: list[Stopped | None] = []
        for together in _statements(appends):
            # The first under the same number: had they been written whole and the answer lost, they are its own there.
            answers += self._write(together, batch)
            batch = next(self._batches)
        return answers

    def _whole(self, appends: Sequence[Append], batch: int) -> bool:
        """Write them all at once, as nearly every batch can be. False: not written now."""
        plain = whole(appends)
        if plain is None or not plain[0]:
            return False
        rows, rests_on = plain
        parameters = dict(zip(Row._fields, map(list, zip(*rows, strict=True)), strict=True)) | {
            "scope": list({scope for each in appends for scope in each.scopes}),
            "rests_on": [stream for stream, _ in rests_on],
            "ends": [version for _, version in rests_on],
            "writer": self._writer,
            "batch": batch,
        }
        try:
            ((written,),) = self._link.ask(sql.COMMIT_WHOLE, parameters, collisions=0)
        except Collided:
            return False
        return bool(written)

    def _write(self, appends: Sequence[Append], batch: int) -> list[Stopped | None]:
        parameters = _parameters(appends) | {"writer": self._writer, "batch": batch}
        counted = {each.counter for append in appends for each in append.reserve}
        if counted - self._counters:
            self._link.ask(sql.NEW_COUNTERS, (sorted(counted - self._counters),))
            self._counters |= counted
        changed = {scope: hold for append in appends for scope, hold in append.holds.items()}
        assert not (changed and counted), "an append changes holds or counters, never both"
        if changed:
            put = {scope: _value(hold) for scope, hold in changed.items() if hold is not None}
            parameters |= {"changed": list(changed), "put": Jsonb(put)}
        answers: list[Stopped | None] = [None] * len(appends)
        statement = sql.COMMIT_HOLDS if changed else sql.COMMIT_COUNTED if counted else sql.COMMIT
        for part, why, what, stand in self._link.ask(statement, parameters):
            if why == "full" and len(appends) > 1:
                (answers[part],) = self._write([appends[part]], next(self._batches))
            else:
                answers[part] = _refusal(appends[part], why, what, stand)
        return answers

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        """The lines of ``stream`` after version ``after``, in order."""
        return self._reading.read(stream, after)

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        """The holds in force on any of ``scopes``, or all of them; kills first."""
        return self._reading.holds(scopes)

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]:
        """What stands at these counters of caps; those at zero are left out."""
        return self._reading.used(counters)

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""
        return self._reading.streams(prefix)

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        """The first or the last line of each of ``streams``."""
        return self._reading.edges(streams, last=last)

    def settled(self) -> int:
        """A place up to which nothing can appear any more."""
        return self._reading.settled()

    def wait_for_appends(self) -> None:
        """Return when every append that was under way has ended."""
        self._reading.wait_for_appends()

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What is in the places after ``after`` and in those that were empty: lines of these kinds."""
        return self._reading.tail(after, empty, kinds)

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds after the version that is known of each stream."""
        return self._reading.news(known, kinds)

    def close(self) -> None:
        """Close both connections."""
        self._reading.close()
        self._link.close()


class PostgresReading:
    """Looks at a journal database over a connection of its own."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE, clock: Clock | None = None) -> None:
        self._link = Link(url, sql.SESSION + "SET default_transaction_read_only = on", patience, clock or SystemClock())

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        """The lines of ``stream`` after version ``after``, in order."""
        return self._pages(sql.LINES.postgres, stream, after)

    def of_kind(self, kind: str) -> Iterator[str]:
        """The lines of all events of this kind, in the order in which they were written."""
        return self._pages(sql.LINES_OF_KIND.postgres, kind, 0)

    def of_people(self, kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds in the streams that people write, in the order in which they were written."""
        return (line for (line,) in self._link.ask(sql.LINES_OF_PEOPLE.postgres, (list(kinds),)))

    def _pages(self, statement: str, key: str, after: int) -> Iterator[str]:
        while True:
            page = self._link.ask(statement, (key, after, _PAGE))
            yield from (line for _, line in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def streams(self, prefix: str) -> list[str]:
        """The names of all streams that begin with ``prefix``, in order of first appearance."""
        return [stream for (stream,) in self._link.ask(sql.STREAMS.postgres, {"prefix": prefix})]

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        """The first or the last line of each of ``streams``."""
        statement = sql.LAST_LINES if last else sql.FIRST_LINES
        return (line for (line,) in self._link.ask(statement.postgres, (list(streams),)))

    def settled(self) -> int:
        """A place up to which nothing can appear any more."""
        ((last,),) = self._link.ask(sql.SETTLED.postgres)
        return int(last)

    def wait_for_appends(self) -> None:
        """Return when every append that was under way has ended."""
        self._link.ask(sql.WAIT_FOR_APPENDS)

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What is in the places after ``after`` and in those that were empty: lines of these kinds."""
        yield from self._link.ask(sql.TAIL.postgres, (list(kinds), after, list(empty)))

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        """The lines of these kinds after the version that is known of each stream, in pages of each."""
        asked = dict(known)
        while asked:
            page = self._link.ask(sql.NEWS.postgres, (list(asked), list(asked.values()), list(kinds), _PAGE))
            yield from (line for _, _, line in page)
            came = Counter(stream for stream, _, _ in page)
            last = {stream: version for stream, version, _ in page}
            asked = {stream: last[stream] for stream, lines in came.items() if lines == _PAGE}

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        """The holds in force on any of ``scopes``, or all of them; kills first."""
        if scopes is None:
            found = self._link.ask(sql.HOLDS.postgres)
        else:
            found = self._link.ask(sql.HOLDS_ON.postgres, (list(scopes),))
        return [_hold(*each) for each in found]

    def used(self, counters: Sequence[str] | None = None) -> dict[str, Decimal]:
        """What stands at these counters of caps, or at all; those at zero are left out."""
        if counters is None:
            return dict(self._link.ask(sql.COUNTERS.postgres))
        return dict(self._link.ask(sql.COUNTERS_NAMED.postgres, (list(counters),)))

    def refuse_what_is_none(self) -> None:
        """Raise ``InputRefused`` unless there is a journal in this database, and ``JournalFailed`` if it is newer."""
        found = _schema(self._link.db)
        if not found:
            raise InputRefused(f"there is no journal in {self._link}: name it with --journal, or run a mandate first")
        _refuse_newer(found, self._link)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


def open_database(url: str) -> PostgresReading:
    """A read-only look at a database, for commands that only look. Raises ``InputRefused`` if there is no journal."""
    reading = PostgresReading(url)
    try:
        reading.refuse_what_is_none()
    except BaseException:
        reading.close()
        raise
    return reading


def _schema(db: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The number of the last migration, 0 before the first."""
    ((there,),) = db.execute(sql.SCHEMA_TABLE_FOUND).fetchall()
    if not there:
        return 0
    ((found,),) = db.execute(sql.SCHEMA_FOUND.postgres.encode()).fetchall()
    return int(found)


def _refuse_newer(found: int, where: Link) -> None:
    if found > len(sql.MIGRATIONS):
        raise JournalFailed(
            f"the journal {where} has schema {found}, this program knows {len(sql.MIGRATIONS)}: use the version of the "
            "program that wrote it"
        )


def _statements(appends: Sequence[Append]) -> Iterator[list[Append]]:
    """The appends in order, cut where one statement would not do what one after the other does: a change of holds
    goes alone, since it concerns those after it; one version is not asked for twice, nor written beside what rests on
    its not being there."""
    together: list[Append] = []
    asked: set[tuple[str, int]] = set()
    for append in appends:
        keys = {(row.stream, row.version) for row in append.rows}
        rests_on = {(stream, version + 1) for stream, version in append.expects.items()}
        if together and (append.holds or together[-1].holds or asked & (keys | rests_on)):
            yield together
            together, asked = [], set()
        together.append(append)
        asked |= keys
    if together:
        yield together


def _parameters(appends: Sequence[Append]) -> dict[str, Any]:
    rows: list[tuple[int, Row]] = [(part, row) for part, append in enumerate(appends) for row in append.rows]
    scopes = [(part, scope) for part, append in enumerate(appends) for scope in append.scopes]
    rests = [(part, *each) for part, append in enumerate(appends) for each in append.expects.items()]
    counts = [(part, each) for part, append in enumerate(appends) for each in append.reserve]
    return {
        "resting": [part for part, _, _ in rests],
        "rests_on": [stream for _, stream, _ in rests],
        "ends": [version for _, _, version in rests],
        "counting": [part for part, _ in counts],
        "counter": [each.counter for _, each in counts],
        "amount": [each.amount for _, each in counts],
        "most": [each.most for _, each in counts],
        "part": [part for part, _ in rows],
        "stream": [row.stream for _, row in rows],
        "version": [row.version for _, row in rows],
        "case_id": [row.case_id for _, row in rows],
        "kind": [row.kind for _, row in rows],
        "at": [row.at for _, row in rows],
        "line": [row.line for _, row in rows],
        "scoped": [part for part, _ in scopes],
        "scope": [scope for _, scope in scopes],
    }


def _refusal(append: Append, why: str, what: str, stand: Any) -> Stopped:
    if why == "held":
        return Held(str(_hold(what, **stand)))
    if why == "old":
        return outdated(what)
    if why == "full":
        used, amount, most = map(Decimal, stand)
        return cap_reached(Reservation(what, amount, most), used)
    first = append.rows[0]
    return TakenOver(f"another process has written version {first.version} of {first.stream}")


def _value(hold: Hold) -> dict[str, Any]:
    return {"action": hold.action.value, "cancel": hold.cancel, "who": hold.who, "why": hold.why, "at": hold.at}


def _hold(scope: str, action: str, cancel: bool, who: str, why: str, at: str) -> Hold:
    return Hold(scope, HoldAction(action), cancel, who, why, at)
