"""What the others sold from our purses: said only where no order of theirs was on its way while our base was read."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import cast

from executor.domain.events import Event, PursesRead
from executor.domain.parent import Parent
from executor.engine.neighbours import Neighbours, sold_since
from executor.journal.journal import Journal
from executor.journal.line import Line
from tests.domain.events_made import AT, closed, created, filled, intended

SECOND = timedelta(seconds=1)


class Record:
    """One neighbour, whose order is sent, filled and closed at the seconds given."""

    def __init__(self, sent: float, filled_at: float, closed_at: float) -> None:
        events: list[tuple[float, Event]] = [
            (-60, created()),
            (sent, intended(1, "2")),
            (filled_at, filled(1, "t1", "2")),
            (closed_at, closed(1, "2")),
        ]
        self._lines = [
            Line(stream="parent/abcdefghij", version=n, case_id="CASE-1", at=AT + SECOND * at, event=event)
            for n, (at, event) in enumerate(events, start=1)
        ]

    def streams(self, _prefix: str) -> list[str]:
        return ["parent/abcdefghij"]

    def read(self, _stream: str) -> Iterator[Line]:
        return iter(self._lines)


def sold(sent: float, filled_at: float, closed_at: float) -> Decimal | None:
    """As seen by a parent order whose purses were read in the second after ``AT`` and recorded in the tenth."""
    ours = Parent()
    ours.apply(created(parent_id="ours"), AT + SECOND * 10)
    read = PursesRead(venue="alpha", totals={"main": Decimal(9)}, began_at=AT, ended_at=AT + SECOND)
    ours.apply(read, AT + SECOND * 10)
    others = Neighbours(cast(Journal, Record(sent, filled_at, closed_at)), "ours").read(ours)
    return sold_since(others, "alpha", ["book"])


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
