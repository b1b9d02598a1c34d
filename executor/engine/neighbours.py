"""The other parent orders of the same journal that sell the same asset: they share purses and ledgers with ours.

A purse then holds what it held before our first order, less what we sold, less what they sold since. That can be said
only while none of them has an order in flight at the venue now, and if none had one while our base was read: whether
the base counts such an order nobody can tell.

To prove that nothing unknown was sold less is needed. A purse never holds more than what it held at some clear reading
less what the record says was sold since, whoever is selling; so if it holds exactly that, nothing was sold that is not
in the record yet.
"""

from collections.abc import Sequence
from decimal import Decimal

from executor.domain.parent import Parent
from executor.domain.sales import Sales
from executor.journal.journal import Journal


class Neighbours:
    """Looks at the others, each time as the journal stands then."""

    def __init__(self, journal: Journal, own: str) -> None:
        self._journal = journal
        self._own = f"parent/{own}"

    def _look(self, ours: Parent) -> Sales:
        return self._journal.sold.look(self._own, ours.spec.asset, ours.spec.venues, ours.purses_at)

    def names(self, ours: Parent) -> set[str]:
        """The ids of the other parent orders that may have an order live."""
        return {each.parent_id for each in self._look(ours).others(self._own, ours.spec.asset)}

    def quotes_booked(self, ours: Parent, venue: str) -> set[str]:
        """The quote trades of ``venue`` that stand in their records."""
        return set(self._look(ours).trades.get((ours.spec.asset, venue), ()))

    def accepts_quotes(self, ours: Parent, venue: str) -> bool:
        """True while one of them may have accepted a quote of ``venue`` of which the outcome is not in its record."""
        return self._look(ours).in_flight(self._own, ours.spec.asset, venue, ["rfq"])

    def sold_since(self, ours: Parent, venue: str, methods: Sequence[str]) -> Decimal | None:
        """What they sold at ``venue`` by ``methods`` since ours was created; ``None`` while that cannot be said."""
        return self._look(ours).sold_since(self._own, venue, methods)

    def most(self, ours: Parent, venue: str, account: str, methods: Sequence[str]) -> Decimal | None:
        """The most that a purse can hold by all records, ours among them; ``None`` where no reading of it is clear, or
        where there are no others."""
        return self._look(ours).holds(self._own, venue, account, methods)
