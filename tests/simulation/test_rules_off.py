"""Each safety rule, switched off, lets an invariant break that holds with it on: the watch is not blind."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.clock import Clock
from adapters.mock.faults import FaultKind
from adapters.venue import DuplicateIds, Venue, VenueTraits
from executor.domain import parent as fold
from executor.domain.events import ChildIntended, ChildUnknown
from executor.domain.money import round_up
from executor.domain.parent import Parent
from executor.engine import child as child_orders
from executor.engine.parent_log import ParentLog
from executor.errors import InvariantBroken
from executor.guards.verdict import ALLOW
from executor.simulation import process
from executor.simulation.scenario import Scenario
from executor.simulation.world import run_world
from executor.strategy import route
from tests.simulation.plans import PLACING, during, scenario, twap

K = FaultKind


def _traits(monkeypatch: pytest.MonkeyPatch, change: Callable[[VenueTraits], VenueTraits]) -> None:
    """Let every process that is started believe something else about OSL."""
    real = process.connect

    def connect(wires: Mapping[str, httpx.AsyncBaseTransport], clock: Clock) -> list[Venue]:
        venues = real(wires, clock)
        for venue in venues:
            if venue.name == "osl":
                venue.traits = change(venue.traits)
        return venues

    monkeypatch.setattr(process, "connect", connect)


def _osl_only(*kinds: FaultKind, left: int = 3) -> Scenario:
    faults = [during(kind, 0, 1200, venue="osl", left=left, calls=PLACING) for kind in kinds]
    return scenario([twap("4", 4, venues=("osl",))], faults, minutes=20)


def _holds(told: Callable[[], Scenario]) -> None:
    outcome = run_world(told())
    assert outcome.breaches == ()
    assert outcome.hits or not told().faults


def test_intent_before_send(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> Scenario:
        return _osl_only()

    _holds(told)

    async def intend(
        self: ParentLog, venue: str, build: Callable[[Parent], ChildIntended | None]
    ) -> ChildIntended | None:
        async with self._turn:
            intent = build(self.state)
            if intent is None:
                return None
            lines = self._stamp([intent], self._clock.now())
            self.state.apply(intent, lines[0].at)

        async def later() -> None:
            await self._write(lines, self.scopes(venue))

        self.writing = asyncio.create_task(later())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return intent

    async def slow(self: ParentLog, *what: Any, **more: Any) -> None:
        await asyncio.sleep(1)
        await real(self, *what, **more)

    real = ParentLog._write
    monkeypatch.setattr(ParentLog, "intend", intend)
    monkeypatch.setattr(ParentLog, "_write", slow)
    assert any("without a durable intent" in one for one in run_world(told()).breaches)


def test_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that asks for less than the floor is stopped by the guards; without them it would sell."""

    def too_low(instrument: object, lowest: Decimal, limit_px: Decimal) -> Decimal:
        return round_up(min(lowest, limit_px) * Decimal("0.98"), Decimal("0.1"))

    def told() -> Scenario:
        return scenario([twap("4", 4, venues=("osl",))], [], floor="99500")

    _holds(told)
    monkeypatch.setattr(route, "_limit", too_low)
    _holds(told)

    def lax(self: Parent, intent: ChildIntended) -> None:
        try:
            real(self, intent)
        except InvariantBroken as broken:
            if "floor" not in str(broken):
                raise

    real = Parent.check_intent
    monkeypatch.setattr(Parent, "check_intent", lax)
    monkeypatch.setattr(child_orders.floor, "check", lambda limit_px, floor_px: ALLOW)
    assert any("under the floor" in one for one in run_world(told()).breaches)


def test_quiet_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that is still on its way is not to be seen yet: one early look proves nothing."""

    def told() -> Scenario:
        return _osl_only(K.LATE_REQUEST)

    _holds(told)
    _traits(monkeypatch, lambda traits: replace(traits, quiet_period=timedelta(0), looks=1))
    broken = run_world(told()).breaches
    assert any("the venues sold" in one for one in broken), broken


def test_unknown_counts_as_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the peers do: no answer is taken for a refusal, and the quantity is sold again."""

    def told() -> Scenario:
        return _osl_only(K.TIMEOUT)

    _holds(told)

    def as_refused(self: Parent, event: ChildUnknown) -> None:
        self._close(self._child(event.client_order_id), "no answer")

    monkeypatch.setitem(fold._HANDLERS, ChildUnknown, as_refused)
    broken = run_world(told()).breaches
    assert any("the venues sold" in one for one in broken), broken


def test_never_sent_again_where_ids_may_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> Scenario:
        return _osl_only(K.REQUEST_LOST)

    _holds(told)
    _traits(monkeypatch, lambda traits: replace(traits, duplicate_ids=DuplicateIds.REFUSED))
    broken = run_world(told()).breaches
    assert any("sent again at a venue" in one for one in broken), broken


def test_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on one journal: with the fence one gives way; without it both write, and the record breaks."""

    def told() -> Scenario:
        return scenario([twap("4", 4)], [during(K.TWO_PROCESSES, 200, 1200)])

    _holds(told)
    monkeypatch.setattr(process.MemoryStore, "taken", staticmethod(lambda stream, rows: False))
    broken = run_world(told()).breaches
    assert broken
