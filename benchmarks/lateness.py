"""``python -m benchmarks.lateness``: how late the slices of many parent orders are on one process, in real time.

A thousand parent orders share one event loop and one journal on a real disk, and begin one after the other within the
time of a slice; each has its own purse at a venue in memory that answers at once. The time that counts is from the
moment a slice comes due by the schedule to the moment its order reaches the venue: looking at the book, the guards, the
gate and a commit lie between.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.clock import Clock, SystemClock
from adapters.mock.planning_venue import PlanningVenue
from adapters.mock.planning_world import planning_world
from adapters.mock.world import FEES
from adapters.venue import NewOrder, OrderReport
from benchmarks.planning import task
from executor.cli.compose import settings_for, traits_of
from executor.domain.plan import Mandate, Plan, TwapLeg
from executor.engine.long_run import long_run
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.journal.journal import Journal
from executor.journal.open import Place, open_store
from executor.strategy.schedule import schedule

_LOT = Decimal("0.00001")
_SLICES = 12


class _Watched:
    """Notes when each order reaches the venue."""

    def __init__(self, venue: PlanningVenue, clock: Clock) -> None:
        self._place = venue.place
        self._clock = clock
        self.sent: dict[str, float] = {}
        venue.place = self.place  # type: ignore[method-assign]

    async def place(self, order: NewOrder) -> OrderReport:
        self.sent[order.client_order_id] = self._clock.now().timestamp()
        return await self._place(order)


async def late(place: Place, parents: int, seconds: int) -> dict[str, Any]:
    """Seconds late of every slice, sorted into percentiles."""
    clock = SystemClock()
    journal = Journal(open_store(place), threaded=True)
    began = time.perf_counter()
    # The first slices come due when all parents have begun.
    starts_at = clock.now() + timedelta(seconds=max(5, parents // 20))
    works: list[tuple[Runner, _Watched, Plan]] = []
    for number in range(parents):
        mandate, plan, spec = task(_SLICES, ["osl"])
        mandate = Mandate.model_validate(mandate.model_dump(mode="json") | {"case_id": f"BENCH-{number}"})
        begins = starts_at + timedelta(seconds=seconds / _SLICES) * number / parents
        plan = plan.model_copy(update={"starts_at": begins, "duration": seconds, "seed": number})
        world = planning_world(
            replace(spec, start=clock.now(), seed=number),
            clock,
            traits_of(settings_for(quiet=True), plan.venues, FEES, clock),
        )
        watched = _Watched(world.venues[0], clock)
        await prepare_rehearsal(journal, mandate, plan, clock.now())
        runner = Runner(mandate, plan, world.venues, journal, clock, observer=lambda _: None, owner="benchmark")
        works.append((runner, watched, plan))
    prepared = time.perf_counter() - began
    cpu = time.process_time()
    with long_run():
        states = await asyncio.gather(*(runner.run() for runner, _, _ in works))
    cpu = time.process_time() - cpu
    for runner, _, _ in works:
        await runner.aclose()
    await journal.aclose()
    lags: list[float] = []
    for (_, watched, plan), state in zip(works, states, strict=True):
        leg = plan.legs[0]
        assert isinstance(leg, TwapLeg)
        assert plan.starts_at is not None
        due = schedule(leg, starts_at=plan.starts_at, duration_s=seconds, lot=_LOT, seed=plan.seed)
        for child in state.children.values():
            if child.slice <= _SLICES:  # what comes after the last is a second try at what is left
                lags.append(watched.sent[child.client_order_id] - due[child.slice - 1].due_at.timestamp())
    lags.sort()
    return {
        "parents": parents,
        "orders": len(lags),
        "orders_per_s": round(len(lags) / seconds, 1),
        "prepared_s": round(prepared, 1),
        "cpu_share": round(cpu / seconds, 2),
        "p50_ms": _ms(lags, 0.5),
        "p99_ms": _ms(lags, 0.99),
        "p999_ms": _ms(lags, 0.999),
        "most_ms": _ms(lags, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _ms(lags: list[float], part: float) -> float:
    return round(lags[min(len(lags) - 1, int(len(lags) * part))] * 1000, 1)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lateness", description="How late slices are.")
    parser.add_argument("--parents", type=int, default=1_000, help="default: 1000")
    parser.add_argument("--seconds", type=int, default=120, help=f"window of {_SLICES} slices each; default: 120")
    parser.add_argument("--url", help="an empty PostgreSQL database; default: SQLite in this folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="executor-bench-", dir=Path.cwd()) as folder:
        place: Place = chosen.url or Path(folder, "journal.sqlite")
        print(json.dumps(asyncio.run(late(place, chosen.parents, chosen.seconds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
