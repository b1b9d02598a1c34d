"""The price rules of a plan as they stand at this moment: the pure rules, fed with the record and the market.

Sold and exposed quantities come from the fold, averages from the case's record, mids and the reference price from the
books that the venues show in this run. Asked once to make an order, and again where its intent is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from executor.domain.case import Case
from executor.domain.money import ZERO, plain
from executor.domain.orders import Child
from executor.domain.parent import Parent
from executor.domain.plan import Plan
from executor.domain.price_rules import (
    BandRule,
    Benchmark,
    Bound,
    Exposed,
    PriceContext,
    PriceRules,
    PriceUndefined,
    highest_allowed,
    lowest_price,
)
from executor.errors import NotNow, RuleRefused
from executor.guards.verdict import Verdict
from executor.market.benchmark import BenchmarkRecord
from executor.market.reference import SourcePrice, reference_price

_QUOTE_TICK = Decimal("0.00000001")  # quotes lie on no grid


@dataclass(frozen=True, slots=True)
class Grid:
    """The tick of a venue's prices, the highest fee that it takes of a fill, a fraction of its value, and what it takes
    at least of an order that is filled whole."""

    tick: Decimal
    fee_rate: Decimal
    least_fee: Decimal = ZERO


QUOTES = Grid(_QUOTE_TICK, ZERO)
"""Quotes: any price, all-in."""


class Market(Protocol):
    """What the rules ask of the venues of this run."""

    def grid(self, venue: str) -> Grid:
        """The grid of the venue's book."""

    def mids(self) -> Sequence[SourcePrice]:
        """The mid of each venue's book as last seen, with the moment at which it was."""

    def judge(
        self, venue: str, qty: Decimal, limit_px: Decimal, time_in_force: str, now: datetime, *, post_only: bool
    ) -> Verdict:
        """What the venue's own rules say of such an order on its book now."""


class Prices:
    """The price rules of one plan."""

    def __init__(self, plan: Plan, plan_hash: str, case: Case, market: Market) -> None:
        self._plan_hash = plan_hash
        self._rules = PriceRules(rules=plan.price_rules) if plan.price_rules else None
        self._plan = plan
        self._case = case
        self._market = market
        self._benchmarks: list[Benchmark] = []
        self._after_fees = any(getattr(rule, "compare", "") == "after_fees" for rule in plan.price_rules)

    def lowest(
        self, state: Parent, venue: str, qty: Decimal, now: datetime, *, quote: bool = False, but: str = ""
    ) -> Bound | None:
        """The lowest price of the next order at ``venue``; ``None`` if the plan has no rule. Raises ``NotNow`` when a
        rule has nothing to compare with."""
        plan = self._case.plans.get(self._plan_hash)
        raised = _raised(plan.raised_px) if plan is not None and plan.raised_px is not None else None
        if self._rules is None:
            return raised
        try:
            low = lowest_price(self._rules, self._context(state, venue, qty, now, quote, but))
        except PriceUndefined as undefined:
            raise NotNow(f"price.{undefined.rule}", undefined.reason) from None
        return raised if raised is not None and raised.px > low.px else low

    def check(
        self, state: Parent, venue: str, qty: Decimal, px: Decimal, now: datetime, *, quote: bool, but: str = ""
    ) -> None:
        """Raise ``NotNow`` if no order may be sent at ``px``. ``but`` is an open order that is the one asked about."""
        low = self.lowest(state, venue, qty, now, quote=quote, but=but)
        if low is not None and px < low.px:
            raise NotNow(f"price.{low.rule}", f"{plain(px)} is under the {low.explanation}")
        if self._rules is None:
            return
        high = highest_allowed(self._rules, self._context(state, venue, qty, now, quote, but))
        if high is not None and px > high.px:
            raise NotNow(f"price.{high.rule}", f"{plain(px)} is over the {high.explanation}")

    def _context(self, state: Parent, venue: str, qty: Decimal, now: datetime, quote: bool, but: str) -> PriceContext:
        grid = QUOTES if quote else self._market.grid(venue)
        mids = {each.source: each.px for each in self._market.mids()}
        money = self._plan.quote_asset
        return PriceContext(
            currency=money,
            tick=grid.tick,
            qty=qty,
            now=now,
            sold_qty=state.cum_qty,
            sold_notional=state.total.notional,
            sold_fees=_fees(state, money) if self._after_fees else ZERO,
            exposed=[self._exposed(c) for c in state.open.values() if c.qty > c.cum_qty and c.client_order_id != but],
            fee_rate=grid.fee_rate,
            least_fee=grid.least_fee,
            venue_mid=mids.get(venue),
            reference_px=self._reference(now),
            benchmarks=self._recorded(),
        )

    def _exposed(self, child: Child) -> Exposed:
        if child.method != "book" or not self._after_fees:
            return Exposed(child.qty - child.cum_qty, child.limit_px)
        try:
            grid = self._market.grid(child.venue)
        except RuleRefused as unlisted:
            raise NotNow("price.fees", f"{unlisted}: the fees of {child.client_order_id} are not known") from None
        return Exposed(child.qty - child.cum_qty, child.limit_px, grid.fee_rate, grid.least_fee)

    def _reference(self, now: datetime) -> Decimal | None:
        needed = any(isinstance(rule, BandRule) and rule.around == "reference" for rule in self._plan.price_rules)
        if not needed or self._plan.reference is None:
            return None
        found = reference_price(self._plan.reference, self._market.mids(), now)
        if found.px is None:
            raise NotNow("price.reference", f"there is no reference price ({found.verdict}): {found.reason}")
        return found.px

    def _recorded(self) -> Sequence[Benchmark]:
        known = self._case.benchmarks
        while len(self._benchmarks) < len(known):
            record = BenchmarkRecord.model_validate(known[len(self._benchmarks)])
            self._benchmarks.append(record.benchmark())
        return self._benchmarks


def _raised(px: Decimal) -> Bound:
    """The floor that an approver has set over the plan's own."""
    return Bound(px, "floor", f"floor {plain(px)} to which an approver has raised it")


def _fees(state: Parent, money: str) -> Decimal:
    """The fees so far in money. Raises ``NotNow`` if one was taken in another asset: it is not valued here."""
    if any(fee for asset, fee in state.total.fees.items() if asset != money):
        raise NotNow("price.fees", f"a venue took a fee that is not in {money}: what the sale brought is not known")
    return state.total.fees.get(money, ZERO)
