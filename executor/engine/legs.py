"""The two ways to work a leg of the plan: TWAP slices on the books, and OTC clips by quote.

Each leg decides from the folded state and the market alone, so that a restart goes on where the record ends."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

import msgspec

from adapters.venue import Book
from executor.domain.events import SliceStarted, Top
from executor.domain.money import RATIO, ZERO
from executor.domain.orders import Child, ChildStatus
from executor.domain.plan import OtcLeg, TwapLeg
from executor.engine.at_once import ends_at_once
from executor.engine.child import BookOrder
from executor.engine.desk import composite_mid, tops
from executor.engine.room import Room, fitted
from executor.engine.work import Work
from executor.errors import ExecutorError, Held, NotNow
from executor.strategy.route import NoRoute, Offer, Route, resting, route, smallest_child
from executor.strategy.schedule import Slice, due_qty, schedule

_CLOSED = ChildStatus.CLOSED
_FINE = Decimal("0.00000001")  # quotes take any amount of coins


async def work_twap(work: Work, number: int, leg: TwapLeg) -> None:
    """Work TWAP leg ``number`` until it is sold, its window is over or the run stops. After the last slice, what is
    left is tried again every turn until the window ends: bounded like any slice, never dumped."""
    spec = work.log.state.spec
    window_s = int((spec.ends_at - spec.starts_at).total_seconds())
    lot = max(seat.instrument.step_size for seat in work.desk.seats.values() if seat.instrument is not None)
    plan = schedule(leg, starts_at=work.starts_at, duration_s=window_s, lot=lot, seed=spec.seed)
    state, count = work.log.state, len(plan)
    done, idle = state.slices_done[number], state.idle
    following = plan[done] if done < count else None
    while following is not None:
        piece, following = following, plan[following.number] if following.number < count else None
        now = work.clock.now()
        if following is not None and now >= following.due_at + (state.idle - idle):
            continue  # overdue slices fall into the latest one, whose catch-up is bounded: never a burst
        if now >= spec.ends_at + state.idle:
            return
        if not await work.stop.wait_until(piece.due_at) or not await work.allowed():
            return
        # A pause ended just now, or one earlier in this run, moves everything after it; so does a clock set back.
        if not await work.stop.wait_until(piece.due_at + (state.idle - idle)):
            return
        if state.leg_leaves(number) > 0:
            await _slice(work, number, leg, piece)
    extra = max(count, state.slices_done[number])
    again = min(timedelta(seconds=window_s) / count, work.tuning.retry)
    while _leg_open(work, number) and work.clock.now() < work.ends_at:
        if not await work.stop.wait_until(min(work.clock.now() + again, work.ends_at)) or not await work.allowed():
            return
        if _leg_open(work, number):
            extra += 1
            piece = Slice(extra, work.clock.now(), plan[-1].qty or leg.qty, leg.qty)
            await _slice(work, number, leg, piece)


def _leg_open(work: Work, number: int) -> bool:
    return work.log.state.leg_leaves(number) > 0


class _Sight(msgspec.Struct, frozen=True):
    """What one decision rests on, all of it of the moment ``at``. ``shut``: the venues that take no orders now, with
    why; ``held``: those at which a person's hold binds."""

    at: datetime
    books: Mapping[str, Book]
    tops: list[Top]
    shut: Mapping[str, str]
    held: set[str]


def _sight(work: Work, at: datetime, books: Mapping[str, Book], seen: list[Top]) -> _Sight:
    held = {name for name in books if work.controls.venue(name) is not None}
    return _Sight(at, books, seen, work.desk.closed("book"), held)


async def _slice(work: Work, number: int, leg: TwapLeg, piece: Slice) -> None:
    """Work one slice: its beginning and its first order, or why there is none, are one entry of the record."""
    work.check_unknowns()
    books = await work.desk.books()
    due = _due(work, number, leg, piece)
    seen = tops(books)
    at = await work.log.note(
        SliceStarted(
            leg=number,
            slice=piece.number,
            planned_qty=piece.qty,
            due_qty=due,
            mid_px=composite_mid(books),
            tops=seen,
        )
    )
    try:
        if due > 0 and not work.stop.requested():
            await _sell(work, number, leg, piece, due, _sight(work, at, books, seen))
    except ExecutorError:  # a run that ends here must not begin with the same slice again
        await work.log.written()
        raise
    await work.log.written()


def _due(work: Work, number: int, leg: TwapLeg, piece: Slice) -> Decimal:
    tally = work.log.state.legs[number]
    return due_qty(leg, piece, tally.cum_qty + tally.exposure_qty)


