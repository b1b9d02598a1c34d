"""The planning mode: the engine and its guards on venues in memory, exact to the last unit, with duration and cost."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.mock import planning_world as planned
from executor.cli import planning
from tests.cli.commands import call

D = Decimal
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
NATION = EXAMPLES / "nation-190000btc.toml"
SHARE = 100  # of the nation's holding and of its time


def smaller(folder: Path) -> Path:
    """The nation's mandate and plan with a hundredth of every quantity and of the window: the same rates."""
    mandate, plan = NATION.read_text(), NATION.with_name("nation-190000btc.plan.toml").read_text()
    for text, less in (("190000.00000021", "1900.00000021"), ("171000.00000021", "1710.00000021")):
        mandate, plan = mandate.replace(text, less), plan.replace(text, less)
    for text in ("11400", "7600", "19000"):
        mandate, plan = mandate.replace(f'"{text}"', f'"{text[:-2]}"'), plan.replace(f'"{text}"', f'"{text[:-2]}"')
    plan = plan.replace('"182d"', f'"{182 * 86_400 // SHARE}s"')
    path = folder / NATION.name
    path.write_text(mandate)
    path.with_name("nation-190000btc.plan.toml").write_text(plan)
    return path


def events(text: str, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(each) for each in text.splitlines()]
    return [each["event"] for each in lines if "event" in each and each["event"]["kind"] == kind]


def test_a_nations_plan_scaled_down_is_sold_to_the_last_satoshi(tmp_path: Path, monkeypatch: Any) -> None:
    """1,900.00000021 BTC at the rates of the whole plan: quotes and slices on two venues. The summary, the events and
    the venues' own books agree exactly, and the summary says how long it took and what it cost."""
    worlds = []

    def remembered(*given: Any) -> planned.PlanningWorld:
        worlds.append(planned.planning_world(*given))
        return worlds[-1]

    monkeypatch.setattr(planning, "planning_world", remembered)
    done = call("dry-run", smaller(tmp_path), "--planning", "--start-px", "95000", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    fills = events(done.stdout, "FillRecorded")
    assert summary["status"] == "completed"
    assert summary["sold"] == summary["asked"] == "1900.00000021"
    assert sum(D(fill["qty"]) for fill in fills) == D("1900.00000021")
    assert len({(fill["venue"], fill["trade_id"]) for fill in fills}) == len(fills) == summary["fills"]
    assert all(D(fill["px"]) >= D("40000") for fill in fills)
    assert sum(venue.cash for venue in worlds[0].venues) == D(summary["proceeds"])
    assert worlds[0].sold.qty == D("1900.00000021")
    assert {"rfq", "book"} == set(summary["by_method"])
    assert {"osl", "hashkey"} == set(summary["by_venue"])
    found = summary["planning"]
    assert 0 < D(found["took_days"]) <= D(found["window_days"]) == D("1.82")
    assert D(found["cost"]) == D(found["impact_cost"]) + sum(D(fee) for fee in summary["fees"].values())
    assert D(found["impact_cost"]) == D(found["untouched_gross"]) - D(summary["gross"]) > 0


def test_the_same_seed_gives_the_same_plan_and_another_seed_another(tmp_path: Path) -> None:
    """A plan that is thought through twice says the same twice."""
    path = smaller(tmp_path)
    runs = [call("dry-run", path, "--planning", "--start-px", "95000", "--seed", seed) for seed in (1, 1, 2)]
    assert runs[0].stdout == runs[1].stdout != runs[2].stdout


def test_what_planning_cannot_do_is_said(tmp_path: Path) -> None:
    """No candles are replayed and no record is kept: asked for together with --planning either is refused."""
    for option in ("--market", "--journal"):
        done = call("dry-run", NATION, "--planning", option, tmp_path / "x")
        assert done.returncode == 2
        assert "--planning" in done.stderr
