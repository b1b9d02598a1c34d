"""One event, one line: canonical JSON (RFC 8785) of the event in its envelope.

Amounts are strings in plain digits, times are UTC with microseconds, keys are sorted, no white space. The same event
always gives the same bytes; those bytes are what is stored, hashed and handed over.
"""

import re
import string
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from executor.domain.case_events import CaseEvent
from executor.domain.events import (
    AnyEvent,
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    FillRecorded,
    QuotesAsked,
    SliceStarted,
)
from executor.errors import RecordBroken

FORMAT = 1

Recordable = AnyEvent | CaseEvent


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its place in the record: ``version`` counts the events of ``stream`` from 1."""

    stream: str
    version: int
    case_id: str
    at: datetime
    event: Recordable
    format: int = FORMAT

    @property
    def kind(self) -> str:
        """The event's name."""
        return type(self.event).__name__


def time_text(moment: datetime) -> str:
    """The one spelling of a time: UTC, microseconds, ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _builtin(value: Any) -> Any:
    """JSON values with amounts and times in their one spelling. Refuses floats: an amount is never one."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, dict):
        return {key: _builtin(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_builtin(item) for item in value]
    if isinstance(value, float):
        raise TypeError(f"a float ({value}) in the record: amounts are Decimal")
    return value


def encode(line: Line) -> str:
    """The canonical JSON text of ``line``."""
    if type(line.event) in _OFTEN:
        text: bytes = _encode(line)
        if not _suspect(text.translate(_BEFORE_VALUE, _LEFT_OUT)):
            return text.decode()
    return canonical(_builtin(msgspec.to_builtins(line, builtin_types=(Decimal, datetime)))).decode()


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value without numbers but whole ones."""
    text = _encoder.encode(value)
    return text if text.isascii() else _as_it_stands.encode(_ordered(value))


def _ordered(value: Any) -> Any:
    """Keys in the order of their UTF-16 units (section 3.2.3): that of their characters but for rare ones."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def decode(text: str) -> Line:
    """The line written in ``text``. Raises ``RecordBroken`` if it is not one that this version can read."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise RecordBroken(f"a line of the record cannot be read ({error}): {text[:120]}") from None


# The events of which there are many, all of typed fields. The library's own spelling of them is the canonical one but
# for amounts that it writes with an exponent, times without microseconds or not in UTC, and floats. All of these show
# in what is left of a line without its digits and most of its small letters, and that is nearly the same for every
# event of a kind: it is looked at once and remembered. Text that only looks like one of them costs a second encoding
# and nothing else.
_OFTEN = frozenset({ChildAcknowledged, ChildClosed, ChildIntended, FillRecorded, QuotesAsked, SliceStarted})
_KEPT = "elu"  # 1e16 is seen by its e, and true and false do not look like it
_LEFT_OUT = "".join(each for each in string.ascii_lowercase + string.digits + "_ " if each not in _KEPT).encode()
_BEFORE_VALUE = bytes.maketrans(b",[", b"::")  # one character for all that stands before a value
_SUSPECT = re.compile(
    rb"T::(?!\.Z)"  # a time but for 2026-03-02T01:00:00.250000Z
    rb"|(?<!T:):-?[.e]"  # 1.5, -1.5, 1e16: no amount is outside quotes
    rb"|(?<![A-Z])E[+-]"  # 1E+3
)


@lru_cache(4096)
def _suspect(skeleton: bytes) -> bool:
    """True where the library's spelling may not be the canonical one."""
    return _SUSPECT.search(skeleton) is not None


_encoder = msgspec.json.Encoder(order="sorted")
_encode = _encoder.encode
_as_it_stands = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)
