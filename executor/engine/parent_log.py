"""The record of one parent order as its engine writes it: state and stream move together, one event at a time.

News (acknowledgements, fills) is applied and then written; an intent is written and then applied. If a write fails,
this process no longer owns the truth about the parent order: the log refuses everything from then on.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.clock import Clock
from executor.domain.control import child_scopes, parent_scopes
from executor.domain.events import ChildIntended, ParentEvent
from executor.domain.parent import Parent
from executor.errors import ExecutorError, GuardHalts, Held, RecordBroken
from executor.journal.journal import Journal
from executor.journal.line import Line

Observer = Callable[[Line], None]


def stream_of(parent_id: str) -> str:
    """The stream that holds a parent order's events."""
    return f"parent/{parent_id}"


class ParentLog:
    """Owns the folded state of one parent order and the only way to change it."""

    def __init__(self, parent_id: str, case_id: str, journal: Journal, clock: Clock, observer: Observer) -> None:
        self.state = Parent()
        self.parent_id = parent_id
        self.case_id = case_id
        self._journal = journal
        self._clock = clock
        self._observer = observer
        self.valid_until: datetime | None = None  # when the plan's approval ends; None where none is needed
        self._turn = asyncio.Lock()
        self._failure: ExecutorError | None = None

    def load(self) -> None:
        """Fold what the journal holds. Raises ``RecordBroken`` if it contradicts itself."""
        for line in self._journal.read(stream_of(self.parent_id)):
            if line.version != self.state.version + 1:
                raise RecordBroken(f"{line.stream}: version {line.version} follows {self.state.version}")
            self.state.apply(line.event, line.at)

    async def record(self, *events: ParentEvent) -> None:
        """Make ``events`` part of the record. Returns when they are durable."""
        async with self._turn:
            lines = self._stamp(events)
            try:
                for line in lines:
                    self.state.apply(line.event, line.at)
            except ExecutorError as error:
                self._failure = error  # part of the news may be in the state and none of it is in the record
                raise
            await self._write(lines)

    async def intend(self, venue: str, build: Callable[[Parent], ChildIntended | None]) -> ChildIntended | None:
        """Write an intent for ``venue``. ``build`` sees the state with nothing else in flight and may decline with
        ``None``; what it returns is checked against the invariants before it is written. Only after this returns may
        it be sent. Raises ``Held`` when a person's pause or kill refuses it in the transaction that would write it."""
        async with self._turn:
            if self.valid_until is not None and self._clock.now() >= self.valid_until:
                raise GuardHalts("approval", f"the plan's approval ended at {self.valid_until.isoformat()}")
            intent = build(self.state)
            if intent is None:
                return None
            self.state.check_intent(intent)
            lines = self._stamp([intent])
            await self._write(lines, self.scopes(venue))
            self.state.apply(intent, lines[0].at)
            return intent

    async def record_allowed(self, venue: str, event: ParentEvent) -> None:
        """Like :meth:`record`, but refused with ``Held`` while a hold binds orders at ``venue``: for events after which
        something is sent again."""
        async with self._turn:
            lines = self._stamp([event])
            await self._write(lines, self.scopes(venue))
            self.state.apply(event, lines[0].at)

    def scopes(self, venue: str = "") -> tuple[str, ...]:
        """The scopes whose holds bind this parent order, or with ``venue`` its orders there."""
        plan_hash = self.state.created.plan_hash if self.state.created is not None else ""
        if not venue:
            return parent_scopes(self.case_id, self.parent_id, plan_hash)
        return child_scopes(self.case_id, self.parent_id, plan_hash, venue)

    def _stamp(self, events: Sequence[ParentEvent]) -> list[Line]:
        if self._failure is not None:
            raise self._failure
        now = self._clock.now()
        stream, version = stream_of(self.parent_id), self.state.version
        return [
            Line(stream=stream, version=version + number, case_id=self.case_id, at=now, event=event)
            for number, event in enumerate(events, start=1)
        ]

    async def _write(self, lines: list[Line], scopes: Sequence[str] = ()) -> None:
        try:
            await self._journal.append(lines, scopes)
        except Held:
            raise  # nothing was written, and nothing of it is in the state: the log is as good as before
        except ExecutorError as error:
            self._failure = error
            raise
        except asyncio.CancelledError:
            self._failure = RecordBroken("a write of the record was interrupted; start again from the journal")
            raise
        for line in lines:
            self._observer(line)
