"""`executor deposit`: the institution's performance deposit, from posting to release."""

import json
from pathlib import Path

import click

from executor.cli.amounts import amount
from executor.cli.record import journal_option, json_option, with_journal
from executor.cli.settling import (
    UNSIGNED,
    case_argument,
    countersigned,
    evidence,
    paper_options,
    record_step,
    second_options,
    told,
)
from executor.domain.books import Books, cover_facts
from executor.domain.money import plain
from executor.domain.settlement_events import DepositPosted, DepositReleased
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.settlement.acts import read_books

_currency = click.option("--currency", required=True, help="CNY, HKD, USD, ...")
_amount = click.option("--amount", "amount_text", required=True)


@click.group("deposit")
def deposit() -> None:
    """The deposit: posted before coins are taken, released only on a recorded receipt by police or court."""


@deposit.command("post")
@case_argument
@_amount
@_currency
@click.option("--form", required=True, help="How it stands: cash, guarantee, ...")
@paper_options
def post(
    case_id: str,
    amount_text: str,
    currency: str,
    form: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """The deposit was paid in or lodged. Evidence: deposit_receipt."""
    event = DepositPosted(
        amount=amount("--amount", amount_text), currency=currency, form=form, evidence=evidence(pairs), who=who
    )
    told(record_step(journal, case_id, event), f"deposit of {plain(event.amount)} {currency} posted", as_json)


@deposit.command("release")
@case_argument
@_amount
@_currency
@click.option("--receipt", required=True, metavar="CASE/ID#VERSION", help="The receipt as it was recorded.")
@second_options
@paper_options
def release(
    case_id: str,
    amount_text: str,
    currency: str,
    receipt: str,
    pairs: tuple[str, ...],
    who: str,
    second: str,
    key: Path,
    journal: Place | None,
    as_json: bool,
) -> None:
    """Give the whole deposit back. Evidence: release_record.

    Refused unless RECEIPT is a receipt by police or court, receipts cover all that was credited to the account of the
    case, and no coins or money are held or on their way."""
    event = DepositReleased(
        amount=amount("--amount", amount_text),
        currency=currency,
        receipt=receipt,
        evidence=evidence(pairs),
        who=who,
        second=UNSIGNED,
    )
    reference = record_step(journal, case_id, countersigned(case_id, event, second, key))
    told(reference, f"deposit of {plain(event.amount)} {currency} released", as_json)


@deposit.command("show")
@case_argument
@journal_option
@json_option
def show(case_id: str, journal: Place | None, as_json: bool) -> None:
    """The deposit posted, and what it stands for: coins held and money on its way, exact."""

    async def read(opened: Journal) -> Books:
        return read_books(opened, case_id)

    facts = cover_facts(with_journal(journal, read).ledger)
    parts = {"deposit": facts.deposit, "coins": facts.coins, "proceeds": facts.proceeds}
    values = {name: {each: plain(held) for each, held in part.items()} for name, part in parts.items()}
    if as_json:
        click.echo(json.dumps(values))
        return
    for name, part in values.items():
        click.echo(f"{name:<10}{', '.join(f'{held} {each}' for each, held in part.items()) or 'none'}")
