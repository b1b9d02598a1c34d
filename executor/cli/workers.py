"""`executor submit`, `workers` and `drain`: hand parent orders to the workers, see who runs what, end one in order."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from adapters.clock import SystemClock
from config.mandates import load_mandate
from executor.cli.compose import Kind
from executor.cli.journal_option import journal_option
from executor.cli.record import json_option, who_option, with_journal
from executor.cli.worker import database, submitted_stream
from executor.domain.case_events import PlanSubmitted
from executor.domain.ids import frozen_plan, parent_id, plan_hash
from executor.engine.approval import Approval, require_approval
from executor.engine.rehearsal import prepare_rehearsal
from executor.errors import InputRefused, RuleRefused
from executor.journal.as_person import append_as_person
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.workers.roster import SERVES, Roster, WorkerSeen
from executor.workers.sole_run import sole_run_on

_PATIENCE = timedelta(seconds=10)
_LOOK = timedelta(milliseconds=500)


@contextmanager
def _roster(journal: Place | None, *, make: bool = False) -> Iterator[Roster]:
    roster = Roster(database(journal), patience=_PATIENCE)
    try:
        if make:
            roster.prepare()
        else:
            roster.require()
        yield roster
    finally:
        roster.close()


@click.command("submit")
@click.argument("mandate", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--on",
    "kind",
    type=click.Choice(["mock", "sandbox", "production"]),
    required=True,
    help="Which venues: it is run by the workers that were started for the same.",
)
@who_option
@journal_option
@click.option(
    "--rehearse", is_flag=True, help="Let stand-ins approve the plan: simulated venues only, in a journal of its own."
)
def submit(mandate: Path, kind: Kind, who: str, journal: Place | None, rehearse: bool) -> None:
    """Hand MANDATE's plan to the workers. One of them runs it to its end, whatever becomes of the others.

    The plan must have been frozen and approved by two people (`executor plan`), on mocked venues too, unless they are
    rehearsed on. What a worker refused (`executor workers` says why) is tried again when it is submitted again."""
    if rehearse and kind != "mock":
        raise InputRefused(f"--rehearse is for --on mock: at {kind} venues two people must approve the plan")
    entrusted, plan = load_mandate(mandate)
    values = plan.model_dump(mode="json")
    digest = plan_hash(frozen_plan(entrusted.case_id, values))
    parent = parent_id(entrusted.case_id, plan.asset, digest)
    place, clock = database(journal), SystemClock()
    event = PlanSubmitted(
        parent_id=parent,
        place=kind,
        schema=SERVES,
        mandate=entrusted.model_dump(mode="json"),
        plan=values,
        who=who,
    )

    async def submitted(opened: Journal) -> str:
        if rehearse:
            await prepare_rehearsal(opened, entrusted, plan, clock.now())
        await require_approval(opened, Approval(opened, entrusted.case_id, digest), who, clock)
        with _roster(place, make=True) as roster:
            before = [line.event for line in opened.read(submitted_stream(parent))]
            elsewhere = [each for each in before if isinstance(each, PlanSubmitted) and each.place != kind]
            if elsewhere:
                raise RuleRefused(f"parent order {parent} was submitted for {elsewhere[0].place} venues")
            refused = any(each.parent == parent and each.state == "refused" for each in roster.waiting())
            if not before or refused:
                with sole_run_on(place, parent):
                    await append_as_person(opened, submitted_stream(parent), entrusted.case_id, event, clock)
            return roster.submit(parent, kind)

    state = with_journal(place, submitted, new=rehearse)
    if state == "done":
        click.echo(f"parent order {parent} is done; `executor status` shows how it ended")
    else:
        click.echo(f"submitted: parent order {parent} for {kind} venues")


@click.command("workers")
@journal_option
@click.option("--all", "every", is_flag=True, help="Those that are dead or have left too.")
@json_option
def workers(journal: Place | None, every: bool, as_json: bool) -> None:
    """Who is alive, what each runs, how late it is; and what nobody runs, with the reason.

    SILENT is the time since the last heartbeat, by the database's clock: at six seconds a worker is declared dead. LAG
    is how late its event loop was at that heartbeat. SERVES is the newest schema of the journal that it knows."""
    with _roster(journal) as roster:
        living, idle = roster.workers(every=every), roster.waiting()
    if as_json:
        for each in living:
            click.echo(json.dumps({"worker": each.name} | _values(each) | {"parents": each.parents}))
        for work in idle:
            waiting = {"waiting": work.parent, "on": work.place, "state": work.state, "why": work.said}
            click.echo(json.dumps(waiting | {"needs": work.needs}))
        return
    head = ("worker", "on", "state", "silent", "lag", "parents", "serves", "program")
    _table([head, *((each.name, *map(str, _values(each).values())) for each in living)])
    for each in living:
        if each.parents:
            click.echo(f"\n{each.name} runs {', '.join(each.parents)}")
    if idle:
        rows = [(work.parent, work.place, work.state, str(work.needs), work.said) for work in idle]
        click.echo()
        _table([("nobody runs", "on", "state", "needs", "why"), *rows])


def _values(each: WorkerSeen) -> dict[str, Any]:
    return {
        "on": each.place,
        "state": each.state,
        "silent_ms": each.silent_ms,
        "lag_ms": each.lag_ms,
        "running": len(each.parents),
        "serves": each.serves,
        "program": each.program,
    }


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@click.command("drain")
@click.argument("name")
@journal_option
def drain(name: str, journal: Place | None) -> None:
    """Have worker NAME finish its orders in flight, hand over what it runs, and end. Returns when it has; Ctrl-C ends
    only the waiting."""
    with _roster(journal) as roster:
        seen = {each.name: each for each in roster.workers(every=True)}
        if name not in seen:
            living = ", ".join(each.name for each in seen.values() if each.state in ("up", "draining")) or "none"
            raise InputRefused(f"there is no worker {name}; alive: {living}")
        if not roster.drain(name) and seen[name].state != "draining":
            raise RuleRefused(f"worker {name} has ended already: {seen[name].state}")
        click.echo(f"{name} hands over {len(seen[name].parents)} parent orders", err=True)
        ended = asyncio.run(_ended(roster, name))
    if ended == "dead":
        raise RuleRefused(f"worker {name} died while it was handing over; the others have its parent orders")
    click.echo(f"{name} has left")


async def _ended(roster: Roster, name: str) -> str:
    clock = SystemClock()
    while True:
        (found,) = [each.state for each in roster.workers(every=True) if each.name == name]
        if found not in ("up", "draining"):
            return found
        await clock.sleep_until(clock.now() + _LOOK)
