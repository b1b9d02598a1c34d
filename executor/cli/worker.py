"""`executor worker`: one of many processes that share what was submitted to a journal on PostgreSQL."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextlib import closing as closing_reading
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import cast

import click
import httpx

from adapters.clock import Clock, SetClock
from adapters.fence import FencedClient, FencedVenue
from adapters.transport import Spacing
from adapters.venue import Venue
from config.journal_path import journal_path, record_device, record_key_path
from config.settings import Settings
from executor.cli.compose import WIRE_TIMEOUT, Kind, connected, settings_for
from executor.cli.journal_option import journal_option
from executor.cli.output import JsonLines
from executor.cli.recording import record_signer, recording
from executor.cli.unheard import go_on_unheard
from executor.domain.case_events import PlanSubmitted
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.plan import Mandate, Plan
from executor.engine.holdings import CaseCoins, sold_from_case
from executor.engine.long_run import long_run
from executor.engine.narrate import narrate
from executor.engine.parent_log import Observer
from executor.engine.runner import Runner
from executor.errors import InputRefused, RecordBroken
from executor.exit_codes import ExitCode
from executor.journal.holds import check_holds
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.note import VerifierKey
from executor.journal.open import Place, open_reading, open_store
from executor.workers.lease import HOPELESS, Lease
from executor.workers.roster import SERVES, Roster
from executor.workers.shared_venue import SharedVenue
from executor.workers.turns import SharedTurns
from executor.workers.worker import Job, Worker

PATIENCE = timedelta(seconds=60)
AT_ONCE = timedelta(0)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")


@click.command("worker")
@click.option(
    "--on",
    "kind",
    type=click.Choice(["mock", "sandbox", "production"]),
    required=True,
    help="Which venues: takes only what was submitted for the same.",
)
@click.option("--name", help="Begins the worker's name; default the host's. A number follows, new at each start.")
@journal_option
@click.option("--json", "as_json", is_flag=True, help="Every event as one JSON object a line on stdout.")
def worker(kind: Kind, name: str | None, journal: Place | None, as_json: bool) -> int:
    """Run what `executor submit` hands over, together with every other worker on the same journal.

    Start as many as wanted, on any machine that reaches the database and the venues. When one dies the others go on
    with its parent orders within seconds. SIGTERM and `executor drain` end one in good order: orders in flight are
    finished, the rest is handed over. A second SIGTERM leaves at once.

    All of them sign the record with one key: make it once with `executor record-key`, copy the file to every machine,
    and name it with EXECUTOR_RECORD_KEY."""
    place = database(journal)
    stem = name or socket.gethostname().split(".")[0]
    if not _NAME.fullmatch(stem):
        raise InputRefused(f"--name: '{stem}' is no name: letters, digits and dashes, 41 at most")
    key_file = record_key_path(place)
    if not record_device() and not key_file.is_file():
        raise InputRefused(
            f"there is no record key at {key_file}: make one with `executor record-key`, put the same file on every "
            "machine that works, and name it with EXECUTOR_RECORD_KEY"
        )
    go_on_unheard()
    with long_run():
        return int(asyncio.run(_work(place, kind, stem, JsonLines() if as_json else None)))


def database(option: Place | None) -> str:
    """The URL of the journal. Raises ``InputRefused`` for a file: workers share a database."""
    place = journal_path(option)
    if isinstance(place, Path):
        raise InputRefused(
            f"workers need a journal on PostgreSQL and {place} is a file: name one with --journal or EXECUTOR_JOURNAL "
            "(postgresql+psycopg://...), or sell from one process with `executor run`"
        )
    return place


async def _work(place: str, kind: Kind, stem: str, lines: JsonLines | None) -> ExitCode:
    key = record_signer(place)
    settings, clock, loop = settings_for(quiet=False), SetClock(), asyncio.get_running_loop()
    async with AsyncExitStack() as closing:
        own, beating, turning = (Roster(place, patience=patience) for patience in (PATIENCE, AT_ONCE, AT_ONCE))
        journal = Journal(open_store(place), threaded=True)
        with closing_reading(open_reading(place)) as reading:
            check_holds(reading)
        closing.push_async_callback(journal.aclose)
        for roster in (own, beating, turning):
            closing.callback(roster.close)
        own.prepare()
        name = own.join(stem, kind, version("disposal-executor"), VerifierKey(key.name, key.public).fingerprint)
        turns = SharedTurns(turning, Spacing)
        closing.callback(turns.close)
        one = Worker(name, kind, SERVES, own)

        def drain() -> None:
            loop.call_soon_threadsafe(one.drain)

        lease = Lease(
            name,
            beating,
            clock,
            lag=one.lag,
            on_death=_die,
            on_despair=_despair,
            on_drain=drain,
        )
        await asyncio.to_thread(lease.begin)
        closing.push_async_callback(asyncio.to_thread, lease.end)
        venues = Venues(settings, kind, clock, lease, turns)
        closing.push_async_callback(venues.aclose)
        told = await closing.enter_async_context(
            recording(place, clock, _observer(lines), threaded=True, signer=key, on_fault=one.drain)
        )
        click.echo(f"executor: worker {name} on {kind} venues", err=True)
        _drain_on_signals(one)
        await one.work(lambda parent: job_of(parent, journal, venues, clock, told, name))
        await asyncio.to_thread(lease.end)
        await asyncio.to_thread(own.leave, name)
    return ExitCode.OK


class Venues:
    """The connections of a worker, one for each venue, made when the first parent order asks for it."""

    def __init__(self, settings: Settings, kind: Kind, clock: Clock, lease: Lease, turns: SharedTurns) -> None:
        self._settings = settings
        self._kind = kind
        self._clock = clock
        self._lease = lease
        self._turns = turns
        self._open: dict[str, SharedVenue] = {}

    def of(self, names: Sequence[str]) -> list[Venue]:
        """The venues called so. Raises ``InputRefused`` or ``CredentialsRefused``."""
        for name in names:
            if name not in self._open:
                (venue,) = connected(self._settings, [name], self._kind, self._clock, self._client)
                self._open[name] = SharedVenue(venue)
        return [cast(Venue, FencedVenue(cast(Venue, self._open[name]))) for name in names]

    def _client(self, profile: str) -> httpx.AsyncClient:
        return FencedClient(self._lease.may_sell, self._turns.of(profile), timeout=WIRE_TIMEOUT)

    async def aclose(self) -> None:
        """Release them."""
        for venue in self._open.values():
            await venue.really_close()


def job_of(parent: str, journal: Journal, venues: Venues, clock: Clock, told: Observer, owner: str) -> Job:
    """The job of a submitted parent order. Raises ``RecordBroken`` if what was submitted is not there or is not what
    its name says."""
    found = [line.event for line in journal.read(submitted_stream(parent))]
    event = found[-1] if found else None
    if not isinstance(event, PlanSubmitted):
        raise RecordBroken(f"the record does not hold what was submitted as parent order {parent}")
    mandate, plan = Mandate.model_validate(event.mandate), Plan.model_validate(event.plan)
    approved = plan_hash(frozen_plan(mandate.case_id, plan.model_dump(mode="json")))
    coins = CaseCoins(journal, mandate.case_id, plan, approved, clock)
    runner = Runner(
        mandate, plan, venues.of(plan.venues), journal, clock, observer=told, owner=owner, reserve=coins.reserve
    )
    if runner.parent_id != parent:
        raise RecordBroken(f"what was submitted as parent order {parent} is the plan of {runner.parent_id}")
    return Job(runner, lambda: sold_from_case(runner, coins))


def submitted_stream(parent: str) -> str:
    """The stream in which it stands who handed a parent order to the workers, and what."""
    return f"submitted/{parent}"


def _observer(lines: JsonLines | None) -> Observer:
    def told(line: Line) -> None:
        narrate(line)
        if lines is not None:
            lines.event(line)

    return told


def _die() -> None:
    """Others have taken over. Nothing may be written or sent any more, and nothing is left to tidy up."""
    click.echo("executor: this worker was declared dead: others have its parent orders now; start it again", err=True)
    os._exit(int(ExitCode.STOPPED))


def _despair() -> None:
    """Something hangs that should long have failed. What it was is not known, so nothing is tidied up."""
    click.echo(
        f"executor: the database has not answered for {HOPELESS.total_seconds():.0f} s: look at it and the network; "
        "the other workers go on with the parent orders of this one; start it again",
        err=True,
    )
    os._exit(int(ExitCode.ERROR))


def _drain_on_signals(one: Worker) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        one.drain()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        click.echo("executor: finishing what is in flight and handing over; once more to leave at once", err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
