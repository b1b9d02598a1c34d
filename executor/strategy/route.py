"""Where a slice goes: the bids of all venues merged by what they bring after the fee, taken from the best down.

One child order per venue at most. A partial fill must never leave a remainder too small to sell, so either enough is
left over whatever fills, or the whole remainder goes as one fill-or-kill order that fills entirely or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.venue import Book, Instrument, TimeInForce
from executor.domain.money import ONE, ZERO, is_multiple, round_down, round_up


@dataclass(frozen=True, slots=True)
class Offer:
    """What one venue offers at this moment. ``free_qty`` is what its order account can deliver now, base units."""

    venue: str
    instrument: Instrument
    book: Book
    free_qty: Decimal
    time_in_force: frozenset[TimeInForce]


@dataclass(frozen=True, slots=True)
class Route:
    """One child order to send."""

    venue: str
    qty: Decimal
    limit_px: Decimal
    time_in_force: TimeInForce


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why nothing can be sent now: ``rule`` for the record, ``reason`` for people."""

    rule: str
    reason: str


def smallest_child(offers: Sequence[Offer], min_notional: Decimal, limit_px: Decimal) -> Decimal:
    """A quantity that every venue takes at any price from ``limit_px`` up: the least that may ever be left over."""
    needs = [
        max(
            offer.instrument.min_qty,
            round_up(max(offer.instrument.min_notional, min_notional) / limit_px, offer.instrument.step_size),
        )
        for offer in offers
    ]
    return max(needs, default=ZERO)


def largest_child(instrument: Instrument, px: Decimal) -> Decimal:
    """The largest order that the venue takes at ``px``, on its step."""
    return round_down(min(instrument.max_qty, instrument.max_notional / px), instrument.step_size)


def route(
    due: Decimal, leaves: Decimal, offers: Sequence[Offer], *, limit_px: Decimal, min_notional: Decimal
) -> list[Route] | NoRoute:
    """Child orders that sell up to ``due`` of the ``leaves`` not yet ordered, none below ``limit_px``."""
    if not offers:
        return NoRoute("market", "no venue shows a usable book")
    least = smallest_child(offers, min_notional, limit_px)
    if leaves < 2 * least or due >= leaves:
        whole = _whole_remainder(leaves, offers, limit_px)
        if whole is not None:
            return [whole]
        # It does not fit one order; sell a part and leave enough behind.
    budget = min(due, leaves - least)
    if budget < least:
        if not any(_above(offer, limit_px) for offer in offers):
            return _below(offers, limit_px)
        return NoRoute("size", f"{due} is due; less than {least} may not be ordered and nothing takes {leaves} whole")
    taken, lowest = _sweep(budget, offers, limit_px)
    if not taken:
        return _below(offers, limit_px)
    routes = _children(budget, taken, lowest, offers, least, limit_px)
    return routes or NoRoute("size", f"the books show too little at or above {limit_px} for the smallest order")


def _above(offer: Offer, limit_px: Decimal) -> bool:
    return bool(offer.book.bids) and offer.book.bids[0].px >= limit_px


def _below(offers: Sequence[Offer], limit_px: Decimal) -> NoRoute:
    best = max((offer.book.bids[0].px for offer in offers if offer.book.bids), default=None)
    if best is None:
        return NoRoute("market", "no venue shows a bid")
    if best < limit_px:
        return NoRoute("floor", f"the best bid {best} is under the lowest price allowed, {limit_px}")
    return NoRoute("balance", "no venue has enough of the asset credited to its order account")


def _sweep(
    budget: Decimal, offers: Sequence[Offer], limit_px: Decimal
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """How much of ``budget`` each venue gets, and the lowest price used there."""
    levels = sorted(
        (
            (level.px * (ONE - offer.instrument.taker_fee), offer.venue, level.px, level.qty)
            for offer in offers
            for level in offer.book.bids
            if level.px >= limit_px
        ),
        key=lambda item: (-item[0], item[1]),
    )
    room = {offer.venue: _room(offer) for offer in offers}
    taken: dict[str, Decimal] = {}
    lowest: dict[str, Decimal] = {}
    left = budget
    for _, venue, px, qty in levels:
        part = min(qty, left, room[venue])
        if part <= 0:
            continue
        taken[venue] = taken.get(venue, ZERO) + part
        lowest[venue] = px
        room[venue] -= part
        left -= part
        if left == 0:
            break
    return taken, lowest


def _room(offer: Offer) -> Decimal:
    best = offer.book.bids[0].px if offer.book.bids else ONE
    return min(largest_child(offer.instrument, best), round_down(offer.free_qty, offer.instrument.step_size))


def _children(
    budget: Decimal,
    taken: dict[str, Decimal],
    lowest: dict[str, Decimal],
    offers: Sequence[Offer],
    least: Decimal,
    limit_px: Decimal,
) -> list[Route]:
    """One IOC order a venue. A share too small to send is given to the venue with the largest share, if it has room."""
    offer_of = {offer.venue: offer for offer in offers}
    by_share = sorted(taken, key=lambda venue: (-taken[venue], venue))
    spare = sum((taken[venue] for venue in by_share if taken[venue] < least), ZERO)
    routes = []
    for venue in by_share:
        if TimeInForce.IOC not in offer_of[venue].time_in_force:
            continue
        qty = min(taken[venue] + spare, _room(offer_of[venue]), budget)
        qty = round_down(qty, offer_of[venue].instrument.step_size)
        if qty < least:
            continue
        spare = max(ZERO, spare - (qty - taken[venue]))
        limit = _limit(offer_of[venue].instrument, lowest[venue], limit_px)
        routes.append(Route(venue, qty, limit, TimeInForce.IOC))
        budget -= qty
    return routes


def _whole_remainder(leaves: Decimal, offers: Sequence[Offer], limit_px: Decimal) -> Route | None:
    """One fill-or-kill order for everything that is left, at the venue that brings most; ``None`` if none can."""
    best: tuple[Decimal, Route] | None = None
    for offer in offers:
        instrument = offer.instrument
        if TimeInForce.FOK not in offer.time_in_force or not is_multiple(leaves, instrument.step_size):
            continue
        taken, lowest = _sweep(leaves, [offer], limit_px)
        if taken.get(offer.venue, ZERO) != leaves:
            continue
        px = _limit(instrument, lowest[offer.venue], limit_px)
        if leaves < instrument.min_qty or leaves * px < instrument.min_notional:
            continue
        net = px * (ONE - instrument.taker_fee)
        if best is None or net > best[0]:
            best = (net, Route(offer.venue, leaves, px, TimeInForce.FOK))
    return best[1] if best else None


def _limit(instrument: Instrument, lowest: Decimal, limit_px: Decimal) -> Decimal:
    return round_up(max(lowest, limit_px), instrument.tick_size)
