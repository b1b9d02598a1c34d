"""The journal on PostgreSQL when the connection or the server goes away: a lost connection is not an answer."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from executor.domain.reservation import Reservation
from executor.errors import InputRefused, JournalFailed, TakenOver
from executor.journal import postgres_link, sql
from executor.journal.open import open_reading, open_store
from executor.journal.postgres import PostgresReading, PostgresStore
from executor.journal.store import Append
from tests.journal.rows import commit, row, sets, versions
from tests.journal.test_store import hold, together
from tests.postgresql import Server

SECONDS = timedelta(seconds=1)
KILLS, APPENDS = 10, 200  # of the server process of a writer, and what it writes at least meanwhile


class Hasty:
    """A clock on which a second passes each time that it is looked at."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return datetime(2026, 3, 2, tzinfo=UTC) + self.seconds * SECONDS

    async def sleep_until(self, moment: datetime) -> None:
        raise AssertionError(f"nobody sleeps until {moment}")


@pytest.fixture
def url(postgres_server: Server) -> str:
    return postgres_server.url()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    opened = PostgresStore(url)
    yield opened
    opened.close()


def test_what_durability_needs_is_in_force(store: PostgresStore) -> None:
    shown = {
        name: store._link.ask(f"SHOW {name}")[0][0]
        for name in ("synchronous_commit", "transaction_isolation", "idle_in_transaction_session_timeout")
    }
    assert shown == {
        "synchronous_commit": "on",
        "transaction_isolation": "read committed",
        "idle_in_transaction_session_timeout": "5s",
    }
    assert store._link._parts["tcp_user_timeout"] == 5000


def test_a_server_without_fsync_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.journal.sql.FSYNC", "SELECT 'off'")
    with pytest.raises(JournalFailed, match="fsync=off: nothing in it would be durable"):
        PostgresStore(url)


def test_a_look_cannot_write(store: PostgresStore, url: str) -> None:
    reader = PostgresReading(url)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader._link._ask("DELETE FROM events RETURNING 1", ())
    reader.close()


@pytest.mark.parametrize("statement", ["COMMIT", "COMMIT_WHOLE"])
def test_a_write_only_looks_up_keys_however_the_planner_was_misled(store: PostgresStore, statement: str) -> None:
    """The statement is prepared while the table is empty; no plan of it may read the table whole, nor be compiled."""
    for version in range(1, 8):
        commit(store, [row(version)])
    keys = "part stream version case_id kind at line scoped scope resting rests_on ends"
    nothing: dict[str, object] = {key: [] for key in keys.split()}
    ((plan,),) = store._link.db.execute(
        b"EXPLAIN (FORMAT JSON) " + getattr(sql, statement).encode(), nothing | {"writer": 1, "batch": 1}
    ).fetchall()
    text = json.dumps(plan)
    assert "events_stream_version_key" in text
    assert not re.search('"Seq Scan"[^{}]*"Relation Name": "events"', text)
    assert "JIT" not in text


