"""Mandate and plan: what was entrusted, and how it is to be sold. Read from TOML by :mod:`config.mandates`.

A plan's amounts are exact; its durations are whole seconds. Nothing has a silent default that touches price, size,
venue or time.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from executor.domain.caps import Caps
from executor.domain.cover import Cover
from executor.domain.fields import Amount as Amount
from executor.domain.fields import Code as Code
from executor.domain.fields import Frozen as Frozen
from executor.domain.fields import PositiveAmount as PositiveAmount
from executor.domain.fields import Seconds as Seconds
from executor.domain.fields import Share as Share
from executor.domain.fields import exact
from executor.domain.money import ZERO, plain
from executor.domain.price_rules import BandRule, PriceRule, PriceRules, ReferenceTerms


class TwapLeg(Frozen):
    """Sell ``qty`` in equal slices over the window, each with a random size and moment inside its turn.

    Exactly one of ``interval`` (seconds between slices) and ``slices`` (their number). ``size_jitter`` and
    ``time_jitter`` are fractions (0.3: +-30 % of a slice, up to 30 % of an interval late). ``style`` ``cross`` sends
    IOC orders against the bids; ``rest_then_cross`` first rests at the ask for ``rest_for`` seconds. ``catch_up``
    bounds what one slice may do for missed ones: at most that many times its planned size. ``min_notional`` is the
    smallest child order, in the quote asset. ``limit_px`` is the leg's own lowest price, at or above the floor.
    ``venues`` restricts the leg to some of the plan's venues; without it all are used.
    """

    kind: Literal["twap"]
    qty: PositiveAmount
    interval: Seconds | None = None
    slices: Annotated[int, Field(gt=0)] | None = None
    size_jitter: Share
    time_jitter: Share
    style: Literal["cross", "rest_then_cross"]
    rest_for: Seconds | None = None
    catch_up: Annotated[Decimal, BeforeValidator(exact), Field(ge=1)]
    min_notional: PositiveAmount
    limit_px: PositiveAmount | None = None
    venues: tuple[Code, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "TwapLeg":
        if (self.interval is None) == (self.slices is None):
            raise ValueError("give exactly one of interval and slices")
        if (self.style == "rest_then_cross") != (self.rest_for is not None):
            raise ValueError("rest_for belongs to style rest_then_cross: give both or neither")
        return self


class OtcLeg(Frozen):
    """Sell ``qty`` in clips of ``clip`` by asking all RFQ venues at once, with ``pause`` seconds between clips.

    The best net price at or above the floor wins. ``min_quotes`` executable quotes must be there to choose from."""

    kind: Literal["otc"]
    qty: PositiveAmount
    clip: PositiveAmount
    pause: Seconds
    min_quotes: Annotated[int, Field(ge=1)]
    limit_px: PositiveAmount | None = None
    venues: tuple[Code, ...] | None = None


class Guards(Frozen):
    """When the engine stops by itself. Bounds are deliberately wide: they are for a market that cannot be trusted, not
    for a price that is disliked. A person resumes.

    ``stale_after``: a book that shows the same for longer is no price. ``unusable_for``: a venue without a usable book
    for this long halts the parent order. ``disagreement_bps``: how far the venues' mids may lie apart.
    ``fast_move_bps`` within ``fast_move_window``: how far the mid may run. ``clock_offset``: how far a venue's clock
    may be from ours. ``unknown_for``: how long an order may stay without a known outcome.
    """

    stale_after: Seconds = 120
    unusable_for: Seconds = 600
    disagreement_bps: PositiveAmount = Decimal(300)
    fast_move_bps: PositiveAmount = Decimal(500)
    fast_move_window: Seconds = 300
    clock_offset: Seconds = 30
    unknown_for: Seconds = 3600


Leg = Annotated[TwapLeg | OtcLeg, Field(discriminator="kind")]


class Waiting(Frozen):
    """Who is told that the sale waits because of the price, and who is told besides if it still does ``escalate_after``
    it began."""

    tell: Annotated[tuple[str, ...], Field(min_length=1)]
    escalate_to: Annotated[tuple[str, ...], Field(min_length=1)]
    escalate_after: Seconds


class Plan(Frozen):
    """How one holding is sold: the floor, the venues, the window and the legs, whose quantities add up exactly."""

    asset: Code
    quote_asset: Code
    qty: PositiveAmount
    floor_px: PositiveAmount
    venues: Annotated[tuple[Code, ...], Field(min_length=1)]
    duration: Seconds
    starts_at: datetime | None = None
    seed: Annotated[int, Field(ge=0)]
    legs: Annotated[tuple[Leg, ...], Field(min_length=1)]
    guards: Guards = Guards()
    caps: Caps | None = None
    price_rules: tuple[PriceRule, ...] = ()
    reference: ReferenceTerms | None = None
    waiting: Waiting | None = None
    cover: Cover | None = None

    @model_serializer(mode="wrap")
    def _said_only(self, values: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What a plan does not say is not in its canonical bytes: a plan of yesterday keeps its hash when a new kind of
        # rule comes into being.
        told: dict[str, Any] = values(self)
        return {key: value for key, value in told.items() if key not in _ADDED or value}

    def venues_of(self, leg: TwapLeg | OtcLeg) -> frozenset[str]:
        """The venues that ``leg`` may use."""
        return frozenset(leg.venues or self.venues)

    @model_validator(mode="after")
    def _consistent(self) -> "Plan":
        total = sum((leg.qty for leg in self.legs), ZERO)
        if total != self.qty:
            raise ValueError(f"the legs add up to {plain(total)}, the plan sells {plain(self.qty)}: make them equal")
        if len(set(self.venues)) != len(self.venues):
            raise ValueError("a venue is named twice")
        if self.caps is not None:
            self._caps_fit(self.caps)
        if self.cover is not None and (unfit := self.cover.fits(self.asset, self.quote_asset)):
            raise ValueError(unfit)
        if self.price_rules:
            PriceRules(rules=self.price_rules)
        around = any(isinstance(rule, BandRule) and rule.around == "reference" for rule in self.price_rules)
        if around != (self.reference is not None):
            raise ValueError("reference belongs to a band around the reference price: give both or neither")
        if self.reference is not None and self.reference.min_sources > len(self.venues):
            raise ValueError("reference.min_sources is more than the venues of the plan: their books are the sources")
        if self.starts_at is not None and self.starts_at.tzinfo is None:
            raise ValueError("starts_at needs an offset, for example 2026-03-02T01:00:00Z")
        for number, leg in enumerate(self.legs):
            if leg.limit_px is not None and leg.limit_px < self.floor_px:
                raise ValueError(f"legs.{number}.limit_px {plain(leg.limit_px)} is under floor_px")
            strangers = sorted(set(leg.venues or ()) - set(self.venues))
            if strangers:
                raise ValueError(f"legs.{number}.venues: {', '.join(strangers)} is not among the plan's venues")
        return self

    def _caps_fit(self, caps: Caps) -> None:
        if caps.week_currency not in (None, self.quote_asset):
            raise ValueError(f"caps.week_currency is not {self.quote_asset}; nothing is converted")
        if (caps.min_venues or 0) > len(self.venues):
            raise ValueError(f"caps.min_venues is {caps.min_venues}, the plan names {len(self.venues)} venues")
        if caps.venue_volumes and {volume.venue for volume in caps.venue_volumes} != set(self.venues):
            raise ValueError("caps.venue_volumes must give one average for each venue of the plan")


_ADDED = frozenset(
    {"caps", "price_rules", "reference", "waiting", "cover"}
)  # keys that came after the first plans were frozen


class Holding(Frozen):
    """What the case holds of one asset, base units, and where it came from."""

    asset: Code
    network: str
    qty: PositiveAmount
    seizure_ref: str = ""
    source_addresses: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()


class Deposit(Frozen):
    """What the institution has posted: value, currency and form (cash, guarantee)."""

    amount: PositiveAmount
    currency: Code
    form: str


class Document(Frozen):
    """A paper of the case, named and fixed by its SHA-256 (hex)."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AuthorisedPerson(Frozen):
    """Somebody whom the institution has named for this case, and the one role that they may have in it. ``person`` is
    the name under which their key is enrolled."""

    person: Code
    name: str
    role: Literal["operator", "checker", "risk", "settlement", "auditor", "admin"]


