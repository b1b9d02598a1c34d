"""`executor benchmark`: compute the average that a price rule rests on, and make it again from the record."""

import json
from pathlib import Path

import click
from pydantic import ValidationError

from adapters.clock import SystemClock
from config.toml_file import faults, read_toml
from executor.cli.record import journal_option, who_option, with_journal
from executor.domain.average import AverageParams
from executor.domain.case_events import BenchmarkRecorded
from executor.engine.approval import act, opened_case
from executor.errors import InputRefused, RecordBroken
from executor.exit_codes import ExitCode
from executor.journal.journal import Journal
from executor.journal.open import Place
from executor.market.benchmark import BenchmarkRecord, compute, differences, read_record
from executor.market.candles import file_hash, load

_file = click.Path(path_type=Path, dir_okay=False)
_candles = click.option("--candles", type=_file, required=True, help="Recorded candles (CSV, .csv.gz).")
_json = click.option("--json", "as_json", is_flag=True, help="Data for programs.")


@click.group("benchmark")
def benchmark() -> None:
    """Averages for price rules, which anyone can compute again to the last digit."""


@benchmark.command("compute")
@click.argument("params", type=_file)
@_candles
@click.option("--trade-date", help="Another date than the one in PARAMS: the same terms, that date's average.")
@_json
def compute_command(params: Path, candles: Path, trade_date: str | None, as_json: bool) -> None:
    """Compute the N-day average before a trade date from PARAMS (TOML) and a candle file.

    \b
    executor benchmark compute config/examples/benchmarks/falling-20-day.toml \\
        --candles config/examples/benchmarks/falling-20-day.csv --json > record.json

    With --json the output is the record: keep it with the candle file."""
    try:
        table = read_toml(params)
        wanted = AverageParams.model_validate(table | ({"trade_date": trade_date} if trade_date is not None else {}))
    except ValidationError as error:
        raise InputRefused(faults(error, str(params))) from None
    record = compute(wanted, load(candles))
    click.echo(record.canonical().decode() if as_json else _table(record))


@benchmark.command("recompute")
@click.argument("record", type=_file)
@_candles
@_json
def recompute_command(record: Path, candles: Path, as_json: bool) -> int:
    """Make the average in RECORD (JSON) again from the candle file and compare every byte.

    Ends with 0 if it is the same, with 8 if anything differs."""
    kept = read_record(record)
    hashed = file_hash(candles)
    try:
        found = differences(kept, load(candles))
    except InputRefused as error:
        # The file is there (it was hashed) but is no candle file: not what the record was made from.
        found = [f"it cannot be computed from this file: {error}"]
        if hashed != kept.file_sha256:
            found.insert(0, f"file_sha256: the record says {kept.file_sha256}, the file gives {hashed}")
    if as_json:
        click.echo(json.dumps({"same": not found, "result": kept.result, "sha256": kept.sha256, "differences": found}))
    elif not found:
        click.echo(f"same: {kept.result} {kept.parameters.currency} (record {kept.sha256})")
    if found:
        if as_json:
            return int(ExitCode.RECORD_FAILED)
        raise RecordBroken("differs: " + "\n  ".join(found))
    return int(ExitCode.OK)


@benchmark.command("record")
@click.argument("case_id")
@click.argument("record", type=_file)
@_candles
@who_option
@journal_option
def record_command(case_id: str, record: Path, candles: Path, who: str, journal: Place | None) -> None:
    """Write the average in RECORD into the case, where its price rules find it. It is computed again first.

    WHO is checker or risk in the case: whoever sells does not say what the price must be."""
    kept = computed(record, candles)
    event = BenchmarkRecorded(record_sha256=kept.sha256, record=kept.values(), who=who)

    async def recorded(opened: Journal) -> None:
        def judged() -> tuple[BenchmarkRecorded, str]:
            return event, opened_case(opened, case_id).refuse_benchmark(event)

        await act(opened, case_id, judged, who, SystemClock())

    with_journal(journal, recorded)
    click.echo(
        f"recorded: {kept.result} {kept.parameters.currency} before {kept.parameters.trade_date} ({kept.sha256})"
    )


def computed(record: Path, candles: Path) -> BenchmarkRecord:
    """The average in ``record``, made again from ``candles``. Raises ``RecordBroken`` if that gives something else."""
    kept = read_record(record)
    if found := differences(kept, load(candles)):
        raise RecordBroken(f"{record} does not come from {candles}: " + "\n  ".join(found))
    return kept


def _table(record: BenchmarkRecord) -> str:
    params = record.parameters
    rows = [
        ("average", f"{record.result} {params.currency} ({params.days} days before {params.trade_date})"),
        ("source", f"{params.source}, {params.pair}, candles of {params.candle_length} s"),
        ("formula", f"{params.method}, version {record.formula_version}, day boundary {params.day_boundary}"),
        ("rounding", f"{params.rounding} to {params.decimals} decimals"),
        ("candles", f"{record.candle_count}, {record.first_candle} to {record.last_candle}"),
        ("missing", f"{sum(day.missing for day in record.days)}"),
        ("file", f"{record.file} sha256 {record.file_sha256}"),
        ("record", f"sha256 {record.sha256}"),
        ("terms", f"sha256 {params.terms_sha256}"),
    ]
    lines = [f"{name:<9} {value}" for name, value in rows]
    lines += ["", f"{'day':<11} {'from (UTC)':<21} {'candles':>7} {'missing':>7} {'close':>18}"]
    lines += [f"{d.day:<11} {d.starts_at:<21} {d.candles:>7} {d.missing:>7} {d.close or '-':>18}" for d in record.days]
    return "\n".join(lines)
