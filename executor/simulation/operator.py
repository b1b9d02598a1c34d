"""The person in a simulated world: looks at what was left for people, settles it by the venue's books, lets it go on.

The operator is careful: an order is taken off the venue before it is settled, and a trade of the venue that the record
does not explain is never explained away.
"""

from datetime import timedelta

from adapters.clock import Clock
from adapters.mock.world import MockWorld
from executor.domain.events import Act, ExplainAsked, HandFill, ResumeAsked, SettleAsked
from executor.domain.orders import Child, ChildStatus, ParentStatus
from executor.domain.parent import Parent
from executor.engine.control import acts_stream, append_as_person
from executor.errors import JournalFailed
from executor.journal.journal import Journal, Store
from executor.simulation.invariants import executions

_ATTENDS = 6  # times in one world; then the parent order stays halted
_WHO = "operator"


class Operator:
    """Attends to a halted parent order a few times."""

    def __init__(self, world: MockWorld, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._attended = 0

    async def attend(self, state: Parent, store: Store) -> bool:
        """True when the parent order was halted and may go on now."""
        if state.created is None or state.status is not ParentStatus.HALTED or self._attended >= _ATTENDS:
            return False
        self._attended += 1
        await self._clock.sleep_until(self._clock.now() + timedelta(minutes=2))
        acts: list[Act] = [self._settled(child) for child in state.open.values() if child.status is ChildStatus.PARKED]
        acts += [
            ExplainAsked(venue=venue, name=name, who=_WHO, why="compared with the venue's statement")
            for venue, name in state.breaks
            if name != "unknown_trade"
        ]
        acts.append(ResumeAsked(who=_WHO, why=f"looked into: {state.status_rule}"))
        journal = Journal(store, threaded=False)
        stream = acts_stream(state.spec.parent_id)
        try:
            for act in acts:
                await append_as_person(journal, stream, state.spec.case_id, act, self._clock)
        except JournalFailed:
            return True  # the disk: it is tried again after the next start
        return True

    def _settled(self, child: Child) -> SettleAsked:
        """What the venue's own books say of ``child``, which is taken off the book first."""
        exchange = self._world.exchanges[child.venue]
        exchange.settle()
        for order in exchange.open_orders():
            if order.client_id == child.client_order_id:
                exchange.cancel(order.order_id)
        fills = [
            HandFill(
                trade_id=one.trade_id,
                qty=one.qty,
                px=child.limit_px if child.method == "rfq" else one.px,
                notional=one.notional,
                fee=one.fee,
                fee_asset=one.fee_asset,
                at=self._clock.now(),
            )
            for one in executions(self._world)
            if one.venue == child.venue
            and one.key in (child.client_order_id, child.quote_id)
            and one.trade_id not in child.trade_ids
        ]
        return SettleAsked(client_order_id=child.client_order_id, fills=fills, who=_WHO, why="the venue's statement")
