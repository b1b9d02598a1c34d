"""The record of one parent order as its engine writes it: state and stream move together, one event at a time.

News (acknowledgements, fills) is applied and then written; an intent is written and then applied. That a slice has
begun is only noted, and written with what comes of it: a commit costs a turn of the disk. If a write fails, this
process no longer owns the truth about the parent order: the log refuses everything from then on.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from adapters.clock import Clock
from executor.domain.control import child_scopes, parent_scopes
from executor.domain.events import ChildIntended, ChildResent, ParentEvent, SliceStarted
from executor.domain.orders import Child, ParentStatus
from executor.domain.parent import Parent
from executor.domain.price_rules import Bound
from executor.domain.reservation import Reservation
from executor.engine.gate import Gate, taken
from executor.engine.room import Rooms
from executor.engine.stop import Stop
from executor.errors import CapReached, ExecutorError, Held, InvariantBroken, Outdated, RecordBroken
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.store import NOTHING

Observer = Callable[[Line], None]


def stream_of(parent_id: str) -> str:
    """The stream that holds a parent order's events."""
    return f"parent/{parent_id}"


class ParentLog:
    """Owns the folded state of one parent order and the only way to change it."""

    def __init__(
        self, parent_id: str, case_id: str, gate: Gate, journal: Journal, clock: Clock, observer: Observer
    ) -> None:
        self.state = Parent()
        self.parent_id = parent_id
        self.case_id = case_id
        self.gate = gate
        self._journal = journal
        self._clock = clock
        self._observer = observer
        self._scopes: dict[str, tuple[str, ...]] = {}  # by venue
        self._stream = stream_of(parent_id)
        self._turn = asyncio.Lock()
        self._noted: list[Line] = []
        self._failure: ExecutorError | None = None

    def load(self) -> None:
        """Fold what the journal holds. Raises ``RecordBroken`` if it contradicts itself."""
        for line in self._journal.read(stream_of(self.parent_id)):
            if line.version != self.state.version + 1:
                raise RecordBroken(f"{line.stream}: version {line.version} follows {self.state.version}")
            self.state.apply(line.event, line.at)

    def history(self) -> Parent:
        """The state folded anew from the journal, with every child order in it."""
        state = Parent()
        for line in self._journal.read(stream_of(self.parent_id)):
            state.apply(line.event, line.at)
        return state

    async def record(self, *events: ParentEvent) -> None:
        """Make ``events`` part of the record. Returns when they are durable."""
        async with self._turn:
            now = self._clock.now()
            lines = self._stamp(events, now)
            try:
                changes = taken(self.state, events, now)
            except ExecutorError as error:
                self._failure = error  # part of the news may be in the state and none of it is in the record
                raise
            await self._write(lines, reserve=changes)

    async def note(self, event: SliceStarted) -> datetime:
        """Take news on which nothing outside rests: it goes into the record with whatever is written next, or with
        :meth:`written`. Returns its time."""
        if self._turn.locked():  # what is being written now comes before it
            async with self._turn:
                pass
        now = self._clock.now()
        lines = self._stamp((event,), now)
        self.state.apply(event, now)
        self._noted += lines
        return now

    async def written(self) -> None:
        """Write what was noted and has not been written. Returns when it is durable."""
        if self._failure is None and not self._noted:
            return
        async with self._turn:
            if self._failure is not None:
                raise self._failure
            if self._noted:
                await self._write([])

    async def begin(self, *events: ParentEvent, reserve: Sequence[Reservation]) -> None:
        """Write the first events of the parent order, if ``reserve`` can be taken in the same transaction and the
        approval still stands. Raises ``CapReached`` or ``GuardHalts``."""
        async with self._turn:
            lines = self._stamp(events, self._clock.now())
            await self._write_admitted(lines, self.scopes(), self.gate.approved, reserve)
            for line in lines:
                self.state.apply(line.event, line.at)

    async def intend(self, venue: str, build: Callable[[Parent], ChildIntended | None]) -> ChildIntended | None:
        """Write an intent for ``venue``. ``build`` sees the state with nothing else in flight and may decline with
        ``None``; what it returns is checked against the invariants before it is written. Only after this returns may
        it be sent. In the transaction that writes it the journal refuses it with ``Held`` when a person has paused or
        killed it, with ``CapReached`` when a cap has no room; ``GuardHalts`` when the plan is not approved any more."""
        async with self._turn:
            intent = build(self.state)
            if intent is None:
                return None
            if intent.venue != venue:
                raise InvariantBroken(f"an order for {venue} was built for {intent.venue}")
            self.state.check_intent(intent)
            if not self.gate.counting.ready:
                await self.gate.counting.begin(self._clock)
            if self.gate.cover.terms is not None:
                await self._tell_cover()
            while True:
                now = self._clock.now()
                admitted = self.gate.admit(self.state, intent, now)
                lines = self._stamp((admitted.intent,), now)
                try:
                    await self._write(lines, self.scopes(venue), admitted.reserve, admitted.expects)
                except Outdated:
                    self.gate.reread()
                    continue
                self.state.apply(admitted.intent, now)
                return admitted.intent

    async def watch_cover(self) -> None:
        """Record each warning level that the deposit's cover has crossed since the last look. Raises ``GuardHalts`` if
        it is under what was agreed, ``NotNow`` while it cannot be said."""
        async with self._turn:
            await self._tell_cover()
            self.gate.cover.check(self.state, self._clock.now())

    async def _tell_cover(self) -> None:
        now = self._clock.now()
        told = self.gate.cover.crossings(self.state, now)
        if told:
            lines = self._stamp(told, now)
            await self._write(lines)
            for line in lines:
                self.state.apply(line.event, line.at)

    async def send_again(self, child: Child, event: ChildResent) -> None:
        """Record that ``child`` is about to be sent once more under its own id. Refused as :meth:`intend` refuses what
        is sent for the first time."""

        def admitted(now: datetime) -> Mapping[str, int]:
            return self.gate.admit_again(self.state, child, now, self._journal.used)

        async with self._turn:
            lines = self._stamp((event,), self._clock.now())
            await self._write_admitted(lines, self.scopes(child.venue), admitted)
            self.state.apply(event, lines[0].at)

    async def _write_admitted(
        self,
        lines: list[Line],
        scopes: Sequence[str],
        admit: Callable[[datetime], Mapping[str, int]],
        reserve: Sequence[Reservation] = (),
    ) -> None:
        """Write what ``admit`` lets through, which is asked again when a stream that it rests on has changed."""
        while True:
            try:
                await self._write(lines, scopes, reserve, admit(self._clock.now()))
            except Outdated:
                self.gate.reread()
            else:
                return

    def lowest(self, venue: str, qty: Decimal, now: datetime, *, quote: bool = False) -> Bound | None:
        """The lowest price that the price rules allow now for an order at ``venue``. Raises ``NotNow``."""
        return self.gate.prices.lowest(self.state, venue, qty, now, quote=quote)

    def may_rest(self, children: Sequence[Child]) -> bool:
        """True while no rule wants one of these orders off its book."""
        return self.gate.may_rest(self.state, children, self._clock.now())

    def rooms(self, leg: int, bids: Mapping[str, Decimal], now: datetime) -> Rooms:
        """What the caps leave now for orders of ``leg`` at these venues, each with the best price seen there."""
        return self.gate.rooms(leg, bids, now, self._journal.used)

    def why_not(self, child: Child, stop: Stop) -> str:
        """Why an order whose intent is written must not leave after all, now that its turn at the venue has come; empty
        if it may. People's holds are as seen within the last moment."""
        if (hold := self._journal.people.hold(self.scopes(child.venue))) is not None:
            return str(hold)
        if stop.requested() or self.state.status is ParentStatus.HALTED:
            return "the run is ending"
        over = self.gate.spans_are_over(child, self._clock.now())
        return "it counts in spans of caps that are over" if over else ""

    def scopes(self, venue: str = "") -> tuple[str, ...]:
        """The scopes whose holds bind this parent order, or with ``venue`` its orders there."""
        scopes = self._scopes.get(venue)
        if scopes is None:
            created = self.state.created
            names = (self.case_id, self.parent_id, created.plan_hash if created is not None else "")
            scopes = child_scopes(*names, venue) if venue else parent_scopes(*names)
            if created is not None:  # of a parent order that does not stand in the record yet nothing is settled
                self._scopes[venue] = scopes
        return scopes

    def _stamp(self, events: Iterable[ParentEvent], now: datetime) -> list[Line]:
        if self._failure is not None:
            raise self._failure
        stream, case_id, version, lines = self._stream, self.case_id, self.state.version, []
        for event in events:
            version += 1
            lines.append(Line(stream=stream, version=version, case_id=case_id, at=now, event=event))
        return lines

    async def _write(
        self,
        lines: list[Line],
        scopes: Sequence[str] = (),
        reserve: Sequence[Reservation] = (),
        expects: Mapping[str, int] = NOTHING,
    ) -> None:
        """Write what was noted, then ``lines``, in one append."""
        if self._noted:
            lines = self._noted + lines
        try:
            await self._journal.append(lines, scopes, reserve, expects)
        except (Held, CapReached, Outdated):
            raise  # nothing was written, and nothing of it is in the state: the log is as good as before
        except ExecutorError as error:
            self._failure = error
            raise
        except asyncio.CancelledError:
            self._failure = RecordBroken("a write of the record was interrupted; start again from the journal")
            raise
        self._noted.clear()
        for line in lines:
            self._observer(line)
