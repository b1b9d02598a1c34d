"""`executor settlement`: the money of a case, from the venue's cash to the treasury, step by step with its papers."""

import json
from pathlib import Path
from typing import Any

import click

from adapters.clock import SystemClock
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
from executor.domain.currency import ROUNDINGS
from executor.domain.money import ZERO, add, plain
from executor.domain.reconcile_case import MONEY_STEPS, Verdict, reconcile_case
from executor.domain.settlement import ISSUERS, RECIPIENTS
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    FiatWithdrawn,
    FxConverted,
    ProceedsDelivered,
    ReceiptRecorded,
    SafeApproved,
)
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.settlement.acts import read_books

_currency = click.option("--currency", required=True, help="USD, HKD, CNY, ...")
_amount = click.option("--amount", "amount_text", required=True, help="What went in, as the paper says.")
_charge = click.option("--charge", default="0", show_default=True, help="What the bank kept.")


@click.group("settlement")
def settlement() -> None:
    """From fill to treasury. Each step is recorded as its paper says, by the settlement role of the case:

    \b
    withdraw   venue cash is paid out (a second person signs)
    bank       a bank has credited it
    safe       SAFE has approved the amount
    convert    a bank has bought it: rate, charge
    credit     RMB stand in the account of the case
    receipt    police or court confirm that they received them
    deliver    they went to the treasury, or back to the victims

    What is late or missing is shown as missing, never assumed (docs/settlement.md)."""


@settlement.command("withdraw")
@case_argument
@click.option("--venue", required=True)
@_currency
@_amount
@click.option("--fee", default="0", show_default=True, help="What the venue kept.")
@click.option("--net", required=True, help="What it sent; what lies below the smallest unit is rounding.")
@click.option("--to-account", required=True, help="The bank account that it goes to.")
@second_options
@paper_options
def withdraw(
    case_id: str,
    venue: str,
    currency: str,
    amount_text: str,
    fee: str,
    net: str,
    to_account: str,
    pairs: tuple[str, ...],
    who: str,
    second: str,
    key: Path,
    journal: Place | None,
    as_json: bool,
) -> None:
    """The venue paid money out. Evidence: withdrawal_advice. --amount all: all the cash that the ledger has there."""
    taken = _all_cash(journal, case_id, venue, currency) if amount_text == "all" else amount("--amount", amount_text)
    kept, sent = amount("--fee", fee), amount("--net", net)
    event = FiatWithdrawn(
        venue=venue,
        currency=currency,
        amount=taken,
        fee=kept,
        rounding=add(taken, -add(kept, sent)),
        net=sent,
        to_account=to_account,
        evidence=evidence(pairs),
        who=who,
        second=UNSIGNED,
    )
    reference = record_step(journal, case_id, countersigned(case_id, event, second, key))
    said = f"{venue} paid out {plain(taken)} {currency}, {plain(sent)} on their way to {to_account}"
    told(reference, said, as_json, amount=plain(taken), rounding=plain(event.rounding))


