"""What can go wrong between a client and its venues: the kinds, a seeded plan of them, and the tally of what was hit.

A :class:`Fault` is armed for a while and for so many hits; whoever works a boundary (wire, answers, venue, process,
journal) asks :class:`Faults` whether one is armed there and reports the hit when it has done something. A kind is
counted when it happened to somebody, not when it was planned.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from adapters.clock import Clock
from adapters.mock.calls import EVERY, WRITES, Call

T = TypeVar("T")


class FaultKind(StrEnum):
    # the wire
    RESPONSE_LOST = "response lost after the order was taken"
    REQUEST_LOST = "request lost"
    LATE_REQUEST = "request arrives after the connection broke"
    LATE_RESPONSE = "late response"
    DELIVERED_TWICE = "request delivered twice"
    RESET = "connection reset"
    HALF_OPEN = "half-open connection"
    TRUNCATED = "truncated body"
    HTML = "HTML body"
    OK_WITH_ERROR = "200 with an error inside"
    TOO_MANY = "429"
    BANNED = "418"
    FAILED_BEFORE = "5xx before the effect"
    FAILED_AFTER = "5xx after the effect"
    TIMEOUT = "timeout"
    SLOW = "slow venue"
    # what the venue says of orders and fills
    ORDER_MISSING = "order missing from queries for a while"
    HISTORY_HIDES = "history hides finished orders"
    UNKNOWN_WORD = "unknown state word"
    SUSPENDED = "order suspended"
    FILL_TWICE = "fill reported twice"
    FILL_LATE = "fill reported late"
    FILLS_SHUFFLED = "fills out of order"
    FEE_LATER = "fee arrives later"
    # what the venue does
    FEE_ASSET = "fee in another asset"
    PARTIAL_FILL = "partial fill"
    FILL_IN_CANCEL = "fill during cancel"
    CANCEL_REFUSED = "cancel refused"
    EXPIRED = "order expired"
    WITHDRAWN = "order withdrawn"
    QUOTE_EXPIRED = "quote expired"
    QUOTE_UNANSWERED = "quote executed without answer"
    LAST_LOOK = "last look refusal"
    QUOTE_SIZE = "quote for another size"
    HALTED_PAIR = "pair halted"
    FILTERS = "filters changed"
    BALANCE_SHORT = "balance short"
    # the market
    BOOK_STALE = "stale book"
    BOOK_EMPTY = "empty book"
    BOOK_CROSSED = "crossed book"
    BOOK_ONE_SIDED = "one-sided book"
    PRICE_JUMP = "price jump through the floor"
    # the process and its machine
    CLOCK_AHEAD = "our clock ahead"
    CLOCK_BEHIND = "our clock behind"
    CLOCK_JUMP = "clock jump"
    KILLED = "process killed"
    PAUSED = "process paused and continued"
    TWO_PROCESSES = "two processes on one journal"
    JOURNAL_ERROR = "journal write error"
    DISK_FULL = "disk full"


K = FaultKind
PROCESS = (
    K.CLOCK_AHEAD,
    K.CLOCK_BEHIND,
    K.CLOCK_JUMP,
    K.KILLED,
    K.PAUSED,
    K.TWO_PROCESSES,
    K.JOURNAL_ERROR,
    K.DISK_FULL,
)
"""Faults of the process and its machine: whoever runs the process works these, not the venues."""

_TAKEN = frozenset({Call.PLACE, Call.ACCEPT})
_ORDERS = frozenset({Call.QUERY, Call.OPEN, Call.FILLS})
# At which calls a fault may strike; of several entries one is drawn, so that writes are hit as often as readings.
_WHERE: dict[FaultKind, tuple[frozenset[Call], ...]] = {
    K.RESPONSE_LOST: (_TAKEN,),
    K.REQUEST_LOST: (WRITES, EVERY),
    K.LATE_REQUEST: (_TAKEN, WRITES),
    K.LATE_RESPONSE: (WRITES, EVERY),
    K.DELIVERED_TWICE: (WRITES, EVERY),
    K.RESET: (WRITES, WRITES, EVERY),
    K.HALF_OPEN: (WRITES, EVERY),
    K.TRUNCATED: (WRITES, EVERY),
    K.HTML: (WRITES, EVERY),
    K.OK_WITH_ERROR: (WRITES, EVERY),
    K.TOO_MANY: (WRITES, EVERY),
    K.BANNED: (WRITES, EVERY),
    K.FAILED_BEFORE: (WRITES, EVERY),
    K.FAILED_AFTER: (WRITES,),
    K.TIMEOUT: (WRITES, EVERY),
    K.SLOW: (EVERY,),
    K.ORDER_MISSING: (_ORDERS,),
    K.HISTORY_HIDES: (frozenset({Call.QUERY}),),
    K.UNKNOWN_WORD: (frozenset({Call.QUERY, Call.PLACE}),),
    K.SUSPENDED: (frozenset({Call.QUERY}),),
    K.FILL_TWICE: (frozenset({Call.FILLS}),),
    K.FILL_LATE: (frozenset({Call.FILLS}),),
    K.FILLS_SHUFFLED: (frozenset({Call.FILLS}),),
    K.FEE_LATER: (frozenset({Call.FILLS}),),
    K.FEE_ASSET: (frozenset({Call.PLACE}),),
    K.PARTIAL_FILL: (frozenset({Call.PLACE}),),
    K.FILL_IN_CANCEL: (frozenset({Call.CANCEL}),),
    K.CANCEL_REFUSED: (frozenset({Call.CANCEL}),),
    K.EXPIRED: (EVERY,),
    K.WITHDRAWN: (EVERY,),
    K.QUOTE_EXPIRED: (frozenset({Call.ACCEPT}),),
    K.QUOTE_UNANSWERED: (frozenset({Call.ACCEPT}),),
    K.LAST_LOOK: (frozenset({Call.ACCEPT}),),
    K.QUOTE_SIZE: (frozenset({Call.QUOTE}),),
    K.HALTED_PAIR: (frozenset({Call.PLACE, Call.CATALOGUE}),),
    K.FILTERS: (frozenset({Call.PLACE, Call.CATALOGUE}),),
    K.BALANCE_SHORT: (frozenset({Call.PLACE, Call.ACCEPT, Call.BALANCE}),),
    K.BOOK_STALE: (frozenset({Call.BOOK}),),
    K.BOOK_EMPTY: (frozenset({Call.BOOK}),),
    K.BOOK_CROSSED: (frozenset({Call.BOOK}),),
    K.BOOK_ONE_SIDED: (frozenset({Call.BOOK}),),
    K.PRICE_JUMP: (frozenset({Call.BOOK, Call.PLACE, Call.QUOTE}),),
}
# Faults that last: the world is like that for a while, whoever asks. The others strike a few requests and are gone.
LASTING = frozenset(
    {
        K.SLOW,
        K.ORDER_MISSING,
        K.HISTORY_HIDES,
        K.UNKNOWN_WORD,
        K.SUSPENDED,
        K.FILL_LATE,
        K.FEE_LATER,
        K.HALTED_PAIR,
        K.FILTERS,
        K.BALANCE_SHORT,
        K.BOOK_STALE,
        K.BOOK_EMPTY,
        K.BOOK_CROSSED,
        K.BOOK_ONE_SIDED,
        K.PRICE_JUMP,
    }
)
NEEDS_QUOTES = frozenset({K.QUOTE_EXPIRED, K.QUOTE_UNANSWERED, K.LAST_LOOK, K.QUOTE_SIZE})
NEEDS_RESTING = frozenset({K.FILL_IN_CANCEL, K.CANCEL_REFUSED, K.EXPIRED, K.WITHDRAWN})


class Draws:
    """Random choices that are a function of a key: the same on every machine and in every version."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._count = 0

    def below(self, limit: int) -> int:
        """A whole number from 0 to ``limit - 1``."""
        self._count += 1
        digest = hashlib.sha256(f"{self._key}/{self._count}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of ``choices``."""
        return choices[self.below(len(choices))]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.below(100) < percent


@dataclass(slots=True)
class Fault:
    """One planned fault: armed at ``venue`` (empty: anywhere) from ``at`` until ``until``, for ``left`` hits at most.
    ``draws`` decides what is left open, such as whether a 200 with an error hides an effect."""

    kind: FaultKind
    venue: str
    at: datetime
    until: datetime
    left: int
    calls: frozenset[Call]
    draws: Draws = field(repr=False)
    hits: int = 0
    seconds: int = 0
    """How long it lasts, for a fault that has a length of its own; drawn where it is zero."""


class Faults:
    """The plan of one world and the tally of what it did."""

    def __init__(self, plan: Iterable[Fault], clock: Clock) -> None:
        self.plan = list(plan)
        self.hits: Counter[FaultKind] = Counter()
        self._clock = clock

    def armed(self, venue: str, call: Call, kinds: frozenset[FaultKind]) -> list[Fault]:
        """The faults of ``kinds`` that may strike this call now, in the order of the plan."""
        now = self._clock.now()
        return [
            fault
            for fault in self.plan
            if fault.left > 0
            and fault.kind in kinds
            and fault.at <= now < fault.until
            and fault.venue in ("", venue)
            and call in fault.calls
        ]

    def hit(self, fault: Fault) -> None:
        """Count what ``fault`` has just done to somebody."""
        fault.left -= 1
        fault.hits += 1
        self.hits[fault.kind] += 1

    def count(self, kind: FaultKind) -> None:
        """Count a fault of the process, which has no call."""
        self.hits[kind] += 1

    def over(self) -> None:
        """Disarm everything: from here on the world is healthy."""
        for fault in self.plan:
            fault.left = 0

    def stop(self, kinds: frozenset[FaultKind]) -> None:
        """Disarm some kinds."""
        for fault in self.plan:
            if fault.kind in kinds:
                fault.left = 0


def fault(
    kind: FaultKind,
    at: datetime,
    until: datetime,
    *,
    venue: str = "",
    left: int = 1,
    key: str = "",
    calls: frozenset[Call] | None = None,
    seconds: int = 0,
) -> Fault:
    """One fault by hand, for a named scenario."""
    where = calls if calls is not None else _WHERE.get(kind, (EVERY,))[0]
    return Fault(kind, venue, at, until, left, where, Draws(f"{key}/{kind.name}"), seconds=seconds)


def fault_plan(
    seed: int, kinds: Sequence[FaultKind], *, start: datetime, lasts: timedelta, venues: Sequence[str], shots: int
) -> list[Fault]:
    """``shots`` faults of ``kinds``, spread over ``lasts`` from ``start``. A function of its arguments."""
    draws = Draws(f"faults/{seed}")
    window_s = int(lasts.total_seconds())
    planned = []
    for number in range(shots):
        kind = draws.pick(kinds)
        at = start + timedelta(seconds=draws.below(max(1, window_s * 4 // 5)), milliseconds=draws.below(1000))
        if kind in LASTING:
            until, left = at + timedelta(seconds=draws.between(20, max(30, min(window_s // 3, 240)))), 1_000_000
        else:
            until, left = start + lasts, draws.pick((1, 1, 1, 2, 3))
        planned.append(
            Fault(
                kind,
                draws.pick((*venues, "")),
                at,
                until,
                left,
                draws.pick(_WHERE.get(kind, (EVERY,))),
                Draws(f"faults/{seed}/{number}"),
            )
        )
    return sorted(planned, key=lambda one: one.at)
