"""`executor record-key`, `checkpoint`, `verify`, `export` and `attest`: the record as evidence."""

import json
from contextlib import closing
from pathlib import Path

import click

from adapters.clock import SystemClock
from config.journal_path import journal_path, record_key_path
from executor.cli.journal_option import journal_option
from executor.cli.recording import RECORD, record_signer, secrets_here
from executor.errors import InputRefused, RecordBroken
from executor.journal.checkpoint import Checkpoint, joined, taken_apart
from executor.journal.holds import check_holds
from executor.journal.keys import new_key, public_path, read_verifiers
from executor.journal.leaves import Turn, looking, open_leaves
from executor.journal.note import Note, VerifierKey
from executor.journal.open import Place, open_reading
from executor.journal.recorder import Sequencer
from executor.journal.verify import verify as verified
from executor.report.export import exported

_file = click.Path(path_type=Path, dir_okay=False)
_keys = click.option("--keys", type=_file, help="Verifier keys, one a line; default: the record key's own .pub file.")


@click.command("record-key")
@click.argument("file", type=_file, required=False)
@click.option("--name", default=RECORD, show_default=True, help="Who signs: best a host name you own and a path.")
def record_key(file: Path | None, name: str) -> None:
    """Make the key pair that signs the record: FILE, readable by you only, and FILE.pub, to be published. Set
    EXECUTOR_RECORD_KEY=FILE before the first run; without it a key is made beside the journal.

    Without FILE: try the key that EXECUTOR_RECORD_KEY names, in a file or a device (pkcs11:...), and print its public
    half."""
    if file is None:
        held = record_signer(journal_path(None))
        key = VerifierKey(held.name, held.public)
    else:
        key = new_key(file, name)
    click.echo(str(key))
    click.echo(f"SHA-256 of the public key: {key.fingerprint}; publish it where you cannot change it alone", err=True)


@click.command("checkpoint")
@journal_option
def checkpoint(journal: Place | None) -> None:
    """Give every committed event its place and sign the trees that grew. A run does this by itself. The checkpoints go
    to stdout: what someone else keeps of them, nobody can take back."""
    place = existing(journal_path(journal))
    leaves = open_leaves(place)
    try:
        notes = Sequencer(leaves, record_signer(place, new=True)).advance(SystemClock().now())
    finally:
        leaves.close()
    click.echo(joined(notes), nl=False)


