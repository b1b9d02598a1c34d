"""The counters of caps on both databases: taken with the event or not at all, to the last unit, whoever asks when.

A reservation that does not fit refuses its event; what is given back is there for the next; nothing is taken by an
event that was refused for another reason.
"""

import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.domain.reservation import Reservation
from executor.errors import CapReached, Held, JournalFailed, Outdated, TakenOver
from executor.journal import sql
from executor.journal.journal import Store
from executor.journal.open import Place, open_reading, open_store
from executor.journal.store import Append
from executor.simulation.process import MemoryStore
from tests.journal.rows import commit, hold, row, sets, versions

D = Decimal
DAY = "plan_percent_per_day/CASE-1/BTC/2026-03-02@UTC"


def takes(
    version: int, amount: str, most: str | None = "10", *, stream: str = "parent/a", counter: str = DAY
) -> Append:
    return Append([row(version, stream)], reserve=[Reservation(counter, D(amount), D(most) if most else None)])


def test_a_cap_is_taken_to_the_last_unit_and_no_further(store: Store) -> None:
    answers = store.commit([takes(1, "9.99999999"), takes(2, "0.00000002"), takes(2, "0.00000001")])
    assert [type(answer) for answer in answers] == [type(None), CapReached, type(None)]
    assert str(answers[1]) == f"{DAY} stands at 9.99999999 of 10: no room for 0.00000002"
    assert store.used([DAY, "another"]) == {DAY: D(10)}
    assert versions(store) == ["parent/a 1", "parent/a 2"]
    (full,) = store.commit([takes(3, "0.00000001")])
    assert isinstance(full, CapReached)
    assert full.counter == DAY


def test_what_is_given_back_is_there_for_the_next(store: Store) -> None:
    assert store.commit([takes(1, "10"), takes(2, "-4", None)]) == [None, None]
    assert store.commit([takes(1, "4", stream="parent/b")]) == [None]
    assert store.used([DAY]) == {DAY: D(10)}
    store.commit([takes(3, "-10", None)])
    assert store.used([DAY]) == {}


def test_more_than_was_taken_cannot_be_given_back(store: Store) -> None:
    """A fault of the program: nothing is written any more."""
    store.commit([takes(1, "1")])
    with pytest.raises(JournalFailed):
        store.commit([takes(2, "-2", None)])
    assert versions(store) == ["parent/a 1"]


def test_an_event_that_is_refused_takes_nothing(store: Store) -> None:
    commit(store, [row(1)])
    store.commit([sets(1, hold("all"))])
    held = Append([row(2)], ["all"], reserve=[Reservation(DAY, D(1), D(10))])
    two = Append([row(2)], reserve=[Reservation("free", D(1), D(10)), Reservation(DAY, D(11), D(10))])
    answers = store.commit([takes(1, "3"), held, two])
    assert [type(answer) for answer in answers] == [TakenOver, Held, CapReached]
    assert store.used([DAY, "free"]) == {}
    assert versions(store) == ["parent/a 1"]


def test_one_append_may_take_twice_from_one_counter(store: Store) -> None:
    twice = [Reservation(DAY, D(6), D(10)), Reservation(DAY, D(5), D(10))]
    (refused,) = store.commit([Append([row(1)], reserve=twice)])
    assert isinstance(refused, CapReached)
    twice[1] = Reservation(DAY, D(4), D(10))
    assert store.commit([Append([row(1)], reserve=twice)]) == [None]
    assert store.used([DAY]) == {DAY: D(10)}


def test_who_asks_in_a_crowd_is_not_refused_for_those_who_were(store: Store) -> None:
    """In one batch, what another was refused is not counted against those behind it."""
    answers = store.commit(
        [takes(1, "8"), takes(1, "5", stream="parent/b"), takes(1, "2", stream="parent/c"), takes(2, "1")]
    )
    assert [answer is None for answer in answers] == [True, False, True, False]
    assert store.used([DAY]) == {DAY: D(10)}


