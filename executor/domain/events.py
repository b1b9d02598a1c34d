"""The events of a parent order's stream: what happened, in the order in which it was made durable.

An event is a frozen value with a kind (its class name). :mod:`executor.journal.line` turns it into one canonical
JSON line. Amounts are ``Decimal``; times are UTC. A field is never removed or given another meaning: the record of
years ago must still be read.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from executor.domain.acts import ControlCleared as ControlCleared
from executor.domain.acts import ControlSet as ControlSet
from executor.domain.acts import ExplainAsked as ExplainAsked
from executor.domain.acts import HandFill as HandFill
from executor.domain.acts import ResumeAsked as ResumeAsked
from executor.domain.acts import SettleAsked as SettleAsked
from executor.domain.counting import CountingFilled as CountingFilled
from executor.domain.counting import CountingNamed as CountingNamed
from executor.domain.event import Event as Event


class Top(msgspec.Struct, frozen=True, kw_only=True):
    """The best prices that a venue showed when a decision was made; ``None`` where that side was empty."""

    venue: str
    bid: Decimal | None
    bid_qty: Decimal | None
    ask: Decimal | None
    ask_qty: Decimal | None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was reserved at a counter of a cap, in quantity (``qty``) or in money (``value``)."""

    counter: str
    unit: str
    amount: Decimal


class ParentCreated(Event, frozen=True, kw_only=True):
    """A parent order: sell ``qty`` of ``asset`` for ``quote_asset``, none of it under ``floor_px``, under one plan.

    ``plan`` holds the plan as it was read and ``plan_hash`` its SHA-256; ``seed`` drives every random choice."""

    parent_id: str
    case_id: str
    asset: str
    quote_asset: str
    qty: Decimal
    floor_px: Decimal
    venues: list[str]
    legs: list[dict[str, Any]]
    starts_at: datetime
    ends_at: datetime
    seed: int
    plan_hash: str
    plan: dict[str, Any]
    reserved: list[Counted] = msgspec.field(default_factory=list)  # of the holding: nobody else can sell it


class ParentTaken(Event, frozen=True, kw_only=True):
    """A process took the parent order over. ``epoch`` counts the owners; only the latest may write."""

    epoch: int
    owner: str


class ArrivalMarked(Event, frozen=True, kw_only=True):
    """The market when the first run began: ``arrival_px`` is the mean of the venues' mid prices."""

    arrival_px: Decimal
    tops: list[Top]


class PursesRead(Event, frozen=True, kw_only=True):
    """What the purses of a venue held of the asset, free and locked together, before this parent's first order there:
    the base of the balance arithmetic that settles unknown outcomes. ``totals`` maps purse to quantity. The reading was
    made between ``began_at`` and ``ended_at``; older records say only when it was recorded."""

    venue: str
    totals: dict[str, Decimal]
    began_at: datetime | None = None
    ended_at: datetime | None = None


class SliceStarted(Event, frozen=True, kw_only=True):
    """A slice of a leg came due. ``planned_qty`` is its share of the schedule, ``due_qty`` what is tried now."""

    leg: int
    slice: int
    planned_qty: Decimal
    due_qty: Decimal
    mid_px: Decimal | None
    tops: list[Top]


class QuoteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue answered to a request for quote. A refusal or a silence has no ``quote_id`` and says why.

    ``counterparty`` is the desk or dealer that the answer names, empty if it names none; ``qty`` what was quoted for,
    where that is not what was asked. ``left_out`` names the rule that keeps the quote from being taken, ``left_why``
    says how."""

    venue: str
    quote_id: str = ""
    px: Decimal | None = None
    notional: Decimal | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    received_at: datetime | None = None
    executable: bool = False
    refusal: str = ""
    counterparty: str = ""
    qty: Decimal | None = None
    left_out: str = ""
    left_why: str = ""


class QuotesAsked(Event, frozen=True, kw_only=True):
    """One round of requests for quote, with every answer, losers too. ``chosen`` is a quote id or empty, of
    ``chosen_venue``; ``why`` says how the choice was made; ``preference`` is the hash of the signed rule by which
    another quote than the best was chosen; ``tops`` is the market when it was asked."""

    leg: int
    slice: int
    qty: Decimal
    asked_at: datetime
    answers: list[QuoteAnswer]
    chosen: str
    why: str
    tops: list[Top] = msgspec.field(default_factory=list)
    chosen_venue: str = ""
    preference: str = ""


class QuoteCameLate(Event, frozen=True, kw_only=True):
    """An answer to a round of quotes that came after the choice was made: kept, never taken."""

    leg: int
    slice: int
    answer: QuoteAnswer


class ChildIntended(Event, frozen=True, kw_only=True):
    """A child order is about to be sent, once. Durable before the first byte leaves. From here on its quantity counts
    as exposure. ``method`` is ``book`` or ``rfq``; for a quote ``notional`` is the money it promises. ``reserved`` is
    what it takes from the caps; what is not sold of it is given back when it ends."""

    client_order_id: str
    number: int
    leg: int
    slice: int
    venue: str
    method: str
    symbol: str
    qty: Decimal
    limit_px: Decimal
    time_in_force: str
    post_only: bool
    tops: list[Top]
    quote_id: str = ""
    notional: Decimal | None = None
    quote_expires_at: datetime | None = None
    reserved: list[Counted] = msgspec.field(default_factory=list)


class ChildAcknowledged(Event, frozen=True, kw_only=True):
    """The venue has the order."""

    client_order_id: str
    venue_order_id: str
    venue_status: str


class ChildRejected(Event, frozen=True, kw_only=True):
    """The venue said no: nothing was placed. Ends the child."""

    client_order_id: str
    reason: str
    code: str
    message: str


class ChildNotSent(Event, frozen=True, kw_only=True):
    """The request cannot have reached the venue. Ends the child."""

    client_order_id: str
    message: str


class ChildUnknown(Event, frozen=True, kw_only=True):
    """Sent, and no answer that settles it. Its whole open quantity stays exposed until the venue proves otherwise.
    ``exists``: the venue says that it has it, so that no looking in vain can prove it absent."""

    client_order_id: str
    message: str
    exists: bool = False


class ChildResolved(Event, frozen=True, kw_only=True):
    """An unknown was settled by asking: ``found`` (it exists; it goes on as acknowledged) or ``absent`` (proved never
    to have been placed; ends the child). ``evidence`` says what was looked at, how often and over how long."""

    client_order_id: str
    found: bool
    venue_order_id: str
    evidence: str


class ChildResent(Event, frozen=True, kw_only=True):
    """About to be sent once more under the same id: proved absent at a venue that documents that it refuses a second
    order with a known id. Durable before the first byte leaves."""

    client_order_id: str
    evidence: str


class ChildParked(Event, frozen=True, kw_only=True):
    """An outcome that asking could not settle: left for a person, its quantity exposed meanwhile."""

    client_order_id: str
    reason: str


class FillRecorded(Event, frozen=True, kw_only=True):
    """An execution. ``notional`` is the money the venue states before fees; for quotes it differs from ``px * qty`` by
    the venue's rounding. ``at`` is the venue's time."""

    client_order_id: str
    venue: str
    trade_id: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime


class ChildClosed(Event, frozen=True, kw_only=True):
    """The venue will not fill this order any further and every fill that it counts is recorded."""

    client_order_id: str
    venue_status: str
    cum_qty: Decimal


class ParentWaiting(Event, frozen=True, kw_only=True):
    """Nothing is sent for now although quantity is due: a normal state, with the rule that holds it back and the people
    who are told, as the plan names them."""

    rule: str
    reason: str
    told: list[str] = msgspec.field(default_factory=list)


class WaitEscalated(Event, frozen=True, kw_only=True):
    """The price has held the sale back for as long as the plan allows without telling more people."""

    rule: str
    reason: str
    since: datetime
    told: list[str]


class ParentWorking(Event, frozen=True, kw_only=True):
    """The wait is over."""


class ParentHalted(Event, frozen=True, kw_only=True):
    """A guard stopped the parent order; a person must resume it."""

    rule: str
    reason: str


class ParentStopped(Event, frozen=True, kw_only=True):
    """The process that ran the parent left it in good order (a signal); the next run goes on from here."""

    reason: str


class ParentFinished(Event, frozen=True, kw_only=True):
    """Nothing more will be sold under this parent. ``completed`` is true when all of it was sold; if it was not,
    ``tops`` is the market at the end, by which the rest is valued."""

    completed: bool
    leaves_qty: Decimal
    reason: str
    tops: list[Top] = msgspec.field(default_factory=list)


class ChildSettled(Event, frozen=True, kw_only=True):
    """A person settled what asking could not: nothing more than the recorded fills will come of this order. Fills that
    the person adds stand before it as ``FillRecorded``. ``act`` is the act's version in the parent's acts stream."""

    client_order_id: str
    act: int
    who: str
    why: str


class PurseGap(msgspec.Struct, frozen=True, kw_only=True):
    """What a purse (``account``) holds, and has locked, beyond what the record expects; below zero: less."""

    account: str
    total: Decimal
    locked: Decimal


class BreakFound(Event, frozen=True, kw_only=True):
    """The venue and the record differ. Nothing new is sent to that venue until a person has explained it. ``name`` is
    one of the names in :mod:`executor.engine.reconcile`. ``items`` are the ids of the orders or trades in question;
    ``gaps`` says by purse what it holds beyond what the record expects. Both are what an explanation settles."""

    venue: str
    name: str
    detail: str
    items: list[str] = msgspec.field(default_factory=list)
    gaps: list[PurseGap] = msgspec.field(default_factory=list)


class BreakExplained(Event, frozen=True, kw_only=True):
    """A person explained a break; the venue may be used again. From here on the record expects what the latest
    ``BreakFound`` of that name has shown: its ``items`` are known, its ``gaps`` are part of the arithmetic."""

    venue: str
    name: str
    act: int
    who: str
    why: str


class CoverCrossed(Event, frozen=True, kw_only=True):
    """The deposit cover has crossed a warning level of the plan: it is ``below`` that percentage now, or, without one,
    under none any more. ``percent`` is the cover; ``exposure`` what the ``deposit`` stands for, both in ``currency``,
    at the market's price ``mark_px``."""

    below: Decimal | None
    percent: Decimal
    deposit: Decimal
    exposure: Decimal
    currency: str
    mark_px: Decimal


class ParentResumed(Event, frozen=True, kw_only=True):
    """A person let a halted parent order go on."""

    act: int
    who: str
    why: str


class ActRefused(Event, frozen=True, kw_only=True):
    """A person's act could not be carried out; ``reason`` says why. Nothing was changed."""

    act: int
    reason: str


ParentEvent = (
    ParentCreated
    | ParentTaken
    | ArrivalMarked
    | PursesRead
    | SliceStarted
    | QuotesAsked
    | QuoteCameLate
    | ChildIntended
    | ChildAcknowledged
    | ChildRejected
    | ChildNotSent
    | ChildUnknown
    | ChildResolved
    | ChildResent
    | ChildParked
    | ChildSettled
    | FillRecorded
    | ChildClosed
    | BreakFound
    | BreakExplained
    | ActRefused
    | CoverCrossed
    | ParentWaiting
    | WaitEscalated
    | ParentWorking
    | ParentHalted
    | ParentResumed
    | ParentStopped
    | ParentFinished
)
ControlEvent = ControlSet | ControlCleared
Act = SettleAsked | ExplainAsked | ResumeAsked
AnyEvent = ParentEvent | ControlEvent | Act | CountingNamed | CountingFilled
