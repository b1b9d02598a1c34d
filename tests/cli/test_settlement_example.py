"""The settlement example, as a user runs it after a real sale on mocked venues over sockets: RMB in the account,
treasury receipt, deposit released, residual zero."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from tests.cli import test_approvals
from tests.cli.commands import ROOT, call, environment, objects
from tests.cli.processes import mock_venues
from tests.cli.test_approvals import Office, freeze
from tests.cli.test_intake import intake

SCRIPT = ROOT / "examples" / "beijing_settlement.sh"
CASE = "BJ-9"
SETTLER = '[[authorised_people]]\nperson = "se"\nname = "Settlement"\nrole = "settlement"\n\n[deposit]'
STEPS = ["deposit", "statements", "withdrawal", "bank", "safe", "conversion", "case_account", "receipt", "delivery"]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A case that has sold its two coins within seconds, by a plan that two people have approved."""
    mandate = test_approvals.MANDATE.replace("[deposit]", SETTLER).replace('"1000000"', '"10000000"')
    monkeypatch.setattr(test_approvals, "MANDATE", mandate)
    made = Office(tmp_path)
    made.done(
        "keys", "enroll", "se", call("keys", "new", made.key("se")).stdout.strip(), "--name", "S", "--who", "admin"
    )
    made.done("mandate", "role", CASE, "se", "settlement", "--who", "admin")
    plan = made.folder / "plan.toml"
    text = plan.read_text().replace('"10m"', '"6s"').replace('"1m"', '"2s"').replace('qty = "1"', 'qty = "2"')
    plan.write_text(text)
    made.hash = call("plan", "hash", made.mandate).stdout.strip()
    freeze(made)
    for person in ("ch", "ri"):
        made.done(*made.approve(person))
    assert run(made, "deposit").returncode == ExitCode.NOT_RECONCILED
    with mock_venues(made.folder, made.mandate) as (_, env):
        intake(made)
        ended = made.call("run", made.mandate, "--on", "mock", "--json", env=env)
    assert ended.returncode == ExitCode.OK, ended.stderr
    return made


def run(office: Office, *steps: str) -> subprocess.CompletedProcess[str]:
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


def test_the_whole_example_ends_at_zero(office: Office) -> None:
    """First what was not done is missing, then all is done. Each step by itself is left out in test_settlement."""
    assert run(office, "statements").returncode == ExitCode.NOT_RECONCILED
    rows = objects(call("reconcile", "check", CASE, "--json", *office.journal).stdout)
    assert [row["line"] for row in rows if row["status"] != "ok"] == [*STEPS[2:], "deposit_released"]
    ended = run(office, *STEPS[2:], "release")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "residual zero" in ended.stdout
    held = {(row["account"], row["currency"]) for row in objects(office.done("ledger", "balance", CASE, "--json"))}
    assert ("treasury", "CNY") in held
    assert not {("deposit_held", "CNY"), ("case_account", "CNY"), ("reserved", "BTC")} & held
