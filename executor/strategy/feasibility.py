"""Whether a plan can be done at all on these venues, asked before the first order. Every obstacle is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from adapters.venue import Book, Instrument, VenueTraits
from executor.domain.money import ONE, ZERO, is_multiple, multiples, plain, times
from executor.domain.plan import OtcLeg, Plan, TwapLeg
from executor.strategy.route import Offer, largest_child, smallest_child
from executor.strategy.schedule import slice_count


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """What is known of one venue when the plan is checked. ``instrument`` is ``None`` if it does not list the pair.
    ``free`` maps the venue's purses to what they can deliver of the asset."""

    venue: str
    traits: VenueTraits
    symbol: str
    instrument: Instrument | None
    book: Book | None
    free: Mapping[str, Decimal]


def obstacles(plan: Plan, facts: Sequence[VenueFacts]) -> list[str]:
    """Every reason why the plan cannot be done as it stands, each naming its rule; empty when there is none."""
    found = [f"venue: {venue} is not connected" for venue in plan.venues if venue not in {f.venue for f in facts}]
    found += [f"pair: {f.venue} does not list {f.symbol}" for f in facts if f.instrument is None]
    found += [
        f"pair: {f.symbol} at {f.venue} is not open: {f.instrument.why_not_trading}"
        for f in facts
        if f.instrument is not None and not f.instrument.trading
    ]
    if found:
        return found
    best = max((f.book.bids[0].px for f in facts if f.book is not None and f.book.bids), default=None)
    if best is None:
        return ["market: no venue shows a bid"]
    if best < plan.floor_px:
        return [f"floor: the best bid {plain(best)} is under the floor {plain(plan.floor_px)}"]
    for number, leg in enumerate(plan.legs):
        name = f"legs.{number} ({leg.kind})"
        able = [f for f in facts if f.venue in plan.venues_of(leg)]
        if isinstance(leg, TwapLeg):
            found += [f"{name}: {why}" for why in _twap(plan, leg, able, best)]
        else:
            found += [f"{name}: {why}" for why in _otc(plan, leg, able)]
    return found + _balances(plan, facts)


def _twap(plan: Plan, leg: TwapLeg, facts: Sequence[VenueFacts], best: Decimal) -> list[str]:
    offers = [
        Offer(f.venue, f.instrument, f.book, ZERO, f.traits.time_in_force)
        for f in facts
        if f.instrument is not None and f.book is not None
    ]
    if not offers:
        return ["market: none of its venues shows a book"]
    least = smallest_child(offers, leg.min_notional, leg.limit_px or plan.floor_px)
    count = slice_count(leg, plan.duration)
    each = leg.qty / count
    found = []
    if plan.duration < count:
        found.append(f"slices: {count} slices in {plan.duration} s is more than one a second")
    if leg.rest_for is not None and leg.rest_for * count >= plan.duration:
        found.append(f"rest_for: resting {leg.rest_for} s in each of {count} slices does not fit the window")
    smallest = each * (ONE - leg.size_jitter)
    if smallest < least:
        fit = int(leg.qty * (ONE - leg.size_jitter) / least)
        found.append(
            f"size: the smallest slice, about {smallest:.8f}, is under the smallest order {plain(least)}; "
            f"use at most {fit} slices"
            if fit
            else f"size: {plain(leg.qty)} is under the smallest order {plain(least)}"
        )
    most = sum((largest_child(offer.instrument, best) for offer in offers), ZERO)
    if each * (ONE + leg.size_jitter) > most:
        found.append(
            f"caps: a slice of up to {each * (ONE + leg.size_jitter):.8f} is over what the venues take at once, "
            f"{plain(most)}; use at least {int(leg.qty * (ONE + leg.size_jitter) / most) + 1} slices"
        )
    order_value = plan.caps.order_value if plan.caps is not None else None
    lowest = times(least, best)
    if order_value is not None and order_value < lowest:
        found.append(
            f"cap.order_value: {plain(order_value)} is under the value of the smallest order, {plain(least)} at the "
            f"best bid, {plain(lowest)}: allow more, raise the floor, or lower min_notional"
        )
    if not any(is_multiple(leg.qty, offer.instrument.step_size) for offer in offers):
        found.append(f"step: {plain(leg.qty)} is finer than the smallest step of every venue")
    return found


def _otc(plan: Plan, leg: OtcLeg, facts: Sequence[VenueFacts]) -> list[str]:
    able = [f for f in facts if f.traits.rfq is not None and f.traits.rfq.executable]
    found = []
    if len(able) < leg.min_quotes:
        found.append(f"quotes: {len(able)} venues of the plan execute quotes, min_quotes is {leg.min_quotes}")
    clips = multiples(leg.qty, leg.clip)
    if clips * leg.pause > plan.duration:
        found.append(
            f"window: {clips} clips with {timedelta(seconds=leg.pause)} between them need more than "
            f"{timedelta(seconds=plan.duration)}"
        )
    return found


def _balances(plan: Plan, facts: Sequence[VenueFacts]) -> list[str]:
    """Each leg, and all of them together, need their quantity credited in the purses that can pay for it."""
    free = {(f.venue, account): qty for f in facts for account, qty in f.free.items()}
    needs = [(leg.qty, _purses(plan, leg, facts), f"legs.{number}") for number, leg in enumerate(plan.legs)]
    needs.append((plan.qty, frozenset().union(*(purses for _, purses, _ in needs)), "the plan"))
    found = []
    for need, purses, what in needs:
        have = sum((free.get(purse, ZERO) for purse in purses), ZERO)
        if have < need:
            found.append(
                f"balance: {what} needs {plain(need)} {plan.asset}, {plain(have)} is credited where it can sell"
            )
    return found


def _purses(plan: Plan, leg: TwapLeg | OtcLeg, facts: Sequence[VenueFacts]) -> frozenset[tuple[str, str]]:
    able = [f for f in facts if f.venue in plan.venues_of(leg)]
    if isinstance(leg, TwapLeg):
        return frozenset((f.venue, f.traits.order_account) for f in able)
    return frozenset(
        (f.venue, f.traits.rfq.account) for f in able if f.traits.rfq is not None and f.traits.rfq.executable
    )
