"""Workers as real processes, on one journal in a real PostgreSQL, selling on a mocked venue over sockets.

The venue has a door for each worker, and asks the journal about each order at the moment at which it arrives. At the
end its own book is laid beside the record: they must say the same, to the last digit.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.clock import steady
from executor.domain.events import ChildIntended, ChildResent, ParentTaken
from executor.domain.orders import ParentStatus
from executor.domain.parent import Parent
from executor.journal.line import Line, decode
from executor.workers.roster import Roster, WorkerSeen
from tests.cli.commands import ROOT, Table, call, environment, plan, twap, write_mandate
from tests.postgresql import Server

COINS = Decimal(600)
DOORS = 4
DAILY_CAP = Decimal(10_000_000)  # of value at the venue, over all parent orders
_LONG = timedelta(seconds=60)
_pause = threading.Event()
PATIENCE_S = 120
FEW = 6
HUNDREDS = 100
_LAUNCH = "from executor.cli.main import main; main()"
# A machine whose clock is wrong, and a program that knows one schema more than this one.
SKEWED = (
    "from datetime import timedelta; import adapters.clock as c; right = c.SystemClock.now; "
    "c.SystemClock.now = lambda self: right(self) + timedelta(seconds={seconds}); " + _LAUNCH
)
NEWER = (
    "import executor.journal.sql as s; "
    "s.MIGRATIONS += (s.Sql(sqlite='SELECT 1', postgres='CREATE TABLE something_newer (one INTEGER)'),); " + _LAUNCH
)


@dataclass
class Process:
    """One worker: its process, its name in the roster, the file in which it says what it does, and its door at the
    venue."""

    process: subprocess.Popen[bytes]
    said: Path
    name: str = ""
    port: int = 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(PATIENCE_S)

    @property
    def told(self) -> str:
        """What it said on stderr."""
        return self.said.read_text(errors="replace")


@dataclass(frozen=True)
class Arrival:
    """An order as it came to the venue: when, its id, and from which worker."""

    at: datetime
    client_order_id: str
    worker: str


@dataclass
class Stage:
    """One journal, one venue, and the workers that were started."""

    folder: Path
    server: Server
    url: str
    env: Mapping[str, str]
    ports: Sequence[int]
    cap: Decimal = DAILY_CAP
    workers: list[Process] = field(default_factory=list)
    parents: dict[str, Decimal] = field(default_factory=dict)

    # --- processes ----------------------------------------------------------------------------------------------

    def launch(self, launch: str = _LAUNCH, *, url: str = "", name: str = "w") -> Process:
        """Start one more worker."""
        number = len(self.workers)
        said, door = (
            self.folder / f"worker-{number}.log",
            {"EXECUTOR_VENUES_DIR": str(self.folder / f"venues-{number}")},
        )
        command = [sys.executable, "-c", launch, "worker", "--on", "mock", "--name", name]
        with said.open("wb") as log:
            process = subprocess.Popen(
                [*command, "--journal", url or self.url],
                cwd=ROOT,
                env=environment({**self.env, **door}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(Process(process, said, port=self.ports[number]))
        return self.workers[-1]

    def worker(self, launch: str = _LAUNCH, *, url: str = "", name: str = "w") -> Process:
        """Start one more and wait until it takes work."""
        one = self.launch(launch, url=url, name=name)

        def there() -> bool:
            assert one.process.poll() is None, one.told[-3000:]
            said = [json.loads(line) for line in one.told.splitlines() if '"worker_joined"' in line]
            one.name = said[0]["worker"] if said else ""
            return bool(said)

        self.until(there)
        return one

    def drain(self, one: Process) -> None:
        """Have it hand over, as a person does."""
        done = call("drain", one.name, "--journal", self.url)
        assert done.returncode == 0, done.stderr

    def pause(self, seconds: float) -> None:
        """Let time go by in which something might happen that must not."""
        _pause.wait(seconds)

    def submit(self, count: int) -> None:
        """Hand ``count`` cases to the workers: each crosses the book every few seconds, on HashKey alone."""
        table = small() if count <= FEW else large() if count <= HUNDREDS else largest()
        table["caps"] = {"venue_value_per_day": str(self.cap), "day_boundary": far_from_midnight()}
        self.folder.joinpath("cases").mkdir(exist_ok=True)
        for _ in range(count):
            case = f"F-{len(self.parents) + 1}"
            mandate = write_mandate(self.folder / "cases", table, case_id=case)
            done = call(
                "submit", mandate, "--on", "mock", "--rehearse", "--who", "Li", "--journal", self.url, env=self.env
            )
            assert done.returncode == 0, done.stderr
            self.parents[done.stdout.split()[3]] = Decimal(table["qty"])

    # --- looking ------------------------------------------------------------------------------------------------

    def roster(self, *, every: bool = False) -> list[WorkerSeen]:
        """The workers as the database knows them."""
        roster = Roster(self.url, patience=_LONG)
        try:
            roster.prepare()
            return roster.workers(every=every)
        finally:
            roster.close()

    def until(self, true: Any, seconds: float = PATIENCE_S) -> None:
        """Wait until ``true()``."""
        give_up = steady().total_seconds() + seconds
        while not true():
            assert steady().total_seconds() < give_up, "".join(each.told[-2000:] for each in self.workers)
            _pause.wait(0.2)

    def run_by(self, name: str) -> list[str]:
        """The parent orders of one worker."""
        return next((each.parents for each in self.roster() if each.name == name), [])

    def lines(self) -> list[Line]:
        """Every event of the parent orders, in the order of the record."""
        with self.server.connect(self.url) as db:
            found = db.execute("SELECT line FROM events WHERE stream >= 'parent/' AND stream < 'parent0' ORDER BY seq")
            return [decode(str(line)) for (line,) in found]

    def states(self) -> dict[str, Parent]:
        """Every parent order, folded."""
        states: dict[str, Parent] = {}
        for line in self.lines():
            states.setdefault(line.stream.removeprefix("parent/"), Parent()).apply(line.event, line.at)
        return states

    def now(self) -> datetime:
        """The database's time."""
        with self.server.connect(self.url) as db:
            ((now,),) = db.execute("SELECT clock_timestamp()").fetchall()
        assert isinstance(now, datetime)
        return now

    def seen(self) -> Table:
        """What the venue has seen."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[-1]}/seen", timeout=30) as answer:
            found: Table = json.load(answer)
        return found

    def orders(self) -> list[Arrival]:
        """Every order that has arrived at the venue."""
        names = {each.port: each.name for each in self.workers}
        return [Arrival(datetime.fromisoformat(at), each, names[port]) for at, each, port in self.seen()["orders"]]

    def sent_after(self, one: Process, moment: datetime) -> list[float]:
        """When orders of this worker arrived after ``moment``, in seconds from then."""
        found = [each for each in self.orders() if each.worker == one.name and each.at > moment]
        return [(each.at - moment).total_seconds() for each in found]

    def finished(self, seconds: float = 3 * PATIENCE_S) -> None:
        """Wait until every parent order is done, or left for a person."""

        def all_done() -> bool:
            with self.server.connect(self.url) as db:
                # One that is left for a person stays open, and is looked at again and again.
                statement = "SELECT count(*) FROM work WHERE state = 'open' AND said NOT LIKE '%left for a person%'"
                ((left,),) = db.execute(statement).fetchall()
            return left == 0

        self.until(all_done, seconds)

    # --- what must hold -----------------------------------------------------------------------------------------

    def check(self, *, newer: bool = False) -> dict[str, Parent]:
        """Every parent order exact, nothing sent that was not journalled first, no id twice but as the record says;
        unless a ``newer`` program has written it, which this one does not read, the record verifies."""
        states, seen = self.states(), self.seen()
        assert seen["unjournalled"] == []
        assert seen["resting"] == []
        assert set(states) == set(self.parents)
        self._sent_by_whom_it_was_written()
        trades = [trade for state in states.values() for _, trade in state.trades]
        assert sorted(trades) == sorted(seen["trades"])
        for parent, qty in self.parents.items():
            state = states[parent]
            sold = Decimal(seen["sold"].get(parent, "0"))
            assert state.cum_qty == sold <= qty
            assert not state.breaks, state.breaks
            left = {child.client_order_id: child.outcome for child in state.open.values()}
            assert not left, f"left for a person: {left}"
            # The market does not take everything at once; a window that ends first leaves the rest, and says so.
            late = state.status is ParentStatus.ENDED and state.now >= state.spec.ends_at + state.idle
            assert late or (state.status is ParentStatus.COMPLETED and sold == qty), f"{parent}: {state.status}"
        assert COINS - Decimal(seen["coins"]) == sum(state.cum_qty for state in states.values())
        fees = sum((sum(state.total.fees.values()) for state in states.values()), Decimal(0))
        value = sum((state.total.notional for state in states.values()), Decimal(0))
        assert Decimal(seen["cash"]) == value - fees
        with self.server.connect(self.url) as db:
            counted = db.execute("SELECT sum(used) FROM counters WHERE counter LIKE '%venue_value_per_day%'").fetchone()
        assert counted is not None
        assert counted[0] == value <= self.cap
        if not newer:
            assert call("checkpoint", "--journal", self.url, env=self.env).returncode == 0
            verified = call("verify", "--journal", self.url, env=self.env)
            assert verified.returncode == 0, verified.stderr
        return states

    def _sent_by_whom_it_was_written(self) -> None:
        """Every order came from the worker that had written that it would send it, and no more often."""
        owners: dict[str, str] = {}
        written: dict[str, Counter[str]] = {}
        for line in self.lines():
            if isinstance(line.event, ParentTaken):
                owners[line.stream] = line.event.owner
            elif isinstance(line.event, ChildIntended | ChildResent):
                written.setdefault(line.event.client_order_id, Counter())[owners[line.stream]] += 1
        sent: dict[str, Counter[str]] = {}
        for each in self.orders():
            sent.setdefault(each.client_order_id, Counter())[each.worker] += 1
        strange = {each: dict(found) for each, found in sent.items() if not found <= written[each]}
        assert strange == {}, f"sent by others or more often than the record says: {strange}"


def many() -> int:
    """How many parent orders a test hands over: ``FAILOVER_PARENTS``, else a few."""
    return int(os.environ.get("FAILOVER_PARENTS", FEW))


def small() -> Table:
    """Twenty seconds in slices of two."""
    return _plan("0.01", slices=10, seconds=20)


def large() -> Table:
    """Two minutes in slices of ten seconds: for dozens at once."""
    return _plan("0.02", slices=12, seconds=120)


def largest() -> Table:
    """Four minutes in slices of thirty seconds: for hundreds at once."""
    return _plan("0.02", slices=8, seconds=240)


def far_from_midnight() -> str:
    """A boundary of days that is about twelve hours away, as an offset from UTC: the day does not turn meanwhile."""
    east = 12 - datetime.now(UTC).hour
    return f"{'-' if east < 0 else '+'}{abs(east):02}:00"


def _plan(qty: str, *, slices: int, seconds: int) -> Table:
    leg = twap(qty, slices=slices, catch_up="5", min_notional="10")
    return plan(leg, qty=qty, floor_px="50000", duration=f"{seconds}s", venues=["hashkey"])


@contextmanager
def stage(folder: Path, server: Server, cap: Decimal = DAILY_CAP) -> Iterator[Stage]:
    """A journal and a venue; whatever was started is ended."""
    with ExitStack() as ending:
        url = server.url()
        env = {"EXECUTOR_RECORD_KEY": str(folder / "record.key"), "EXECUTOR_LOG_FORMAT": "json"}
        assert call("record-key", folder / "record.key").returncode == 0
        ports = _venue(folder, url, ending)
        for number, port in enumerate(ports):
            _profiles(folder / f"venues-{number}", port)
        env["EXECUTOR_VENUES_DIR"] = str(folder / "venues-0")
        found = Stage(folder, server, url, env, ports, cap)
        ending.callback(_end, found.workers)
        yield found


def _venue(folder: Path, url: str, ending: ExitStack) -> list[int]:
    log = (folder / "venue.log").open("wb")
    ending.enter_context(log)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.failover.venues", str(DOORS), url],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
    )
    ending.callback(_end, [Process(process, folder / "venue.log")])
    assert process.stdout is not None
    ending.enter_context(process.stdout)
    ports = [int(port) for port in process.stdout.readline().split()]
    assert len(ports) == DOORS, f"no venue: {(folder / 'venue.log').read_text()[-2000:]}"
    return ports


def _profiles(folder: Path, port: int) -> None:
    folder.mkdir()
    text = (ROOT / "config" / "venues" / "hashkey-mock.toml").read_text(encoding="utf-8")
    quick = 'queries_per_second = "1000"\norders_per_second = "1000"\nquiet_period = "PT2S"\nlooks = 2\n'
    text = text.replace(":18081", f":{port}").replace("[settings]\n", f"[settings]\n{quick}", 1)
    (folder / "hashkey-mock.toml").write_text(text, encoding="utf-8")


def _end(processes: Sequence[Process]) -> None:
    for each in processes:
        if each.process.poll() is None:
            os.kill(each.process.pid, signal.SIGCONT)
            each.process.kill()
        each.process.wait(PATIENCE_S)
