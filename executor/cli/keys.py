"""`executor keys`: key pairs of people, and whom they speak for."""

import json
import os
import stat
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.clock import SystemClock
from executor.cli.record import journal_option, json_option, who_option, why_option, with_journal
from executor.domain.case_events import KeyRevoked, PersonEnrolled
from executor.domain.people import People
from executor.domain.signing import public_hex
from executor.engine.approval import load_people, voided_by, write_people
from executor.errors import CredentialsRefused, InputRefused, RuleRefused
from executor.journal.journal import Journal
from executor.journal.open import Place


@click.group("keys")
def keys() -> None:
    """Ed25519 keys: make one, enrol it for a person, revoke it."""


@keys.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def new(file: Path) -> None:
    """Make a key pair: the private half goes to FILE (readable by you only), the public half is printed."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputRefused(f"{file} exists already; a key is never overwritten, choose another name") from None
    with os.fdopen(handle, "wb") as out:
        out.write(pem)
    click.echo(public_hex(private))


@keys.command("enroll")
@click.argument("person")
@click.argument("public_key")
@click.option("--name", required=True, help="The person's full name.")
@who_option
@journal_option
def enroll(person: str, public_key: str, name: str, who: str, journal: Place | None) -> None:
    """Let PUBLIC_KEY (as `keys new` prints it) speak for PERSON. A key belongs to one person for ever, and a
    person has one key at a time: to change it, revoke the old one first."""
    if len(public_key) != 64 or any(digit not in "0123456789abcdef" for digit in public_key):
        raise InputRefused("PUBLIC_KEY is 64 hex digits, as `executor keys new` prints it")

    async def act(opened: Journal) -> None:
        def judged(people: People) -> PersonEnrolled:
            if fault := people.refuse_enrolment(person, public_key):
                raise RuleRefused(fault)
            return PersonEnrolled(person=person, name=name, public_key=public_key, who=who)

        await write_people(opened, judged, SystemClock())

    with_journal(journal, act, new=True)
    click.echo(f"enrolled {person}")


@keys.command("revoke")
@click.argument("public_key")
@who_option
@why_option
@journal_option
def revoke(public_key: str, who: str, why: str, journal: Place | None) -> None:
    """Let PUBLIC_KEY speak for nobody any more: approvals made with it are void from this moment."""

    async def act(opened: Journal) -> str:
        person = ""

        def judged(people: People) -> KeyRevoked:
            nonlocal person
            person = people.holder(public_key) or ""
            if not person:
                raise RuleRefused("the key speaks for nobody: it is unknown, or revoked already")
            voids = voided_by(opened, public_key, SystemClock().now())
            return KeyRevoked(person=person, public_key=public_key, voids=voids, who=who, why=why)

        await write_people(opened, judged, SystemClock())
        return person

    click.echo(f"revoked the key of {with_journal(journal, act)}")


@keys.command("list")
@journal_option
@json_option
def list_keys(journal: Place | None, as_json: bool) -> None:
    """Every person and the keys that speak for them."""

    async def act(opened: Journal) -> list[dict[str, object]]:
        persons = load_people(opened).persons.values()
        return [{"person": p.person, "name": p.name, "keys": sorted(p.keys)} for p in persons]

    for row in with_journal(journal, act):
        click.echo(json.dumps(row) if as_json else f"{row['person']}  {row['name']}  {row['keys'] or 'no live key'}")


def load_private(file: Path) -> Ed25519PrivateKey:
    """The private key in ``file``. Raises ``CredentialsRefused`` if it is not one, or if others can read it."""
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise CredentialsRefused(f"{file} can be read by others; `chmod 600 {file}` and think about a new key")
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise CredentialsRefused(f"{file} cannot be read ({error.strerror}); check the name") from None
    except (ValueError, TypeError):
        raise CredentialsRefused(f"{file} is no private key made by `executor keys new`") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CredentialsRefused(f"{file} is not an Ed25519 key; make one with `executor keys new`")
    return key