@settlement.command("bank")
@case_argument
@click.option("--bank", required=True)
@_currency
@_amount
@_charge
@click.option("--net", required=True, help="What was credited.")
@paper_options
def bank(
    case_id: str,
    bank: str,
    currency: str,
    amount_text: str,
    charge: str,
    net: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """A bank credited what a venue had paid out. Evidence: bank_statement."""
    event = BankCredited(
        bank=bank,
        currency=currency,
        amount=amount("--amount", amount_text),
        charge=amount("--charge", charge),
        net=amount("--net", net),
        evidence=evidence(pairs),
        who=who,
    )
    told(record_step(journal, case_id, event), f"{bank} credited {plain(event.net)} {currency}", as_json)


@settlement.command("safe")
@case_argument
@_currency
@_amount
@paper_options
def safe(
    case_id: str,
    currency: str,
    amount_text: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """SAFE approved the amount to be brought in. Evidence: approval_document."""
    asked = amount("--amount", amount_text)
    event = SafeApproved(currency=currency, amount=asked, evidence=evidence(pairs), who=who)
    told(record_step(journal, case_id, event), f"SAFE approved {plain(asked)} {currency}", as_json)


@settlement.command("convert")
@case_argument
@click.option("--bank", required=True)
@_currency
@_amount
@click.option("--rate", required=True, help="For one unit: 7.1234, where the slip says 712.34 for 100.")
@click.option("--to", "to_currency", default="CNY", show_default=True)
@click.option("--gross", required=True, help="Amount times rate in the smallest unit.")
@_charge
@click.option("--net", required=True, help="Gross less charge.")
@click.option("--rounding", type=click.Choice(list(ROUNDINGS)), default="half-up", show_default=True)
@paper_options
def convert(
    case_id: str,
    bank: str,
    currency: str,
    amount_text: str,
    rate: str,
    to_currency: str,
    gross: str,
    charge: str,
    net: str,
    rounding: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """A bank bought foreign money for RMB. Evidence: conversion_slip. Its figures must agree with each other."""
    event = FxConverted(
        bank=bank,
        currency=currency,
        amount=amount("--amount", amount_text),
        rate=amount("--rate", rate),
        to_currency=to_currency,
        gross=amount("--gross", gross),
        charge=amount("--charge", charge),
        net=amount("--net", net),
        rounding=rounding,
        evidence=evidence(pairs),
        who=who,
    )
    said = f"{plain(event.amount)} {currency} converted to {plain(event.net)} {to_currency} net"
    told(record_step(journal, case_id, event), said, as_json)


@settlement.command("credit")
@case_argument
@click.option("--account", required=True, help="The proceeds account of this case; no other is accepted.")
@_currency
@_amount
@_charge
@click.option("--net", required=True, help="What was credited.")
@paper_options
def credit(
    case_id: str,
    account: str,
    currency: str,
    amount_text: str,
    charge: str,
    net: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """RMB were credited to the account of this case. Evidence: credit_advice."""
    event = CaseAccountCredited(
        account=account,
        currency=currency,
        amount=amount("--amount", amount_text),
        charge=amount("--charge", charge),
        net=amount("--net", net),
        evidence=evidence(pairs),
        who=who,
    )
    told(record_step(journal, case_id, event), f"{plain(event.net)} {currency} credited to {account}", as_json)


@settlement.command("receipt")
@case_argument
@click.option("--by", "issuer", type=click.Choice(ISSUERS), required=True, help="Who confirms in writing.")
@_currency
@_amount
@paper_options
def receipt(
    case_id: str,
    issuer: str,
    currency: str,
    amount_text: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """Police or court confirmed that they received the proceeds; `--amount 0` if nothing was sold and they confirmed
    that all coins are back. Evidence: receipt. Only this lets a deposit go."""
    got = amount("--amount", amount_text)
    event = ReceiptRecorded(issuer=issuer, currency=currency, amount=got, evidence=evidence(pairs), who=who)
    told(record_step(journal, case_id, event), f"receipt by {issuer} for {plain(got)} {currency}", as_json)


@settlement.command("deliver")
@case_argument
@click.option("--to", "to", type=click.Choice(RECIPIENTS), required=True)
@_currency
@_amount
@paper_options
def deliver(
    case_id: str,
    to: str,
    currency: str,
    amount_text: str,
    pairs: tuple[str, ...],
    who: str,
    journal: Place | None,
    as_json: bool,
) -> None:
    """The proceeds went to the treasury, or back to the victims. Evidence: delivery_record (the treasury's receipt)."""
    event = ProceedsDelivered(
        to=to, currency=currency, amount=amount("--amount", amount_text), evidence=evidence(pairs), who=who
    )
    told(record_step(journal, case_id, event), f"{plain(event.amount)} {currency} delivered to the {to}", as_json)


@settlement.command("show")
@case_argument
@journal_option
@json_option
def show(case_id: str, journal: Place | None, as_json: bool) -> None:
    """How far the money is: each step with its papers, what waits, what is missing."""

    async def read(opened: Journal) -> tuple[Verdict, dict[str, Any]]:
        books = read_books(opened, case_id)
        return reconcile_case(books, SystemClock().now()), {ref: entry.event for ref, entry in books.entries.items()}

    verdict, events = with_journal(journal, read)
    for line in verdict.lines:
        if line.name not in MONEY_STEPS or line.chain != "money":
            continue
        papers = [f"{kind} {named}" for ref in line.refs for kind, named in events[ref].evidence.items()]
        if as_json:
            row = {"step": line.name, "status": line.status, "papers": papers, "refs": line.refs}
            click.echo(json.dumps(row | {"waits": {name: plain(left) for name, left in line.residual.items()}}))
        else:
            click.echo(f"{line.name:<13}{line.status:<9}{'; '.join(papers + line.details)}")


def _all_cash(place: Place | None, case_id: str, venue: str, currency: str) -> Any:
    async def read(opened: Journal) -> Any:
        return read_books(opened, case_id).ledger.balances.get((f"venue_cash:{venue}", currency), ZERO)

    return with_journal(place, read)
