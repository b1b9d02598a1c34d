"""`executor ledger pool`: several cases sell as one, and each gets its part."""

import json
from functools import partial
from pathlib import Path

import click

from adapters.clock import SystemClock
from executor.cli.amounts import amount
from executor.cli.record import journal_option, json_option, with_journal
from executor.cli.settling import (
    UNSIGNED,
    case_argument,
    countersigned,
    second_options,
    told,
    who_option,
)
from executor.domain.events import ParentFinished
from executor.domain.money import ZERO, add, plain
from executor.domain.pool import allocation, formed, refuse_allocation, refuse_forming, refuse_joining
from executor.domain.postings import coin_fees
from executor.domain.settlement_events import CoinsPooled, PoolAllocated, PoolFormed, ShareReceived
from executor.errors import InputRefused, RuleRefused
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.settlement.acts import Office, carry_out, case_lines, read_books, read_office


@click.group("pool")
def pool() -> None:
    """Pooled sales: shares are fixed before the sale; the proceeds are shared out by largest remainder after it."""


@pool.command("form")
@case_argument
@click.argument("asset")
@click.option("--share", "shares", multiple=True, metavar="CASE=QTY", required=True, help="What each brings in.")
@who_option
@second_options
@journal_option
@json_option
def form(
    case_id: str,
    asset: str,
    shares: tuple[str, ...],
    who: str,
    second: str,
    key: Path,
    journal: Place | None,
    as_json: bool,
) -> None:
    """CASE sells the coins of several cases: their shares, credited already, sum to its inventory. The members' coins
    are set aside in the same step; nobody can reserve or recall them. You are settlement, the second person checker or
    risk, in all of these cases."""
    split = {name: amount(f"--share {name}", qty) for name, _, qty in (text.rpartition("=") for text in shares)}
    if len(split) != len(shares):
        raise InputRefused("--share names a case twice")
    event = PoolFormed(asset=asset, shares=split, who=who, second=UNSIGNED)
    signed = countersigned(case_id, event, second, key)
    joining = {
        member: countersigned(
            member, CoinsPooled(pool=case_id, asset=asset, qty=qty, who=who, second=UNSIGNED), second, key
        )
        for member, qty in split.items()
    }

    def judged(office: Office) -> str:
        return refuse_forming(office.case, office.books, office.people, signed)

    async def act(opened: Journal) -> str:
        offices = {member: read_office(opened, member) for member in joining}
        fault = judged(read_office(opened, case_id)) or next(
            (why for member, office in offices.items() if (why := _refuse_joining(joining[member], office))), ""
        )
        if fault:
            raise RuleRefused(fault)
        for member, event in joining.items():
            if not _joined(offices[member], event):
                await carry_out(opened, member, event, partial(_refuse_joining, event), SystemClock())
        return await carry_out(opened, case_id, signed, judged, SystemClock())

    told(with_journal(journal, act), f"pool of {len(split)} cases formed", as_json)


@pool.command("allocate")
@case_argument
@who_option
@journal_option
@json_option
def allocate(case_id: str, who: str, journal: Place | None, as_json: bool) -> None:
    """Share out what the pool has sold, once its parent orders are finished. Run again after a failure: what is there
    stays, what is missing is added."""

    async def act(opened: Journal) -> PoolAllocated:
        source, shared = _found(opened, case_id)
        if shared is None:
            try:
                shared = allocation(read_books(opened, case_id), who)
            except ValueError as error:
                raise InputRefused(str(error)) from None
            event = shared

            def judged(office: Office) -> str:
                return refuse_allocation(office.case, office.books, event, _finished(opened, case_id))

            source = await carry_out(opened, case_id, event, judged, SystemClock())
        pool_made = formed(read_books(opened, case_id))
        pooled = {} if pool_made is None else pool_made.shares
        for share in shared.shares:
            if not _received(source, read_office(opened, share.case_id)):
                gone = add(share.qty, coin_fees(share, shared.asset))
                unsold = max(add(pooled[share.case_id], -gone), ZERO)
                got = ShareReceived(
                    pool=case_id, source=source, asset=shared.asset, share=share, unsold=unsold, who=who
                )
                await carry_out(opened, share.case_id, got, partial(_refuse_receiving, source), SystemClock())
        return shared

    shared = with_journal(journal, act)
    for share in shared.shares:
        if as_json:
            click.echo(json.dumps({"case": share.case_id, "asset": shared.asset, "qty": plain(share.qty)}))
        else:
            click.echo(f"{share.case_id}: {plain(share.qty)} {shared.asset}")


def _refuse_joining(event: CoinsPooled, office: Office) -> str:
    if _joined(office, event):
        return ""
    return refuse_joining(office.case, office.books, office.people, event)


def _joined(office: Office, event: CoinsPooled) -> bool:
    """True if exactly these coins were given to the pool before: a command that was interrupted is run again."""
    given = [entry.event for entry in office.books.standing() if isinstance(entry.event, CoinsPooled)]
    return any((each.pool, each.asset, each.qty) == (event.pool, event.asset, event.qty) for each in given)


def _found(opened: Journal, case_id: str) -> tuple[str, PoolAllocated | None]:
    for entry in read_books(opened, case_id).standing():
        if isinstance(entry.event, PoolAllocated):
            return entry.ref, entry.event
    return "", None


def _finished(opened: Journal, case_id: str) -> bool:
    lines = list(case_lines(opened, case_id))
    parents = {line.stream for line in lines if line.stream.startswith("parent/")}
    return parents == {line.stream for line in lines if isinstance(line.event, ParentFinished)}


def _received(source: str, office: Office) -> bool:
    entries = office.books.entries.values()
    return any(isinstance(each.event, ShareReceived) and each.event.source == source for each in entries)


def _refuse_receiving(source: str, office: Office) -> str:
    return f"its share of {source} was received meanwhile; nothing was done twice" if _received(source, office) else ""
