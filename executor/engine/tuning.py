"""How patient the engine is. Not the plan's business: none of these change what may be sold, where or for how much."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Tuning:
    """``poll``: between two looks at a live order. ``patience``: how long fills may lag behind the quantity that the
    venue counts as filled, and how long an order may stay unsettled after it should have ended, before it is parked.
    ``book_age``: the oldest book that may be traded on. ``retry``: between two tries when nothing could be sent."""

    poll: timedelta = timedelta(seconds=1)
    patience: timedelta = timedelta(seconds=120)
    book_age: timedelta = timedelta(seconds=10)
    retry: timedelta = timedelta(seconds=30)
