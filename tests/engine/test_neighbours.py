"""What the others sold from our purses: said only where no order of theirs was on its way while our base was read."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.domain.events import Event, ParentFinished, PursesRead
from executor.domain.parent import Parent
from executor.engine.neighbours import Neighbours
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.memory import MemoryStore
from tests.domain.events_made import AT, closed, created, filled, intended

SECOND = timedelta(seconds=1)
OURS = "oooooooooo"
THEIRS = "abcdefghij"


class Counting(MemoryStore):
    """Counts the lines that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0

    def _counted(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.lines += 1
            yield line

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        return self._counted(super().read(stream, after))

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        return self._counted(super().edges(streams, last=last))

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        return self._counted(super().news(known, kinds))

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        for place, line in super().tail(after, empty, kinds):
            self.lines += bool(line)
            yield place, line


class Writing:
    """A journal in memory in which events are put down at the seconds given."""

    def __init__(self) -> None:
        self.store = Counting()
        self.journal = Journal(self.store, threaded=False)
        self._versions: dict[str, int] = {}

    def put(self, parent: str, second: float, event: Event) -> None:
        version = self._versions[parent] = self._versions.get(parent, 0) + 1
        line = Line(stream=f"parent/{parent}", version=version, case_id="C", at=AT + SECOND * second, event=event)  # type: ignore[arg-type]
        asyncio.run(self.journal.append([line]))

    def begin(self, parent: str, second: float, *, read: tuple[float, float] | None = None, holds: str = "9") -> None:
        """A parent order is created, its purses read between the seconds of ``read``."""
        began, ended = read or (second, second)
        self.put(parent, second, created(parent_id=parent))
        totals = {"main": Decimal(holds)}
        reading = PursesRead(venue="alpha", totals=totals, began_at=AT + SECOND * began, ended_at=AT + SECOND * ended)
        self.put(parent, second, reading)

    def order(self, parent: str, number: int, sent: float, filled_at: float, closed_at: float, qty: str = "2") -> None:
        """An order that is sent, filled and closed."""
        name = {"client_order_id": f"{parent}-{number}"}
        self.put(parent, sent, intended(number, qty, **name))
        self.put(parent, filled_at, filled(number, f"{parent}{number}", qty, **name))
        self.put(parent, closed_at, type(closed(number, qty))(venue_status="DONE", cum_qty=Decimal(qty), **name))

    def folded(self, parent: str) -> Parent:
        """A parent order as the journal has it."""
        state = Parent()
        for line in self.journal.read(f"parent/{parent}"):
            state.apply(line.event, line.at)
        return state

    def sold(self, parent: str = OURS) -> Decimal | None:
        return Neighbours(self.journal, parent).sold_since(self.folded(parent), "alpha", ["book"])

    def most(self, parent: str = OURS) -> Decimal | None:
        return Neighbours(self.journal, parent).most(self.folded(parent), "alpha", "main", ["book"])


def sold(sent: float, filled_at: float, closed_at: float) -> Decimal | None:
    """As seen by a parent order whose purses were read in the second after ``AT`` and recorded in the tenth, and the
    same whether it looks once at the end or after each event."""
    seen = []
    for often in (False, True):
        on = Writing()
        on.begin(THEIRS, -60)
        steps = [
            (sent, lambda on: on.put(THEIRS, sent, intended(1, "2"))),
            (filled_at, lambda on: on.put(THEIRS, filled_at, filled(1, "t1", "2"))),
            (closed_at, lambda on: on.put(THEIRS, closed_at, closed(1, "2"))),
            (10, lambda on: on.begin(OURS, 10, read=(0, 1))),
        ]
        for _, step in sorted(steps, key=lambda step: step[0]):
            step(on)
            if often:
                on.journal.sold.look("parent/third", "BTC", created().venues, None)
        seen.append(on.sold())
    assert seen[0] == seen[1]
    return seen[0]


def test_what_was_sold_before_the_reading_is_in_the_base() -> None:
    assert sold(-9, -8, -7) == 0


def test_what_was_sold_after_the_reading_is_not_even_if_before_the_base_was_recorded() -> None:
    """The time of the record is later than that of the reading; counted from it, two coins would seem to be there that
    are not."""
    assert sold(2, 3, 4) == 2
    assert sold(20, 21, 22) == 2


def test_nothing_can_be_said_of_an_order_that_was_on_its_way_meanwhile() -> None:
    assert sold(-1, 0.5, 0.9) is None
    assert sold(-1, 5, 6) is None
    assert sold(0.2, 0.4, 0.6) is None


def test_nothing_can_be_said_while_one_is_on_its_way() -> None:
    on = Writing()
    on.begin(THEIRS, -60)
    on.begin(OURS, 0)
    on.put(THEIRS, 5, intended(1, "2"))
    assert on.sold() is None
    on.put(THEIRS, 6, filled(1, "t1", "2"))
    assert on.sold() is None
    on.put(THEIRS, 7, closed(1, "2"))
    assert on.sold() == 2


def test_a_fee_in_coins_has_left_the_purse_too() -> None:
    on = Writing()
    on.begin(THEIRS, -60)
    on.begin(OURS, 0)
    on.put(THEIRS, 5, intended(1, "2"))
    on.put(THEIRS, 6, filled(1, "t1", "2", fee=Decimal("0.001"), fee_asset="BTC"))
    on.put(THEIRS, 7, closed(1, "2"))
    assert on.sold() == Decimal("2.001")


def test_one_that_was_finished_before_ours_began_is_not_read_and_one_that_ended_since_counts() -> None:
    on = Writing()
    on.begin("past", -100)
    on.order("past", 1, -90, -89, -88)
    on.put("past", -50, ParentFinished(completed=False, leaves_qty=Decimal(8), reason="over"))
    on.begin(THEIRS, -60)
    on.begin(OURS, 0)
    on.order(THEIRS, 1, 5, 6, 7)
    on.put(THEIRS, 8, ParentFinished(completed=False, leaves_qty=Decimal(8), reason="over"))
    assert on.sold() == 2
    assert "parent/past" not in on.journal.sold.look("parent/any", "BTC", created().venues, None).sellers


def test_a_look_reads_what_is_new_and_nothing_else() -> None:
    """Whatever the record holds: ten thousand orders ago makes no difference."""
    on = Writing()
    on.begin(THEIRS, -60)
    on.begin(OURS, 0)
    for number in range(1, 101):
        on.order(THEIRS, number, number, number + 0.1, number + 0.2, qty="0.01")
    ours, look = on.folded(OURS), Neighbours(on.journal, OURS)
    assert look.sold_since(ours, "alpha", ["book"]) == 1
    before = on.store.lines
    for _ in range(50):
        assert look.sold_since(ours, "alpha", ["book"]) == 1
    assert on.store.lines == before
    on.order(THEIRS, 101, 101, 102, 103)
    assert look.sold_since(ours, "alpha", ["book"]) == 3
    assert on.store.lines == before + 3


def test_one_alone_reads_nothing() -> None:
    on = Writing()
    on.begin(OURS, 0)
    for number in range(1, 11):
        on.order(OURS, number, number, number + 0.1, number + 0.2, qty="0.01")
    ours = on.folded(OURS)
    before = on.store.lines
    assert Neighbours(on.journal, OURS).sold_since(ours, "alpha", ["book"]) == 0
    assert on.store.lines == before + 1  # the first of the one stream there is: where it sells


def test_the_most_that_a_purse_can_hold_is_known_while_others_are_selling() -> None:
    """By the latest reading in which nothing was on its way: here that of the first."""
    on = Writing()
    on.begin(THEIRS, -60, holds="100")
    on.put(THEIRS, -1, intended(1, "2"))
    on.begin(OURS, 0, holds="99")  # crossed: nobody knows whether two coins are gone from it
    assert on.sold() is None
    assert on.most() == 100
    on.put(THEIRS, 1, filled(1, "t1", "2"))
    on.put(THEIRS, 2, closed(1, "2"))
    on.order(OURS, 1, 3, 4, 5, qty="1")
    assert on.most() == 97
    on.put(THEIRS, 6, intended(2, "3"))
    assert on.most() == 97


def brute(on: Writing, parents: Sequence[str]) -> Decimal | None:
    """By reading every stream whole, as it stands in the definition."""
    ours = on.folded(OURS)
    assert ours.purses_at is not None
    began, ended = ours.purses_at
    total = Decimal(0)
    for parent in parents:
        sent: dict[str, datetime] = {}
        for line in on.journal.read(f"parent/{parent}"):
            event: Any = line.event
            kind = line.kind
            if kind == "ChildIntended":
                sent[event.client_order_id] = line.at
                if began < line.at <= ended:
                    return None
            elif kind == "ChildClosed":
                if sent.pop(event.client_order_id) <= ended and line.at > began:
                    return None
            elif kind == "FillRecorded" and line.at > began:
                total += event.qty
        if sent:
            return None
    return total


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), often=st.booleans(), late=st.booleans())
def test_sums_say_what_reading_everything_says(seed: int, often: bool, late: bool) -> None:
    """Orders of three others, early and late (by more than what is kept), seen in one look or in many; what one of
    them did is seen only after all the rest."""
    random, on = Random(seed), Writing()
    parents = ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"]
    steps: list[tuple[float, str, Event]] = []
    for parent in parents:
        on.begin(parent, -4000)
        at = -3999.0
        for number in range(1, random.randint(1, 6)):
            at += random.choice([1, 30, 1000, 2000]) * random.random()
            name = {"client_order_id": f"{parent}-{number}"}
            for event in (
                intended(number, "1", **name),
                filled(number, f"{parent}{number}", "1", **name),
                type(closed(number, "1"))(venue_status="DONE", cum_qty=Decimal(1), **name),
            ):
                steps.append((at, parent, event))
                at += random.choice([0.1, 5])
    opens = random.uniform(-3000, 1000)
    waiting = True
    for at, parent, event in sorted(steps, key=lambda step: (late and step[1] == parents[2], step[0])):
        if waiting and (at > opens + 3 or (late and parent == parents[2])):
            on.begin(OURS, opens + 3, read=(opens, opens + 1))
            waiting = False
        on.put(parent, at, event)
        if often:
            on.journal.sold.look("parent/third", "BTC", created().venues, None)
    if waiting:
        on.begin(OURS, opens + 3, read=(opens, opens + 1))
    assert on.sold() == brute(on, parents)
