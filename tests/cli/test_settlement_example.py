"""The settlement example, as a user runs it: RMB in the account, treasury receipt, deposit released, residual zero."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import ROOT, call, environment, objects
from tests.cli.treasury import Treasury, two_fills

SCRIPT = ROOT / "examples" / "beijing_settlement.sh"
CASE = "BJ-9"
STEPS = ["deposit", "statements", "withdrawal", "bank", "safe", "conversion", "case_account", "receipt", "delivery"]


@pytest.fixture
def office(tmp_path: Path) -> Treasury:
    made = Treasury(tmp_path, **{CASE: "10"})
    made.sells(CASE, "10", two_fills())
    return made


def run(office: Treasury, *steps: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the program of this environment first on the path."""
    settings = {
        "EXECUTOR_JOURNAL": str(office.folder / "journal.sqlite"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CASE": CASE,
        "SETTLER": "se",
        "SECOND": "ch",
        "KEY": str(office.key("ch")),
        "WORK": str(office.folder),
        "STEPS": " ".join(steps),
        "PYTHON": sys.executable,
    }
    return subprocess.run(
        ["sh", str(SCRIPT)],
        env=environment(settings),
        cwd=office.folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def status(office: Treasury) -> dict[str, str]:
    rows = objects(call("reconcile", "check", CASE, "--json", *office.journal).stdout)
    return {row["line"]: row["status"] for row in rows}


def test_the_whole_example_ends_at_zero(office: Treasury) -> None:
    ended = run(office, *STEPS, "release")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "residual zero" in ended.stdout
    balance = {
        (row["account"], row["currency"]): row["amount"]
        for row in objects(office.done("ledger", "balance", CASE, "--json"))
    }
    assert balance["treasury", "CNY"] == "6766448.67"
    assert ("deposit_held", "CNY") not in balance
    assert ("case_account", "CNY") not in balance


def test_what_was_not_done_is_missing_and_the_deposit_stays(office: Treasury) -> None:
    """Every step by itself is left out in test_settlement, by the same commands."""
    assert run(office, "deposit", "statements", "withdrawal").returncode == ExitCode.NOT_RECONCILED
    missing = {name for name, each in status(office).items() if each != "ok"}
    assert missing == {"bank", "safe", "conversion", "case_account", "receipt", "delivery", "deposit_released"}
