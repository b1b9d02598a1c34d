"""The least that durable rows cost: the plain driver, one table, rows made beforehand, nothing looked at.

``Alone`` commits row after row; ``batch`` many in one commit. ``grouped`` is what any program with one writer can do at
best: fifty tasks that each wait for their row, and a thread that commits whatever waits.
"""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from executor.journal.open import Place
from executor.journal.sqlite import CHECKPOINT_EVERY
from executor.journal.store import Row


class Bare(Protocol):
    """A database that takes rows and nothing else."""

    def commit(self, rows: Sequence[Row]) -> None:
        """Make all of them durable at once."""

    def close(self) -> None: ...


class BareSqlite:
    """``sqlite3`` with the settings of the journal."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS bare (seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, "
            "case_id TEXT, kind TEXT, at TEXT, line TEXT, UNIQUE (stream, version)) STRICT"
        )
        self._commits = 0

    def commit(self, rows: Sequence[Row]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT INTO bare (stream, version, case_id, kind, at, line) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
        self._db.execute("COMMIT")
        self._commits += 1
        if self._commits % CHECKPOINT_EVERY == 0:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        self._db.close()


class BarePostgres:
    """``psycopg`` on one connection, one statement for all rows of a commit."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._db = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://", 1), autocommit=True)
        self._db.execute("SET synchronous_commit = on")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS bare (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
            'stream TEXT COLLATE "C" NOT NULL, '
            "version BIGINT NOT NULL, case_id TEXT, kind TEXT, at TEXT, line TEXT, UNIQUE (stream, version))"
        )

    def commit(self, rows: Sequence[Row]) -> None:
        self._db.execute(
            "INSERT INTO bare (stream, version, case_id, kind, at, line) SELECT * FROM unnest(%s::text[], "
            "%s::bigint[], %s::text[], %s::text[], %s::text[], %b::text[])",
            [list(column) for column in zip(*rows, strict=True)],
        )

    def close(self) -> None:
        self._db.close()


def bare_at(place: Place) -> Bare:
    """A table beside the journal at ``place``: on the same disk or in the same server, growing as the journal grows."""
    return BareSqlite(place.with_suffix(".bare")) if isinstance(place, Path) else BarePostgres(place)


def alone(bare: Bare, rows: Sequence[Row]) -> float:
    """Rows per second, a commit for each."""
    began = time.perf_counter()
    for row in rows:
        bare.commit([row])
    return len(rows) / (time.perf_counter() - began)


def batches(bare: Bare, rows: Sequence[Row], size: int) -> float:
    """Rows per second, ``size`` in each commit, nobody waiting."""
    began = time.perf_counter()
    for start in range(0, len(rows), size):
        bare.commit(rows[start : start + size])
    return len(rows) / (time.perf_counter() - began)


def grouped(bare: Bare, streams: Sequence[Sequence[Row]]) -> float:
    """Rows per second with a task for each stream that waits until its row is durable before it hands in the next."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        waiting: list[tuple[Row, asyncio.Future[None]]] = []
        wake = asyncio.Event()
        thread = ThreadPoolExecutor(1)

        async def writer() -> None:
            while True:
                await wake.wait()
                wake.clear()
                batch = waiting[:]
                waiting.clear()
                await loop.run_in_executor(thread, bare.commit, [row for row, _ in batch])
                for _, durable in batch:
                    durable.set_result(None)

        async def stream(rows: Sequence[Row]) -> None:
            for row in rows:
                durable: asyncio.Future[None] = loop.create_future()
                waiting.append((row, durable))
                wake.set()
                await durable

        task = asyncio.create_task(writer())
        began = time.perf_counter()
        await asyncio.gather(*(stream(rows) for rows in streams))
        spent = time.perf_counter() - began
        task.cancel()
        thread.shutdown()
        return sum(map(len, streams)) / spent

    return asyncio.run(main())
