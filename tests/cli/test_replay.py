"""Recorded candles as the market of rehearsals and mocked venues: the unit of the volume, where the replay begins."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from executor.cli.replay import Recording, VolumeUnit, recording
from executor.domain.plan import Plan
from executor.errors import InputRefused
from executor.exit_codes import ExitCode
from tests.cli.commands import Table, call, objects, plan, write_mandate

FIRST = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def falling(tmp_path: Path) -> Path:
    """Three hours of one-minute candles: 100000 for two hours, 99000 from then on; 2 million a minute, in money."""
    path = tmp_path / "candles.csv"
    rows = ["timestamp,open,high,low,close,volume"]
    for minute in range(180):
        px = 100_000 if minute < 120 else 99_000
        rows.append(f"{FIRST + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S},{px},{px + 20},{px - 20},{px},2000000")
    path.write_text("\n".join(rows))
    return path


def drawn(**changes: object) -> Plan:
    return Plan.model_validate(plan(**changes))


def began(table: Table, arguments: tuple[object, ...], folder: Path) -> tuple[str, Decimal]:
    """When the record of a rehearsal begins, and the price at its arrival."""
    done = call("dry-run", write_mandate(folder, table), *arguments, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    *events, summary = objects(done.stdout)
    return events[0]["at"], Decimal(summary["arrival_px"])


def test_volume_counts_coins_unless_it_is_said(falling: Path, tmp_path: Path) -> None:
    given = recording(falling, None, None)
    assert given is not None
    assert given.volume_unit == "base"
    lone = call("dry-run", write_mandate(tmp_path, plan()), "--volume-unit", "base")
    assert lone.returncode == ExitCode.USAGE
    assert "belong to --market" in lone.stderr


@pytest.mark.parametrize(("unit", "volume"), [("quote", Decimal(20)), ("base", Decimal(2_000_000))])
def test_volumes_are_coins_when_they_reach_the_market(falling: Path, unit: VolumeUnit, volume: Decimal) -> None:
    assert Recording(falling, unit).candles(drawn())[0].volume == volume


def test_the_replay_begins_where_it_is_told_to(falling: Path, tmp_path: Path) -> None:
    market = ("--market", falling, "--volume-unit", "quote")
    at, px = began(plan(), market, tmp_path)
    assert at.startswith("2026-03-02T01:0")
    assert px > 99_900
    at, px = began(plan(), (*market, "--from", "2026-03-02T03:10"), tmp_path)
    assert at.startswith("2026-03-02T03:10")
    assert px < 99_100


def test_without_being_told_it_begins_at_the_start_of_the_plan(falling: Path, tmp_path: Path) -> None:
    """A plan that waits for its trade date does not wait through twenty days of candles."""
    table = plan(starts_at="2026-03-02T03:05:30Z")
    at, px = began(table, ("--market", falling, "--volume-unit", "quote"), tmp_path)
    assert at.startswith("2026-03-02T03:05:")
    assert px < 99_100


@pytest.mark.parametrize("begin", ["2026-03-01", "2026-03-02T03:59:30", "2026-03-09"])
def test_a_beginning_outside_the_candles_is_refused(falling: Path, begin: str) -> None:
    with pytest.raises(InputRefused, match="--from"):
        Recording(falling, "quote", datetime.fromisoformat(begin).replace(tzinfo=UTC)).candles(drawn())


def test_a_beginning_that_is_no_time_is_refused(falling: Path, tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan())
    done = call("dry-run", mandate, "--market", falling, "--volume-unit", "quote", "--from", "yesterday")
    assert done.returncode == ExitCode.USAGE
    assert "--from: 'yesterday' is not a time" in done.stderr
