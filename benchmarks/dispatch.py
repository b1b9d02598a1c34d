"""``python -m benchmarks.dispatch``: leases beside DBOS Transact as what decides who runs which parent order.

Both on one PostgreSQL, with the same terms (a heartbeat each second, dead after six), three worker processes, and a
parent order that does nothing but say every half second who runs it. DBOS is used thinly: one workflow for each, no
steps, a heartbeat and resumption by ourselves, for it has none. It is no dependency: ``DBOS_PATH`` names a folder with
it (``pip install --target``); without that only the leases are measured.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any, cast

import psycopg

from adapters.clock import SetClock
from executor.engine.runner import Runner
from executor.journal.open import open_store
from executor.workers.lease import Lease
from executor.workers.roster import SERVES, Roster
from executor.workers.worker import Job, Worker
from tests.postgresql import Server

WORKERS = 3
TICK_S, BEAT_S, TERM_S = 0.5, 1.0, 6.0
_TABLES = """
    CREATE TABLE ticks (parent TEXT PRIMARY KEY, owner TEXT NOT NULL, at TIMESTAMPTZ NOT NULL);
    CREATE TABLE beats (owner TEXT PRIMARY KEY, at TIMESTAMPTZ NOT NULL, state TEXT NOT NULL DEFAULT 'up');
"""
_TICK = """
    INSERT INTO ticks SELECT unnest(%s::text[]), %s, clock_timestamp()
    ON CONFLICT (parent) DO UPDATE SET owner = excluded.owner, at = excluded.at
"""
_WORK = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"


def plain(url: str) -> str:
    return url.replace("+psycopg", "", 1)


@dataclass
class Ticking:
    """Says every half second what runs here, in one statement."""

    url: str
    owner: str
    running: set[str] = field(default_factory=set)

    def start(self) -> None:
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        with psycopg.connect(plain(self.url), autocommit=True) as db:
            while True:
                if self.running:
                    db.execute(_TICK, (sorted(self.running), self.owner))
                time.sleep(TICK_S)


# --- leases ----------------------------------------------------------------------------------------------------------


class _Stub:
    """As much of a runner as a worker knows."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()

    async def aclose(self) -> None: ...


async def leases(url: str) -> None:
    own, beating = (Roster(url, patience=timedelta(seconds=60)) for _ in range(2))
    name = own.join("w", "mock", "benchmark", "key")
    ticking, clock = Ticking(url, f"{name}:{os.getpid()}"), SetClock()
    worker = Worker(name, "mock", SERVES, own)
    lease = Lease(name, beating, clock, lag=worker.lag, on_death=lambda: os._exit(3), on_drain=worker.drain)
    lease.begin()
    ticking.start()

    def job(parent: str) -> Job:
        async def run() -> None:
            ticking.running.add(parent)
            await asyncio.Event().wait()

        return Job(cast(Runner, _Stub()), run)

    print("up", flush=True)
    await worker.work(job)


# --- DBOS ------------------------------------------------------------------------------------------------------------


def _dbos(url: str, executor: str) -> Any:
    sys.path.append(os.environ["DBOS_PATH"])
    from dbos import DBOS  # type: ignore[import-not-found]

    config = {
        "name": "dispatch",
        "system_database_url": plain(url),
        "executor_id": executor,
        "application_version": "journal-1",
        "log_level": "ERROR",
    }
    DBOS(config=config)
    return DBOS


def dbos(url: str) -> None:
    name = uuid.uuid4().hex
    engine, ticking = _dbos(url, name), Ticking(url, f"{name}:{os.getpid()}")

    @engine.workflow(name="parent", max_recovery_attempts=None)  # type: ignore[untyped-decorator]
    async def parent(parent: str) -> None:
        ticking.running.add(parent)
        await asyncio.Event().wait()

    engine.launch()
    engine.register_queue("parents", worker_concurrency=200, polling_interval_sec=TICK_S)
    ticking.start()
    threading.Thread(target=_watch, args=(url, name, engine), daemon=True).start()
    print("up", flush=True)
    threading.Event().wait()


def _watch(url: str, name: str, engine: Any) -> None:
    """The heartbeat, and what survivors do for the dead."""
    with psycopg.connect(plain(url), autocommit=True) as db:
        db.execute("INSERT INTO beats VALUES (%s, clock_timestamp())", (name,))
        while True:
            time.sleep(BEAT_S)
            beat = "UPDATE beats SET at = clock_timestamp() WHERE owner = %s AND state = 'up' RETURNING owner"
            if not db.execute(beat, (name,)).fetchall():
                os._exit(3)
            limit = timedelta(seconds=TERM_S)
            db.execute("UPDATE beats SET state = 'dead' WHERE state = 'up' AND at < clock_timestamp() - %s", (limit,))
            for (dead,) in db.execute("SELECT owner FROM beats WHERE state = 'dead'").fetchall():
                found = engine.list_workflows(status="PENDING", executor_id=dead, load_input=False, load_output=False)
                if found:
                    engine.resume_workflows([each.workflow_id for each in found], queue_name="parents")
                else:
                    db.execute("UPDATE beats SET state = 'gone' WHERE owner = %s", (dead,))


