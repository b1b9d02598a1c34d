"""Guards over time: what one look at the market cannot show. Fed with every look, asked for a verdict.

A venue whose book is stale, empty or crossed sits out; if that lasts, or if the venues disagree or the price runs, the
parent order is halted: the safe answer to a market that cannot be trusted is to stop and keep the coins.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.venue import Book
from executor.domain.money import BPS
from executor.domain.plan import Guards
from executor.guards.verdict import ALLOW, Verdict, halt


class MarketWatch:
    """Remembers just enough of the past looks. Times are the engine's clock."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._low, self._high = _Extreme(highest=False), _Extreme(highest=True)
        self._last: dict[str, tuple[Book, datetime]] = {}
        self._unusable_since: dict[str, tuple[datetime, str]] = {}

    def look(self, books: Mapping[str, Book | None], now: datetime) -> tuple[dict[str, Book], Verdict]:
        """The books that may be traded on, and the verdict on the market as a whole. A venue that is not among
        ``books`` is closed: it is judged anew when it opens."""
        usable: dict[str, Book] = {}
        for closed in (self._last.keys() | self._unusable_since.keys()) - books.keys():
            self._last.pop(closed, None)
            self._unusable_since.pop(closed, None)
        for name, book in books.items():
            fault = self._fault(name, book, now)
            if fault or book is None:
                self._unusable_since.setdefault(name, (now, fault))
            else:
                self._unusable_since.pop(name, None)
                usable[name] = book
        for verdict in (self._lasting(now), self._disagreement(usable), self._fast_move(usable, now)):
            if verdict is not ALLOW:
                return usable, verdict
        return usable, ALLOW

    def _fault(self, name: str, book: Book | None, now: datetime) -> str:
        """Why this book is no price, empty if it is one."""
        if book is None:
            return "no answer"
        before = self._last.get(name)
        if before is None or (before[0].bids, before[0].asks) != (book.bids, book.asks):
            self._last[name] = (book, now)
        elif now - before[1] > timedelta(seconds=self._guards.stale_after):
            return f"stale: unchanged for {now - before[1]}"
        if not book.bids:
            return "empty: no bid"
        if book.asks and book.bids[0].px >= book.asks[0].px:
            return f"crossed: bid {book.bids[0].px}, ask {book.asks[0].px}"
        return ""

    def _lasting(self, now: datetime) -> Verdict:
        limit = timedelta(seconds=self._guards.unusable_for)
        for name, (since, fault) in self._unusable_since.items():
            if fault != "no answer" and now - since >= limit:
                return halt("book", f"the book of {name} cannot be traded on for {now - since}: {fault}")
        if self._last and self._unusable_since.keys() >= self._last.keys():
            first = min(since for since, _ in self._unusable_since.values())
            if now - first >= limit:
                return halt("book", f"no venue shows a book that can be traded on for {now - first}")
        return ALLOW

    def _disagreement(self, usable: Mapping[str, Book]) -> Verdict:
        mids = {name: (book.bids[0].px + book.asks[0].px) / 2 for name, book in usable.items() if book.asks}
        if len(mids) < 2:
            return ALLOW
        low, high = min(mids.values()), max(mids.values())
        apart = (high - low) * BPS / low
        if apart > self._guards.disagreement_bps:
            return halt("disagreement", f"the venues' mids are {apart:.1f} bps apart ({low} and {high})")
        return ALLOW

    def _fast_move(self, usable: Mapping[str, Book], now: datetime) -> Verdict:
        mids = sorted((book.bids[0].px + book.asks[0].px) / 2 for book in usable.values() if book.asks)
        if not mids:
            return ALLOW
        mid = mids[len(mids) // 2]
        window = timedelta(seconds=self._guards.fast_move_window)
        low, high = self._low.push(now, mid, window), self._high.push(now, mid, window)
        # Of all mids in the window the lowest and the highest are the farthest from any.
        then, before = max((low, high), key=lambda seen: abs(mid - seen[1]) / seen[1])
        moved = abs(mid - before) * BPS / before
        if moved > self._guards.fast_move_bps:
            return halt("fast_move", f"the mid moved {moved:.1f} bps in {now - then} ({before} to {mid})")
        return ALLOW


class _Extreme:
    """The lowest (or highest) value of a moving window. Each value enters and leaves once, so that a look costs the
    same however many there were."""

    def __init__(self, *, highest: bool) -> None:
        self._highest = highest
        self._kept: deque[tuple[datetime, Decimal]] = deque()

    def push(self, now: datetime, value: Decimal, window: timedelta) -> tuple[datetime, Decimal]:
        """Add a value; the extreme of what the window holds, and when it was."""
        kept = self._kept
        while kept and (kept[-1][1] <= value if self._highest else kept[-1][1] >= value):
            kept.pop()
        kept.append((now, value))
        while now - kept[0][0] > window:
            kept.popleft()
        return kept[0]
