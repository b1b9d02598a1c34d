"""How much the caps leave for the next orders: a look ahead, so that an order is made to fit. What binds is asked again
where the intent is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType

from msgspec import structs

from executor.domain.caps import Limit
from executor.domain.money import EXACT, RATIO, ZERO, plain
from executor.strategy.route import Offer

_FINEST = Decimal("0.000000000001")


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be ordered, base units, and the cap that says so; without one there is no bound."""

    qty: Decimal
    limit: Limit

    def __str__(self) -> str:
        return (
            f"{self.limit.counter} has room for {plain(self.qty)} of {plain(self.limit.most)} in {self.limit.unit}, "
            f"until {self.limit.turns_at.isoformat()}"
        )


@dataclass(frozen=True, slots=True)
class Rooms:
    """``joint`` is the room of what binds all venues together, ``at`` that of each venue alone."""

    joint: Room | None
    at: Mapping[str, Room]

    def tightest(self) -> Room | None:
        """The cap with the least room."""
        found = [room for room in (self.joint, *self.at.values()) if room is not None]
        return min(found, key=lambda room: room.qty, default=None)


NO_BOUND = Rooms(None, MappingProxyType({}))
"""Of a plan without caps."""


def rooms(limits: Mapping[str, Sequence[Limit]], used: Mapping[str, Decimal], px: Mapping[str, Decimal]) -> Rooms:
    """``limits`` by venue; ``used`` is what stands at their counters; ``px`` the highest price that an order at a venue
    may bring."""
    everywhere = set.intersection(*({limit.counter for limit in each} for each in limits.values())) if limits else set()
    dearest = max(px.values(), default=ZERO)
    shared = [limit for limit in next(iter(limits.values()), ()) if limit.counter in everywhere]
    own = {name: [limit for limit in each if limit.counter not in everywhere] for name, each in limits.items()}
    at = {name: least for name, each in own.items() if (least := _least(each, used, px[name])) is not None}
    return Rooms(_least(shared, used, dearest), at)


def _least(limits: Sequence[Limit], used: Mapping[str, Decimal], px: Decimal) -> Room | None:
    found = [Room(_qty(limit, used.get(limit.counter, ZERO), px), limit) for limit in limits]
    return min(found, key=lambda room: room.qty, default=None)


def _qty(limit: Limit, used: Decimal, px: Decimal) -> Decimal:
    left = max(ZERO, EXACT.subtract(limit.most, used))
    return left if limit.unit == "qty" else RATIO.divide(left, px).quantize(_FINEST, ROUND_DOWN)


def fitted(offers: Sequence[Offer], rooms: Rooms, order_value: Decimal | None) -> list[Offer]:
    """``offers`` as the caps leave them."""
    if not rooms.at and order_value is None:
        return list(offers)
    found = []
    for offer in offers:
        free = min(offer.free_qty, rooms.at[offer.venue].qty) if offer.venue in rooms.at else offer.free_qty
        instrument = offer.instrument
        if order_value is not None and order_value < instrument.max_notional:
            instrument = replace(instrument, max_notional=order_value)
        found.append(structs.replace(offer, free_qty=free, instrument=instrument))
    return found
