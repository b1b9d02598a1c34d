"""One world: a scenario run to its end under a virtual clock, with its faults, its restarts and its watch.

A world is a function of its scenario: the same one gives the same record, byte for byte.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
from structlog.testing import capture_logs

from adapters.clock import LoopClock
from adapters.mock.faults import PROCESS, Draws, Fault, FaultKind, Faults
from adapters.mock.faulty_venue import VenueFaults
from adapters.mock.faulty_wire import FaultyWire
from adapters.mock.world import Credit, MockWorld, WorldSpec
from executor.domain.orders import ChildStatus, ParentStatus
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.virtual_time import VirtualTimeLoop, run_virtual
from executor.errors import (
    CredentialsRefused,
    Interrupted,
    JournalFailed,
    RuleRefused,
    Stopped,
    VenueUnreachable,
)
from executor.journal.journal import Journal, Store
from executor.journal.sqlite import Row
from executor.simulation.invariants import Checker
from executor.simulation.operator import Operator
from executor.simulation.process import ONE_WAY, Disk, Doom, FaultyStore, Ill, MemoryStore, Process, disk_store
from executor.simulation.scenario import START, START_PX, Scenario

K = FaultKind
_STARTS = 30  # of processes in one world; faults end after the first _ILL_STARTS of them
_ILL_STARTS = 20
_AFTERMATH = timedelta(seconds=30)  # for what is still on the wire
_ENDS = (ParentStatus.COMPLETED, ParentStatus.ENDED, ParentStatus.HALTED)
# What a process may end with when the world is hard on it. Anything else is a fault of the program.
_FAIR = (Stopped, Interrupted, JournalFailed, RuleRefused, CredentialsRefused, VenueUnreachable)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a world. ``end`` is the parent's last status, or ``refused`` if it never began."""

    seed: int
    end: str
    why: str
    breaches: tuple[str, ...]
    hits: dict[str, int]
    digest: str
    starts: int
    events: int
    parked: int
    sold: str
    lasted: timedelta


@dataclass(slots=True)
class _Illness(Disk):
    """The disk of the machine: well, failing the next commit, or full for a while."""

    world: "World"
    next_commit: Ill = Ill.NOTHING
    full: Fault | None = None

    def illness(self) -> Ill:
        if self.full is not None:
            if self.full.left > 0 and self.world.clock.now() < self.full.until:
                self.world.faults.count(K.DISK_FULL)
                return Ill.FULL
            self.full = None
        ill, self.next_commit = self.next_commit, Ill.NOTHING
        if ill is not Ill.NOTHING:
            self.world.faults.count(K.JOURNAL_ERROR)
        return ill

    def durable(self, rows: Sequence[Row]) -> None:
        self.world.checker.durable(rows)


