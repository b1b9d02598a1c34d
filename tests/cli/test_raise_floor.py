"""Stricter needs one approver, the other way a new plan and two: `executor plan raise-floor`."""

from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import call
from tests.cli.test_approvals import Office, freeze


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_one_approver_raises_a_floor_and_nobody_lowers_it(office: Office) -> None:
    freeze(office)
    office.done(*office.approve("ch"))
    office.done(*office.approve("ri"))

    def raising(px: str, person: str, key: str = "") -> tuple[object, ...]:
        who = ("--person", person, "--key", office.key(key or person), "--why", "court order")
        return ("plan", "raise-floor", "BJ-9", office.hash, px, *who)

    office.refused("neither checker nor risk", *raising("95000", "op"))
    office.refused("does not speak for ri", *raising("95000", "ri", key="ch"))
    office.refused("can only raise it", *raising("90000", "ri"))
    office.refused("PRICE", *raising("much", "ri"), code=ExitCode.USAGE)
    assert "under 95000" in office.done(*raising("95000", "ri"))
    office.refused("the floor is 95000", *raising("94999.99", "ch"))
    assert "may be executed" in call("plan", "list", "BJ-9", *office.journal).stdout  # its approvals stand