async def _sell(work: Work, number: int, leg: TwapLeg, piece: Slice, due: Decimal, sight: _Sight) -> None:
    if sight.shut and (shut := _all_shut(sight.shut, leg.venues or work.desk.seats)):
        await work.waiting("venue.hours", shut)
        return
    if few := _too_few(work, sight):
        await work.waiting("cap.min_venues", few)
        return
    if leg.style == "rest_then_cross":
        await _rest(work, number, leg, piece, due, sight)
        if work.stop.requested():
            return
        books = await work.desk.books()
        due, sight = _due(work, number, leg, piece), _sight(work, work.clock.now(), books, tops(books))
    if due > 0:
        await _cross(work, number, leg, piece, due, sight)


def _all_shut(shut: Mapping[str, str], names: Iterable[str]) -> str:
    """Why none of these venues can be used at this hour; empty if one can."""
    return "; ".join(shut[name] for name in names) if shut.keys() >= set(names) else ""


async def _cross(work: Work, number: int, leg: TwapLeg, piece: Slice, due: Decimal, sight: _Sight) -> None:
    state = work.log.state
    offers, unusable, due, full = _leg_offers(work, number, leg, due, sight)
    offers, limit, bound = _priced(work, leg, offers, due, sight.at)
    if isinstance(bound, NotNow) and not offers:
        await work.waiting(bound.rule, str(bound))
        return
    routes = route(due, state.leg_leaves(number), offers, limit_px=limit, least=_least(work, leg, offers))
    if isinstance(routes, NoRoute):
        reason = f"{routes.reason}; {unusable}" if unusable else routes.reason
        reason = f"{reason}; {bound}" if bound and routes.rule == "floor" else reason
        if full is not None and routes.rule in ("size", "balance"):
            await work.waiting(f"cap.{full.limit.rule}", str(full))
        elif routes.rule != "size" or due >= state.leg_leaves(number):  # else the next slice brings more
            await work.waiting(routes.rule, reason)
        return
    await work.working()
    sends = [work.orders.send(_order(number, piece.number, each), sight.tops, sight.at) for each in routes]
    await _finish_all(work, await ends_at_once(sends))


async def _finish_all(work: Work, children: list[Child | BaseException | None]) -> None:
    """Follow every child to its end, then raise the first fault of sending or following, if there was one. A person's
    hold, a cap that others have used up and a price that has moved are no faults: the slice waits."""
    live = [child for child in children if isinstance(child, Child) and child.status is not _CLOSED]
    ends = await ends_at_once([work.finish_child(child) for child in live]) if live else []
    for fault in [*children, *ends]:
        if not isinstance(fault, BaseException):
            continue
        if isinstance(fault, Held):
            await work.waiting("control", str(fault))
        elif isinstance(fault, NotNow):
            await work.waiting(fault.rule, str(fault))
        else:
            raise fault


def _order(leg: int, piece: int, wanted: Route, *, post_only: bool = False) -> BookOrder:
    return BookOrder(leg, piece, wanted.venue, wanted.qty, wanted.limit_px, wanted.time_in_force, post_only)


async def _rest(work: Work, number: int, leg: TwapLeg, piece: Slice, due: Decimal, sight: _Sight) -> None:
    """Rest the slice at the asks for a while, then cancel what has not been taken."""
    state = work.log.state
    offers, _, due, _ = _leg_offers(work, number, leg, due, sight)
    offers, limit, _ = _priced(work, leg, offers, due, sight.at)
    routes = resting(due, state.leg_leaves(number), offers, limit_px=limit, least=_least(work, leg, offers))
    orders = [_order(number, piece.number, each, post_only=True) for each in routes]
    sent = await ends_at_once([work.orders.send(order, sight.tops, sight.at) for order in orders])
    live = [child for child in sent if isinstance(child, Child) and child.status is ChildStatus.WORKING]
    if live:
        assert leg.rest_for is not None  # the plan's own check
        over = work.clock.now() + timedelta(seconds=leg.rest_for)
        while work.clock.now() < over and work.log.may_rest(live):
            if not await work.stop.wait_until(min(over, work.clock.now() + work.tuning.control)):
                break
        ends = await ends_at_once([work.orders.cancel(child) for child in live])
        sent += [end for end in ends if isinstance(end, BaseException)]  # a breach found while cancelling must halt
    await _finish_all(work, sent)


def _leg_offers(
    work: Work, number: int, leg: TwapLeg, due: Decimal, sight: _Sight
) -> tuple[list[Offer], str, Decimal, Room | None]:
    """What may be traded on, why the rest may not, how much of ``due`` the caps leave, and the cap that leaves less
    than was asked for."""
    mine = sight.books
    if sight.held or leg.venues:
        mine = {n: b for n, b in mine.items() if n not in sight.held and (not leg.venues or n in leg.venues)}
    offers, unusable = work.desk.offers(mine, sight.shut, work.log.state)
    if not work.log.gate.capped:
        return offers, unusable, due, None
    left = work.log.rooms(number, {each.venue: each.book.bids[0].px for each in offers if each.book.bids}, sight.at)
    tightest = left.tightest()
    full = tightest if tightest is not None and tightest.qty < due else None
    fit = fitted(offers, left, work.log.gate.order_value(sight.at))
    return fit, unusable, min(due, left.joint.qty) if left.joint is not None else due, full