@dataclass(slots=True)
class World:
    """The parts of a running world."""

    scenario: Scenario
    store: Store
    clock: LoopClock = field(default_factory=lambda: LoopClock(START))
    ours: LoopClock = field(default_factory=lambda: LoopClock(START))
    processes: list[Process] = field(default_factory=list)
    draws: Draws = field(init=False)
    faults: Faults = field(init=False)
    mock: MockWorld = field(init=False)
    venue_faults: VenueFaults = field(init=False)
    checker: Checker = field(init=False)
    disk: _Illness = field(init=False)
    operator: Operator = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.draws = Draws(f"chance/{scenario.seed}")
        self.faults = Faults(scenario.faults, self.clock)
        credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in scenario.mandate.credited]
        spec = WorldSpec("BTC", "USD", scenario.seed, START - timedelta(minutes=1), START_PX, credits)
        self.mock = MockWorld(spec, self.clock)
        self.venue_faults = VenueFaults(
            self.faults,
            self.clock,
            market=self.mock.market,
            books=self.mock.books,
            exchanges=self.mock.exchanges,
            apps=self.mock.apps,
            floor_px=scenario.plan.floor_px,
        )
        self.checker = Checker(self.mock, scenario.plan)
        self.disk = _Illness(self)
        self.operator = Operator(self.mock, self.clock)

    # --- processes --------------------------------------------------------------------------------------------------

    def start(self) -> Process:
        """Start a process on the journal as it stands."""
        process = Process(
            len(self.processes) + 1,
            self.scenario.mandate,
            self.scenario.plan,
            self.ours,
            wire=self._wire,
            store=self.store,
            disk=self.disk,
            killed=lambda: self.faults.count(K.KILLED),
        )
        self.processes.append(process)
        return process

    def _wire(self, venue: str, process: int, dies: Callable[[str], bool]) -> FaultyWire:
        return FaultyWire(
            httpx.ASGITransport(self.mock.apps[venue]),
            venue,
            self.faults,
            self.venue_faults,
            process=process,
            watch=self.checker,
            one_way=ONE_WAY,
            dies=dies,
        )

    @property
    def alive(self) -> list[Process]:
        """The processes that run."""
        return [process for process in self.processes if not process.task.done()]

    # --- a life -----------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Run processes, one after the other, until the parent order has come to an end."""
        scenario = self.scenario
        await prepare_rehearsal(Journal(self.store, threaded=False), scenario.mandate, scenario.plan, START)
        trouble = asyncio.get_running_loop().create_task(self._trouble())
        for attempt in range(_STARTS):
            if attempt == _ILL_STARTS:
                self.heal()
            self.start()
            while self.alive:
                await self.alive[0].ended()
            state = self.checker.state
            if await self.operator.attend(state, FaultyStore(self.store, self.disk, lambda _: False)):
                continue
            if state.created is not None and state.status in _ENDS:
                break
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=self.draws.between(1, 90)))
        trouble.cancel()
        self.heal()
        await self.clock.sleep_until(self.clock.now() + _AFTERMATH)

    def heal(self) -> None:
        """End every fault."""
        self.faults.over()
        self.venue_faults.heal()

    async def _trouble(self) -> None:
        """The faults of the process and its machine, each at its time."""
        for fault in self.scenario.faults:
            if fault.kind in (K.CLOCK_AHEAD, K.CLOCK_BEHIND):
                self._skew(fault)
        for fault in self.scenario.faults:
            if fault.kind in PROCESS and fault.kind not in (K.CLOCK_AHEAD, K.CLOCK_BEHIND):
                await self.clock.sleep_until(fault.at)
                self._strike(fault)

    def _skew(self, fault: Fault) -> None:
        """A clock that has been wrong since before the first process began."""
        off = timedelta(milliseconds=fault.draws.between(200, 20_000))
        self.ours.skew += off if fault.kind is K.CLOCK_AHEAD else -off
        self.faults.hit(fault)

    def _strike(self, fault: Fault) -> None:
        running = self.alive
        if fault.left <= 0:
            return
        if fault.kind is K.KILLED:
            for process in running:
                process.doom = fault.draws.pick(list(Doom))
                if process.doom is Doom.NOW:
                    process.kill()
        elif fault.kind is K.PAUSED and running:
            loop = cast(VirtualTimeLoop, asyncio.get_running_loop())
            loop.stand_still(fault.seconds or fault.draws.pick((3, 12, 40, 150, 600)))
            self.faults.hit(fault)
        elif fault.kind is K.TWO_PROCESSES and len(running) == 1:
            self.start()
            self.faults.hit(fault)
        elif fault.kind is K.CLOCK_JUMP:
            off = timedelta(milliseconds=fault.draws.between(500, 30_000))
            self.ours.skew += off if fault.draws.chance(50) else -off
            self.faults.hit(fault)
        elif fault.kind is K.JOURNAL_ERROR:
            self.disk.next_commit = fault.draws.pick((Ill.NOT_WRITTEN, Ill.WRITTEN))
        elif fault.kind is K.DISK_FULL:
            fault.until = self.clock.now() + timedelta(seconds=fault.draws.between(10, 120))
            self.disk.full = fault

    # --- the end ----------------------------------------------------------------------------------------------------

    def judge(self) -> Outcome:
        """Take the last look and say what became of the world."""
        checker, state = self.checker, self.checker.state
        ill = [process for process in self.processes if process.error is not None or process.died]
        for process in self.processes:
            if process.error is not None and not isinstance(process.error, _FAIR):
                checker.breach(f"a process ended with {type(process.error).__name__}: {process.error}")
        if state.created is None:
            end, why = "refused", str(self.processes[-1].error)
            if self.checker.sold():
                checker.breach("something was sold before the parent order was in the record")
        else:
            end, why = str(state.status), f"{state.status_rule} {state.status_reason}".strip()
            if state.status not in _ENDS:
                checker.breach(f"the world did not end: {state.status} after {len(self.processes)} processes")
            checker.last_look(process.number for process in ill)
            if not ill or self.processes[-1] not in ill:
                checker.agrees(self.processes[-1].runner.state)
        return Outcome(
            seed=self.scenario.seed,
            end=end,
            why=why,
            breaches=tuple(checker.breaches),
            hits={kind.name: count for kind, count in sorted(self.faults.hits.items())},
            digest=digest(checker.lines),
            starts=len(self.processes),
            events=len(checker.lines),
            parked=sum(child.status is ChildStatus.PARKED for child in state.children.values()),
            sold=str(state.cum_qty),
            lasted=self.clock.now() - START,
        )


def digest(lines: Sequence[str]) -> str:
    """SHA-256 of the record, every line with its end."""
    return hashlib.sha256("".join(f"{text}\n" for text in lines).encode()).hexdigest()


def run_world(scenario: Scenario) -> Outcome:
    """Run ``scenario`` from its beginning to its end."""

    async def life(store: Store) -> Outcome:
        # Futures of dead processes are nobody's to wait for; what their faults mean is for the watch to say.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        world = World(scenario, store)
        await world.live()
        return world.judge()

    with ExitStack() as stack:
        stack.enter_context(capture_logs())
        store: Store = MemoryStore()
        if scenario.on_disk:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="world-"))
            store = disk_store(Path(folder))
            stack.callback(store.close)
        return run_virtual(life(store))
