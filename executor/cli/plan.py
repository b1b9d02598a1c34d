"""`executor plan`: look at a plan, freeze it, have it approved, revoke it."""

import json
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from adapters.clock import SystemClock
from config.mandates import load_mandate, read_mandate
from config.plan_draft import draft, preset_path, toml
from config.preset_file import open_questions
from config.toml_file import read_toml
from executor.cli.amend import amendments, lower_limit, raise_floor, raise_limit, shown
from executor.cli.change import prefer
from executor.cli.keys import load_private
from executor.cli.record import journal_option, json_option, who_option, why_option, with_journal
from executor.cli.replay import VolumeUnit, benchmark_option, market_options, recording
from executor.domain.canonical import canonical
from executor.domain.case import Case
from executor.domain.case_events import PlanApproved, PlanFrozen, PlanRevoked
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.people import People
from executor.domain.signing import approval_message, public_hex, sign
from executor.engine.approval import act, case_stream, load_people, opened_case
from executor.errors import InputRefused
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.market.benchmark import read_record
from executor.new_files import write_new


@click.group("plan")
def plan() -> None:
    """A plan: what it will do, its canonical bytes, its hash, and the people who stand behind it."""


@plan.command("hash")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--canonical", "as_bytes", is_flag=True, help="Print the canonical bytes instead.")
def show_hash(file: Path, as_bytes: bool) -> None:
    """The SHA-256 of the plan of the mandate in FILE: what approvals are given to."""
    mandate, drawn = load_mandate(file)
    frozen = frozen_plan(mandate.case_id, drawn.model_dump(mode="json"))
    click.echo(canonical(frozen).decode() if as_bytes else plan_hash(frozen))


@plan.command("draft")
@click.argument("preset")
@click.argument("mandate_file", metavar="MANDATE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--asset", help="What is sold; needed if the mandate holds several assets.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Answer or change a key of the plan; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the file and its open questions.")
def draft_plan(preset: str, mandate_file: Path, asset: str | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Draw up the plan of MANDATE from PRESET (beijing, shanghai, korea, ftx, saxony, or a file).

    \b
    executor plan draft beijing my-mandate.toml --set quote_asset=USD --set floor_px=90000 --set legs.0.clip=5

    The plan goes to the file that the mandate names. What neither a source nor the mandate says stands there as
    "SET: ..." until you answer it, with --set or in the file; until then the plan is refused."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputRefused(f"--set {wrong[0]}: write KEY=VALUE, for example floor_px=90000")
    mandate = read_mandate(mandate_file)
    target = mandate_file.parent / mandate.plan
    source = preset_path(preset)
    answers = {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
    table = draft(read_toml(source), mandate, answers, asset)
    terms = table.pop("benchmark", None)
    head = f"Drawn up from preset {source.stem}, whose file names the source of each published value ({source.name})."
    texts = {target: toml(table, head)}
    if terms is not None:
        beside = target.with_name(f"{target.stem.removesuffix('.plan')}.benchmark.toml")
        about = f"The terms of the average of preset {source.stem}; `executor benchmark compute` reads them."
        texts = {beside: toml(terms, about)} | texts  # first: that the plan is missing is noticed
    _write_draft(texts)
    written = list(reversed(texts))
    open_ones = open_questions(table) | {f"benchmark.{key}": q for key, q in open_questions(terms or {}).items()}
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in written], "open": open_ones}, ensure_ascii=False))
        return
    click.echo(f"written: {', '.join(map(str, written))}; {len(open_ones)} questions are open")
    for key, question in open_ones.items():
        click.echo(f"  {key}: {question}")


def _write_draft(texts: Mapping[Path, str]) -> None:
    """All of the files or none, and none over another. Raises ``InputRefused`` naming the one that is there."""
    taken = next((path for path in texts if os.path.lexists(path)), None)
    try:
        if taken is None:
            write_new(texts)
    except FileExistsError as error:
        taken = Path(error.filename)
    if taken is not None:
        raise InputRefused(f"{taken} exists already; a draft is never overwritten, rename it or name another one")


@plan.command("show")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Dry runs, a seed each.")
@market_options
@benchmark_option
@click.option("--start-px", help="Price at which the simulated market begins; default 10 % above the floor.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every slice.")
def show(
    file: Path,
    runs: int,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    begin: str | None,
    averages: tuple[Path, ...],
    start_px: str | None,
    as_json: bool,
) -> None:
    """Preview the plan of the mandate in FILE: slices, expected duration and cost, distance to floor and caps.

    The expectation comes from dry runs in simulated markets, one for each seed from the plan's own on; the range holds
    the mean with 95 % confidence. A plan that cannot be done is refused, each rule that binds named (exit 5)."""
    from executor.cli import preview  # brings the simulated market, which no other command here needs

    market_of, known = recording(market, volume_unit, begin), [read_record(each) for each in averages]
    preview.show(file, runs, market_of, known, start_px, as_json=as_json)


