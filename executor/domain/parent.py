"""The state of one parent order: a fold over its events, and the invariants that must hold at every step.

The conserved equation, asserted before each intent is written: ``cum_qty + exposure_qty + new <= qty``. Exposure is
all that might still be sold: open, sent, unknown and parked child orders count with their whole open quantity.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from executor.domain.events import (
    ActRefused,
    ArrivalMarked,
    BreakExplained,
    BreakFound,
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    ChildNotSent,
    ChildParked,
    ChildRejected,
    ChildResent,
    ChildResolved,
    ChildSettled,
    ChildUnknown,
    CoverCrossed,
    Event,
    FillRecorded,
    ParentCreated,
    ParentFinished,
    ParentHalted,
    ParentResumed,
    ParentStopped,
    ParentTaken,
    ParentWaiting,
    ParentWorking,
    PursesRead,
    QuoteCameLate,
    QuotesAsked,
    SliceStarted,
    WaitEscalated,
)
from executor.domain.money import ZERO, add, less, times
from executor.domain.orders import Child, ChildStatus, ParentStatus, Tally
from executor.domain.promises import keep_promises
from executor.errors import InvariantBroken


class Parent:
    """The folded state of one parent stream. ``apply`` takes events in stream order and changes it in place."""

    def __init__(self) -> None:
        self.created: ParentCreated | None = None
        self.version = 0
        self.status = ParentStatus.CREATED
        self.finished = False  # true when nothing more will be ordered
        self.status_rule = self.status_reason = ""
        self.epoch, self.owner = 0, ""
        self.arrival_px: Decimal | None = None
        self.arrival_at: datetime | None = None
        self.last_at: datetime | None = None
        self.idle = timedelta(0)  # time between owners, and in pauses by people: the schedule stood still
        self.worked_at: datetime | None = None  # the time of the latest event that is no person's act
        self._waiting_since = datetime.min.replace(tzinfo=UTC)
        self.below_since: datetime | None = None  # since when the price has held it back
        self.escalated = False
        self.children: dict[str, Child] = {}  # all that are open, and the closed ones that were not folded away
        self.last_number = 0  # of the latest child order
        self.open: dict[str, Child] = {}
        self.total = Tally()
        self.legs: dict[int, Tally] = {}
        self._leg_qty: dict[int, Decimal] = {}  # what each leg is to sell
        self.routes: dict[tuple[str, str], Tally] = {}  # by venue and method
        self.rounding = ZERO  # sum of px * qty - notional: what venues rounded away on quotes
        self.purses: dict[tuple[str, str], Decimal] = {}  # venue and account: total before our first order
        self.purses_at: tuple[datetime, datetime] | None = None  # between these moments they were read
        self.slices_done: dict[int, int] = {}
        self.asked: dict[int, QuotesAsked] = {}  # by leg, the latest round of quotes
        self.quote_rounds = self.quotes_seen = 0
        self.first_quote_at: dict[str, datetime] = {}  # venue: when its first quote was about to be accepted
        self.mids_sum, self.mids_count = ZERO, 0
        self.breach = ""
        self.breaks: dict[tuple[str, str], BreakFound] = {}  # venue and name: what was found, until explained
        self.broken: frozenset[str] = frozenset()  # the venues of these
        self.explained: set[tuple[str, str, str]] = set()  # venue, name, id of an order or trade: no break any more
        self.locked_elsewhere: dict[tuple[str, str], Decimal] = {}  # venue and account: explained, and not ours
        self.acts_seen = 0
        self.cover: CoverCrossed | None = None  # the latest word on the deposit's cover
        self.trades: set[tuple[str, str]] = set()  # venue and trade id of every fill: none is booked twice

    # --- what the engine asks -----------------------------------------------------------------------------------

    @property
    def spec(self) -> ParentCreated:
        """The order as it was created."""
        if self.created is None:
            raise InvariantBroken("the parent order's stream does not begin with ParentCreated")
        return self.created

    @property
    def now(self) -> datetime:
        """The time of the latest event."""
        if self.last_at is None:
            raise InvariantBroken("the parent order has no events")
        return self.last_at

    @property
    def cum_qty(self) -> Decimal:
        """Sold so far, base units."""
        return self.total.cum_qty

    @property
    def exposure_qty(self) -> Decimal:
        """What open, unknown and parked child orders might still sell, base units."""
        return self.total.exposure_qty

    @property
    def leaves_qty(self) -> Decimal:
        """Neither sold nor exposed: what may still be ordered."""
        return self.spec.qty - self.cum_qty - self.exposure_qty

    def counted(self) -> dict[str, Decimal]:
        """What stands at the counter of its case's holding: all of it until it is finished, then what was sold."""
        sold = self.cum_qty + self.exposure_qty if self.finished else self.spec.qty
        return {each.counter: sold for each in self.spec.reserved}

    def leg_leaves(self, leg: int) -> Decimal:
        """What leg ``leg`` may still order."""
        tally = self.legs[leg]
        return self._leg_qty[leg] - tally.cum_qty - tally.exposure_qty

    check_intent = keep_promises

    def fold_away(self, client_order_id: str) -> None:
        """Keep of a closed child order only the totals and its trade ids. News of it needs :meth:`recall` first."""
        if client_order_id not in self.open:
            self.children.pop(client_order_id, None)

    def recall(self, child: Child) -> None:
        """Put back a child order that was folded away, as the record has it."""
        if child.number <= self.last_number:
            self.children.setdefault(child.client_order_id, child)

    # --- the fold -----------------------------------------------------------------------------------------------

    def apply(self, event: Event, at: datetime) -> None:
        """Take the next event of the stream. Raises ``InvariantBroken`` if it contradicts what came before."""
        self.last_at = at
        kind = type(event)
        if kind not in _HANDLERS:
            raise InvariantBroken(f"{kind.__name__} does not belong into a parent order's stream")
        _HANDLERS[kind](self, event)
        if kind not in _ACTS:
            self.worked_at = at
        self.version += 1

    def _on_created(self, event: ParentCreated) -> None:
        self.created = event
        self.legs = {number: Tally() for number in range(len(event.legs))}
        self._leg_qty = {number: Decimal(leg["qty"]) for number, leg in enumerate(event.legs)}
        self.slices_done = dict.fromkeys(self.legs, 0)

    def _on_taken(self, event: ParentTaken) -> None:
        if self.worked_at is not None and self.epoch:
            self.idle += self.now - self.worked_at
        if event.epoch != self.epoch + 1:
            raise InvariantBroken(f"epoch {event.epoch} follows {self.epoch}")
        self.epoch, self.owner = event.epoch, event.owner
        self._waiting_since = self.now  # until now nobody ran it: that time is idle already
        if self.status is ParentStatus.STOPPED or self.status is ParentStatus.CREATED:
            self._set_status(ParentStatus.WORKING)

    def _on_arrival(self, event: ArrivalMarked) -> None:
        self.arrival_px, self.arrival_at = event.arrival_px, self.last_at

    def _on_purses(self, event: PursesRead) -> None:
        self.purses_at = (event.began_at or self.now, event.ended_at or self.now)
        for account, total in event.totals.items():
            self.purses[event.venue, account] = total

    def _on_slice(self, event: SliceStarted) -> None:
        if event.slice > self.slices_done[event.leg]:
            self.slices_done[event.leg] = event.slice
        if event.mid_px is not None:
            self.mids_sum = add(self.mids_sum, event.mid_px)
            self.mids_count += 1

    def _on_quotes(self, event: QuotesAsked) -> None:
        self.asked[event.leg] = event
        self.quote_rounds += 1
        self.quotes_seen += sum(1 for answer in event.answers if answer.quote_id)
        self.slices_done[event.leg] = max(self.slices_done[event.leg], event.slice)

    def _on_late_quote(self, event: QuoteCameLate) -> None:
        self.quotes_seen += bool(event.answer.quote_id)

    def _on_intended(self, event: ChildIntended) -> None:
        self.check_intent(event)
        child = Child.of(event, self.now)
        self.last_number = child.number
        self.children[child.client_order_id] = child
        self.open[child.client_order_id] = child
        if child.method == "rfq":
            self.first_quote_at.setdefault(child.venue, child.intended_at)
        if (child.venue, child.method) not in self.routes:
            self.routes[child.venue, child.method] = Tally()
        for tally in self._tallies(child):
            tally.children += 1
            tally.exposure_qty = add(tally.exposure_qty, child.qty)

    def _on_acknowledged(self, event: ChildAcknowledged) -> None:
        self._child(event.client_order_id).acknowledge(event.venue_order_id, event.venue_status)

    def _on_rejected(self, event: ChildRejected) -> None:
        self._close(self._child(event.client_order_id), f"rejected: {event.reason} {event.code}".strip())

    def _on_not_sent(self, event: ChildNotSent) -> None:
        self._close(self._child(event.client_order_id), "not sent")

    def _on_unknown(self, event: ChildUnknown) -> None:
        child = self._child(event.client_order_id)
        child.status, child.exists = ChildStatus.UNKNOWN, child.exists or event.exists

    def _on_resolved(self, event: ChildResolved) -> None:
        child = self._child(event.client_order_id)
        if event.found:
            child.venue_order_id = event.venue_order_id or child.venue_order_id
            child.status = ChildStatus.WORKING
        else:
            self._close(child, "proved absent")

    def _on_resent(self, event: ChildResent) -> None:
        child = self._child(event.client_order_id)
        child.status, child.sends = ChildStatus.INTENDED, child.sends + 1

    def _on_parked(self, event: ChildParked) -> None:
        child = self._child(event.client_order_id)
        child.status, child.outcome = ChildStatus.PARKED, event.reason

    def _on_settled(self, event: ChildSettled) -> None:
        self.acts_seen = event.act
        self._close(self._child(event.client_order_id), f"settled by {event.who}: {event.why}")

    def _on_break(self, event: BreakFound) -> None:
        self.breaks[event.venue, event.name] = event
        self.broken |= {event.venue}

    def _on_explained(self, event: BreakExplained) -> None:
        self.acts_seen = event.act
        found = self.breaks.pop((event.venue, event.name), None)
        if found is None:
            return
        self.broken = frozenset(venue for venue, _ in self.breaks)
        self.explained |= {(event.venue, event.name, item) for item in found.items}
        for gap in found.gaps:
            purse = (event.venue, gap.account)
            self.purses[purse] = add(self.purses[purse], gap.total)
            self.locked_elsewhere[purse] = add(self.locked_elsewhere.get(purse, ZERO), gap.locked)

    def _on_resumed(self, event: ParentResumed) -> None:
        self.acts_seen = event.act
        self.breach = ""
        self._set_status(ParentStatus.STOPPED, "", f"resumed by {event.who}: {event.why}")

    def _on_act_refused(self, event: ActRefused) -> None:
        self.acts_seen = event.act

    def _on_fill(self, event: FillRecorded) -> None:
        child, trade = self._child(event.client_order_id), (event.venue, event.trade_id)
        if trade in self.trades:
            raise InvariantBroken(f"trade {event.trade_id} of {event.venue} is recorded twice")
        self.trades.add(trade)
        released = child.book(event)
        for tally in self._tallies(child):
            tally.book(event, released)
        self.rounding = add(self.rounding, less(times(event.px, event.qty), event.notional))
        # A fill is a fact and is booked whatever it breaks; the engine halts on a breach.
        spec, total = self.spec, self.total
        if child.cum_qty > child.qty:
            self.breach = f"{child.client_order_id} filled {child.cum_qty}, more than its {child.qty}"
        elif add(total.cum_qty, total.exposure_qty) > spec.qty:
            self.breach = f"sold and exposed {total.cum_qty + total.exposure_qty}, more than {spec.qty}"
        elif event.px < spec.floor_px:
            self.breach = f"trade {event.trade_id} at {event.px} is under the floor {spec.floor_px}"

    def _on_closed(self, event: ChildClosed) -> None:
        child = self._child(event.client_order_id)
        if event.cum_qty != child.cum_qty:
            raise InvariantBroken(f"{child.client_order_id} closed at {event.cum_qty} with {child.cum_qty} recorded")
        child.venue_status = event.venue_status
        self._close(child, event.venue_status)

    def _on_waiting(self, event: ParentWaiting) -> None:
        self._waiting_since = self.now
        if event.rule != "floor" and not event.rule.startswith("price."):
            self.below_since, self.escalated = None, False
        elif self.below_since is None:
            self.below_since = self.now
        self._set_status(ParentStatus.WAITING, event.rule, event.reason)

    def _on_escalated(self, _event: WaitEscalated) -> None:
        self.escalated = True

    def _on_cover(self, event: CoverCrossed) -> None:
        self.cover = event

    def _on_working(self, _event: ParentWorking) -> None:
        self.below_since, self.escalated = None, False
        if self.status_rule == "control":
            self.idle += self.now - self._waiting_since  # a pause by a person stops the schedule
        self._set_status(ParentStatus.WORKING)

    def _on_halted(self, event: ParentHalted) -> None:
        self._set_status(ParentStatus.HALTED, event.rule, event.reason)

    def _on_stopped(self, event: ParentStopped) -> None:
        self._set_status(ParentStatus.STOPPED, "", event.reason)

    def _on_finished(self, event: ParentFinished) -> None:
        if self.open:
            raise InvariantBroken(f"finished with {len(self.open)} child orders open")
        self._set_status(ParentStatus.COMPLETED if event.completed else ParentStatus.ENDED, "", event.reason)

    def _set_status(self, status: ParentStatus, rule: str = "", reason: str = "") -> None:
        self.status, self.status_rule, self.status_reason = status, rule, reason
        self.finished = status is ParentStatus.COMPLETED or status is ParentStatus.ENDED

    def _child(self, client_order_id: str) -> Child:
        if client_order_id not in self.children:
            raise InvariantBroken(f"no intent was recorded for {client_order_id}")
        return self.children[client_order_id]

    def _tallies(self, child: Child) -> tuple[Tally, Tally, Tally]:
        return self.total, self.legs[child.leg], self.routes[child.venue, child.method]

    def _close(self, child: Child, outcome: str) -> None:
        released = child.exposure_qty
        child.status, child.outcome, child.closed_at = ChildStatus.CLOSED, outcome, self.last_at
        self.open.pop(child.client_order_id, None)
        if released:
            for tally in self._tallies(child):
                tally.exposure_qty = less(tally.exposure_qty, released)


