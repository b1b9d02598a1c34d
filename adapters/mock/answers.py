"""Faults in what a venue says: rows that are missing, late, doubled or in words that nobody documents.

They rewrite the answer on its way back; the venue's own books stay true, which is what the record is held against.
"""

import json
from collections.abc import Callable
from decimal import Decimal

import httpx

from adapters.mock.calls import Asked
from adapters.mock.faults import Fault, FaultKind, Faults
from adapters.mock.osl_gate import as_json

K = FaultKind
Row = dict[str, object]
_LIVE = ("New", "PartiallyFilled", "NEW", "PARTIALLY_FILLED")
_NOT_FOUND = {"code": "0211", "msg": "Order not found"}


def rewritten(faults: Faults, what: Asked, response: httpx.Response) -> httpx.Response:
    """``response`` as the faults armed for this call leave it; the same object when none of them applies."""
    for fault in faults.armed(what.venue, what.call, ANSWERS):
        if response.status_code != 200 or not response.content:
            break
        try:
            data = json.loads(response.content, parse_float=Decimal)
        except ValueError:
            break
        spoiled = _WAYS[fault.kind](what, data, fault)
        if spoiled is not None:
            faults.hit(fault)
            status, content = spoiled
            response = httpx.Response(status, content=bytes(as_json(content).body))
    return response


Spoiled = tuple[int, object] | None


def _rows(data: object) -> list[Row]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _state(what: Asked) -> str:
    return "ordStatus" if what.venue == "osl" else "status"


def _nothing(what: Asked, data: object) -> Spoiled:
    """The answer of a venue that does not find what was asked for."""
    if isinstance(data, list):
        return (200, []) if data else None
    return (400, _NOT_FOUND) if what.venue == "hashkey" else None


def _missing(what: Asked, data: object, _fault: Fault) -> Spoiled:
    return _nothing(what, data)


def _finished_hidden(what: Asked, data: object, _fault: Fault) -> Spoiled:
    rows = _rows(data) or ([data] if isinstance(data, dict) else [])
    if any(row.get(_state(what)) not in _LIVE for row in rows):
        return _nothing(what, data)
    return None


def _stated(what: Asked, data: object, word: str) -> Spoiled:
    rows = _rows(data) or ([data] if isinstance(data, dict) else [])
    touched = [row for row in rows if _state(what) in row]
    for row in touched:
        row[_state(what)] = word
    return (200, data) if touched else None


def _unknown_word(what: Asked, data: object, fault: Fault) -> Spoiled:
    return _stated(what, data, fault.draws.pick(("Reviewing", "LOCKED_BY_RISK", "PendingReplace")))


def _suspended(what: Asked, data: object, _fault: Fault) -> Spoiled:
    return _stated(what, data, "Suspended" if what.venue == "osl" else "SUSPENDED")


def _twice(_what: Asked, data: object, _fault: Fault) -> Spoiled:
    rows = _rows(data)
    return (200, [*rows, *rows]) if rows else None


def _late(_what: Asked, data: object, _fault: Fault) -> Spoiled:
    """The newest execution is not there yet, whichever end of the list it is at."""
    rows = _rows(data)
    if not rows:
        return None
    newest = max(rows, key=lambda row: str(row.get("execID", row.get("id"))))
    return 200, [row for row in rows if row is not newest]


def _shuffled(_what: Asked, data: object, _fault: Fault) -> Spoiled:
    rows = _rows(data)
    return (200, rows[::-1]) if len(rows) > 1 else None


def _no_fee(_what: Asked, data: object, _fault: Fault) -> Spoiled:
    rows = _rows(data)
    for row in rows:
        row.pop("fee", None)
    return (200, rows) if rows else None


def _another_size(what: Asked, data: object, _fault: Fault) -> Spoiled:
    if not isinstance(data, dict):
        return None
    told = data.get("quoteResponse") if what.venue == "osl" else data
    name = "quotedTradedCurrencyAmount" if what.venue == "osl" else "sellAmount"
    if not isinstance(told, dict) or name not in told:
        return None
    told[name] = format(Decimal(str(told[name])) / 2, "f")
    return 200, data


_WAYS: dict[FaultKind, Callable[[Asked, object, Fault], Spoiled]] = {
    K.ORDER_MISSING: _missing,
    K.HISTORY_HIDES: _finished_hidden,
    K.UNKNOWN_WORD: _unknown_word,
    K.SUSPENDED: _suspended,
    K.FILL_TWICE: _twice,
    K.FILL_LATE: _late,
    K.FILLS_SHUFFLED: _shuffled,
    K.FEE_LATER: _no_fee,
    K.QUOTE_SIZE: _another_size,
}
ANSWERS = frozenset(_WAYS)
