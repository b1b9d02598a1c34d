"""What the parent orders of a journal have sold and have in flight, each as the others need to know it.

They share purses and ledgers. A purse holds what it held when it was read, less what has been sold from it since; so
for each reading it is kept what all of them had sold by then, and how many had an order on its way while it was made:
whether the reading counts such an order nobody can tell.

What was sold is what left the purse: fees that a venue takes in coins are part of it.

All of it is sums that move with each event. Nothing here grows with the orders that have ended, but for the trade ids
of quotes, of which there are few, and a list of the last minutes.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from operator import itemgetter
from typing import Any

import msgspec

from executor.domain.money import ZERO, add

KEPT = timedelta(minutes=10)
"""A purse is read and written down well within this. A reading that took longer proves nothing to anybody."""

Place = tuple[str, str]  # asset and venue
Route = tuple[str, str, str]  # asset, venue and method
_WHEN = itemgetter(0)  # of a fill


class _Part(msgspec.Struct, tag_field="kind", gc=False):
    """What is read of an event. Of a large journal much is read, so the fields that nobody needs here are left out."""


class Created(_Part, tag="ParentCreated"):
    """A parent order begins."""

    parent_id: str
    asset: str
    venues: list[str]


class PursesSeen(_Part, tag="PursesRead"):
    """Its purses at one venue were read."""

    venue: str
    totals: dict[str, Decimal]
    began_at: datetime | None = None
    ended_at: datetime | None = None


class Sent(_Part, tag="ChildIntended"):
    """An order may be in flight."""

    client_order_id: str
    venue: str
    method: str


class Filled(_Part, tag="FillRecorded"):
    """Coins have left a purse."""

    client_order_id: str
    venue: str
    trade_id: str
    qty: Decimal
    fee: Decimal
    fee_asset: str


class _Ended(_Part):
    """An order is in flight no more."""

    client_order_id: str


class Closed(_Ended, tag="ChildClosed"):
    """Nothing more will fill."""


class Rejected(_Ended, tag="ChildRejected"):
    """The venue refused it."""


class NotSent(_Ended, tag="ChildNotSent"):
    """It never left."""


class Settled(_Ended, tag="ChildSettled"):
    """A person has settled it."""


class Resolved(_Part, tag="ChildResolved"):
    """It was asked after; ``found`` is false when it is proved absent."""

    client_order_id: str
    found: bool


class Finished(_Part, tag="ParentFinished"):
    """A parent order has ended."""


Part = Sent | Filled | Closed | Created | PursesSeen | Rejected | NotSent | Settled | Resolved | Finished
KINDS = tuple(part.__struct_config__.tag for part in Part.__args__)
"""The events that are read here; no other matters to the neighbours."""


class News(msgspec.Struct, frozen=True, gc=False):
    """A line of the record as it is read here."""

    stream: str
    version: int
    at: datetime
    event: Part


@dataclass(slots=True)
class Seller:
    """One parent order. ``open`` maps client order id to the venue and method of what may be in flight."""

    parent_id: str
    asset: str
    version: int = 0
    finished_at: datetime | None = None
    open: dict[str, tuple[str, str]] = field(default_factory=dict)
    sold: dict[Route, Decimal] = field(default_factory=dict)
    quotes: set[str] = field(default_factory=set)  # the client order ids that accepted one


@dataclass(slots=True)
class Reading:
    """The purses of one parent order as they were read between two moments. ``sold``: what everybody had sold when it
    began; ``crossed``: how many had an order in flight at a venue meanwhile. ``known`` is false where that was too
    long ago to be told."""

    asset: str
    began: datetime
    ended: datetime
    totals: dict[tuple[str, str], Decimal] = field(default_factory=dict)  # venue and account
    sold: dict[Route, Decimal] = field(default_factory=dict)
    crossed: Counter[str] = field(default_factory=Counter)
    known: bool = False


class Sales:
    """All parent orders whose events were taken in. Events of one stream come in order; streams may come mixed."""

    def __init__(self) -> None:
        self.sellers: dict[str, Seller] = {}  # by stream
        self.readings: dict[str, Reading] = {}  # by stream
        self.trades: dict[Place, set[str]] = {}  # of quotes
        self.sold: dict[Route, Decimal] = {}
        self._fills: defaultdict[Route, list[tuple[datetime, Decimal]]] = defaultdict(list)  # of the last minutes
        self._sent: defaultdict[Place, list[datetime]] = defaultdict(list)
        self._ended: defaultdict[Place, list[datetime]] = defaultdict(list)
        self._forgotten: Counter[Place] = Counter()  # sent and not ended by the time from which the lists are kept
        self._kept_from = datetime.min.replace(tzinfo=UTC)
        self._newest = self._kept_from  # event
        self._last_reading = self._kept_from
        self._fresh: list[str] = []

    # --- news ---------------------------------------------------------------------------------------------------

    def apply(self, news: News) -> None:
        """Take one event in, once."""
        event = news.event
        if news.at > self._newest:
            self._newest = news.at
        if isinstance(event, Created):
            self.sellers[news.stream] = Seller(event.parent_id, event.asset)
            return
        seller = self.sellers[news.stream]
        if news.version > seller.version:
            seller.version = news.version
            _APPLY[type(event)](self, seller, event, news)

    def read_by(self, stream: str, asset: str, began: datetime, ended: datetime) -> None:
        """A parent order whose own stream is not taken in has read its purses."""
        if stream not in self.readings:
            self.readings[stream] = Reading(asset, began, ended)
            self._fresh.append(stream)

    def _read(self, seller: Seller, event: PursesSeen, news: News) -> None:
        self.read_by(news.stream, seller.asset, event.began_at or news.at, event.ended_at or news.at)
        self.readings[news.stream].totals |= {(event.venue, account): total for account, total in event.totals.items()}

    def _finish(self, seller: Seller, _: Finished, news: News) -> None:
        seller.finished_at = news.at

    def _send(self, seller: Seller, event: Sent, news: News) -> None:
        at = news.at
        seller.open[event.client_order_id] = (event.venue, event.method)
        if event.method == "rfq":
            seller.quotes.add(event.client_order_id)
        self._sent[seller.asset, event.venue].append(at)
        if at <= self._last_reading:
            for reading in self._settled(seller.asset):
                if at <= reading.ended:
                    reading.crossed[event.venue] += 1

    def _resolve(self, seller: Seller, event: Resolved, news: News) -> None:
        if not event.found:
            self._end(seller, event, news)

    def _end(self, seller: Seller, event: _Ended | Resolved, news: News) -> None:
        at = news.at
        venue, _ = seller.open.pop(event.client_order_id, ("", ""))
        if not venue:
            return
        self._ended[seller.asset, venue].append(at)
        if at <= self._last_reading:
            for reading in self._settled(seller.asset):
                if at <= reading.began:
                    reading.crossed[venue] -= 1

    def _fill(self, seller: Seller, event: Filled, news: News) -> None:
        at = news.at
        method = "rfq" if event.client_order_id in seller.quotes else "book"
        route = (seller.asset, event.venue, method)
        taken = add(event.qty, event.fee) if event.fee_asset == seller.asset else event.qty
        seller.sold[route] = add(seller.sold.get(route, ZERO), taken)
        self.sold[route] = add(self.sold.get(route, ZERO), taken)
        if method == "rfq":
            self.trades.setdefault(route[:2], set()).add(event.trade_id)
        self._fills[route].append((at, taken))
        if at <= self._last_reading:
            for reading in self._settled(seller.asset):
                if at <= reading.began:
                    reading.sold[route] = add(reading.sold.get(route, ZERO), taken)

    def _settled(self, asset: str) -> list[Reading]:
        """The settled readings that a late event may concern. Nearly all events are later than all of them."""
        return [each for each in self.readings.values() if each.known and each.asset == asset]

    def settle(self) -> None:
        """All news of this look is in: say what stood at each reading that is new, and forget what is old."""
        if self._fresh:
            for times in (*self._sent.values(), *self._ended.values()):
                times.sort()
            for fills in self._fills.values():
                fills.sort(key=_WHEN)
            sums = {
                route: [*accumulate((qty for _, qty in fills), add, initial=ZERO)]
                for route, fills in self._fills.items()
            }
            for reading in (self.readings[stream] for stream in self._fresh):
                self._place(reading, sums)
            self._fresh.clear()
        if self._newest - self._kept_from > 2 * KEPT:
            self._forget(self._newest - KEPT)

    def _place(self, reading: Reading, sums: dict[Route, list[Decimal]]) -> None:
        if reading.began < self._kept_from:
            return
        for route, fills in self._fills.items():
            if route[0] == reading.asset:
                later = sums[route][-1] - sums[route][bisect_right(fills, reading.began, key=_WHEN)]
                reading.sold[route] = self.sold[route] - later
        for place, sent in self._sent.items():
            if place[0] == reading.asset:
                over = bisect_right(self._ended.get(place, []), reading.began)
                reading.crossed[place[1]] = self._forgotten[place] + bisect_right(sent, reading.ended) - over
        reading.known = True
        self._last_reading = max(self._last_reading, reading.ended)

    def _forget(self, before: datetime) -> None:
        for place, sent in self._sent.items():
            ended = self._ended[place]
            self._forgotten[place] += _cut(sent, before) - _cut(ended, before)
        for fills in self._fills.values():
            fills.sort(key=_WHEN)
            del fills[: bisect_left(fills, before, key=_WHEN)]
        for stream in [name for name, each in self.sellers.items() if each.finished_at and each.finished_at < before]:
            del self.sellers[stream]
        self._kept_from = before

    # --- questions ----------------------------------------------------------------------------------------------

    def others(self, own: str, asset: str) -> list[Seller]:
        """The other parent orders of the asset that are not finished, or were until a moment ago."""
        return [
            each
            for stream, each in self.sellers.items()
            if stream != own
            and each.asset == asset
            and (each.finished_at is None or self._newest - each.finished_at <= KEPT)
        ]

    def in_flight(self, own: str, asset: str, venue: str, methods: Iterable[str] = ("book", "rfq")) -> bool:
        """True while another parent order may have an order under way at ``venue``."""
        wanted = {(venue, method) for method in methods}
        return any(not wanted.isdisjoint(each.open.values()) for each in self.others(own, asset))

    def sold_since(self, own: str, venue: str, methods: Iterable[str]) -> Decimal | None:
        """What the others have sold at ``venue`` by ``methods`` since the purses of ``own`` were read; ``None`` if that
        cannot be said, now or ever."""
        reading = self.readings[own]
        if not reading.known or reading.crossed[venue] or self.in_flight(own, reading.asset, venue):
            return None
        since = self._since(reading, venue, methods)
        if own in self.sellers:
            sold = self.sellers[own].sold
            since -= sum((sold.get((reading.asset, venue, method), ZERO) for method in methods), ZERO)
        return since

    def holds(self, own: str, venue: str, account: str, methods: Iterable[str]) -> Decimal | None:
        """What a purse holds if nothing was sold from it that is not in the record, by the latest reading that is
        clear; ``None`` without one, or if ``own`` was not taken in. More cannot be in it; less is what nobody has
        written down yet."""
        if own not in self.sellers:
            return None
        asset = self.readings[own].asset
        clear = [
            each
            for each in self.readings.values()
            if each.known and each.asset == asset and not each.crossed[venue] and (venue, account) in each.totals
        ]
        if not clear:
            return None
        last = max(clear, key=lambda reading: reading.began)
        return add(last.totals[venue, account], -self._since(last, venue, methods))

    def _since(self, reading: Reading, venue: str, methods: Iterable[str]) -> Decimal:
        since = ZERO
        for method in methods:
            route = (reading.asset, venue, method)
            since = add(since, add(self.sold.get(route, ZERO), -reading.sold.get(route, ZERO)))
        return since


_APPLY: dict[type, Callable[[Sales, Seller, Any, News], None]] = {
    PursesSeen: Sales._read,
    Sent: Sales._send,
    Filled: Sales._fill,
    **dict.fromkeys((Closed, Rejected, NotSent, Settled), Sales._end),
    Resolved: Sales._resolve,
    Finished: Sales._finish,
}


def _cut(times: list[datetime], before: datetime) -> int:
    """Drop what was before this moment; how many there were."""
    times.sort()
    early = bisect_left(times, before)
    del times[:early]
    return early