def _priced(
    work: Work, leg: TwapLeg, offers: list[Offer], due: Decimal, now: datetime
) -> tuple[list[Offer], Decimal, NotNow | str]:
    """The offers at which the price rules name a lowest price, the highest of these prices, and the rule that made it
    or why there is none."""
    limit = leg.limit_px or work.log.state.spec.floor_px
    priced: list[Offer] = []
    told: NotNow | str = ""
    for offer in offers:
        try:
            bound = work.log.lowest(offer.venue, due, now) if due > 0 else None
        except NotNow as undefined:
            told = told or undefined
            continue
        priced.append(offer)
        if bound is not None and bound.px > limit:
            limit, told = bound.px, bound.explanation
    return priced, limit, told


def _least(work: Work, leg: TwapLeg, offers: list[Offer]) -> Decimal:
    """The least that may ever be left over, by the leg's own lowest price: a price rule's moves with the market."""
    return smallest_child(offers, leg.min_notional, leg.limit_px or work.log.state.spec.floor_px)


def _too_few(work: Work, sight: _Sight) -> str:
    """Why it waits while fewer venues can be traded on than the plan wants; empty if there are enough."""
    wanted, stopped, state = work.log.gate.min_venues(sight.at), sight.held | sight.shut.keys(), work.log.state
    usable = [n for n, b in sight.books.items() if b.bids and n not in stopped and n not in state.broken]
    return f"{len(usable)} venues can be traded on, the plan wants {wanted}" if len(usable) < wanted else ""


async def work_otc(work: Work, number: int, leg: OtcLeg) -> None:
    """Work OTC leg ``number``: a clip, a pause, a clip, until it is sold, the window is over or the run stops."""
    piece = work.log.state.slices_done[number]
    if not await work.stop.wait_until(work.starts_at):
        return
    while _leg_open(work, number) and work.clock.now() < work.ends_at and not work.stop.requested():
        work.check_unknowns()
        if not await work.allowed():
            return
        piece += 1
        books = await work.desk.books()
        sight = _sight(work, work.clock.now(), books, tops(books))
        qty = await _clip(work, number, leg, sight)
        if qty == 0:
            await work.stop.wait_until(work.clock.now() + timedelta(seconds=leg.pause))
            continue
        try:
            held = {n for n in work.desk.seats if work.controls.venue(n) is not None or work.desk.shut(n, "rfq")}
            choice, child = await work.quotes.clip(number, leg, piece, qty, sight.tops, held)
        except NotNow as rule:
            await work.waiting(rule.rule, str(rule))
            await work.stop.wait_until(work.clock.now() + work.tuning.retry)
            continue
        except Held:
            # A hold came between the look and the intent: wait it out, or until the venue is free again.
            await work.stop.wait_until(work.clock.now() + work.tuning.retry)
            continue
        if child is not None:
            await work.working()
            await work.finish_child(child)
        elif choice.rule:
            await work.waiting(choice.rule, choice.why)
        if _leg_open(work, number):
            await work.stop.wait_until(work.clock.now() + timedelta(seconds=leg.pause))


async def _clip(work: Work, number: int, leg: OtcLeg, sight: _Sight) -> Decimal:
    """How much to ask quotes for; nothing while a cap is used up or too few venues can be traded on."""
    if shut := _all_shut(work.desk.closed("rfq"), leg.venues or work.desk.seats):
        await work.waiting("venue.hours", shut)
        return ZERO
    if few := _too_few(work, sight):
        await work.waiting("cap.min_venues", few)
        return ZERO
    qty = min(leg.clip, work.log.state.leg_leaves(number))
    bids = {n: b.bids[0].px for n, b in sight.books.items() if b.bids and (not leg.venues or n in leg.venues)}
    if not bids:
        return qty
    left = work.log.rooms(number, bids, sight.at)
    most = work.log.gate.order_value(sight.at)
    if most is not None:
        qty = min(qty, RATIO.divide(most, max(bids.values())).quantize(_FINE, ROUND_DOWN))
    room = max([each.qty for each in left.at.values()] if left.at.keys() == bids.keys() else [qty])
    room = min(room, left.joint.qty) if left.joint is not None else room
    full = left.tightest()
    if full is not None and room < _FINE:
        await work.waiting(f"cap.{full.limit.rule}", str(full))
        return ZERO
    return min(qty, room.quantize(_FINE, ROUND_DOWN))
