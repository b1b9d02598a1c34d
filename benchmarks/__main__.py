"""``python -m benchmarks``: child orders per second of a dry run, beside a bare loop over the same HTTP messages.

Rounds alternate between the two, so that what else the machine does falls on both; medians are shown.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from adapters.clock import LoopClock
from adapters.mock.world import Credit, MockWorld, WorldSpec
from benchmarks.messages import Message, RecordedWorld, send_again
from config.mandates import load_mandate
from executor.cli.compose import mocked, settings_for
from executor.cli.dry_run import DEMO, REHEARSAL
from executor.domain.plan import Mandate, Plan
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.engine.virtual_time import run_virtual
from executor.journal.journal import Journal
from executor.journal.sqlite import SqliteStore

_START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
_START_PX = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: seconds on the wall and of this process's CPU."""

    wall_s: float
    cpu_s: float


def measured(work: Callable[[], Coroutine[Any, Any, object]]) -> Cost:
    """Run ``work`` on a virtual-time loop and measure it on the real clocks."""
    wall, cpu = time.perf_counter(), time.process_time()
    run_virtual(work())
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


async def dry_run(mandate: Mandate, plan: Plan, world: MockWorld, journal_path: Path) -> int:
    """The dry run as the command does it, without showing it: engine, adapters, mocked venues, and a journal on a file.
    Returns the number of child orders."""
    venues = mocked(world, settings_for(quiet=True), plan.venues, world.clock)
    journal = Journal(SqliteStore(journal_path), threaded=False)
    await prepare_rehearsal(journal, mandate, plan, world.clock.now())
    runner = Runner(
        mandate, plan, venues, journal, world.clock, observer=lambda _line: None, tuning=REHEARSAL, owner="benchmark"
    )
    try:
        state = await runner.run()
    finally:
        await runner.aclose()
        await journal.aclose()
    return len(state.children)


async def recorded(mandate: Mandate, plan: Plan, spec: WorldSpec, journal_path: Path) -> tuple[int, list[Message]]:
    """One dry run with its wire recorded: the number of child orders, and every message."""
    world = RecordedWorld(spec, LoopClock(spec.start))
    children = await dry_run(mandate, plan, world, journal_path)
    return children, world.messages


def compare(mandate_path: Path, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Alternate the two for ``rounds`` rounds. The messages come from a first run that is not counted."""
    mandate, plan = load_mandate(mandate_path)
    credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in mandate.credited]
    spec = WorldSpec(plan.asset, plan.quote_asset, plan.seed, _START, _START_PX, credits)
    dry: list[Cost] = []
    bare: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="executor-bench-") as folder:
        children, messages = run_virtual(recorded(mandate, plan, spec, Path(folder, "first.sqlite")))
        for number in range(1, rounds + 1):
            journal = Path(folder, f"{number}.sqlite")
            dry.append(measured(lambda path=journal: dry_run(mandate, plan, world_of(spec), path)))  # type: ignore[misc]
            bare.append(measured(lambda: send_again(messages, spec)))
            say(f"round {number} of {rounds}: dry run {dry[-1].wall_s:.2f} s, bare loop {bare[-1].wall_s:.2f} s")
    return {
        "mandate": mandate_path.stem,
        "rounds": rounds,
        "child_orders": children,
        "messages": len(messages),
        "dry_run": _figures(dry, children, len(messages)),
        "bare_loop": _figures(bare, children, len(messages)),
        "ratio": round(median(b.cpu_s / d.cpu_s for d, b in zip(dry, bare, strict=True)), 3),
        "wall_ratio": round(median(b.wall_s / d.wall_s for d, b in zip(dry, bare, strict=True)), 3),
    }


def world_of(spec: WorldSpec) -> MockWorld:
    """A fresh world on the running loop's clock."""
    return MockWorld(spec, LoopClock(spec.start))


def _figures(costs: list[Cost], children: int, messages: int) -> dict[str, float]:
    wall = median(cost.wall_s for cost in costs)
    return {
        "orders_per_s": round(children / wall, 1),
        "messages_per_s": round(messages / wall, 1),
        "wall_s": round(wall, 3),
        "cpu_s": round(median(cost.cpu_s for cost in costs), 3),
    }


def show(found: dict[str, Any]) -> None:
    """The figures as a small table."""
    print(f"{found['mandate']}: {found['child_orders']} child orders, {found['messages']} messages")
    print(f"medians of {found['rounds']} alternating rounds\n")
    print(f"{'':<12}{'orders/s':>10}{'messages/s':>12}{'wall s':>9}{'CPU s':>9}")
    for name, key in (("dry run", "dry_run"), ("bare loop", "bare_loop")):
        part = found[key]
        rates = f"{part['orders_per_s']:>10}{part['messages_per_s']:>12}"
        print(f"{name:<12}{rates}{part['wall_s']:>9.2f}{part['cpu_s']:>9.2f}")
    print(
        f"\nthe dry run reaches {found['ratio']:.2f} of the bare loop's rate per CPU second, "
        f"{found['wall_ratio']:.2f} by the wall clock, commits of the journal included"
    )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The dry run beside a bare loop.")
    parser.add_argument("--mandate", type=Path, default=DEMO, help="default: the mandate of the demo")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    chosen = parser.parse_args()
    found = compare(chosen.mandate, max(1, chosen.rounds), lambda line: print(line, file=sys.stderr, flush=True))
    if chosen.json:
        print(json.dumps(found))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
