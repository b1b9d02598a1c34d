"""What every store does, on SQLite and on PostgreSQL: the fence, all or none, holds, writers that race, migrations."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.domain.control import Hold, HoldAction
from executor.errors import Held, InputRefused, JournalFailed, TakenOver
from executor.journal import sql
from executor.journal.open import Place, open_reading, open_store
from executor.journal.sql import Sql
from executor.journal.store import Append, Store
from tests.journal.rows import clears, commit, hold, row, sets, versions

NOTE = Sql(
    sqlite="ALTER TABLE events ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",
    postgres="ALTER TABLE events ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",
)
BROKEN = Sql(sqlite="CREATE TABLE half (a); SELECT nothing", postgres="CREATE TABLE half (a INT); SELECT nothing")


def together(*work: Callable[[], None]) -> None:
    """Run these at the same time, and raise what one of them raised."""
    faults: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def test_events_come_back_in_order_and_after_a_version(store: Store) -> None:
    assert commit(store, [row(1), row(2)], [row(1, "parent/b")], [row(3)]) == [None, None, None]
    assert versions(store) == ["parent/a 1", "parent/a 2", "parent/a 3"]
    assert list(store.read("parent/a", after=2)) == ["parent/a 3"]
    assert store.streams("parent/") == ["parent/a", "parent/b"]
    assert store.streams("parent/b") == ["parent/b"]
    assert store.streams("par_nt%") == []


def test_a_long_stream_comes_back_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than one page of a reading, and exactly as long as some."""
    monkeypatch.setattr("executor.journal.postgres._PAGE", 5)
    commit(store, [row(version) for version in range(1, 11)], [row(1, "parent/b")])
    assert versions(store) == [f"parent/a {version}" for version in range(1, 11)]
    assert len(list(store.read("parent/a", after=3))) == 7


@pytest.mark.parametrize("size", [1, 15, 16, 17, 32, 50])
def test_a_batch_of_any_size_is_written_in_order_and_one_refusal_harms_nobody_else(store: Store, size: int) -> None:
    """Guards the batch: many rows go in one statement, and which ones may not depend on where they stand in it."""
    batch = [[row(1, f"parent/{number}")] for number in range(size)]
    assert commit(store, *batch) == [None] * size
    assert store.streams("parent/") == [f"parent/{number}" for number in range(size)]
    taken, rest = size // 2, [[row(2, f"parent/{number}")] for number in range(size)]
    commit(store, rest[taken])
    answers = commit(store, *rest)
    assert [isinstance(each, TakenOver) for each in answers] == [number == taken for number in range(size)]
    assert all(len(list(store.read(f"parent/{number}"))) == 2 for number in range(size))


def test_the_second_writer_of_a_version_is_refused(place: Place) -> None:
    """Guards the fence: one version is written once, whoever asks, even if both would write the same line."""
    first, second = open_store(place), open_store(place)
    assert commit(first, [row(1)]) == [None]
    for text in ("mine", ""):
        (refused,) = commit(second, [row(1, text=text)])
        assert isinstance(refused, TakenOver)
        assert "version 1 of parent/a" in str(refused)
    (again,) = commit(first, [row(1)])
    assert isinstance(again, TakenOver)
    assert versions(second) == ["parent/a 1"]
    first.close()
    second.close()


