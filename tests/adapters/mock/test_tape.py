"""The exogenous tape: determinism, and the measured figures it must show."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from adapters.candles import Candle, read_candles
from adapters.mock.params import DEEP, THIN
from adapters.mock.tape import ReplayTape, SimulatedTape, TapeExhausted

START = datetime(2025, 11, 3, tzinfo=UTC)
PX = Decimal(100_000)
STEADY = replace(DEEP, volume_sds=(0.0, 0.0, 0.0), volume_white=0.0, hour_shares=(1.0,) * 24)
DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def steps(tape, n):
    """Log returns in bps, flow and counts of the first n steps."""
    logs, flow, counts = [], [], []
    for index in range(-(-n // tape.block_steps)):
        block = tape.block(index)
        signed = np.concatenate([[0.0], np.cumsum(block.sizes * block.signs)])
        logs.append(block.log_px)
        flow.append(np.diff(signed[block.starts]))
        counts.append(np.diff(block.starts))
    log_px = np.concatenate(logs)[:n]
    returns = np.diff(log_px, prepend=0.0) * 1e4
    return returns, np.concatenate(flow)[:n], np.concatenate(counts)[:n]


def test_same_seed_same_tape_and_another_seed_another():
    a, b, c = (SimulatedTape(DEEP, seed, START, PX).digest(3_000) for seed in (5, 5, 6))
    assert a == b != c


def test_a_block_is_the_same_whichever_way_it_is_reached():
    straight = SimulatedTape(DEEP, 1, START, PX)
    in_order = [straight.block(n).log_px.copy() for n in range(9)]
    jumped = SimulatedTape(DEEP, 1, START, PX)
    for n in (8, 0, 5, 2):
        assert np.array_equal(jumped.block(n).log_px, in_order[n])


@pytest.mark.parametrize("params", [DEEP, THIN])
def test_daily_volatility(params):
    """272 bps a day, at average activity, within 6 %: 40 half-days give a standard error of about 2 % on the
    variance of 10-minute returns, and the pilot that sets the transient part adds as much again."""
    steady = replace(params, volume_sds=(0.0, 0.0, 0.0), volume_white=0.0, hour_shares=(1.0,) * 24)
    squares = []
    for seed in range(20):
        returns, _, _ = steps(SimulatedTape(steady, seed, START, PX), 36_000)
        squares.extend(returns.reshape(-1, 600).sum(axis=1) ** 2)
    assert math.sqrt(np.mean(squares) * 144) == pytest.approx(272, rel=0.06)


def test_flow_explains_its_share_of_the_returns_of_a_second():
    returns, flow, _ = steps(SimulatedTape(STEADY, 2, START, PX), 36_000)
    r2 = np.corrcoef(returns, np.sign(flow) * np.sqrt(np.abs(flow)))[0, 1] ** 2
    assert r2 == pytest.approx(0.42, abs=0.03)


def test_order_sizes_and_signs():
    tape = SimulatedTape(STEADY, 3, START, PX)
    blocks = [tape.block(n) for n in range(60)]
    sizes = np.concatenate([b.sizes for b in blocks])
    signs = np.concatenate([b.signs for b in blocks]).astype(float)
    assert sizes.mean() == pytest.approx(0.061, rel=0.03)
    assert np.median(sizes) == pytest.approx(0.0032, rel=0.05)
    measured = {1: 0.41, 2: 0.35, 5: 0.24, 10: 0.16, 50: 0.05}
    for lag, wanted in measured.items():
        assert (signs[:-lag] * signs[lag:]).mean() == pytest.approx(wanted, abs=0.02), lag


def test_volume_follows_the_hours_and_averages_to_the_daily_volume():
    calm = replace(DEEP, volume_sds=(0.0, 0.0, 0.0), volume_white=0.0)
    tape = SimulatedTape(calm, 4, START, PX)
    hours = [sum(float(tape.block(6 * h + b).sizes.sum()) for b in range(6)) for h in range(24)]
    assert sum(hours) == pytest.approx(DEEP.adv, rel=0.03)
    assert hours[15] / hours[11] == pytest.approx(6.54 / 2.90, rel=0.2)


def test_log_volume_swings_as_measured():
    """Standard deviation of the log-volume of a minute: sqrt(0.42^2 + 0.49^2 + 0.67^2 + 0.58^2) = 1.10."""
    flat = replace(DEEP, hour_shares=(1.0,) * 24)
    starts = [SimulatedTape(flat, seed, START, PX).block(0).sigma[0] for seed in range(300)]
    assert 2 * np.log(starts).std() == pytest.approx(1.096, rel=0.12)


def minute(n, px, volume="10"):
    p = Decimal(px)
    return Candle(START + timedelta(minutes=n), p, p + 20, p - 20, p, Decimal(volume))


def test_replay_passes_through_the_recorded_closes_and_is_flat_in_a_gap():
    candles = [minute(n, 100_000 + 10 * n) for n in (0, 1, 2, 5, 6)]
    tape = ReplayTape(candles, DEEP, 1, None)
    log_px = tape.block(0).log_px
    for candle, n in zip(candles, (0, 1, 2, 5, 6), strict=True):
        assert log_px[60 * n + 59] == pytest.approx(math.log(candle.close / candles[0].open), abs=1e-12)
    assert np.all(log_px[180:300] == log_px[179])
    block = tape.block(0)
    assert block.starts[300] == block.starts[180]


def test_replay_starts_when_told_and_ends_loudly():
    later = START + timedelta(days=100)
    tape = ReplayTape([minute(n, 100_000) for n in range(10)], DEEP, 1, later)
    assert (tape.start, tape.end) == (later, later + timedelta(minutes=10))
    tape.block(0)
    with pytest.raises(TapeExhausted, match="replay a longer file"):
        tape.block(1)


def test_replay_of_a_recorded_month():
    """Recorded closes are met, recorded volume is met on average, and the digest is repeatable."""
    path = DATA / "binance_spot_BTCUSDT_1m_2025-11.csv.gz"
    if not path.exists():
        pytest.skip(f"recorded market data is absent: {path}")
    candles = read_candles(path)[:2_880]
    tape = ReplayTape(candles, DEEP, 1, None)
    volume, range_real, range_made = 0.0, [], []
    for index, ten in enumerate(candles[i : i + 10] for i in range(0, len(candles), 10)):
        block = tape.block(index)
        volume += float(block.sizes.sum())
        for n, candle in enumerate(ten):
            inside = block.log_px[60 * n : 60 * n + 60]
            assert inside[-1] == pytest.approx(math.log(candle.close / candles[0].open), abs=1e-12)
            range_real.append(math.log(candle.high / candle.low))
            range_made.append(float(inside.max() - inside.min()))
    assert volume == pytest.approx(float(sum(c.volume for c in candles)), rel=0.05)
    assert np.mean(range_made) == pytest.approx(np.mean(range_real), rel=0.25)
    assert tape.digest(6_000) == ReplayTape(candles, DEEP, 1, None).digest(6_000)
