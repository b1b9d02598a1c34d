"""A sale under the Shanghai preset while the price lies below its average of 20 days: it waits, says so, and ends as
the plan says, without one fill below the average. On made-up candles, and on recorded ones where they are."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import EXAMPLES, Table, call, credit, objects, plan, write_mandate
from tests.market.recorded import FTX, recorded

MADE_UP = EXAMPLES / "benchmarks" / "falling-20-day.csv"
TERMS = {
    "pair": "BTC/USD",
    "currency": "USD",
    "candle_stamp": "open",
    "method": "mean_of_daily_closes",
    "volume_unit": "quote",
    "day_boundary": "UTC",
    "tolerated_missing_days": "0",
    "rounding": "up",
    "decimals": "2",
}


@dataclass(frozen=True)
class Sale:
    """A rehearsal on candles: what was said, and the averages of the trade dates."""

    code: int
    events: list[Table]
    summary: Table
    averages: dict[str, Decimal]

    def of(self, kind: str) -> list[Table]:
        return [line for line in self.events if line["event"]["kind"] == kind]

    def fills(self) -> list[tuple[str, Decimal]]:
        """Trade date and price of each fill."""
        return [(line["at"][:10], Decimal(line["event"]["px"])) for line in self.of("FillRecorded")]


def sold(folder: Path, candles: Path, dates: list[str], **changes: str) -> Sale:
    """Draw the plan up from the preset, make the averages of ``dates``, and rehearse from the first of them on."""
    purses = [credit("osl", "exchange", "0.3"), credit("hashkey", "trading", "0.2")]
    mandate = write_mandate(folder, plan(), holding="0.5", credited=purses)
    (folder / "plan.toml").unlink()
    answers = {f"benchmark.{key}": value for key, value in (TERMS | {"source": "a test"}).items()} | {
        "quote_asset": "USD",
        "legs.0.slices": "48",
        "legs.0.min_notional": "100",
        "price_rules.0.renewal": "each_trade_date",
        "price_rules.0.currency": "USD",
        "price_rules.0.scope": "per_fill",
        "price_rules.0.compare": "before_fees",
        "waiting.tell": "[the operator]",
        "waiting.escalate_to": "[the court]",
        "waiting.escalate_after": "4h",
        "benchmark.trade_date": dates[0],
    }
    words = [word for key, value in (answers | changes).items() for word in ("--set", f"{key}={value}")]
    drawn = call("plan", "draft", "shanghai", mandate, *words, "--json")
    assert json.loads(drawn.stdout)["open"] == {}, drawn.stderr
    options: list[object] = ["--market", candles, "--volume-unit", "quote", "--from", dates[0]]
    averages = {}
    for date in dates:
        made = call(
            "benchmark", "compute", folder / "plan.benchmark.toml", "--candles", candles, "--trade-date", date, "--json"
        )
        assert made.returncode == ExitCode.OK, made.stderr
        (folder / f"{date}.json").write_text(made.stdout)
        averages[date] = Decimal(json.loads(made.stdout)["result"])
        options += ["--benchmark", folder / f"{date}.json"]
    done = call("dry-run", mandate, *options, "--json")
    *events, summary = objects(done.stdout)
    return Sale(done.returncode, events, summary, averages)


def never_under_the_average(sale: Sale) -> None:
    """Every fill and every order sent lies at or above the average of its trade date."""
    assert all(px >= sale.averages[date] for date, px in sale.fills())
    for line in sale.of("ChildIntended"):
        assert Decimal(line["event"]["limit_px"]) >= sale.averages[line["at"][:10]]


def the_wait_is_reported(sale: Sale) -> None:
    """With the rule and who was told; and, four hours later, who was told besides."""
    waits: list[dict[str, Any]] = [line["event"] for line in sale.of("ParentWaiting")]
    assert waits
    assert all("average-20-days" in wait["reason"] and wait["told"] == ["the operator"] for wait in waits)
    escalated = sale.of("WaitEscalated")
    assert escalated
    assert escalated[0]["event"]["told"] == ["the operator", "the court"]


def test_requirement_2_in_a_falling_market_nothing_is_sold_below_the_floor(tmp_path: Path) -> None:
    """The made-up price falls through the average in the morning: what is sold is sold before, and the rest is kept."""
    dates = ["2026-01-21", "2026-01-22"]
    changes = {"benchmark.candle_length": "1h", "benchmark.tolerated_missing_candles": "0"}
    sale = sold(tmp_path, MADE_UP, dates, floor_px="80000", duration="1d", **changes)
    assert sale.averages["2026-01-21"] == Decimal("92638.25")
    assert 0 < Decimal(sale.summary["sold"]) < Decimal("0.5")
    assert (sale.code, sale.summary["status"]) == (ExitCode.REFUSED, "ended")
    assert sale.summary["reason"].startswith("window over: floor the best bid")
    never_under_the_average(sale)
    the_wait_is_reported(sale)


@pytest.mark.parametrize("first", [20, 27])
def test_on_recorded_candles_below_their_average_the_sale_waits_from_beginning_to_end(
    tmp_path: Path, first: int
) -> None:
    """FTX, January 2022: from the 20th on the price never reaches its average. The plan is not refused for it: it
    begins, waits, tells, and ends with all coins kept. (The 31st of December is not whole in the file.)"""
    candles = recorded(FTX)
    dates = [f"2022-01-{day}" for day in (first, first + 1, first + 2)]
    changes = {"benchmark.candle_length": "1m", "benchmark.tolerated_missing_candles": "1381"}
    sale = sold(tmp_path, candles, dates, floor_px="20000", duration="2d", **changes)
    if first == 20:
        assert sale.averages["2022-01-20"] == Decimal("43602.00")
    assert sale.averages["2022-01-27"] == Decimal("40536.75") if first == 27 else True
    assert (sale.code, sale.summary["status"], sale.summary["sold"]) == (ExitCode.REFUSED, "ended", "0")
    assert not sale.fills()
    assert not sale.of("ChildIntended")
    the_wait_is_reported(sale)
