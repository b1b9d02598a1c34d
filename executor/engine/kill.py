"""Kill: a small path of its own, from the record to the venues, that needs neither the run that it stops, nor market
data, nor all venues.

First the hold is made durable: from that moment the journal refuses every intent of the scope. Then every order that
may be live is cancelled, at all venues at once. What was on its way at that moment is waited for and cancelled too, so
that when this returns the last new order has left.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from adapters.clock import Clock
from adapters.venue import NotSent, OrderRef, Unauthorized, Venue, VenueError
from executor.domain.control import child_scopes
from executor.domain.events import ControlSet, ParentFinished
from executor.domain.orders import Child, ChildStatus
from executor.domain.parent import Parent
from executor.engine.control import CONTROL_STREAM, append_as_person, cancel_everything
from executor.engine.parent_log import stream_of
from executor.journal.journal import Journal
from executor.journal.line import Line

_WIRE = timedelta(seconds=15)  # longer than it takes from the signature of a request to its recorded outcome
_POLL = timedelta(milliseconds=200)

Orders = dict[str, list[OrderRef]]


class Record(Protocol):
    """What a cancellation needs of a journal: only to read it."""

    def streams(self, prefix: str) -> list[str]: ...

    def last_of(self, streams: Sequence[str]) -> Iterable[Line]: ...

    def read(self, stream: str, after: int = 0) -> Iterable[Line]: ...


@dataclass
class Killed:
    """What a kill has done: orders by venue whose cancellation was asked for, what went wrong by venue, and intents
    that had still no outcome in the record when the patience was over (their process has died)."""

    asked: Orders = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    without_outcome: list[str] = field(default_factory=list)


async def kill(journal: Journal, clock: Clock, held: ControlSet) -> None:
    """Refuse every new order in the scope of ``held`` from the moment at which this returns."""
    await append_as_person(journal, CONTROL_STREAM, "", held, clock)


def in_scope(journal: Record, scope: str) -> list[Child]:
    """Every child order of the record that is bound by ``scope`` and might be live at its venue."""
    found: list[Child] = []
    # One that is finished has nothing open: it is not read.
    ends = journal.last_of(journal.streams(stream_of("")))
    for stream in [line.stream for line in ends if not isinstance(line.event, ParentFinished)]:
        state = Parent()
        for line in journal.read(stream):
            state.apply(line.event, line.at)
        spec = state.spec
        found += [
            c
            for c in state.open.values()
            if scope in child_scopes(spec.case_id, spec.parent_id, spec.plan_hash, c.venue)
        ]
    return found


async def cancel_scope(journal: Record, clock: Clock, scope: str, venues: Mapping[str, Venue]) -> Killed:
    """Cancel all that may be live in ``scope``, over ``venues``; then wait for what was on its way when the scope was
    killed, and cancel that as well."""
    done = Killed()
    children = in_scope(journal, scope)
    on_the_way = {child.client_order_id for child in children if child.status is ChildStatus.INTENDED}
    first = asyncio.create_task(_cancel(done, venues, children))
    # An order that waits for its turn at the venue may still be signed for so long after its intent.
    give_up = clock.now() + _WIRE + max((v.traits.signs_within for v in venues.values()), default=timedelta(0))
    while on_the_way and clock.now() < give_up:
        await clock.sleep_until(clock.now() + _POLL)
        arrived = [c for c in in_scope(journal, scope) if c.client_order_id in on_the_way]
        on_the_way = {child.client_order_id for child in arrived if child.status is ChildStatus.INTENDED}
        if not on_the_way:
            await _cancel(done, venues, arrived)
    await first
    done.without_outcome = sorted(on_the_way)
    return done


async def _cancel(done: Killed, venues: Mapping[str, Venue], children: Sequence[Child]) -> None:
    wanted: Orders = {}
    for child in children:
        if child.method == "book":
            ref = OrderRef(child.client_order_id, child.symbol, child.venue_order_id)
            wanted.setdefault(child.venue, []).append(ref)
    for name, refs in wanted.items():
        done.asked.setdefault(name, []).extend(refs)
    able = {name: _Clocked(venue) for name, venue in venues.items()}
    done.faults |= {name: fault for name, fault in (await cancel_everything(able, wanted)).items() if fault}


class _Clocked:
    """A venue that is cancelled at without having been started: if it refuses our signature its clock is measured,
    and it is asked again. Cancelling twice does no harm."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        try:
            await self._venue.cancel_many(refs)
        except (Unauthorized, NotSent) as refused:
            try:
                await self._venue.clock_offset()
            except VenueError:
                raise refused from None
            await self._venue.cancel_many(refs)
