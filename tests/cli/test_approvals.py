"""From mandate to an approved plan by the commands that a user types, and all that must be refused on the way."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import call

MANDATE = """
case_id = "BJ-9"
authority = "Example authority"
bureau = "Example bureau"
platform = "Example exchange"
institution = "Example institution"
legal_basis = "entrustment 9"
proceeds_account = "account of case BJ-9"
affiliates = []
plan = "plan.toml"

[[authorised_people]]
person = "op"
name = "Operator"
role = "operator"

[[authorised_people]]
person = "ch"
name = "Checker"
role = "checker"

[[authorised_people]]
person = "ri"
name = "Risk"
role = "risk"

[[authorised_people]]
person = "se"
name = "Settlement"
role = "settlement"

[deposit]
amount = "1000000"
currency = "CNY"
form = "cash"

[[documents]]
name = "entrustment letter"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[[holdings]]
asset = "BTC"
network = "bitcoin"
qty = "2"
seizure_ref = "list 1"
source_addresses = ["address"]
transactions = ["hash"]

[[credited]]
venue = "osl"
account = "exchange"
asset = "BTC"
qty = "2"
"""
PLAN = """
asset = "BTC"
quote_asset = "USD"
qty = "1"
floor_px = "90000"
venues = ["osl"]
duration = "10m"
seed = 1

[[legs]]
kind = "twap"
qty = "1"
interval = "1m"
size_jitter = "0.3"
time_jitter = "0.3"
style = "cross"
catch_up = "3"
min_notional = "100"

[cover]
currency = "CNY"
coins = "reserved"
release_percent = "110"
halt_percent = "100"
warn_percents = ["110", "105", "100"]
rates = { USD = "7" }
"""


class Office:
    """Four people with keys, a case, and the files of its mandate and plan, all in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = ("--journal", folder / "journal.sqlite")
        self.mandate = folder / "mandate.toml"
        self.mandate.write_text(MANDATE)
        (folder / "plan.toml").write_text(PLAN)
        self.public = {}
        for person in ("op", "ch", "ri", "se"):
            self.public[person] = call("keys", "new", self.key(person)).stdout.strip()
            self.done("keys", "enroll", person, self.public[person], "--name", person, "--who", "admin")
        self.done("mandate", "accept", self.mandate, "--who", "op")
        for person, role in (("op", "operator"), ("ch", "checker"), ("ri", "risk"), ("se", "settlement")):
            self.done("mandate", "role", "BJ-9", person, role, "--who", "admin")
        self.hash = call("plan", "hash", self.mandate).stdout.strip()

    def key(self, person: str) -> Path:
        return self.folder / f"{person}.key"

    def call(self, *words: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return call(*words, *self.journal, env=env)

    def done(self, *words: object) -> str:
        ended = self.call(*words)
        assert ended.returncode == ExitCode.OK, ended.stderr
        return ended.stdout

    def refused(
        self, why: str, *words: object, code: ExitCode = ExitCode.REFUSED, env: Mapping[str, str] | None = None
    ) -> None:
        ended = self.call(*words, env=env)
        assert (ended.returncode, ended.stdout) == (code, "")
        assert why in ended.stderr

    def approve(self, person: str, key: str | None = None) -> tuple[object, ...]:
        return ("plan", "approve", "BJ-9", self.hash, "--person", person, "--key", self.key(key or person))

    def post(self) -> tuple[object, ...]:
        """The command that posts the deposit of the mandate."""
        paid = ("--amount", "1000000", "--currency", "CNY", "--form", "cash", "--evidence", "deposit_receipt=D-1")
        return ("deposit", "post", "BJ-9", *paid, "--who", "se")

    def run(self) -> tuple[object, ...]:
        return ("run", self.mandate, "--on", "production")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def freeze(office: Office) -> None:
    office.done("plan", "freeze", office.mandate, "--drafter", "op", "--valid-hours", "24")


def test_a_plan_is_executed_only_with_two_approvals(office: Office) -> None:
    """Production is refused with exit 3 until two people have signed; then only the venue's keys are missing (4)."""
    office.refused("not approved by two people", *office.run(), code=ExitCode.NOT_APPROVED)
    freeze(office)
    office.refused("0 of 2", *office.run(), code=ExitCode.NOT_APPROVED)
    assert "still missing" in office.done(*office.approve("ch"))
    office.refused("1 of 2", *office.run(), code=ExitCode.NOT_APPROVED)
    assert "may be executed" in office.done(*office.approve("ri"))
    office.refused("osl_api_key is missing", *office.run(), code=ExitCode.CREDENTIALS)


def test_the_drafter_and_a_borrowed_key_are_refused_and_recorded(office: Office) -> None:
    freeze(office)
    office.refused("drafted the plan", *office.approve("op"))
    office.refused("does not speak for ri", *office.approve("ri", key="ch"))
    office.refused("belongs to ch", "keys", "enroll", "li", office.public["ch"], "--name", "Li", "--who", "admin")
    lines = call("plan", "list", "BJ-9", "--json", *office.journal).stdout.splitlines()
    assert json.loads(lines[0])["approved_by"] == []


@pytest.mark.parametrize("what", ["edited", "revoked-plan", "revoked-key"])
def test_what_voids_an_approval(office: Office, what: str) -> None:
    """An edited plan is another plan; a revoked plan or key takes the approval away."""
    freeze(office)
    office.done(*office.approve("ch"))
    office.done(*office.approve("ri"))
    if what == "edited":
        plan = office.folder / "plan.toml"
        plan.write_text(plan.read_text().replace("90000", "80000"))
    elif what == "revoked-plan":
        office.done("plan", "revoke", "BJ-9", office.hash, "--who", "ri", "--why", "new reserve price")
    else:
        office.done("keys", "revoke", office.public["ri"], "--who", "admin", "--why", "lost")
        assert "plan/" in call("status", *office.journal).stderr
    office.refused("not approved by two people", *office.run(), code=ExitCode.NOT_APPROVED)


def test_a_case_must_say_everything(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    bare = tmp_path / "mandate.toml"
    bare.write_text(MANDATE.replace('bureau = "Example bureau"\n', "").replace('seizure_ref = "list 1"\n', ""))
    ended = call("mandate", "accept", bare, "--who", "op", "--journal", tmp_path / "j.sqlite")
    assert ended.returncode == ExitCode.USAGE
    assert "bureau: is missing" in ended.stderr
    assert "holdings.0.seizure_ref: is missing" in ended.stderr


def test_a_private_key_that_others_can_read_is_refused(office: Office) -> None:
    freeze(office)
    office.key("ch").chmod(0o644)
    office.refused("can be read by others", *office.approve("ch"), code=ExitCode.CREDENTIALS)
