"""Every shipped example, rehearsed: nothing left, nothing twice, and the venues' own books agree to the last digit."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.mock.world import MockWorld
from executor.cli import dry_run
from executor.exit_codes import ExitCode
from tests.cli.commands import EXAMPLES, ROOT, Table, call, execute, objects, plan, write_mandate

RECORDED = ROOT.parent / "shared" / "data" / "binance_spot_BTCUSDT_1m_2025-11.csv.gz"
PLANNED = {"nation-190000btc"}  # half a year: thought through with --planning, on venues in memory
NAMES = sorted({path.stem for path in EXAMPLES.glob("*.toml") if not path.name.endswith(".plan.toml")} - PLANNED)


def test_there_are_examples() -> None:
    assert {"beijing-500btc", "shanghai-half-btc", "shenzhen-60btc-otc", "guangzhou-odd-lot"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 20260417])
def test_any_example_under_any_seed_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, seed: int
) -> None:
    worlds: list[MockWorld] = []

    def remembered(*arguments: object) -> MockWorld:
        worlds.append(MockWorld(*arguments))  # type: ignore[arg-type]
        return worlds[-1]

    monkeypatch.setattr(dry_run, "MockWorld", remembered)
    journal = tmp_path / "journal.sqlite"
    done = call("dry-run", EXAMPLES / f"{name}.toml", "--seed", seed, "--journal", journal, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    summary = objects(done.stdout)[-1]
    assert (summary["status"], summary["leaves"], summary["seed"]) == ("completed", "0", seed)
    fills = objects(call("fills", "--journal", journal, "--json").stdout)
    orders = objects(call("orders", "--journal", journal, "--json").stdout)
    assert_exact(fills, summary)
    assert len({order["client_order_id"] for order in orders}) == len(orders) == summary["child_orders"]
    (world,) = worlds
    for venue, part in summary["by_venue"].items():
        owed = Decimal(part["gross"]) - sum(Decimal(fee) for fee in part["fees"].values())
        assert world.cash(venue) == owed, venue
    assert sum(world.cash(venue) for venue in world.apps) == Decimal(summary["proceeds"])


def assert_exact(fills: list[Table], summary: Table) -> None:
    """The fills sum up to what was asked, in coins and in money, and none is there twice or under the floor."""
    assert sum(Decimal(fill["qty"]) for fill in fills) == Decimal(summary["asked"]) == Decimal(summary["sold"])
    cash = sum(Decimal(fill["notional"]) - Decimal(fill["fee"]) for fill in fills)
    assert cash == Decimal(summary["proceeds"])
    assert all(Decimal(fill["px"]) >= Decimal(summary["floor_px"]) for fill in fills)
    assert len({(fill["venue"], fill["trade_id"]) for fill in fills}) == len(fills) == summary["fills"]


# --- recorded candles ----------------------------------------------------------------------------------------------

BASE = ("--volume-unit", "base")
HEAD = "timestamp,open,high,low,close,volume"


def rows(count: int) -> list[str]:
    """A quiet market of one-minute candles."""
    return [
        f"2026-03-02 {1 + minute // 60:02}:{minute % 60:02}:00,100000,100050,99950,100000,20" for minute in range(count)
    ]


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_rehearsal_replays_candles_plain_or_compressed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"candles.{ending}"
    text = "\n".join([HEAD, *rows(90)]).encode()
    path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    done = call("dry-run", write_mandate(tmp_path, plan()), "--market", path, *BASE, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    *events, summary = objects(done.stdout)
    assert summary["sold"] == "0.2"
    assert 99_000 < Decimal(summary["arrival_px"]) < 101_000
    assert events[0]["at"].startswith("2026-03-02T01:0")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("2026-03-02 01:03:00,100000,abc,99950,100000,20", "5: "),
        ("2026-03-02 01:03:00,100000,100050", "5: "),
        ("2026-03-02 01:01:00,100000,100050,99950,100000,20", "5: time 2026-03-02 01:01:00 is not after"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_reason(tmp_path: Path, bad: str, says: str) -> None:
    path = tmp_path / "candles.csv"
    path.write_text("\n".join([HEAD, *rows(3), bad]))
    done = call("dry-run", write_mandate(tmp_path, plan()), "--market", path, *BASE)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert f"{path}:{says}" in done.stderr
    assert len(done.stderr.strip().split(f"{path}:{says}")) == 2


def test_candles_that_are_missing_or_end_too_early_are_refused(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan())
    none = call("dry-run", mandate, "--market", tmp_path / "none.csv", *BASE)
    assert (none.returncode, none.stdout) == (ExitCode.USAGE, "")
    assert "cannot be read" in none.stderr
    (tmp_path / "short.csv").write_text("\n".join([HEAD, *rows(3)]))
    short = call("dry-run", mandate, "--market", tmp_path / "short.csv", *BASE)
    assert short.returncode == ExitCode.USAGE
    assert "give a longer file" in short.stderr


def test_an_example_runs_on_recorded_prices() -> None:
    if not RECORDED.is_file():
        pytest.skip(f"NOT TESTED: there are no recorded prices at {RECORDED}")
    done = execute("dry-run", EXAMPLES / "shanghai-half-btc.toml", "--market", RECORDED, *BASE, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    summary = objects(done.stdout)[-1]
    assert (summary["status"], summary["sold"]) == ("completed", "0.5")
    assert Decimal(summary["arrival_px"]) > 50_000
