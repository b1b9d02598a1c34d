"""`executor plan show`: what a plan will do before anybody signs it, and whether it can be done at all."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from adapters.candles import Candle
from config.mandates import load_mandate
from executor.cli.dry_run import run_once, world_of
from executor.cli.replay import Recording
from executor.domain.caps import Sale, limits
from executor.domain.events import (
    FillRecorded,
    ParentCreated,
    ParentFinished,
    ParentWaiting,
    ParentWorking,
    SliceStarted,
)
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.money import ZERO, multiples, plain
from executor.domain.plan import Mandate, Plan, TwapLeg
from executor.domain.price_rules import BandRule, PriceContext, PriceRules, lowest_price
from executor.errors import RuleRefused
from executor.journal.line import Line
from executor.market.benchmark import BenchmarkRecord
from executor.report.preview import Rehearsed, RuleSeen, Used, preview
from executor.strategy.schedule import schedule

_SHOWN = 8  # slices of a leg that are told to people; --json has all of them
_LOT = Decimal("0.00000001")  # the venue's own step, which may be coarser, is known only when it is asked


class Watching:
    """A display that keeps what a preview needs of one rehearsal."""

    def __init__(self, averages: Sequence[BenchmarkRecord]) -> None:
        self._averages = [each.benchmark() for each in averages]
        self.values: dict[str, Any] | None = None
        self.created: ParentCreated | None = None
        self.fills: list[tuple[datetime, FillRecorded]] = []
        self.mids: list[Decimal] = []
        self.waited: dict[str, timedelta] = {}
        self._waiting: tuple[str, datetime] | None = None

    def event(self, line: Line) -> None:
        """Take one event of the record."""
        match line.event:
            case ParentCreated() as created:
                self.created = created
            case FillRecorded() as fill:
                self.fills.append((line.at, fill))
            case SliceStarted(mid_px=Decimal() as mid):
                self.mids.append(mid)
            case ParentWaiting(rule=rule):
                self._wait_ends(line.at)
                self._waiting = rule, line.at
            case ParentWorking() | ParentFinished():
                self._wait_ends(line.at)
            case _:
                pass

    def summary(self, values: dict[str, Any]) -> None:
        """Keep the summary."""
        self.values = values

    def close(self) -> None:
        """Nothing is open."""

    def _wait_ends(self, at: datetime) -> None:
        if self._waiting is not None:
            rule, since = self._waiting
            self.waited[rule] = self.waited.get(rule, timedelta(0)) + (at - since)
            self._waiting = None

    def rehearsed(self, seed: int) -> Rehearsed:
        """What the run came to."""
        assert self.values is not None  # the run has shown its summary
        assert self.created is not None
        took = self.fills[-1][0] - self.created.starts_at if self.fills else None
        return Rehearsed(
            seed=seed,
            summary=self.values,
            took=took,
            lowest_fill=min((fill.px for _, fill in self.fills), default=None),
            lowest_mid=min(self.mids, default=None),
            waited=self.waited,
            caps=self._caps(),
            rules=tuple(self._rules()),
        )

    def _rules(self) -> Iterator[RuleSeen]:
        """How near each rule with a lowest price came to what was sold."""
        assert self.created is not None
        assert self.values is not None
        plan = Plan.model_validate(self.created.plan)
        for rule in plan.price_rules:
            if isinstance(rule, BandRule):
                continue  # it moves with the market, so that every order is about as near to it
            for at, fill in self.fills:
                context = PriceContext(
                    currency=plan.quote_asset,
                    tick=_LOT,
                    qty=fill.qty,
                    now=at,
                    fee_rate=ZERO,
                    benchmarks=self._averages,
                )
                bare = rule.model_copy(update={"scope": "per_fill", "floor_per_fill_px": None})
                px = lowest_price(PriceRules(rules=(bare,)), context).px
                average = rule.scope == "average_of_sale"
                yield RuleSeen(rule.name, px, Decimal(self.values["avg_px"]) if average else fill.px)

    def _caps(self) -> tuple[Used, ...]:
        """How full each cap became, counted again from the fills and the orders alone."""
        assert self.created is not None
        plan = Plan.model_validate(self.created.plan)
        if plan.caps is None:
            return ()
        sale = Sale(self.created.case_id, plan.asset, plan.quote_asset, plan.qty)
        used: dict[str, Used] = {}
        for at, fill in self.fills:
            for limit in limits(plan.caps, sale, fill.venue, at, at):
                amount = fill.qty if limit.unit == "qty" else fill.notional
                before = used[limit.counter].used if limit.counter in used else ZERO
                used[limit.counter] = Used(limit.rule, before + amount, limit.most, limit.unit)
        if plan.caps.order_value is not None:
            orders: dict[str, Decimal] = {}
            for _, fill in self.fills:
                orders[fill.client_order_id] = orders.get(fill.client_order_id, ZERO) + fill.notional
            largest = max(orders.values(), default=ZERO)
            used["order_value"] = Used("order_value", largest, plan.caps.order_value, "value")
        return tuple(used.values())


def show(
    file: Path,
    runs: int,
    replayed: Recording | None,
    averages: Sequence[BenchmarkRecord],
    start_px: str | None,
    *,
    as_json: bool,
) -> None:
    """Rehearse the plan of the mandate in ``file`` and show what is to be expected. Raises ``RuleRefused`` if it cannot
    be done."""
    mandate, plan = load_mandate(file)
    candles = replayed.candles(plan) if replayed is not None else None
    found = [_one(mandate, plan, seed, candles, averages, start_px) for seed in range(plan.seed, plan.seed + runs)]
    values = {
        "plan": plan_hash(frozen_plan(mandate.case_id, plan.model_dump(mode="json"))),
        "case": mandate.case_id,
        "asset": plan.asset,
        "quote_asset": plan.quote_asset,
        "qty": plain(plan.qty),
        "venues": list(plan.venues),
        "window_s": plan.duration,
        "slices": _slices(plan),
        "expected": preview(found),
    }
    if as_json:
        click.echo(json.dumps(values))
    else:
        _show(plan, values)


def _one(
    mandate: Mandate,
    plan: Plan,
    seed: int,
    candles: list[Candle] | None,
    averages: Sequence[BenchmarkRecord],
    start_px: str | None,
) -> Rehearsed:
    seen = Watching(averages)
    drawn = plan.model_copy(update={"seed": seed})
    try:
        run_once(mandate, drawn, world_of(mandate, drawn, candles, start_px), seen, None, averages)
    except RuleRefused as refused:
        if seen.values is None:
            raise RuleRefused(f"{refused}\nNothing was frozen or sent; change the plan and look again") from None
        raise
    result = seen.rehearsed(seed)
    click.echo(f"dry run with seed {seed}: sold {result.summary['sold']} of {result.summary['asked']}", err=True)
    return result


def _slices(plan: Plan) -> list[dict[str, Any]]:
    """Every planned slice or clip, by leg: when (seconds from the start; for clips the earliest) and how much."""
    found: list[dict[str, Any]] = []
    for number, leg in enumerate(plan.legs):
        if isinstance(leg, TwapLeg):
            start = plan.starts_at or datetime.fromisoformat("2000-01-01T00:00:00+00:00")
            pieces = schedule(leg, starts_at=start, duration_s=plan.duration, lot=_LOT, seed=plan.seed)
            found += [
                {
                    "leg": number,
                    "number": p.number,
                    "at_s": (p.due_at - start) // timedelta(seconds=1),
                    "qty": plain(p.qty),
                }
                for p in pieces
            ]
        else:
            clips = multiples(leg.qty, leg.clip)
            sizes = [leg.clip] * (clips - 1) + [leg.qty - leg.clip * (clips - 1)]
            found += [
                {"leg": number, "number": n + 1, "at_s": n * leg.pause, "qty": plain(size)}
                for n, size in enumerate(sizes)
            ]
    return found


def _show(plan: Plan, values: dict[str, Any]) -> None:
    """The preview for people."""
    expected = values["expected"]
    click.echo(f"plan {values['plan']}")
    click.echo(f"sells {values['qty']} {plan.asset} at {', '.join(plan.venues)} within {_clock(plan.duration)}\n")
    for number, leg in enumerate(plan.legs):
        mine = [piece for piece in values["slices"] if piece["leg"] == number]
        what = "slices" if isinstance(leg, TwapLeg) else "clips by quote, at the earliest"
        click.echo(f"leg {number}: {plain(leg.qty)} {plan.asset} in {len(mine)} {what}")
        for piece in mine[:_SHOWN]:
            click.echo(f"  {piece['number']:>5}  +{_clock(piece['at_s'])}  {piece['qty']}")
        if len(mine) > _SHOWN:
            click.echo(f"        and {len(mine) - _SHOWN} more, the last at +{_clock(mine[-1]['at_s'])}")
    runs = len(expected["seeds"])
    click.echo(f"\nexpected, by {runs} dry runs with seeds {expected['seeds'][0]} to {expected['seeds'][-1]}")
    sold = expected["sold_pct"]
    rows = [
        ("completed", f"{expected['completed']} of {runs}; sold {sold['least']} % to {sold['most']} %"),
        ("duration", _range(expected["duration_s"], _clock_of)),
        ("cost against arrival", _range(expected["cost_bps_against_arrival"], _bps)),
        ("cost against interval", _range(expected["cost_bps_against_interval"], _bps)),
        ("floor", _floor(expected, plan.quote_asset)),
    ]
    rows += [("waited", f"up to {_clock(seconds)} for rule {rule}") for rule, seconds in expected["waited_s"].items()]
    rows += [
        (
            f"cap {cap['rule']}",
            f"{cap['used_pct']} % used at its fullest ({cap['used']} of {cap['most']} {cap['unit']})",
        )
        for cap in expected["caps"]
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"  {name:<{width}}  {value}")


def _floor(expected: dict[str, Any], quote: str) -> str:
    fill, mid = expected["lowest_fill_over_floor_bps"], expected["lowest_mid_over_floor_bps"]
    lowest = "nothing was sold" if fill is None else f"the lowest fill was {fill} bps over it"
    return f"{expected['floor_px']} {quote}; {lowest}" + ("" if mid is None else f", the lowest mid {mid} bps")


def _range(found: dict[str, str | None] | None, told: Any) -> str:
    if found is None:
        return "nothing can be said: nothing was sold"
    seen = f"seen {told(found['least'])} to {told(found['most'])}"
    if found["low"] is None:
        return f"{told(found['mean'])}; a single run has no confidence range"
    return f"{told(found['mean'])} ({told(found['low'])} to {told(found['high'])} with 95 % confidence; {seen})"


def _bps(text: str) -> str:
    return f"{text} bps"


def _clock_of(text: str) -> str:
    return _clock(int(Decimal(text)))


def _clock(seconds: int) -> str:
    return str(timedelta(seconds=max(0, seconds)))