def test_a_version_that_is_taken_is_asked_for_twice_and_no_more(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the statement that writes all or nothing, and by the one that says why not."""
    commit(store, [row(1)])
    ask, asked = store._link._ask, []
    monkeypatch.setattr(store._link, "_ask", lambda *each: asked.append(each[0]) or ask(*each))
    (answer,) = commit(store, [row(1)])
    assert isinstance(answer, TakenOver)
    assert asked == [sql.COMMIT_WHOLE, sql.COMMIT]


def test_appends_that_are_under_way_are_waited_for(store: PostgresStore, url: str, postgres_server: Server) -> None:
    """What another process has begun to write and not yet committed; what is read afterwards has it."""
    seen: list[list[str]] = []

    def look() -> None:
        store.wait_for_appends()
        seen.append(versions(store))

    looking = threading.Thread(target=look)
    with postgres_server.connect(url) as other, postgres_server.connect(url) as third:
        other.execute("BEGIN")
        other.execute(
            "INSERT INTO events (stream, version, case_id, kind, at, line, writer, batch) "
            "VALUES ('parent/a', 1, '', '', '', 'written', 9, 9)"
        )
        looking.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        while third.execute(waiting, ("%IN SHARE MODE",)).fetchall() != [(1,)]:
            assert looking.is_alive()
        other.execute("COMMIT")
        looking.join()
    assert seen == [["written"]]


# --- connections that are lost --------------------------------------------------------------------------------------


def test_appends_survive_a_killed_backend_at_random_moments(url: str, postgres_server: Server) -> None:
    """The server process of the writer is killed again and again while it writes: every append that was answered yes
    is there exactly once, none is there twice, none is lost, and no append by this writer is taken for another's."""
    store, over = PostgresStore(url), threading.Event()
    kills, written, chance = 0, 0, random.Random(7)

    def kill() -> None:
        nonlocal kills
        try:
            with postgres_server.connect() as other:
                while not over.is_set():
                    time.sleep(chance.uniform(0.001, 0.06))
                    (gone,) = other.execute("SELECT pg_terminate_backend(%s)", (store._link._mine or (0,))[:1])
                    kills += bool(gone[0])
        finally:
            over.set()

    def write() -> None:
        nonlocal written
        try:
            while not over.is_set() and (kills < KILLS or written < APPENDS):
                written += 1
                pair = [row(2 * written - 1, "b"), row(2 * written, "b")]
                assert commit(store, [row(written)], pair) == [None, None]
        finally:
            over.set()

    together(write, kill)
    assert versions(store) == [f"parent/a {version}" for version in range(1, written + 1)]
    assert versions(store, "b") == [f"b {version}" for version in range(1, 2 * written + 1)]
    store.close()


class Torn:
    """A connection that is cut at the worst moments: the statement ran, and its answer never arrived; or the statement
    never ran."""

    def __init__(self, link: postgres_link.Link, monkeypatch: pytest.MonkeyPatch) -> None:
        self.after = self.before = 0
        ask = link._ask

        def cut(statement: str, parameters: Any) -> Any:
            if self.before:
                self.before -= 1
                link.db.close()
            found = ask(statement, parameters)
            if self.after:
                self.after -= 1
                link.db.close()
                raise psycopg.OperationalError("the connection is closed")
            return found

        monkeypatch.setattr(link, "_ask", cut)


# What changes a counter is written by another statement than what does not.
both_statements = pytest.mark.parametrize("reserve", [(), (Reservation("cap/a", Decimal(1), None),)])


@both_statements
def test_an_answer_that_never_arrived_is_asked_for_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, reserve: Sequence[Reservation]
) -> None:
    torn = Torn(store._link, monkeypatch)
    for version in range(1, 6):
        torn.after, torn.before = 1, version % 2
        both = [Append([row(version)], reserve=reserve), Append([row(version, "b")])]
        assert store.commit(both) == [None, None]
    torn.after = 3
    assert store.commit([Append([row(6)], reserve=reserve)]) == [None]
    assert versions(store) == [f"parent/a {version}" for version in range(1, 7)]
    assert store.used(["cap/a"]) == ({"cap/a": 6} if reserve else {})


def test_what_would_change_holds_and_counters_at_once_is_not_written(store: PostgresStore) -> None:
    both = Append([row(1)], holds={"all": hold("all")}, reserve=[Reservation("cap/a", Decimal(1))])
    with pytest.raises(AssertionError, match="never both"):
        store.commit([both])
    assert versions(store) == []


@both_statements
def test_a_hold_that_came_after_the_lost_answer_does_not_undo_it(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch, reserve: Sequence[Reservation]
) -> None:
    """The first attempt was durable before the hold: the answer is yes, since the event is in the record."""
    assert store.commit([Append([row(1, "b")], reserve=reserve)]) == [None]  # the counter is there
    torn, other = Torn(store._link, monkeypatch), PostgresStore(url)
    end = store._link._connect

    def meanwhile() -> None:
        monkeypatch.setattr(store._link, "_connect", end)
        assert other.commit([sets(1, hold("all"))]) == [None]
        end()

    monkeypatch.setattr(store._link, "_connect", meanwhile)
    torn.after = 1
    assert store.commit([Append([row(1)], ["all"], reserve=reserve)]) == [None]
    assert versions(store) == ["parent/a 1"]
    other.close()


@both_statements
def test_the_same_line_of_another_writer_is_not_taken_for_ones_own(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch, reserve: Sequence[Reservation]
) -> None:
    """The statement was lost before it ran, and another writer wrote the very same line meanwhile."""
    other = PostgresStore(url)
    assert commit(other, [row(1)]) == [None]
    Torn(store._link, monkeypatch).before = 1
    (answer,) = store.commit([Append([row(1)], reserve=reserve)])
    assert isinstance(answer, TakenOver)
    other.close()


