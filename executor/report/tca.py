"""Execution quality of one parent order, from its events and what the market did: every measure exact.

Definitions are in :mod:`executor.report.measures`. A measure for which something was not recorded is ``None``: never
zero, never a guess. All arithmetic is in ``Fraction``; rounding happens where a number is shown.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from executor.domain.events import (
    ArrivalMarked,
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    ChildNotSent,
    ChildResent,
    ChildResolved,
    Event,
    FillRecorded,
    ParentCreated,
)
from executor.errors import InputRefused
from executor.report.averages import AverageAt
from executor.report.floors import Raises, floor_at
from executor.report.market_seen import Market, MarketFile, composite, seen_by_engine
from executor.report.measures import MARKOUT_S, REVERSION_MIN
from executor.report.tca_quotes import Round, rounds_of

BPS = 10_000
_WINDOW = timedelta(minutes=15)
Values = dict[str, Fraction | None]
Timed = tuple[datetime, Event]


@dataclass(slots=True)
class Order:
    """A child order with its fills; ``mid`` is the composite mid recorded with its intent, ``floor`` the floor and
    ``average`` the benchmark that were in force then."""

    intent: ChildIntended
    at: datetime
    floor: Fraction
    mid: Fraction | None
    average: Fraction | None
    fills: list[FillRecorded] = field(default_factory=list)
    taken: bool = False  # the venue had it
    ended: bool = False

    @property
    def filled(self) -> Fraction:
        return sum((Fraction(fill.qty) for fill in self.fills), Fraction(0))


@dataclass(frozen=True, slots=True)
class Tca:
    """``whole`` holds every measure; the groups (by leg, venue, method) those that make sense for a part. ``source``
    says what the mids after the fills come from, ``market_file`` which file that is, if it is one."""

    parent_id: str
    asset: str
    quote_asset: str
    source: str
    market_file: MarketFile | None
    whole: Values
    groups: dict[str, dict[str, Values]]
    rounds: list[Round]


def tca(
    events: Sequence[Timed],
    market: Market | None = None,
    average_at: AverageAt = lambda _: None,
    raises: Raises = (),
) -> Tca:
    """Measure one parent order. ``events`` are those of its stream with their times; ``market`` is what was recorded
    of the market outside (without it the mids in the record serve, and there are no volumes); ``average_at`` says what
    an order of a moment is held against; ``raises`` are those of the plan's floor."""
    spec = next((event for _, event in events if isinstance(event, ParentCreated)), None)
    if spec is None:
        raise InputRefused("the events are not those of a parent order: none creates one")
    record = seen_by_engine(events)
    market = market or record
    orders = _orders(events, spec.floor_px, raises, average_at)
    whole = _shortfall(spec, events, orders, record)
    whole |= _common(spec, orders, market, whole["arrival_px"])
    whole |= _reversion(orders, market)
    whole["counterfactual_bps"] = None  # no record holds the mids of a market without us
    groups: dict[str, dict[str, Values]] = {}
    for name, key in _GROUPS.items():
        parts: dict[str, list[Order]] = {}
        for order in orders:
            parts.setdefault(key(order), []).append(order)
        groups[name] = {
            part: _common(spec, found, market, whole["arrival_px"]) for part, found in sorted(parts.items())
        }
    names = (spec.parent_id, spec.asset, spec.quote_asset)
    return Tca(*names, market.source, market.file, whole, groups, rounds_of(events))


_GROUPS: dict[str, Callable[[Order], str]] = {
    "leg": lambda order: str(order.intent.leg),
    "venue": lambda order: order.intent.venue,
    "method": lambda order: order.intent.method,
}


def _orders(events: Sequence[Timed], floor_px: Decimal, raises: Raises, average_at: AverageAt) -> list[Order]:
    orders: dict[str, Order] = {}
    for at, event in events:
        if isinstance(event, ChildIntended):
            mid = composite(event.tops)
            floor = Fraction(floor_at(floor_px, raises, at))
            average = average_at(at)
            orders[event.client_order_id] = Order(
                event,
                at,
                floor,
                mid=None if mid is None else Fraction(mid),
                average=None if average is None else Fraction(average),
            )
        elif isinstance(event, FillRecorded):
            orders[event.client_order_id].fills.append(event)
            orders[event.client_order_id].taken = True
        elif isinstance(event, ChildAcknowledged) or (isinstance(event, ChildResolved) and event.found):
            orders[event.client_order_id].taken = True
        elif isinstance(event, ChildClosed):
            orders[event.client_order_id].ended = True
    unsent = never_sent(events)
    return [order for name, order in orders.items() if name not in unsent]


