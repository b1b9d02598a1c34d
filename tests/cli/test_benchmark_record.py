"""An average goes into a case, where price rules find it; and into a rehearsal."""

import json
from pathlib import Path
from typing import Any

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import EXAMPLES, call, objects, plan, write_mandate
from tests.cli.test_approvals import Office

PARAMS = EXAMPLES / "benchmarks" / "falling-20-day.toml"
CANDLES = EXAMPLES / "benchmarks" / "falling-20-day.csv"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text(call("benchmark", "compute", PARAMS, "--candles", CANDLES, "--json").stdout)
    return path


def test_a_checker_records_an_average_that_can_be_made_again(tmp_path: Path, record: Path) -> None:
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    words = ("benchmark", "record", "BJ-9", record, "--candles", CANDLES, "--who")
    office.refused("neither checker nor risk", *words, "op")
    assert office.done(*words, "ch").startswith(f"recorded: {json.loads(record.read_text())['result']} USD")
    office.refused("recorded already", *words, "ri")
    changed = tmp_path / "changed.json"
    values = json.loads(record.read_text())
    changed.write_text(record.read_text().replace(values["result"], "1.00"))
    wrong = ("benchmark", "record", "BJ-9", changed, "--candles", CANDLES, "--who", "ch")
    office.refused("does not come from", *wrong, code=ExitCode.RECORD_FAILED)


def test_a_rehearsal_under_an_average_waits_for_it(tmp_path: Path, record: Path) -> None:
    """Under the recorded average the sale ends; a start one dollar under it waits until the window is over."""
    told = json.loads(call("benchmark", "recompute", record, "--candles", CANDLES, "--json").stdout)
    rule: dict[str, Any] = {"kind": "average", "name": "mean", "currency": "USD", "scope": "per_fill"}
    rule |= {"compare": "before_fees", "benchmark": told["sha256"], "renewal": "once", "factor": "1"}
    px = told["result"].partition(".")[0]
    mandate = write_mandate(tmp_path, plan(floor_px="20000", price_rules=[rule]))
    under = call("dry-run", mandate, "--start-px", str(int(px) - 500), "--benchmark", record, "--json")
    assert under.returncode == ExitCode.REFUSED
    waiting = next(each for each in objects(under.stdout) if '"ParentWaiting"' in json.dumps(each))
    assert "by rule mean" in json.dumps(waiting)
    assert objects(under.stdout)[-1]["sold"] == "0"
    over = call("dry-run", mandate, "--start-px", str(int(px) + 2_000), "--benchmark", record, "--json")
    assert over.returncode == ExitCode.OK
    nothing = call("dry-run", mandate, "--start-px", str(int(px) + 2_000), "--json")
    assert (nothing.returncode, objects(nothing.stdout)[-1]["sold"]) == (ExitCode.REFUSED, "0")
