"""`executor mandate`: accept a case, give its people roles, move its coins from state to state with evidence."""

import json
from decimal import Decimal
from pathlib import Path

import click

from adapters.clock import SystemClock
from config.mandates import read_mandate
from executor.cli.amounts import amount
from executor.cli.change import agree, change_account, recall
from executor.cli.record import journal_option, json_option, who_option, with_journal
from executor.domain.canonical import digest
from executor.domain.case import Case
from executor.domain.case_events import ActDenied, CaseOpened, HoldingMoved, RoleAssigned
from executor.domain.money import ZERO, plain
from executor.domain.people import People, Role
from executor.engine.approval import act, case_stream, load_people, open_case, opened_case
from executor.errors import InputRefused
from executor.journal.journal import Journal
from executor.journal.line import Line, time_text
from executor.journal.open import Place


@click.group("mandate")
def mandate() -> None:
    """A case: what was entrusted, by whom, who works on it, where the coins are."""


for _command in (change_account, recall, agree):
    mandate.add_command(_command)


@mandate.command("accept")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@who_option
@journal_option
def accept(file: Path, who: str, journal: Place | None) -> None:
    """Open the case of the mandate in FILE. Everything that a real case must say has to be there."""
    entrusted = read_mandate(file)
    gaps = entrusted.gaps()
    if gaps:
        raise InputRefused(
            "\n".join(f"{file}: {key}: is missing; a case cannot be accepted without it" for key in gaps)
        )
    values = entrusted.model_dump(mode="json")
    event = CaseOpened(case_id=entrusted.case_id, mandate=values, mandate_hash=digest(values), who=who)
    with_journal(journal, lambda opened: open_case(opened, event, SystemClock()), new=True)
    click.echo(f"case {entrusted.case_id} is open; mandate {event.mandate_hash}")


@mandate.command("role")
@click.argument("case_id")
@click.argument("person")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@who_option
@journal_option
def assign(case_id: str, person: str, role: str, who: str, journal: Place | None) -> None:
    """Give PERSON a ROLE in the case: exactly one, for good."""

    async def assigned(opened: Journal) -> None:
        def judged() -> tuple[RoleAssigned, str]:
            fault = opened_case(opened, case_id).refuse_role(person, role)
            if not fault and person not in load_people(opened).persons:
                fault = f"{person} is not enrolled; `executor keys enroll` comes first"
            return RoleAssigned(person=person, role=role, who=who), fault

        await act(opened, case_id, judged, who, SystemClock())

    with_journal(journal, assigned)
    click.echo(f"{person} is {role} in case {case_id}")


@mandate.command("move")
@click.argument("case_id")
@click.argument("asset")
@click.argument("qty", metavar="QTY|all")
@click.argument("from_state")
@click.argument("to_state")
@click.option("--evidence", "pairs", multiple=True, metavar="KIND=REFERENCE", help="What shows it; several times.")
@click.option("--value-hkd", help="The value of a transfer to a venue; from 8,000 on it needs the Travel Rule's data.")
@who_option
@journal_option
def move(
    case_id: str,
    asset: str,
    qty: str,
    from_state: str,
    to_state: str,
    pairs: tuple[str, ...],
    value_hkd: str | None,
    who: str,
    journal: Place | None,
) -> None:
    """Move QTY of ASSET between states (accepted, in_transit, credited, reserved, sold, recalled, returned); --who is
    operator or settlement in the case.

    Sent is not sold: only what a venue has credited can be reserved for a plan. Each way demands its evidence:

    \b
    accepted in_transit    transaction, ownership_proof, kyt, clearance, test_transfer; from HKD 8,000 on also
                           originator, originator_account, originator_id, recipient, recipient_account
    in_transit credited    transaction, venue_credit
    in_transit accepted    transaction (the one by which they were sent, and came back)
    credited reserved      plan; done by `executor run` only, never by hand, as is what follows
    reserved credited      plan
    reserved sold|fees     plan and parent
    credited recalled      recall_order; done by `executor mandate agree`
    recalled returned      transaction
    accepted returned      transaction

    The first transfer of an asset is a small one and names itself as test_transfer; later ones name one that a venue
    has credited."""
    evidence = dict(pair.partition("=")[::2] for pair in pairs)
    asked = None if qty == "all" else amount("QTY", qty)
    value = amount("--value-hkd", value_hkd) if value_hkd is not None else None

    async def moved(opened: Journal) -> Decimal:
        moving = ZERO

        def judged() -> tuple[HoldingMoved, str]:
            nonlocal moving
            case = opened_case(opened, case_id)
            there = {state.value: have for state, have in case.holdings.get(asset, {}).items()}
            moving = there.get(from_state, ZERO) if asked is None else asked
            event = HoldingMoved(
                asset=asset,
                qty=moving,
                from_state=from_state,
                to_state=to_state,
                evidence=evidence,
                who=who,
                value_hkd=value,
            )
            return event, case.refuse_move(event, load_people(opened)) or case.refuse_by_hand(event)

        await act(opened, case_id, judged, who, SystemClock())
        return moving

    click.echo(f"{plain(with_journal(journal, moved))} {asset}: {from_state} -> {to_state}")


@mandate.command("show")
@click.argument("case_id")
@journal_option
@json_option
def show(case_id: str, journal: Place | None, as_json: bool) -> None:
    """The case: mandate, roles, where the coins are, plans and their approvals, changes, and what was refused."""

    async def read(opened: Journal) -> tuple[Case, People, list[Line]]:
        return opened_case(opened, case_id), load_people(opened), list(opened.read(case_stream(case_id)))

    case, people, lines = with_journal(journal, read)
    values = {
        "case": case.case_id,
        "mandate_hash": case.mandate_hash,
        "proceeds_account": case.changes.proceeds_account(case.roles, people),
        "mandate": case.mandate,
        "roles": {person: role.value for person, role in case.roles.items()},
        "holdings": {
            asset: {state.value: plain(qty) for state, qty in states.items() if qty}
            for asset, states in case.holdings.items()
        },
        "plans": [
            {
                "plan": plan.plan_hash,
                "drafter": plan.drafter,
                "expires_at": plan.expires_at.isoformat(),
                "revoked": plan.revoked,
                "approved_by": sorted(plan.approvals),
            }
            for plan in case.plans.values()
        ],
        "changes": [
            {"change": key, **change.values, "asked_by": change.who, "agreed_by": sorted(change.agreed_by)}
            for key, change in case.changes.asked.items()
        ],
        "refused": [
            {"at": time_text(line.at), "act": line.event.act, "who": line.event.who, "reason": line.event.reason}
            for line in lines
            if isinstance(line.event, ActDenied)
        ],
    }
    click.echo(json.dumps(values, ensure_ascii=False, indent=None if as_json else 2))
