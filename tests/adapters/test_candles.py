"""Recorded candles: what is accepted, and what a bad file is told."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.candles import CandleError, read_candles

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
HEADER = "timestamp,open,high,low,close,volume,trades\n"
GOOD = "2025-11-01 00:00:00,109608.01,109621.62,109608.0,109616.35,5.65926,1005\n"


def write(folder, text, name="candles.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_exact_decimals(tmp_path):
    (candle,) = read_candles(write(tmp_path, HEADER + GOOD))
    assert candle.at == datetime(2025, 11, 1, tzinfo=UTC)
    assert (candle.open, candle.volume, candle.trades) == (Decimal("109608.01"), Decimal("5.65926"), 1005)


def test_reads_gzip(tmp_path):
    path = tmp_path / "candles.csv.gz"
    path.write_bytes(gzip.compress((HEADER + GOOD).encode()))
    assert len(read_candles(path)) == 1


@pytest.mark.parametrize(
    "stamp",
    [
        "2025-11-01 00:00:00",
        "2025-11-01 00:00:00.000000",
        "2025-11-01T00:00:00Z",
        "1761955200",
        "1761955200000",
    ],
)
def test_times(tmp_path, stamp):
    text = f"close,timestamp,open,high,low,volume\n10,{stamp},10,11,9,0\n"
    (candle,) = read_candles(write(tmp_path, text))
    assert candle.at == datetime(2025, 11, 1, tzinfo=UTC)
    assert candle.trades is None


def test_a_gap_is_tolerated(tmp_path):
    later = GOOD.replace("00:00:00", "03:07:00")
    assert len(read_candles(write(tmp_path, HEADER + GOOD + later))) == 2


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("timestamp,open,high,low,close\n", 1, "missing column volume"),
        ("", 1, "missing column"),
        (HEADER, 1, "no candles"),
        (HEADER + GOOD + "2025-11-01 00:01:00,1,2\n", 3, "low is missing"),
        (HEADER + GOOD.replace("109616.35", "abc"), 2, "close 'abc' is not a number"),
        (HEADER + GOOD.replace("109616.35", "NaN"), 2, "not a finite number"),
        (HEADER + GOOD.replace("109608.01", "0"), 2, "open 0 is not a positive price"),
        (HEADER + GOOD.replace("109621.62", "-1"), 2, "not a positive price"),
        (HEADER + GOOD.replace("109621.62", "100.5"), 2, "high 100.5 is below low"),
        (HEADER + GOOD.replace("109616.35", "109700"), 2, "outside"),
        (HEADER + GOOD.replace("5.65926", "-5"), 2, "volume -5 is negative"),
        (HEADER + GOOD.replace("1005", "many"), 2, "trades 'many'"),
        (HEADER + GOOD.replace("2025-11-01 00:00:00", "yesterday"), 2, "'yesterday' is not a time"),
        (HEADER + GOOD + GOOD, 3, "is not after the previous row"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_what_to_do(tmp_path, text, line, reason):
    path = write(tmp_path, text)
    with pytest.raises(CandleError) as caught:
        read_candles(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert reason in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(CandleError, match=r"cannot be read \(no such file\)"):
        read_candles(tmp_path / "absent.csv")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress((HEADER + GOOD * 50).encode())[:60])
    with pytest.raises(CandleError, match="fetch the file again"):
        read_candles(cut)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("binance_spot_BTCUSDT_1m_2025-11.csv.gz", 25_920), ("ftx_BTC-PERP_1m_2022-01.csv.gz", 45_031)],
)
def test_recorded_files(name, rows):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded market data is absent: {path}")
    assert len(read_candles(path)) == rows