class Affiliate(Frozen):
    """A counterparty, desk or person that may not buy: of the institution, its staff or their relatives."""

    name: str
    relation: str


class Credit(Frozen):
    """Coins credited to a purse (``account``) of a venue: only these can be sold there. Sent is not credited."""

    venue: Code
    account: Code
    asset: Code
    qty: PositiveAmount


class Mandate(Frozen):
    """The entrustment that a sale rests on. ``plan`` names the plan file, relative to the mandate file.

    A rehearsal needs only what it sells; :meth:`gaps` names what a real case must say besides."""

    case_id: Code
    authority: str
    institution: str
    legal_basis: str
    proceeds_account: str
    bureau: str = ""
    platform: str = ""
    overseas_agent: str = ""
    deposit: Deposit | None = None
    authorised_people: tuple[AuthorisedPerson, ...] = ()
    affiliates: tuple[Affiliate, ...] | None = None
    documents: tuple[Document, ...] = ()
    holdings: Annotated[tuple[Holding, ...], Field(min_length=1)]
    credited: Annotated[tuple[Credit, ...], Field(min_length=1)]
    plan: str

    def gaps(self) -> list[str]:
        """What is missing before this mandate can be accepted as a case (an agent abroad is named only if there is
        one; an empty affiliates register must be said to be empty)."""
        missing = [name for name in ("bureau", "platform") if not getattr(self, name)]
        missing += [name for name in ("deposit", "affiliates") if getattr(self, name) is None]
        missing += [name for name in ("authorised_people", "documents") if not getattr(self, name)]
        for number, holding in enumerate(self.holdings):
            missing += [
                f"holdings.{number}.{name}"
                for name in ("seizure_ref", "source_addresses", "transactions")
                if not getattr(holding, name)
            ]
        return missing

    @model_validator(mode="after")
    def _one_person_one_role(self) -> "Mandate":
        people = [each.person for each in self.authorised_people]
        if len(set(people)) != len(people):
            raise ValueError("authorised_people names a person twice: one person has one role in a case")
        return self

    @model_validator(mode="after")
    def _credited_from_holdings(self) -> "Mandate":
        for holding in self.holdings:
            credited = sum((c.qty for c in self.credited if c.asset == holding.asset), ZERO)
            if credited > holding.qty:
                raise ValueError(
                    f"credited: {plain(credited)} {holding.asset} are said to be credited, the holding is "
                    f"{plain(holding.qty)}: correct one of them"
                )
        return self
