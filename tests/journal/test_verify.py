"""`verify` over a record in its file: every way of touching it is found and named, whole or from a checkpoint on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.errors import InputRefused, RecordBroken
from executor.journal.checkpoint import Checkpoint, joined, taken_apart
from executor.journal.leaves import SqliteLeaves, Turn, looking
from executor.journal.line import encode
from executor.journal.note import Note, VerifierKey
from executor.journal.recorder import Sequencer
from executor.journal.sqlite import SqliteStore
from executor.journal.tree import leaf_hash
from executor.journal.verify import Verdict, verify
from tests.domain.events_made import AT
from tests.journal.case_made import CASE, KEY, OTHER, events, lines_of
from tests.journal.test_recorder import control, put, row

KEYS = [VerifierKey(KEY.name, KEY.public)]
LINES = lines_of(events(3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Three checkpoints over a finished case, one over the institution's tree."""
    opened = SqliteStore(tmp_path / "j")
    sequencer = Sequencer(SqliteLeaves(opened.path), KEY)
    put(opened, control(1))
    for begin, end in ((0, 4), (4, 9), (9, len(LINES))):
        put(opened, *LINES[begin:end])
        sequencer.advance(AT)
    sequencer.close()
    yield opened
    opened.close()


def verdict(store: SqliteStore, trusted: list[Note] | None = None, keys: list[VerifierKey] | None = None) -> Verdict:
    with looking(store.path) as run:
        return verify(run, KEYS if keys is None else keys, trusted or [])


def notes(store: SqliteStore) -> list[Note]:
    with looking(store.path) as run:
        return Turn(run).notes(CASE)


def test_a_good_record(store: SqliteStore) -> None:
    found = verdict(store)
    assert (found.events, found.read, found.trees, found.checkpoints, found.waiting) == (20, 20, 2, 4, 0)
    assert found.parents == {"parent/abcdefghij": "completed"}
    put(store, control(2))
    assert verdict(store).waiting == 1
    assert [Checkpoint.parse(note.text).size for note in taken_apart(joined(found.heads))] == [1, 19]


FORGED = encode(LINES[5]).replace('"fee":"1"', '"fee":"2"')
TOUCHED = {
    "a line": ("UPDATE events SET line = replace(line, '95000', '95001') WHERE seq = 7", "version 6, leaf 5"),
    "a column": ("UPDATE events SET at = '2026' WHERE seq = 7", "version 6, leaf 5: the line says something else"),
    "a case": ("UPDATE events SET case_id = 'X' WHERE seq = 7", "leaf 5: it stands in the tree of CASE-1"),
    "an event gone": ("DELETE FROM events WHERE seq = 7", "leaf 5: the event is gone"),
    "a leaf gone": ("DELETE FROM leaves WHERE idx = 5", "leaf 5 is missing"),
    "the last leaf gone": ("DELETE FROM leaves WHERE idx = 18", "line 18 is missing"),
    "event and leaf gone": (
        "DELETE FROM events WHERE seq = 7; DELETE FROM leaves WHERE idx = 5; "
        "UPDATE leaves SET idx = -idx WHERE idx > 5; UPDATE leaves SET idx = -idx - 1 WHERE idx < 0",
        "leaf 5: it follows version 5",
    ),
    "two leaves swapped": (
        "UPDATE leaves SET idx = -5 WHERE idx = 5; UPDATE leaves SET idx = 5 WHERE idx = 6; "
        "UPDATE leaves SET idx = 6 WHERE idx = -5",
        "version 7, leaf 5: it follows version 5",
    ),
    "an unsequenced line among the others": (
        "DELETE FROM leaves WHERE tree = ''",
        "stands among events that have their leaves",
    ),
    "a checkpoint dropped": ("DELETE FROM checkpoints WHERE size = 9", "checkpoint 3 follows 1"),
    "all checkpoints dropped": ("DELETE FROM checkpoints", "no checkpoint covers it"),
    "a signature": ("UPDATE checkpoints SET note = replace(note, ' ', '  ') WHERE size = 9", ""),
    "a root": ("UPDATE checkpoints SET note = replace(note, 'record/v1 2', 'record/v1 5') WHERE size = 9", "follows 1"),
}


@pytest.mark.parametrize("what", TOUCHED)
def test_whatever_is_touched_is_named(store: SqliteStore, what: str) -> None:
    statement, where = TOUCHED[what]
    store._db.executescript(statement)
    with pytest.raises(RecordBroken) as refused:
        verdict(store)
    assert where in str(refused.value)


