"""The one reader of recorded candles: for replays on mocked venues and for benchmarks.

A file is plain CSV (`.csv`) or gzipped CSV (`.csv.gz`), UTF-8, with a header row. Columns, in any order:

* `timestamp`: the moment by which the candle is named (its opening, unless whoever reads knows better), UTC, either
  `YYYY-MM-DD HH:MM:SS[.ffffff]` (a `T` instead of the space and a trailing `Z` are accepted) or the epoch as a whole
  number of seconds or milliseconds;
* `open`, `high`, `low`, `close`: prices in quote currency;
* `volume`: what was traded, in base units or in quote currency: the file does not say which, so whoever reads it
  must (a benchmark's parameters, a rehearsal's `--volume-unit`);
* `trades` (optional): number of trades.

Other columns are ignored. Numbers are read as `Decimal` from the text. Rows must be in rising order of time;
missing candles are allowed here: a replay carries the price flat, with no volume, across the gap; a benchmark names
each one.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

REQUIRED = ("timestamp", "open", "high", "low", "close", "volume")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 30  # before and after the point
_MILLISECONDS_FROM = 10**11  # as seconds this is the year 5138, as milliseconds 1973


class CandleError(ValueError):
    """A candle file that cannot be used; the text is `file:line: reason`, with what to do about it."""


@dataclass(frozen=True)
class Candle:
    """One recorded interval: its time (UTC), prices in quote currency, volume as the file has it."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int | None = None


def read_candles(path: Path | str) -> list[Candle]:
    """All candles of a file, in order. Raises `CandleError` at the first row that cannot be trusted."""
    path = Path(path)
    return parse_candles(read_bytes(path), path)


def in_base_units(candles: Iterable[Candle], unit: Literal["base", "quote"]) -> Iterator[Candle]:
    """The candles with their volume in base units. One that counts quote currency is divided by the mean of high and
    low: an estimate, good enough for how deep a simulated market is, never for a benchmark."""
    for candle in candles:
        middle = (candle.high + candle.low) / 2
        yield candle if unit == "base" else replace(candle, volume=candle.volume / middle)


def read_bytes(path: Path) -> bytes:
    """The file as it lies there, so that what is hashed is what is read. Raises `CandleError`."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CandleError(f"{path}: cannot be read (no such file); check the path") from error
    except OSError as error:
        raise CandleError(f"{path}: cannot be read ({error.strerror}); check the path and permissions") from error


def parse_candles(data: bytes, path: Path) -> list[Candle]:
    """All candles in the bytes of a file; `path` names them in errors and tells whether they are gzipped."""
    candles: list[Candle] = []
    for line, row in _rows(data, path):
        try:
            candle = _candle(row)
        except ValueError as error:
            raise CandleError(f"{path}:{line}: {error}") from error
        if candles and candle.at <= candles[-1].at:
            raise CandleError(
                f"{path}:{line}: time {candle.at:%Y-%m-%d %H:%M:%S} is not after the previous row's "
                f"{candles[-1].at:%Y-%m-%d %H:%M:%S}; sort the file by timestamp and drop repeated rows"
            )
        candles.append(candle)
    if not candles:
        raise CandleError(f"{path}:1: no candles below the header; export the period again")
    return candles


def _rows(data: bytes, path: Path) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """Line number and cells of each row; trouble with the file itself is reported like a bad row."""
    line = 1
    raw = io.BytesIO(data)
    try:
        unpacked = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise CandleError(
                    f"{path}:1: missing column {', '.join(missing)}; the header must name {', '.join(REQUIRED)}"
                )
            for row in reader:
                line = reader.line_num
                yield line, row
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise CandleError(
            f"{path}:{line}: unreadable after this line ({error}); fetch the file again, as UTF-8 CSV or gzip of it"
        ) from error


def _candle(row: Mapping[str, str | None]) -> Candle:
    at = _time(_cell(row, "timestamp"))
    opened, high, low, close = (_price(row, name) for name in ("open", "high", "low", "close"))
    if high < low:
        raise ValueError(f"high {high} is below low {low}; correct or remove the row")
    if not (low <= opened <= high and low <= close <= high):
        raise ValueError(
            f"open {opened} or close {close} is outside low {low} to high {high}; correct or remove the row"
        )
    volume = _number(row, "volume")
    if volume < 0:
        raise ValueError(f"volume {volume} is negative; correct or remove the row")
    trades = (row.get("trades") or "").strip()
    if trades and not trades.isdecimal():
        raise ValueError(f"trades {trades!r} is not a whole number; correct it or leave it empty")
    return Candle(at, opened, high, low, close, volume, int(trades) if trades else None)


def _cell(row: Mapping[str, str | None], name: str) -> str:
    cell = (row.get(name) or "").strip()
    if not cell:
        raise ValueError(f"{name} is missing; every row needs {', '.join(REQUIRED)}")
    return cell


def _number(row: Mapping[str, str | None], name: str) -> Decimal:
    cell = _cell(row, name)
    try:
        number = Decimal(cell)
    except InvalidOperation:
        raise ValueError(f"{name} {cell!r} is not a number; write it like 109608.01") from None
    if not number.is_finite():
        raise ValueError(f"{name} {cell!r} is not a finite number; remove the row")
    if number and (int(number.as_tuple().exponent) < -_DIGITS or number.adjusted() > _DIGITS):
        raise ValueError(f"{name} {cell!r} is beyond any price or volume; correct or remove the row")
    return number


def _price(row: Mapping[str, str | None], name: str) -> Decimal:
    price = _number(row, name)
    if price <= 0:
        raise ValueError(f"{name} {price} is not a positive price; correct or remove the row")
    return price


def _time(cell: str) -> datetime:
    try:
        if cell.isdecimal():
            epoch = int(cell)
            if epoch >= _MILLISECONDS_FROM:
                return _EPOCH + timedelta(milliseconds=epoch)
            return _EPOCH + timedelta(seconds=epoch)
        at = datetime.fromisoformat(cell)
    except (ValueError, OverflowError):
        raise ValueError(
            f"timestamp {cell!r} is not a time; write YYYY-MM-DD HH:MM:SS (UTC) or epoch seconds or milliseconds"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
