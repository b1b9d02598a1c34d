"""How patient the engine is. Not the plan's business: none of these change what may be sold, where or for how much."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Tuning:
    """``poll``: between two looks at a live order. ``patience``: how long fills may lag behind the quantity that the
    venue counts as filled, and how long an order may stay unsettled after it should have ended, before it is parked.
    ``retry``: between two tries when nothing could be sent. ``control``: between two looks at what people ordered;
    ``quotes``: how long the answers to a request for quote are waited for; one that came first must still have life
    when the choice is made (OSL's live 7 seconds, the last 2 of which are too few). ``reconcile``: between two
    comparisons with the venues' books. ``remembered``: how many closed child orders are kept in memory once they have
    been compared; what is older is in the totals, and in the journal."""

    poll: timedelta = timedelta(seconds=1)
    patience: timedelta = timedelta(seconds=120)
    retry: timedelta = timedelta(seconds=30)
    control: timedelta = timedelta(seconds=1)
    quotes: timedelta = timedelta(seconds=4)
    reconcile: timedelta = timedelta(minutes=30)
    remembered: int = 1_000
