"""Three cases sell as one: shares fixed before, shared out by largest remainder after, nothing lost, nothing twice."""

from decimal import Decimal
from pathlib import Path

import pytest

from executor.domain.settlement_events import PoolAllocated
from executor.exit_codes import ExitCode
from tests.cli.commands import call, objects
from tests.cli.treasury import D, Treasury, two_fills
from tests.domain.events_made import filled

MEMBERS = {"A-1": "3.33333333", "B-2": "3.33333333", "C-3": "3.33333334"}


@pytest.fixture
def office(tmp_path: Path) -> Treasury:
    made = Treasury(tmp_path, **MEMBERS, **{"POOL": "10"})
    for case, qty in MEMBERS.items():
        made.credits(case, qty)
    return made


def form(office: Treasury, **shares: str) -> tuple[object, ...]:
    words = [word for case, qty in (MEMBERS | shares).items() for word in ("--share", f"{case}={qty}")]
    return office.signed("ledger", "pool", "form", "POOL", "BTC", *words)


def balance(office: Treasury, case: str) -> dict[tuple[str, str], Decimal]:
    rows = objects(office.done("ledger", "balance", case, "--json"))
    return {(row["account"], row["currency"]): D(row["amount"]) for row in rows}


ALLOCATE = ("ledger", "pool", "allocate", "POOL", "--who", "se")


def test_a_pooled_sale_is_shared_out_and_nothing_is_lost(office: Treasury) -> None:
    office.done(*form(office))
    office.sells("POOL", "10", two_fills())
    whole = balance(office, "POOL")
    office.done(*ALLOCATE)
    parts = [balance(office, case) for case in MEMBERS]
    for key in (("sold", "BTC"), ("proceeds", "USD"), ("venue_cash:osl", "USD"), ("venue_cash:hashkey", "USD")):
        assert sum(part[key] for part in parts) == whole[key], key
    assert sum(part["fees:trading", "USD"] for part in parts) == D("12.005")
    assert [part["sold", "BTC"] for part in parts] == [D(qty) for qty in MEMBERS.values()]
    # 570,000.06 and 379,987.995 by thirds: whole cents, the half cent with the largest share.
    assert [part["venue_cash:osl", "USD"] for part in parts] == [D("190000.02")] * 3
    assert [part["venue_cash:hashkey", "USD"] for part in parts] == [D("126662.66"), D("126662.66"), D("126662.675")]
    after = balance(office, "POOL")
    assert after["allocated", "USD"] == D("949988.055")
    assert not any(account.startswith("venue_cash") for account, _ in after)
    lines = {
        row["line"]: row["status"]
        for row in objects(call("reconcile", "check", "POOL", "--json", *office.journal).stdout)
    }
    assert lines["allocated"] == "ok"
    member = {row["line"]: row for row in objects(call("reconcile", "check", "A-1", "--json", *office.journal).stdout)}
    assert member["withdrawal"]["residual"] == {"USD": "316662.68"}
    assert [name for name, row in member.items() if row["status"] == "ok"][:6] == [
        "inventory", "sent", "credited", "reserved", "sold", "fills",
    ]  # fmt: skip


def test_shares_are_fixed_once_and_before_the_sale_by_two_people(office: Treasury) -> None:
    office.refused("sum to the inventory of the pool", *form(office, **{"A-1": "3"}))
    office.refused("cannot countersign their own act", *(word if word != "ch" else "se" for word in form(office)))
    office.done(*form(office))
    office.refused("fixed once", *form(office))
    office.sells("POOL", "10", two_fills())
    office.done(*ALLOCATE)
    first = balance(office, "A-1")
    office.done(*ALLOCATE)  # again: what is there stays
    assert balance(office, "A-1") == first


def test_pooled_coins_cannot_be_sold_or_recalled_by_their_own_case(office: Treasury) -> None:
    office.done(*form(office))
    recall = ("mandate", "recall", "A-1", "BTC", "1", "--to", "wallet", "--who", "op", "--why", "w")
    asked = call(*recall, *office.journal)
    assert asked.returncode == ExitCode.REFUSED
    assert "BTC" in asked.stderr
    shown = office.done("mandate", "show", "A-1")
    assert '"reserved": "3.33333333"' in shown


def test_nothing_is_shared_out_of_a_sale_after_the_fact_or_unfinished(office: Treasury) -> None:
    office.refused("is no pool", *ALLOCATE, code=ExitCode.USAGE)
    office.sells("POOL", "10", two_fills())
    office.refused("before the first sale", *form(office))


@pytest.mark.parametrize("credited", [False, True])
def test_a_pool_that_sold_nothing_gives_the_coins_back(credited: bool, office: Treasury) -> None:
    """They are its members' again and no longer its own: nobody can sell or recall them twice."""
    office.done(*form(office))
    if credited:
        office.credits("POOL", "10")
    office.done(*ALLOCATE)
    assert '"credited": "3.33333333"' in office.done("mandate", "show", "A-1")
    assert balance(office, "A-1")["venue_asset", "BTC"] == D("3.33333333")
    assert balance(office, "POOL") == {("allocated", "BTC"): D(10), ("entrusted", "BTC"): D(-10)}
    recall = ("mandate", "recall", "POOL", "BTC", "1", "--to", "wallet", "--who", "op", "--why", "w")
    office.refused("0 are credited", *recall)


def test_a_pool_that_was_shared_out_before_this_was_recorded_moves_nothing(office: Treasury) -> None:
    """An older record does not say that the pool's coins are its members' again; they are all the same."""
    office.done(*form(office))
    office.credits("POOL", "10")
    office.refused("go back to its member cases", *move("credited", "recalled"))
    office.write("POOL", "case/POOL", [PoolAllocated(asset="BTC", shares=[], who="se")])
    for way in (("credited", "recalled"), ("credited", "reserved")):
        office.refused("its BTC are its members'", *move(*way))


def move(source: str, target: str) -> tuple[object, ...]:
    return ("mandate", "move", "POOL", "BTC", "1", source, target, "--evidence", "plan=x", "--who", "op")


def test_what_a_pool_has_not_sold_is_its_members_again(office: Treasury) -> None:
    """Five of ten are sold: each member has its half sold and its half back, to the last unit of a coin."""
    office.done(*form(office))
    office.sells("POOL", "5", [filled(1, "t1", "5", "95000", venue="osl", fee=D(0))], also="5")
    office.done(*ALLOCATE)
    members = [balance(office, case) for case in MEMBERS]
    assert [each["sold", "BTC"] for each in members] == [D("1.66666667"), D("1.66666666"), D("1.66666667")]
    assert [each["venue_asset", "BTC"] for each in members] == [D("1.66666666"), D("1.66666667"), D("1.66666667")]
    assert balance(office, "POOL")["allocated", "BTC"] == D(5)
    lines = {
        row["line"]: row["status"]
        for row in objects(call("reconcile", "check", "POOL", "--json", *office.journal).stdout)
    }
    assert [lines[name] for name in ("credited", "reserved", "sold", "fills")] == ["ok"] * 4


def test_coins_that_the_pool_has_promised_cannot_be_given_back(office: Treasury) -> None:
    office.done(*form(office))
    office.promises("POOL", "10", "4")
    office.refused("the pool still has 4 BTC reserved", *ALLOCATE)