def test_a_line_changed_together_with_its_leaf(store: SqliteStore) -> None:
    """Without the key nothing can be put right: the root tells, and between which leaves it is."""
    store._db.execute("UPDATE events SET line = ? WHERE seq = 7", (FORGED,))
    store._db.execute("UPDATE leaves SET leaf_hash = ? WHERE idx = 5", (leaf_hash(FORGED.encode()),))
    with pytest.raises(RecordBroken, match="between leaf 4 and leaf 8: the lines do not give the root of checkpoint 2"):
        verdict(store)


def test_signed_by_another(store: SqliteStore) -> None:
    with pytest.raises(RecordBroken, match="not signed by any of the keys"):
        verdict(store, keys=[VerifierKey(OTHER.name, OTHER.public)])
    with pytest.raises(RecordBroken, match="not signed by any of the keys"):
        verdict(store, keys=[])


def test_a_false_record_is_found_under_good_signatures(tmp_path: Path) -> None:
    """What the engine would never write, signed: a trade twice, more than was ordered."""
    made = events(2)
    fill = next(each for each in made if type(each).__name__ == "FillRecorded")
    store = SqliteStore(tmp_path / "j")
    put(store, *lines_of([*made[:6], fill, *made[6:]]))
    Sequencer(SqliteLeaves(store.path), KEY).advance(AT)
    with pytest.raises(RecordBroken, match="version 7, leaf 6: trade t1a of alpha is recorded twice"):
        verdict(store)
    store.close()


def test_incremental_is_whole(store: SqliteStore) -> None:
    """From every checkpoint: the same verdict, fewer lines read; a change before it and one after it are both found."""
    whole = verdict(store)
    for note in notes(store):
        size = Checkpoint.parse(note.text).size
        found = verdict(store, [note])
        assert (found.events, found.waiting, found.heads) == (whole.events, whole.waiting, whole.heads)
        assert found.read == whole.read - size
        assert found.parents == (whole.parents if size < 19 else {})
    last = notes(store)[-1]
    put(store, *lines_of(events(1), "parent/b"))
    Sequencer(SqliteLeaves(store.path), KEY).advance(AT)
    with pytest.raises(RecordBroken, match=r"parent/b version 6.*trade t1a of alpha is recorded twice"):
        verdict(store, [last])
    store._db.execute("UPDATE events SET line = ? WHERE seq = 7", (FORGED,))
    with pytest.raises(RecordBroken, match="leaf 5: it is not the line that was sequenced"):
        verdict(store, [last])


@pytest.mark.parametrize("column", ["stream = 'case/-'", "version = 77", "kind = 'All'", "at = '2026'"])
def test_a_line_that_is_found_elsewhere_is_found_out_from_a_checkpoint_on_too(store: SqliteStore, column: str) -> None:
    """Its text is what was signed, and the engine, which goes by the columns, no longer sees it."""
    last = notes(store)[-1]
    store._db.execute(f"UPDATE events SET {column} WHERE seq = 7")
    with pytest.raises(RecordBroken, match="leaf 5: the line says something else than its columns"):
        verdict(store, [last])


def test_a_line_that_is_none_is_named_from_a_checkpoint_on_too(store: SqliteStore) -> None:
    last, odd = notes(store)[-1], '{"nothing":1}'
    store._db.execute("UPDATE events SET line = ? WHERE seq = 7", (odd,))
    store._db.execute("UPDATE leaves SET leaf_hash = ? WHERE seq = 7", (leaf_hash(odd.encode()),))
    with pytest.raises(RecordBroken, match="leaf 5: it cannot be read"):
        verdict(store, [last])


def test_a_record_cut_back_is_found_by_a_checkpoint_from_before(store: SqliteStore) -> None:
    """Everything after the second checkpoint is taken away, cleanly: only someone who kept the third can tell."""
    last = notes(store)[-1]
    store._db.executescript(
        "DELETE FROM checkpoints WHERE size = 19; DELETE FROM leaves WHERE idx > 8; DELETE FROM events WHERE seq > 10"
    )
    assert verdict(store).events == 10
    with pytest.raises(RecordBroken, match="no longer has checkpoint 3"):
        verdict(store, [last])
    store._db.executescript("DELETE FROM checkpoints; DELETE FROM leaves; DELETE FROM events")
    with pytest.raises(RecordBroken, match="verified before, and no longer in the record"):
        verdict(store, [last])


def test_a_record_without_leaves(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j")
    put(store, control(1))
    with pytest.raises(RecordBroken, match="no leaves"):
        verdict(store)
    SqliteLeaves(store.path).close()
    with pytest.raises(RecordBroken, match="no checkpoint covers its tree"):
        verdict(store)
    with pytest.raises(InputRefused, match="there is no journal"), looking(tmp_path / "none"):
        pass
    store.close()


def test_rows_are_what_the_journal_writes() -> None:
    assert row(LINES[0]).kind == "ParentCreated"
