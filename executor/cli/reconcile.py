"""`executor reconcile`: a case to zero, inventory to treasury; venues' papers and the queue of what does not match."""

import json
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click

from adapters.clock import SystemClock
from config.holidays import hong_kong_holidays
from executor.cli.record import journal_option, json_option, with_journal
from executor.cli.settling import case_argument, who_option
from executor.domain.chain import OK
from executor.domain.money import plain
from executor.domain.reconcile_case import Verdict, reconcile_case
from executor.domain.settlement import refuse_settler
from executor.domain.settlement_events import StatementImported
from executor.domain.statement import CONTRACT_NOTE, HONG_KONG, STATEMENT
from executor.errors import InputRefused, NotReconciled
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.settlement.acts import Office, carry_out, read_books, read_office
from executor.settlement.statement_file import statements


@click.group("reconcile")
def reconcile() -> None:
    """Compare everything with everything: coins, fills, venues' papers, money, deposit."""


@reconcile.command("check")
@case_argument
@journal_option
@json_option
def check(case_id: str, journal: Place | None, as_json: bool) -> None:
    """Every line of the case: ok, missing, or a break with what is not accounted for. Exit code 9 unless all are ok."""
    verdict = _verdict(journal, case_id)
    for line in verdict.lines:
        left = {currency: plain(amount) for currency, amount in line.residual.items()}
        if as_json:
            row: dict[str, Any] = {"chain": line.chain, "line": line.name, "status": line.status}
            click.echo(json.dumps(row | {"residual": left, "details": line.details, "refs": line.refs}))
        else:
            click.echo(f"{line.chain:<9}{line.name:<17}{line.status:<9}{'; '.join(line.details)}".rstrip())
    if not verdict.zero:
        breaks, missing = [line.name for line in verdict.breaks], [line.name for line in verdict.missing]
        raise NotReconciled(
            f"case {case_id} is not at zero: {len(breaks)} breaks ({', '.join(breaks) or 'none'}), "
            f"{len(missing)} steps missing ({', '.join(missing) or 'none'}); docs/settlement.md says what each means"
        )
    if not as_json:
        click.echo(f"residual zero: all {len(verdict.lines)} lines are {OK}")


@reconcile.command("queue")
@case_argument
@journal_option
@json_option
def queue(case_id: str, journal: Place | None, as_json: bool) -> None:
    """What does not match a venue's paper, or waits for its contract note: two business days in Hong Kong."""
    for item in _verdict(journal, case_id).matching.queue:
        row = {
            "venue": item.venue,
            "trade_id": item.trade_id,
            "what": item.what,
            "detail": item.detail,
            "due": item.due.isoformat(),
            "overdue": item.overdue,
            "ref": item.ref,
        }
        late = "OVERDUE" if item.overdue else ""
        text = f"{item.venue:<9}{item.trade_id:<34}{item.what:<18}{item.due}  {late:<9}{item.detail}"
        click.echo(json.dumps(row) if as_json else text)


@reconcile.command("import")
@case_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--venue", required=True)
@click.option("--paper", type=click.Choice([STATEMENT, CONTRACT_NOTE]), required=True)
@click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="Where the file's names differ.")
@who_option
@journal_option
@json_option
def import_paper(
    case_id: str,
    file: Path,
    venue: str,
    paper: str,
    columns: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """Import a venue's statement or contract notes of this case's account: CSV, UTF-8, one trade a row.

    Columns: trade_id, qty, px, notional (before fees), fee, fee_asset, at (ISO 8601 with zone), note (optional). The
    rows and the SHA-256 of FILE go into the record."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputRefused(f"{file}: cannot be read ({error.strerror}); check the name") from None
    named = dict(text.partition("=")[::2] for text in columns)
    events = statements(content, file.name, named, venue=venue, paper=paper, who=who)

    async def act(opened: Journal) -> None:
        office = read_office(opened, case_id)
        # Of a long file that was interrupted what is missing is added; a whole one is refused.
        missing = [event for event in events if not _imported(event, office)]
        for event in missing or events:
            await carry_out(opened, case_id, event, partial(_refuse, event), SystemClock())

    with_journal(journal, act)
    rows = sum(len(event.rows) for event in events)
    values = {"rows": rows, "sha256": events[0].sha256}
    click.echo(json.dumps(values) if as_json else f"{rows} trades of {venue} imported; SHA-256 {events[0].sha256}")


def _imported(event: StatementImported, office: Office) -> str:
    """The reference of these rows in the record; empty if they are not there."""
    for entry in office.books.standing():
        paper = entry.event
        if isinstance(paper, StatementImported) and (paper.sha256, paper.first_row) == (event.sha256, event.first_row):
            return entry.ref
    return ""


def _refuse(event: StatementImported, office: Office) -> str:
    if ref := _imported(event, office):
        return f"exactly this file is imported already, as {ref}"
    return refuse_settler(office.case, event.who)


def _verdict(place: Place | None, case_id: str) -> Verdict:
    listed = hong_kong_holidays()
    now = SystemClock().now()

    async def read(opened: Journal) -> Verdict:
        holidays: set[date] = {day for days in listed.values() for day in days}
        return reconcile_case(read_books(opened, case_id), now, holidays)

    verdict = with_journal(place, read)
    years = {item.due.year for item in verdict.matching.queue} | {now.astimezone(HONG_KONG).year}
    for year in sorted(years - listed.keys()):
        click.echo(
            f"executor: no holidays of {year} are listed; only weekends are taken out of business days", err=True
        )
    return verdict
