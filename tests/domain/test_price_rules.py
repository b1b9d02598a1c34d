"""Price rules: the strictest binds, the average of the sale is kept whatever fills, and no price means no sale."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.price_rules import (
    Benchmark,
    Exposed,
    PriceContext,
    PriceRules,
    PriceUndefined,
    average_of_sale,
    highest_allowed,
    lowest_price,
)

NOW = datetime(2026, 1, 21, 3, tzinfo=UTC)
CENT = Decimal("0.01")
RECORD, TERMS, OTHER = "a" * 64, "b" * 64, "c" * 64
CONTEXT = PriceContext("USD", tick=CENT, qty=Decimal(2), now=NOW)


def mark(px: str, *, day: int = 21, record: str = RECORD, terms: str = TERMS, currency: str = "USD") -> Benchmark:
    start = datetime(2026, 1, day, tzinfo=UTC)
    return Benchmark(record, terms, date(2026, 1, day), start, start + timedelta(days=1), Decimal(px), currency)


def fixed(px: str, name: str = "reserve", **changes: Any) -> dict[str, Any]:
    base = {"kind": "fixed", "name": name, "px": px, "currency": "USD", "scope": "per_fill", "compare": "before_fees"}
    return base | changes


def average(**changes: Any) -> dict[str, Any]:
    base = {"kind": "average", "name": "mean", "currency": "USD", "scope": "per_fill", "compare": "before_fees"}
    return base | {"benchmark": RECORD, "renewal": "once", "factor": "1"} | changes


def band(percent: str = "1", around: str = "venue_mid", name: str = "band") -> dict[str, Any]:
    return {"kind": "band", "name": name, "percent": percent, "around": around}


def rules(*tables: dict[str, Any]) -> PriceRules:
    return PriceRules.model_validate({"rules": list(tables)})


def lowest(context: PriceContext, *tables: dict[str, Any]) -> Decimal:
    return lowest_price(rules(*tables), context).px


def test_each_rule_by_itself() -> None:
    context = replace(
        CONTEXT, venue_mid=Decimal("100000"), reference_px=Decimal("99000"), benchmarks=[mark("92578.25")]
    )
    assert lowest(context, fixed("90000")) == 90000
    assert lowest(context, average()) == Decimal("92578.25")
    assert lowest(context, average(factor="0.95")) == Decimal("87949.34")  # 87949.3375, up to the tick
    assert lowest(context, band()) == 99000
    assert lowest(context, band(around="reference")) == 98010


def test_the_strictest_binds_and_is_named() -> None:
    context = replace(CONTEXT, venue_mid=Decimal("93000"), benchmarks=[mark("92578.25")])
    every = rules(fixed("90000"), average(), band())
    assert lowest_price(every, context).rule == "mean"
    assert lowest_price(every, replace(context, venue_mid=Decimal("95000"))).rule == "band"
    bound = lowest_price(every, context)
    assert bound.explanation == (
        "lowest price 92578.25 USD by rule mean: the average 92578.25 before 2026-01-21 (record aaaaaaaaaaaa)"
    )


@given(st.permutations([fixed("90000"), fixed("90500", "second"), average(), band()]))
def test_the_order_of_rules_does_not_matter(tables: list[dict[str, Any]]) -> None:
    context = replace(CONTEXT, venue_mid=Decimal("93000"), benchmarks=[mark("92578.25")])
    assert lowest(context, *tables) == Decimal("92578.25")


PRICES = st.decimals("0.01", "200000", places=2)


@given(PRICES, PRICES, PRICES, st.decimals("0.01", "99", places=2), st.sampled_from(["0.01", "0.5", "25"]))
def test_no_rule_is_broken_by_rounding(px: Decimal, mean: Decimal, mid: Decimal, percent: Decimal, tick: str) -> None:
    context = replace(CONTEXT, tick=Decimal(tick), venue_mid=mid, benchmarks=[mark(str(mean))])
    every = rules(fixed(str(px)), average(), band(str(percent)))
    low, high = lowest_price(every, context).px, highest_allowed(every, context)
    assert low >= max(px, mean)
    assert Fraction(low) >= Fraction(mid) * (1 - Fraction(percent) / 100)
    assert low % Decimal(tick) == 0
    assert high is not None
    assert Fraction(high.px) <= Fraction(mid) * (1 + Fraction(percent) / 100)


def test_upper_edge_only_with_a_band() -> None:
    context = replace(CONTEXT, venue_mid=Decimal("100000"), reference_px=Decimal("99000"))
    assert highest_allowed(rules(fixed("1")), context) is None
    both = rules(band(), band("2", "reference", "second"))
    bound = highest_allowed(both, context)
    assert bound is not None
    assert (bound.px, bound.rule) == (100980, "second")


# --- after fees -------------------------------------------------------------------------------------------------------


def test_after_fees_the_price_is_higher_by_the_fee() -> None:
    context = replace(CONTEXT, fee_rate=Decimal("0.001"))
    px = lowest(context, fixed("90000", compare="after_fees"))
    assert px == Decimal("90090.10")
    assert px * Decimal("0.999") >= 90000 > (px - CENT) * Decimal("0.999")
    with pytest.raises(PriceUndefined, match="highest fee of the next fill is not known"):
        lowest(CONTEXT, fixed("90000", compare="after_fees"))


def test_after_the_least_fee_of_an_order_the_price_is_higher_still() -> None:
    """2 coins at 100: at 1 % the fee is 2; where the venue takes 5 at least, the two must bring 205."""
    rate = replace(CONTEXT, fee_rate=Decimal("0.01"))
    least = replace(rate, least_fee=Decimal(5))
    for scope in ("per_fill", "average_of_sale"):
        rule = fixed("100", compare="after_fees", scope=scope)
        assert (lowest(rate, rule), lowest(least, rule)) == (Decimal("101.02"), Decimal("102.50"))
        assert lowest(replace(least, qty=Decimal(1000)), rule) == Decimal("101.02")  # the rate asks for more
        assert lowest(least, fixed("100", scope=scope)) == 100


def test_the_fees_of_an_open_order_are_those_of_its_own_venue() -> None:
    ahead = replace(CONTEXT, sold_qty=Decimal(10), sold_notional=Decimal(1010), fee_rate=Decimal(0))
    rule = fixed("100", scope="average_of_sale", compare="after_fees")
    free, dear = Exposed(Decimal(2), Decimal(100)), Exposed(Decimal(2), Decimal(100), Decimal("0.01"), Decimal(4))
    assert [lowest(replace(ahead, exposed=[one]), rule) for one in (free, dear)] == [95, 97]


# --- the average of the sale ------------------------------------------------------------------------------------------


def test_average_of_sale_by_hand() -> None:
    """10 sold at 101 with a floor of 100 leave 10 over: the next 2 may go at 95, the next 20 at 99.5."""
    ahead = replace(CONTEXT, sold_qty=Decimal(10), sold_notional=Decimal(1010))
    assert lowest(ahead, fixed("100", scope="average_of_sale")) == 95
    assert lowest(replace(ahead, qty=Decimal(20)), fixed("100", scope="average_of_sale")) == Decimal("99.5")
    assert lowest(ahead, fixed("100", scope="average_of_sale", floor_per_fill_px="97")) == 97
    assert lowest(replace(ahead, qty=CENT), fixed("100", scope="average_of_sale")) == CENT  # never under a tick
    assert lowest(CONTEXT, fixed("100", scope="average_of_sale")) == 100
    assert lowest(ahead, fixed("100")) == 100


def test_an_order_that_may_still_fill_spends_the_surplus_first() -> None:
    ahead = replace(CONTEXT, sold_qty=Decimal(10), sold_notional=Decimal(1010))
    spent = replace(ahead, exposed=[Exposed(Decimal(2), Decimal(95))])
    assert lowest(spent, fixed("100", scope="average_of_sale")) == 100
    dear = replace(ahead, exposed=[Exposed(Decimal(2), Decimal(120))])  # it may never fill: no credit for it
    assert lowest(dear, fixed("100", scope="average_of_sale")) == 95


FILLS = st.lists(
    st.tuples(st.decimals("0.001", "50", places=3), st.decimals("0", "30000", places=2), st.integers(0, 8)), max_size=12
)
RATES = st.sampled_from([None, Decimal("0.001"), Decimal("0.0123")])


@given(FILLS, RATES, st.decimals("50000", "100000", places=2))
def test_whatever_fills_in_part_or_whole_the_average_is_kept(
    fills: list[tuple[Decimal, Decimal, int]], rate: Decimal | None, floor: Decimal
) -> None:
    """Orders at the lowest price and above it, each filled by eighths: the sale stays at or above the rule."""
    compare = "before_fees" if rate is None else "after_fees"
    one = rules(fixed(str(floor), scope="average_of_sale", compare=compare))
    context = replace(CONTEXT, fee_rate=rate)
    for qty, above, eighths in fills:
        px = lowest_price(one, replace(context, qty=qty)).px + above
        filled = qty * eighths / 8
        fee = filled * px * (rate or 0)
        context = replace(
            context,
            sold_qty=context.sold_qty + filled,
            sold_notional=context.sold_notional + filled * px,
            sold_fees=context.sold_fees + fee,
        )
        assert context.sold_notional - context.sold_fees >= floor * context.sold_qty


@given(st.decimals("1", "50", places=2), st.decimals("0.01", "50", places=2), PRICES, PRICES, st.booleans())
def test_average_of_sale_is_the_lowest_such_price(
    sold: Decimal, qty: Decimal, at: Decimal, floor: Decimal, exposed: bool
) -> None:
    """One rational number decides: exactly there the average is the rule's price, with all that may still fill."""
    more = [Exposed(Decimal(3), floor / 2)] if exposed else []
    context = replace(CONTEXT, qty=qty, sold_qty=sold, sold_notional=sold * at, exposed=more)
    px = average_of_sale(Fraction(floor), context)
    notional = Fraction(sold * at) + Fraction(qty) * px + sum(Fraction(e.qty * e.px) for e in more)
    assert notional / (Fraction(sold + qty) + sum(Fraction(e.qty) for e in more)) == Fraction(floor)


