"""Price rules of a plan: the lowest and the highest price at which the next order may be sent, and why.

* ``fixed``: a reserve price (Beijing: set a reserve price, ask for quotes, deal at the best; repost of the
  police text).
* ``average``: not under a benchmark's average, times a factor (Shanghai: the 20 days before the trade date; BlockBeats
  citing the Shanghai High Court).
* ``band``: within a percentage of the venue's mid or of the reference price (Korea: +-1 % of the venue's price; FSC
  guideline of May 2025 as reported by IT Chosun and Newspim).

Rules combine: the strictest binds. A rule that lacks its price has no answer, and then nothing may be sold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field, model_validator

from executor.domain.fields import Code, Frozen, PositiveAmount, Seconds
from executor.domain.money import ZERO, plain, times
from executor.errors import RuleRefused

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PriceUndefined(RuleRefused):
    """A price rule has nothing to compare with (no average for the day, no mid, no fee): nothing is sold meanwhile."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason


class _Floor(Frozen):
    """What rules with a lowest price share. No source says whether the rule binds each fill or the average of the sale,
    nor whether before or after the venue's fees: the plan must.

    ``floor_per_fill_px`` belongs to scope ``average_of_sale``: no fill under it, however much the sale is ahead."""

    name: Code
    currency: Code
    scope: Literal["per_fill", "average_of_sale"]
    compare: Literal["before_fees", "after_fees"]
    floor_per_fill_px: PositiveAmount | None = None

    @model_validator(mode="after")
    def _floor_belongs_to_the_average(self) -> "_Floor":
        if self.floor_per_fill_px is not None and self.scope == "per_fill":
            raise ValueError("floor_per_fill_px belongs to scope average_of_sale: with per_fill the rule itself is it")
        return self


class FixedRule(_Floor):
    """Not under ``px``."""

    kind: Literal["fixed"]
    px: PositiveAmount


class AverageRule(_Floor):
    """Not under ``factor`` times the average.

    ``renewal`` ``once``: the average of the one record whose SHA-256 is ``benchmark``, for the whole sale;
    ``each_trade_date``: that of the trade date at hand, made under the terms whose SHA-256 is ``benchmark``."""

    kind: Literal["average"]
    benchmark: _Sha256
    renewal: Literal["once", "each_trade_date"]
    factor: PositiveAmount

    @model_validator(mode="after")
    def _one_date_for_one_average(self) -> "AverageRule":
        if self.renewal == "each_trade_date" and self.scope == "average_of_sale":
            raise ValueError("the average of a sale has no single trade date: use scope per_fill, or renewal once")
        return self


class BandRule(Frozen):
    """Each order's price within ``percent`` of the price ``around``, both sides."""

    kind: Literal["band"]
    name: Code
    around: Literal["venue_mid", "reference"]
    percent: Annotated[PositiveAmount, Field(lt=100)]


PriceRule = Annotated[FixedRule | AverageRule | BandRule, Field(discriminator="kind")]


