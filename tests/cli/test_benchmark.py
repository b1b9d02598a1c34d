"""`executor benchmark` as a stranger would use it."""

import json
from pathlib import Path

import pytest

from tests.cli.commands import EXAMPLES, call

PARAMS = EXAMPLES / "benchmarks" / "falling-20-day.toml"
CANDLES = EXAMPLES / "benchmarks" / "falling-20-day.csv"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    done = call("benchmark", "compute", PARAMS, "--candles", CANDLES, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path / "record.json"
    path.write_text(done.stdout)
    return path


def test_for_people() -> None:
    done = call("benchmark", "compute", PARAMS, "--candles", CANDLES)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"average   {FIGURE} USD (20 days before 2026-01-21)"
    assert sum(line.startswith("2026-01-") for line in lines) == 20


FIGURE = "92638.25"


def test_the_same_again(record: Path) -> None:
    assert json.loads(record.read_text())["result"] == FIGURE
    done = call("benchmark", "recompute", record, "--candles", CANDLES)
    assert done.returncode == 0
    assert done.stdout.startswith(f"same: {FIGURE} USD (record ")
    data = json.loads(call("benchmark", "recompute", record, "--candles", CANDLES, "--json").stdout)
    assert (data["same"], data["differences"]) == (True, [])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2026-01-20 23:00:00,93", "2026-01-20 23:00:00,94", "cannot be computed from this file"),  # open above high
        ("2026-01-05 10:00:00", "2026-01-05 10:00:01", "does not lie on the grid"),
        ("timestamp,", "time,", "missing column timestamp"),
    ],
)
def test_a_changed_candle_file_ends_with_8(record: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    text = CANDLES.read_text()
    assert old in text
    changed = tmp_path / CANDLES.name
    changed.write_text(text.replace(old, new))
    done = call("benchmark", "recompute", record, "--candles", changed)
    assert done.returncode == 8
    assert done.stderr.startswith("executor: differs: ")
    assert said in done.stderr
    as_data = call("benchmark", "recompute", record, "--candles", changed, "--json")
    assert (as_data.returncode, json.loads(as_data.stdout)["same"]) == (8, False)


def test_a_changed_record_ends_with_8(record: Path) -> None:
    text = record.read_text()
    record.write_text(text.replace(f'"result":"{FIGURE}"', '"result":"1.00"'))
    done = call("benchmark", "recompute", record, "--candles", CANDLES)
    assert done.returncode == 8
    assert f"result: the record says 1.00, the file gives {FIGURE}" in done.stderr
    record.write_text(text[:-20])
    assert call("benchmark", "recompute", record, "--candles", CANDLES).returncode == 8


def test_what_is_missing_is_named(record: Path, tmp_path: Path) -> None:
    params = tmp_path / "params.toml"
    params.write_text(PARAMS.read_text().replace('day_boundary = "UTC"', "").replace("days = 20", "days = 21"))
    done = call("benchmark", "compute", params, "--candles", CANDLES)
    assert done.returncode == 2
    assert f"{params}: day_boundary: is missing; add it" in done.stderr
    params.write_text(PARAMS.read_text().replace("days = 20", "days = 21"))
    done = call("benchmark", "compute", params, "--candles", CANDLES)
    assert (done.returncode, "no candle on 2025-12-31" in done.stderr) == (2, True)
    assert call("benchmark", "compute", PARAMS, "--candles", tmp_path / "absent.csv").returncode == 2
    assert call("benchmark", "recompute", record, "--candles", tmp_path / "absent.csv").returncode == 2
    assert call("benchmark", "recompute", tmp_path / "absent.json", "--candles", CANDLES).returncode == 2