def test_without_the_constraint_racing_writers_would_both_win(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: with the UNIQUE constraint taken away owners that race write the same version."""
    whole = sql.MIGRATIONS[0]
    loose = Sql(
        sqlite=whole.sqlite.replace(",\n                UNIQUE (stream, version)", ""),
        postgres=whole.postgres.replace("UNIQUE (stream, version)", "CHECK (version > 0)"),
    )
    assert (loose.sqlite, loose.postgres) != (whole.sqlite, whole.postgres)
    monkeypatch.setattr("executor.journal.sql.MIGRATIONS", (loose,))
    store = open_store(place)
    commit(store, [row(1)])
    commit(store, [row(1, text="mine")])
    assert len(versions(store)) == 2
    store.close()


def test_an_append_is_taken_whole_or_not_at_all(store: Store) -> None:
    """An append whose second event conflicts leaves nothing behind, and does not harm its neighbours."""
    commit(store, [row(2)])
    answers = commit(store, [row(1, "parent/b")], [row(1), row(2), row(3)], [row(2, "parent/b")])
    assert [answer is None for answer in answers] == [True, False, True]
    assert versions(store) == ["parent/a 2"]
    assert versions(store, "parent/b") == ["parent/b 1", "parent/b 2"]


def test_a_batch_of_nothing_is_taken(store: Store) -> None:
    assert store.commit([]) == []
    assert store.commit([Append([])]) == [None]


def test_a_hold_on_one_of_a_batch_stops_that_one(store: Store) -> None:
    """The hold was there before, and names a scope of the second append only."""
    assert store.commit([sets(1, hold("case/x"))]) == [None]
    first, second = store.commit([Append([row(1)], ["all"]), Append([row(1, "parent/b")], ["all", "case/x"])])
    assert (first, type(second)) == (None, Held)
    assert versions(store) == ["parent/a 1"]
    assert versions(store, "parent/b") == []


def test_of_two_appends_of_one_version_in_a_batch_the_first_is_taken(store: Store) -> None:
    answers = commit(store, [row(1, text="first")], [row(1, text="second")], [row(2)])
    assert [answer is None for answer in answers] == [True, False, True]
    assert versions(store) == ["first", "parent/a 2"]


def test_writers_at_once_lose_nothing(place: Place) -> None:
    """Writers at the same time, each its own streams and all one contested stream: every event that was said to be
    durable is there once, and of each contested version all but one writer were told that they lost."""
    won: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    count = 40
    stores = {name: open_store(place) for name in won}

    def write(name: str) -> None:
        for version in range(1, count + 1):
            own, contested = commit(
                stores[name], [row(version, f"own/{name}")], [row(version, "both", name), row(version, "pair", name)]
            )
            assert own is None
            if contested is None:
                won[name].append(version)

    together(*(lambda name=name: write(name) for name in won))
    reader = stores["a"]
    for name in won:
        assert len(versions(reader, f"own/{name}")) == count
    assert sorted(version for each in won.values() for version in each) == list(range(1, count + 1))
    owner = {version: name for name, each in won.items() for version in each}
    for stream in ("both", "pair"):
        assert versions(reader, stream) == [owner[version] for version in range(1, count + 1)]
    for store in stores.values():
        store.close()


def test_what_was_committed_is_there_after_reopening(place: Place) -> None:
    store = open_store(place)
    commit(store, [row(1)])
    # No close: the process may die. The next one finds what was durable.
    again = open_store(place)
    assert versions(again) == ["parent/a 1"]
    commit(again, [row(2, kind="FillRecorded")], [row(1, "acts/a", kind="FillRecorded")])
    again.close()
    store.close()
    reader = open_reading(place)
    assert list(reader.read("parent/a")) == ["parent/a 1", "parent/a 2"]
    assert list(reader.of_kind("FillRecorded")) == ["parent/a 2", "acts/a 1"]
    assert reader.streams("parent/") == ["parent/a"]
    reader.close()


# --- holds ----------------------------------------------------------------------------------------------------------


def test_a_hold_refuses_what_names_its_scope_from_the_append_that_sets_it_on(store: Store) -> None:
    answers = store.commit(
        [Append([row(1)], ["all"]), sets(1, hold("all")), Append([row(2)], ["all", "case/x"]), Append([row(2)])]
    )
    assert [type(answer) for answer in answers] == [type(None), type(None), Held, type(None)]
    assert str(answers[2]) == "pause on all by Wang: a reason"
    assert store.commit([clears(2, "all"), Append([row(3)], ["all"])]) == [None, None]
    assert store.holds(["all"]) == []


def test_a_kill_is_told_before_a_pause_and_the_latest_word_holds(place: Place) -> None:
    store = open_store(place)
    kill = hold("venue/osl", HoldAction.KILL)
    store.commit([sets(1, hold("all"), kill, hold("case/x")), sets(2, hold("case/x", HoldAction.KILL))])
    (refused,) = store.commit([Append([row(1)], ["all", "venue/osl"])])
    assert str(refused) == str(kill)
    assert [(each.scope, each.action) for each in store.holds(["all", "case/x", "case/y"])] == [
        ("case/x", "kill"),
        ("all", "pause"),
    ]
    reader = open_reading(place)
    assert reader.holds() == [hold("case/x", HoldAction.KILL), kill, hold("all")]
    assert reader.holds([]) == []
    reader.close()
    store.close()


def test_an_append_that_another_writer_forestalled_changes_no_hold(store: Store) -> None:
    store.commit([sets(1, hold("all"))])
    answers = store.commit([clears(1, "all")])
    assert isinstance(answers[0], TakenOver)
    assert store.holds(["all"]) == [hold("all")]


def test_no_append_passes_a_hold_that_was_there_first(place: Place) -> None:
    """Several writers append without a pause while people set and clear a hold: in the order of the record no guarded
    event stands between a hold and its end, and nobody who was refused finds an event."""
    rounds, taken = 15, dict[str, list[int]](a=[], b=[])
    stores = {name: open_store(place) for name in (*taken, "person")}
    over = threading.Event()

    def write(name: str) -> None:
        version = 1
        while not over.is_set():
            (answer,) = stores[name].commit([Append([row(version, f"p/{name}", kind="All")], ["all"])])
            assert answer is None or isinstance(answer, Held)
            if answer is None:
                taken[name].append(version)
                version += 1

    def hold_and_release() -> None:
        try:
            for number in range(rounds):
                held = sets(2 * number + 1, hold("all"))
                cleared = clears(2 * number + 2, "all")
                for each, kind in ((held, "SET"), (cleared, "CLEAR")):
                    (line,) = each.rows
                    marked = row(line.version, "control", text=kind, kind="All")
                    assert stores["person"].commit([Append([marked], (), each.holds)]) == [None]
                    threading.Event().wait(0.01)
        finally:
            over.set()

    together(lambda: write("a"), lambda: write("b"), hold_and_release)
    for name, each in taken.items():
        assert versions(stores[name], f"p/{name}") == [f"p/{name} {version}" for version in each]
    _no_event_while_held(place, rounds)
    for store in stores.values():
        store.close()


def _no_event_while_held(place: Place, rounds: int) -> None:
    reader = open_reading(place)
    held, seen = False, 0
    for text in reader.of_kind("All"):
        if text in ("SET", "CLEAR"):
            held, seen = text == "SET", seen + 1
        else:
            assert not held, f"{text} was written while the hold was in force"
    assert seen == 2 * rounds
    reader.close()


def test_people_who_change_holds_at_once_all_have_their_way(place: Place) -> None:
    """Holds are set by several streams (controls, plans, keys): none of them overwrites another's."""
    people = [open_store(place) for _ in range(4)]

    def act(number: int) -> None:
        for version in range(1, 11):
            mine = hold(f"case/{number}-{version}")
            stream = f"plan/{number}"
            assert people[number].commit([sets(2 * version - 1, mine, stream=stream)]) == [None]
            if version % 2:
                assert people[number].commit([clears(2 * version, mine.scope, stream=stream)]) == [None]

    together(*(lambda number=number: act(number) for number in range(4)))
    wanted = {f"case/{number}-{version}" for number in range(4) for version in (2, 4, 6, 8, 10)}
    reader = open_reading(place)
    assert {each.scope for each in reader.holds()} == wanted
    reader.close()
    for person in people:
        person.close()


# --- schema ---------------------------------------------------------------------------------------------------------


def migrate(monkeypatch: pytest.MonkeyPatch, *more: Sql) -> None:
    monkeypatch.setattr("executor.journal.sql.MIGRATIONS", (*sql.MIGRATIONS, *more))


def test_a_journal_of_the_version_before_is_carried_forward_with_its_data(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = open_store(place)
    commit(old, [row(1), row(2)])
    old.commit([sets(1, hold("all"))])
    old.close()
    migrate(monkeypatch, NOTE)
    for _ in range(2):  # the second opening finds nothing to do
        new = open_store(place)
        assert versions(new) == ["parent/a 1", "parent/a 2"]
        assert isinstance(new.commit([Append([row(3)], ["all"])])[0], Held)
        new.close()
    new = open_store(place)
    assert commit(new, [row(3)]) == [None]
    assert new.holds(["all"]) == [hold("all")]
    new.close()


def test_an_unknown_schema_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of a newer program is left as it is."""
    with monkeypatch.context() as newer:
        migrate(newer, NOTE)
        open_store(place).close()
    known = len(sql.MIGRATIONS)
    with pytest.raises(JournalFailed, match=f"has schema {known + 1}, this program knows {known}: use the version of"):
        open_store(place)


def test_a_migration_that_fails_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    old = open_store(place)
    commit(old, [row(1)])
    old.close()
    with monkeypatch.context() as newer:
        migrate(newer, NOTE, BROKEN)
        with pytest.raises(JournalFailed):
            open_store(place)
    with monkeypatch.context() as mended:
        migrate(mended, NOTE, Sql(sqlite="CREATE TABLE half (a)", postgres="CREATE TABLE half (a INT)"))
        again = open_store(place)
        assert versions(again) == ["parent/a 1"]
        again.close()


def test_many_processes_may_open_an_empty_place_at_once(place: Place) -> None:
    opened: list[Store] = []
    together(*(lambda: opened.append(open_store(place)) for _ in range(4)))
    assert len(opened) == 4
    assert commit(opened[0], [row(1)]) == [None]
    for store in opened:
        store.close()


def test_a_journal_that_is_not_there_cannot_be_read(place: Place, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="there is no journal"):
        open_reading(place)


def test_holds_are_values(store: Store) -> None:
    """A person's words come back as they were said."""
    said = Hold("case/案件-1", HoldAction.KILL, True, "王\"'\\", "100 %s ? {x} \n", "2026-11-23T02:00:00.000000Z")
    store.commit([sets(1, said)])
    assert store.holds(["case/案件-1"]) == [said]
