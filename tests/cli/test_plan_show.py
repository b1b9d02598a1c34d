"""`executor plan show`: what a plan will do, before anybody signs it."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from executor.report.preview import spread
from tests.cli.commands import EXAMPLES, Table, call, otc, plan, twap, write_mandate


def shown(mandate: Path, *options: object) -> Table:
    done = call("plan", "show", mandate, "--json", *options)
    assert done.returncode == ExitCode.OK, done.stderr
    values: Table = json.loads(done.stdout)
    return values


def test_for_people() -> None:
    done = call("plan", "show", EXAMPLES / "shanghai-half-btc.toml", "--runs", 2)
    assert done.returncode == ExitCode.OK, done.stderr
    for said in (
        "leg 0: 0.5 BTC in 12 slices",
        "completed",
        "2 of 2",
        "bps with 95 % confidence",
        "90000 USD; the lowest",
    ):
        assert said in done.stdout


def test_the_slices_add_up_to_the_plan(tmp_path: Path) -> None:
    legs = (twap("0.2", size_jitter="0.3", time_jitter="0.5"), otc("0.5", clip="0.2", pause="2m"))
    values = shown(write_mandate(tmp_path, plan(*legs, qty="0.7")), "--runs", 1)
    sizes = {leg: [Decimal(p["qty"]) for p in values["slices"] if p["leg"] == leg] for leg in (0, 1)}
    assert (sum(sizes[0]), len(sizes[0])) == (Decimal("0.2"), 4)
    assert sizes[1] == [Decimal("0.2"), Decimal("0.2"), Decimal("0.1")]
    assert all(piece["at_s"] < values["window_s"] for piece in values["slices"])


def test_the_same_seeds_give_the_same_preview_and_others_another(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan())
    first = shown(mandate, "--runs", 2)
    assert shown(mandate, "--runs", 2) == first
    assert first["expected"]["seeds"] == [7, 8]
    other = shown(write_mandate(tmp_path, plan(seed=70)), "--runs", 2)["expected"]
    assert other["cost_bps_against_arrival"] != first["expected"]["cost_bps_against_arrival"]


def test_the_cost_is_that_of_the_dry_run(tmp_path: Path) -> None:
    """Worked out again from the summary that `dry-run` prints."""
    mandate = write_mandate(tmp_path, plan())
    summary = json.loads(call("dry-run", mandate, "--json").stdout.splitlines()[-1])
    untouched = Decimal(summary["arrival_px"]) * Decimal(summary["sold"])
    cost = (untouched - Decimal(summary["proceeds"])) / untouched * 10_000
    expected = shown(mandate, "--runs", 1)["expected"]
    assert Decimal(expected["cost_bps_against_arrival"]["mean"]) == cost.quantize(Decimal("0.01"))
    assert expected["cost_bps_against_arrival"]["low"] is None


def test_the_confidence_range_is_students() -> None:
    """By the book: 1, 2, 3, 4 have mean 2.5, standard deviation 1.29099, t(3) = 3.182, half a range of 2.0540."""
    found = spread([Decimal(n) for n in (1, 2, 3, 4)])
    assert found is not None
    assert found.values() == {"mean": "2.5", "low": "0.45", "high": "4.55", "least": "1", "most": "4"}
    assert spread([]) is None


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (plan(twap(slices=4000)), "size: the smallest slice"),
        (plan(twap("600", slices=4), qty="600"), "caps: a slice of up to"),
        (plan(otc("0.2", clip="0.01", pause="1h")), "window: 20 clips"),
        (plan(floor_px="111000"), "floor: the best bid"),
        (plan(twap("601"), qty="601"), "sell no more than is held"),
    ],
    ids=["too-small", "too-large", "too-short", "under-the-floor", "more-than-held"],
)
def test_a_plan_that_cannot_be_done_is_refused_with_the_rule(tmp_path: Path, table: Table, rule: str) -> None:
    done = call("plan", "show", write_mandate(tmp_path, table), "--start-px", "100000")
    assert done.returncode in (ExitCode.REFUSED, ExitCode.USAGE)
    assert done.stdout == ""
    assert rule in done.stderr


def test_a_market_that_falls_to_the_floor_shows_the_wait(tmp_path: Path) -> None:
    """A quarter of an hour above the floor, then below it."""
    candles = tmp_path / "candles.csv"
    rows = ["timestamp,open,high,low,close,volume"]
    for minute in range(60):
        px = 95_000 if minute < 15 else 93_000
        rows.append(f"2026-03-02 {1 + minute // 60:02}:{minute % 60:02}:00,{px},{px + 20},{px - 20},{px},20")
    candles.write_text("\n".join(rows))
    mandate = write_mandate(tmp_path, plan(floor_px="94000", duration="30m"))
    expected = shown(mandate, "--runs", 2, "--market", candles, "--volume-unit", "base")["expected"]
    assert expected["completed"] == 0
    assert expected["waited_s"]["floor"] > 300
    assert 0 < Decimal(expected["lowest_fill_over_floor_bps"]) < 110
    assert Decimal(expected["lowest_mid_over_floor_bps"]) < 0


def test_caps_are_counted_again_from_the_fills(tmp_path: Path) -> None:
    """A fifth of 0.2 BTC a day in a window of an hour: refused. Everything in a day: shown as full."""
    caps = {"plan_percent_per_day": "20", "day_boundary": "UTC"}
    refused = call("plan", "show", write_mandate(tmp_path, plan(caps=caps)), "--runs", 1)
    assert refused.returncode == ExitCode.REFUSED
    assert "cap.plan_percent_per_day: at most 0.04 BTC can be sold" in refused.stderr
    assert "it needs 5 days at 20 % a day" in refused.stderr
    caps |= {"plan_percent_per_day": "100", "order_value": "30000"}
    expected = shown(write_mandate(tmp_path, plan(caps=caps)), "--runs", 1)["expected"]
    by_rule = {cap["rule"]: cap for cap in expected["caps"]}
    assert by_rule["plan_percent_per_day"]["used_pct"] == "100"
    assert Decimal(by_rule["order_value"]["used"]) <= 30_000


def test_how_near_a_price_rule_comes_is_told(tmp_path: Path) -> None:
    """The nearest fill, worked out again from the fills of the same dry run."""
    rule = {"name": "reserve", "kind": "fixed", "px": "93000", "currency": "USD", "scope": "per_fill"}
    mandate = write_mandate(tmp_path, plan(price_rules=[rule | {"compare": "before_fees"}]))
    journal = tmp_path / "journal.sqlite"
    assert call("dry-run", mandate, "--start-px", "94000", "--journal", journal).returncode == ExitCode.OK
    fills = [json.loads(line) for line in call("fills", "--journal", journal, "--json").stdout.splitlines()]
    lowest = min(Decimal(fill["px"]) for fill in fills)
    (told,) = shown(mandate, "--runs", 1, "--start-px", "94000")["expected"]["price_rules"]
    assert (told["rule"], told["px"]) == ("reserve", "93000")
    assert Decimal(told["nearest_over_bps"]) == ((lowest - 93_000) / 93_000 * 10_000).quantize(Decimal("0.01"))
