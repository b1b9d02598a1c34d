"""The other parent orders of the same journal that sell the same asset: they share purses and ledgers with ours.

A purse then holds what it held before our first order, less what we sold, less what they sold since. That can be said
only while none of them has an order in flight at the venue now, and if none had one while our base was read: whether
the base counts such an order nobody can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from executor.domain.events import ChildIntended
from executor.domain.money import ZERO, add
from executor.domain.parent import Parent
from executor.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another parent order: as it was when the reading of our purses began, and as it is. ``crossed``: the venues to
    which it sent something while they were being read."""

    then: Parent
    now: Parent
    crossed: frozenset[str]


class Neighbours:
    """Reads the streams of the others. One that was finished before ours began is read once only."""

    def __init__(self, journal: Journal, own: str) -> None:
        self._journal = journal
        self._own = own
        self._past: set[str] = set()

    def read(self, ours: Parent) -> list[Neighbour]:
        """Every other parent order of the same asset that was not finished when ours was created."""
        found: list[Neighbour] = []
        for stream in self._journal.streams("parent/"):
            if stream != f"parent/{self._own}" and stream not in self._past:
                other = self._fold(stream, ours)
                if other.then.finished or other.now.spec.asset != ours.spec.asset:
                    self._past.add(stream)
                else:
                    found.append(other)
        return found

    def _fold(self, stream: str, ours: Parent) -> Neighbour:
        then, now, crossed = Parent(), Parent(), set()
        for line in self._journal.read(stream):
            now.apply(line.event, line.at)
            if ours.purses_at is None:
                continue
            began, ended = ours.purses_at
            if line.at <= began:
                then.apply(line.event, line.at)
            elif line.at <= ended and isinstance(line.event, ChildIntended):
                crossed.add(line.event.venue)
        return Neighbour(then, now, frozenset(crossed))


def booked_by(others: Sequence[Neighbour], venue: str) -> set[str]:
    """The trades of ``venue`` that stand in the records of the others."""
    return {trade_id for each in others for name, trade_id in each.now.trades if name == venue}


def sold_since(others: Sequence[Neighbour], venue: str, methods: Sequence[str]) -> Decimal | None:
    """What the others sold at ``venue`` by ``methods`` since ours was created; ``None`` while that cannot be said."""
    sold = ZERO
    for each in others:
        if venue in each.crossed:
            return None
        for state in (each.then, each.now):
            if any(child.venue == venue for child in state.open.values()):
                return None
        for method in methods:
            sold = add(sold, _sold(each.now, venue, method) - _sold(each.then, venue, method))
    return sold


def _sold(state: Parent, venue: str, method: str) -> Decimal:
    tally = state.routes.get((venue, method))
    return tally.taken(state.spec.asset) if tally is not None else ZERO
