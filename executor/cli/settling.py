"""What the commands of the settlement share: evidence, the second person's signature, and recording a step."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from adapters.clock import SystemClock
from executor.cli.keys import load_private
from executor.cli.record import journal_option, json_option, with_journal
from executor.domain.settlement import countersign_message, refuse_step
from executor.domain.settlement_events import Countersign
from executor.domain.signing import public_hex, sign
from executor.errors import InputRefused
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.settlement.acts import Office, carry_out

F = TypeVar("F", bound=Callable[..., Any])

case_argument = click.argument("case_id", metavar="CASE")
who_option = click.option("--who", required=True, help="Your name: settlement in this case.")
evidence_option = click.option(
    "--evidence", "pairs", multiple=True, metavar="KIND=REFERENCE", help="What shows it: a number or a SHA-256."
)
UNSIGNED = Countersign(person="", public_key="", signature="")


def paper_options(command: F) -> F:
    """What every command takes that records a paper: its evidence, who records it, the journal, and how to say so."""
    return evidence_option(who_option(journal_option(json_option(command))))


def second_options(command: F) -> F:
    """The options with which a second person, checker or risk of the case, signs exactly this act."""
    key = click.option(
        "--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The second person's private key."
    )
    person = click.option("--second", required=True, help="Who signs besides you: checker or risk in this case.")
    return person(key(command))


def evidence(pairs: tuple[str, ...]) -> dict[str, str]:
    """``KIND=REFERENCE`` words as a table. Raises ``InputRefused``."""
    found = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(kind and reference for kind, reference in found.items()):
        raise InputRefused("--evidence is KIND=REFERENCE, both said")
    return found


def countersigned(case_id: str, event: Any, second: str, key: Path) -> Any:
    """``event`` with the signature of the second person."""
    private = load_private(key)
    signature = sign(private, countersign_message(case_id, event))
    signed = Countersign(person=second, public_key=public_hex(private), signature=signature)
    return msgspec.structs.replace(event, second=signed)


def record_step(place: Place | None, case_id: str, event: Any, refuse: Callable[[Office], str] | None = None) -> str:
    """Record a step of the settlement if its rules allow; its reference."""

    def judged(office: Office) -> str:
        return refuse_step(office.case, office.books, office.people, event)

    async def act(journal: Journal) -> str:
        return await carry_out(journal, case_id, event, refuse or judged, SystemClock())

    return with_journal(place, act)


def moment(text: str | None) -> datetime | None:
    """The time in ``text`` (ISO 8601 with its zone), or ``None``. Raises ``InputRefused``."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputRefused(f"--at: '{text}' is no ISO 8601 time") from None
    if at.tzinfo is None:
        raise InputRefused(f"--at: '{text}' names no zone; write +08:00 for Hong Kong, Z for UTC")
    return at


def told(reference: str, text: str, as_json: bool, **values: str) -> None:
    """Say what was recorded."""
    click.echo(json.dumps({"recorded": reference} | values) if as_json else f"{text}  ({reference})")
