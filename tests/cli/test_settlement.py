"""From fill to treasury by the commands that a user types: the whole way, each step left out, all that is refused."""

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.domain.case_events import HoldingMoved
from executor.exit_codes import ExitCode
from executor.settlement.statement_file import statements
from tests.cli.commands import call, objects
from tests.cli.treasury import Treasury, two_fills

CASE = "BJ-9"
ACCOUNT = f"account of case {CASE}"


def steps(office: Treasury) -> dict[str, list[tuple[object, ...]]]:
    """The commands of each step, every figure in agreement: 570,000.06 USD at osl, 379,987.995 at hashkey."""

    def money(name: str, *words: object) -> tuple[object, ...]:
        return ("settlement", name, CASE, *words)

    def shown(kind: str, number: object = 1) -> tuple[object, ...]:
        return ("--evidence", f"{kind}={number}", "--who", "se")

    def out(venue: str, net: str) -> tuple[object, ...]:
        paper = ("--evidence", f"withdrawal_advice={venue}")
        words = money("withdraw", "--venue", venue, "--currency", "USD", "--amount", "all", "--net", net, *paper)
        return office.signed(*words, "--fee", "10", "--to-account", "trust")

    usd = ("--currency", "USD", "--amount", "949968.05")
    cny = ("--currency", "CNY", "--amount", "6759872.64")
    gross = ("--gross", "6759972.64", "--charge", "100", "--net", "6759872.64")
    deposit = ("--amount", "7000000", "--currency", "CNY")
    papers: list[tuple[object, ...]] = [
        ("reconcile", "import", CASE, office.notes(venue, two_fills()), "--venue", venue, "--who", "se")
        for venue in ("osl", "hashkey")
    ]
    return {
        "deposit_posted": [("deposit", "post", CASE, *deposit, "--form", "cash", *shown("deposit_receipt"))],
        "statement": [(*words, "--paper", "contract-note") for words in papers],
        "withdrawal": [out("osl", "569990.06"), out("hashkey", "379977.99")],
        "bank": [
            money(
                "bank", "--bank", "b", "--currency", "USD", "--amount", came, "--net", came, *shown("bank_statement", n)
            )
            for n, came in enumerate(("569990.06", "379977.99"), start=1)
        ],
        "safe": [money("safe", *usd, *shown("approval_document"))],
        "conversion": [
            money("convert", "--bank", "b", *usd, "--rate", "7.116", *gross, *shown("conversion_slip")),
        ],
        "case_account": [
            money("credit", "--account", ACCOUNT, *cny, "--net", "6759872.64", *shown("credit_advice")),
        ],
        "receipt": [money("receipt", "--by", "police", *cny, *shown("receipt"))],
        "delivery": [money("deliver", "--to", "treasury", *cny, *shown("delivery_record"))],
    }


def release(office: Treasury, receipt: str, **other: str) -> tuple[object, ...]:
    words = ("deposit", "release", CASE, "--amount", "7000000", "--currency", "CNY", "--receipt", receipt)
    return office.signed(*words, "--evidence", "release_record=1", **other)


@pytest.fixture
def office(tmp_path: Path) -> Treasury:
    made = Treasury(tmp_path, **{CASE: "10"})
    made.sells(CASE, "10", two_fills())
    return made


def lines(office: Treasury) -> dict[str, Any]:
    found = call("reconcile", "check", CASE, "--json", *office.journal)
    return {row["line"]: row for row in objects(found.stdout)}


def receipt_of(office: Treasury) -> str:
    found: str = lines(office)["receipt"]["refs"][0]
    return found


def settle(office: Treasury, *without: str) -> None:
    for name, commands in steps(office).items():
        if name not in without:
            for words in commands:
                office.done(*words)


