"""How a run obeys people: holds (pause, kill) are looked up, acts (settle, explain, resume) are carried out.

Both are written by other processes into streams of their own; the run reads them. The refusal of new orders does not
depend on it: the journal itself refuses an intent while a hold is in force.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import structlog

from adapters.venue import OrderRef, VenueError
from executor.domain.control import Hold, HoldAction
from executor.domain.events import (
    Act,
    ActRefused,
    BreakExplained,
    ChildSettled,
    ExplainAsked,
    ParentResumed,
    ResumeAsked,
    SettleAsked,
)
from executor.domain.money import ZERO, plain, times
from executor.domain.orders import ChildStatus, ParentStatus
from executor.domain.parent import Parent
from executor.engine.child import recorded
from executor.engine.parent_log import ParentLog
from executor.journal.as_person import append_as_person as append_as_person
from executor.journal.people import People
from executor.log_events import LogEvent

log = structlog.get_logger()

CONTROL_STREAM = "control"
_HIGHEST = Decimal("1.1")  # no order is filled a tenth over its limit; what is stated higher would earn what it has not


def acts_stream(parent_id: str) -> str:
    """The stream in which people's acts on one parent order stand."""
    return f"acts/{parent_id}"


class Controls:
    """The holds and acts that concern one parent order."""

    def __init__(self, parent: ParentLog, people: People) -> None:
        self._log = parent
        self._people = people

    def whole(self, *, anew: bool = False) -> Hold | None:
        """The hold on the parent order as a whole, a kill before a pause; ``None`` if it may run. ``anew``: as the
        journal stands now, not as it was seen a moment ago."""
        return self._people.hold(self._log.scopes(), anew=anew)

    def venue(self, name: str) -> Hold | None:
        """The hold that binds orders at ``name``, if any."""
        return self._people.hold(self._log.scopes(name))

    async def carry_out_acts(self) -> None:
        """Do what people have asked since the last look, in order, each exactly once."""
        state = self._log.state
        for line in self._people.acts(acts_stream(self._log.parent_id), after=state.acts_seen):
            act = line.event
            if not isinstance(act, SettleAsked | ExplainAsked | ResumeAsked):
                continue
            fault = refusal(state, act)
            if fault:
                await self._log.record(ActRefused(act=line.version, reason=fault))
            elif isinstance(act, SettleAsked):
                await self._settle(act, line.version)
            elif isinstance(act, ExplainAsked):
                await self._log.record(
                    BreakExplained(venue=act.venue, name=act.name, act=line.version, who=act.who, why=act.why)
                )
            else:
                await self._log.record(ParentResumed(act=line.version, who=act.who, why=act.why))

    def close(self) -> None:
        """Listen no more."""
        self._people.forget(acts_stream(self._log.parent_id))

    async def _settle(self, act: SettleAsked, version: int) -> None:
        child = self._log.state.children[act.client_order_id]
        fills = [recorded(child, fill) for fill in act.fills]
        settled = ChildSettled(client_order_id=act.client_order_id, act=version, who=act.who, why=act.why)
        await self._log.record(*fills, settled)


def refusal(state: Parent, act: Act) -> str:
    """Why this act cannot be carried out on the parent order as it stands; empty if it can."""
    if isinstance(act, ResumeAsked):
        return "" if state.status is ParentStatus.HALTED else f"the parent order is {state.status}, not halted"
    if isinstance(act, ExplainAsked):
        return "" if (act.venue, act.name) in state.breaks else f"there is no break {act.name} at {act.venue}"
    child = state.children.get(act.client_order_id)
    if child is None and _has_ended(state, act.client_order_id):
        return f"{act.client_order_id} is {ChildStatus.CLOSED}, not parked for a person"
    if child is None:
        return f"{act.client_order_id} is not among the orders of this parent"
    if child.status is not ChildStatus.PARKED:
        # An unknown order is still being asked about: a run settles it, or parks it.
        return f"{act.client_order_id} is {child.status}, not parked for a person"
    twice = [fill.trade_id for fill in act.fills if (child.venue, fill.trade_id) in state.trades]
    if twice:
        return f"trade {twice[0]} is already in the record"
    named = [fill.trade_id for fill in act.fills]
    if len(set(named)) < len(named):
        return "one trade is stated twice"
    stated = sum((fill.qty for fill in act.fills), ZERO)
    if stated > child.exposure_qty:
        return f"{plain(stated)} is more than the {plain(child.exposure_qty)} that {act.client_order_id} has left"
    odd = [fill.trade_id for fill in act.fills if fill.qty <= 0 or fill.px <= 0 or fill.fee < 0]
    if odd:
        return f"trade {odd[0]} is none: quantity and price must be above zero, the fee not below"
    wrong = [fill.trade_id for fill in act.fills if fill.notional != times(fill.px, fill.qty)]
    if wrong:
        return f"the money of trade {wrong[0]} is not its price times its quantity"
    high = [fill.trade_id for fill in act.fills if fill.px > times(child.limit_px, _HIGHEST)]
    if high:
        return f"trade {high[0]} is far over the order's own limit {plain(child.limit_px)}: read the papers again"
    low = [fill.trade_id for fill in act.fills if fill.px < child.limit_px]
    if low:
        return f"trade {low[0]} is under the order's own limit {plain(child.limit_px)}: read the papers again"
    return ""


def _has_ended(state: Parent, client_order_id: str) -> bool:
    """True for an order that was folded away: of this parent, with a number that was given out, and not open."""
    parent, _, number = client_order_id.rpartition("-")
    return parent == state.spec.parent_id and number.isdecimal() and 0 < int(number) <= state.last_number


class Cancels(Protocol):
    """The one thing that a kill needs of a venue."""

    async def cancel_many(self, refs: Sequence[OrderRef]) -> None:
        """Ask for the cancellation of these orders."""


async def cancel_everything(venues: Mapping[str, Cancels], orders: Mapping[str, Sequence[OrderRef]]) -> dict[str, str]:
    """Ask every venue, all at once, to cancel these orders. One venue's failure does not touch another. Returns what
    went wrong by venue, empty where all requests were answered. The orders must still be queried."""

    async def one(name: str) -> str:
        if name not in venues:
            return "not connected"
        try:
            await venues[name].cancel_many(orders[name])
        except VenueError as error:
            return str(error)
        return ""

    names = [name for name in orders if orders[name]]
    results = await asyncio.gather(*(one(name) for name in names))
    for name, fault in zip(names, results, strict=True):
        if fault:
            log.error(LogEvent.CANCEL_FAILED, venue=name, error=fault)
        else:
            log.warning(LogEvent.CANCEL_SENT, venue=name, orders=len(orders[name]))
    return dict(zip(names, results, strict=True))


def live_orders(state: Parent) -> dict[str, list[OrderRef]]:
    """By venue, every book order that might be live at the venue."""
    found: dict[str, list[OrderRef]] = {}
    for child in state.open.values():
        if child.method == "book":
            ref = OrderRef(child.client_order_id, child.symbol, child.venue_order_id)
            found.setdefault(child.venue, []).append(ref)
    return found


def kills(hold: Hold | None) -> bool:
    """True for a kill."""
    return hold is not None and hold.action is HoldAction.KILL
