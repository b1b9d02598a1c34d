"""What people do: streams of their own, so that a parent order's stream has one writer."""

from datetime import datetime
from decimal import Decimal

import msgspec

from executor.domain.event import Event


class ControlSet(Event, frozen=True, kw_only=True):
    """No new orders in ``scope`` (``all``, ``case/ID``, ``venue/NAME`` or ``parent/ID``) until it is cleared.

    ``action`` is ``pause`` or ``kill``; ``cancel`` says whether resting orders are cancelled (a kill always does)."""

    scope: str
    action: str
    cancel: bool
    who: str
    why: str


class ControlCleared(Event, frozen=True, kw_only=True):
    """Orders are allowed in ``scope`` again."""

    scope: str
    who: str
    why: str


class HandFill(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that a person read off the venue's own papers."""

    trade_id: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime


class SettleAsked(Event, frozen=True, kw_only=True):
    """A person states what became of a parked order: these fills and no more."""

    client_order_id: str
    fills: list[HandFill]
    who: str
    why: str


class ExplainAsked(Event, frozen=True, kw_only=True):
    """A person explains a break."""

    venue: str
    name: str
    who: str
    why: str


class ResumeAsked(Event, frozen=True, kw_only=True):
    """A person lets a halted parent order go on."""

    who: str
    why: str
