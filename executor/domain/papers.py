"""The papers of a case in one shape: what went in, what came out, and whether the paper adds up by itself.

A step of the chain has one or more papers. Coins and money have the same shape, so that one rule finds a break
anywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executor.domain.case_events import HoldingMoved
from executor.domain.currency import ROUNDINGS, UNITS, to_unit
from executor.domain.money import EXACT, add, times
from executor.domain.postings import coin_fees, share_cash
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    CoinsPooled,
    DepositPosted,
    DepositReleased,
    FiatWithdrawn,
    FxConverted,
    PoolAllocated,
    ProceedsDelivered,
    ReceiptRecorded,
    SafeApproved,
    ShareReceived,
)

Key = tuple[str, str]  # currency or asset, and the venue where it matters
AddsUp = Callable[[Decimal, Decimal], bool]


@dataclass(frozen=True, slots=True)
class Paper:
    """``amount`` of ``source`` went in, ``net`` of ``target`` came out. ``adds_up(amount, net)`` says whether the rest
    of the paper fits these two."""

    step: str
    ref: str
    source: Key
    amount: Decimal
    target: Key
    net: Decimal
    adds_up: AddsUp

    @property
    def good(self) -> bool:
        """True if the paper's own figures agree."""
        return self.adds_up(self.amount, self.net)


def adds_up(event: Any) -> bool:
    """True if the figures of a settlement event agree with each other."""
    return all(paper.good for paper in papers("", event))


def papers(ref: str, event: Any) -> list[Paper]:
    """The papers that an event stands for; none for an event that is no step of the money's way."""
    maker = _MAKERS.get(type(event))
    return maker(ref, event) if maker is not None else []


def _same(step: str, ref: str, currency: str, amount: Decimal) -> list[Paper]:
    return [Paper(step, ref, (currency, ""), amount, (currency, ""), amount, lambda came, went: came == went)]


def _withdrawal(ref: str, event: FiatWithdrawn) -> list[Paper]:
    def fits(amount: Decimal, net: Decimal) -> bool:
        taken = add(add(event.fee, event.rounding), net)
        unit = UNITS.get(event.currency)
        below = unit is not None and 0 <= event.rounding < unit
        return amount == taken and event.fee >= 0 and below

    source, target = (event.currency, event.venue), (event.currency, "")
    return [Paper("withdrawal", ref, source, event.amount, target, event.net, fits)]


def _charged(step: str, ref: str, event: BankCredited | CaseAccountCredited) -> list[Paper]:
    def fits(amount: Decimal, net: Decimal) -> bool:
        return amount == add(event.charge, net) and event.charge >= 0

    key = (event.currency, "")
    return [Paper(step, ref, key, event.amount, key, event.net, fits)]


def _conversion(ref: str, event: FxConverted) -> list[Paper]:
    def fits(amount: Decimal, net: Decimal) -> bool:
        known = event.to_currency in UNITS and event.rounding in ROUNDINGS
        gross = to_unit(times(amount, event.rate), event.to_currency, event.rounding) if known else None
        return gross == event.gross and add(event.charge, net) == event.gross and event.charge >= 0

    source, target = (event.currency, ""), (event.to_currency, "")
    return [Paper("conversion", ref, source, event.amount, target, event.net, fits)]


def _allocated(ref: str, event: PoolAllocated) -> list[Paper]:
    found = []
    for share in event.shares:
        for (venue, currency), amount in share_cash(share, event.asset).items():
            key = (currency, venue)
            found.append(Paper("allocated", ref, key, amount, key, amount, lambda came, went: came == went))
    return found


_MAKERS: Mapping[type, Callable[[str, Any], list[Paper]]] = {
    FiatWithdrawn: _withdrawal,
    BankCredited: lambda ref, event: _charged("bank", ref, event),
    SafeApproved: lambda ref, event: _same("safe", ref, event.currency, event.amount),
    FxConverted: _conversion,
    CaseAccountCredited: lambda ref, event: _charged("case_account", ref, event),
    ReceiptRecorded: lambda ref, event: _same("receipt", ref, event.currency, event.amount),
    ProceedsDelivered: lambda ref, event: _same("delivery", ref, event.currency, event.amount),
    DepositPosted: lambda ref, event: _same("deposit_posted", ref, event.currency, event.amount),
    DepositReleased: lambda ref, event: _same("deposit_released", ref, event.currency, event.amount),
    PoolAllocated: _allocated,
}

# What each way of coins is in the chain: step and direction, at its entrance or exit.
_COIN_STEPS: Mapping[tuple[str, str], tuple[str, int, int]] = {
    ("accepted", "in_transit"): ("sent", 1, 1),
    ("in_transit", "accepted"): ("sent", -1, -1),
    ("in_transit", "credited"): ("credited", 1, 1),
    ("credited", "recalled"): ("credited", 0, -1),
    ("credited", "reserved"): ("reserved", 1, 1),
    ("reserved", "credited"): ("reserved", -1, -1),
    ("reserved", "sold"): ("sold", 1, 1),
    ("reserved", "fees"): ("sold", 1, 1),  # gone like those sold: the fills say how many of each
    ("accepted", "returned"): ("inventory", 0, -1),
}


def coin_papers(ref: str, event: Any) -> list[Paper]:
    """What an event says about the way of coins; the way back of recalled ones is a chain of its own."""
    if isinstance(event, HoldingMoved):
        way = _COIN_STEPS.get((event.from_state, event.to_state))
        return [] if way is None else [_coins(ref, event.asset, event.qty, way)]
    if isinstance(event, CoinsPooled):
        return [_coins(ref, event.asset, event.qty, ("reserved", 1, 1))]
    if isinstance(event, PoolAllocated):
        steps = {"accepted": "inventory", "credited": "credited"}
        return [_coins(ref, event.asset, qty, (steps[state], 0, -1)) for state, qty in event.unsold.items()]
    if isinstance(event, ShareReceived):
        gone = add(event.share.qty, coin_fees(event.share, event.asset))
        sold, back = (gone, ("sold", 1, 1)), (event.unsold, ("reserved", -1, -1))
        return [_coins(ref, event.asset, qty, way) for qty, way in (sold, back) if qty]
    return []


def _coins(ref: str, asset: str, qty: Decimal, way: tuple[str, int, int]) -> Paper:
    step, into, out_of = way
    key = (asset, "")
    amount, net = EXACT.multiply(qty, Decimal(into)), EXACT.multiply(qty, Decimal(out_of))
    return Paper(step, ref, key, amount, key, net, lambda _came, _went: True)
