"""Bad files and plans that cannot be done: refused before the first order, by the key or the rule to blame."""

from pathlib import Path
from typing import Any

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import Table, call, credit, objects, otc, plan, twap, write_mandate, write_toml

FAULTS: tuple[tuple[str, Table, str], ...] = (
    ("missing key", {"floor_px": None}, "plan.toml: floor_px: is missing; add it"),
    ("unknown key", {"flor_px": "90000"}, "plan.toml: flor_px: is not a known key"),
    ("wrong amount", {"floor_px": "ninety"}, "plan.toml: floor_px: 'ninety' is not a decimal number"),
    ("amount of zero", {"qty": "0"}, "plan.toml: qty: "),
    ("wrong duration", {"duration": "eight hours"}, "plan.toml: duration: write a duration such as"),
    ("legs do not add up", {"qty": "0.3"}, "plan.toml: file: the legs add up to 0.2, the plan sells 0.3"),
    ("venue not allowed", {"legs": [twap(venues=["bullish"])]}, "legs.0.venues: bullish is not among"),
    ("unknown kind of leg", {"legs": [{"kind": "vwap", "qty": "0.2"}]}, "plan.toml: legs.0: "),
    ("other asset than held", {"asset": "ETH"}, "plan.toml: asset: ETH is not among the holdings"),
)


@pytest.mark.parametrize(("changes", "says"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_plan_that_is_wrong_is_refused_by_its_key(tmp_path: Path, changes: Table, says: str) -> None:
    table = {key: value for key, value in (plan() | changes).items() if value is not None}
    mandate = write_mandate(tmp_path, table)
    if "asset" in changes:  # the mandate that is written holds what the plan sells
        mandate.write_text(mandate.read_text().replace('"ETH"', '"BTC"'))
    done = call("dry-run", mandate)
    assert done.returncode == ExitCode.USAGE
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"holdings": [{"asset": "BTC", "network": "bitcoin", "qty": "0.1"}]}, "credited: 600 BTC are said"),
        ({"plan": "elsewhere.toml"}, "elsewhere.toml: cannot be read (No such file or directory)"),
        ({"case": "x"}, "mandate.toml: case: is not a known key"),
    ],
)
def test_a_mandate_that_is_wrong_is_refused_by_its_key(tmp_path: Path, changes: Any, says: str) -> None:
    done = call("dry-run", write_mandate(tmp_path, plan(), **changes))
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert says in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"this is not toml", "is not valid TOML"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_is_no_mandate_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "mandate.toml"
    if content is not None:
        path.write_bytes(content)
    done = call("dry-run", path)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert f"{path}: {says}" in done.stderr


def test_a_plan_for_more_than_is_held_is_refused(tmp_path: Path) -> None:
    done = call("dry-run", write_mandate(tmp_path, plan(), holding="0.15", credited=[credit("osl", "x", "0.1")]))
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "qty: the plan sells 0.2 BTC" in done.stderr


HIGH_FLOOR = {"floor_px": "120000"}
REFUSED: tuple[tuple[str, Table, dict[str, Any], str], ...] = (
    ("under the least order", plan(twap(slices=200)), {}, "size: the smallest slice"),
    ("less than one order", plan(twap("0.0005", slices=1), qty="0.0005"), {}, "size: 0.0005 is under the smallest"),
    ("over the venues' caps", plan(twap("200", slices=2), qty="200"), {}, "caps: a slice of up to 100"),
    ("over one venue's cap", plan(twap("8", slices=1, venues=["hashkey"]), qty="8"), {}, "caps: a slice of up to 8"),
    ("under the floor", plan(**HIGH_FLOOR), {"start_px": "100000"}, "floor: the best bid"),
    ("unknown venue", plan(venues=["osl", "bullish"]), {}, "venue: bullish cannot be rehearsed"),
    ("no venue for quotes", plan(otc("0.2"), venues=["hashkey"]), {}, "quotes: 0 venues of the plan execute quotes"),
    ("clips over the window", plan(otc("0.2", clip="0.01", pause="5m")), {}, "window: 20 clips"),
    ("finer than any step", plan(twap("0.20000001"), qty="0.20000001"), {}, "step: 0.20000001 is finer"),
    ("balance short", plan(), {"credited": [credit("osl", "exchange", "0.1")]}, "balance: legs.0 needs 0.2 BTC, 0.1"),
    ("wrong purse", plan(otc("0.2")), {"credited": [credit("osl", "exchange", "5")]}, "balance: legs.0 needs 0.2"),
)


@pytest.mark.parametrize(("table", "where", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_plan_that_cannot_be_done_is_refused_before_the_first_order(
    tmp_path: Path, table: Table, where: dict[str, Any], says: str
) -> None:
    credited = where.get("credited")
    mandate = write_mandate(tmp_path, table, credited=credited)
    journal = tmp_path / "journal.sqlite"
    price = ["--start-px", where["start_px"]] if "start_px" in where else []
    done = call("dry-run", mandate, "--journal", journal, "--json", *price)
    assert done.returncode == ExitCode.REFUSED, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    if journal.exists():  # refused before a record was even begun, or with nothing ordered in it
        assert objects(call("orders", "--journal", journal, "--json").stdout) == []


def test_every_obstacle_is_named_at_once(tmp_path: Path) -> None:
    table = plan(twap("100", slices=1), otc("100", clip="1", pause="5m"), qty="200")
    done = call("dry-run", write_mandate(tmp_path, table, credited=[credit("osl", "exchange", "1")]))
    assert done.returncode == ExitCode.REFUSED
    assert all(rule in done.stderr for rule in ("caps: ", "window: ", "balance: "))


def test_a_profile_never_holds_a_key(tmp_path: Path) -> None:
    profile = {"name": "osl-mock", "adapter": "osl", "kind": "mock"}
    settings = {"base_url": "http://127.0.0.1:1", "api_key": "pasted-by-mistake"}
    write_toml(tmp_path / "osl-mock.toml", profile | {"settings": settings})
    done = call("venues", "check", "osl", "--on", "mock", env={"EXECUTOR_VENUES_DIR": str(tmp_path)})
    assert done.returncode == ExitCode.USAGE
    assert "settings.api_key: keys and secrets never stand in a profile" in done.stderr
    assert "pasted-by-mistake" not in done.stderr + done.stdout
