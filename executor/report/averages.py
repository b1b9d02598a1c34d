"""The average that each order of a sale is held against: the one that the plan's rule rested on when it was ordered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from executor.domain.events import ParentCreated
from executor.domain.price_rules import Benchmark
from executor.market.benchmark import BenchmarkRecord

AverageAt = Callable[[datetime], Decimal | None]


@dataclass(frozen=True, slots=True)
class Averages:
    """Averages that can be compared with one sale. ``once``: one of them holds for all of it; ``named``: a rule of the
    plan rests on them, each on its own trade date."""

    found: Sequence[Benchmark]
    once: bool
    named: bool

    def at(self, moment: datetime) -> Decimal | None:
        """The average for an order of ``moment``. Of averages that no rule names, the last one that was for a day not
        later than that serves; never one for a day that was still to come."""
        if self.once:
            return self.found[-1].px
        begun = [each for each in self.found if each.starts_at <= moment]
        today = [each for each in begun if moment < each.ends_at]
        if today or self.named:
            return today[-1].px if today else None
        return max(begun, key=lambda each: each.starts_at).px if begun else None


def averages_of(spec: ParentCreated, records: Sequence[BenchmarkRecord]) -> Averages:
    """Those of ``records`` that the sale can be held against: the one that a rule of the plan names for all of it, else
    those made under the terms that a rule names, else all that can be compared."""
    fitting = [one for one in records if comparable(spec, one)]
    whole = [one for one in fitting if one.sha256 in _names(spec)]
    daily = [one for one in fitting if one.parameters.terms_sha256 in _names(spec)]
    return Averages([one.benchmark() for one in whole or daily or fitting], once=bool(whole), named=bool(_names(spec)))


def is_named(spec: ParentCreated, average: BenchmarkRecord) -> bool:
    """True if a price rule of the plan rests on this average."""
    return not _names(spec).isdisjoint({average.sha256, average.parameters.terms_sha256})


def rests_on_average(spec: ParentCreated) -> bool:
    """True if a price rule of the plan rests on an average, recorded or not."""
    return bool(_names(spec))


def comparable(spec: ParentCreated, average: BenchmarkRecord) -> bool:
    """True if the average is in the currency of the sale and of its asset: the pair begins with the asset's code, or
    the plan, which people approved, names the average itself."""
    own = average.parameters.pair.casefold().startswith(spec.asset.casefold())
    return average.parameters.currency == spec.quote_asset and (own or is_named(spec, average))


def _names(spec: ParentCreated) -> set[str]:
    """The hashes by which average rules name what they rest on."""
    return {str(rule["benchmark"]) for rule in spec.plan.get("price_rules") or () if rule["kind"] == "average"}
