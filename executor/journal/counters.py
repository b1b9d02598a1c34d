"""Whether the counters of caps stand where the orders of the record bring them.

They stand in a table of their own, which the transaction that writes an order looks at and adds to. Whoever changes it
otherwise has changed the database by hand, and a cap that rests on it binds no more.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain

from executor.domain.money import ZERO, add, plain
from executor.domain.parent import Parent
from executor.errors import RecordBroken
from executor.journal.leaves import Run

_COUNTERS = "SELECT counter, used FROM counters"


def check_counters(run: Run, parents: Iterable[Parent], filled: Iterable[Mapping[str, Decimal]]) -> None:
    """Raise ``RecordBroken`` if the counters that ``run`` reads are not those of ``parents``, whole as their streams
    tell, and of what was counted later for orders from before their terms were named."""
    wanted: dict[str, Decimal] = {}
    for counted in chain(filled, *(_counted(parent) for parent in parents)):
        for counter, amount in counted.items():
            wanted[counter] = add(wanted.get(counter, ZERO), amount)
    if not wanted:
        return  # a journal from before there were counters has no table of them
    there = {str(counter): Decimal(str(used)) for counter, used in run(_COUNTERS, ())}
    for counter in sorted(wanted.keys() | there.keys()):
        stands, comes_to = there.get(counter, ZERO), wanted.get(counter, ZERO)
        if stands != comes_to:
            raise RecordBroken(
                f"the counter {counter} stands at {plain(stands)}, the orders of the record come to {plain(comes_to)}: "
                "the database was changed by hand, and the caps that rest on it do not bind; have it examined"
            )


def _counted(parent: Parent) -> Iterable[Mapping[str, Decimal]]:
    if parent.created is not None:
        yield parent.counted()
        yield from (child.counted() for child in parent.children.values())
