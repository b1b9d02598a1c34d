"""`executor plan raise-floor|lower-limit|raise-limit`: limits of an approved plan that people change while it runs."""

from pathlib import Path
from typing import Any

import click

from adapters.clock import SystemClock
from executor.cli.amounts import amount
from executor.cli.change import propose
from executor.cli.keys import load_private
from executor.cli.moments import coming
from executor.cli.record import journal_option, who_option, why_option, with_journal
from executor.domain.amendments import LIMITS, RAISE_LIMIT, raise_values
from executor.domain.case_events import ChangeAgreed, ChangeProposed, FloorRaised, LimitLowered
from executor.domain.money import plain
from executor.domain.signing import floor_message, limit_message, public_hex, sign
from executor.engine.approval import act, load_people, opened_case
from executor.journal.journal import Journal
from executor.journal.line import Line, time_text
from executor.journal.open import Place

_case = click.argument("case_id")
_plan = click.argument("plan_hash_given", metavar="PLAN_HASH")
_limit = click.argument("limit", type=click.Choice(LIMITS), metavar="LIMIT")
_person = click.option("--person", required=True, help="Who does it: checker or risk in this case.")
_key = click.option("--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Their private key.")


@click.command("raise-floor")
@_case
@_plan
@click.argument("floor_px", metavar="PRICE")
@_person
@_key
@why_option
@journal_option
def raise_floor(
    case_id: str, plan_hash_given: str, floor_px: str, person: str, key: Path, why: str, journal: Place | None
) -> None:
    """Let nothing be sold under PRICE any more. One approver may raise the floor of a plan; a running sale obeys from
    its next order on. To lower it again two people must approve another plan."""
    private, px = load_private(key), amount("PRICE", floor_px)
    event = FloorRaised(
        plan_hash=plan_hash_given,
        floor_px=px,
        person=person,
        public_key=public_hex(private),
        signature=sign(private, floor_message(case_id, plan_hash_given, plain(px))),
        why=why,
    )

    async def raised(opened: Journal) -> None:
        def judged() -> tuple[FloorRaised, str]:
            return event, opened_case(opened, case_id).refuse_floor(event, load_people(opened))

        await act(opened, case_id, judged, person, SystemClock())

    with_journal(journal, raised)
    click.echo(f"raised: nothing is sold under {plain(px)} any more")


@click.command("lower-limit")
@_case
@_plan
@_limit
@click.argument("value")
@_person
@_key
@why_option
@journal_option
def lower_limit(
    case_id: str, plan_hash_given: str, limit: str, value: str, person: str, key: Path, why: str, journal: Place | None
) -> None:
    """Make a cap of a plan stricter: LIMIT is its key under [caps], VALUE its new value.

    One approver may; a running sale obeys from its next order on. It stays. Of min_venues, more is stricter;
    week_values become at most VALUE in each week. A looser limit needs two and has an end: `plan raise-limit`."""
    private, most = load_private(key), amount("VALUE", value)
    event = LimitLowered(
        plan_hash=plan_hash_given,
        limit=limit,
        value=most,
        person=person,
        public_key=public_hex(private),
        signature=sign(private, limit_message(case_id, plan_hash_given, limit, plain(most))),
        why=why,
    )

    async def lowered(opened: Journal) -> None:
        def judged() -> tuple[LimitLowered, str]:
            now = SystemClock().now()
            return event, opened_case(opened, case_id).refuse_lowering(event, load_people(opened), now)

        await act(opened, case_id, judged, person, SystemClock())

    with_journal(journal, lowered)
    click.echo(f"lowered: {limit} is {plain(most)} from the next order on")


@click.command("raise-limit")
@_case
@_plan
@_limit
@click.argument("value")
@click.option("--until", required=True, metavar="TIME", help="When it ends by itself, for example 2026-03-02T18:00.")
@who_option
@why_option
@journal_option
def raise_limit(
    case_id: str, plan_hash_given: str, limit: str, value: str, until: str, who: str, why: str, journal: Place | None
) -> None:
    """Ask that a cap of a plan be looser until TIME: LIMIT is its key under [caps], VALUE its value until then.

    It is in force once two others have signed it (`executor mandate agree`), and at TIME the old limit binds again by
    itself. What is to be looser for good is another plan."""
    ends = coming("--until", until)
    propose(raise_values(case_id, plan_hash_given, limit, amount("VALUE", value), ends, why), who, journal)


def amendments(lines: list[Line], plan_hash: str) -> list[dict[str, Any]]:
    """What people have changed of a plan's limits, in order: what, who, when, why and with which signatures."""
    found: list[dict[str, Any]] = []
    asked: dict[str, dict[str, Any]] = {}
    for line in lines:
        event, at = line.event, time_text(line.at)
        if isinstance(event, FloorRaised | LimitLowered) and event.plan_hash == plan_hash:
            signed = [{"person": event.person, "at": at, "signature": event.signature}]
            if isinstance(event, FloorRaised):
                said = {"limit": "floor_px", "value": plain(event.floor_px), "what": "raised for good"}
            else:
                said = {"limit": event.limit, "value": plain(event.value), "what": "stricter for good"}
            found.append(said | {"why": event.why, "signed": signed})
        elif isinstance(event, ChangeProposed) and event.change.get("kind") == RAISE_LIMIT:
            if event.change["plan"] == plan_hash:
                table = {key: event.change[key] for key in ("limit", "value", "until", "why")}
                table |= {"what": "looser until", "change": event.change_hash, "asked_by": event.who, "asked_at": at}
                asked[event.change_hash] = table | {"signed": []}
                found.append(asked[event.change_hash])
        elif isinstance(event, ChangeAgreed) and event.change_hash in asked:
            signed = asked[event.change_hash]["signed"]
            signed.append({"person": event.person, "at": at, "signature": event.signature})
    return found


def shown(change: dict[str, Any]) -> str:
    """One change for people."""
    until = f" {change['until']}" if "until" in change else ""
    asked = f", asked for by {change['asked_by']}" if "asked_by" in change else ""
    signed = ", ".join(f"{each['person']} at {each['at']}" for each in change["signed"]) or "nobody yet"
    return (
        f"    {change['limit']} {change['value']} ({change['what']}{until}{asked}; signed by {signed}): {change['why']}"
    )
