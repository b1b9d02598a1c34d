"""Many worlds: runs seeds, adds up what was hit, and says in one line how to see a failing one again."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from adapters.mock.faults import FaultKind
from executor.simulation.scenario import drawn
from executor.simulation.world import Outcome, run_world

_CHUNK = 10


@dataclass(slots=True)
class Report:
    """What came out of a run. ``failing`` holds the worlds in which something broke."""

    faults: str
    worlds: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    worlds_hit: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    events: int = 0
    failing: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one world."""
        self.worlds += 1
        self.hits.update(outcome.hits)
        self.worlds_hit.update(outcome.hits.keys())
        self.ends[outcome.end] += 1
        self.starts += outcome.starts
        self.events += outcome.events
        if outcome.breaches:
            self.failing.append(outcome)

    def again(self, outcome: Outcome) -> str:
        """The line that replays a world bit for bit."""
        return f"executor simulate --seeds {outcome.seed} --faults {self.faults}"


def kinds_named(text: str) -> tuple[FaultKind, ...]:
    """The kinds that ``all``, ``none`` or a list of names with commas stands for. Raises ``ValueError``."""
    if text == "all":
        return tuple(FaultKind)
    if text == "none":
        return ()
    by_name = {kind.name.lower(): kind for kind in FaultKind}
    names = [name.strip().lower().replace("-", "_") for name in text.split(",")]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known: all, none, {', '.join(sorted(by_name))}")
    return tuple(by_name[name] for name in names)


def outcome_of(seed: int, kinds: Sequence[FaultKind]) -> Outcome:
    """Run the world of one seed."""
    return run_world(drawn(seed, kinds))


def simulate(seeds: Iterable[int], faults: str = "all", *, workers: int = 1) -> Report:
    """Run the worlds of ``seeds`` with ``faults``, in ``workers`` processes. The report does not depend on how many."""
    report = Report(faults)
    one = partial(outcome_of, kinds=kinds_named(faults))
    if workers == 1:
        for seed in seeds:
            report.add(one(seed))
        return report
    with ProcessPoolExecutor(workers) as pool:
        for outcome in pool.map(one, seeds, chunksize=_CHUNK):
            report.add(outcome)
    return report
