"""What the legs of one parent order work with: the log, the desk, the senders, the stop, and what people ordered."""

from datetime import datetime, timedelta

from adapters.clock import Clock
from executor.domain.events import ParentWaiting, ParentWorking, WaitEscalated
from executor.domain.orders import Child, ChildStatus, ParentStatus
from executor.domain.plan import Guards
from executor.engine.child import ChildOrders
from executor.engine.control import Controls
from executor.engine.desk import Desk
from executor.engine.parent_log import ParentLog
from executor.engine.resolve import Resolver
from executor.engine.rfq import QuoteOrders
from executor.engine.stop import Stop
from executor.engine.tuning import Tuning
from executor.errors import GuardHalts

_WAITING = ParentStatus.WAITING


class Work:
    """What both kinds of leg share: the parent's log, the desk, the senders, and the waiting state."""

    def __init__(
        self,
        parent: ParentLog,
        desk: Desk,
        clock: Clock,
        tuning: Tuning,
        stop: Stop,
        controls: Controls,
        guards: Guards,
    ) -> None:
        self.log = parent
        self.desk = desk
        self.clock = clock
        self.tuning = tuning
        self.stop = stop
        self.controls = controls
        self.guards = guards
        self.orders = ChildOrders(parent, desk, clock, tuning, stop)
        self.quotes = QuoteOrders(parent, desk, clock, tuning.quotes, stop)
        self.resolver = Resolver(parent, desk, clock, tuning, stop, self.orders, self.quotes)

    @property
    def starts_at(self) -> datetime:
        """The start of the window, moved by the time in which nobody ran the parent order."""
        return self.log.state.spec.starts_at + self.log.state.idle

    @property
    def ends_at(self) -> datetime:
        """The end of the window, moved likewise."""
        return self.log.state.spec.ends_at + self.log.state.idle

    async def waiting(self, rule: str, reason: str) -> None:
        """Record, once, that nothing can be sent and why."""
        state, terms = self.log.state, self.log.gate.waiting
        if state.status is not _WAITING or state.status_rule != rule:
            for_price = rule == "floor" or rule.startswith("price.")
            told = list(terms.tell) if terms is not None and for_price else []
            await self.log.record(ParentWaiting(rule=rule, reason=reason, told=told))
        await self.escalate()

    async def escalate(self) -> None:
        """Tell more people, once, when the price has held the sale back for as long as the plan says."""
        state, terms = self.log.state, self.log.gate.waiting
        if terms is None or state.below_since is None or state.escalated:
            return
        if self.clock.now() - state.below_since >= timedelta(seconds=terms.escalate_after):
            told = [*terms.tell, *terms.escalate_to]
            since, rule, reason = state.below_since, state.status_rule, state.status_reason
            await self.log.record(WaitEscalated(rule=rule, reason=reason, since=since, told=told))

    async def allowed(self) -> bool:
        """Wait, and say so in the record, while a person's hold is on the parent order as a whole. False if the run
        stops meanwhile. The schedule stands still for as long as it lasts."""
        hold = self.controls.whole()
        if hold is None:
            return not self.stop.requested()
        await self.waiting("control", str(hold))
        while self.controls.whole() is not None:
            if not await self.stop.wait_until(self.clock.now() + self.tuning.control):
                return False
        await self.working()
        return True

    def check_unknowns(self) -> None:
        """Raise ``GuardHalts`` if an order has been without a known outcome for too long."""
        for child in self.log.state.open.values():
            if child.status not in (ChildStatus.UNKNOWN, ChildStatus.PARKED):
                continue
            if child.intended_at < self.clock.now() - timedelta(seconds=self.guards.unknown_for):
                raise GuardHalts(
                    "unknown", f"{child.client_order_id} at {child.venue} has no known outcome: {child.outcome}"
                )

    async def working(self) -> None:
        """Record, once, that the wait is over."""
        if self.log.state.status is _WAITING:
            await self.log.record(ParentWorking())

    async def finish_child(self, child: Child) -> None:
        """Follow a child that was just sent until its outcome is proved or parked."""
        await self.resolver.resolve(child)