# --- the trial -------------------------------------------------------------------------------------------------------


def submit_leases(url: str, parents: list[str]) -> None:
    roster = Roster(url, patience=timedelta(seconds=60))
    for parent in parents:
        roster.submit(parent, "mock")
    roster.close()


def submit_dbos(url: str, parents: list[str]) -> None:
    sys.path.append(os.environ["DBOS_PATH"])
    from dbos import DBOSClient

    client = DBOSClient(system_database_url=plain(url))
    for parent in parents:
        options = {"queue_name": "parents", "workflow_name": "parent", "workflow_id": parent}
        client.enqueue({**options, "app_version": "journal-1"}, parent)


class Trial:
    """Three workers of one arrangement, on a schema of its own."""

    def __init__(self, server: Server, how: str) -> None:
        self.url = server.url()
        open_store(self.url).close()
        self.db = psycopg.connect(plain(self.url), autocommit=True)
        self.db.execute(_TABLES.encode())
        Roster(self.url, patience=timedelta(0)).prepare()
        command = [sys.executable, "-m", "benchmarks.dispatch", "--worker", how, "--journal", self.url]
        self.workers = []
        for _ in range(WORKERS):
            self.workers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            assert cast(Any, self.workers[-1].stdout).readline() == b"up\n"

    def owners(self) -> dict[str, str]:
        return dict(cast(Any, self.db.execute("SELECT parent, owner FROM ticks").fetchall()))

    def until(self, true: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 120
        while not true():
            assert time.monotonic() < give_up, "it did not happen"
            time.sleep(0.1)

    def load(self, seconds: float) -> tuple[float, float]:
        """Transactions a second, and the workers' share of one CPU in percent."""
        before, cpu = self._done(), self._cpu()
        time.sleep(seconds)
        return (self._done() - before) / seconds, 100 * (self._cpu() - cpu) / seconds

    def _done(self) -> int:
        time.sleep(1)  # the server's counters are brought up to date once a second
        self.db.execute("SELECT pg_stat_clear_snapshot()")
        return int(cast(Any, self.db.execute(_WORK).fetchone())[0])

    def _cpu(self) -> float:
        fields = [open(f"/proc/{each.pid}/stat").read().rsplit(")", 1)[1].split() for each in self.workers]  # noqa: SIM115
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        for each in self.workers:
            each.kill()
            each.wait()
        self.db.close()


def measured(server: Server, how: str, count: int) -> dict[str, object]:
    """Idle load, start and take-over of one arrangement."""
    submit = submit_leases if how == "leases" else submit_dbos
    trial, parents = Trial(server, how), [f"p{number:04}" for number in range(count)]
    try:
        told: dict[str, object] = {"arrangement": how, "parents": count}
        seen = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        connections = cast(Any, trial.db.execute(seen).fetchone())[0] - 1 - WORKERS  # without ours and the ticks'
        told["connections for each worker"] = round(connections / WORKERS, 1)
        told["idle, transactions/s"], told["idle, CPU %"] = (round(each, 1) for each in trial.load(10))
        began, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        submit(trial.url, parents)
        told["submit, ms each"] = round((time.monotonic() - began) / count * 1000, 1)
        began = time.monotonic()
        trial.until(lambda: len(trial.owners()) == count)
        told["all running after, s"] = round(time.monotonic() - began, 1)
        told["submit, CPU ms each"] = round(
            (resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu.ru_utime) / count * 1000, 1
        )
        told["running, transactions/s"], told["running, CPU %"] = (round(each, 1) for each in trial.load(10))
        told |= killed(trial)
        return told
    finally:
        trial.end()


def killed(trial: Trial) -> dict[str, object]:
    """Kill one worker; how long until each of its parent orders runs elsewhere."""
    before = trial.owners()
    ((busiest, _),) = Counter(before.values()).most_common(1)
    os.kill(int(busiest.rpartition(":")[2]), signal.SIGKILL)
    died, back = time.monotonic(), dict[str, float]()

    def all_back() -> bool:
        now = trial.owners()
        for parent, owner in now.items():
            if owner != before[parent]:
                back.setdefault(parent, time.monotonic() - died)
        return busiest not in now.values()

    trial.until(all_back)
    return {
        "orphans": len(back),
        "running again, median s": round(median(back.values()), 1),
        "running again, last s": round(max(back.values()), 1),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parents", type=int, default=300)
    options.add_argument("--worker", help=argparse.SUPPRESS)
    options.add_argument("--journal", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.worker == "leases":
        asyncio.run(leases(chosen.journal))
    elif chosen.worker == "dbos":
        dbos(chosen.journal)
    else:
        running = Server()
        try:
            for how in ("leases", "dbos") if "DBOS_PATH" in os.environ else ("leases",):
                print(json.dumps(measured(running, how, chosen.parents)))
        finally:
            running.close()
