"""The floor of a parent order at each moment: the plan's own, and from each act of an approver on the raised one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from executor.domain.case_events import FloorRaised

Raises = Sequence[tuple[datetime, Decimal]]


def raises_of(plan_hash: str, raised: Iterable[tuple[datetime, FloorRaised]]) -> Raises:
    """When the floor of the plan was raised, and to what."""
    return [(at, event.floor_px) for at, event in raised if event.plan_hash == plan_hash]


def floor_at(floor_px: Decimal, raises: Raises, moment: datetime) -> Decimal:
    """The floor in force: an order is held to the one of the moment of its intent, whenever it is filled."""
    return max([floor_px, *(px for at, px in raises if at <= moment)])
