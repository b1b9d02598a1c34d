"""The journal file: the fence, all or none, two processes at once, and failures that are said."""

import sqlite3
import threading
from pathlib import Path

import pytest

from executor.errors import InputRefused, JournalFailed, Stopped, TakenOver
from executor.journal.sqlite import SCHEMA_VERSION, Append, Row, SqliteStore, open_reading, read_lines, stream_names


def row(version: int, stream: str = "parent/a", text: str = "") -> Row:
    return Row(stream, version, "CASE-1", "Kind", "2026-11-23T02:00:00.000000Z", text or f"{stream} {version}")


def commit(store: SqliteStore, *appends: list[Row]) -> list[Stopped | None]:
    """The answer to each append: ``None`` when it was taken."""
    return store.commit([Append(rows) for rows in appends])


def versions(store: SqliteStore, stream: str = "parent/a") -> list[str]:
    return list(store.read(stream))


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "journal.sqlite")


def test_events_come_back_in_order_and_after_a_version(store: SqliteStore) -> None:
    assert commit(store, [row(1), row(2)], [row(1, "parent/b")], [row(3)]) == [None, None, None]
    assert versions(store) == ["parent/a 1", "parent/a 2", "parent/a 3"]
    assert list(store.read("parent/a", after=2)) == ["parent/a 3"]
    assert store.streams("parent/") == ["parent/a", "parent/b"]
    assert store.streams("parent/b") == ["parent/b"]
    assert store.streams("par_nt%") == []
    store.close()


def test_the_second_writer_of_a_version_is_refused(tmp_path: Path) -> None:
    """Guards the fence: one version is written once, whoever asks."""
    first, second = SqliteStore(tmp_path / "j"), SqliteStore(tmp_path / "j")
    assert commit(first, [row(1)]) == [None]
    (refused,) = commit(second, [row(1, text="mine")])
    assert isinstance(refused, TakenOver)
    assert "version 1 of parent/a" in str(refused)
    assert versions(second) == ["parent/a 1"]
    first.close()
    second.close()


def test_without_the_constraint_both_writers_would_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: with the UNIQUE constraint taken away two owners write the same version."""
    schema = "CREATE TABLE events (seq INTEGER PRIMARY KEY, stream, version, case_id, kind, at, line)"
    monkeypatch.setattr("executor.journal.sqlite._SCHEMA", schema)
    store = SqliteStore(tmp_path / "j")
    assert commit(store, [row(1)], [row(1, text="mine")]) == [None, None]
    assert len(versions(store)) == 2
    store.close()


def test_an_append_is_taken_whole_or_not_at_all(store: SqliteStore) -> None:
    """An append whose second event conflicts leaves nothing behind, and does not harm its neighbours."""
    commit(store, [row(2)])
    answers = commit(store, [row(1, "parent/b")], [row(1), row(2), row(3)], [row(2, "parent/b")])
    assert [answer is None for answer in answers] == [True, False, True]
    assert versions(store) == ["parent/a 2"]
    assert versions(store, "parent/b") == ["parent/b 1", "parent/b 2"]
    store.close()


def test_two_stores_on_one_file_lose_nothing(tmp_path: Path) -> None:
    """Two processes that write at the same time, each its own streams and both one contested stream: every event that
    was said to be durable is there once, and of each contested version one writer was told that it lost."""
    path, won, count = tmp_path / "j", dict[str, list[int]](a=[], b=[]), 60
    stores = {name: SqliteStore(path) for name in won}

    def write(name: str) -> None:
        for version in range(1, count + 1):
            own, contested = commit(stores[name], [row(version, f"own/{name}")], [row(version, "both", name)])
            assert own is None
            if contested is None:
                won[name].append(version)

    threads = [threading.Thread(target=write, args=(name,)) for name in won]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = stores["a"]
    for name in won:
        assert len(versions(reader, f"own/{name}")) == count
    assert sorted(won["a"] + won["b"]) == list(range(1, count + 1))
    assert versions(reader, "both") == ["a" if version in won["a"] else "b" for version in range(1, count + 1)]
    for store in stores.values():
        store.close()


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "j"
    store = SqliteStore(path)
    commit(store, [row(1)])
    # No close: the process may die. The next one finds what was durable.
    again = SqliteStore(path)
    assert versions(again) == ["parent/a 1"]
    commit(again, [row(2)])
    again.close()
    store.close()
    reader = open_reading(path)
    assert list(read_lines(reader, "parent/a")) == ["parent/a 1", "parent/a 2"]
    assert stream_names(reader, "parent/") == ["parent/a"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM events")
    reader.close()


def test_every_commit_is_durable_and_the_log_is_folded_in_at_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.journal.sqlite._CHECKPOINT_EVERY", 2)
    store = SqliteStore(tmp_path / "j")
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for version in range(1, 6):
        commit(store, [row(version)])
    assert len(versions(store)) == 5
    store.close()


def test_an_unknown_schema_is_refused(tmp_path: Path) -> None:
    """A file of a newer program is left as it is."""
    path = tmp_path / "j"
    SqliteStore(path).close()
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    other.close()
    with pytest.raises(JournalFailed, match=f"has schema {SCHEMA_VERSION + 1}, this program knows {SCHEMA_VERSION}"):
        SqliteStore(path)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("a letter, not a database, and long enough to be looked at as one " * 20)
    with pytest.raises(JournalFailed, match="cannot be opened"):
        SqliteStore(tmp_path / "j")


def test_a_path_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFailed, match="check the path and the disk"):
        SqliteStore(tmp_path / "file" / "j")
    with pytest.raises(JournalFailed, match="cannot be opened"):
        SqliteStore(tmp_path)


def test_a_write_that_fails_is_said_and_leaves_nothing(store: SqliteStore) -> None:
    """A full disk: the error names the journal, and no part of the transaction stays."""
    commit(store, [row(1)])
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalFailed, match="cannot be written: database or disk is full"):
        commit(store, [row(2)], [row(3, text="x" * 100_000)])
    assert versions(store) == ["parent/a 1"]
    store.close()


def test_a_journal_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="there is no journal"):
        open_reading(tmp_path / "j")
