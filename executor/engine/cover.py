"""The deposit cover of one plan as it stands at this moment: the pure rule, fed with the case's books and the market.

The books of the case are read when its stream has changed, and what its other parent orders have sold since at least
every minute; what this parent order has sold comes from its own state. So an intent costs no reading.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from executor.domain.books import Books, CoverFacts, cover_facts
from executor.domain.cover import Cover, NoValue, Stand, stand
from executor.domain.events import CoverCrossed
from executor.domain.ids import parent_id
from executor.domain.money import EXACT, ZERO, add, plain
from executor.domain.parent import Parent
from executor.domain.plan import Plan
from executor.engine.approval import Approval, case_stream
from executor.engine.prices import Market
from executor.errors import GuardHalts, NotNow

_AGAIN = timedelta(minutes=1)


class CaseFacts:
    """What the deposit of a case stands against by its books, less what one parent order of its own has sold."""

    def __init__(self, approval: Approval, own: str) -> None:
        self._journal = approval.journal
        self._case_id = approval.case_id
        self._books = Books()
        self._read = {case_stream(approval.case_id): 0}
        self._elsewhere = {f"parent/{own}"}  # streams that are not read: our own, and those of other cases
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._facts = cover_facts(self._books.ledger)

    def at(self, version: int, now: datetime) -> CoverFacts:
        """The facts with the case's stream read at least up to ``version``."""
        if self._read[case_stream(self._case_id)] < version or now - self._read_at >= _AGAIN:
            self._reread()
            self._read_at = now
            self._facts = cover_facts(self._books.ledger)
        return self._facts

    def _reread(self) -> None:
        for stream in [case_stream(self._case_id), *self._journal.streams("parent/")]:
            if stream in self._elsewhere:
                continue
            for line in self._journal.read(stream, after=self._read.get(stream, 0)):
                if line.case_id != self._case_id:
                    self._elsewhere.add(stream)
                    break
                self._books.take(stream, line.version, line.at, line.event)
                self._read[stream] = line.version


class CoverRule:
    """Whether the deposit covers what it stands for. ``terms`` are the plan's, ``None`` if it has none."""

    def __init__(self, plan: Plan, approval: Approval, market: Market) -> None:
        self.terms = plan.cover
        self._plan = plan
        self._approval = approval
        self._market = market
        self._facts = CaseFacts(approval, parent_id(approval.case_id, plan.asset, approval.plan_hash))

    def check(self, state: Parent, now: datetime) -> None:
        """Raise ``GuardHalts`` if the cover is under what was agreed, ``NotNow`` while it cannot be said."""
        if self.terms is None:
            if (self._approval.case.mandate or {}).get("deposit"):
                raise GuardHalts("cover", UNSAID)
            return
        found = self._stand(self.terms, state, now)
        if found.under(self.terms.halt_percent):
            raise GuardHalts(
                "cover", f"the deposit covers {found}; under {plain(self.terms.halt_percent)} % the sale is halted"
            )

    def crossings(self, state: Parent, now: datetime) -> list[CoverCrossed]:
        """What people are to be told since the last look: each warning level that the cover has fallen under, or the
        one that it has come back to. Nothing while the cover cannot be said."""
        if self.terms is None:
            return []
        try:
            found = self._stand(self.terms, state, now)
        except (NotNow, GuardHalts):
            return []  # :meth:`check` says so
        known, level = state.cover.below if state.cover is not None else None, found.level
        if level == known:
            return []
        crossed: list[Decimal | None] = [level]
        if level is not None and (known is None or level < known):
            crossed = [each for each in self.terms.warn_percents if level <= each and (known is None or each < known)]
        return [
            CoverCrossed(
                below=below,
                percent=found.percent or ZERO,
                deposit=found.deposit,
                exposure=found.exposure,
                currency=self.terms.currency,
                mark_px=found.mark_px,
            )
            for below in crossed
        ]

    def uncovered(self, now: datetime) -> str:
        """Why the coins of the plan may not be reserved for it now, with the quantity that is covered; empty if they
        may."""
        terms = self.terms
        if terms is None:
            return UNSAID if (self._approval.case.mandate or {}).get("deposit") else ""
        try:
            found = self._stand(terms, None, now)
        except (NotNow, GuardHalts) as fault:
            return f"cover: {fault}"
        if not found.under(terms.release_percent):
            return ""
        asset, covered = self._plan.asset, found.covered(terms.release_percent)
        all_ = "all coins of the case" if terms.coins == "all" else "what is reserved, this plan included"
        return (
            f"cover: the deposit covers {plain(covered)} {asset} at {plain(terms.release_percent)} %, and {all_} is "
            f"{plain(found.held)} {asset}: it stands at {found}; sell a smaller batch, or have more posted"
        )

    def _stand(self, terms: Cover, state: Parent | None, now: datetime) -> Stand:
        mark = self._mark(now)
        facts = self._facts.at(self._approval.rests_on[case_stream(self._approval.case_id)], now)
        coins, proceeds = dict(facts.coins if terms.coins == "all" else facts.reserved), dict(facts.proceeds)
        asset = self._plan.asset
        if terms.coins == "reserved":  # what this plan sells counts from before it is reserved
            missing = self._plan.qty - self._approval.case.reserved.get(self._approval.plan_hash, ZERO)
            _shift(coins, {asset: max(missing, ZERO)})
        if state is not None and state.created is not None:
            _shift(coins, {asset: EXACT.minus(state.cum_qty)})
            _shift(proceeds, {self._plan.quote_asset: state.total.notional})
            for unit, fee in state.total.fees.items():
                _shift(coins if unit == asset else proceeds, {unit: EXACT.minus(fee)})
        try:
            return stand(terms, (asset, self._plan.quote_asset), facts.deposit, coins, proceeds, mark)
        except NoValue as fault:
            raise GuardHalts("cover", str(fault)) from None

    def _mark(self, now: datetime) -> Decimal:
        """The highest mid of the venues: at it the cover is least."""
        oldest = now - 2 * timedelta(seconds=self._plan.guards.stale_after)
        found: Sequence[Decimal] = [each.px for each in self._market.mids() if each.at >= oldest]
        if not found:
            raise NotNow("cover", "no venue shows a price at which the deposit's cover can be measured")
        return max(found)


UNSAID = (
    "the mandate has a deposit and the plan does not say what it must cover: give it a [cover] table, freeze it and "
    "have it approved"
)


def _shift(part: dict[str, Decimal], by: Mapping[str, Decimal]) -> None:
    for unit, amount in by.items():
        part[unit] = add(part.get(unit, ZERO), amount)