def test_an_append_is_refused_when_what_it_rests_on_has_changed(store: Store) -> None:
    commit(store, [row(1, "case/x")], [row(2, "case/x")])
    rests = Append([row(1)], expects={"case/x": 2, "people": 0})
    assert store.commit([Append([row(1)], expects={"case/x": 1}), rests])[1] is None
    (outdated,) = store.commit([Append([row(2)], expects={"case/x": 1})])
    assert isinstance(outdated, Outdated)
    answers = store.commit([Append([row(1, "people")]), Append([row(2)], expects={"people": 0})])
    assert [type(answer) for answer in answers] == [type(None), Outdated]


# --- many at once -----------------------------------------------------------------------------------------------------


class Seller:
    """One process in small: reserves for an order, learns what was sold of it, gives the rest back."""

    def __init__(self, stream: str, counters: tuple[str, ...], most: Decimal) -> None:
        self.stream, self.counters, self.most = stream, counters, most
        self.version = 0
        self.open: list[Decimal] = []
        self.sold = D(0)

    def asks(self, qty: Decimal) -> Append:
        return self._append([Reservation(counter, qty, self.most) for counter in self.counters])

    def ends(self, qty: Decimal, sold: Decimal) -> Append:
        return self._append([Reservation(counter, sold - qty) for counter in self.counters])

    def _append(self, reserve: list[Reservation]) -> Append:
        return Append([row(self.version + 1, self.stream)], reserve=reserve)


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 60), st.integers(0, 100)), min_size=1, max_size=40
)


@given(steps=STEPS, most=st.integers(1, 100), crowd=st.integers(1, 4))
@settings(max_examples=1_000, deadline=None)
def test_joint_caps_hold_in_every_interleaving(steps: list[tuple[int, bool, int, int]], most: int, crowd: int) -> None:
    """Two processes, each with orders of two cases at two venues, in any order and any batches: at every moment what
    was sold and what may still be sold stays within the cap of the institution and within that of each venue, no
    order is refused that would have fitted, and at the end the counters hold exactly what was sold."""
    store: Store = MemoryStore()
    joint, venues = "week", ("venue/osl", "venue/hashkey")
    sellers = [Seller(f"parent/{n}", (joint, venues[n % 2]), D(most)) for n in range(4)]
    waiting: list[tuple[Seller, Append, Decimal | None, Decimal]] = []

    def flush() -> None:
        before = {name: D(0) for name in (joint, *venues)} | store.used([joint, *venues])
        answers = store.commit([append for _, append, _, _ in waiting])
        for (seller, _, asked, sold), answer in zip(waiting, answers, strict=True):
            if asked is None:
                assert answer is None
            elif answer is None:
                seller.open.append(asked)
            else:
                assert isinstance(answer, CapReached)
                assert len(waiting) > 1 or before[answer.counter] + asked > most
                continue
            seller.version += 1
            seller.sold += sold
        waiting.clear()
        _within(store, sellers, joint, venues, D(most))

    for who, ends, size, part in steps:
        seller = sellers[who]
        if any(each is seller for each, *_ in waiting):
            flush()
        if ends and seller.open:
            qty = seller.open.pop()
            sold = qty * part / 100
            waiting.append((seller, seller.ends(qty, sold), None, sold))
        else:
            waiting.append((seller, seller.asks(D(size)), D(size), D(0)))
        if len(waiting) >= crowd:
            flush()
    flush()


def _within(store: Store, sellers: list[Seller], joint: str, venues: tuple[str, ...], most: Decimal) -> None:
    for counter in (joint, *venues):
        mine = [seller for seller in sellers if counter in seller.counters]
        taken = sum((seller.sold + sum(seller.open, D(0)) for seller in mine), D(0))
        assert taken <= most
        assert store.used([counter]).get(counter, D(0)) == taken


def test_without_the_limit_the_same_cap_is_passed() -> None:
    """The twin: the counter without its limit lets the second order through."""
    store = MemoryStore()
    assert store.commit([takes(1, "8", None), takes(2, "8", None)]) == [None, None]
    assert store.used([DAY]) == {DAY: D(16)}