class PriceRules(Frozen):
    """The rules of one plan, at least one; each has a name of its own for the record."""

    rules: Annotated[tuple[PriceRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> "PriceRules":
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("two price rules have one name; name each differently")
        return self


class ReferenceTerms(Frozen):
    """How many sources there must be, how far each may lie from the median, and how old each may be."""

    min_sources: Annotated[int, Field(ge=1)]
    agreement_bps: PositiveAmount
    max_age: Seconds


@dataclass(frozen=True, slots=True)
class Benchmark:
    """An average as the rules see it; the trade date lasts from ``starts_at`` up to ``ends_at``."""

    record_sha256: str
    terms_sha256: str
    trade_date: date
    starts_at: datetime
    ends_at: datetime
    px: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Exposed:
    """An order or accepted quote that may still fill: what is left of it, at its limit or better. ``fee_rate`` and
    ``least_fee`` are those of its own venue."""

    qty: Decimal
    px: Decimal
    fee_rate: Decimal = ZERO
    least_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class PriceContext:
    """What the rules look at. ``qty`` is that of the next order, whose price must lie on ``tick``.

    ``sold_notional`` is the sum of quantity times price of all fills, ``sold_fees`` their fees in ``currency``.
    ``exposed`` is everything sent whose end is not known. ``fee_rate`` is the highest fee the next fill can bear, as a
    fraction of its value, and ``least_fee`` what the venue takes at least of an order that is filled whole."""

    currency: str
    tick: Decimal
    qty: Decimal
    now: datetime
    sold_qty: Decimal = ZERO
    sold_notional: Decimal = ZERO
    sold_fees: Decimal = ZERO
    exposed: Sequence[Exposed] = ()
    fee_rate: Decimal | None = None
    least_fee: Decimal = ZERO
    venue_mid: Decimal | None = None
    reference_px: Decimal | None = None
    benchmarks: Sequence[Benchmark] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Bound:
    """A price on the tick, the name of the rule that made it, and a sentence for people."""

    px: Decimal
    rule: str
    explanation: str


def lowest_price(rules: PriceRules, context: PriceContext) -> Bound:
    """The lowest price of the next order: the highest of what each rule demands, rounded up to the tick.

    Raises ``PriceUndefined``: then there is no price at which the order may be sent."""
    _check(context)
    return max((_lowest(rule, context) for rule in rules.rules), key=lambda bound: bound.px)


def highest_allowed(rules: PriceRules, context: PriceContext) -> Bound | None:
    """The highest price of the next order: the lowest upper edge of the bands, rounded down to the tick; ``None``
    without a band. Where it lies under :func:`lowest_price`, no order can be sent."""
    _check(context)
    bounds = [_highest(rule, context) for rule in rules.rules if isinstance(rule, BandRule)]
    return min(bounds, key=lambda bound: bound.px) if bounds else None


def average_of_sale(rule_px: Fraction, context: PriceContext, *, after_fees: bool = False) -> Fraction:
    """The lowest price p of the next fill, of q coins, that keeps the average of the sale at or above P = ``rule_px``.

    With Q coins sold for V so far: (V + q p) / (Q + q) >= P, hence p >= P - S / q with the surplus S = V - P Q.
    Orders whose end is not known count as if filled wherever that makes S smaller. After fees, V is less the fees paid
    and p is what leaves that much of q coins. As long as S is not negative, a part of q filled at p keeps the average
    too: S - (part) S / q >= 0."""
    received = Fraction(context.sold_notional) - (Fraction(context.sold_fees) if after_fees else 0)
    surplus = received - rule_px * Fraction(context.sold_qty)
    for one in context.exposed:
        brings = Fraction(one.qty) * Fraction(one.px)
        fee = max(brings * Fraction(one.fee_rate), Fraction(one.least_fee)) if after_fees else Fraction(0)
        surplus += min(Fraction(0), brings - fee - rule_px * Fraction(one.qty))
    needed = rule_px - surplus / Fraction(context.qty)
    return _before_fees(needed, context) if after_fees else needed


def _lowest(rule: FixedRule | AverageRule | BandRule, context: PriceContext) -> Bound:
    if isinstance(rule, BandRule):
        centre, what = _centre(rule, context)
        exact = Fraction(centre) * (1 - Fraction(rule.percent) / 100)
        return _bound(rule.name, exact, context, f"{plain(rule.percent)} % under {what}")
    if rule.currency != context.currency:
        raise PriceUndefined(
            rule.name,
            f"the rule is in {rule.currency}, the prices are in {context.currency}; nothing is converted here",
        )
    rule_px, what = _rule_price(rule, context)
    after_fees = rule.compare == "after_fees"
    if rule.scope == "per_fill":
        exact = _before_fees(rule_px, context) if after_fees else rule_px
        return _bound(rule.name, exact, context, what + (" after fees" if after_fees else ""))
    exact = average_of_sale(rule_px, context, after_fees=after_fees)
    explanation = (
        f"the average of the sale stays at or above {what}{' after fees' if after_fees else ''}, with "
        f"{plain(context.sold_qty)} sold for {plain(context.sold_notional)} so far"
    )
    if rule.floor_per_fill_px is not None and exact < rule.floor_per_fill_px:
        exact, explanation = Fraction(rule.floor_per_fill_px), "no fill under the rule's own floor per fill"
    return _bound(rule.name, max(exact, Fraction(context.tick)), context, explanation)


def _highest(rule: BandRule, context: PriceContext) -> Bound:
    centre, what = _centre(rule, context)
    ticks = Fraction(centre) * (1 + Fraction(rule.percent) / 100) // Fraction(context.tick)
    return _worded(rule.name, ticks, context, "highest", f"{plain(rule.percent)} % over {what}")


def _rule_price(rule: FixedRule | AverageRule, context: PriceContext) -> tuple[Fraction, str]:
    if isinstance(rule, FixedRule):
        return Fraction(rule.px), f"the reserve price {plain(rule.px)}"
    found = _benchmark(rule, context)
    factor = "" if rule.factor == 1 else f"{plain(rule.factor)} times "
    what = f"{factor}the average {plain(found.px)} before {found.trade_date} (record {found.record_sha256[:12]})"
    return Fraction(found.px) * Fraction(rule.factor), what


def _benchmark(rule: AverageRule, context: PriceContext) -> Benchmark:
    if rule.renewal == "once":
        found = [one for one in context.benchmarks if one.record_sha256 == rule.benchmark]
        wanted = f"the record {rule.benchmark[:12]}"
    else:
        found = [
            one
            for one in context.benchmarks
            if one.terms_sha256 == rule.benchmark and one.starts_at <= context.now < one.ends_at
        ]
        wanted = f"an average for the trade date of {context.now:%Y-%m-%d %H:%MZ} under the terms {rule.benchmark[:12]}"
    if not found:
        raise PriceUndefined(rule.name, f"{wanted} is not there; compute it and record it")
    if len({one.px for one in found}) > 1:
        raise PriceUndefined(rule.name, f"{wanted} is there with two results; have them examined")
    if found[0].currency != rule.currency:
        raise PriceUndefined(rule.name, f"the average is in {found[0].currency}, the rule in {rule.currency}")
    return found[0]


def _centre(rule: BandRule, context: PriceContext) -> tuple[Decimal, str]:
    px = context.venue_mid if rule.around == "venue_mid" else context.reference_px
    what = "the venue's mid" if rule.around == "venue_mid" else "the reference price"
    if px is None or px <= 0:
        raise PriceUndefined(rule.name, f"{what} is not known")
    return px, f"{what} {plain(px)}"


def _before_fees(px: Fraction, context: PriceContext) -> Fraction:
    """The price that leaves ``px`` after the fee: the rate's of any part of the order, the least one of the whole."""
    return max(px / (1 - _fee_rate(context)), px + Fraction(context.least_fee) / Fraction(context.qty))


def _fee_rate(context: PriceContext) -> Fraction:
    if context.fee_rate is None or not 0 <= context.fee_rate < 1:
        raise PriceUndefined("fees", "the rule binds after fees and the highest fee of the next fill is not known")
    return Fraction(context.fee_rate)


def _check(context: PriceContext) -> None:
    if context.qty <= 0 or context.tick <= 0:
        raise ValueError("the next order needs a quantity and a tick above zero")
    if context.now.tzinfo is None:
        raise ValueError("now needs a time zone")


def _bound(name: str, exact: Fraction, context: PriceContext, why: str) -> Bound:
    ticks = -(-exact // Fraction(context.tick))
    return _worded(name, ticks, context, "lowest", why)


def _worded(name: str, ticks: int, context: PriceContext, which: str, why: str) -> Bound:
    px = times(Decimal(ticks), context.tick)
    return Bound(px, name, f"{which} price {plain(px)} {context.currency} by rule {name}: {why}")
