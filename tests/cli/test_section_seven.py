"""The checks that a stranger can run, one for each requirement without which the program should not touch a case.

Each test is named after its requirement and goes through the command line only, with files that a user would write.
"""

import asyncio
import csv
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from adapters.clock import SystemClock
from adapters.hashkey import HashKey
from adapters.mock import world
from adapters.mock.hashkey_rfq import MockRfq
from adapters.mock.osl_rows import PairRules
from adapters.mock.world import RFQ_ACCEPT_PATH, MockWorld
from adapters.osl import Osl
from adapters.venue import NewOrder, OrderReport, Quote
from executor.engine import legs
from executor.exit_codes import ExitCode
from executor.strategy.route import Route
from tests.cli.commands import EXAMPLES, Table, call, credit, objects, otc, plan, twap, write_mandate
from tests.cli.processes import mock_venues, watched
from tests.cli.test_approvals import MANDATE, Office, freeze
from tests.cli.test_intake import intake
from tests.cli.test_settlement import steps as settlement_steps
from tests.cli.treasury import Treasury, two_fills

CANDLES = EXAMPLES / "benchmarks" / "falling-20-day.csv"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def refused_acts(office: Office) -> list[Table]:
    """What the record says was tried and refused."""
    shown: list[Table] = json.loads(office.done("mandate", "show", "BJ-9"))["refused"]
    return shown


def approve_both(office: Office) -> None:
    for person in ("ch", "ri"):
        office.done(*office.approve(person))


# --- 1: no order without an active, dual-approved plan of an asset in the inventory -----------------------------------


def test_requirement_1_a_plan_with_one_signature_does_not_sell(office: Office) -> None:
    freeze(office)
    office.done(*office.approve("ch"))
    office.refused("1 of 2 approvals count", *office.run(), code=ExitCode.NOT_APPROVED)
    assert "1 of 2" in refused_acts(office)[-1]["reason"]


def test_requirement_1_an_expired_plan_does_not_sell(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(office)
    approve_both(office)
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) + timedelta(hours=25))
    office.refused("the plan expired at", *office.run(), code=ExitCode.NOT_APPROVED)
    assert "expired" in refused_acts(office)[-1]["reason"]


def test_requirement_1_an_asset_that_is_not_in_the_inventory_is_not_sold(office: Office) -> None:
    """Neither with the plan alone changed nor with the mandate's file changed as well: the accepted one counts."""
    plan_file = office.folder / "plan.toml"
    plan_file.write_text(plan_file.read_text().replace('"BTC"', '"ETH"'))
    freezing = ("plan", "freeze", office.mandate, "--drafter", "op", "--valid-hours", "24")
    office.refused("ETH is not among the holdings", *freezing, code=ExitCode.USAGE)
    office.mandate.write_text(MANDATE.replace('"BTC"', '"ETH"'))
    office.refused("ETH is not in the inventory of the case", *freezing)
    assert "ETH is not in the inventory" in refused_acts(office)[-1]["reason"]


# --- 2: not one fill below the floor, in any run ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 4))
def test_requirement_2_no_run_sells_below_the_floor_in_a_falling_market(tmp_path: Path, seed: int) -> None:
    """Slices and quotes at once, in markets that differ by their seed, on candles that fall through the reserve price.
    (The 20-day average: tests/cli/test_below_the_mean.py.)"""
    told = {"tell": ["the operator"], "escalate_to": ["the court"], "escalate_after": "2h"}
    legs = [twap("0.2", slices=24), otc("0.3", clip="0.02", pause="40m")]
    purses = [credit(*purse, "0.5") for purse in (("osl", "exchange"), ("osl", "brokerage"), ("hashkey", "trading"))]
    table = plan(*legs, qty="0.5", floor_px="92600", duration="1d", waiting=told)
    mandate = write_mandate(tmp_path, table, holding="1.5", credited=purses)
    market = ("--market", CANDLES, "--volume-unit", "quote", "--from", "2026-01-21")
    done = call("dry-run", mandate, *market, "--seed", seed, "--json")
    *events, summary = objects(done.stdout)
    assert (done.returncode, summary["status"]) == (ExitCode.REFUSED, "ended"), done.stderr
    fills = [line["event"] for line in events if line["event"]["kind"] == "FillRecorded"]
    assert 0 < sum(Decimal(fill["qty"]) for fill in fills) == Decimal(summary["sold"]) < Decimal("0.5")
    assert all(Decimal(fill["px"]) >= 92_600 for fill in fills)
    assert all(Decimal(fill["notional"]) > Decimal(fill["qty"]) * 92_600 - Decimal("0.01") for fill in fills)
    waits = [line["event"] for line in events if line["event"]["kind"] == "ParentWaiting"]
    below = [wait for wait in waits if wait["rule"] == "floor"]
    assert below
    assert all(wait["told"] == ["the operator"] and "under" in wait["reason"] for wait in below)
    escalated = [line["event"] for line in events if line["event"]["kind"] == "WaitEscalated"]
    assert escalated[0]["told"] == ["the operator", "the court"]


