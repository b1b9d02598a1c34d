"""What an event takes from a counter that several orders share, or gives back."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an append takes from a counter, or, below zero, gives back. Refused where it would go over ``most``;
    without ``most`` it is never refused."""

    counter: str
    amount: Decimal
    most: Decimal | None = None


def holding_counter(case_id: str, asset: str) -> str:
    """Where the parent orders of a case reserve what they sell from its holding."""
    return f"holding/{case_id}/{asset}"