# --- no price, no sale ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "context", "reason"),
    [
        (average(), {}, "the record aaaaaaaaaaaa is not there"),
        (average(), {"benchmarks": [mark("1", record=OTHER)]}, "is not there"),
        (average(), {"benchmarks": [mark("1", currency="USDT")]}, "in USDT, the rule in USD"),
        (average(), {"benchmarks": [mark("1"), mark("2")]}, "two results"),
        (average(renewal="each_trade_date", benchmark=TERMS), {"benchmarks": [mark("1", day=20)]}, "2026-01-21 03:00Z"),
        (band(), {}, "the venue's mid is not known"),
        (band(), {"venue_mid": Decimal(0)}, "not known"),
        (band(around="reference"), {"venue_mid": Decimal(1)}, "the reference price is not known"),
        (fixed("1", currency="HKD"), {}, "the rule is in HKD, the prices are in USD"),
    ],
)
def test_without_its_price_a_rule_lets_nothing_be_sold(
    table: dict[str, Any], context: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PriceUndefined, match=reason) as caught:
        lowest_price(rules(fixed("90000", "other"), table), replace(CONTEXT, **context))
    assert caught.value.rule == table["name"]


def test_each_trade_date_has_its_own_average() -> None:
    days = [mark("100", day=21), mark("90", day=22, record=OTHER)]
    daily = average(renewal="each_trade_date", benchmark=TERMS)
    context = replace(CONTEXT, benchmarks=days)
    assert lowest(context, daily) == 100
    assert lowest(replace(context, now=NOW + timedelta(days=1)), daily) == 90
    assert lowest(replace(context, now=NOW + timedelta(days=1)), average()) == 100


# --- what a plan may say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ([], "at least 1"),
        ([fixed("1"), fixed("2")], "two price rules have one name"),
        ([fixed("0")], "greater than 0"),
        ([fixed("1", floor_per_fill_px="1")], "belongs to scope average_of_sale"),
        ([average(benchmark="abc")], "match pattern"),
        ([average(renewal="each_trade_date", scope="average_of_sale")], "no single trade date"),
        ([band("100")], "less than 100"),
        ([{**band(), "kind": "median"}], "does not match any of the expected tags"),
        ([{key: value for key, value in fixed("1").items() if key != "scope"}], "Field required"),
        ([{key: value for key, value in fixed("1").items() if key != "compare"}], "Field required"),
    ],
)
def test_a_plan_that_says_too_little_or_nonsense(tables: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        rules(*tables)