# --- 3: the same average from the record and the file, to the last digit ----------------------------------------------


def test_requirement_3_a_person_with_a_spreadsheet_gets_the_same_20_day_average(tmp_path: Path) -> None:
    """From the record and the candle file alone: the last close of each of the 20 days, their mean, rounded up."""
    record = tmp_path / "record.json"
    params = EXAMPLES / "benchmarks" / "falling-20-day.toml"
    record.write_text(call("benchmark", "compute", params, "--candles", CANDLES, "--json").stdout)
    said = json.loads(record.read_text())
    closes: dict[str, str] = {}
    for row in csv.DictReader(CANDLES.read_text().splitlines()):
        closes[row["timestamp"][:10]] = row["close"]
    on = date.fromisoformat(said["parameters"]["trade_date"])
    days = [(on - timedelta(days=back)).isoformat() for back in range(1, said["parameters"]["days"] + 1)]
    mean = sum(Decimal(closes[day]) for day in days) / len(days)
    assert said["result"] == str(mean.quantize(Decimal("0.01"), ROUND_UP)) == "92638.25"
    again = call("benchmark", "recompute", record, "--candles", CANDLES)
    assert (again.returncode, again.stdout.startswith("same: 92638.25 USD")) == (ExitCode.OK, True)


# --- 4: every quote, the choice and the reason ------------------------------------------------------------------------