@plan.command("freeze")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--drafter", required=True, help="The operator who drew the plan up; cannot approve it.")
@click.option("--valid-hours", type=click.IntRange(1, 24 * 366), required=True, help="How long it may be executed.")
@journal_option
def freeze(file: Path, drafter: str, valid_hours: int, journal: Place | None) -> None:
    """Fix the plan of the mandate in FILE. From now on only exactly this plan can be approved and executed."""
    mandate, drawn = load_mandate(file)
    frozen = frozen_plan(mandate.case_id, drawn.model_dump(mode="json"))
    event = PlanFrozen(
        plan_hash=plan_hash(frozen),
        frozen=frozen,
        drafter=drafter,
        expires_at=SystemClock().now() + timedelta(hours=valid_hours),
    )

    async def frozen_now(opened: Journal) -> None:
        def judged() -> tuple[PlanFrozen, str]:
            return event, opened_case(opened, mandate.case_id).refuse_freeze(event)

        await act(opened, mandate.case_id, judged, drafter, SystemClock())

    with_journal(journal, frozen_now)
    click.echo(f"frozen: plan {event.plan_hash}, valid until {event.expires_at.isoformat(timespec='seconds')}")


@plan.command("approve")
@click.argument("case_id")
@click.argument("plan_hash_given", metavar="PLAN_HASH")
@click.option("--person", required=True, help="Who approves: checker or risk in this case, never the drafter.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Their private key.")
@journal_option
def approve(case_id: str, plan_hash_given: str, person: str, key: Path, journal: Place | None) -> None:
    """Sign exactly the plan with PLAN_HASH, its drafter and its end. Two people must; then it may be executed."""
    private = load_private(key)

    async def approved(opened: Journal) -> str:
        after = ""

        def judged() -> tuple[PlanApproved, str]:
            nonlocal after
            case, people, now = opened_case(opened, case_id), load_people(opened), SystemClock().now()
            found = case.plans.get(plan_hash_given)
            signature = ""
            if found is not None:
                signed = approval_message(case_id, plan_hash_given, found.drafter, found.expires_at)
                signature = sign(private, signed)
            event = PlanApproved(
                plan_hash=plan_hash_given, person=person, public_key=public_hex(private), signature=signature
            )
            if fault := case.refuse_approval(event, people, now):
                return event, fault
            before = case.refuse_execution(plan_hash_given, people, now)
            case.apply(event)
            after = case.refuse_execution(plan_hash_given, people, now)
            return msgspec.structs.replace(event, restores=bool(before) and not after), ""

        await act(opened, case_id, judged, person, SystemClock())
        return after

    still = with_journal(journal, approved)
    click.echo(f"approved by {person}; " + (f"still missing: {still}" if still else "the plan may be executed"))


@plan.command("revoke")
@click.argument("case_id")
@click.argument("plan_hash_given", metavar="PLAN_HASH")
@who_option
@why_option
@journal_option
def revoke(case_id: str, plan_hash_given: str, who: str, why: str, journal: Place | None) -> None:
    """Withdraw a plan: no order is sent under it from this moment."""
    event = PlanRevoked(plan_hash=plan_hash_given, who=who, why=why)

    async def revoked(opened: Journal) -> None:
        def judged() -> tuple[PlanRevoked, str]:
            known = plan_hash_given in opened_case(opened, case_id).plans
            return event, "" if known else f"no plan {plan_hash_given} is frozen"

        await act(opened, case_id, judged, who, SystemClock())

    with_journal(journal, revoked)
    click.echo(f"revoked: plan {plan_hash_given}")


@plan.command("list")
@click.argument("case_id")
@journal_option
@json_option
def list_plans(case_id: str, journal: Place | None, as_json: bool) -> None:
    """Every frozen plan of the case, whether it may be executed now, and what people have changed of its limits; with
    --json also the caps that bind now."""

    async def read(opened: Journal) -> list[dict[str, Any]]:
        case, people, now = opened_case(opened, case_id), load_people(opened), SystemClock().now()
        lines = list(opened.read(case_stream(case_id)))
        return [
            {
                "plan": found.plan_hash,
                "drafter": found.drafter,
                "expires_at": found.expires_at.isoformat(timespec="seconds"),
                "approved_by": sorted(found.approvals),
                "obstacle": case.refuse_execution(found.plan_hash, people, now),
                "caps": _caps(case, found.plan_hash, people, now),
                "changed": amendments(lines, found.plan_hash),
            }
            for found in case.plans.values()
        ]

    for row in with_journal(journal, read):
        may = row["obstacle"] or "may be executed"
        click.echo(
            json.dumps(row) if as_json else f"{row['plan']}  by {row['drafter']}  until {row['expires_at']}  {may}"
        )
        for change in () if as_json else row["changed"]:
            click.echo(shown(change))


def _caps(case: Case, plan_hash: str, people: People, now: datetime) -> dict[str, Any] | None:
    """The caps that bind now; ``None`` without any."""
    caps = case.caps(plan_hash, people, now)
    return caps.model_dump(mode="json", exclude_defaults=True) if caps is not None else None


for _command in (prefer, raise_floor, lower_limit, raise_limit):
    plan.add_command(_command)
