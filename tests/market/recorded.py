"""Recorded and made-up candles for the tests of benchmarks, and parameters that fit them."""

from pathlib import Path
from typing import Any

import pytest

from executor.domain.average import AverageParams

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
FTX = "ftx_BTC-PERP_1m_2022-01.csv.gz"
BINANCE = "binance_spot_BTCUSDT_5m_2024-11.csv.gz"
SYNTHETIC = ROOT / "config" / "examples" / "benchmarks" / "falling-20-day.csv"
SYNTHETIC_PARAMS = SYNTHETIC.with_suffix(".toml")


def recorded(name: str) -> Path:
    """The path of a recorded file; the test is skipped, and says so, where the recordings are absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"NOT TESTED on recorded candles: {path} is absent")
    return path


def params(**changes: Any) -> AverageParams:
    """Twenty days of made-up hourly candles; change what a test is about."""
    base: dict[str, Any] = {
        "source": "a test",
        "pair": "BTC/USD",
        "currency": "USD",
        "candle_length": "1h",
        "candle_stamp": "open",
        "method": "mean_of_daily_closes",
        "volume_unit": "base",
        "day_boundary": "UTC",
        "days": 20,
        "trade_date": "2026-01-21",
        "tolerated_missing_candles": 0,
        "tolerated_missing_days": 0,
        "rounding": "up",
        "decimals": 2,
    }
    return AverageParams.model_validate(base | changes)


FTX_TERMS = {"source": "FTX", "pair": "BTC-PERP", "candle_length": "1m", "volume_unit": "quote"}
BINANCE_TERMS = {"source": "Binance spot", "pair": "BTC/USDT", "currency": "USDT", "candle_length": "5m"}
