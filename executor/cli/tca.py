"""`executor tca`: how well a parent order, or every one of a case, was executed."""

import json
from pathlib import Path

import click

from config.journal_path import journal_path
from executor.cli.journal_option import journal_option
from executor.cli.replay import VolumeUnit, market_seen, volume_unit_option
from executor.domain.case_events import FloorRaised
from executor.domain.events import ParentCreated
from executor.errors import InputRefused
from executor.journal.line import Line, decode
from executor.journal.open import Place, open_reading
from executor.journal.store import Reading
from executor.market.benchmark import read_record
from executor.report.casefile import comparable
from executor.report.floors import Raises, raises_of
from executor.report.tca import tca as measured
from executor.report.tca_shown import tca_table, tca_values

_file = click.Path(path_type=Path, dir_okay=False)


@click.command("tca")
@click.argument("name", metavar="PARENT|CASE")
@journal_option
@click.option("--market", type=_file, help="Recorded candles of the same time (CSV, .csv.gz): volumes and later mids.")
@volume_unit_option
@click.option("--benchmark", type=_file, help="The record of the average that the sale is held against (JSON).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a parent order, with the definitions.")
def tca(
    name: str,
    journal: Place | None,
    market: Path | None,
    volume_unit: VolumeUnit | None,
    benchmark: Path | None,
    as_json: bool,
) -> None:
    """Measure how well PARENT, or each parent order of CASE, was executed: shortfall and its parts, slippage, markouts,
    participation, quotes. Each number stands beside its definition; what was not recorded is said to be so."""
    seen = market_seen(market, volume_unit)
    average = None if benchmark is None else read_record(benchmark)
    px = None if average is None else average.benchmark().px
    for lines, raises in _sales_of(journal_path(journal), name):
        spec = lines[0].event
        if average is not None and isinstance(spec, ParentCreated) and not comparable(spec, average):
            raise InputRefused(
                f"{benchmark} is an average of {average.parameters.pair} in {average.parameters.currency}, and parent "
                f"{spec.parent_id} sells {spec.asset} for {spec.quote_asset}: not comparable; leave --benchmark out"
            )
        found = measured([(line.at, line.event) for line in lines], seen, px, raises)
        click.echo(json.dumps(tca_values(found)) if as_json else tca_table(found))


def _sales_of(place: Place, name: str) -> list[tuple[list[Line], Raises]]:
    """The events of the parent order ``name``, or of each one of the case ``name``, with the raises of its floor.
    Raises ``InputRefused``."""
    record = open_reading(place)
    try:
        streams, own = record.streams("parent/"), f"parent/{name}"
        asked = [own] if own in streams else streams
        begun = {line.stream: line.event for line in map(decode, record.edges(asked, last=False))}
        wanted = [
            ([decode(text) for text in record.read(stream)], _raises(record, spec))
            for stream in asked
            if isinstance(spec := begun[stream], ParentCreated) and name in (spec.parent_id, spec.case_id)
        ]
    finally:
        record.close()
    if not wanted:
        raise InputRefused(f"the record holds no parent order and no case {name} that has one; see `executor status`")
    return wanted


def _raises(record: Reading, spec: ParentCreated) -> Raises:
    case = (decode(text) for text in record.read(f"case/{spec.case_id}"))
    return raises_of(spec.plan_hash, [(line.at, line.event) for line in case if isinstance(line.event, FloorRaised)])
