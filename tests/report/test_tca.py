"""Execution quality: each measure against an example that was worked out by hand, and identities on random orders.

The example, 10 BTC, floor 90000, times in seconds after the start:

    0   arrival: alpha 99990/100010, beta 99980/100000     mid (100000 + 99990) / 2 = 99995       P_d
    10  order 1, 4 BTC on alpha's book, mid 100000                                               P_a
    12  fill 3 at 99980, fee 30 USD
    14  fill 1 at 99970, fee 10 USD; order 1 is done
    20  order 2, 4 BTC, post-only on beta, mid 99900
    50  fill 2 at 99950, fee 0; then the order is cancelled: 2 of 4 filled
    60  round of quotes for 2 BTC, mid 99900: alpha 99850, beta 99800, gamma refuses; order 3 takes alpha's
    61  fill 2 at 99850, fee 0
    70  window over, 2 BTC left, mid 99800                                                       P_end

F = 8, money = 3 * 99980 + 99970 + 2 * 99950 + 2 * 99850 = 799510, average 99938.75.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.candles import Candle
from executor.domain.events import (
    ArrivalMarked,
    ChildAcknowledged,
    Event,
    ParentFinished,
    QuoteAnswer,
    QuotesAsked,
    Top,
)
from executor.errors import InputRefused
from executor.market.candles import CandleFile
from executor.report.figures import figure, fixed
from executor.report.market_seen import Market, from_candles
from executor.report.measures import MEASURES
from executor.report.tca import Tca, tca
from executor.report.tca_shown import tca_table, tca_values
from tests.domain.events_made import AT, D, closed, created, filled, intended


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def top(mid: str, venue: str = "alpha") -> Top:
    return Top(venue=venue, bid=D(mid) - 10, bid_qty=D(1), ask=D(mid) + 10, ask_qty=D(1))


def taken(number: int) -> ChildAcknowledged:
    return ChildAcknowledged(client_order_id=f"abcdefghij-{number}", venue_order_id="v", venue_status="NEW")


def answer(venue: str, px: str, after: str) -> QuoteAnswer:
    return QuoteAnswer(
        venue=venue,
        quote_id=f"q-{venue}",
        px=D(px),
        notional=D(px) * 2,
        received_at=at(60) + timedelta(seconds=float(after)),
        executable=True,
    )


def example() -> list[tuple[datetime, Event]]:
    fill = lambda n, trade, qty, px, fee, when, **more: (  # noqa: E731
        at(when),
        filled(n, trade, qty, px, fee=D(fee), at=at(when), **more),
    )
    silent = QuoteAnswer(venue="gamma", received_at=at(62), refusal="too large")
    asked = QuotesAsked(
        leg=1,
        slice=1,
        qty=D(2),
        asked_at=at(60),
        answers=[answer("beta", "99800", "0.5"), answer("alpha", "99850", "0.25"), silent],
        chosen="q-alpha",
        why="best",
        tops=[top("99900")],
    )
    return [
        (AT, created(legs=[{"kind": "twap", "qty": "8"}, {"kind": "otc", "qty": "2"}])),
        (AT, ArrivalMarked(arrival_px=D(99995), tops=[top("100000"), top("99990", "beta")])),
        (at(10), intended(1, "4", tops=[top("100000")])),
        (at(11), taken(1)),
        fill(1, "t1", "3", "99980", "30", 12),
        fill(1, "t2", "1", "99970", "10", 14),
        (at(14), closed(1, "4")),
        (at(20), intended(2, "4", venue="beta", post_only=True, tops=[top("99900")])),
        (at(21), taken(2)),
        fill(2, "t3", "2", "99950", "0", 50, venue="beta"),
        (at(55), closed(2, "2")),
        (at(60.5), asked),
        (at(60.5), intended(3, "2", leg=1, method="rfq", quote_id="q-alpha", tops=[top("99900")])),
        (at(61.25), taken(3)),
        fill(3, "t4", "2", "99850", "0", 61),
        (at(61.25), closed(3, "2")),
        (at(70), ParentFinished(completed=False, leaves_qty=D(2), reason="over", tops=[top("99800")])),
    ]


def candle(second: int, px: str, volume: str) -> Candle:
    return Candle(at(second), D(px), D(px), D(px), D(px), D(volume))


MARKET = from_candles(
    CandleFile("m.csv", "00", tuple(candle(60 * n, *row) for n, row in enumerate([("99900", "40"), ("99800", "60")])))
)
WIDE = from_candles(
    CandleFile("m.csv", "00", tuple(candle(60 * n, f"{99_000 + 10 * n}", "10") for n in range(-20, 70)))
)


@pytest.fixture(scope="module")
def found() -> Tca:
    return tca(example(), None, lambda _: Decimal("99000"))


def test_the_shortfall_and_its_parts(found: Tca) -> None:
    """8 (99995 - 100000) = -40; 8 * 100000 - 799510 = 490; 2 (99995 - 99800) = 390; 40. Together 880:
    10 * 99995 - (799510 - 40) - 2 * 99800 = 999950 - 799470 - 199600 = 880."""
    whole = found.whole
    assert [whole[f"is_{part}"] for part in ("delay", "execution", "opportunity", "fees")] == [-40, 490, 390, 40]
    assert whole["is_total"] == 880
    assert whole["is_total_bps"] == Fraction(880 * 10_000, 999_950)
    assert (whole["decision_px"], whole["arrival_px"], whole["end_px"]) == (99_995, 100_000, 99_800)


def test_prices_and_slippage(found: Tca) -> None:
    whole = found.whole
    assert (whole["ordered_qty"], whole["filled_qty"], whole["notional"]) == (10, 8, 799_510)
    assert whole["avg_px"] == Fraction("99938.75")
    assert whole["arrival_slippage_bps"] == Fraction("61.25") * 10_000 / 100_000
    assert (whole["fees"], whole["fees_bps"]) == (40, Fraction(40 * 10_000, 799_510))
    assert whole["floor_distance_bps"] == Fraction("9938.75") * 10_000 / 90_000
    assert whole["floor_distance_worst_bps"] == Fraction(9_850 * 10_000, 90_000)
    assert whole["benchmark_distance_bps"] == Fraction("938.75") * 10_000 / 99_000


def test_each_order_is_held_to_the_floor_of_its_intent() -> None:
    """The floor rises to 99960 a second after order 1: that order keeps 90000, the others have 99960; a later raise
    binds nobody. Mean by quantity (4 * 90000 + 4 * 99960) / 8 = 94980; the nearest fill is 110 under its floor."""
    whole = tca(example(), raises=[(at(11), D(99_960)), (at(65), D(120_000))]).whole
    assert whole["floor_distance_bps"] == (Fraction("99938.75") - 94_980) * 10_000 / 94_980
    assert whole["floor_distance_worst_bps"] == Fraction(-110 * 10_000, 99_960)


def test_interval_twap_from_the_record(found: Tca) -> None:
    """Order 1 at 10 s to the fill at 61 s: 100000 for 10 s, 99900 for 41 s."""
    assert found.whole["interval_twap_px"] == Fraction(100_000 * 10 + 99_900 * 41, 51)
    assert found.whole["interval_vwap_px"] is None
    assert found.whole["participation"] is None


def test_volumes_from_candles() -> None:
    """Both candles touch 10 s to 61 s: VWAP (99900 * 40 + 99800 * 60) / 100, participation 8 / 100."""
    whole = tca(example(), MARKET).whole
    assert whole["interval_vwap_px"] == 99_840
    assert whole["vwap_slippage_bps"] == (99_840 - Fraction("99938.75")) * 10_000 / 99_840
    assert whole["participation"] == Fraction(8, 100)
    assert whole["participation_worst"] is None  # no volume is known for the quarter of an hour before


def test_a_volume_in_money_is_turned_into_coins() -> None:
    """The same market, counted in money: 40 BTC at 99900 are 3996000, 60 at 99800 are 5988000."""
    rows = (("99900", "3996000"), ("99800", "5988000"))
    file = CandleFile("m.csv", "00", tuple(candle(60 * n, *row) for n, row in enumerate(rows)))
    counted = from_candles(file, "quote")
    assert counted.marks == MARKET.marks
    assert tca(example(), counted).whole == tca(example(), MARKET).whole
    assert counted.source == "m.csv sha256 00, volume in quote units"


def minutes(first: int, last: int, *, step: int = 1, without: range = range(0)) -> Market:
    """Candles of 10 BTC a minute from ``first`` up to ``last``."""
    wanted = [n for n in range(first, last, step) if n not in without]
    file = CandleFile("m.csv", "00", tuple(candle(60 * n, "99900", str(10 * step)) for n in wanted))
    return from_candles(file)


@pytest.mark.parametrize(
    ("seen", "twap", "volume"),
    [
        (minutes(-20, 20), True, True),
        (minutes(-20, 20, without=range(1, 2)), False, False),  # a hole in the middle is no market without trades
        (minutes(-20, 1), False, False),  # ends before the last fill
        (minutes(-90, -30), False, False),  # the last candle is an hour older than the first order
        (minutes(0, 20), False, True),  # nothing says what the price was when the first order was sent
    ],
)
def test_where_candles_leave_a_part_out_there_is_no_number(seen: Market, twap: bool, volume: bool) -> None:
    """The example lasts from 10 s to 61 s."""
    whole = tca(example(), seen).whole
    assert (whole["interval_twap_px"], whole["twap_slippage_bps"] is not None) == (99_900 if twap else None, twap)
    assert (whole["interval_vwap_px"], whole["participation"] is not None) == (99_900 if volume else None, volume)


def test_long_candles_say_nothing_of_a_quarter_of_an_hour() -> None:
    assert tca(example(), minutes(-20, 20, step=5)).whole["participation_worst"] == Fraction(8, 200)
    assert tca(example(), minutes(-40, 40, step=10)).whole["participation_worst"] is None


def test_a_row_between_the_candles_is_refused() -> None:
    """Two rows a second apart would make every candle a second long, and show each close 59 seconds early."""
    rows = tuple(candle(60 * n, "99900", "10") for n in range(-5, 5))
    stray = CandleFile("m.csv", "00", (candle(-301, "99900", "1"), *rows))
    with pytest.raises(InputRefused, match="does not stand a whole number of candles of 0:01:00"):
        from_candles(stray)


def test_worst_quarter_of_an_hour() -> None:
    """Sixteen candles of 10 touch the 15 minutes before a fill at 12, 14 and 50 s, and 16 before 61 s: 8 / 160."""
    assert tca(example(), WIDE).whole["participation_worst"] == Fraction(8, 160)


def test_spreads(found: Tca) -> None:
    """Effective: 3 * 20 + 1 * 30 + 2 * -50 + 2 * 50 = 90 over 4 * 100000 + 2 * 99900 + 2 * 99900 = 799600.
    Realised, mids within 5 min after each fill, the last one seen is 99800: 3 * -180 + -170 + 2 * -150 + 2 * -50."""
    whole = found.whole
    assert whole["effective_half_spread_bps"] == Fraction(90 * 10_000, 799_600)
    assert whole["realised_half_spread_bps"] == Fraction((-540 - 170 - 300 - 100) * 10_000, 799_600)


def test_markouts(found: Tca) -> None:
    """Within 10 s: the fills at 12 and 14 s see 99900 (20 s); that at 50 s sees 99900 (60 s is not after 60); that at
    61 s sees 99800 (70 s). Within 1 s nobody sees anything."""
    assert found.whole["markout_1s_bps"] is None
    assert found.whole["markout_1s_seen"] == 0
    money = 3 * 80 + 1 * 70 + 2 * 50
    at_61 = 2 * (99_850 - 99_800)
    seen = tca(example()).whole["markout_10s_seen"]
    assert seen == Fraction(6, 8)  # 50 s + 10 s = 60 s: the mids of the quotes stand at 60.5 s
    assert found.whole["markout_10s_bps"] == Fraction((money - 100 + at_61) * 10_000, 3 * 99_980 + 99_970 + 2 * 99_850)
    for seconds in (60, 300):  # 99800, at 70 s, is the last that was seen
        assert found.whole[f"markout_{seconds}s_bps"] == Fraction((540 + 170 + 300 + 100) * 10_000, 799_510)
        assert found.whole[f"markout_{seconds}s_seen"] == 1


def test_reversion() -> None:
    """The last fill, at 61 s, had a mid of 99900 at its intent. From the candles the latest close within 5, 30, 60 min
    after 61 s: those that end at 360, 1860 and 3660 s."""
    whole = tca(example(), WIDE).whole
    for minutes, number in ((5, 5), (30, 30), (60, 60)):
        later = 99_000 + 10 * number
        assert whole[f"reversion_{minutes}min_bps"] == Fraction((later - 99_900) * 10_000, 99_900)


def test_the_cost_against_a_market_without_us_is_said_to_be_not_recorded(found: Tca) -> None:
    (line,) = [each for each in tca_table(found).splitlines() if each.startswith("Cost v counterfactual mid")]
    assert "not recorded" in line
    assert "had we not traded" in line
    assert tca_values(found)["whole"]["counterfactual_bps"] is None


def test_how_orders_did(found: Tca) -> None:
    """Orders of 4 + 4 + 2, 8 filled; 2 of 8 passive; one of three orders ended short. Waited 2, 4, 30 and 0.5 s."""
    whole = found.whole
    assert (whole["fill_rate"], whole["passive_share"], whole["cancel_ratio"]) == (
        Fraction(8, 10),
        Fraction(2, 8),
        Fraction(1, 3),
    )
    assert whole["time_to_fill"] == (3 * 2 + 1 * 4 + 2 * 30 + 2 * Fraction(1, 2)) / 8


def test_by_leg_venue_and_method(found: Tca) -> None:
    sold = {name: {part: v["filled_qty"] for part, v in parts.items()} for name, parts in found.groups.items()}
    assert sold == {"leg": {"0": 6, "1": 2}, "venue": {"alpha": 6, "beta": 2}, "method": {"book": 6, "rfq": 2}}
    assert found.groups["venue"]["beta"]["arrival_slippage_bps"] == Fraction(50 * 10_000, 100_000)


def test_quotes(found: Tca) -> None:
    (made,) = found.rounds
    assert (made.mid, made.cover_bps, made.hold_s, made.executed) == (
        99_900,
        Fraction(50 * 10_000, 99_850),
        Fraction(3, 4),
        True,
    )
    shown = {a.venue: (a.rank, a.spread_bps, a.response_s, a.chosen) for a in made.answers}
    assert shown == {
        "alpha": (1, Fraction(50 * 10_000, 99_900), Fraction(1, 4), True),
        "beta": (2, Fraction(100 * 10_000, 99_900), Fraction(1, 2), False),
        "gamma": (None, None, 2, False),
    }


def test_what_cannot_be_known_is_none() -> None:
    """A fee in a third asset has no value here, and then there is no sum; without the market at the end the rest has
    the last mid that was seen."""
    events = example()
    events[4] = (at(12), filled(1, "t1", "3", "99980", fee=D(1), fee_asset="BNB", at=at(12)))
    whole = tca(events).whole
    assert (whole["fees"], whole["is_fees"], whole["is_total"], whole["is_total_bps"]) == (None, None, None, None)
    assert whole["is_execution"] == 490
    bare = [(when, e) for when, e in example() if not isinstance(e, ArrivalMarked)]
    assert tca(bare).whole["is_delay"] is None
    with pytest.raises(InputRefused, match="none creates one"):
        tca([])


def test_a_fee_in_the_asset_is_valued_at_its_fill() -> None:
    events = example()
    events[4] = (at(12), filled(1, "t1", "3", "99980", fee=D("0.001"), fee_asset="BTC", at=at(12)))
    assert tca(events).whole["is_fees"] == Fraction("99.98") + 10


def test_every_number_has_its_definition_beside_it(found: Tca) -> None:
    assert set(found.whole) <= set(MEASURES)
    table, values = tca_table(found), tca_values(found)
    for name in found.whole:
        assert MEASURES[name].en in table
        assert values["definitions"][name] == MEASURES[name].en
    assert values["whole"]["is_total"] == "880"
    assert "gamma" in table


@given(
    st.lists(st.tuples(st.decimals("0.00000001", 3, places=8), st.decimals(90_000, 200_000, places=2)), max_size=3),
    st.decimals(90_000, 200_000, places=8),
    st.decimals(90_000, 200_000, places=2),
    st.decimals(90_000, 200_000, places=2),
    st.decimals(0, 100, places=8),
)
def test_the_parts_add_up_exactly(
    fills: list[tuple[Decimal, Decimal]], decision: Decimal, arrival: Decimal, end: Decimal, fee: Decimal
) -> None:
    events: list[tuple[datetime, Event]] = [(AT, created()), (AT, ArrivalMarked(arrival_px=decision, tops=[]))]
    for number, (qty, px) in enumerate(fills, start=1):
        fill: Any = filled(number, f"t{number}", qty, px, fee=fee)
        events += [(AT, intended(number, qty, tops=[top(str(arrival))])), (AT, fill)]
    events.append((at(1), ParentFinished(completed=False, leaves_qty=D(1), reason="", tops=[top(str(end))])))
    whole = tca(events).whole
    parts = [whole[name] for name in ("is_delay", "is_execution", "is_opportunity", "is_fees")]
    sold = sum((Fraction(qty) for qty, _ in fills), Fraction(0))
    money = sum((Fraction(qty) * Fraction(px) for qty, px in fills), Fraction(0)) - Fraction(fee) * len(fills)
    assert (
        sum(filter(None, parts), Fraction(0))
        == whole["is_total"]
        == 10 * Fraction(decision) - money - (10 - sold) * Fraction(end)
    )


def test_figures() -> None:
    assert figure(None, "px") is None
    assert figure(Fraction(1, 3), "money") == "0.33333333"
    assert figure(Fraction("0.123456789012"), "money") == "0.123456789012"
    assert figure(Fraction(-5, 4), "bps") == "-1.25"
    assert figure(Fraction(100), "px") == "100"
    assert (fixed(Fraction(1, 2), 0), fixed(Fraction(3, 2), 0), fixed(Fraction(-1, 8), 2)) == ("0", "2", "-0.12")


def test_a_market_without_marks() -> None:
    empty = Market("none", [])
    assert empty.twap(AT, at(1)) is None
    assert empty.vwap(AT, at(1)) is None
    assert empty.after(AT, timedelta(1)) is None
