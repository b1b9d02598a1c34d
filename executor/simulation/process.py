"""One simulated process: a runner with adapters, a journal connection and a wire of its own, which can be killed.

A kill ends it between two instructions: what was on the wire arrives, what was durable stays, nothing else happens.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import httpx
from pydantic import SecretStr

from adapters.clock import Clock
from adapters.hashkey_wire import HashKeySettings
from adapters.mock.faulty_wire import FaultyWire
from adapters.mock.keys import API_KEY, RFQ_ACCEPT_PATH, SECRET
from adapters.mock.osl_rows import CLIENT_ID_FIELD, FIELDS
from adapters.osl_settings import OslSettings
from adapters.registry import adapter
from adapters.venue import Venue
from executor.domain.control import Hold
from executor.domain.plan import Mandate, Plan
from executor.engine.runner import Runner
from executor.engine.tuning import Tuning
from executor.errors import JournalFailed, Stopped
from executor.journal.journal import Journal, Store
from executor.journal.memory import MemoryStore as MemoryStore
from executor.journal.sqlite import Append, Row, SqliteStore


class Doom(StrEnum):
    """Where a process that is to be killed dies: at once, or the next time it gets there."""

    NOW = "now"
    BEFORE_COMMIT = "before a commit"
    AFTER_COMMIT = "after a commit"
    BEFORE_REQUEST = "before a request"
    AFTER_REQUEST = "after a request"


class Ill(StrEnum):
    """What the disk does to the next commit."""

    NOTHING = ""
    NOT_WRITTEN = "input/output error"  # and nothing was written
    WRITTEN = "input/output error at the end"  # but all of it is there
    FULL = "database or disk is full"


class Disk(Protocol):
    """The machine's disk as a process finds it, and who wants to see what becomes durable."""

    def illness(self) -> Ill:
        """What happens to the commit that is about to be made."""

    def durable(self, rows: Sequence[Row]) -> None:
        """These rows are in the record now."""


class FaultyStore:
    """The journal's database as one process reaches it."""

    def __init__(self, inner: Store, disk: Disk, dies: Callable[[Doom], bool]) -> None:
        self._inner = inner
        self._disk = disk
        self._dies = dies
        self.dead = False

    def commit(self, appends: Sequence[Append]) -> list[Stopped | None]:
        if self.dead or self._dies(Doom.BEFORE_COMMIT):
            raise JournalFailed("the process is dead")
        ill = self._disk.illness()
        if ill in (Ill.NOT_WRITTEN, Ill.FULL):
            raise JournalFailed(f"the journal cannot be written: {ill}")
        answers = self._inner.commit(appends)
        for each, refused in zip(appends, answers, strict=True):
            if refused is None:
                self._disk.durable(each.rows)
        if ill is Ill.WRITTEN:
            raise JournalFailed(f"the journal cannot be written: {ill}")
        if self._dies(Doom.AFTER_COMMIT):
            raise JournalFailed("the process is dead")
        return answers

    def holds(self, scopes: Sequence[str] | None = None) -> list[Hold]:
        return self._inner.holds(scopes)

    def used(self, counters: Sequence[str]) -> dict[str, Decimal]:
        return self._inner.used(counters)

    def read(self, stream: str, after: int = 0) -> Iterator[str]:
        return self._inner.read(stream, after)

    def streams(self, prefix: str) -> list[str]:
        return self._inner.streams(prefix)

    def edges(self, streams: Sequence[str], *, last: bool) -> Iterator[str]:
        return self._inner.edges(streams, last=last)

    def wait_for_appends(self) -> None:
        self._inner.wait_for_appends()

    def settled(self) -> int:
        return self._inner.settled()

    def tail(self, after: int, empty: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
        return self._inner.tail(after, empty, kinds)

    def news(self, known: Mapping[str, int], kinds: Sequence[str]) -> Iterator[str]:
        return self._inner.news(known, kinds)

    def close(self) -> None:
        self._inner.close()


_TUNING = Tuning(control=timedelta(seconds=10))  # people act seldom here, and looking every second takes time
ONE_WAY = timedelta(milliseconds=50)
NOWHERE = "http://127.0.0.1:1"  # the wire ends in the mock whatever the address

Wire = Callable[[str, int, Callable[[str], bool]], FaultyWire]
"""Makes the wire to a venue for a process; the function says whether the process dies at that point."""


class Process:
    """A started runner. ``died`` is true once it was killed; ``error`` is what its run ended with, if not well."""

    def __init__(
        self,
        number: int,
        mandate: Mandate,
        plan: Plan,
        clock: Clock,
        *,
        wire: Wire,
        store: Store,
        disk: Disk,
        killed: Callable[[], None],
    ) -> None:
        self.number = number
        self.doom: Doom | None = None
        self.died = False
        self.error: BaseException | None = None
        self._killed = killed
        self._wires = {name: wire(name, number, self._dies_at) for name in plan.venues}
        self._store = FaultyStore(store, disk, self._dies_at)
        venues = connect(self._wires, clock)
        journal = Journal(self._store, threaded=False)
        self.runner = Runner(
            mandate, plan, venues, journal, clock, observer=lambda _: None, owner=f"process-{number}", tuning=_TUNING
        )
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await self.runner.run()
        except asyncio.CancelledError:
            if not self.died:
                raise
        except Exception as error:
            self.error = error

    def kill(self) -> None:
        """End it here."""
        if self.died or self.task.done():
            return
        self.died = True
        self._store.dead = True
        for wire in self._wires.values():
            wire.dead = True
        self._killed()
        self.task.cancel()

    def _dies_at(self, place: str) -> bool:
        if self.doom is not None and self.doom.value == place:
            self.kill()
        return self.died

    async def ended(self) -> None:
        """Wait until it has ended, one way or another."""
        with suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.wait([self.task]))


def connect(wires: Mapping[str, httpx.AsyncBaseTransport], clock: Clock) -> list[Venue]:
    """The real adapters of both mocked venues, each on its wire."""
    key, secret = SecretStr(API_KEY), SecretStr(SECRET)
    settings = {
        "osl": OslSettings(
            base_url=NOWHERE, api_key=key, secret=secret, fields=FIELDS, client_id_on_create=CLIENT_ID_FIELD
        ),
        "hashkey": HashKeySettings(
            base_url=NOWHERE,
            api_key=key,
            secret=secret,
            client_type="corporate",
            withdrawals_confirmed_off=True,
            rfq_accept_path=RFQ_ACCEPT_PATH,
        ),
    }
    return [
        adapter(name)(settings[name], httpx.AsyncClient(transport=wire, trust_env=False), clock)
        for name, wire in wires.items()
    ]


def disk_store(folder: Path) -> SqliteStore:
    """The journal's real database, in ``folder``."""
    return SqliteStore(folder / "journal.sqlite")
