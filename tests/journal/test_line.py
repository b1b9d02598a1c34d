"""One event, one line: canonical bytes that come back as the same event."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.events import (
    AnyEvent,
    ChildIntended,
    ChildUnknown,
    Event,
    FillRecorded,
    ParentCreated,
    PursesRead,
    QuotesAsked,
    SliceStarted,
)
from executor.domain.settlement_events import SettlementEvent
from executor.errors import RecordBroken
from executor.journal.line import Line, canonical, decode, encode, time_text
from executor.report import verify_standalone
from tests.domain.events_made import AT, created, filled, intended

D = Decimal
ODD = [D("1E-7"), D("1E+3"), D("0E-18"), D("100.00")]
AMOUNTS = st.decimals(D("-1e15"), D("1e15"), allow_nan=False, allow_infinity=False) | st.sampled_from(ODD)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
NUMBERS = st.integers(0, 2**53 - 1)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_09"), inner), max_leaves=8
)
TABLES = st.dictionaries(st.text("abcXYZ_09"), JSON, max_size=4)
st.register_type_strategy(Decimal, AMOUNTS)
st.register_type_strategy(datetime, TIMES)
st.register_type_strategy(int, NUMBERS)


def _events(kind: type[Event]) -> st.SearchStrategy[Any]:
    changes: dict[str, Any] = {"plan": TABLES, "legs": st.lists(TABLES, max_size=2)} if kind is ParentCreated else {}
    return st.builds(kind, **changes)


EVENTS = st.one_of([_events(kind) for kind in (*AnyEvent.__args__, *SettlementEvent.__args__)])  # type: ignore[attr-defined]
LINES = st.builds(Line, stream=st.text(), version=NUMBERS, case_id=st.text(), at=TIMES, event=EVENTS, format=st.just(1))


def line(event: Any, at: datetime = AT) -> Line:
    return Line(stream="parent/abcdefghij", version=1, case_id="CASE-1", at=at, event=event)


@given(LINES)
def test_a_line_comes_back_as_it_was(one: Line) -> None:
    """Round trip of every kind of event; amounts keep their value, and a second writing gives the same bytes."""
    back = decode(encode(one))
    assert back == one
    assert encode(back) == encode(one)


@given(LINES)
def test_the_bytes_are_canonical_json(one: Line) -> None:
    """RFC 8785, against another implementation: what is hashed here can be hashed by anyone."""
    text = encode(one)
    assert text.encode() == rfc8785.dumps(json.loads(text))


def test_keys_stand_in_the_order_of_their_utf_16_units() -> None:
    """RFC 8785, section 3.2.3. What lies beyond U+FFFF is two units of its own and comes before U+E000. The file that a
    stranger runs asks for the same order."""
    keys = ["\ue000", "\U00010000", "\uff21", "\u8bc1", "b"]
    table = {key: [dict.fromkeys(keys, 1)] for key in keys}
    assert canonical(table) == rfc8785.dumps(table) == verify_standalone.canonical(table)
    assert list(json.loads(canonical(table))) == ["b", "\u8bc1", "\U00010000", "\ue000", "\uff21"]


@pytest.mark.parametrize(
    ("amount", "text"), [("1E-7", "0.0000001"), ("1E+3", "1000"), ("100.00", "100.00"), ("-0.5", "-0.5")]
)
def test_amounts_are_plain_digits(amount: str, text: str) -> None:
    written = encode(line(PursesRead(venue="alpha", totals={"main": D(amount)})))
    assert f'"main":"{text}"' in written


def test_times_have_one_spelling() -> None:
    hong_kong = datetime(2026, 11, 23, 10, 0, tzinfo=timezone(timedelta(hours=8)))
    assert time_text(hong_kong) == "2026-11-23T02:00:00.000000Z"
    assert '"at":"2026-11-23T02:00:00.000000Z"' in encode(
        line(ChildUnknown(client_order_id="a", message=""), hong_kong)
    )


@pytest.mark.parametrize("second", [0, 7, 36, 59])
@pytest.mark.parametrize("kind", ["ChildIntended", "FillRecorded"])
def test_what_there_is_much_of_is_spelled_once(kind: str, second: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick spelling is taken at any moment of a real clock, whatever the case is called, and is the canonical
    one."""
    at = AT.replace(second=second, microsecond=343_033)
    one = line(intended(1, "0.25") if kind == "ChildIntended" else filled(1, "E5", "0.25", "95000.10", at=at), at)
    with monkeypatch.context() as patched:
        patched.setattr(f"{encode.__module__}._OFTEN", frozenset())
        slowly = encode(one)
    monkeypatch.setattr(f"{encode.__module__}._builtin", None)
    assert encode(one) == slowly


@pytest.mark.parametrize("plan", [{"qty": 0.1}, {"legs": [{"qty": 1.5}]}, {"a": {"b": [float(3)]}}])
def test_a_float_is_refused(plan: dict[str, Any]) -> None:
    """No amount is ever a float, however deep it hides."""
    with pytest.raises(TypeError, match="float"):
        encode(line(created(plan=plan)))


@pytest.mark.parametrize("tops", [[1.5], [{"bid": None}, -2e30], [0, 0.5]])
def test_a_float_in_a_list_of_a_frequent_event_is_refused(tops: Any) -> None:
    """The quick spelling is looked through for floats wherever they may stand."""
    begun = SliceStarted(leg=0, slice=1, planned_qty=D(1), due_qty=D(1), mid_px=None, tops=tops)
    with pytest.raises(TypeError, match="float"):
        encode(line(begun, AT.replace(microsecond=343_033)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"stream":"s"}',
        encode(line(created())).replace("ParentCreated", "ParentInvented"),
        encode(line(created())).replace('"floor_px":"90000"', '"floor_px":"ninety"'),
        encode(line(intended(1, "1"))).replace('"number":1', '"number":"1"'),
    ],
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(RecordBroken, match="cannot be read"):
        decode(text)


def test_a_field_that_came_later_has_its_default() -> None:
    """Lines of older programs, without the fields that were added since, can still be read."""
    written = json.loads(encode(line(intended(1, "1"))))
    for key in ("quote_id", "notional", "quote_expires_at"):
        del written["event"][key]
    event = decode(json.dumps(written)).event
    assert isinstance(event, ChildIntended)
    assert (event.quote_id, event.notional) == ("", None)


def test_the_bytes_of_a_known_event_are_pinned() -> None:
    """Golden bytes: a change of the format must not go unnoticed."""
    event: FillRecorded = filled(1, "t1", "0.5", px="100000.10")
    assert encode(line(event)) == (
        '{"at":"2026-11-23T02:00:00.000000Z","case_id":"CASE-1","event":{"at":"2026-11-23T02:00:00.000000Z",'
        '"client_order_id":"abcdefghij-1","fee":"1","fee_asset":"USD","kind":"FillRecorded","notional":"50000.050",'
        '"px":"100000.10","qty":"0.5","trade_id":"t1","venue":"alpha"},"format":1,"stream":"parent/abcdefghij",'
        '"version":1}'
    )


def test_every_answer_to_a_request_for_quote_is_in_the_line() -> None:
    event = QuotesAsked(leg=0, slice=1, qty=D(1), asked_at=AT, answers=[], chosen="", why="none")
    assert '"answers":[]' in encode(line(event))
    assert line(event).kind == "QuotesAsked"
