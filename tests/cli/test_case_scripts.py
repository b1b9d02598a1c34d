"""The example scripts, as a user would start them: from the mandate to a finished holding, over sockets."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import ROOT, call, environment, objects
from tests.cli.processes import two_free_ports

AVERAGE = Decimal("92638.25")  # of config/examples/benchmarks/falling-20-day.toml


def played(name: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Run a script to its end in ``folder``; what it said, and the case as it stands then."""
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PORT": str(two_free_ports())}
    done = subprocess.run(
        ["sh", str(ROOT / "examples" / name), str(folder)],
        env=environment(path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == ExitCode.OK, (done.stdout + done.stderr)[-5000:]
    case: dict[str, Any] = json.loads((folder / "case.json").read_text())
    return done.stdout, case


def fills_of(folder: Path) -> list[dict[str, Any]]:
    return objects(call("fills", "--journal", folder / "journal.sqlite", "--json").stdout)


def test_the_beijing_case(tmp_path: Path) -> None:
    """A reserve price, quotes, the best quote: all 10 coins sold at or above the reserve."""
    said, case = played("beijing_case.sh", tmp_path)
    assert case["holdings"] == {"BTC": {"sold": "10"}}
    (plan,) = case["plans"]
    assert plan["approved_by"] == ["chen-jie", "li-wei"]
    assert case["refused"] == []
    fills = fills_of(tmp_path)
    assert sum(Decimal(fill["qty"]) for fill in fills) == 10
    assert all(Decimal(fill["px"]) >= 90_000 for fill in fills)
    assert "completed  all sold" in said
    assert "with 95 % confidence" in said
    settled(tmp_path)


def settled(folder: Path) -> None:
    """The same case goes on to the treasury; what is not there yet is missing, not assumed."""
    assert call("reconcile", "check", "BJ-2026-0601", "--journal", folder / "journal.sqlite").returncode == 9
    said, _ = played("beijing_settlement.sh", folder)
    assert "residual zero" in said
    rows = objects(call("ledger", "balance", "BJ-2026-0601", "--json", "--journal", folder / "journal.sqlite").stdout)
    held = {(row["account"], row["currency"]) for row in rows}
    assert ("treasury", "CNY") in held
    assert not {("deposit_held", "USD"), ("case_account", "CNY"), ("reserved", "BTC")} & held


def test_the_shanghai_case(tmp_path: Path) -> None:
    """The price falls through the average: nothing is sold below it, the wait is told, and the rest goes back. How much
    is sold before depends on how soon the sale begins on this machine."""
    said, case = played("shanghai_case.sh", tmp_path)
    holdings = {state: Decimal(qty) for state, qty in case["holdings"]["BTC"].items()}
    assert holdings.keys() <= {"sold", "returned"}
    assert sum(holdings.values()) == Decimal("0.5")
    assert holdings["returned"] > 0
    fills = fills_of(tmp_path)
    assert sum(Decimal(fill["qty"]) for fill in fills) == holdings.get("sold", 0)
    assert all(Decimal(fill["px"]) >= AVERAGE for fill in fills)
    assert "window over: " in said
    assert "by rule average-20-days: the average 92638.25 before 2026-01-21" in said
    (recall,) = case["changes"]
    assert (recall["kind"], recall["agreed_by"]) == ("recall", ["he-jing", "sun-hao"])


@pytest.mark.parametrize("name", ["beijing_case.sh", "beijing_settlement.sh", "shanghai_case.sh", "setup.sh"])
def test_the_scripts_are_executable_or_read_and_have_no_faults_of_syntax(name: str) -> None:
    script = ROOT / "examples" / name
    assert os.access(script, os.X_OK) == (name != "setup.sh")
    checked = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
