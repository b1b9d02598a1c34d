"""A candle file as evidence: its candles, and the SHA-256 of the very bytes that they were read from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from adapters.candles import Candle, CandleError, parse_candles, read_bytes
from executor.errors import InputRefused


@dataclass(frozen=True, slots=True)
class CandleFile:
    """``name`` is the file's own name without its folder: a bundle may lie anywhere."""

    name: str
    sha256: str
    candles: tuple[Candle, ...]


def file_hash(path: Path) -> str:
    """SHA-256, hex, of the file as it lies there. Raises ``InputRefused``."""
    return hashlib.sha256(_bytes(path)).hexdigest()


def load(path: Path) -> CandleFile:
    """The candles in ``path`` (columns: :mod:`adapters.candles`). Raises ``InputRefused`` naming file and line."""
    data = _bytes(path)
    try:
        candles = parse_candles(data, path)
    except CandleError as error:
        raise InputRefused(str(error)) from None
    return CandleFile(path.name, hashlib.sha256(data).hexdigest(), tuple(candles))


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except CandleError as error:
        raise InputRefused(str(error)) from None
