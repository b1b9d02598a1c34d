"""Keeps ``Sales`` up with a journal: each look reads what has been written since the last one, whoever wrote it.

A look costs what is new, however many parent orders there are. The first one reads those that are not finished whole,
and those that ended while one of them was under way; what ended before is never read, and neither is who sells another
asset or at other venues than anybody who asks, or oneself while nobody else does.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from adapters.clock import steady
from executor.domain.events import ParentFinished
from executor.domain.sales import KINDS, Created, News, Place, Sales
from executor.errors import RecordBroken
from executor.journal.line import decode
from executor.journal.store import Store

_LATE = timedelta(minutes=10)
"""For how long a place that was passed over may still be filled: a database lets a statement run for half a minute, and
its end may wait for a replica."""


class Sold:
    """What the parent orders of one journal have sold, for all that run in this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sales = Sales()
        self._last: int | None = None  # place of the last event that was seen
        self._gaps: dict[int, timedelta] = {}  # places before it that were empty, and since when
        self._known: set[str] = set()
        self._wanted: set[Place] = set()  # where somebody who asks sells
        self._apart: dict[str, set[Place]] = {}  # stream: where it sells, and nobody who asks does
        self._past: dict[str, datetime] = {}  # stream of a finished one that was not read: when it ended
        self._followed: set[str] = set()

    def look(self, own: str, asset: str, venues: Sequence[str], purses_at: tuple[datetime, datetime] | None) -> Sales:
        """Everything that was durable when this was called. ``own``: the stream of whoever asks, who sells at these
        venues and whose purses were read between these moments."""
        self._wanted |= {(asset, venue) for venue in venues}
        self._catch_up()
        self._meet(own)
        if purses_at is not None:
            self._sales.read_by(own, asset, *purses_at)
        while past := self._needed():
            for stream in past:
                del self._past[stream]
            self._follow(past)
        self._sales.settle()
        return self._sales

    def _catch_up(self) -> None:
        """Take in what is new. Of two writers the one that was given its place first may be seen last, so places that
        were passed over are looked at again for as long as that can be."""
        now = steady()
        first = self._last is None
        last = self._store.settled() if self._last is None else self._last
        self._gaps = {place: since for place, since in self._gaps.items() if now - since < _LATE}
        for place, line in self._store.tail(last, sorted(self._gaps), () if first else KINDS):
            self._gaps.pop(place, None)
            if place > last:
                self._gaps |= dict.fromkeys(range(last + 1, place), now)
                last = place
            if line:
                self._hear(_read(line))
        self._last = last
        if first:  # now, so that who begins meanwhile is found here or heard of next time
            for line in self._store.edges(self._store.streams("parent/"), last=False):
                self._hear(_read(line))

    def _hear(self, news: News) -> None:
        if news.stream in self._followed:
            if news.stream in self._sales.sellers:  # else it ended long ago
                self._sales.apply(news)
        elif isinstance(news.event, Created) and news.stream not in self._known:
            self._known.add(news.stream)
            self._apart[news.stream] = {(news.event.asset, venue) for venue in news.event.venues}

    def _meet(self, own: str) -> None:
        """From now on those count who sell where somebody who asks does. Who is alone reads nothing."""
        met = [stream for stream, places in self._apart.items() if not places.isdisjoint(self._wanted)]
        if not met or (met == [own] and not self._followed):
            return
        ends = {line.stream: line for line in map(decode, self._store.edges(met, last=True))}
        for stream in met:
            del self._apart[stream]
            if isinstance(ends[stream].event, ParentFinished):
                self._past[stream] = ends[stream].at
        self._follow([stream for stream in met if stream not in self._past])

    def _follow(self, streams: Sequence[str]) -> None:
        """Read them whole; what they do next is heard of with everything else."""
        for line in self._store.news(dict.fromkeys(streams, 0), KINDS) if streams else ():
            self._sales.apply(_read(line))
        self._followed.update(streams)

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


def _read(text: str) -> News:
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise RecordBroken(f"a line of the record cannot be read ({error}): {text[:120]}") from None


_decode = msgspec.json.Decoder(News).decode
