"""Coins of a case on their way, by the commands that a user types: dossier, test transfer, sale, recall."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from executor.domain.case_events import HoldingMoved
from executor.domain.money import plain
from executor.engine.approval import case_stream
from executor.engine.control import append_as_person
from executor.exit_codes import ExitCode
from executor.journal.journal import Journal
from executor.journal.open import open_store
from tests.cli.commands import call
from tests.cli.processes import mock_venues
from tests.cli.test_approvals import Office, freeze

PAPERS = ("ownership_proof=message signed", "kyt=clear, report 7", "clearance=mail of compliance")
TRAVEL = (
    "originator=Bureau",
    "originator_account=addr",
    "originator_id=code",
    "recipient=Agent",
    "recipient_account=A",
)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def send(qty: str, transaction: str, test: str, hkd: str, *more: str) -> tuple[object, ...]:
    """The command that sends coins to a venue."""
    pairs = (f"transaction={transaction}", f"test_transfer={test}", *PAPERS, *more)
    options = [word for pair in pairs for word in ("--evidence", pair)]
    return (
        "mandate",
        "move",
        "BJ-9",
        "BTC",
        qty,
        "accepted",
        "in_transit",
        "--value-hkd",
        hkd,
        "--who",
        "op",
        *options,
    )


def credit(qty: str, transaction: str) -> tuple[object, ...]:
    shown = ("--evidence", f"transaction={transaction}", "--evidence", "venue_credit=advice")
    return ("mandate", "move", "BJ-9", "BTC", qty, "in_transit", "credited", "--who", "op", *shown)


def intake(office: Office) -> None:
    """All coins credited, a small test first."""
    office.done(*send("0.001", "t1", "t1", "780"))
    office.done(*credit("all", "t1"))
    office.done(*send("all", "t2", "t1", "1560000", *TRAVEL))
    office.done(*credit("all", "t2"))


def holdings(office: Office) -> dict[str, str]:
    shown: dict[str, str] = json.loads(office.done("mandate", "show", "BJ-9"))["holdings"]["BTC"]
    return shown


def test_coins_are_moved_with_evidence_only(office: Office) -> None:
    move = ("mandate", "move", "BJ-9", "BTC", "1", "accepted", "in_transit", "--who", "op")
    office.refused("evidence is missing: clearance, kyt, originator", *move)
    office.refused("send a small test first", *send("1", "t1", "t0", "7999"))
    office.refused("evidence is missing: originator", *send("1", "t1", "t1", "8000"))
    intake(office)
    assert holdings(office) == {"credited": "2"}


def test_sent_is_not_sold_and_what_is_not_credited_is_not_reserved(office: Office) -> None:
    freeze(office)
    office.done(*send("1", "t1", "t1", "7999"))
    reserve = ("mandate", "move", "BJ-9", "BTC", "1")
    plan = ("--evidence", f"plan={office.hash}", "--who", "op")
    office.refused("cannot go from in_transit to reserved", *reserve, "in_transit", "reserved", *plan)
    office.refused("0 are there", *reserve, "credited", "reserved", *plan)
    office.done(*credit("all", "t1"))
    office.refused("by `executor run`", *reserve, "credited", "reserved", *plan)
    assert holdings(office) == {"accepted": "1", "credited": "1"}


def test_what_the_sale_does_is_not_done_by_hand(office: Office) -> None:
    """A case must not say sold, or free again, what no sale in the record has sold or left. What a run reserved that
    died before its first order is given back by `executor run` too, once its plan is over."""
    freeze(office)
    intake(office)
    move = ("mandate", "move", "BJ-9", "BTC", "1")
    shown = ("--evidence", f"plan={office.hash}", "--evidence", "parent=any-text", "--who", "op")
    office.refused("by `executor run`", *move, "credited", "reserved", *shown)
    reserved = HoldingMoved(
        asset="BTC",
        qty=Decimal(1),
        from_state="credited",
        to_state="reserved",
        evidence={"plan": office.hash},
        who="executor",
    )
    as_executor(office, reserved)
    for reached in ("sold", "fees", "credited"):
        office.refused("by `executor run`", *move, "reserved", reached, *shown)
    assert holdings(office) == {"credited": "1", "reserved": "1"}
    office.refused("0 of 2", *office.run(), code=ExitCode.NOT_APPROVED)
    assert holdings(office) == {"credited": "1", "reserved": "1"}
    office.done("plan", "revoke", "BJ-9", office.hash, "--who", "ri", "--why", "another plan")
    office.refused("not approved by two people", *office.run(), code=ExitCode.NOT_APPROVED)
    assert holdings(office) == {"credited": "2"}


def as_executor(office: Office, event: HoldingMoved) -> None:
    """Write what a run has written."""

    async def written() -> None:
        journal = Journal(open_store(office.folder / "journal.sqlite"), threaded=False)
        try:
            await append_as_person(journal, case_stream("BJ-9"), "BJ-9", event, SystemClock())
        finally:
            await journal.aclose()

    asyncio.run(written())


def test_only_people_of_the_case_move_its_coins(office: Office) -> None:
    move = send("0.001", "t1", "t1", "780")
    for who in ("ch", "nobody"):
        office.refused(f"{who} is neither operator nor settlement", *(who if word == "op" else word for word in move))
    office.done(*("se" if word == "op" else word for word in move))


def test_only_people_whom_the_mandate_names_get_a_role(office: Office) -> None:
    office.refused("does not authorise li", "mandate", "role", "BJ-9", "li", "risk", "--who", "admin")
    office.refused("names ch as checker", "mandate", "role", "BJ-9", "ch", "risk", "--who", "admin")


def test_unsold_coins_go_back_when_two_others_agree(office: Office) -> None:
    intake(office)
    why = ("--to", "controlled wallet", "--why", "judgment")
    office.refused("neither operator nor settlement", "mandate", "recall", "BJ-9", "BTC", "1", *why, "--who", "ch")
    told = office.done("mandate", "recall", "BJ-9", "BTC", "all", *why, "--who", "op")
    change = told.split()[3].rstrip(";")
    office.refused("asked for the change", *agree(office, "op", change))
    assert "one more must agree" in office.done(*agree(office, "ch", change))
    assert holdings(office) == {"credited": "2"}
    assert "in force" in office.done(*agree(office, "ri", change))
    assert holdings(office) == {"recalled": "2"}
    back = ("mandate", "move", "BJ-9", "BTC", "all", "recalled", "returned", "--evidence", "transaction=t9")
    office.done(*back, "--who", "op")
    assert holdings(office) == {"returned": "2"}


def test_a_recall_that_was_interrupted_is_carried_out_by_agreeing_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second agreement is in the record, and the coins have not moved."""
    intake(office)
    told = office.done("mandate", "recall", "BJ-9", "BTC", "all", "--to", "w", "--why", "judgment", "--who", "op")
    change = told.split()[3].rstrip(";")
    office.done(*agree(office, "ch", change))

    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr("executor.cli.change._carry_out", interrupted)
        assert office.call(*agree(office, "ri", change)).returncode == ExitCode.INTERRUPTED
    assert holdings(office) == {"credited": "2"}
    office.refused("neither checker nor risk", *agree(office, "se", change))
    assert holdings(office) == {"credited": "2"}
    assert "carried out now, for ri" in office.done(*agree(office, "ri", change))
    assert holdings(office) == {"recalled": "2"}
    office.refused("in force already", *agree(office, "ri", change))


