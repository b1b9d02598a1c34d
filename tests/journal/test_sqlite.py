"""The journal on a file: what is SQLite's own, and failures of a disk that are said."""

import sqlite3
from pathlib import Path

import pytest

from executor.errors import JournalFailed
from executor.journal.sqlite import SqliteStore, open_file
from tests.journal.rows import commit, row, versions


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "journal.sqlite")


def test_folders_are_made_and_a_look_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "j"
    store = SqliteStore(path)
    commit(store, [row(1)])
    store.close()
    reader = open_file(path)
    assert list(reader.read("parent/a")) == ["parent/a 1"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM events")
    reader.close()


def test_every_commit_is_durable_and_the_log_is_folded_in_at_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.journal.sqlite.CHECKPOINT_EVERY", 2)
    store = SqliteStore(tmp_path / "j")
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for version in range(1, 6):
        commit(store, [row(version)])
    assert len(versions(store)) == 5
    store.close()


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
