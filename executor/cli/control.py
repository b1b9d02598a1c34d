"""`executor pause`, `resume`, `kill`, `resolve`, `explain`: what people order. Each is recorded with who and why."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import click

from adapters.clock import SystemClock
from config.journal_path import journal_path
from executor.cli.compose import Kind, connected, settings_for
from executor.cli.record import journal_option, who_option, why_option, with_journal
from executor.cli.unheard import go_on_unheard
from executor.domain.control import check_scope
from executor.domain.events import (
    ControlCleared,
    ControlSet,
    ExplainAsked,
    HandFill,
    ResumeAsked,
    SettleAsked,
)
from executor.domain.money import parse_amount, times
from executor.domain.orders import ParentStatus
from executor.domain.parent import Parent
from executor.engine.control import (
    CONTROL_STREAM,
    acts_stream,
    append_as_person,
    refusal,
)
from executor.engine.kill import Record, cancel_scope, in_scope
from executor.engine.kill import kill as kill_scope
from executor.errors import ExecutorError, InputRefused, JournalFailed, RuleRefused
from executor.journal.journal import Journal
from executor.journal.line import Line, Recordable, decode
from executor.journal.open import Place, open_reading
from executor.journal.store import Reading


@click.command("pause")
@click.argument("scope")
@click.option("--resting", type=click.Choice(["keep", "cancel"]), required=True, help="What happens to resting orders.")
@who_option
@why_option
@journal_option
def pause(scope: str, resting: str, who: str, why: str, journal: Place | None) -> None:
    """Stop new orders in SCOPE: all, case/ID, venue/NAME or parent/ID. A running parent order waits."""
    held = ControlSet(scope=_scope(scope), action="pause", cancel=resting == "cancel", who=who, why=why)
    with_journal(journal, lambda opened: _control(opened, held))
    click.echo(f"paused {scope}; resting orders: {resting}")


@click.command("resume")
@click.argument("scope")
@who_option
@why_option
@journal_option
def resume(scope: str, who: str, why: str, journal: Place | None) -> None:
    """Clear the pause or kill on SCOPE; for parent/ID also a halt by a guard. Then `executor run` goes on."""
    kind, _, name = _scope(scope).partition("/")

    async def act(opened: Journal) -> None:
        cleared = opened.people.hold([scope], anew=True) is not None
        if cleared:
            await _control(opened, ControlCleared(scope=scope, who=who, why=why))
        begun = kind == "parent" and (not cleared or f"parent/{name}" in opened.streams("parent/"))
        state = _folded(opened, name) if begun else None
        if state is not None and state.status is ParentStatus.HALTED:
            await append_as_person(
                opened, acts_stream(name), state.spec.case_id, ResumeAsked(who=who, why=why), SystemClock()
            )
        elif not cleared:
            raise RuleRefused(f"there is nothing to resume: no pause, kill or halt is on {scope}")

    with_journal(journal, act)
    click.echo(f"resumed {scope}")


@click.command("kill")
@click.argument("scope")
@click.option(
    "--on", "place", type=click.Choice(["mock", "sandbox", "production"]), help="Cancel at these venues from here too."
)
@who_option
@why_option
@journal_option
def kill(scope: str, place: Kind | None, who: str, why: str, journal: Place | None) -> None:
    """Stop everything in SCOPE: refuse new orders from this moment, cancel what rests, until a person resumes.

    A running `executor run` cancels by itself. With --on this command also cancels, over its own connections, so that
    it works when that process hangs, and when the journal cannot be written; each venue on its own, whatever happens
    to the others."""
    go_on_unheard()
    held = ControlSet(scope=_scope(scope), action="kill", cancel=True, who=who, why=why)

    async def act(opened: Journal) -> None:
        await kill_scope(opened, SystemClock(), held)
        click.echo(f"killed {scope}: new orders are refused from now on")

    unwritten = ""
    try:
        with_journal(journal, act)
    except JournalFailed as error:
        if place is None:
            raise
        unwritten = f"the hold is NOT in force ({error}): stop what runs by hand, make room, and kill again. "
    failed = {}
    if place is not None:
        with closing(open_reading(journal_path(journal))) as reading:
            faults = asyncio.run(_cancel(_Lines(reading), scope, place))
        failed = {name: fault for name, fault in faults.items() if fault}
    if failed:
        said = "; ".join(f"{name}: {fault}" for name, fault in failed.items())
        raise ExecutorError(f"{unwritten}Not every cancellation was answered ({said}); cancel at the venue by hand")
    if unwritten:
        raise JournalFailed(f"{unwritten}What the record knows to rest was cancelled")


@dataclass(frozen=True, slots=True)
class _Lines:
    """The record as it can be read when it cannot be written."""

    reading: Reading

    def streams(self, prefix: str) -> list[str]:
        return self.reading.streams(prefix)

    def last_of(self, streams: Sequence[str]) -> Iterator[Line]:
        return map(decode, self.reading.edges(streams, last=True))

    def read(self, stream: str, after: int = 0) -> Iterator[Line]:
        return map(decode, self.reading.read(stream, after))


async def _cancel(journal: Record, scope: str, place: Kind) -> dict[str, str]:
    settings, clock = settings_for(quiet=True), SystemClock()
    venues, faults = {}, {}
    for name in sorted({child.venue for child in in_scope(journal, scope)}):
        try:
            (venues[name],) = connected(settings, [name], place, clock)
        except ExecutorError as error:
            faults[name] = str(error)
    done = await cancel_scope(journal, clock, scope, venues)
    faults = done.faults | faults
    for name, refs in done.asked.items():
        fault = faults.get(name, "")
        click.echo(f"{name}: {len(refs)} orders: {fault or 'cancellation sent'}", err=bool(fault))
    if done.without_outcome:
        click.echo(f"no outcome recorded, their process has ended: {', '.join(done.without_outcome)}", err=True)
    for connection in venues.values():
        await connection.aclose()
    return faults


@click.command("resolve")
@click.argument("client_order_id")
@click.option(
    "--fill",
    "fills",
    type=(str, str, str, str, str),
    multiple=True,
    metavar="TRADE_ID QTY PX FEE FEE_ASSET",
    help="An execution read off the venue's papers that the record does not have; may be given several times.",
)
@click.option("--absent", is_flag=True, help="Nothing (more) was executed.")
@who_option
@why_option
@journal_option
def resolve(
    client_order_id: str,
    fills: tuple[tuple[str, str, str, str, str], ...],
    absent: bool,
    who: str,
    why: str,
    journal: Place | None,
) -> None:
    """Settle an order that was left for a person: state its fills, or that there are none. It can sell no more."""
    if bool(fills) == absent:
        raise InputRefused("say either --absent or every --fill")
    act = SettleAsked(client_order_id=client_order_id, fills=[_fill(*fill) for fill in fills], who=who, why=why)
    with_journal(journal, lambda opened: _act(opened, client_order_id.rpartition("-")[0], act))
    click.echo(f"recorded; the next `executor run` (or the one that is running) settles {client_order_id}")


@click.command("explain")
@click.argument("parent_id")
@click.argument("venue")
@click.argument("name")
@who_option
@why_option
@journal_option
def explain(parent_id: str, venue: str, name: str, who: str, why: str, journal: Place | None) -> None:
    """Explain the break NAME at VENUE of a parent order, so that the venue may be used again."""
    act = ExplainAsked(venue=venue, name=name, who=who, why=why)
    with_journal(journal, lambda opened: _act(opened, parent_id, act))
    click.echo(f"recorded; {venue} may be used again by the next `executor run` or the one that is running")


# --- parts --------------------------------------------------------------------------------------------------------


def _scope(scope: str) -> str:
    try:
        return check_scope(scope)
    except ValueError as error:
        raise InputRefused(str(error)) from None


def _fill(trade_id: str, qty: str, px: str, fee: str, fee_asset: str) -> HandFill:
    try:
        amounts = [parse_amount(text) for text in (qty, px, fee)]
    except ValueError as error:
        raise InputRefused(f"--fill {trade_id}: {error}") from None
    if amounts[0] <= 0 or amounts[1] <= 0 or amounts[2] < 0:
        raise InputRefused(f"--fill {trade_id}: quantity and price must be above zero, the fee not below")
    return HandFill(
        trade_id=trade_id,
        qty=amounts[0],
        px=amounts[1],
        notional=times(amounts[0], amounts[1]),
        fee=amounts[2],
        fee_asset=fee_asset,
        at=SystemClock().now(),
    )


def _control(journal: Journal, event: Recordable) -> Coroutine[Any, Any, None]:
    return append_as_person(journal, CONTROL_STREAM, "", event, SystemClock())


async def _act(journal: Journal, parent_id: str, act: SettleAsked | ExplainAsked) -> None:
    state = _folded(journal, parent_id)
    fault = refusal(state, act)
    if fault:
        raise RuleRefused(fault)
    await append_as_person(journal, acts_stream(parent_id), state.spec.case_id, act, SystemClock())


def _folded(journal: Journal, parent_id: str) -> Parent:
    state = Parent()
    for line in journal.read(f"parent/{parent_id}"):
        state.apply(line.event, line.at)
    if state.created is None:
        raise InputRefused(f"there is no parent order {parent_id}; `executor status` lists them")
    return state
