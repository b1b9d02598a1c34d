"""What every intent must pass in the transaction that writes it: the approval, caps, prices, the deposit's cover.

Asked by the log that writes intents, not by whoever wants an order, so that nobody who calls the engine can go past it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from adapters.venue import TimeInForce
from executor.domain.caps import Caps, Limit, Sale, limits, terms
from executor.domain.counting import Counter, counted_at
from executor.domain.events import ChildIntended, Counted, Event, ParentFinished
from executor.domain.money import BPS, EXACT, ONE, ZERO, plain, times
from executor.domain.orders import Child
from executor.domain.parent import Parent
from executor.domain.plan import OtcLeg, Plan, TwapLeg, Waiting
from executor.domain.preferences import Preference
from executor.domain.reservation import Reservation
from executor.engine.approval import Approval
from executor.engine.counting import Counting, worth
from executor.engine.cover import CoverRule
from executor.engine.prices import Market, Prices
from executor.engine.room import NO_BOUND, Rooms, rooms
from executor.errors import GuardHalts, NotNow, RuleRefused
from executor.guards import best_quote
from executor.guards.verdict import ALLOW, Action, Verdict
from executor.journal.journal import Journal

_GTC = TimeInForce.GTC.value
_LINGERS = timedelta(minutes=2)  # what a cancelled order may still need to be off the book


Used = Callable[[Sequence[str]], dict[str, Decimal]]
"""Reads what stands at counters."""


class Admitted(msgspec.Struct, frozen=True):
    """An intent as it may be written: with what it reserves, and the streams that must not have changed since."""

    intent: ChildIntended
    reserve: Sequence[Reservation]
    expects: Mapping[str, int]


class Gate:
    """The rules of one approved plan."""

    def __init__(self, plan: Plan, approval: Approval, market: Market, journal: Journal) -> None:
        self.counting = Counting(journal, terms(plan.caps))
        self.prices = Prices(plan, approval.plan_hash, approval.case, market)
        self.cover = CoverRule(plan, approval, market)
        self.capped = plan.caps is not None
        self._market = market
        self._plan = plan
        self._approval = approval
        self._sale = Sale(approval.case_id, plan.asset, plan.quote_asset, plan.qty)

    def reread(self) -> None:
        """Read again what the rules rest on."""
        self._approval.reread()
        self.counting.reread()

    def approved(self, now: datetime) -> Mapping[str, int]:
        """The streams that say that exactly this plan is approved now, with the versions at which they were read.
        Raises ``GuardHalts``."""
        fault = self._approval.fault(now)
        if fault:
            raise GuardHalts("approval", f"the plan may not be executed: {fault}")
        return self._approval.rests_on

    def admit(self, state: Parent, intent: ChildIntended, now: datetime) -> Admitted:
        """Ask every rule. Raises ``GuardHalts`` without a valid approval or with too little cover, ``NotNow`` when a
        price rule or a cap forbids it at this moment, ``RuleRefused`` when a rule forbids it ever."""
        expects = {**self.approved(now), **self.counting.rests_on}
        if not self.counting.ready:
            raise RuleRefused("cap.counting: what the caps of the plan rest on is not counted yet")
        self.cover.check(state, now)
        self.refuse_affiliate(intent.venue)
        self._leg(state, intent)
        quote = intent.method == "rfq"
        if quote:
            self._best_quote(state, intent, now)
        else:
            self._venue_rules(intent, now, post_only=intent.post_only)
        self.prices.check(state, intent.venue, intent.qty, intent.limit_px, now, quote=quote)
        if self.capped and (caps := self._caps(now)) is not None:
            _within(caps, intent)
            self._none_outlived(state, now)
        reserve: list[Reservation] = []
        counted: list[Counted] = []
        if self.counting.terms:
            until = self._until(intent.leg, intent.time_in_force, now)
            most = {limit.counter: limit.most for limit in self.limits(intent.venue, now, until)}
            for each in self._counters(intent.venue, now, until):
                amount = intent.qty if each.unit == "qty" else self._most_value(intent)
                counted.append(Counted(counter=each.name, unit=each.unit, amount=amount))
                reserve.append(Reservation(each.name, amount, most.get(each.name)))
        if counted or intent.reserved:
            intent = msgspec.structs.replace(intent, reserved=counted)
        return Admitted(intent, reserve, expects)

    def refuse_affiliate(self, venue: str) -> None:
        """Raise ``RuleRefused`` if the venue stands in the case's register of affiliates."""
        if self.affiliate(venue):
            raise RuleRefused(f"conflict: {venue} stands in the register of affiliates of the case and may not buy")

    def affiliate(self, name: str) -> bool:
        """True if the venue, counterparty or desk stands in the case's register of affiliates."""
        affiliates = self._approval.case.affiliates
        return bool(affiliates) and name.casefold() in affiliates

    def preferences(self, now: datetime) -> Sequence[Preference]:
        """The signed rules by which another quote than the best may be taken now, read anew."""
        self.reread()
        return self._approval.preferences(now)

    def _leg(self, state: Parent, intent: ChildIntended) -> None:
        """Raise ``RuleRefused`` unless the order keeps to its leg of the plan."""
        leg = self._plan.legs[intent.leg]
        if intent.qty > state.leg_leaves(intent.leg):
            raise RuleRefused(f"leg: {plain(intent.qty)} is more than leg {intent.leg} has left")
        if leg.limit_px is not None and intent.limit_px < leg.limit_px:
            raise RuleRefused(f"leg: {plain(intent.limit_px)} is under the limit {plain(leg.limit_px)} of its leg")
        if leg.venues is not None and intent.venue not in leg.venues:
            raise RuleRefused(f"leg: {intent.venue} is no venue of leg {intent.leg}")

    def _venue_rules(self, order: ChildIntended | Child, now: datetime, *, post_only: bool) -> None:
        verdict = self._market.judge(
            order.venue, order.qty, order.limit_px, order.time_in_force, now, post_only=post_only
        )
        if verdict is not ALLOW:
            _obey(verdict, f"{order.venue}: ")

    def _best_quote(self, state: Parent, intent: ChildIntended, now: datetime) -> None:
        leg = self._plan.legs[intent.leg]
        wanted = leg.min_quotes if isinstance(leg, OtcLeg) else 1
        rules, affiliates = self._approval.preferences(now), self._approval.case.affiliates
        verdict = best_quote.check(state.asked.get(intent.leg), intent, wanted, rules, affiliates)
        _obey(verdict)

    # --- what was sent already --------------------------------------------------------------------------------

    def admit_again(self, state: Parent, child: Child, now: datetime, used: Used) -> Mapping[str, int]:
        """Ask every rule about an order that is sent once more under its own id, of which the venue knows nothing.
        Returns the streams that must not have changed since. Raises as :meth:`admit` does."""
        expects = {**self.approved(now), **self.counting.rests_on}
        self.cover.check(state, now)
        self.refuse_affiliate(child.venue)
        self._still_good(state, child, now)
        if child.method == "book":
            self._venue_rules(child, now, post_only=False)
        until = self._until(child.leg, child.time_in_force, now)
        if self.spans_are_over(child, now, until):
            raise NotNow("cap.span", f"{child.client_order_id} counts in spans that are over")
        binding = self.limits(child.venue, now, until)
        stand = used(sorted(limit.counter for limit in binding)) if binding else {}
        for limit in binding:
            if stand.get(limit.counter, ZERO) > limit.most:
                raise NotNow(f"cap.{limit.rule}", f"{limit.counter} is over {plain(limit.most)}")
        return expects

    def may_rest(self, state: Parent, children: Sequence[Child], now: datetime) -> bool:
        """True while each of these orders on the books might be sent now at its price: the approval stands, and no rule
        on prices or floor that people have raised forbids it."""
        self.reread()
        if self._approval.fault(now):
            return False
        try:
            for child in children:
                self._still_good(state, child, now)
        except NotNow:
            return False
        return True

    def _still_good(self, state: Parent, child: Child, now: datetime) -> None:
        left, quote = child.qty - child.cum_qty, child.method == "rfq"
        self.prices.check(state, child.venue, left, child.limit_px, now, quote=quote, but=child.client_order_id)

    # --- caps -----------------------------------------------------------------------------------------------------

    def _counters(self, venue: str, now: datetime, until: datetime) -> Sequence[Counter]:
        """Where an order counts: for its own plan's caps and for those of every other plan of the journal."""
        named = self.counting.terms
        return list(counted_at(named, self._sale, venue, now, max(now, until)).values()) if named else ()

    def spans_are_over(self, child: Child, now: datetime, until: datetime | None = None) -> bool:
        """True where an order would count at counters, if it filled from now to ``until``, that do not count it: it was
        made for a day or a window that is over."""
        counted = {each.counter for each in child.reserved}
        return any(each.name not in counted for each in self._counters(child.venue, now, until or now))

    def _none_outlived(self, state: Parent, now: datetime) -> None:
        """Raise ``NotNow`` while an order that ought to be off its book may still fill, and was counted in spans that
        are over only: what it yet sells would come on top of what the caps allow now."""
        for child in state.open.values():
            if child.time_in_force != _GTC or now <= self._until(child.leg, _GTC, child.intended_at):
                continue
            if self.spans_are_over(child, now):
                raise NotNow("cap.span", f"{child.client_order_id} has no proved end and counts in spans that are over")

    def limits(self, venue: str, now: datetime, until: datetime) -> tuple[Limit, ...]:
        """The caps that bind an order at ``venue`` now that may fill up to ``until``."""
        caps = self._caps(max(now, until))
        return limits(caps, self._sale, venue, now, until) if caps is not None else ()

    def rooms(self, leg: int, bids: Mapping[str, Decimal], now: datetime, used: Used) -> Rooms:
        """What the caps leave for orders of ``leg``; ``bids`` are the best prices by venue, ``used`` reads counters."""
        if self._plan.caps is None:
            return NO_BOUND
        until = self._until(leg, _GTC, now)
        found = {name: self.limits(name, now, until) for name in bids}
        counters = {limit.counter for each in found.values() for limit in each}
        stand = used(sorted(counters)) if counters else {}
        return rooms(found, stand, {name: times(px, self._run) for name, px in bids.items()})

    def _caps(self, now: datetime) -> Caps | None:
        """The caps as people have left them: what was made looser for a while is back when that is over."""
        return self._approval.caps(self._plan.caps, now) if self._plan.caps is not None else None

    def order_value(self, now: datetime) -> Decimal | None:
        """The most that one order may be worth."""
        caps = self._caps(now)
        return caps.order_value if caps is not None else None

    @property
    def waiting(self) -> Waiting | None:
        """Who is told that the sale waits because of the price."""
        return self._plan.waiting

    def min_venues(self, now: datetime) -> int:
        """How many venues there must be to trade on."""
        caps = self._caps(now)
        return (caps.min_venues if caps is not None else None) or 1

    def _until(self, leg: int, time_in_force: str, now: datetime) -> datetime:
        """Until when an order of ``leg`` may fill that is sent now."""
        wanted = self._plan.legs[leg]
        rests = wanted.rest_for if isinstance(wanted, TwapLeg) and time_in_force == _GTC else None
        return now + timedelta(seconds=rests) + _LINGERS if rests else now

    def _most_value(self, intent: ChildIntended) -> Decimal:
        """The most that this order can bring: what crosses the book may fill above what the book showed, by as much as
        the market may run before it counts as one that cannot be trusted."""
        exact = intent.notional is not None or intent.post_only
        return worth(intent) if exact else times(worth(intent), self._run)

    @property
    def _run(self) -> Decimal:
        """By what factor the market may rise between the look at the book and the fill."""
        return ONE + EXACT.divide(self._plan.guards.fast_move_bps, BPS)


