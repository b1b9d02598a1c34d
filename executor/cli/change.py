"""`executor mandate change-account|recall|agree` and `plan prefer`: what one asks for and two others must sign."""

from pathlib import Path
from typing import Any

import click

from adapters.clock import SystemClock
from executor.cli.amounts import amount
from executor.cli.keys import load_private
from executor.cli.moments import coming
from executor.cli.record import journal_option, who_option, why_option, with_journal
from executor.domain.canonical import digest
from executor.domain.case import Case, HoldingState
from executor.domain.case_events import ChangeAgreed, ChangeProposed, HoldingMoved
from executor.domain.changes import PROCEEDS_ACCOUNT, RECALL
from executor.domain.money import parse_amount, plain
from executor.domain.people import People
from executor.domain.preferences import preference_values
from executor.domain.signing import change_message, public_hex, sign
from executor.engine.approval import act, load_people, opened_case
from executor.journal.journal import Journal
from executor.journal.open import Place


@click.command("change-account")
@click.argument("case_id")
@click.argument("account")
@who_option
@why_option
@journal_option
def change_account(case_id: str, account: str, who: str, why: str, journal: Place | None) -> None:
    """Ask that the proceeds of the case go to ACCOUNT. It takes effect when two others have agreed."""
    propose({"case_id": case_id, "kind": PROCEEDS_ACCOUNT, "account": account, "why": why}, who, journal)


@click.command("recall")
@click.argument("case_id")
@click.argument("asset")
@click.argument("qty", metavar="QTY|all")
@click.option("--to", "address", required=True, help="The controlled wallet to which the coins go back.")
@who_option
@why_option
@journal_option
def recall(case_id: str, asset: str, qty: str, address: str, who: str, why: str, journal: Place | None) -> None:
    """Ask that QTY of ASSET, credited and unsold, go back to a wallet. Carried out when two others have agreed."""
    values = {"case_id": case_id, "kind": RECALL, "asset": asset, "address": address, "why": why}
    if qty != "all":
        propose(values | {"qty": plain(amount("QTY", qty))}, who, journal)
        return

    async def there(opened: Journal) -> str:
        states = opened_case(opened, case_id).holdings.get(asset, {})
        return plain(states[HoldingState.CREDITED]) if states else "0"

    propose(values | {"qty": with_journal(journal, there)}, who, journal)


@click.command("prefer")
@click.argument("case_id")
@click.argument("plan_hash_given", metavar="PLAN_HASH")
@click.argument("desk")
@click.option("--up-to-bps", required=True, help="How far under the best money, in basis points.")
@click.option("--until", required=True, metavar="TIME", help="When it ends by itself, for example 2026-03-02T18:00.")
@who_option
@why_option
@journal_option
def prefer(
    case_id: str, plan_hash_given: str, desk: str, up_to_bps: str, until: str, who: str, why: str, journal: Place | None
) -> None:
    """Ask that quotes of DESK, a venue or a desk that it names, be taken before better ones.

    A quote lives for seconds: what is not the best is taken only under a rule that was signed before. It is in force
    once two others have signed it (`executor mandate agree`), and binds from the next request for quotes on."""
    ends = coming("--until", until)
    bps = amount("--up-to-bps", up_to_bps)
    propose(preference_values(case_id, plan_hash_given, desk, bps, ends, why), who, journal)


@click.command("agree")
@click.argument("case_id")
@click.argument("change_hash")
@click.option("--person", required=True, help="Who agrees: checker or risk in this case.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Their private key.")
@journal_option
def agree(case_id: str, change_hash: str, person: str, key: Path, journal: Place | None) -> None:
    """Sign exactly the change with CHANGE_HASH. Two people must, neither of them the one who asked."""
    private = load_private(key)
    signature = sign(private, change_message(case_id, change_hash))
    event = ChangeAgreed(change_hash=change_hash, person=person, public_key=public_hex(private), signature=signature)

    async def agreed(opened: Journal) -> str:
        def judged() -> tuple[ChangeAgreed, str]:
            case = opened_case(opened, case_id)
            return event, case.changes.refuse_agreement(event, case.roles, load_people(opened))

        case = opened_case(opened, case_id)
        if _left_to_carry_out(case, load_people(opened), change_hash):
            await _carry_out(opened, case_id, event)
            return f"the change was in force already, and is carried out now, for {person}"
        await act(opened, case_id, judged, person, SystemClock())
        case = opened_case(opened, case_id)
        if not case.changes.in_force(change_hash, case.roles, load_people(opened)):
            return f"agreed by {person}; one more must agree"
        if case.changes.asked[change_hash].values["kind"] == RECALL:
            await _carry_out(opened, case_id, event)
        return f"agreed by {person}; the change is in force"

    click.echo(with_journal(journal, agreed))


def _left_to_carry_out(case: Case, people: People, change_hash: str) -> bool:
    """True for a recall that is in force and of which nothing was moved: its command was interrupted."""
    change = case.changes.asked.get(change_hash)
    open_recall = change is not None and change.values["kind"] == RECALL and not change.used
    return open_recall and case.changes.in_force(change_hash, case.roles, people)


async def _carry_out(opened: Journal, case_id: str, agreement: ChangeAgreed) -> None:
    """Move what two have agreed to recall, for one who may agree to it and signs that."""

    def judged() -> tuple[HoldingMoved, str]:
        case, people = opened_case(opened, case_id), load_people(opened)
        change = case.changes.asked[agreement.change_hash]
        move = HoldingMoved(
            asset=change.values["asset"],
            qty=parse_amount(change.values["qty"]),
            from_state=HoldingState.CREDITED,
            to_state=HoldingState.RECALLED,
            evidence={"recall_order": agreement.change_hash},
            who=agreement.person,
        )
        refused = case.changes.refuse_signature(change, agreement, case.roles, people)
        return move, refused or case.refuse_move(move, people)

    await act(opened, case_id, judged, agreement.person, SystemClock())


def propose(change: dict[str, Any], who: str, journal: Place | None) -> None:
    """Record that ``who`` asks for a change of a case, and say under which hash others agree to it."""
    event = ChangeProposed(change_hash=digest(change), change=change, who=who)

    async def proposed(opened: Journal) -> None:
        def judged() -> tuple[ChangeProposed, str]:
            case = opened_case(opened, change["case_id"])
            return event, case.refuse_proposal(event, load_people(opened))

        await act(opened, change["case_id"], judged, who, SystemClock())

    with_journal(journal, proposed)
    click.echo(f"asked for: change {event.change_hash}; two others must agree")
