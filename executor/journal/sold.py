"""Keeps ``Sales`` up with a journal: each look reads what has been written since the last one, whoever wrote it.

A look costs what is new and a key look-up for each parent order that is not finished. The first one reads those
orders whole, and those that ended while one of them was under way; what ended before is never read, and neither is who
sells another asset or at other venues than anybody who asks. A parent order that has no neighbours reads nothing.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from adapters.clock import steady
from executor.domain.events import ParentCreated, ParentFinished
from executor.domain.sales import KINDS, News, Place, Sales
from executor.errors import RecordBroken
from executor.journal.line import decode
from executor.journal.store import SETTLED, Store

_NONE_BEGIN = 2**62  # a place that no event has: the names are then asked for by themselves


class Sold:
    """What the parent orders of one journal have sold, for all that run in this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sales = Sales()
        self._known: set[str] = set()
        self._wanted: set[Place] = set()  # where somebody who asks sells
        self._apart: dict[str, set[Place]] = {}  # stream: where it sells, and nobody who asks does
        self._live: dict[str, int] = {}  # stream: the version up to which it is known
        self._past: dict[str, datetime] = {}  # stream of a finished one that was not read: when it ended
        self._places: deque[tuple[timedelta, int]] = deque([(timedelta.min, 0)])  # when asked, and how far it had come

    def look(self, own: str, asset: str, venues: Sequence[str], purses_at: tuple[datetime, datetime] | None) -> Sales:
        """Everything that was durable when this was called. ``own``: the stream of whoever asks, who sells at these
        venues and whose purses were read between these moments."""
        self._wanted |= {(asset, venue) for venue in venues}
        self._discover()
        if purses_at is not None:
            self._sales.read_by(own, asset, *purses_at)
        if self._sales.sellers or self._live.keys() - {own} or self._needed():
            self._read(self._live)
            while past := self._needed():
                for stream in past:
                    del self._past[stream]
                self._read(dict.fromkeys(past, 0))
        self._sales.settle()
        for stream in [stream for stream in self._live if self._finished(stream)]:
            del self._live[stream]
        return self._sales

    def _discover(self) -> None:
        asked = steady()
        while len(self._places) > 1 and self._places[1][0] <= asked - SETTLED:
            self._places.popleft()
        after = self._places[0][1]
        streams, last = self._store.begun(after or _NONE_BEGIN)
        if not after:
            streams = self._store.streams("parent/")
        if last != self._places[-1][1]:
            self._places.append((asked, last))
        new = [stream for stream in streams if stream not in self._known]
        if new:
            self._known.update(new)
            for line in map(decode, self._store.edges(new, last=False)):
                if isinstance(line.event, ParentCreated):
                    self._apart[line.stream] = {(line.event.asset, venue) for venue in line.event.venues}
        met = [stream for stream, places in self._apart.items() if not places.isdisjoint(self._wanted)]
        ends = {line.stream: line for line in map(decode, self._store.edges(met, last=True) if met else ())}
        for stream in met:
            del self._apart[stream]
            end = ends.get(stream)
            if end is not None and isinstance(end.event, ParentFinished):
                self._past[stream] = end.at
            else:
                self._live[stream] = 0

    def _needed(self) -> list[str]:
        """Finished ones that ended after purses were read of which somebody may still ask."""
        if not self._past:
            return []
        asked = [each.began for stream, each in self._sales.readings.items() if not self._finished(stream)]
        earliest = min(asked, default=None)
        return [stream for stream, ended in self._past.items() if earliest is not None and ended >= earliest]

    def _finished(self, stream: str) -> bool:
        seller = self._sales.sellers.get(stream)
        return seller is not None and seller.finished_at is not None

    def _read(self, known: dict[str, int]) -> None:
        text = ""
        try:
            for text in self._store.news(dict(known), KINDS) if known else ():
                self._sales.apply(_decode(text))
        except msgspec.DecodeError as error:
            raise RecordBroken(f"a line of the record cannot be read ({error}): {text[:120]}") from None
        for stream in known.keys() & self._sales.sellers.keys():
            known[stream] = self._sales.sellers[stream].version


_decode = msgspec.json.Decoder(News).decode