def _within(caps: Caps, intent: ChildIntended) -> None:
    """Raise ``NotNow`` if the order is worth more than one may be, or made where too few venues were open: the caps
    were lowered since the look."""
    if caps.order_value is not None and worth(intent) > caps.order_value:
        raise NotNow("cap.order_value", f"{plain(worth(intent))} is over {plain(caps.order_value)}")
    wanted, shown = caps.min_venues or 1, sum(1 for top in intent.tops if top.bid is not None)
    if wanted > 1 and shown < wanted:
        raise NotNow("cap.min_venues", f"{shown} venues can be traded on, the plan wants {wanted}")


def _obey(verdict: Verdict, who: str = "") -> None:
    if verdict.action is Action.WAIT:
        raise NotNow(verdict.rule, f"{who}{verdict.reason}")
    if verdict.action is not Action.ALLOW:
        raise RuleRefused(f"{verdict.rule}: {verdict.reason}")


def taken(state: Parent, events: Sequence[Event], at: datetime) -> list[Reservation]:
    """Take ``events`` into the state. Returns what they change at the counters: of the orders that they are about, and,
    since all of a parent order stands at the holding's counter until it ends, of the whole where it ends."""
    changes: list[Reservation] = []
    for event in events:
        child = state.children.get(getattr(event, "client_order_id", ""))
        if (child is None or not child.reserved) and type(event) is not ParentFinished and not state.finished:
            state.apply(event, at)
            continue
        before = _counted(state, event)
        state.apply(event, at)
        for counter, amount in _counted(state, event).items():
            if change := EXACT.subtract(amount, before.get(counter, ZERO)):
                changes.append(Reservation(counter, change))
    return changes


def _counted(state: Parent, event: Event) -> dict[str, Decimal]:
    """What stands at the counters for the orders that ``event`` is about, as far as it can change them."""
    if state.created is None:
        return {}
    found = state.counted() if state.finished or type(event) is ParentFinished else {}
    child = state.children.get(getattr(event, "client_order_id", ""))
    return found | child.counted() if child is not None and child.reserved else found
