"""Many points in one test: each has venues, ports and a journal of its own, and mostly waits, so several run at once.

Every point that was run is kept as a property of its test, from which the closing line of the test run is made.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.crash.points import Kind
from tests.crash.summary import REACHED, RUN

AT_ONCE = 4


@dataclass(frozen=True)
class Point:
    """The ``number``-th call of a kind, and what is done to it."""

    kind: Kind
    number: int
    what: str = "kill"

    def __str__(self) -> str:
        return f"{self.what} {self.kind.name} {self.number}".replace(" ", "-").replace(":", "").replace("'", "")


def run_points(
    points: Sequence[Point], check: Callable[[Point], bool], record_property: Callable[[str, Any], None]
) -> None:
    """Check every point, several at once; ``check`` says whether it was reached. Fails naming each that fails."""

    def one(point: Point) -> tuple[Point, bool, str]:
        try:
            return point, check(point), ""
        except Exception as error:
            return point, True, f"{point}: {type(error).__name__}: {error}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(one, points))
    record_property(RUN, len(results))
    record_property(REACHED, sum(reached for _, reached, _ in results))
    faults = [fault for _, _, fault in results if fault]
    assert not faults, "\n".join(faults)


def batches(points: Iterable[Point], size: int) -> list[list[Point]]:
    """``points`` in lists of ``size``."""
    every = list(points)
    return [every[start : start + size] for start in range(0, len(every), size)]
