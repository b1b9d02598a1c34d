"""One event, one line: canonical JSON (RFC 8785) of the event in its envelope.

Amounts are strings in plain digits, times are UTC with microseconds, keys are sorted, no white space. The same event
always gives the same bytes; those bytes are what is stored, hashed and handed over.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
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
        text: bytes = _encoder.encode(line)
        if not _suspect(text):
            return text.decode()
    raw = msgspec.to_builtins(line, builtin_types=(Decimal, datetime))
    return _encoder.encode(_builtin(raw)).decode()


def decode(text: str) -> Line:
    """The line written in ``text``. Raises ``RecordBroken`` if it is not one that this version can read."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise RecordBroken(f"a line of the record cannot be read ({error}): {text[:120]}") from None


# The events of which there are many, all of typed fields. The library's own spelling of them is the canonical one but
# for amounts that it writes with an exponent, times without microseconds or not in UTC, and floats. Text that only
# looks like one of these costs a second encoding and nothing else. Each pattern begins with a letter that can be
# searched for quickly: this is done for every event.
_OFTEN = frozenset({ChildAcknowledged, ChildClosed, ChildIntended, FillRecorded, QuotesAsked, SliceStarted})
_TIME = re.compile(rb':\d\d(?:Z|"|\.\d+"|(?:\.\d+)?[+-])')
_FLOATS = [re.compile(before + rb"-?\d+[.eE]") for before in (rb'":', rb",", rb"\[")]
_POWER = re.compile(rb"E[+-]?\d")
_EXPONENT = re.compile(rb'"-?[\d.]+E')


def _suspect(text: bytes) -> bool:
    """True where the library's spelling may not be the canonical one."""
    if _TIME.search(text) is not None or any(found.search(text) is not None for found in _FLOATS):
        return True
    return _POWER.search(text) is not None and _EXPONENT.search(text) is not None


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Line)