def test_requirement_4_every_quote_is_kept_with_the_choice_and_its_reason(tmp_path: Path) -> None:
    """Two venues are asked for each clip; what the other one answered, or why its answer does not count, stays too."""
    done = call("dry-run", write_mandate(tmp_path, plan(otc("0.4", clip="0.2"), qty="0.4")), "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    asked = [line["event"] for line in objects(done.stdout)[:-1] if line["event"]["kind"] == "QuotesAsked"]
    assert len(asked) >= 2
    for each in asked:
        assert {answer["venue"] for answer in each["answers"]} == {"osl", "hashkey"}
        assert each["why"]


def rounds(output: str) -> list[Table]:
    """The rounds of quotes in what a run has said, oldest first."""
    said = [line["event"] for line in objects(output) if "event" in line]
    return [event for event in said if event["kind"] == "QuotesAsked"]


def better(monkeypatch: pytest.MonkeyPatch, *, life_s: int = 10, takes_s: int = 0) -> None:
    """HashKey's dealers pay one per cent more than anybody, with quotes that live so long, after so long a time."""
    quote, client = MockRfq.get_quote, MockWorld.client

    def shaped(self: MockRfq, params: dict[str, str]) -> object:
        row = quote(self, params)
        assert isinstance(row, dict)
        for name in ("buyAmount", "buyPrice", "sellPrice", "rate"):
            row[name] = str((Decimal(row[name]) * Decimal("1.01")).quantize(Decimal("0.01")))
        return row | {"quoteExpiryTime": str(int(row["quoteCreatedTime"]) + life_s)}

    def slow(self: MockWorld, venue: str) -> httpx.AsyncClient:
        wire = client(self, venue)
        if venue == "hashkey" and takes_s:
            wire._transport = SlowQuotes(wire._transport, takes_s)
        return wire

    monkeypatch.setattr(MockRfq, "get_quote", shaped)
    monkeypatch.setattr(MockWorld, "client", slow)


def asked_for(tmp_path: Path, affiliates: Sequence[Table] = (), **leg: object) -> subprocess.CompletedProcess[str]:
    """A rehearsal of one clip at both venues. HashKey documents no call that accepts: its mock has one."""
    profiles = tmp_path / "venues"
    profiles.mkdir()
    for name, more in (("osl-mock", ""), ("hashkey-mock", f'rfq_accept_path = "{RFQ_ACCEPT_PATH}"\n')):
        text = (EXAMPLES.parent / "venues" / f"{name}.toml").read_text()
        (profiles / f"{name}.toml").write_text(text.replace("[settings]\n", "[settings]\n" + more))
    register = {"affiliates": list(affiliates)} if affiliates else {}
    mandate = write_mandate(tmp_path, plan(otc("0.2", **leg)), **register)
    return call("dry-run", mandate, "--json", env={"EXECUTOR_VENUES_DIR": str(profiles)})


class SlowQuotes(httpx.AsyncBaseTransport):
    """A wire on which the answer to a request for quote is under way for long."""

    def __init__(self, inner: httpx.AsyncBaseTransport, takes_s: int) -> None:
        self._inner, self._takes_s = inner, takes_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if request.url.path.endswith("/rfq/getQuote"):
            await asyncio.sleep(self._takes_s)
        return answer


def test_requirement_4_the_best_quote_is_taken_while_nothing_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the tests that follow: what makes the difference there is the one thing that they change."""
    better(monkeypatch)
    done = asked_for(tmp_path)
    assert [each["chosen_venue"] for each in rounds(done.stdout)] == ["hashkey"]


def test_requirement_4_the_best_quote_arrives_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for, the best of the others is taken, and when it comes it is kept with price and time."""
    better(monkeypatch, life_s=30, takes_s=6)
    done = asked_for(tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    (asked,) = rounds(done.stdout)
    assert asked["chosen_venue"] == "osl"
    assert asked["why"].startswith("best of 1 live quotes")
    late = next(each for each in asked["answers"] if each["venue"] == "hashkey")
    assert (late["left_out"], late["left_why"]) == ("late", "no answer within 0:00:04")
    (came,) = [e["event"]["answer"] for e in objects(done.stdout) if e.get("event", {}).get("kind") == "QuoteCameLate"]
    taken = next(each for each in asked["answers"] if each["venue"] == "osl")
    assert Decimal(came["notional"]) > Decimal(taken["notional"])
    assert came["received_at"] > taken["received_at"]


def test_requirement_4_the_best_quote_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    better(monkeypatch, life_s=1)
    done = asked_for(tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    (asked,) = rounds(done.stdout)
    short = next(each for each in asked["answers"] if each["venue"] == "hashkey")
    assert (asked["chosen_venue"], short["left_out"]) == ("osl", "expired")
    assert f"{short['notional']} at hashkey left out: it has expired" in asked["why"]
    assert None not in (short["created_at"], short["expires_at"], short["received_at"])


def test_requirement_4_the_best_quote_comes_from_an_affiliates_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither venue's documents name who answers; this is a venue that does. The register names the desk, not it."""
    better(monkeypatch)
    quote = HashKey.quote

    async def named(self: HashKey, base: str, into: str, qty: Decimal) -> Quote:
        return replace(await quote(self, base, into, qty), counterparty="Sister Desk")

    monkeypatch.setattr(HashKey, "quote", named)
    done = asked_for(tmp_path, affiliates=[{"name": "sister desk", "relation": "sister company"}])
    assert done.returncode == ExitCode.OK, done.stderr
    (asked,) = rounds(done.stdout)
    best = max(asked["answers"], key=lambda answer: Decimal(answer["notional"]))
    assert (best["counterparty"], best["left_out"], asked["chosen_venue"]) == ("Sister Desk", "conflict", "osl")
    assert "Sister Desk stands in the register of affiliates and may not buy" in asked["why"]


def test_requirement_4_too_few_live_quotes_sell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minimum is the plan's: one of two quotes that has run out makes the other the best of one, not of two."""
    better(monkeypatch, life_s=1)
    done = asked_for(tmp_path, min_quotes=2)
    assert done.returncode == ExitCode.REFUSED
    assert objects(done.stdout)[-1]["sold"] == "0"
    assert rounds(done.stdout)[0]["why"].startswith("1 quotes that can be accepted, the plan asks for at least 2")


def test_requirement_4_another_choice_needs_a_reason_and_other_people(office: Office) -> None:
    """Asked for by the operator with a reason, signed by two others; refused attempts are in the record."""
    freeze(office)
    approve_both(office)
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    prefer = ("plan", "prefer", "BJ-9", office.hash, "osl", "--up-to-bps", "5", "--until", ends)
    refused = office.call(*prefer, "--who", "op")
    assert (refused.returncode, "--why" in refused.stderr) == (ExitCode.USAGE, True)
    office.refused("neither operator nor settlement", *prefer, "--why", "settles today", "--who", "ch")
    change = office.done(*prefer, "--why", "settles today", "--who", "op").split()[3].rstrip(";")
    agree = ("mandate", "agree", "BJ-9", change)
    office.refused("asked for the change", *agree, "--person", "op", "--key", office.key("op"))
    assert "one more must agree" in office.done(*agree, "--person", "ch", "--key", office.key("ch"))
    assert "in force" in office.done(*agree, "--person", "ri", "--key", office.key("ri"))
    (shown,) = json.loads(office.done("mandate", "show", "BJ-9"))["changes"]
    assert (shown["kind"], shown["why"], shown["agreed_by"]) == ("prefer_quote", "settles today", ["ch", "ri"])
    assert [act["who"] for act in refused_acts(office)] == ["ch", "op"]


def test_requirement_4_an_affiliate_neither_quotes_nor_buys(tmp_path: Path) -> None:
    related = [{"name": "OSL", "relation": "sister company"}]
    done = call("dry-run", write_mandate(tmp_path, plan(otc("0.2")), affiliates=related))
    assert (done.returncode, done.stdout) == (ExitCode.REFUSED, "")
    assert "conflict: osl stands in the register of affiliates of the case and may not buy" in done.stderr


# --- 5: the deposit ---------------------------------------------------------------------------------------------------


def test_requirement_5_no_deposit_is_released_without_a_receipt(tmp_path: Path) -> None:
    treasury = Treasury(tmp_path, **{"BJ-9": "10"})
    treasury.sells("BJ-9", "10", two_fills())
    treasury.done(*settlement_steps(treasury)["deposit_posted"][0])
    release = (
        "deposit",
        "release",
        "BJ-9",
        "--amount",
        "7000000",
        "--currency",
        "CNY",
        "--evidence",
        "release_record=1",
    )
    treasury.refused("is no receipt of police or court", *treasury.signed(*release, "--receipt", "case/BJ-9#1"))
    assert json.loads(treasury.done("deposit", "show", "BJ-9", "--json"))["deposit"] == {"CNY": "7000000"}


COVER = {
    "currency": "USD",
    "coins": "all",
    "release_percent": "110",
    "halt_percent": "100",
    "warn_percents": ["110", "105", "100"],
}


def deposited(folder: Path) -> Path:
    """A mandate over one coin with a deposit of 110 % of its value at 100000, and a plan to sell it in two hours."""
    table = plan(twap("1", slices=8), qty="1", duration="2h", venues=["hashkey"], cover=COVER)
    table["guards"] = {"fast_move_bps": "900"}
    mandate = write_mandate(folder, table, holding="1", credited=[credit("hashkey", "trading", "1")])
    paid = '\n[deposit]\namount = "110100"\ncurrency = "USD"\nform = "cash"\n'
    mandate.write_text(mandate.read_text() + paid)
    return mandate


def rising(folder: Path) -> Path:
    """Candles of three hours in which the price rises by 12 % between the first slice and the second."""
    file, px = folder / "rising.csv", Decimal(100_000)
    rows = ["timestamp,open,high,low,close,volume"]
    for minute in range(180):
        close = px + 1000 if 1 <= minute < 13 else px
        at = f"2026-03-02 {minute // 60:02}:{minute % 60:02}:00"
        rows.append(f"{at},{px},{close},{px},{close},20")
        px = close
    file.write_text("\n".join(rows) + "\n")
    return file


def test_requirement_5_a_rise_of_12_percent_warns_at_each_level_and_halts(tmp_path: Path) -> None:
    """While coins are held: a warning under 110, 105 and 100 %, then nothing is sold until a person lets it go on."""
    journal = tmp_path / "journal.sqlite"
    market = ("--market", rising(tmp_path), "--volume-unit", "base")
    done = call(
        "dry-run", deposited(tmp_path), "--journal", journal, "--json", *market, env={"EXECUTOR_LOG_LEVEL": "warning"}
    )
    assert done.returncode == ExitCode.STOPPED, done.stderr
    assert "cover: the deposit covers 99." in done.stderr
    events = [line["event"] for line in objects(done.stdout) if "event" in line]
    assert [each["below"] for each in events if each["kind"] == "CoverCrossed"] == ["110", "105", "100"]
    assert [each["rule"] for each in events if each["kind"] == "ParentHalted"] == ["cover"]
    assert "cover_crossed" in done.stderr
    (status,) = objects(call("status", "--journal", journal, "--json").stdout)
    assert (status["status"], status["rule"]) == ("halted", "cover")
    assert status["cover"].startswith("under 100 % (99.")
    assert Decimal(status["sold"]) < 1


def test_requirement_5_new_coins_are_refused_while_the_deposit_does_not_cover_them(tmp_path: Path) -> None:
    """At a price 12 % higher; the refusal says how many are covered."""
    mandate = deposited(tmp_path)
    done = call("dry-run", mandate, "--start-px", "112000")
    assert (done.returncode, done.stdout) == (ExitCode.REFUSED, "")
    assert re.search(
        r"cover: the deposit covers 0\.89\d+ BTC at 110 %, and all coins of the case is 1 BTC", done.stderr
    )
    table = (tmp_path / "plan.toml").read_text()
    (tmp_path / "plan.toml").write_text(table[: table.index("[cover]")] + table[table.index("[guards]") :])
    silent = call("dry-run", mandate, "--start-px", "100000")
    assert silent.returncode == ExitCode.REFUSED
    assert "the mandate has a deposit and the plan does not say what it must cover" in silent.stderr


# --- 6: segregation of duties -----------------------------------------------------------------------------------------


def test_requirement_6_one_person_under_two_names_is_refused(office: Office) -> None:
    """With the same key: it belongs to one person. With another: the mandate names no such person."""
    enroll = ("keys", "enroll", "op2")
    office.refused("belongs to op", *enroll, office.public["op"], "--name", "Op", "--who", "admin")
    second = call("keys", "new", office.key("op2")).stdout.strip()
    office.done(*enroll, second, "--name", "Op", "--who", "admin")
    office.refused("does not authorise op2", "mandate", "role", "BJ-9", "op2", "checker", "--who", "admin")
    freeze(office)
    office.refused("neither checker nor risk", *office.approve("op2"))


def test_requirement_6_one_person_with_two_keys_is_refused(office: Office) -> None:
    """Not beside the approver's own key; in its place only once that is revoked, and then nothing it signed counts."""
    freeze(office)
    office.done(*office.approve("ch"))
    office.done(*office.approve("ri"))
    second = call("keys", "new", office.key("second")).stdout.strip()
    enroll = ("keys", "enroll", "ri", second, "--name", "Ri", "--who", "admin")
    office.refused("ri has a key that is in force: revoke it first", *enroll)
    office.refused("does not speak for ri", *office.approve("ri", key="second"))
    office.done("keys", "revoke", office.public["ri"], "--who", "admin", "--why", "replaced")
    office.done(*enroll)
    office.refused("1 of 2", *office.run(), code=ExitCode.NOT_APPROVED)


def test_requirement_6_a_delegate_is_not_the_delegator(office: Office) -> None:
    """The checker's key in the drafter's hand, and the drafter's own key in the checker's name, are both refused."""
    freeze(office)
    office.refused("does not speak for ch", *office.approve("ch", key="op"))
    office.refused("drafted the plan", *office.approve("op", key="ch"))
    office.refused("names op as operator", "mandate", "role", "BJ-9", "op", "checker", "--who", "admin")


def test_requirement_6_nobody_approves_their_own_plan(office: Office) -> None:
    freeze(office)
    office.refused("drafted the plan and cannot approve it", *office.approve("op"))
    office.refused("0 of 2", *office.run(), code=ExitCode.NOT_APPROVED)
    assert [act["who"] for act in refused_acts(office) if act["act"] == "PlanApproved"] == ["op"]


# --- 7: no exit with a trading key ------------------------------------------------------------------------------------


def test_requirement_7_no_command_and_no_venue_call_withdraws() -> None:
    """What is not there cannot be stolen: the interface to venues and the command line know no withdrawal."""
    adapters = Path(EXAMPLES).parents[1] / "adapters"
    paths = re.findall(r'"(/[a-z0-9/._-]+)"', "".join(path.read_text() for path in sorted(adapters.glob("*.py"))))
    assert len(paths) > 10
    assert not [path for path in paths if "withdraw" in path.lower()]
    help_text = call("--help").stdout
    assert "withdraw" not in help_text.lower()


@pytest.mark.parametrize(("confirmed", "shown"), [(True, "no"), (False, "not visible")])
def test_requirement_7_what_a_key_may_do_is_looked_at(tmp_path: Path, confirmed: bool, shown: str) -> None:
    """Without somebody's confirmation it is not taken to be harmless; at production venues that ends the check."""
    with mock_venues(tmp_path, write_mandate(tmp_path, plan())) as (_, env):
        profile = tmp_path / "venues" / "hashkey-mock.toml"
        line = "withdrawals_confirmed_off = true"
        assert line in profile.read_text()
        if not confirmed:
            profile.write_text(profile.read_text().replace(line, ""))
        done = call("venues", "check", "hashkey", "--on", "mock", env=env)
        assert done.returncode == ExitCode.OK, done.stderr
        assert f"may withdraw: {shown}" in done.stdout


def test_requirement_7_another_account_for_the_proceeds_needs_two_others(office: Office) -> None:
    def account() -> str:
        return str(json.loads(office.done("mandate", "show", "BJ-9"))["proceeds_account"])

    change = ("mandate", "change-account", "BJ-9", "account of a thief", "--why", "closed", "--who")
    office.refused("neither operator nor settlement", *change, "ch")
    asked = office.done(*change, "op").split()[3].rstrip(";")
    agree = ("mandate", "agree", "BJ-9", asked)
    office.refused("asked for the change", *agree, "--person", "op", "--key", office.key("op"))
    office.refused("does not speak for ri", *agree, "--person", "ri", "--key", office.key("ch"))
    office.done(*agree, "--person", "ch", "--key", office.key("ch"))
    assert account() == "account of case BJ-9"
    office.done(*agree, "--person", "ri", "--key", office.key("ri"))
    assert account() == "account of a thief"


# --- 9: our own order history -----------------------------------------------------------------------------------------


def test_requirement_9_every_order_is_told_from_our_record_when_the_venue_is_gone(tmp_path: Path) -> None:
    """The simulated venues of a dry run are gone when it ends; what they did is not."""
    journal = tmp_path / "journal.sqlite"
    mandate = write_mandate(tmp_path, plan(twap("0.2", style="rest_then_cross", rest_for="20s")))
    done = call("dry-run", mandate, "--journal", journal, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    summary = objects(done.stdout)[-1]
    orders = objects(call("orders", "--journal", journal, "--json").stdout)
    fills = objects(call("fills", "--journal", journal, "--json").stdout)
    assert len(orders) == summary["child_orders"]
    assert sum(Decimal(fill["qty"]) for fill in fills) == Decimal(summary["sold"])
    for order in orders:
        mine = [Decimal(fill["qty"]) for fill in fills if fill["client_order_id"] == order["client_order_id"]]
        assert sum(mine) == Decimal(order["cum_qty"])
        assert {"venue", "limit_px", "qty", "status"} <= order.keys()


# --- 10: exact reconciliation to zero ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "right", "wrong", "line"),
    [
        ("statement", "6,95000.01", "6.00000001,95000.01", "statement"),
        ("bank", "569990.06", "569990.05", "bank"),
        ("case_account", "6759872.64", "6759872.63", "case_account"),
    ],
    ids=["one-satoshi-in-a-contract-note", "one-cent-at-the-bank", "one-fen-at-the-account"],
)
def test_requirement_10_the_smallest_error_is_one_break_on_its_line(
    tmp_path: Path, step: str, right: str, wrong: str, line: str
) -> None:
    treasury = Treasury(tmp_path, **{"BJ-9": "10"})
    treasury.sells("BJ-9", "10", two_fills())
    for name, commands in settlement_steps(treasury).items():
        if name not in ("receipt", "delivery") or step == "statement":
            for words in commands:
                if name == step == "statement":
                    spoiled = Path(str(words[3]))
                    spoiled.write_text(spoiled.read_text().replace(right, wrong))
                treasury.done(*(wrong if name == step and word == right else word for word in words))
    found = call("reconcile", "check", "BJ-9", "--json", *treasury.journal)
    assert found.returncode == ExitCode.NOT_RECONCILED
    breaks = [row["line"] for row in objects(found.stdout) if row["status"] == "break"]
    assert breaks == [line]


# --- 11: caps across everything ---------------------------------------------------------------------------------------


def test_requirement_11_two_cases_at_two_venues_share_a_cap(tmp_path: Path) -> None:
    """Two processes at once on one journal, one case each: together they never pass the value of the week."""
    week = {
        "week_values": ["25000"],
        "week_currency": "USD",
        "week_starts": "saturday",
        "week_zone": "America/New_York",
        "first_week": "2020-01-04",
    }
    purses = [credit("osl", "exchange", "0.2"), credit("hashkey", "trading", "0.2")]
    mandates = []
    for venue in ("osl", "hashkey"):
        folder = tmp_path / venue
        folder.mkdir()
        table = plan(twap(slices=20), venues=[venue], caps=week, duration="20s", floor_px="90000")
        mandates.append(write_mandate(folder, table, holding="0.4", credited=purses, case_id=f"CASE-{venue}"))
    journal = tmp_path / "journal.sqlite"
    with mock_venues(tmp_path, mandates[0]) as (_, env):
        runs = [("run", mandate, "--on", "mock", "--rehearse", "--journal", journal, "--json") for mandate in mandates]
        with watched(*runs[0], env=env) as first, watched(*runs[1], env=env) as second:
            assert {first.end(), second.end()} <= {ExitCode.OK, ExitCode.REFUSED}, first.error_text + second.error_text
            said = first.said + second.said
    fills = objects(call("fills", "--journal", journal, "--json").stdout)
    value = sum(Decimal(fill["notional"]) for fill in fills)
    assert {fill["venue"] for fill in fills} == {"osl", "hashkey"}
    assert 20_000 < value <= 25_000
    assert any('"rule":"cap.week_values"' in line for line in said)


# --- 12: the venue's rules before anything leaves the building --------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (
            plan(twap("40", slices=1), qty="40"),
            "caps: a slice of up to 40.00000000 is over what the venues take at once",
        ),
        (plan(twap("0.000000001", slices=1), qty="0.000000001"), "under the smallest order"),
        (plan(twap("0.12345678999", slices=2), qty="0.12345678999"), "step: 0.12345678999 is finer"),
    ],
    ids=["oversize", "undersize", "off-step"],
)
def test_requirement_12_what_a_venue_would_refuse_is_refused_before(tmp_path: Path, table: Table, says: str) -> None:
    journal = tmp_path / "journal.sqlite"
    done = call("dry-run", write_mandate(tmp_path, table), "--journal", journal, "--start-px", "100000")
    assert (done.returncode, done.stdout) == (ExitCode.REFUSED, "")
    assert says in done.stderr
    assert objects(call("orders", "--journal", journal, "--json").stdout) == []