def test_the_whole_way_ends_at_zero_with_the_deposit_released(office: Treasury) -> None:
    settle(office)
    left = lines(office)
    assert [name for name, row in left.items() if row["status"] != "ok"] == ["deposit_released"]
    office.done(*release(office, receipt_of(office)))
    assert "residual zero" in office.done("reconcile", "check", CASE)
    assert json.loads(office.done("deposit", "show", CASE, "--json")) == {"deposit": {}, "coins": {}, "proceeds": {}}
    balance = objects(office.done("ledger", "balance", CASE, "--json"))
    held = {(row["account"], row["currency"]): row["amount"] for row in balance}
    assert held["treasury", "CNY"] == "6759872.64"
    assert held["fees:trading", "USD"] == "12.005"
    assert held["rounding", "USD"] == "0.005"
    assert "sum" in office.done("ledger", "balance", CASE)
    assert "FillRecorded" in office.done("ledger", "show", CASE)


STEPS = ("statement", "withdrawal", "bank", "safe", "conversion", "case_account", "receipt", "delivery")


@pytest.mark.parametrize("left_out", [*STEPS, "deposit_posted"])
def test_a_step_left_out_is_missing_and_named(office: Treasury, left_out: str) -> None:
    settle(office, left_out)
    ended = call("reconcile", "check", CASE, *office.journal)
    assert ended.returncode == ExitCode.NOT_RECONCILED
    missing = [name for name, row in lines(office).items() if row["status"] == "missing"]
    assert missing == [left_out] + ["deposit_released"] * (left_out != "deposit_posted") or set(missing) == {
        left_out,
        "deposit_released",
    }
    assert not [name for name, row in lines(office).items() if row["status"] == "break"]
    assert left_out in ended.stderr


def test_the_deposit_is_released_only_on_a_receipt_that_covers_everything(office: Treasury) -> None:
    """No receipt, the wrong paper, a part of the money, coins or money on their way, one person, a borrowed key."""
    all_steps = steps(office)
    office.refused("is no receipt of police or court", *release(office, f"case/{CASE}#1"))
    office.done(*all_steps["deposit_posted"][0])
    cny = ("--currency", "CNY", "--amount", "1", "--evidence", "receipt=0", "--who", "se")
    office.done("settlement", "receipt", CASE, "--by", "court", *cny)
    early = objects(office.done("settlement", "show", CASE, "--json"))[-2]["refs"][0]
    office.refused(
        "379987.995 USD (venue_cash:hashkey), 570000.06 USD (venue_cash:osl) that are held", *release(office, early)
    )
    for name in ("withdrawal", "bank", "safe", "conversion", "case_account"):
        for words in all_steps[name]:
            office.done(*words)
    office.refused("receipts cover 1 of 6759872.64 CNY", *release(office, early))
    office.done("ledger", "correct", CASE, early, *office.signed("--why", "of another case"))
    office.done(*all_steps["receipt"][0])
    receipt = receipt_of(office)
    office.refused("is no receipt", *release(office, early))
    office.refused("neither checker nor risk", *release(office, receipt, second="op"))
    office.refused("does not speak for ch", *release(office, receipt, second="ch", key="ri"))
    office.refused("released whole", *(word if word != "7000000" else "1" for word in release(office, receipt)))
    office.done(*release(office, receipt))
    office.refused("recorded already", *release(office, receipt))


def test_too_much_here_and_too_little_there_is_not_nothing(office: Treasury) -> None:
    """100,000 USD still lie at a venue, and a figure too large at the bank makes up for them in the sum."""
    all_steps = steps(office)
    first, *others = all_steps["withdrawal"]
    stays = {"all": "470000.06", "569990.06": "469990.06"}
    all_steps["withdrawal"] = [tuple(stays.get(str(word), word) for word in first), *others]
    for commands in all_steps.values():
        for words in commands:
            office.done(*words)
    left = "-100000 USD (cash_in_transit), 100000 USD (venue_cash:osl)"
    office.refused(f"the deposit still stands for {left}", *release(office, receipt_of(office)))


