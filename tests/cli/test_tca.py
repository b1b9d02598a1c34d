"""`executor tca` over the record of a rehearsal."""

import asyncio
import gzip
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from executor.domain.case_events import FloorRaised
from executor.domain.events import ParentCreated
from executor.exit_codes import ExitCode
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.open import open_store
from tests.cli.commands import ROOT, call, execute, objects, otc, plan, twap, write_mandate


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rehearsed sale of 0.4 BTC: slices on the books and clips by quote."""
    folder = tmp_path_factory.mktemp("tca")
    mandate = write_mandate(folder, plan(twap(), otc("0.2", clip="0.1"), qty="0.4"))
    done = execute("dry-run", mandate, "--journal", folder / "j.sqlite", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    return folder / "j.sqlite"


def test_by_case_and_by_parent(journal: Path) -> None:
    (found,) = objects(call("tca", "TEST-1", "--journal", journal, "--json").stdout)
    whole = found["whole"]
    assert whole["filled_qty"] == whole["ordered_qty"] == "0.4"
    parts = [Fraction(whole[f"is_{part}"]) for part in ("delay", "execution", "opportunity", "fees")]
    assert sum(parts) == Fraction(whole["is_total"])
    assert sum(Fraction(v["filled_qty"]) for v in found["groups"]["method"].values()) == Fraction("0.4")
    assert found["groups"]["method"]["rfq"]["filled_qty"] == "0.2"
    assert all(answer["spread_bps"] or answer["refusal"] for made in found["rounds"] for answer in made["answers"])
    assert whole["participation"] is None
    assert objects(call("tca", found["parent"], "--journal", journal, "--json").stdout) == [found]
    table = call("tca", "TEST-1", "--journal", journal).stdout
    assert "Implementation shortfall" in table
    assert "not recorded" in table


def test_with_recorded_candles(journal: Path, tmp_path: Path) -> None:
    begin = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
    rows = [f"{begin + timedelta(minutes=n):%Y-%m-%d %H:%M:%S},99000,99000,99000,99000,2" for n in range(240)]
    (tmp_path / "c.csv.gz").write_bytes(
        gzip.compress("\n".join(["timestamp,open,high,low,close,volume", *rows]).encode())
    )
    (found,) = objects(call("tca", "TEST-1", "--journal", journal, "--market", tmp_path / "c.csv.gz", "--json").stdout)
    assert found["whole"]["interval_vwap_px"] == "99000"
    assert 0 < Fraction(found["whole"]["participation"]) < 1
    assert found["whole"]["reversion_60min_bps"] is not None
    in_money = ("--market", tmp_path / "c.csv.gz", "--volume-unit", "quote")
    (money,) = objects(call("tca", "TEST-1", "--journal", journal, *in_money, "--json").stdout)
    share = Fraction(money["whole"]["participation"]) / Fraction(found["whole"]["participation"])
    assert abs(share / 99_000 - 1) < Fraction(1, 1000)
    alone = call("tca", "TEST-1", "--journal", journal, "--volume-unit", "quote")
    assert (alone.returncode, "belongs to --market" in alone.stderr) == (ExitCode.USAGE, True)


def test_a_raised_floor_is_the_floor_from_then_on(journal: Path, tmp_path: Path) -> None:
    copied = tmp_path / "j.sqlite"
    with closing(sqlite3.connect(journal)) as whole, closing(sqlite3.connect(copied)) as copy:
        whole.backup(copy)
    (before,) = objects(call("tca", "TEST-1", "--journal", copied, "--json").stdout)
    asyncio.run(raise_floor(copied, f"parent/{before['parent']}", Decimal(150_000)))
    (found,) = objects(call("tca", "TEST-1", "--journal", copied, "--json").stdout)
    assert Fraction(before["whole"]["floor_distance_worst_bps"]) > 0 > Fraction(found["whole"]["floor_distance_bps"])


def test_an_average_of_another_asset_or_currency_is_refused(journal: Path, tmp_path: Path) -> None:
    folder = ROOT / "config" / "examples" / "benchmarks"
    terms = (folder / "falling-20-day.toml").read_text()
    candles = ("--candles", folder / "falling-20-day.csv", "--json")

    def measured(old: str, new: str) -> tuple[int, str, str]:
        assert old in terms
        (tmp_path / "terms.toml").write_text(terms.replace(old, new))
        (tmp_path / "a.json").write_text(call("benchmark", "compute", tmp_path / "terms.toml", *candles).stdout)
        done = call("tca", "TEST-1", "--journal", journal, "--benchmark", tmp_path / "a.json", candles[1], "--json")
        return done.returncode, done.stdout, done.stderr

    code, out, _ = measured("BTC", "BTC")
    assert (code, objects(out)[0]["whole"]["benchmark_distance_bps"] is None) == (ExitCode.OK, False)
    made = (tmp_path / "a.json").read_text()
    result = objects(made)[0]["result"]
    for forged in ("1.00", "abc", "0.00", "NaN"):  # canonical, and not what the candles give
        (tmp_path / "forged.json").write_text(made.replace(f'"{result}"', f'"{forged}"'))
        done = call("tca", "TEST-1", "--journal", journal, "--benchmark", tmp_path / "forged.json", candles[1])
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (ExitCode.RECORD_FAILED, "", False), forged
    for old, new in (('currency = "USD"', 'currency = "HKD"'), ('pair = "BTC', 'pair = "ETH')):
        code, out, said = measured(old, new)
        assert (code, out, "not comparable" in said) == (ExitCode.USAGE, "", True), (new, said)


async def raise_floor(place: Path, stream: str, px: Decimal) -> None:
    """As an approver does, a moment after the parent order began."""
    journal = Journal(open_store(place), threaded=False)
    try:
        (begun, *_) = journal.read(stream)
        assert isinstance(begun.event, ParentCreated)
        version = sum(1 for _ in journal.read("case/TEST-1")) + 1
        event = FloorRaised(
            plan_hash=begun.event.plan_hash, floor_px=px, person="ri", public_key="", signature="", why="court order"
        )
        line = Line(stream="case/TEST-1", version=version, case_id="TEST-1", at=begun.at, event=event)
        await journal.append([line])
    finally:
        await journal.aclose()


def test_what_is_not_there(journal: Path) -> None:
    ended = call("tca", "TEST-2", "--journal", journal)
    assert (ended.returncode, ended.stdout) == (ExitCode.USAGE, "")
    assert "no parent order and no case TEST-2" in ended.stderr
