"""`executor ledger`: the double-entry books of a case, derived from its record; corrections by two people."""

import json
from pathlib import Path

import click

from executor.cli.amounts import amount
from executor.cli.pool import pool
from executor.cli.record import journal_option, json_option, why_option, with_journal
from executor.cli.settling import UNSIGNED, case_argument, countersigned, moment, record_step, second_options, told
from executor.cli.settling import who_option as settler_option
from executor.domain.books import Books
from executor.domain.ledger import sums
from executor.domain.money import plain
from executor.domain.settlement import refuse_correction
from executor.domain.settlement_events import LedgerCorrected, PostingEntry
from executor.errors import InputRefused
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.report.postings import postings_file
from executor.settlement.acts import Office, read_books

_at = click.option("--at", "at_text", metavar="TIME", help="As the books stood then: ISO 8601 with its zone.")


@click.group("ledger")
def ledger() -> None:
    """The books of a case. Debits are above zero, credits below; every set sums to zero in each currency."""


ledger.add_command(pool)


@ledger.command("balance")
@case_argument
@_at
@journal_option
@json_option
def balance(case_id: str, at_text: str | None, journal: Place | None, as_json: bool) -> None:
    """The trial balance, now or at any past moment: every account that is not empty, and the sum of each currency."""
    books = _read(journal, case_id, at_text)
    lines = list(books.ledger.trial_balance())
    if as_json:
        for line in lines:
            click.echo(json.dumps({"account": line.account, "currency": line.currency, "amount": plain(line.amount)}))
        return
    width = max((len(line.account) for line in lines), default=0)
    for line in lines:
        click.echo(f"{line.account:<{width}}  {plain(line.amount):>28} {line.currency}")
    for currency, total in sorted(sums(lines).items()):
        click.echo(f"{'sum':<{width}}  {plain(total):>28} {currency}")


@ledger.command("show")
@case_argument
@_at
@journal_option
@json_option
def show(case_id: str, at_text: str | None, journal: Place | None, as_json: bool) -> None:
    """Every posting set with the event that it comes from, in the order of the record's streams. With --json in the
    form that docs/settlement.md describes."""
    books = _read(journal, case_id, at_text)
    for text in postings_file(books).decode().splitlines():
        if as_json:
            click.echo(text)
            continue
        row = json.loads(text)
        by = books.corrected.get(row["ref"])
        click.echo(f"{row['at']}  {row['kind']}  {row['ref']}{f'  reversed by {by}' if by else ''}")
        for entry in row["entries"]:
            click.echo(f"    {entry['account']:<28}{entry['amount']:>28} {entry['unit']}")


@ledger.command("correct")
@case_argument
@click.argument("reverses", metavar="STREAM#VERSION")
@click.option(
    "--post", "posts", multiple=True, metavar="ACCOUNT=AMOUNT:CURRENCY", help="Booked instead; several, sum zero."
)
@why_option
@settler_option
@second_options
@journal_option
@json_option
def correct(
    case_id: str,
    reverses: str,
    posts: tuple[str, ...],
    why: str,
    who: str,
    second: str,
    key: Path,
    journal: Place | None,
    as_json: bool,
) -> None:
    """Take back the whole posting set of one event; nothing is edited. A second person signs.

    A paper of the settlement is reversed and then recorded anew as it should be. For a fill, name what is booked
    instead with --post: executor ledger correct CASE parent/x#12 --post reserved=-1:BTC --post sold=1:BTC ..."""
    event = LedgerCorrected(
        reverses=reverses, postings=[_post(text) for text in posts], why=why, who=who, second=UNSIGNED
    )
    signed = countersigned(case_id, event, second, key)

    def judged(office: Office) -> str:
        return refuse_correction(office.case, office.books, office.people, signed)

    told(record_step(journal, case_id, signed, judged), f"{reverses} reversed", as_json)


def _post(text: str) -> PostingEntry:
    account, _, rest = text.partition("=")
    value, _, currency = rest.partition(":")
    if not account or not currency:
        raise InputRefused(f"--post {text}: is ACCOUNT=AMOUNT:CURRENCY")
    return PostingEntry(account=account, currency=currency, amount=amount(f"--post {text}", value))


def _read(place: Place | None, case_id: str, at_text: str | None) -> Books:
    until = moment(at_text)

    async def read(opened: Journal) -> Books:
        return read_books(opened, case_id, until)

    return with_journal(place, read)