def test_where_every_coin_went_back_a_receipt_for_the_coins_releases_the_deposit(tmp_path: Path) -> None:
    """Nothing was sold: the receipt says zero. It cannot be had while one coin is not back, nor make up for money."""
    office = Treasury(tmp_path, **{CASE: "10"})
    office.done(*steps(office)["deposit_posted"][0])

    def back(qty: str) -> HoldingMoved:
        papers = {"transaction": f"back-{qty}"}
        return HoldingMoved(
            asset="BTC", qty=Decimal(qty), from_state="accepted", to_state="returned", evidence=papers, who="op"
        )

    nothing = ("settlement", "receipt", CASE, "--by", "police", "--currency", "CNY", "--amount", "0", "--who", "se")
    office.write(CASE, f"case/{CASE}", [back("9.99999999")])
    office.refused("not above zero", *nothing, "--evidence", "receipt=1")
    office.write(CASE, f"case/{CASE}", [back("0.00000001")])
    office.refused("is no receipt", *release(office, f"case/{CASE}#1"))
    (kept,) = objects(office.done(*nothing, "--evidence", "receipt=1", "--json"))
    office.done(*release(office, kept["recorded"]))
    assert "residual zero" in office.done("reconcile", "check", CASE)


def test_only_settlement_records_money_and_every_attempt_is_kept(office: Treasury) -> None:
    (words,) = steps(office)["safe"]
    office.refused("does not have the role settlement", *(word if word != "se" else "op" for word in words))
    denied = [line for line in call("ledger", "show", CASE, *office.journal).stdout.splitlines() if "Safe" in line]
    assert denied == []
    with sqlite3.connect(office.folder / "journal.sqlite") as record:
        (kept,) = record.execute("SELECT count(*) FROM events WHERE kind = 'ActDenied'").fetchone()
    assert kept == 1


@pytest.mark.parametrize(
    ("step", "old", "new", "why"),
    [
        ("withdrawal", "569990.06", "569990.08", "do not add up"),
        ("withdrawal", "569990.06", "569990.05", "do not add up"),
        ("withdrawal", "569990.06", "569990.061", "no whole number of the smallest unit"),
        ("bank", "b", "b", ""),
        ("conversion", "7.116", "711.6", "the rate is for one unit"),
        ("conversion", "6759972.64", "6759972.65", "do not add up"),
        ("case_account", ACCOUNT, "account of somebody", "the account of this case, and to no other"),
        ("case_account", "CNY", "BTC", "banks are known to pay"),
        ("receipt", "6759872.64", "0", "not above zero"),
        ("safe", "approval_document=1", "letter=1", "evidence is missing: approval_document"),
    ],
)
def test_figures_that_cannot_be_are_refused(office: Treasury, step: str, old: str, new: str, why: str) -> None:
    words = tuple(new if word == old else word for word in steps(office)[step][0])
    if why:
        office.refused(why, *words)
    else:
        office.done(*words)
        office.refused("is recorded already", *words)


def test_a_paper_is_corrected_by_reversing_it(office: Treasury) -> None:
    """The charge of the bank was overlooked: reversed with reason and second person, then recorded as it should be."""
    settle(office, "bank")
    wrong, right = steps(office)["bank"]
    typo = tuple("569980.06" if word == "569990.06" else word for word in wrong)
    office.done(*typo)
    office.done(*right)
    found = lines(office)["bank"]
    assert (found["status"], found["residual"]) == ("break", {"USD": "10"})
    assert [name for name, row in lines(office).items() if row["status"] == "break"] == ["bank"]
    reverse = ("ledger", "correct", CASE, found["refs"][0], "--why", "misread")
    office.refused("cannot countersign their own act", *office.signed(*reverse, second="se"))
    office.done(*office.signed(*reverse))
    office.refused("was reversed before", *office.signed(*reverse))
    office.done(*wrong)
    assert lines(office)["bank"]["status"] == "ok"


def test_a_fill_is_corrected_with_what_is_booked_instead(office: Treasury) -> None:
    before = office.done("ledger", "balance", CASE, "--json")
    moment = max(row["at"] for row in objects(office.done("ledger", "show", CASE, "--json")))
    fill = next(
        row["ref"] for row in objects(office.done("ledger", "show", CASE, "--json")) if row["kind"] == "FillRecorded"
    )
    correct = ("ledger", "correct", CASE, fill, "--why", "cancelled by the venue")
    office.refused("does not sum to zero", *office.signed(*correct, "--post", "sold=1:BTC"))
    office.refused("no account purse", *office.signed(*correct, "--post", "purse=1:BTC", "--post", "sold=-1:BTC"))
    office.done(*office.signed(*correct, "--post", "reserved=-5:BTC", "--post", "sold=5:BTC"))
    balance = {
        (row["account"], row["currency"]): row["amount"]
        for row in objects(office.done("ledger", "balance", CASE, "--json"))
    }
    assert (balance["sold", "BTC"], balance["reserved", "BTC"]) == ("9", "1")
    assert office.done("ledger", "balance", CASE, "--json", "--at", moment) == before
    office.refused("names no zone", "ledger", "balance", CASE, "--at", "2026-01-01", code=ExitCode.USAGE)