def test_requirement_12_a_pair_that_is_not_open_to_the_client_is_refused(tmp_path: Path) -> None:
    """The simulated OSL opens its pair to professional investors only, as HashKey does with its stablecoin pairs."""
    profiles = tmp_path / "venues"
    profiles.mkdir()
    shipped = EXAMPLES.parent / "venues"
    for name in ("osl-mock", "hashkey-mock"):
        text = (shipped / f"{name}.toml").read_text()
        retail = text.replace("[settings]\n", '[settings]\nclient_type = "retail"\n') if name == "osl-mock" else text
        (profiles / f"{name}.toml").write_text(retail)
    done = call("dry-run", write_mandate(tmp_path, plan()), env={"EXECUTOR_VENUES_DIR": str(profiles)})
    assert (done.returncode, done.stdout) == (ExitCode.REFUSED, "")
    assert "pair: BTCUSD at osl is not open" in done.stderr


@pytest.mark.parametrize(("band", "ended"), [("0.00005", ExitCode.REFUSED), ("0.05", ExitCode.OK)])
def test_requirement_12_a_price_outside_the_venues_band_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, band: str, ended: ExitCode
) -> None:
    """With a band of half a basis point around the mid the bids lie under it; with one of five per cent within it."""
    sent: list[str] = []
    place = Osl.place

    async def noted(self: Osl, order: NewOrder) -> OrderReport:
        sent.append(order.client_order_id)
        return await place(self, order)

    monkeypatch.setattr(Osl, "place", noted)
    monkeypatch.setattr(world, "PairRules", partial(PairRules, band=Decimal(band)))
    journal = tmp_path / "journal.sqlite"
    done = call("dry-run", write_mandate(tmp_path, plan(venues=["osl"])), "--journal", journal)
    assert done.returncode == ended, done.stderr
    assert ("venue.band" in done.stderr and "is below the price band" in done.stderr) is (ended is ExitCode.REFUSED)
    orders = objects(call("orders", "--journal", journal, "--json").stdout)
    assert bool(orders) is bool(sent) is (ended is ExitCode.OK)


