"""`executor report` and `executor bundle`: what a court, a treasury or an auditor is handed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from config.holidays import hong_kong_holidays
from config.journal_path import journal_path
from executor.cli.benchmark import computed
from executor.cli.evidence import existing, verifiers
from executor.cli.journal_option import journal_option
from executor.cli.recording import record_signer, secrets_here
from executor.cli.replay import VolumeUnit, market_seen, volume_unit_option
from executor.errors import InputRefused
from executor.journal.checkpoint import taken_apart
from executor.journal.leaves import looking
from executor.journal.line import decode
from executor.journal.open import Place
from executor.market.benchmark import BenchmarkRecord
from executor.report.bundle import bundle_files, inputs_missing, listed, refuse_keys, zipped
from executor.report.casefile import CaseFile, casefile
from executor.report.export import exported, institution_lines
from executor.report.market_seen import Market
from executor.report.pdf import pdf
from executor.report.report import html
from executor.report.seal import sealed
from executor.report.words import Words

_file = click.Path(path_type=Path, dir_okay=False)
_lang = click.option("--lang", default="zh,en", show_default=True, help="Languages, with commas between: zh, en.")
_keys = click.option("--keys", type=_file, help="Verifier keys, one a line; default: the record key's own .pub file.")
_market = click.option("--market", type=_file, help="Recorded candles of the time of the sale: volumes and later mids.")
_benchmark = click.option(
    "--benchmark",
    "benchmarks",
    type=(_file, _file),
    multiple=True,
    metavar="RECORD CANDLES",
    help="The record of an average and the candle file it was made from; several are allowed.",
)


@dataclass(frozen=True, slots=True)
class _Case:
    """A case with the files that prove it and the files its prices were computed from."""

    case: CaseFile
    exported: dict[str, bytes]
    inputs: dict[str, bytes]


@click.command("report")
@click.argument("case_id", metavar="CASE")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@_lang
@click.option("--redacted", is_flag=True, help="Code names and masked addresses; the record is not attached.")
@click.option("--seal", type=_file, help="Seal each PDF (PAdES) with this PKCS#12; EXECUTOR_SEAL_PASSPHRASE opens it.")
@_market
@volume_unit_option
@_benchmark
@journal_option
@_keys
def report(
    case_id: str,
    folder: Path,
    lang: str,
    redacted: bool,
    seal: Path | None,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    benchmarks: Sequence[tuple[Path, Path]],
    journal: Place | None,
    keys: Path | None,
) -> None:
    """Write the report of CASE into DIR, as HTML and as PDF/A-3 with the record attached, in each language. Made from
    the verified record alone: the same record always gives the same bytes.

    \b
    executor report BJ-2026-0417 out/ --lang zh,en
    """
    found = _read(journal_path(journal), case_id, keys, market_seen(market, volume_unit), market, benchmarks)
    made = _reports(found, lang, redacted=redacted)
    if seal is not None:
        secret = os.environ.get("EXECUTOR_SEAL_PASSPHRASE", "")
        made = {name: sealed(raw, seal, secret) if name.endswith(".pdf") else raw for name, raw in made.items()}
    refuse_keys(made, secrets_here(journal_path(journal)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        (folder / name).write_bytes(content)
        click.echo(str(folder / name))


@click.command("bundle")
@click.argument("case_id", metavar="CASE")
@click.argument("file", metavar="FILE.zip", type=_file)
@_lang
@_market
@volume_unit_option
@_benchmark
@journal_option
@_keys
def bundle(
    case_id: str,
    file: Path,
    lang: str,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    benchmarks: Sequence[tuple[Path, Path]],
    journal: Place | None,
    keys: Path | None,
) -> None:
    """Write everything that a stranger needs to check CASE into one zip: events, checkpoints, key, plan, benchmark
    inputs, statements, ledger, report, verifier, README, and the list of them, signed with the record's key."""
    if file.exists():
        raise InputRefused(f"{file} exists already; evidence is never overwritten")
    signer = record_signer(journal_path(journal))
    found = _read(journal_path(journal), case_id, keys, market_seen(market, volume_unit), market, benchmarks)
    files = bundle_files(found.case, found.exported, _reports(found, lang), found.inputs)
    for average in inputs_missing(found.case, found.inputs):
        click.echo(
            f"executor: the candles behind a price rule are not in the bundle, and its README says so: add --benchmark "
            f"RECORD {average.file} (SHA-256 {average.file_sha256})",
            err=True,
        )
    refuse_keys(files, secrets_here(journal_path(journal)))
    files = listed(files, signer)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(zipped(files, found.case.until))
    click.echo(f"{file}: {len(files)} files; check it with: python3 verify.py", err=True)


def _read(
    place: Place,
    case_id: str,
    keys: Path | None,
    seen: Market | None,
    market: Path | None,
    benchmarks: Sequence[tuple[Path, Path]],
) -> _Case:
    place = existing(place)
    with looking(place) as run:
        trusted = verifiers(keys, place)
        files = exported(run, case_id, trusted)
        house = [decode(text) for text in institution_lines(run, trusted)]
    averages, inputs = list[BenchmarkRecord](), dict[str, bytes]()
    if market is not None:
        _put(inputs, market.name, market)
    for path, candles in benchmarks:
        average = computed(path, candles)
        averages.append(average)
        _put(inputs, path.name, path)
        _put(inputs, average.file, candles)
    lines = [decode(text) for text in files["events.jsonl"].decode().splitlines()]
    holidays = {day for days in hong_kong_holidays().values() for day in days}
    case = casefile(case_id, lines, house, seen, averages, holidays)
    notes = taken_apart(files["checkpoints.txt"].decode())
    case.head, case.checkpoints, case.key = notes[-1].text, len(notes), files["keys.txt"].decode().strip()
    return _Case(case, files, inputs)


def _put(inputs: dict[str, bytes], name: str, file: Path) -> None:
    """Raise ``InputRefused`` if another file has this name: in a bundle one would take the other's place."""
    content = file.read_bytes()
    if inputs.setdefault(name, content) != content:
        raise InputRefused(f"{file}: another file given here is called {name} too; rename one, or leave one out")


def _reports(found: _Case, lang: str, *, redacted: bool = False) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for language in dict.fromkeys(lang.split(",")):
        page = html(found.case, Words(language), redacted=redacted)
        name = f"report-{language}{'-redacted' if redacted else ''}"
        made[f"{name}.html"] = page.encode()
        made[f"{name}.pdf"] = pdf(page, found.case.until, {} if redacted else found.exported)
    return made
