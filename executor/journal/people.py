"""What people have ordered, for every parent order that runs in this process: holds, and acts on parent orders.

One look serves all of them for a moment, so that what it costs does not grow with every slice of each. That a hold is
seen so much later does no harm: the journal itself refuses a new order from the moment at which a hold is durable.
"""

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta

from executor.domain.control import Hold
from executor.domain.events import ExplainAsked, ResumeAsked, SettleAsked
from executor.journal.line import Line, decode
from executor.journal.store import Store

FRESH = timedelta(milliseconds=250)
"""For how long a look is good enough, by the event loop's clock."""
_FRESH_S = FRESH.total_seconds()
_ACTS = [each.__name__ for each in (SettleAsked, ExplainAsked, ResumeAsked)]


class People:
    """Reads for all; each asks with its own names."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None  # asking for the running one is a call of the system
        self._holds: dict[str, Hold] = {}
        self._holds_at = self._acts_at = -math.inf  # when they were read
        self._acts: dict[str, list[Line]] = {}  # by stream that is followed: what has been seen there and not done
        self._seen: dict[str, int] = {}

    def hold(self, scopes: Sequence[str], *, anew: bool = False) -> Hold | None:
        """The hold in force on one of ``scopes``, a kill before a pause. ``anew``: as the journal stands now."""
        now = self._running().time()
        if anew or now - self._holds_at >= _FRESH_S:
            self._holds, self._holds_at = {hold.scope: hold for hold in self._store.holds(None)}, now
        if not self._holds:
            return None
        found = [self._holds[scope] for scope in scopes if scope in self._holds]
        return min(found, key=lambda hold: (hold.action, hold.scope), default=None)

    def acts(self, stream: str, after: int) -> list[Line]:
        """The acts of ``stream`` after version ``after``, in order. The stream is followed from then on."""
        if stream not in self._seen:
            self._seen[stream], self._acts[stream] = after, []
            self._read({stream: after})
        now = self._running().time()
        if now - self._acts_at >= _FRESH_S:
            self._read(self._seen)
            self._acts_at = now
        self._acts[stream] = [line for line in self._acts[stream] if line.version > after]
        return self._acts[stream]

    def forget(self, stream: str) -> None:
        """Follow it no more."""
        self._seen.pop(stream, None)
        self._acts.pop(stream, None)

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is None or loop.is_closed():
            loop = self._loop = asyncio.get_running_loop()
            self._holds_at = self._acts_at = -math.inf  # by another clock
        return loop

    def _read(self, streams: dict[str, int]) -> None:
        if streams:
            for line in map(decode, self._store.news(dict(streams), _ACTS)):
                self._acts[line.stream].append(line)
                self._seen[line.stream] = line.version
