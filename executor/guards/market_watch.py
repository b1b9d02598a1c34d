"""Guards over time: what one look at the market cannot show. Fed with every look, asked for a verdict.

A venue whose book is stale, empty or crossed sits out; if that lasts, or if the venues disagree or the price runs, the
parent order is halted: the safe answer to a market that cannot be trusted is to stop and keep the coins.
"""

from collections import deque
from collections.abc import Mapping, Sequence
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
        self._stale_after = timedelta(seconds=guards.stale_after)
        self._unusable_for = timedelta(seconds=guards.unusable_for)
        self._window = timedelta(seconds=guards.fast_move_window)
        self._low, self._high = _Extreme(highest=False), _Extreme(highest=True)
        self._last: dict[str, tuple[Book, datetime]] = {}
        self._unusable_since: dict[str, tuple[datetime, str]] = {}

    def look(self, books: Mapping[str, Book | None], now: datetime) -> tuple[dict[str, Book], Verdict]:
        """The books that may be traded on, and the verdict on the market as a whole. A venue that is not among
        ``books`` is closed: it is judged anew when it opens."""
        for closed in [name for name in (*self._last, *self._unusable_since) if name not in books]:
            self._last.pop(closed, None)
            self._unusable_since.pop(closed, None)
        usable: dict[str, Book] = {}
        mids: list[Decimal] = []
        for name, book in books.items():
            fault = self._fault(name, book, now)
            if fault or book is None:
                self._unusable_since.setdefault(name, (now, fault))
                continue
            self._unusable_since.pop(name, None)
            usable[name] = book
            if book.asks:
                mids.append((book.bids[0].px + book.asks[0].px) / 2)
        lasting = self._lasting(now) if self._unusable_since else ALLOW
        apart = self._disagreement(mids) if len(mids) > 1 else ALLOW
        moved = self._fast_move(mids, now) if mids else ALLOW
        if lasting is not ALLOW:
            return usable, lasting
        return usable, apart if apart is not ALLOW else moved

    def _fault(self, name: str, book: Book | None, now: datetime) -> str:
        """Why this book is no price, empty if it is one."""
        if book is None:
            return "no answer"
        before = self._last.get(name)
        if before is None or before[0].bids != book.bids or before[0].asks != book.asks:
            self._last[name] = (book, now)
        elif now - before[1] > self._stale_after:
            return f"stale: unchanged for {now - before[1]}"
        if not book.bids:
            return "empty: no bid"
        if book.asks and book.bids[0].px >= book.asks[0].px:
            return f"crossed: bid {book.bids[0].px}, ask {book.asks[0].px}"
        return ""

    def _lasting(self, now: datetime) -> Verdict:
        limit = self._unusable_for
        for name, (since, fault) in self._unusable_since.items():
            if fault != "no answer" and now - since >= limit:
                return halt("book", f"the book of {name} cannot be traded on for {now - since}: {fault}")
        if self._last and self._unusable_since.keys() >= self._last.keys():
            last = max(since for since, _ in self._unusable_since.values())  # until then one of them could be used
            if now - last >= limit:
                return halt("book", f"no venue shows a book that can be traded on for {now - last}")
        return ALLOW

    def _disagreement(self, mids: Sequence[Decimal]) -> Verdict:
        low, high = min(mids), max(mids)
        apart = (high - low) * BPS / low
        if apart > self._guards.disagreement_bps:
            return halt("disagreement", f"the venues' mids are {apart:.1f} bps apart ({low} and {high})")
        return ALLOW

    def _fast_move(self, mids: Sequence[Decimal], now: datetime) -> Verdict:
        mid, since = sorted(mids)[len(mids) // 2], now - self._window
        # Of all mids in the window the lowest and the highest are the farthest from any.
        low_at, low = self._low.push(now, mid, since)
        high_at, high = self._high.push(now, mid, since)
        risen, fallen = (mid - low) * BPS / low, (high - mid) * BPS / high
        moved, then, before = (risen, low_at, low) if risen >= fallen else (fallen, high_at, high)
        if moved > self._guards.fast_move_bps:
            return halt("fast_move", f"the mid moved {moved:.1f} bps in {now - then} ({before} to {mid})")
        return ALLOW


class _Extreme:
    """The lowest (or highest) value of a moving window. Each value enters and leaves once, so that a look costs the
    same however many there were."""

    def __init__(self, *, highest: bool) -> None:
        self._highest = highest
        self._kept: deque[tuple[datetime, Decimal]] = deque()

    def push(self, now: datetime, value: Decimal, since: datetime) -> tuple[datetime, Decimal]:
        """Add a value; the extreme of those from ``since`` on, and when it was."""
        kept = self._kept
        while kept and (kept[-1][1] <= value if self._highest else kept[-1][1] >= value):
            kept.pop()
        kept.append((now, value))
        while kept[0][0] < since:
            kept.popleft()
        return kept[0]