def test_a_lost_statement_cannot_happen_after_it_was_answered(
    store: PostgresStore, postgres_server: Server, url: str
) -> None:
    """Guards that a batch is repeated only when the server process of the lost connection is gone: here it waits for a
    lock, does not notice that nobody listens, and would go on when it gets it."""
    link, answers = store._link, []
    pid, _ = link._mine or (0, None)
    writer = threading.Thread(target=lambda: answers.append(commit(store, [row(1)])))
    waiting = (
        "SELECT array_agg(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def waits(other: psycopg.Connection[Any]) -> list[int]:
        while not (found := other.execute(waiting).fetchall()[0][0]):
            time.sleep(0.01)
        return list(found)

    with postgres_server.connect(url) as gate, postgres_server.connect(url) as other:
        gate.execute("BEGIN; LOCK TABLE events IN EXCLUSIVE MODE")
        writer.start()
        assert waits(other) == [pid]
        with socket.socket(fileno=os.dup(link.db.fileno())) as cut:
            cut.shutdown(socket.SHUT_RDWR)
        while (found := waits(other)) == [pid]:
            time.sleep(0.01)
        assert pid not in found
        gate.execute("COMMIT")
        writer.join()
    assert answers == [[None]]
    assert versions(store) == ["parent/a 1"]


def test_a_frozen_process_holds_no_lock(url: str) -> None:
    """A writer that is stopped in the middle of its work stands in nobody's way."""
    code = (
        "import sys\nfrom executor.journal.postgres import PostgresStore\n"
        "from tests.journal.rows import row\nfrom executor.journal.store import Append\n"
        "store = PostgresStore(sys.argv[1])\nversion = 0\n"
        "while True:\n    version += 1\n    store.commit([Append([row(version, 'frozen')], ['all'])])\n"
        "    print(version, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            store = open_store(url)
            for number in range(1, 11):
                process.stdout.readline()
                process.send_signal(signal.SIGSTOP)
                began = time.monotonic()
                assert store.commit([sets(number, hold(f"case/{number}"))]) == [None]
                assert time.monotonic() - began < 5
                process.send_signal(signal.SIGCONT)
            store.close()
        finally:
            process.kill()


# --- a server that goes away ----------------------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[Callable[[], Server]]:
    """A server that only this test stops."""
    servers: list[Server] = []

    def started() -> Server:
        servers.append(Server())
        return servers[0]

    yield started
    for server in servers:
        server.close()


def test_a_server_that_stops_and_starts_again_costs_time_only(
    postgres_server: Server, own_server: Callable[[], Server]
) -> None:
    """Ended as by a power cut in the middle of writing, away for a while, started again: nothing lost, nothing twice;
    readings wait too."""
    server = own_server()
    store, over = PostgresStore(server.url()), threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not over.is_set():
            assert commit(store, [row(written + 1)]) == [None]
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            time.sleep(0.3)
            server.stop()
            time.sleep(0.5)
            server.start()  # by this thread: the server ends with the thread that started it
            before = written
            while written < before + 5:
                assert writer.is_alive()
                time.sleep(0.01)
    finally:
        over.set()
        writer.join()
    assert versions(store) == [f"parent/a {version}" for version in range(1, written + 1)]
    store.close()


def test_patience_ends_with_a_clear_word(postgres_server: Server, own_server: Callable[[], Server]) -> None:
    server = own_server()
    store = PostgresStore(server.url(), patience=SECONDS)
    server.stop()
    with pytest.raises(JournalFailed, match=r"has not answered for 1 s: .* is not known"):
        commit(store, [row(1)])
    with pytest.raises(JournalFailed, match="has not answered"):
        store.holds(["all"])
    store.close()


def test_when_patience_has_ended_it_is_not_begun_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings wait in the event loop: a minute for each of them would keep a worker from taking its orders off."""
    clock, asked = Hasty(), 0
    link = postgres_link.Link(url, sql.SESSION, 10 * SECONDS, clock)
    monkeypatch.setattr(postgres_link, "_wait", lambda _: None)
    answer = link._ask

    def lost(*_: object) -> Any:
        nonlocal asked
        asked += 1
        raise psycopg.OperationalError("gone")

    for times in (10, 1, 1):
        monkeypatch.setattr(link, "_ask", lost)
        asked = 0
        with pytest.raises(JournalFailed, match="has not answered"):
            link.ask("SELECT 1")
        assert asked == times
    monkeypatch.setattr(link, "_ask", answer)
    assert link.ask("SELECT 1") == [(1,)]
    monkeypatch.setattr(link, "_ask", lost)
    asked = 0
    with pytest.raises(JournalFailed):
        link.ask("SELECT 1")
    assert asked == 10
    link.close()


# --- URLs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        "postgresql+psycopg://user:hunter2@127.0.0.1:1/db",
        "postgresql+psycopg://user:hunter2@[broken/db",
        "postgresql+psycopg://user@host:hunter2/db",
        "postgresql+psycopg://user:hunter2%ZZ@host/db",
        "mysql://user:hunter2@host/db",
    ],
)
def test_no_error_shows_the_password(bad: str) -> None:
    for opened in (open_store, open_reading):
        with pytest.raises((JournalFailed, InputRefused)) as refused:
            opened(bad)
        assert "hunter2" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_missing_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("executor.journal.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("executor.journal.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputRefused, match=r"needs the extra \(pip install 'disposal-executor\[postgres\]'\)"):
        open_store("postgresql+psycopg://host/db")