# --- venues' papers --------------------------------------------------------------------------------------------------


def test_the_queue_holds_what_does_not_match_until_it_does(office: Treasury) -> None:
    """No paper; a paper with another price and a stranger; then the right one."""
    waiting = objects(office.done("reconcile", "queue", CASE, "--json"))
    assert [(row["what"], row["due"], row["overdue"]) for row in waiting] == [
        ("no contract note", "2026-03-09", True)
    ] * 2
    fills = two_fills()
    papers = office.notes("osl", fills)
    papers.write_text(papers.read_text().replace("95000.01", "95000.02").replace("o1", "o2", 1))
    load = ("reconcile", "import", CASE, "--venue", "osl", "--paper", "contract-note", "--who")
    office.refused("does not have the role settlement", *load, "au", papers)
    assert "1 trades of osl" in office.done(*load, "se", papers)
    office.refused("is imported already", *load, "se", papers)
    rows = {row["trade_id"]: row["what"] for row in objects(office.done("reconcile", "queue", CASE, "--json"))}
    assert rows == {"o1": "not on a statement", "o2": "not in the record", "h1": "no contract note"}
    assert lines(office)["statement"]["status"] == "missing"
    assert "trade_id" not in office.done("reconcile", "queue", CASE)


def test_an_import_that_was_interrupted_is_finished_by_running_it_again(office: Treasury) -> None:
    papers = office.notes("osl", two_fills())
    head, row = papers.read_text().splitlines()
    papers.write_text("\n".join([head, *(row.replace("o1", f"o{number}") for number in range(1, 1201))]) + "\n")
    parts = statements(papers.read_bytes(), papers.name, {}, venue="osl", paper="statement", who="se")
    assert len(parts) > 1
    office.write(CASE, f"case/{CASE}", parts[:1])
    load = ("reconcile", "import", CASE, papers, "--venue", "osl", "--paper", "statement", "--who", "se")
    office.done(*load)
    with sqlite3.connect(office.journal[1]) as kept:
        assert kept.execute("SELECT count(*) FROM events WHERE kind = 'StatementImported'").fetchone() == (len(parts),)
    office.refused("is imported already", *load)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (",6,", ",0,", "qty: 0 is not above zero"),
        ("95000.01", "-5", "px: -5 is not above zero"),
        ("95000.01", "9E73", "has more than 18 digits"),
        ("95000.01", "95_000", "in plain digits"),
        ("2026-03-05", "9999-12-31", "in no year of a trade"),
        ("notional", "value", "column notional is missing"),
        ("95000.01", "95,000.01", "no thousands separators"),
        (",0,USD", ",,USD", "fee is empty; a missing figure is not zero"),
        ("+00:00", "", "names no zone"),
        ("BTCUSD", '"BTC', "is not a CSV file"),
    ],
)
def test_a_paper_that_cannot_be_read_names_the_row(office: Treasury, old: str, new: str, why: str) -> None:
    papers = office.notes("osl", two_fills())
    text = papers.read_text()
    assert old in text
    papers.write_text(text.replace(old, new))
    load = ("reconcile", "import", CASE, papers, "--venue", "osl", "--paper", "statement", "--who", "se")
    office.refused(why, *load, code=ExitCode.USAGE)


def test_a_venue_s_own_column_names_are_mapped(office: Treasury) -> None:
    papers = office.notes("osl", two_fills())
    papers.write_text(papers.read_text().replace("notional", "Gross Amount"))
    load = ("reconcile", "import", CASE, papers, "--venue", "osl", "--paper", "contract-note", "--who", "se")
    office.done(*load, "--column", "notional=Gross Amount")
    assert [row["trade_id"] for row in objects(office.done("reconcile", "queue", CASE, "--json"))] == ["h1"]
