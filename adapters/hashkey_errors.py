"""HashKey's error codes in the words of the executor's taxonomy.

Codes arrive as strings or integers and ``0``, ``0000`` and ``200`` all mean success, so they are compared as stripped
strings (HashKey docs, Error Codes). Only the codes down to -1006 are in the public copies of the Hong Kong documents;
the rest is the list of the sister venue of the same software. The reading of each code is ours and is cautious: where
a code leaves open whether an order exists, a write ends in ``Unknown`` and is settled by asking.
"""

from datetime import timedelta
from enum import StrEnum

from adapters.venue import (
    Halted,
    NotSent,
    Rejected,
    RejectReason,
    Throttled,
    Unauthorized,
    Unknown,
    VenueError,
)

VENUE = "hashkey"
SUCCESS = frozenset({"0", "0000", "200"})
NO_SUCH_ORDER = "0211"
CLOCK_REFUSED = "-1021"

# "wait 1 minute" (HashKey docs, Rate Limits): no Retry-After header has been seen.
THROTTLE_PAUSE = timedelta(seconds=60)


class Action(StrEnum):
    """What the refused request was for: the same code can mean different things about an order."""

    READ = "read"
    PLACE = "place"
    CANCEL = "cancel"
    ACCEPT = "accept"  # of an RFQ quote


_UNAUTHORIZED = frozenset({"0002", "0102", "0103", "0104", "0202", "-1002", "-1005", CLOCK_REFUSED})
_THROTTLED = frozenset({"0003", "-3145"})
_HALTED = frozenset({"-1101", "-2001", "-1151", "-1155"})

_REJECTED = {
    RejectReason.INVALID: (
        "0001 0206 -1004 -1014 -1020 -1115 -1117 -1123 -1129 -1130 -2027 -2028 -2029 -2036"
        " -10009 -100002 -100010 -100012"
    ),
    RejectReason.NOT_FOUND: "0201 -100011",
    RejectReason.PRICE: "0207 0209 0210 -1124 -1132 -1133 -1195 -1196",
    RejectReason.SIZE: "-1126 -1135 -1136 -1137 -1140 -1148 -1200 -1201 -1202 -1203 -1206",
    RejectReason.BALANCE: "0401 0402",
    RejectReason.LIMIT: "-1015 -1193 -2002 -2017",
    RejectReason.WOULD_TAKE: "-1156",
    RejectReason.NOT_ALLOWED: ("-1152 -1160 -1205 -2020 -2021 -2023 -2024 -2025 -2032 -2034 -2042 -3117 -3143 -3144"),
    RejectReason.OTHER: "-1149 -2010 -2033 -2051",
}
_REASON = {code: reason for reason, codes in _REJECTED.items() for code in codes.split()}

# These speak of an order that is already on the books. In the answer to a cancel that settles it; in the answer to a
# placement it would mean that an order of that id exists.
_ON_CANCEL = {
    NO_SUCH_ORDER: RejectReason.NOT_FOUND,
    "-1138": RejectReason.FINISHED,
    "-1139": RejectReason.FINISHED,
    "-1142": RejectReason.FINISHED,
    "-1143": RejectReason.NOT_FOUND,
    "-1145": RejectReason.NOT_ALLOWED,
}

# "Rejected" in words, but from a stage where an order may have been recorded: look once by id before believing it.
VERIFY_ONCE = frozenset({"-1149", "-2010", "-2032", "-2033", "-2051"})

# An order or a request of this id is there already.
_DUPLICATE = frozenset({"-1024", "-1141"})

# Every other code of the documented table, and every code that is in no table, leaves the outcome of a write open:
# -1000 -1001 -1006 -1007 -1024 -1141 -1144 -1146 -1147 -1150 -2011 -2040, transfers (-116x) and fiat (-40xx).


def code_of(data: object) -> str | None:
    """The ``code`` of an answer as a stripped string; ``None`` when the answer is no object or has no code."""
    if not isinstance(data, dict):
        return None
    code = data.get("code")
    return None if code is None or isinstance(code, bool) else str(code).strip()


def text_of(data: object) -> str:
    """The venue's own sentence (``msg``), cut to a length fit for a log line."""
    said = data.get("msg") if isinstance(data, dict) else None
    return str(said)[:200] if said else "no reason given"


def classify(code: str, said: str, action: Action) -> VenueError:
    """The error that a refusal with ``code`` stands for. ``said`` is the venue's own sentence."""
    if code in _UNAUTHORIZED or (code == "0001" and "signature" in said.lower()):
        # 0001 is listed twice in the Hong Kong documents: "field missing" and "incorrect signature".
        return Unauthorized(VENUE, said, code=code)
    if code in _THROTTLED:
        return Throttled(VENUE, said, code=code, retry_after=THROTTLE_PAUSE)
    if code in _HALTED:
        return Halted(VENUE, said, code=code)
    if code in _REASON:
        return Rejected(VENUE, said, code=code, reason=_REASON[code])
    if action is Action.CANCEL and code in _ON_CANCEL:
        return Rejected(VENUE, said, code=code, reason=_ON_CANCEL[code])
    if action is Action.READ:
        if code == NO_SUCH_ORDER:
            return Rejected(VENUE, said, code=code, reason=RejectReason.NOT_FOUND)
        return NotSent(VENUE, f"the venue could not answer: {said}", code=code)
    return Unknown(VENUE, said, code=code, exists=code in _DUPLICATE)
