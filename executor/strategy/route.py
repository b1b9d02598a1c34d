"""Where a slice goes: the bids of all venues merged by what they bring after the fee, taken from the best down.

One child order per venue at most. A partial fill must never leave a remainder too small to sell, so either enough is
left over whatever fills, or the whole remainder goes as one fill-or-kill order that fills entirely or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter

import msgspec

from adapters.venue import Book, Instrument, TimeInForce
from executor.domain.money import ONE, ZERO, round_down, round_up

_GTC, _IOC, _FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK


class Offer(msgspec.Struct, frozen=True):
    """What one venue offers at this moment. ``free_qty`` is what its order account can deliver now, base units."""

    venue: str
    instrument: Instrument
    book: Book
    free_qty: Decimal
    time_in_force: frozenset[TimeInForce]


class Route(msgspec.Struct, frozen=True):
    """One child order to send."""

    venue: str
    qty: Decimal
    limit_px: Decimal
    time_in_force: TimeInForce


class _Part(msgspec.Struct):
    """What one venue gets of a slice: ``stock`` is what it could sell of all that is left, ``room`` the largest order
    there, ``share`` the most and ``qty`` what it gets, ``lowest`` the lowest price used."""

    offer: Offer
    stock: Decimal
    room: Decimal = ZERO
    share: Decimal = ZERO
    qty: Decimal = ZERO
    lowest: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why nothing can be sent now: ``rule`` for the record, ``reason`` for people."""

    rule: str
    reason: str


def smallest_child(offers: Sequence[Offer], min_notional: Decimal, limit_px: Decimal) -> Decimal:
    """A quantity that every venue takes at any price from ``limit_px`` up: the least that may ever be left over."""
    least = ZERO
    for offer in offers:
        instrument = offer.instrument
        worth = max(instrument.min_notional, min_notional) / limit_px
        least = max(least, instrument.min_qty, round_up(worth, instrument.step_size))
    return least


def largest_child(instrument: Instrument, px: Decimal) -> Decimal:
    """The largest order that the venue takes at ``px``, on its step."""
    return round_down(min(instrument.max_qty, instrument.max_notional / px), instrument.step_size)


def route(
    due: Decimal, leaves: Decimal, offers: Sequence[Offer], *, limit_px: Decimal, least: Decimal
) -> list[Route] | NoRoute:
    """Child orders that sell up to ``due`` of the ``leaves`` not yet ordered, none below ``limit_px``, none smaller
    than ``least`` (:func:`smallest_child`, at the lowest price that the plan knows: what is left over now must be
    sellable when the market has fallen).

    Whatever part of them fills, nothing is left, in the whole or in one venue's purse, that is too small to sell."""
    if not offers:
        return NoRoute("market", "no venue shows a usable book")
    parts, at_an_end = [], due >= leaves
    for offer in offers:
        stock = _stock(offer, leaves)
        parts.append(_Part(offer, stock))
        at_an_end = at_an_end or stock < 2 * least
    cleared = _clear_purses(due, leaves, offers, least, limit_px) if at_an_end else []
    ordered = ZERO
    for piece in cleared:
        ordered += piece.qty
        parts = [part for part in parts if part.offer.venue != piece.venue]
    budget = min(due - ordered, leaves - ordered - least)
    routes = cleared + (_sweep_children(budget, leaves, parts, least, limit_px) if budget >= least else [])
    if routes:
        return routes
    if not any(_above(offer, limit_px) for offer in offers):
        return _below(offers, limit_px)
    return NoRoute("size", f"{due} is due: too little for an order of at least {least}, or the books show too little")


def _clear_purses(
    due: Decimal, leaves: Decimal, offers: Sequence[Offer], least: Decimal, limit_px: Decimal
) -> list[Route]:
    """Fill-or-kill orders for all that is left at a venue: at the end, and where a part would strand the rest."""
    cleared = []
    for offer in sorted(offers, key=_net_bid, reverse=True):
        stock = _stock(offer, leaves)
        if stock <= 0 or (due < leaves and stock >= 2 * least):
            continue
        whole = _whole(stock, offer, limit_px)
        if whole is not None and (leaves == stock or leaves - stock >= least):
            cleared.append(whole)
            leaves -= stock
    return cleared


def _sweep_children(
    budget: Decimal, leaves: Decimal, parts: Sequence[_Part], least: Decimal, limit_px: Decimal
) -> list[Route]:
    for part in parts:
        part.room = min(_room(part.offer), part.stock - least)
        part.share = min(_share(part.offer, budget, leaves), part.room)
    _sweep(budget, parts, limit_px)
    return _children(budget, parts, least, limit_px)


def _stock(offer: Offer, leaves: Decimal) -> Decimal:
    """What this venue could sell of ``leaves``, on its step."""
    return round_down(max(ZERO, min(offer.free_qty, leaves)), offer.instrument.step_size)


def _above(offer: Offer, limit_px: Decimal) -> bool:
    return bool(offer.book.bids) and offer.book.bids[0].px >= limit_px