def test_writers_at_once_share_one_cap_to_the_last_unit(place: Place) -> None:
    """Writers that race, each with a connection of its own: together they get exactly what there is."""
    stores = [open_store(place) for _ in range(3)]
    won = [0, 0, 0]

    def sell(number: int) -> None:
        version = 0
        for _ in range(40):
            batch = [takes(version + 1, "1", "50", stream=f"parent/{number}")]
            batch.append(takes(1, "0.5", "50", stream=f"parent/{number}-{version}"))
            first, second = stores[number].commit(batch)
            won[number] += 2 * (first is None) + (second is None)
            version += first is None
            for answer in (first, second):
                assert answer is None or isinstance(answer, CapReached | TakenOver)

    threads = [threading.Thread(target=sell, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 100  # halves
    reader = open_reading(place)
    assert reader.used() == {DAY: D(50)}
    reader.close()
    for store in stores:
        store.close()


SELLS = """
import sys
from decimal import Decimal
from pathlib import Path
from executor.domain.reservation import Reservation
from executor.errors import CapReached
from executor.journal.open import open_store
from executor.journal.store import Append, Row

place, case = sys.argv[1:]
store = open_store(Path(place) if "://" not in place else place)
sys.stdin.readline()
version = sold = 0
refused = 0
while refused < 20:
    number = version + 1
    venue = ("osl", "hashkey")[number % 2]
    caps = [Reservation("joint", Decimal("0.7"), Decimal("200")), Reservation(venue, Decimal("0.7"), Decimal("90"))]
    row = Row(f"parent/{case}", number, case, "Kind", "2026-11-23T02:00:00.000000Z", f"{case} {number}")
    (answer,) = store.commit([Append([row], reserve=caps)])
    assert answer is None or isinstance(answer, CapReached)
    if answer is not None:
        refused += 1
        continue
    version += 1
    if number % 3 == 0:  # a third of it is not filled and given back
        row = Row(f"acts/{case}", number // 3, case, "Kind", "2026-11-23T02:00:00.000000Z", f"{case} back {number}")
        back = [Reservation("joint", Decimal("-0.2")), Reservation(venue, Decimal("-0.2"))]
        assert store.commit([Append([row], reserve=back)]) == [None]
print(version)
store.close()
"""


def test_two_processes_two_cases_two_venues_share_one_journal(place: Place) -> None:
    """Real processes on one journal: each venue's cap is used up to what an order needs and never passed."""
    open_store(place).close()
    command = [sys.executable, "-c", SELLS, str(place)]
    running = [
        subprocess.Popen([*command, case], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for case in ("CASE-1", "CASE-2")
    ]
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    orders = [int(each.communicate(timeout=120)[0]) for each in running]
    assert [each.returncode for each in running] == [0, 0]
    reader = open_reading(place)
    used = reader.used()
    given_back = sum(len(list(reader.read(f"acts/{case}"))) for case in ("CASE-1", "CASE-2"))
    reader.close()
    assert used["joint"] == used["osl"] + used["hashkey"] == sum(orders) * D("0.7") - given_back * D("0.2")
    assert all(used[venue] <= 90 for venue in ("osl", "hashkey"))
    assert min(used["osl"], used["hashkey"]) <= 90
    assert max(used["osl"], used["hashkey"]) > D("89.3")  # no room for one more order


# --- the version before -----------------------------------------------------------------------------------------------


def test_a_journal_of_schema_one_is_carried_forward(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and holds of a journal without counters stay, and caps are counted in it from then on."""
    with monkeypatch.context() as before:
        before.setattr("executor.journal.sql.MIGRATIONS", sql.MIGRATIONS[:1])
        old = open_store(place)
        commit(old, [row(1), row(2)])
        old.commit([sets(1, hold("all"))])
        old.close()
    new = open_store(place)
    assert versions(new) == ["parent/a 1", "parent/a 2"]
    assert new.holds(["all"]) == [hold("all")]
    assert new.used([DAY]) == {}
    assert new.commit([takes(3, "10")]) == [None]
    assert isinstance(new.commit([takes(4, "0.1")])[0], CapReached)
    new.close()
    reader = open_reading(place)
    assert reader.used() == {DAY: D(10)}
    reader.close()


def test_amounts_keep_every_digit(store: Store, tmp_path: Path) -> None:
    tiny, huge = "0.000000000000000001", "123456789012345678901234567890"
    store.commit([takes(1, huge, None), takes(2, tiny, None)])
    assert store.used([DAY]) == {DAY: D(huge + tiny[1:])}
