"""Fetches candles from exchanges into files that a benchmark can be made of, digits as the exchange sent them.

One CSV per exchange, named after what is in it. While it is fetched it ends in ``.part``; starting again continues
after its last whole line. Nothing is retried here: a call that fails ends the fetch with what to do.

ccxt is an optional dependency (``pip install 'disposal-executor[market]'``): its numbers are kept as text.
"""

import importlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from adapters.candles import CandleError, read_candles
from executor.errors import ExecutorError, InputRefused, VenueUnreachable

HEADER = "timestamp,open,high,low,close,volume\n"
PAGE = 500
_SKIP = 100  # candles passed over after an empty page: the least that an exchange looks through for one page
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"m": 60, "h": 3600, "d": 86_400}

Row = Sequence[Any]  # milliseconds since 1970, then open, high, low, close and volume as text


class CandleSource(Protocol):
    """An exchange as far as candles go."""

    name: str

    def candles(self, pair: str, candle: str, since_ms: int, limit: int) -> Sequence[Row]:
        """Candles that open at ``since_ms`` or later, oldest first. Raises ``ExecutorError`` with what to do."""


class CcxtSource:
    """An exchange that ccxt speaks, by ccxt's name for it."""

    def __init__(self, name: str) -> None:
        try:
            self._ccxt = importlib.import_module("ccxt")
        except ImportError:
            raise InputRefused("fetching candles needs ccxt; run: pip install 'disposal-executor[market]'") from None
        if name not in self._ccxt.exchanges:
            raise InputRefused(f"--exchange: ccxt knows no exchange '{name}'; see the list in its documentation")
        self.name = name
        self._exchange = getattr(self._ccxt, name)({"enableRateLimit": True})
        self._exchange.number = str  # numbers stay the text that the exchange sent

    def candles(self, pair: str, candle: str, since_ms: int, limit: int) -> Sequence[Row]:
        try:
            rows: Sequence[Row] = self._exchange.fetch_ohlcv(pair, candle, since_ms, limit)
        except self._ccxt.NetworkError as error:
            raise VenueUnreachable(f"{self.name}: {_short(error)}; run the same command again to continue") from error
        except self._ccxt.BaseError as error:
            raise ExecutorError(f"{self.name}: {_short(error)}; check the pair and the candle length") from error
        return rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """The candles of ``pair`` that open from ``since`` up to, not including, ``until``."""

    pair: str
    candle: str
    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long one candle lasts. Raises ``InputRefused``."""
        found = re.fullmatch(r"([1-9]\d{0,3})([mhd])", self.candle)
        if found is None:
            raise InputRefused(f"--candle: '{self.candle}' is not a length; write 1m, 5m, 1h or 1d")
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])

    def file_name(self, exchange: str) -> str:
        """``binance_BTC-USDT_5m_20241101-20241125.csv``: what is in it, safe for any file system."""
        pair = re.sub(r"[^A-Za-z0-9]+", "-", self.pair).strip("-")
        return f"{exchange}_{pair}_{self.candle}_{_day(self.since)}-{_day(self.until)}.csv"

    def check(self, now: datetime) -> None:
        """Refuse a period that is empty, off the grid or not over: a candle that still moves is no evidence."""
        if self.since >= self.until:
            raise InputRefused("--since must be before --until")
        if self.until > now:
            raise InputRefused(f"--until: {self.until.isoformat()} has not come yet; fetch what is over")
        for name, edge in (("--since", self.since), ("--until", self.until)):
            if (edge - _EPOCH) % self.length:
                raise InputRefused(f"{name}: {edge.isoformat()} does not lie on a candle of {self.candle}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What lies in ``path`` now; ``missing`` candles were not given by the exchange."""

    exchange: str
    path: Path
    candles: int
    missing: int


Progress = Callable[[str, datetime], None]  # exchange, fetched up to here


def fetch(source: CandleSource, wanted: Wanted, folder: Path, now: datetime, progress: Progress) -> Fetched:
    """Fetch ``wanted`` into ``folder``, continuing a partial file; a complete file is left as it is."""
    wanted.check(now)
    path = folder / wanted.file_name(source.name)
    part = path.with_name(path.name + ".part")
    if not path.exists():
        cursor = _continue(part, wanted)
        with part.open("a", encoding="utf-8", newline="") as out:
            while cursor < wanted.until:
                rows = _page(source, wanted, cursor)
                out.writelines(",".join((_stamp(at), *cells)) + "\n" for at, cells in rows)
                out.flush()
                # An empty page is a gap; the count at the end tells of it.
                cursor = rows[-1][0] + wanted.length if rows else cursor + wanted.length * _SKIP
                progress(source.name, min(cursor, wanted.until))
            os.fsync(out.fileno())
    return _finish(source.name, part, path, wanted)


def _finish(exchange: str, part: Path, path: Path, wanted: Wanted) -> Fetched:
    """Read the file as its users will, and only then give it its name."""
    there = path if path.exists() else part
    try:
        count = len(read_candles(there))
    except CandleError as error:
        if there is part and part.read_text(encoding="utf-8") == HEADER:
            part.unlink()
            raise ExecutorError(f"{exchange}: has no candles of {wanted.pair} in this period; check both") from None
        raise ExecutorError(f"{exchange} sent candles that cannot be used: {error}; remove the file") from error
    if there is part:
        part.rename(path)
    return Fetched(exchange, path, count, (wanted.until - wanted.since) // wanted.length - count)


def _continue(part: Path, wanted: Wanted) -> datetime:
    """Where to go on: after the last whole line. What a crash left of a line is cut off."""
    whole = part.read_bytes() if part.exists() else b""
    whole = whole[: whole.rfind(b"\n") + 1]
    if not whole.startswith(HEADER.encode()):
        whole = HEADER.encode()
    part.write_bytes(whole)
    if whole == HEADER.encode():
        return wanted.since
    try:
        return read_candles(part)[-1].at + wanted.length
    except CandleError as error:
        raise InputRefused(f"{error}; or remove {part} to fetch it from the start") from None


def _page(source: CandleSource, wanted: Wanted, cursor: datetime) -> list[tuple[datetime, tuple[str, ...]]]:
    rows: list[tuple[datetime, tuple[str, ...]]] = []
    for row in source.candles(wanted.pair, wanted.candle, _milliseconds(cursor), PAGE):
        at, cells = _EPOCH + timedelta(milliseconds=int(row[0])), tuple(row[1:6])
        if len(cells) != 5 or any(not isinstance(cell, str) for cell in cells):
            raise ExecutorError(f"{source.name}: a candle came without its six values as text ({row}); update ccxt")
        if cursor <= at < wanted.until:
            rows.append((at, cells))
    return rows


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _day(at: datetime) -> str:
    return at.strftime("%Y%m%d") if at.time() == datetime.min.time() else at.strftime("%Y%m%dT%H%M")


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
