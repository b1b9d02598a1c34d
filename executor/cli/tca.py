"""`executor tca`: how well a parent order, or every one of a case, was executed."""

import json
from pathlib import Path

import click

from config.journal_path import journal_path
from executor.cli.benchmark import computed
from executor.cli.journal_option import journal_option
from executor.cli.replay import VolumeUnit, market_seen, volume_unit_option
from executor.domain.case_events import BenchmarkRecorded, FloorRaised
from executor.domain.events import ParentCreated
from executor.errors import InputRefused
from executor.journal.line import Line, decode
from executor.journal.open import Place, open_reading
from executor.journal.store import Reading
from executor.market.benchmark import BenchmarkRecord
from executor.report.averages import averages_of, comparable
from executor.report.floors import raises_of
from executor.report.tca import Timed
from executor.report.tca import tca as measured
from executor.report.tca_shown import tca_table, tca_values

_file = click.Path(path_type=Path, dir_okay=False)


@click.command("tca")
@click.argument("name", metavar="PARENT|CASE")
@journal_option
@click.option("--market", type=_file, help="Recorded candles of the same time (CSV, .csv.gz): volumes and later mids.")
@volume_unit_option
@click.option(
    "--benchmark",
    nargs=2,
    type=_file,
    metavar="RECORD CANDLES",
    help="An average that the sale is held against, beside those of the case, and the file that it was made from.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a parent order, with the definitions.")
def tca(
    name: str,
    journal: Place | None,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    benchmark: tuple[Path, Path] | None,
    as_json: bool,
) -> None:
    """Measure how well PARENT, or each parent order of CASE, was executed: shortfall and its parts, slippage, markouts,
    participation, quotes. Each number stands beside its definition; what was not recorded is said to be so."""
    seen = market_seen(market, volume_unit)
    given = [] if benchmark is None else [computed(*benchmark)]
    for lines, case in _sales_of(journal_path(journal), name):
        spec = lines[0].event
        assert isinstance(spec, ParentCreated)
        for average in given:
            if not comparable(spec, average):
                terms = average.parameters
                raise InputRefused(
                    f"the average given is of {terms.pair} in {terms.currency}, and parent {spec.parent_id} sells "
                    f"{spec.asset} for {spec.quote_asset}: not comparable; leave --benchmark out"
                )
        raises = raises_of(spec.plan_hash, [(at, event) for at, event in case if isinstance(event, FloorRaised)])
        recorded = [event.record for _, event in case if isinstance(event, BenchmarkRecorded)]
        averages = averages_of(spec, [*map(BenchmarkRecord.model_validate, recorded), *given])
        found = measured([(line.at, line.event) for line in lines], seen, averages.at, raises)
        click.echo(json.dumps(tca_values(found)) if as_json else tca_table(found))


def _sales_of(place: Place, name: str) -> list[tuple[list[Line], list[Timed]]]:
    """The events of the parent order ``name``, or of each one of the case ``name``, with those of its case's own
    stream. Raises ``InputRefused``."""
    record = open_reading(place)
    try:
        streams, own = record.streams("parent/"), f"parent/{name}"
        asked = [own] if own in streams else streams
        begun = {line.stream: line.event for line in map(decode, record.edges(asked, last=False))}
        wanted = [
            ([decode(text) for text in record.read(stream)], _of_case(record, spec))
            for stream in asked
            if isinstance(spec := begun[stream], ParentCreated) and name in (spec.parent_id, spec.case_id)
        ]
    finally:
        record.close()
    if not wanted:
        raise InputRefused(f"the record holds no parent order and no case {name} that has one; see `executor status`")
    return wanted


def _of_case(record: Reading, spec: ParentCreated) -> list[Timed]:
    return [(line.at, line.event) for line in map(decode, record.read(f"case/{spec.case_id}"))]