# What people did is written down by the next owner before it takes over: the time until then was idle all the same.
_ACTS = frozenset({ChildSettled, BreakExplained, ParentResumed, ActRefused})
_HANDLERS: dict[type, Callable[[Parent, Any], None]] = {
    ParentCreated: Parent._on_created,
    ParentTaken: Parent._on_taken,
    ArrivalMarked: Parent._on_arrival,
    PursesRead: Parent._on_purses,
    SliceStarted: Parent._on_slice,
    QuotesAsked: Parent._on_quotes,
    QuoteCameLate: Parent._on_late_quote,
    ChildIntended: Parent._on_intended,
    ChildAcknowledged: Parent._on_acknowledged,
    ChildRejected: Parent._on_rejected,
    ChildNotSent: Parent._on_not_sent,
    ChildUnknown: Parent._on_unknown,
    ChildResolved: Parent._on_resolved,
    ChildResent: Parent._on_resent,
    ChildParked: Parent._on_parked,
    ChildSettled: Parent._on_settled,
    BreakFound: Parent._on_break,
    BreakExplained: Parent._on_explained,
    ActRefused: Parent._on_act_refused,
    FillRecorded: Parent._on_fill,
    ChildClosed: Parent._on_closed,
    ParentWaiting: Parent._on_waiting,
    WaitEscalated: Parent._on_escalated,
    CoverCrossed: Parent._on_cover,
    ParentWorking: Parent._on_working,
    ParentHalted: Parent._on_halted,
    ParentResumed: Parent._on_resumed,
    ParentStopped: Parent._on_stopped,
    ParentFinished: Parent._on_finished,
}
