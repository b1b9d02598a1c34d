"""What the neighbours are told is read from both databases by what is new alone, and misses nothing."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import psycopg
import pytest

from executor.domain import events
from executor.domain.events import ParentFinished
from executor.domain.sales import KINDS, Part
from executor.journal.journal import row_of
from executor.journal.line import Line, decode
from executor.journal.open import open_store
from executor.journal.postgres import PostgresStore
from executor.journal.sold import Sold
from executor.journal.store import Append, Store
from tests.domain.events_made import AT, closed, created, filled, intended
from tests.postgresql import Server

VENUES = created().venues


def lines(parent: str, *events: Any, asset: str = "BTC", venues: Sequence[str] = VENUES) -> Append:
    """The stream of a parent order from its beginning."""
    first = created(parent_id=parent, asset=asset, venues=list(venues))
    return Append(
        [
            row_of(Line(stream=f"parent/{parent}", version=n, case_id="C", at=AT + timedelta(seconds=n), event=event))
            for n, event in enumerate((first, *events), start=1)
        ]
    )


ONE = (intended(1, "2"), filled(1, "t1", "2"), closed(1, "2"))


def kinds(found: Iterator[str]) -> list[str]:
    return [decode(text).kind for text in found]


@pytest.mark.parametrize("part", Part.__args__, ids=lambda part: part.__name__)
def test_what_is_read_of_an_event_is_what_the_event_has(part: type[Any]) -> None:
    """A field that was called otherwise would be missing, or have its default, in every line."""
    whole = getattr(events, part.__struct_config__.tag)
    of_whole = {field.name: field.type for field in msgspec.structs.fields(whole)}
    of_part = {field.name: field.type for field in msgspec.structs.fields(part)}
    assert of_part.items() <= of_whole.items()


def test_edges_news_and_beginnings(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.journal.postgres._PAGE", 2)
    store.commit([lines("a", *ONE), lines("b"), Append([row_of(line("acts/a"))])])
    assert sorted(kinds(store.edges(["parent/a", "parent/b", "parent/c"], last=True))) == [
        "ChildClosed",
        "ParentCreated",
    ]
    assert kinds(store.edges(["parent/a"], last=False)) == ["ParentCreated"]
    tail = list(store.tail(0, (), ["ParentCreated"]))
    assert [place for place, _ in tail] == sorted(place for place, _ in tail)
    assert [decode(text).stream if text else "" for _, text in tail] == [
        "parent/a",
        "",
        "",
        "",
        "parent/b",
        "acts/a",
    ]
    store.commit([lines("c")])
    assert [decode(text).stream for _, text in store.tail(tail[-1][0], (), KINDS)] == ["parent/c"]
    assert store.settled() in (0, tail[-1][0] + 1)
    news = [decode(text) for text in store.news({"parent/a": 1, "parent/b": 0, "parent/c": 1}, KINDS)]
    assert [each.kind for each in news if each.stream == "parent/b"] == ["ParentCreated"]
    assert [each.version for each in news if each.stream == "parent/a"] == [2, 3, 4]
    assert len(news) == 4
    assert kinds(store.news({"parent/a": 1}, ["ChildClosed"])) == ["ChildClosed"]


def line(stream: str) -> Line:
    return Line(stream=stream, version=1, case_id="C", at=AT, event=created())


def test_a_look_sees_new_parent_orders_and_forgets_the_finished(store: Store) -> None:
    sold = Sold(store)
    store.commit([lines("a", *ONE)])
    assert set(sold.look("parent/z", "BTC", VENUES, None).sellers) == {"parent/a"}
    over = ParentFinished(completed=False, leaves_qty=created().qty, reason="over")
    store.commit([lines("b"), lines("past", over)])
    sales = sold.look("parent/z", "BTC", VENUES, None)
    assert set(sales.sellers) == {"parent/a", "parent/b"}
    assert sales.sold == {("BTC", "alpha", "book"): 2}


def test_who_sells_something_else_or_elsewhere_is_read_only_when_somebody_sells_there_too(store: Store) -> None:
    """It touches nobody's purse until then; from then on all that it has sold counts."""
    sold = Sold(store)
    store.commit([lines("a", *ONE), lines("eth", *ONE, asset="ETH"), lines("far", *ONE, venues=["gamma"])])
    assert set(sold.look("parent/z", "BTC", ["alpha"], None).sellers) == {"parent/a"}
    assert set(sold.look("parent/z", "BTC", ["alpha"], None).sellers) == {"parent/a"}
    sales = sold.look("parent/y", "ETH", ["alpha", "beta"], None)
    assert set(sales.sellers) == {"parent/a", "parent/eth"}
    assert sales.sold["ETH", "alpha", "book"] == 2
    assert set(sold.look("parent/x", "BTC", ["gamma"], None).sellers) == {"parent/a", "parent/eth", "parent/far"}


@pytest.mark.parametrize("late", ["a parent order", "a fill"])
def test_what_was_given_its_place_first_and_is_seen_last_is_not_missed(late: str, postgres_server: Server) -> None:
    """Its writer was slow to commit: others with later places have been seen meanwhile."""
    url = postgres_server.url()
    store = open_store(url)
    assert isinstance(store, PostgresStore)
    sold = Sold(store)
    store.commit([lines("a", ONE[0])])
    sold.look("parent/z", "BTC", VENUES, None)
    row = lines("slow").rows[0] if late == "a parent order" else lines("a", *ONE).rows[2]
    with psycopg.connect(url.replace("+psycopg", "", 1)) as slow:
        slow.execute(
            "INSERT INTO events (stream, version, case_id, kind, at, line, writer, batch) "
            "VALUES (%s, %s, %s, %s, %s, %s, 0, 0)",
            row,
        )
        store.commit([lines("b")])
        for _ in range(2):
            seen = sold.look("parent/z", "BTC", VENUES, None)
            assert (set(seen.sellers), seen.sold) == ({"parent/a", "parent/b"}, {})
    seen = sold.look("parent/z", "BTC", VENUES, None)
    assert ("parent/slow" in seen.sellers) == (late == "a parent order")
    assert seen.sold == ({("BTC", "alpha", "book"): 2} if late == "a fill" else {})
    store.close()


def test_once_all_is_settled_the_names_are_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sold = Sold(store)
    store.commit([lines("a", *ONE)])
    sold.look("parent/z", "BTC", VENUES, None)
    monkeypatch.setattr(store, "streams", None)
    store.commit([lines("b")])
    with patch.object(store, "news", wraps=store.news) as read:
        assert set(sold.look("parent/z", "BTC", VENUES, None).sellers) == {"parent/a", "parent/b"}
    assert [list(call.args[0]) for call in read.call_args_list] == [["parent/b"]]
    with patch.object(store, "news", None):
        assert sold.look("parent/z", "BTC", VENUES, None).sold == {("BTC", "alpha", "book"): 2}