def _below(offers: Sequence[Offer], limit_px: Decimal) -> NoRoute:
    best = max((offer.book.bids[0].px for offer in offers if offer.book.bids), default=None)
    if best is None:
        return NoRoute("market", "no venue shows a bid")
    if best < limit_px:
        return NoRoute("floor", f"the best bid {best} is under the lowest price allowed, {limit_px}")
    return NoRoute("balance", "no venue has enough of the asset credited to its order account")


def _share(offer: Offer, due: Decimal, leaves: Decimal) -> Decimal:
    """The most of ``due`` that this venue may take. Coins lie where they are credited: a venue that holds a third of
    what is left to sell gets a third of each slice, so that none is left alone with its coins at the end. Where more
    is credited than must be sold, the shares overlap and the best net price decides."""
    return due * offer.free_qty / leaves if offer.free_qty < leaves else due


def _sweep(budget: Decimal, parts: Sequence[_Part], limit_px: Decimal) -> None:
    """Give each venue its part of ``budget``: the bids from ``limit_px`` up, best net price first."""
    levels: list[tuple[Decimal, str, Decimal, Decimal, _Part]] = []
    for part in parts:
        venue, left = part.offer.venue, part.share
        kept = ONE - part.offer.instrument.taker_fee
        for level in part.offer.book.bids:
            px = level.px
            if px < limit_px or left <= ZERO:
                break
            qty = min(level.qty, left)
            if qty > ZERO:
                left -= qty
                levels.append((-(px * kept), venue, px, qty, part))
    levels.sort(key=_BEST_FIRST)
    for _, _, px, qty, part in levels:
        taken = min(qty, budget)
        part.qty += taken
        part.lowest = px
        budget -= taken
        if not budget:
            break


_BEST_FIRST = itemgetter(0, 1)


def _room(offer: Offer) -> Decimal:
    """The largest order that the venue takes at its best bid."""
    return largest_child(offer.instrument, offer.book.bids[0].px if offer.book.bids else ONE)


def _children(budget: Decimal, parts: Sequence[_Part], least: Decimal, limit_px: Decimal) -> list[Route]:
    """One IOC order a venue. A share too small to send is given to the venue with the largest share, if it has room."""
    parts = sorted(parts, key=lambda part: (-part.qty, part.offer.venue))
    spare = ZERO
    for part in parts:
        if part.qty < least:
            spare += part.qty
    routes = []
    for part in parts:
        offer = part.offer
        if not part.qty or _IOC not in offer.time_in_force:
            continue
        qty = round_down(min(part.qty + spare, part.room, budget), offer.instrument.step_size)
        if qty < least:
            continue
        if spare:
            spare = max(ZERO, spare - max(ZERO, qty - part.qty))
        routes.append(Route(offer.venue, qty, _limit(offer.instrument, part.lowest, limit_px), _IOC))
        budget -= qty
    return routes


def _whole(qty: Decimal, offer: Offer, limit_px: Decimal) -> Route | None:
    """One fill-or-kill order for ``qty``; ``None`` if the venue cannot take or does not show that much."""
    instrument = offer.instrument
    if _FOK not in offer.time_in_force:
        return None
    part = _Part(offer, qty, share=min(_room(offer), qty))
    _sweep(qty, [part], limit_px)
    if part.qty != qty:
        return None
    px = _limit(instrument, part.lowest, limit_px)
    if qty < instrument.min_qty or qty * px < instrument.min_notional or qty * px > instrument.max_notional:
        return None
    return Route(offer.venue, qty, px, _FOK)


def _net_bid(offer: Offer) -> Decimal:
    return offer.book.bids[0].px * (ONE - offer.instrument.taker_fee) if offer.book.bids else ZERO


def _limit(instrument: Instrument, lowest: Decimal, limit_px: Decimal) -> Decimal:
    return round_up(max(lowest, limit_px), instrument.tick_size)


def resting(
    due: Decimal, leaves: Decimal, offers: Sequence[Offer], *, limit_px: Decimal, least: Decimal
) -> list[Route]:
    """Passive orders for ``due``: at the best ask of each venue, the best net price first. They leave ``least`` behind
    so that a partial fill never strands a remainder too small to sell."""
    left = min(due, leaves - least)
    routes = []
    for offer in sorted(offers, key=_net_ask, reverse=True):
        if not offer.book.asks or _GTC not in offer.time_in_force:
            continue
        px = _limit(offer.instrument, offer.book.asks[0].px, limit_px)
        if offer.instrument.max_px is not None and px > offer.instrument.max_px:
            continue
        room = min(largest_child(offer.instrument, px), _stock(offer, leaves) - least)
        qty = min(left, _share(offer, due, leaves), _room(offer), room)
        qty = round_down(max(qty, ZERO), offer.instrument.step_size)
        if qty >= least:
            routes.append(Route(offer.venue, qty, px, _GTC))
            left -= qty
    return routes


def _net_ask(offer: Offer) -> Decimal:
    return offer.book.asks[0].px * (ONE - offer.instrument.maker_fee) if offer.book.asks else ZERO
