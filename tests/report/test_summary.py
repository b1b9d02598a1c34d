"""The summary is computed from the folded record alone, exactly."""

from datetime import timedelta
from decimal import Decimal

from executor.domain.events import ArrivalMarked, ChildParked, ParentFinished, SliceStarted
from executor.report.summary import summarise
from tests.domain.events_made import closed, created, filled, folded, intended

D = Decimal
OTC = {"kind": "otc", "qty": "25", "clip": "10"}
TWAP = {"kind": "twap", "qty": "10", "slices": None, "interval": 600}


def test_nothing_sold_says_nothing() -> None:
    summary = summarise(folded())
    assert (summary["sold"], summary["leaves"], summary["proceeds"]) == ("0", "10", "0")
    assert [summary[key] for key in ("avg_px", "arrival_px", "interval_twap_px", "vs_floor_bps")] == [None] * 4
    assert (summary["by_venue"], summary["fees"]) == ({}, {})


def test_every_number_of_a_small_run() -> None:
    """Worked by hand: two venues, a quote rounded down by half a cent, fees in two assets."""
    state = folded(
        ArrivalMarked(arrival_px=D(100_000), tops=[]),
        SliceStarted(leg=0, slice=1, planned_qty=D(5), due_qty=D(5), mid_px=D(99_000), tops=[]),
        intended(1, "6"),
        filled(1, "t1", "4", px="101000"),
        filled(1, "t2", "2", px="101000", fee_asset="HKD"),
        closed(1, "6"),
        intended(2, "4", venue="beta", method="rfq"),
        filled(2, "t3", "4", px="99000.00125", venue="beta", notional=D("396000.00"), fee=D("0.10")),
        closed(2, "4"),
        ParentFinished(completed=True, leaves_qty=D(0), reason="all sold"),
    )
    summary = summarise(state)
    expected = {
        "status": "completed",
        "asked": "10",
        "sold": "10",
        "leaves": "0",
        "avg_px": "100200",
        "arrival_px": "100000",
        "interval_twap_px": "99000",
        "floor_px": "90000",
        "vs_arrival_bps": "20",
        "vs_interval_twap_bps": "121.21",
        "vs_floor_bps": "1133.33",
        "gross": "1002000",
        "rounding": "0.005",
        "fees": {"HKD": "1", "USD": "1.1"},
        "proceeds": "1001998.9",
        "child_orders": 2,
        "fills": 3,
        "slices_planned": {"0": 4},
        "slices_done": {"0": 1},
        "parked": [],
        "breaks": [],
    }
    assert {key: summary[key] for key in expected} == expected
    alpha, beta = summary["by_venue"]["alpha"], summary["by_venue"]["beta"]
    assert (alpha["sold"], alpha["share_pct"], alpha["avg_px"], alpha["fills"]) == ("6", "60", "101000", 2)
    assert (beta["gross"], beta["share_pct"], beta["fees"]) == ("396000", "40", {"USD": "0.1"})
    assert set(summary["by_method"]) == {"book", "rfq"}


def test_planned_slices_come_from_the_plan_and_what_is_parked_is_named() -> None:
    spec = created(qty=D(35), legs=[OTC, TWAP])
    state = folded(intended(1, "5"), ChildParked(client_order_id="abcdefghij-1", reason="?"), spec=spec)
    summary = summarise(state)
    assert summary["slices_planned"] == {"0": 3, "1": 6}
    assert summary["parked"] == ["abcdefghij-1"]
    assert spec.ends_at - spec.starts_at == timedelta(hours=1)
