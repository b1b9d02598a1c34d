"""`executor dry-run --planning`: the same engine and guards on venues in memory, for how long and at what cost.

No message is written, signed or sent and no record is kept, so that a plan of many months and a hundred thousand orders
takes minutes. The market is coarser than that of the mocked venues; what it assumes is in docs/performance.md.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from adapters.clock import LoopClock
from adapters.mock.planning_venue import Sold
from adapters.mock.planning_world import planning_world
from adapters.mock.world import FEES, WorldSpec
from executor.cli.compose import finish, settings_for, traits_of
from executor.cli.output import Display
from executor.domain.money import RATIO, ZERO, plain
from executor.domain.parent import Parent
from executor.domain.plan import Mandate, Plan
from executor.engine.long_run import long_run
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.engine.tuning import Tuning
from executor.errors import ExecutorError
from executor.exit_codes import ExitCode
from executor.journal.memory import CountingJournal
from executor.market.benchmark import BenchmarkRecord


async def think_through(
    mandate: Mandate,
    plan: Plan,
    spec: WorldSpec,
    shown: Display,
    tuning: Tuning,
    averages: Sequence[BenchmarkRecord] = (),
) -> ExitCode:
    """Run the plan to its end in memory and show what it took."""
    clock = LoopClock(spec.start)
    world = planning_world(spec, clock, traits_of(settings_for(quiet=True), plan.venues, FEES, clock))
    journal = CountingJournal()
    runner = Runner(mandate, plan, world.venues, journal, clock, observer=shown.event, tuning=tuning, owner="planning")
    try:
        await prepare_rehearsal(journal, mandate, plan, clock.now(), averages)
        with long_run():
            state = await runner.run()
    except ExecutorError:
        if runner.state.created is not None:
            finish(runner.state, shown, {"planning": took(runner.state, world.sold)})
        raise
    finally:
        await runner.aclose()
        await journal.aclose()
    return finish(state, shown, {"planning": took(state, world.sold)})


def took(state: Parent, sold: Sold) -> dict[str, Any]:
    """How long it took and what it cost. ``impact_cost``: what the same quantities would have brought at the mid had
    nobody sold, less what they brought before fees; ``cost`` adds the fees; ``*_bps`` are of the first amount."""
    spec = state.spec
    fees = state.total.fees.get(spec.quote_asset, ZERO)
    impact = sold.counterfactual - sold.notional
    last = sold.last_at or state.now
    return {
        "starts_at": spec.starts_at.isoformat(),
        "last_fill_at": None if sold.last_at is None else sold.last_at.isoformat(),
        "took": str(last - spec.starts_at),
        "took_days": _days(last - spec.starts_at),
        "window_days": _days(spec.ends_at - spec.starts_at),
        "untouched_gross": plain(sold.counterfactual),
        "impact_cost": plain(impact),
        "impact_bps": _bps(impact, sold.counterfactual),
        "fees_bps": _bps(fees, sold.counterfactual),
        "cost": plain(impact + fees),
        "cost_bps": _bps(impact + fees, sold.counterfactual),
    }


_DAY_S, _CENT = Decimal(86_400), Decimal("0.01")


def _days(span: timedelta) -> str:
    return plain(RATIO.divide(Decimal(span // timedelta(seconds=1)), _DAY_S).quantize(_CENT))


def _bps(cost: Decimal, gross: Decimal) -> str | None:
    return plain(RATIO.divide(cost * 10_000, gross).quantize(_CENT)) if gross else None