def never_sent(events: Iterable[Timed]) -> set[str]:
    """The orders that the record proves never to have left: what cannot have reached the venue, sent once and not
    filled."""
    unsent: set[str] = set()
    other: set[str] = set()
    for _, event in events:
        if isinstance(event, ChildNotSent):
            unsent.add(event.client_order_id)
        elif isinstance(event, ChildResent | FillRecorded):
            other.add(event.client_order_id)
    return unsent - other


def _shortfall(spec: ParentCreated, events: Sequence[Timed], orders: Sequence[Order], record: Market) -> Values:
    """The implementation shortfall and its four parts, in money; they add up exactly."""
    arrival = next((event for _, event in events if isinstance(event, ArrivalMarked)), None)
    decision = None if arrival is None else Fraction(arrival.arrival_px)
    first = orders[0].mid if orders else None
    end = record.marks[-1].mid if record.marks else None
    ordered, (filled, money, fees) = Fraction(spec.qty), _sums(spec, orders)
    rest = ordered - filled
    values: Values = {
        "decision_px": decision,
        "arrival_px": first,
        "end_px": end,
        "ordered_qty": ordered,
        "is_delay": None if decision is None or first is None else filled * (decision - first),
        "is_execution": None if first is None else filled * first - money,
        "is_opportunity": Fraction(0) if not rest else _known(decision, end, lambda d, e: rest * (d - e)),
        "is_fees": fees,
    }
    if not filled:  # nothing was sent or sold: no delay and no execution
        values |= {"is_delay": Fraction(0), "is_execution": Fraction(0)}
    parts = [values[name] for name in ("is_delay", "is_execution", "is_opportunity", "is_fees")]
    total = None if any(part is None for part in parts) else sum((p for p in parts if p is not None), Fraction(0))
    values["is_total"] = total
    values["is_total_bps"] = _known(total, decision, lambda t, d: t * BPS / (ordered * d))
    return values


def _sums(spec: ParentCreated, orders: Sequence[Order]) -> tuple[Fraction, Fraction, Fraction | None]:
    """Quantity sold, money received before fees, and fees in the quote asset. A fee in the asset itself is valued at
    its fill's price; one in anything else cannot be valued, and then there is no sum of fees."""
    filled, money, fees = Fraction(0), Fraction(0), Fraction(0)
    valued = True
    for order in orders:
        for fill in order.fills:
            filled += Fraction(fill.qty)
            money += Fraction(fill.notional)
            if fill.fee_asset == spec.asset:
                fees += Fraction(fill.fee) * Fraction(fill.px)
            elif fill.fee_asset == spec.quote_asset or not fill.fee:
                fees += Fraction(fill.fee)
            else:
                valued = False
    return filled, money, fees if valued else None


def _common(spec: ParentCreated, orders: Sequence[Order], market: Market, arrival: Fraction | None) -> Values:
    """The measures that a part of the orders has as well as the whole."""
    filled, money, fees = _sums(spec, orders)
    fills = [(order, fill) for order in orders for fill in order.fills]
    avg = money / filled if filled else None
    floors = sum((order.floor * Fraction(fill.qty) for order, fill in fills), Fraction(0))
    averages = [None if order.average is None else order.average * Fraction(fill.qty) for order, fill in fills]
    benchmark = sum((each for each in averages if each is not None), Fraction(0)) if None not in averages else None
    above = [(Fraction(fill.px) - order.floor) * BPS / order.floor for order, fill in fills]
    values: Values = {
        "filled_qty": filled,
        "avg_px": avg,
        "notional": money,
        "fees": fees,
        "fees_bps": None if fees is None or not money else fees * BPS / money,
        "arrival_slippage_bps": _below(avg, arrival),
        "floor_distance_bps": _above(avg, floors / filled if filled else None),
        "floor_distance_worst_bps": min(above, default=None),
        "benchmark_distance_bps": _above(avg, benchmark / filled if benchmark is not None and filled else None),
    }
    values |= _interval(orders, fills, market, avg) | _spreads(fills, market) | _working(orders, fills, filled)
    return values


def _interval(
    orders: Sequence[Order], fills: Sequence[tuple[Order, FillRecorded]], market: Market, avg: Fraction | None
) -> Values:
    names = ("interval_twap_px", "twap_slippage_bps", "interval_vwap_px", "vwap_slippage_bps")
    if not fills:
        return dict.fromkeys((*names, "participation", "participation_worst"))
    begin, end = min(order.at for order in orders), max(fill.at for _, fill in fills)
    twap, vwap = market.twap(begin, end), market.vwap(begin, end)
    volume, sold = market.volume(begin, end), sum((Fraction(fill.qty) for _, fill in fills), Fraction(0))
    return {
        "interval_twap_px": twap,
        "twap_slippage_bps": _below(avg, twap),
        "interval_vwap_px": vwap,
        "vwap_slippage_bps": _below(avg, vwap),
        "participation": sold / volume if volume else None,
        "participation_worst": _worst(fills, market),
    }