def agree(office: Office, person: str, change: str) -> tuple[object, ...]:
    return ("mandate", "agree", "BJ-9", change, "--person", person, "--key", office.key(person))


def test_a_finished_sale_moves_its_coins_to_sold_and_gives_back_the_rest(office: Office) -> None:
    """On mocked venues over sockets; a plan that sells half of the holding leaves the other half credited."""
    plan = office.folder / "plan.toml"
    plan.write_text(plan.read_text().replace('"10m"', '"6s"').replace('"1m"', '"2s"'))
    office.hash = call("plan", "hash", office.mandate).stdout.strip()
    freeze(office)
    for person in ("ch", "ri"):
        office.done(*office.approve(person))
    with mock_venues(office.folder, office.mandate) as (_, env):
        run = ("run", office.mandate, "--on", "mock", "--json")
        office.refused("0 are there", "run", office.mandate, "--on", "mock", env=env)
        intake(office)
        office.refused("the deposit covers 0 BTC at 110 %", "run", office.mandate, "--on", "mock", env=env)
        office.done(*office.post())
        done = office.call(*run, env=env)
        summary = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == (ExitCode.OK if summary["leaves"] == "0" else ExitCode.REFUSED), done.stderr
        sold = {"sold": summary["sold"]} if summary["sold"] != "0" else {}
        assert holdings(office) == sold | {"credited": plain(2 - Decimal(summary["sold"]))}
        again = office.call(*run, env=env)
        assert again.returncode == done.returncode
    assert Decimal(summary["sold"]) > 0
