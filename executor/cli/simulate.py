"""`executor simulate`: run seeded worlds full of faults and show what was hit and whether anything broke."""

import json
import re
import sys

import click

from adapters.mock.faults import FaultKind
from executor.exit_codes import ExitCode
from executor.simulation.runner import Report, kinds_named
from executor.simulation.runner import simulate as run

_SEEDS = re.compile(r"(\d+)(?:\.\.(\d+))?")


def _seeds(_ctx: click.Context, _param: click.Parameter, value: str) -> range:
    found = _SEEDS.fullmatch(value)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise click.BadParameter("write one seed (17) or a range from low to high (1..2000)")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def _faults(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        kinds_named(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command("simulate")
@click.option("--seeds", required=True, callback=_seeds, metavar="A..B|N", help="Which worlds to run.")
@click.option("--faults", default="all", callback=_faults, help="all, none, or kinds with commas between them.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes to run in.")
@click.option("--json", "as_json", is_flag=True, help="Data for programs.")
def simulate(seeds: range, faults: str, workers: int, as_json: bool) -> None:
    """Run seeded worlds with faults on mocked venues: the real engine, journal and adapters under a virtual clock.

    After every event it is checked that nothing is sold twice, below the floor or without a record. Ends with 8 when
    something broke, and prints for each such world the command that shows it again, byte for byte."""
    report = run(seeds, faults, workers=min(workers, len(seeds)))
    click.echo(_data(report) if as_json else _table(report))
    for outcome in report.failing:
        click.echo(f"{report.again(outcome)}  # {outcome.breaches[0]}", err=True)
    if report.failing:
        sys.exit(ExitCode.RECORD_FAILED)


def _table(report: Report) -> str:
    wanted = kinds_named(report.faults)
    width = max((len(kind.value) for kind in FaultKind), default=0)
    lines = [f"{'fault':<{width}}  {'hits':>8}  {'worlds':>8}"]
    lines += [
        f"{kind.value:<{width}}  {report.hits[kind.name]:>8}  {report.worlds_hit[kind.name]:>8}" for kind in wanted
    ]
    ends = ", ".join(f"{count} {end}" for end, count in sorted(report.ends.items()))
    lines += [
        "",
        f"{report.worlds} worlds ({ends}), {report.starts} processes, {report.events} events in the records",
        f"{len(report.failing)} worlds in which an invariant broke",
    ]
    return "\n".join(lines)


def _data(report: Report) -> str:
    return json.dumps(
        {
            "faults": report.faults,
            "worlds": report.worlds,
            "ends": dict(sorted(report.ends.items())),
            "processes": report.starts,
            "events": report.events,
            "hits": {kind.name.lower(): report.hits[kind.name] for kind in kinds_named(report.faults)},
            "worlds_hit": {kind.name.lower(): report.worlds_hit[kind.name] for kind in kinds_named(report.faults)},
            "breaches": [
                {"seed": one.seed, "again": report.again(one), "digest": one.digest, "what": list(one.breaches)}
                for one in report.failing
            ],
        },
        indent=2,
    )