def _worst(fills: Sequence[tuple[Order, FillRecorded]], market: Market) -> Fraction | None:
    """The largest share of the market's volume over 15 minutes that end at a fill; ``None`` if one is not known, as
    where a candle is so long that it says little of 15 minutes."""
    if market.length is not None and market.length > _WINDOW / 3:
        return None
    timed = sorted((fill.at, Fraction(fill.qty)) for _, fill in fills)
    first, ours, worst = 0, Fraction(0), Fraction(0)
    for number, (at, qty) in enumerate(timed):
        ours += qty
        while timed[first][0] <= at - _WINDOW:
            ours -= timed[first][1]
            first += 1
        if number + 1 < len(timed) and timed[number + 1][0] == at:
            continue
        volume = market.volume(at - _WINDOW, at)
        if not volume:
            return None
        worst = max(worst, ours / volume)
    return worst


def _spreads(fills: Sequence[tuple[Order, FillRecorded]], market: Market) -> Values:
    values: Values = {
        "effective_half_spread_bps": _weighted((f, o.mid, o.mid) for o, f in fills),
        "realised_half_spread_bps": _weighted((f, market.after(f.at, timedelta(minutes=5)), o.mid) for o, f in fills),
    }
    for seconds in MARKOUT_S:
        later = [(f, market.after(f.at, timedelta(seconds=seconds)), _price(f)) for _, f in fills]
        cost = _weighted(later)
        values[f"markout_{seconds}s_bps"] = None if cost is None else -cost
        seen = sum((Fraction(f.qty) for f, mid, _ in later if mid is not None), Fraction(0))
        sold = sum((Fraction(f.qty) for f, _, _ in later), Fraction(0))
        values[f"markout_{seconds}s_seen"] = seen / sold if sold else None
    return values


def _weighted(terms: Iterable[tuple[FillRecorded, Fraction | None, Fraction | None]]) -> Fraction | None:
    """sum q (mid - price) / sum q base, in basis points, over the fills for which both are known."""
    over, under = Fraction(0), Fraction(0)
    for fill, mid, base in terms:
        if mid is not None and base is not None:
            over += Fraction(fill.qty) * (mid - _price(fill))
            under += Fraction(fill.qty) * base
    return over * BPS / under if under else None


def _working(orders: Sequence[Order], fills: Sequence[tuple[Order, FillRecorded]], filled: Fraction) -> Values:
    """How the orders did at the venues: filled, passive, in what time, given up."""
    sent = sum((Fraction(order.intent.qty) for order in orders), Fraction(0))
    passive = sum((order.filled for order in orders if order.intent.post_only), Fraction(0))
    waited = sum((Fraction(fill.qty) * _seconds(fill.at - order.at) for order, fill in fills), Fraction(0))
    taken = [order for order in orders if order.taken]
    short = sum(1 for order in taken if order.ended and order.filled < Fraction(order.intent.qty))
    return {
        "passive_share": passive / filled if filled else None,
        "fill_rate": filled / sent if sent else None,
        "time_to_fill": waited / filled if filled else None,
        "cancel_ratio": Fraction(short, len(taken)) if taken else None,
    }


def _reversion(orders: Sequence[Order], market: Market) -> Values:
    last = max(((fill.at, order.mid) for order in orders for fill in order.fills), key=lambda p: p[0], default=None)
    values: Values = {}
    for minutes in REVERSION_MIN:
        later = None if last is None else market.after(last[0], timedelta(minutes=minutes))
        values[f"reversion_{minutes}min_bps"] = None if last is None else _above(later, last[1])
    return values


def _price(fill: FillRecorded) -> Fraction:
    """The price that the money received says."""
    return Fraction(fill.notional) / Fraction(fill.qty)


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 1_000_000)


def _known(
    one: Fraction | None, other: Fraction | None, then: Callable[[Fraction, Fraction], Fraction]
) -> Fraction | None:
    return None if one is None or other is None else then(one, other)


def _below(price: Fraction | None, reference: Fraction | None) -> Fraction | None:
    return _known(price, reference, lambda p, r: (r - p) * BPS / r)


def _above(price: Fraction | None, reference: Fraction | None) -> Fraction | None:
    return _known(price, reference, lambda p, r: (p - r) * BPS / r)
