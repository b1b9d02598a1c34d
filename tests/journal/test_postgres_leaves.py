"""Leaves on PostgreSQL, where a lower ``seq`` may be committed after a higher one."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from executor.journal.leaves import Turn, looking, open_leaves
from executor.journal.line import Line
from executor.journal.note import VerifierKey
from executor.journal.postgres import PostgresStore
from executor.journal.recorder import Sequencer
from executor.journal.store import Append
from executor.journal.verify import verify
from tests.domain.events_made import AT
from tests.journal.case_made import KEY, events, lines_of
from tests.journal.test_recorder import control, row
from tests.postgresql import Server

KEYS = [VerifierKey(KEY.name, KEY.public)]


@pytest.fixture
def url(postgres_server: Server) -> str:
    return postgres_server.url()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    opened = PostgresStore(url)
    yield opened
    opened.close()


def put(store: PostgresStore, *lines: Line) -> None:
    assert store.commit([Append([row(line)]) for line in lines]) == [None] * len(lines)


def test_a_case_is_sequenced_signed_and_verified(store: PostgresStore, url: str) -> None:
    lines = lines_of(events(3))
    put(store, *lines, control(1))
    sequencer = Sequencer(open_leaves(url), KEY)
    assert len(sequencer.advance(AT)) == 2
    assert sequencer.advance(AT) == []
    with looking(url) as run:
        found = verify(run, KEYS)
    assert (found.events, found.waiting, found.parents) == (20, 0, {"parent/abcdefghij": "completed"})
    sequencer.close()


def test_a_lower_seq_that_comes_later_is_waited_for(store: PostgresStore, url: str) -> None:
    """An append that drew its ``seq`` first and commits last: no leaf is given to what came after before it is decided,
    so the leaves are in the order of ``seq``."""
    slow = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))
    one = row(control(1, "slow"))
    slow.execute(
        "INSERT INTO events (stream, version, case_id, kind, at, line, writer, batch) VALUES (%s,%s,%s,%s,%s,%s,0,0)",
        (one.stream, one.version, one.case_id, one.kind, one.at, one.line),
    )
    put(store, control(1, "quick"))
    sequencer = Sequencer(open_leaves(url), KEY)
    thread = threading.Thread(target=sequencer.advance, args=(AT,))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    slow.commit()
    thread.join(10)
    assert not thread.is_alive()
    with looking(url) as run:
        assert verify(run, KEYS).waiting == 0
        assert [text.count('"slow"') for text in Turn(run).lines("", 9)] == [1, 0]
    slow.close()
    sequencer.close()


def test_two_recorders_and_two_writers_at_once(url: str, store: PostgresStore) -> None:
    done, stores = threading.Event(), [PostgresStore(url) for _ in range(2)]
    sequencers = [Sequencer(open_leaves(url), KEY) for _ in range(2)]

    def writes(number: int) -> None:
        for version in range(1, 41):
            put(stores[number], control(version, f"s{number}"))

    def records(sequencer: Sequencer) -> None:
        while not done.is_set():
            sequencer.advance(AT)

    recorders = [threading.Thread(target=records, args=(each,)) for each in sequencers]
    writers = [threading.Thread(target=writes, args=(number,)) for number in range(2)]
    for thread in recorders + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in recorders:
        thread.join()
    sequencers[0].advance(AT)
    with looking(url) as run:
        found = verify(run, KEYS)
        seqs = [seq for (seq,) in run("SELECT seq FROM leaves ORDER BY idx", ())]
    assert (found.events, found.waiting) == (80, 0)
    assert seqs == sorted(seqs)
    for each in [*stores, *sequencers]:
        each.close()


# Ends its first ``execute`` of a turn, or its second, by standing still.
_FREEZES = """
import os, signal, sys
from executor.journal import postgres_leaves as leaves

leaves._SESSION = leaves._SESSION.replace("'20s'", "'1s'")
own = leaves.PostgresLeaves(sys.argv[1])
left = int(sys.argv[2])

class Freezing:
    def __getattr__(self, name):
        return getattr(db, name)

    def execute(self, *asked):
        global left
        answer = db.execute(*asked)
        left -= 1
        if not left:
            print("frozen", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return answer

db, own._db = own._db, Freezing()
with own.turn():
    pass
"""


@contextmanager
def frozen_after(url: str, statements: int) -> Iterator[None]:
    """Another recorder that stands still in the middle of its turn."""
    code = [sys.executable, "-c", _FREEZES, url, str(statements)]
    with subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"frozen\n"
            yield
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


@pytest.mark.parametrize("statements", [1, 2])
def test_a_recorder_that_is_frozen_stops_nobody(store: PostgresStore, url: str, statements: int) -> None:
    """Guards that the table is never locked while a client is waited for, and that the leaves are not for ever."""
    put(store, control(1))
    with frozen_after(url, statements):
        ours = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)
        ours.execute("SET lock_timeout = '500ms'")
        one = row(control(2))
        ours.execute(
            "INSERT INTO events (stream, version, case_id, kind, at, line, writer, batch) "
            "VALUES (%s,%s,%s,%s,%s,%s,0,0)",
            (one.stream, one.version, one.case_id, one.kind, one.at, one.line),
        )
        ours.close()
        sequencer = Sequencer(open_leaves(url), KEY)
        sequencer.advance(AT)
        sequencer.close()
    with looking(url) as run:
        assert (verify(run, KEYS).waiting, len(list(Turn(run).lines("", 9)))) == (0, 2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("synchronous_commit", "on"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "20s"),
        ("tcp_user_timeout", "0"),
    ],
)
def test_its_connection_does_not_depend_on_the_server_s_defaults(
    store: PostgresStore, url: str, setting: str, value: str
) -> None:
    """Over a socket file TCP has no say: the server reports 0."""
    leaves = open_leaves(url)
    with leaves.turn() as turn:
        assert turn._run(f"SHOW {setting}", ()) == [(value,)]
    leaves.close()
