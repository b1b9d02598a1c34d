"""An asyncio event loop whose time is virtual: when nothing is ready to run, time jumps to the next timer.

The engine, the adapters and the mocked venues run on it unchanged; a simulated day takes seconds and every run with
the same inputs is the same, callback for callback. Real sockets do not work on it, by design: a virtual run that would
have to wait for the outside world is a mistake and is reported as :class:`Deadlock`.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_TURNS_PER_LOOK = 50
_LEAST_STEP = 1e-6  # seconds: the resolution of the clocks that read this loop


class Deadlock(RuntimeError):
    """Every task waits and no timer is set: nothing would ever happen again."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never blocks: asked to wait, it moves the clock instead."""

    elapsed = 0.0
    _asked = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Only signals come from outside: the system is asked for them now and then, not at every turn.
        self._asked += 1
        if timeout is None or self._asked % _TURNS_PER_LOOK == 0:
            ready = super().select(0)
            if ready:
                return ready
        if timeout is None:
            raise Deadlock(
                "all tasks wait for something that no timer will bring: a task awaits a real "
                "socket or thread, or an event that nobody sets"
            )
        self.elapsed += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``loop.time()`` starts at zero and moves only when there is nothing left to do now."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed

    def stand_still(self, seconds: float) -> None:
        """Let time pass while nothing runs: what a process sees that was stopped and goes on. Every timer that fell
        due meanwhile fires late, and all of them at once."""
        self._jumping.elapsed += seconds

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        # A timer closer than this would fire without moving the clock, and whoever waits for a remainder of 1e-17 (a
        # leaky bucket, for one) would set it again for ever. A real clock moves between two looks at it.
        soonest = self._jumping.elapsed + _LEAST_STEP
        return super().call_at(when if when > soonest else soonest, callback, *args, context=context)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end on a fresh virtual-time loop and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
