"""What several rehearsals of one plan say about it: how long, at what cost, how near to floor and caps. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from executor.domain.money import BPS, RATIO, ZERO, plain

# Two-sided 95 % points of Student's t for 1, 2, ... degrees of freedom; beyond the table that of 30 is used, which is a
# little wider than it must be.
_POINTS = (
    "12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145 2.131 2.120 2.110 2.101 "
    "2.093 2.086 2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042"
)
_T95 = tuple(map(Decimal, _POINTS.split()))
_TWO_DECIMALS = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Used:
    """How far a cap was used at its fullest: ``used`` of ``most``, in ``unit``."""

    rule: str
    used: Decimal
    most: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """How near a price rule came: its price ``px`` and what was sold nearest to it, ``nearest``: the lowest fill, or
    the average of the sale where the rule binds that."""

    rule: str
    px: Decimal
    nearest: Decimal


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One dry run. ``summary`` is that of :mod:`executor.report.summary`; ``took`` from the start of the window to the
    last fill; ``lowest_fill`` the lowest price sold at; ``lowest_mid`` the lowest mid seen at a slice; ``waited`` how
    long each rule held the sale back."""

    seed: int
    summary: dict[str, Any]
    took: timedelta | None
    lowest_fill: Decimal | None
    lowest_mid: Decimal | None
    waited: dict[str, timedelta]
    caps: tuple[Used, ...]
    rules: tuple[RuleSeen, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A mean with its 95 % confidence range (Student's t; none from a single value) and the extremes seen."""

    mean: Decimal
    low: Decimal | None
    high: Decimal | None
    least: Decimal
    most: Decimal

    def values(self) -> dict[str, str | None]:
        """As decimal strings, two decimals."""
        return {
            name: None if value is None else plain(value.quantize(_TWO_DECIMALS))
            for name, value in (
                ("mean", self.mean),
                ("low", self.low),
                ("high", self.high),
                ("least", self.least),
                ("most", self.most),
            )
        }


def spread(values: Sequence[Decimal]) -> Range | None:
    """The range of ``values``; ``None`` if there are none."""
    if not values:
        return None
    count = Decimal(len(values))
    mean = RATIO.divide(sum(values, ZERO), count)
    low = high = None
    if count > 1:
        variance = RATIO.divide(sum(((value - mean) ** 2 for value in values), ZERO), count - 1)
        half = _T95[min(len(values) - 2, len(_T95) - 1)] * RATIO.sqrt(RATIO.divide(variance, count))
        low, high = mean - half, mean + half
    return Range(mean, low, high, min(values), max(values))


def cost_bps(summary: dict[str, Any], reference: str) -> Decimal | None:
    """What was sold would have brought this much more at the price ``summary[reference]``, fees included, in bps."""
    px, sold = summary[reference], Decimal(summary["sold"])
    if px is None or sold == 0:
        return None
    untouched = Decimal(px) * sold
    return RATIO.divide((untouched - Decimal(summary["proceeds"])) * BPS, untouched)


def preview(runs: Sequence[Rehearsed]) -> dict[str, Any]:
    """What the runs say together. Every ratio has two decimals; ``None`` where nothing can be said."""
    floor = Decimal(runs[0].summary["floor_px"])
    fills = [run.lowest_fill for run in runs if run.lowest_fill is not None]
    mids = [run.lowest_mid for run in runs if run.lowest_mid is not None]
    costs = {ref: [cost_bps(run.summary, ref) for run in runs] for ref in ("arrival_px", "interval_twap_px")}
    seconds = [Decimal(run.took // timedelta(seconds=1)) for run in runs if run.took is not None]
    shares = [
        RATIO.divide(Decimal(run.summary["sold"]) * 100, Decimal(run.summary["asked"])).quantize(_TWO_DECIMALS)
        for run in runs
    ]
    return {
        "seeds": [run.seed for run in runs],
        "completed": sum(run.summary["status"] == "completed" for run in runs),
        "sold_pct": {"least": plain(min(shares)), "most": plain(max(shares))},
        "duration_s": _values(spread(seconds)),
        "cost_bps_against_arrival": _values(spread([cost for cost in costs["arrival_px"] if cost is not None])),
        "cost_bps_against_interval": _values(spread([cost for cost in costs["interval_twap_px"] if cost is not None])),
        "floor_px": plain(floor),
        "lowest_fill_over_floor_bps": _over(fills, floor),
        "lowest_mid_over_floor_bps": _over(mids, floor),
        "waited_s": _waited(runs),
        "caps": _caps(runs),
        "price_rules": _rules(runs),
    }


def _values(found: Range | None) -> dict[str, str | None] | None:
    return None if found is None else found.values()


def _over(prices: Sequence[Decimal], floor: Decimal) -> str | None:
    if not prices:
        return None
    return plain(RATIO.divide((min(prices) - floor) * BPS, floor).quantize(_TWO_DECIMALS))


def _waited(runs: Sequence[Rehearsed]) -> dict[str, int]:
    """The longest that each rule held back any of the runs, in seconds."""
    rules = sorted({rule for run in runs for rule in run.waited})
    return {rule: max(run.waited.get(rule, timedelta(0)) for run in runs) // timedelta(seconds=1) for rule in rules}


def _rules(runs: Sequence[Rehearsed]) -> list[dict[str, str]]:
    """Each price rule where it came nearest in any of the runs."""
    nearest: dict[str, tuple[Decimal, RuleSeen]] = {}
    for seen in (seen for run in runs for seen in run.rules):
        over = RATIO.divide((seen.nearest - seen.px) * BPS, seen.px)
        if seen.rule not in nearest or over < nearest[seen.rule][0]:
            nearest[seen.rule] = over, seen
    return [
        {"rule": name, "px": plain(seen.px), "nearest_over_bps": plain(over.quantize(_TWO_DECIMALS))}
        for name, (over, seen) in sorted(nearest.items())
    ]


def _caps(runs: Sequence[Rehearsed]) -> list[dict[str, str]]:
    fullest: dict[str, Used] = {}
    for cap in (cap for run in runs for cap in run.caps):
        if cap.rule not in fullest or cap.used * fullest[cap.rule].most > fullest[cap.rule].used * cap.most:
            fullest[cap.rule] = cap
    return [
        {
            "rule": cap.rule,
            "used": plain(cap.used),
            "most": plain(cap.most),
            "unit": cap.unit,
            "used_pct": plain(RATIO.divide(cap.used * 100, cap.most).quantize(_TWO_DECIMALS)) if cap.most else "100",
        }
        for _, cap in sorted(fullest.items())
    ]