@click.command("verify")
@journal_option
@_keys
@click.option("--from", "seen", type=_file, help="Checkpoints verified before: older lines are hashed, not read.")
@click.option("--head", type=_file, help="Write the last checkpoint of each tree here, for --from and for safekeeping.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def verify(journal: Place | None, keys: Path | None, seen: Path | None, head: Path | None, as_json: bool) -> None:
    """Check the whole record; exit code 8 and the first bad line if it is not good."""
    place = existing(journal_path(journal))
    trusted = _notes(seen) if seen else []
    with looking(place) as run:
        verdict = verified(run, verifiers(keys, place), trusted)
    with closing(open_reading(place)) as reading:
        check_holds(reading)
    if head is not None:
        head.write_text(joined(verdict.heads), encoding="utf-8")
    names = ("events", "read", "trees", "checkpoints", "cosignatures", "waiting")
    found = {name: getattr(verdict, name) for name in names}
    if as_json:
        click.echo(json.dumps(found | {"parents": verdict.parents}))
        return
    click.echo(", ".join(f"{value} {name}" for name, value in found.items()))
    for name, status in verdict.parents.items():
        click.echo(f"{name}: {status}")
    click.echo("OK")


@click.command("export")
@click.argument("case_id", metavar="CASE")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@journal_option
@_keys
def export(case_id: str, folder: Path, journal: Place | None, keys: Path | None) -> None:
    """Write what a stranger needs to check CASE into the new folder DIR: its events, leaves and checkpoints, the key,
    and verify.py, which needs nothing but Python."""
    if folder.exists() and any(folder.iterdir()):
        raise InputRefused(f"{folder} is not empty; evidence goes into a folder of its own")
    from executor.report.bundle import refuse_keys

    place = existing(journal_path(journal))
    with looking(place) as run:
        files = exported(run, case_id, verifiers(keys, place))
    refuse_keys(files, secrets_here(place))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    click.echo(f"{folder}: {', '.join(files)}; check it with: python3 verify.py", err=True)


@click.group("attest")
def attest() -> None:
    """What others say about a checkpoint: cosignatures of witnesses, RFC 3161 timestamps."""


@attest.command("cosignature")
@click.argument("case_id", metavar="CASE")
@click.argument("note", type=_file)
@click.option("--witness", "witnesses", type=_file, required=True, help="The witnesses' verifier keys, one a line.")
@journal_option
def cosignature(case_id: str, note: Path, witnesses: Path, journal: Place | None) -> None:
    """Add the witnesses' signatures in NOTE to the same checkpoint of CASE (- for the institution's own tree)."""
    from executor.journal.witness import cosign

    notes = _notes(note)
    if len(notes) != 1:
        raise InputRefused(f"{note} holds {len(notes)} checkpoints; give the one that the witnesses signed")
    offered = notes[0]
    leaves = open_leaves(existing(journal_path(journal)))
    try:
        with leaves.turn() as turn:
            held = _held(turn, _tree(case_id), Checkpoint.parse(offered.text).size)
            merged = cosign(held, offered, read_verifiers(witnesses))
            turn.replace(_tree(case_id), Checkpoint.parse(held.text).size, merged)
    finally:
        leaves.close()
    click.echo(str(merged), nl=False)


@attest.command("request")
@click.argument("case_id", metavar="CASE")
@click.argument("file", type=_file)
@journal_option
def request(case_id: str, file: Path, journal: Place | None) -> None:
    """Write a timestamp request (.tsq) for the last checkpoint of CASE; send it to an authority as you like."""
    from executor.journal.witness import timestamp_request

    with looking(existing(journal_path(journal))) as run:
        held = _held(Turn(run), _tree(case_id), None)
    file.write_bytes(timestamp_request(held))
    click.echo(f"for size {Checkpoint.parse(held.text).size}", err=True)


@attest.command("timestamp")
@click.argument("case_id", metavar="CASE")
@click.argument("answer", type=_file)
@click.option("--size", type=int, required=True, help="The size of the checkpoint that the request was made for.")
@click.option("--roots", type=_file, required=True, help="The authority's root certificates, PEM.")
@journal_option
def timestamp(case_id: str, answer: Path, size: int, roots: Path, journal: Place | None) -> None:
    """Check an authority's ANSWER (.tsr) over the checkpoint of CASE at --size and keep it beside the checkpoint."""
    from executor.journal.witness import timestamped

    leaves = open_leaves(existing(journal_path(journal)))
    try:
        with leaves.turn() as turn:
            token = answer.read_bytes()
            at = timestamped(_held(turn, _tree(case_id), size), token, roots.read_bytes())
            turn.stamp(_tree(case_id), size, token)
    finally:
        leaves.close()
    click.echo(f"checkpoint {size} existed at {at.isoformat()}")


def existing(place: Place) -> Place:
    """The place of a journal that is there. Raises ``InputRefused``."""
    if isinstance(place, Path) and not place.is_file():
        raise InputRefused(f"there is no journal at {place}: name it with --journal, or run a mandate first")
    return place


def verifiers(keys: Path | None, place: Place) -> list[VerifierKey]:
    """The keys in the file given, else the public half of the record's own."""
    return read_verifiers(keys or public_path(record_key_path(place)))


def _notes(path: Path) -> list[Note]:
    try:
        return taken_apart(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, RecordBroken) as error:
        raise InputRefused(f"{path}: {error}") from None


def _tree(case_id: str) -> str:
    return "" if case_id == "-" else case_id


def _held(turn: Turn, tree: str, size: int | None) -> Note:
    notes = turn.notes(tree)
    found = [note for note in notes if Checkpoint.parse(note.text).size == size] if size else notes
    if not found:
        raise InputRefused(f"case {tree or '(institution)'} has no checkpoint{f' of size {size}' if size else ''}")
    return found[-1]