@pytest.mark.parametrize(("opens", "sold"), [("18:00", "0"), ("08:00", "0.2")])
def test_requirement_12_outside_the_hours_of_a_venue_nothing_is_sent(tmp_path: Path, opens: str, sold: str) -> None:
    """The rehearsal begins on a Monday at nine in Hong Kong. The hours are those that an operator was told."""
    hours = f'\n[hours.orders]\nzone = "Asia/Hong_Kong"\ndays = ["monday"]\nopens = {opens}:00\ncloses = 23:00:00\n'
    profiles = tmp_path / "venues"
    profiles.mkdir()
    (profiles / "osl-mock.toml").write_text((EXAMPLES.parent / "venues" / "osl-mock.toml").read_text() + hours)
    mandate = write_mandate(tmp_path, plan(venues=["osl"]))
    done = call("dry-run", mandate, "--json", env={"EXECUTOR_VENUES_DIR": str(profiles)})
    events = [line["event"] for line in objects(done.stdout) if "event" in line]
    assert objects(done.stdout)[-1]["sold"] == sold, done.stderr
    waits = [event["rule"] for event in events if event["kind"] == "ParentWaiting"]
    assert (waits == ["venue.hours"]) is (sold == "0")


def test_requirement_12_every_price_lies_on_the_tick(tmp_path: Path) -> None:
    """A leg's own limit that lies between two ticks is rounded up before it is sent, never down."""
    journal = tmp_path / "journal.sqlite"
    table = plan(twap("0.2", limit_px="90000.001"))
    done = call("dry-run", write_mandate(tmp_path, table), "--journal", journal, "--start-px", "90200")
    assert done.returncode in (ExitCode.OK, ExitCode.REFUSED), done.stderr
    orders = objects(call("orders", "--journal", journal, "--json").stdout)
    assert orders
    for order in orders:
        assert Decimal(order["limit_px"]) % Decimal("0.01") == 0
        assert Decimal(order["limit_px"]) > Decimal("90000.001")


def test_requirement_12_an_order_between_two_ticks_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes the order: a router that forgets the tick gets nothing onto the wire or into the record."""
    routed = legs.route

    def between(*given: Any, **named: Any) -> list[Route]:
        return [structs.replace(each, limit_px=each.limit_px + Decimal("0.001")) for each in routed(*given, **named)]

    monkeypatch.setattr(legs, "route", between)
    journal = tmp_path / "journal.sqlite"
    done = call("dry-run", write_mandate(tmp_path, plan()), "--journal", journal)
    assert done.returncode == ExitCode.REFUSED
    assert "venue.tick" in done.stderr
    assert "is not on tick" in done.stderr
    assert objects(call("orders", "--journal", journal, "--json").stdout) == []


def test_the_coins_of_a_case_are_credited_before_any_of_this(office: Office) -> None:
    """Requirement 1 again, from the other end: an inventory that only exists on paper cannot be sold."""
    intake(office)
    assert json.loads(office.done("mandate", "show", "BJ-9"))["holdings"] == {"BTC": {"credited": "2"}}
