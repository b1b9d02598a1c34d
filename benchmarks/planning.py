"""``python -m benchmarks.planning``: child orders per CPU second in the planning mode, and how the cost grows.

The same TWAP leg with ever more slices, each size in a process of its own so that the peak of its memory can be read:
in-memory venues and journal, all guards on. Beside it a fixed loop of plain Python, timed in the same process: shared
machines differ by a factor of two from one minute to the next, and so does everything on them.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Any

from adapters.clock import LoopClock
from adapters.mock.planning_world import planning_world
from adapters.mock.world import FEES, Credit, WorldSpec
from executor.cli.compose import settings_for, traits_of
from executor.cli.dry_run import REHEARSAL
from executor.domain.plan import Mandate, Plan
from executor.engine.long_run import long_run
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.engine.virtual_time import run_virtual
from executor.errors import ExecutorError
from executor.journal.memory import CountingJournal

SIZES = (1_000, 10_000, 100_000)
_START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
_TURN_S = 10  # seconds between slices
_PURSE = {"osl": "exchange", "hashkey": "trading"}


def task(slices: int, venues: list[str]) -> tuple[Mandate, Plan, WorldSpec]:
    """A TWAP leg of ``slices`` slices of a tenth of a coin, credited evenly to ``venues``."""
    qty = Decimal(slices) / 10
    plan = Plan.model_validate(
        {
            "asset": "BTC",
            "quote_asset": "USD",
            "qty": qty,
            "floor_px": "10000",
            "venues": venues,
            "duration": slices * _TURN_S,
            "seed": 7,
            "legs": [
                {
                    "kind": "twap",
                    "qty": qty,
                    "slices": slices,
                    "size_jitter": "0.3",
                    "time_jitter": "0.3",
                    "style": "cross",
                    "catch_up": "3",
                    "min_notional": "100",
                }
            ],
        }
    )
    part = qty / len(venues)
    credited = [{"venue": v, "account": _PURSE[v], "asset": "BTC", "qty": part} for v in venues]
    mandate = Mandate.model_validate(
        {
            "case_id": "BENCH-1",
            "authority": "-",
            "institution": "-",
            "legal_basis": "-",
            "proceeds_account": "-",
            "plan": "-",
            "holdings": [{"asset": "BTC", "network": "bitcoin", "qty": qty}],
            "credited": credited,
        }
    )
    credits = [Credit(v, _PURSE[v], "BTC", part) for v in venues]
    return mandate, plan, WorldSpec("BTC", "USD", plan.seed, _START, Decimal(100_000), credits)


async def sell(mandate: Mandate, plan: Plan, spec: WorldSpec) -> tuple[int, str]:
    """Run it; the number of child orders and how it ended."""
    clock = LoopClock(spec.start)
    world = planning_world(spec, clock, traits_of(settings_for(quiet=True), plan.venues, FEES, clock))
    journal = CountingJournal()
    runner = Runner(mandate, plan, world.venues, journal, clock, observer=lambda _: None, tuning=REHEARSAL, owner="b")
    try:
        await prepare_rehearsal(journal, mandate, plan, clock.now())
        with long_run():
            state = await runner.run()
    finally:
        await runner.aclose()
        await journal.aclose()
    if state.cum_qty != plan.qty:
        raise ExecutorError(f"{state.cum_qty} of {plan.qty} sold: {state.status_reason}")
    return state.total.children, state.status.value


def one(slices: int, venues: list[str]) -> dict[str, Any]:
    """Measure one size in this process."""
    mandate, plan, spec = task(slices, venues)
    run_virtual(sell(*task(10, venues)))  # imports what is imported late: not what is measured
    loop_s = plain_loop()
    began = time.process_time()
    children, status = run_virtual(sell(mandate, plan, spec))
    cpu_s = time.process_time() - began
    return {
        "children": children,
        "status": status,
        "cpu_s": round(cpu_s, 3),
        "per_cpu_s": round(children / cpu_s),
        "us_per_child": round(cpu_s / children * 1e6, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "plain_loop_s": round((loop_s + plain_loop()) / 2, 3),
    }


def plain_loop() -> float:
    """CPU seconds of ten million additions."""
    began, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - began


def measure(sizes: list[int], venues: list[str], rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Every size ``rounds`` times, in turn; medians by size."""
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            command = [sys.executable, "-m", "benchmarks.planning", "--one", str(size), "--venues", ",".join(venues)]
            found[size].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            say(f"round {number + 1} of {rounds}: {found[size][-1]}")
    rows = [{key: median(each[key] for each in runs) for key in runs[0] if key != "status"} for runs in found.values()]
    return {"venues": venues, "rounds": rounds, "sizes": rows, "kept": _kept(found)}


def _kept(found: dict[int, list[dict[str, Any]]]) -> float:
    """The rate at the largest size as a share of that at the smallest, median over the rounds: the neighbours in time
    are compared, since the machine is not the same an hour later."""
    first, last = next(iter(found.values())), list(found.values())[-1]
    return round(median(b["per_cpu_s"] / a["per_cpu_s"] for a, b in zip(first, last, strict=True)), 3)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of slices, with commas")
    parser.add_argument("--venues", default="osl", help="default: osl; osl,hashkey splits each slice in two orders")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    venues = chosen.venues.split(",")
    if chosen.one:
        print(json.dumps(one(chosen.one, venues)))
        return 0
    sizes = [int(size) for size in chosen.sizes.split(",")]
    found = measure(sizes, venues, chosen.rounds, lambda line: print(line, file=sys.stderr, flush=True))
    if chosen.json:
        print(json.dumps(found))
        return 0
    print(f"venues: {', '.join(venues)}; medians of {chosen.rounds} rounds; CPU seconds\n")
    print(f"{'child orders':>14}{'per CPU s':>12}{'us each':>10}{'peak MiB':>10}{'10M additions s':>17}")
    for row in found["sizes"]:
        print(
            f"{row['children']:>14,.0f}{row['per_cpu_s']:>12,.0f}{row['us_per_child']:>10}{row['peak_mib']:>10}"
            f"{row['plain_loop_s']:>17.2f}"
        )
    print(f"\nthe largest reaches {found['kept']:.2f} of the rate of the smallest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
