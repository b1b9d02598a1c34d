"""Stricter needs one approver, the other way two: `plan raise-floor`, `lower-limit` and `raise-limit`."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from executor.exit_codes import ExitCode
from tests.cli.commands import Table, call
from tests.cli.test_approvals import Office, freeze


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A plan with a cap of 50000 an order, frozen and approved by two."""
    made = Office(tmp_path)
    plan = tmp_path / "plan.toml"
    plan.write_text(plan.read_text() + '\n[caps]\norder_value = "50000"\n')
    made.hash = call("plan", "hash", made.mandate).stdout.strip()
    freeze(made)
    made.done(*made.approve("ch"))
    made.done(*made.approve("ri"))
    return made


def listed(office: Office) -> Table:
    row: Table = json.loads(office.done("plan", "list", "BJ-9", "--json"))
    return row


def test_one_approver_raises_a_floor_and_nobody_lowers_it(office: Office) -> None:
    def raising(px: str, person: str, key: str = "") -> tuple[object, ...]:
        who = ("--person", person, "--key", office.key(key or person), "--why", "court order")
        return ("plan", "raise-floor", "BJ-9", office.hash, px, *who)

    office.refused("neither checker nor risk", *raising("95000", "op"))
    office.refused("does not speak for ri", *raising("95000", "ri", key="ch"))
    office.refused("can only raise it", *raising("90000", "ri"))
    office.refused("PRICE", *raising("much", "ri"), code=ExitCode.USAGE)
    assert "under 95000" in office.done(*raising("95000", "ri"))
    office.refused("the floor is 95000", *raising("94999.99", "ch"))
    row = listed(office)
    assert row["obstacle"] == ""  # its approvals stand
    ((changed,), (signed,)) = row["changed"], row["changed"][0]["signed"]
    assert (changed["limit"], changed["value"], changed["why"]) == ("floor_px", "95000", "court order")
    assert (signed["person"], len(signed["signature"])) == ("ri", 128)


def test_one_approver_lowers_a_cap_and_nobody_alone_raises_it(office: Office) -> None:
    def lowering(value: str, person: str, key: str = "") -> tuple[object, ...]:
        who = ("--person", person, "--key", office.key(key or person), "--why", "thin market")
        return ("plan", "lower-limit", "BJ-9", office.hash, "order_value", value, *who)

    office.refused("neither checker nor risk", *lowering("20000", "op"))
    office.refused("does not speak for ri", *lowering("20000", "ri", key="ch"))
    office.refused("order_value is 50000: one person can only make it stricter", *lowering("50001", "ri"))
    office.refused("VALUE", *lowering("little", "ri"), code=ExitCode.USAGE)
    assert "order_value is 20000" in office.done(*lowering("20000", "ri"))
    office.refused("order_value is 20000", *lowering("20001", "ch"))
    row = listed(office)
    assert (row["obstacle"], row["caps"]["order_value"]) == ("", "20000")
    said = office.done("plan", "list", "BJ-9")
    assert "order_value 20000 (stricter for good; signed by ri at 20" in said
    assert "): thin market" in said
    denied = json.loads(office.done("mandate", "show", "BJ-9"))["refused"]
    assert [each["act"] for each in denied].count("LimitLowered") == 4


def test_two_approvers_raise_a_cap_until_it_ends_by_itself(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a stranger would try it: asked by the operator, signed by both, over when its time is."""
    ends = SystemClock().now() + timedelta(hours=2)

    def raising(until: object, value: str = "80000", who: str = "op") -> tuple[object, ...]:
        asked = ("plan", "raise-limit", "BJ-9", office.hash, "order_value", value)
        return (*asked, "--until", until, "--who", who, "--why", "the judgment must be carried out this week")

    def agreeing(person: str, key: str = "") -> tuple[object, ...]:
        return ("mandate", "agree", "BJ-9", change, "--person", person, "--key", office.key(key or person))

    office.refused("lies in the past", *raising("2020-01-01"), code=ExitCode.USAGE)
    office.refused("must end with it or before", *raising((ends + timedelta(days=9)).isoformat()))
    office.refused("80000 would not loosen it".replace("80000", "40000"), *raising(ends.isoformat(), "40000"))
    office.refused("neither operator nor settlement", *raising(ends.isoformat(), who="ch"))
    change = office.done(*raising(ends.isoformat())).split()[3].rstrip(";")
    office.refused("asked for the change", *agreeing("op"))
    office.refused("does not speak for ri", *agreeing("ri", key="ch"))
    assert "one more must agree" in office.done(*agreeing("ch"))
    assert listed(office)["caps"]["order_value"] == "50000"
    assert "in force" in office.done(*agreeing("ri"))
    row = listed(office)
    assert (row["obstacle"], row["caps"]["order_value"]) == ("", "80000")
    (changed,) = row["changed"]
    assert [each["person"] for each in changed["signed"]] == ["ch", "ri"]
    assert (changed["asked_by"], changed["change"]) == ("op", change)
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) + timedelta(hours=2))
    assert listed(office)["caps"]["order_value"] == "50000"
