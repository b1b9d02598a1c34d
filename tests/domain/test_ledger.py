"""The ledger: sets that sum to zero, balances equal to a second ledger's, corrections, any past moment, cover."""

import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.allocation import finest, largest_remainder
from executor.domain.books import Books, cover_facts
from executor.domain.case_events import CaseOpened, HoldingMoved
from executor.domain.events import FillRecorded
from executor.domain.ledger import Ledger, Posting, known_account, reversed_set, sums
from executor.domain.postings import fill_postings
from executor.domain.settlement_events import (
    CaseAccountCredited,
    Countersign,
    DepositPosted,
    DepositReleased,
    LedgerCorrected,
    PostingEntry,
)
from executor.errors import InvariantBroken, RecordBroken
from tests.domain.events_made import AT, created, filled
from tests.domain.ledger_oracle import Oracle, Sale

D = Decimal
MILLION = 1_000_000
SECOND = Countersign(person="ch", public_key="00", signature="00")


def random_sales(count: int, seed: int) -> Iterator[Sale]:
    """Sales at two venues: three in ten by quote, with the money cut to cents; one in ten pays its fee in coins."""
    chance = random.Random(seed)
    for _ in range(count):
        qty, px = int(chance.random() * 5_000_000_000) + 1, int(chance.random() * 20_000_000) + 1
        exact = qty * px
        stated = exact - exact % 10**8 if chance.random() < 0.3 else exact
        fee_in = "BTC" if chance.random() < 0.1 else "USD"
        venue = "osl" if chance.random() < 0.5 else "hashkey"
        yield Sale(venue, qty, px, stated, int(chance.random() * 10**9), fee_in)


def as_fill(number: int, sale: Sale) -> FillRecorded:
    """The same sale as the record has it."""
    return FillRecorded(
        client_order_id="abcdefghij-1",
        venue=sale.venue,
        trade_id=str(number),
        qty=D(sale.qty).scaleb(-8),
        px=D(sale.px).scaleb(-2),
        notional=D(sale.stated).scaleb(-10),
        fee=D(sale.fee).scaleb(-8),
        fee_asset=sale.fee_in,
        at=AT,
    )


@pytest.mark.parametrize("quarter", range(4))
def test_a_million_fills_against_the_oracle(quarter: int) -> None:
    """Equal to the last digit, a million in four parts. The oracle counts in whole numbers and shares no code with the
    ledger; the price of a fill does not grow with how many were booked before."""
    ledger, oracle = Ledger(), Oracle("BTC", "USD")
    for number, sale in enumerate(random_sales(MILLION // 4, seed=20260417 + quarter)):
        ledger.book(fill_postings(as_fill(number, sale), "BTC", "USD"))
        oracle.book(sale)
    ours = {(account, currency): amount for account, currency, amount in ledger.trial_balance()}
    assert ours == oracle.balances()
    assert not any(sums(ledger.trial_balance()).values())


def test_the_comparison_can_fail() -> None:
    """A satoshi, a cent of the money stated, a cent of the fee, in one of a thousand fills: each shows."""
    for change in ({"qty": 1}, {"stated": 10**8}, {"fee": 10**6}):
        ledger, oracle = Ledger(), Oracle("BTC", "USD")
        for number, sale in enumerate(random_sales(1_000, seed=1)):
            oracle.book(sale)
            (field, more), *_ = change.items()
            other = sale._replace(**{field: getattr(sale, field) + more}) if number == 500 else sale
            ledger.book(fill_postings(as_fill(number, other), "BTC", "USD"))
        assert {line[:2]: line[2] for line in ledger.trial_balance()} != oracle.balances()


@given(st.integers(0, 2**32))
def test_every_fill_sums_to_zero_in_each_currency_and_can_be_taken_back(seed: int) -> None:
    (sale,) = random_sales(1, seed)
    postings = fill_postings(as_fill(1, sale), "BTC", "USD")
    assert not any(sums(postings).values())
    assert all(known_account(posting.account) and posting.amount for posting in postings)
    ledger = Ledger()
    ledger.book(postings)
    ledger.book(reversed_set(postings))
    assert list(ledger.trial_balance()) == []


def test_a_set_that_does_not_sum_to_zero_is_not_booked() -> None:
    ledger = Ledger()
    with pytest.raises(InvariantBroken, match=r"0\.01 USD"):
        ledger.book([Posting("bank", "USD", D("10.01")), Posting("proceeds", "USD", D(-10))])
    assert list(ledger.trial_balance()) == []


# --- the books of a case -----------------------------------------------------------------------------------------


def opened() -> CaseOpened:
    mandate = {"holdings": [{"asset": "BTC", "qty": "10"}]}
    return CaseOpened(case_id="CASE-1", mandate=mandate, mandate_hash="00", who="op")


def moved(qty: str, source: str, target: str) -> HoldingMoved:
    return HoldingMoved(asset="BTC", qty=D(qty), from_state=source, to_state=target, evidence={}, who="op")


def sold() -> Books:
    """10 BTC are credited and reserved, 4 of them sold for 380,000 USD with two dollars of fees."""
    books = Books()
    steps = ("accepted", "in_transit", "credited", "reserved")
    books.take("case/CASE-1", 1, AT, opened())
    for version, (source, target) in enumerate(pairwise(steps), start=2):
        books.take("case/CASE-1", version, AT, moved("10", source, target))
    books.take("parent/abcdefghij", 1, AT, created())
    books.take("parent/abcdefghij", 2, AT + timedelta(seconds=1), filled(1, "t1", "3"))
    books.take("parent/abcdefghij", 3, AT + timedelta(seconds=2), filled(1, "t2", "1"))
    return books


def test_the_books_of_a_sale() -> None:
    assert {f"{account} {currency}": f"{amount:f}" for account, currency, amount in sold().ledger.trial_balance()} == {
        "entrusted BTC": "-10",
        "fees:trading USD": "2",
        "proceeds USD": "-380000",
        "reserved BTC": "6",
        "sold BTC": "4",
        "venue_cash:alpha USD": "379998",
    }


def test_a_correction_takes_back_the_whole_set_and_books_another() -> None:
    """A fill that the venue cancelled: reversed, with what it proved instead; nothing is edited."""
    books = sold()
    instead = [
        PostingEntry(account="reserved", currency="BTC", amount=D(-1)),
        PostingEntry(account="sold", currency="BTC", amount=D(1)),
    ]
    event = LedgerCorrected(reverses="parent/abcdefghij#3", postings=instead, why="note 7", who="se", second=SECOND)
    books.take("case/CASE-1", 5, AT, event)
    assert books.ledger.balance("sold", "BTC") == 4
    assert books.ledger.balance("venue_cash:alpha", "USD") == 284_999
    assert [entry.ref for entry in books.standing()][-2:] == ["parent/abcdefghij#2", "case/CASE-1#5"]
    with pytest.raises(RecordBroken, match="was reversed before"):
        books.take("case/CASE-1", 6, AT, event)


def test_a_correction_that_is_read_first_waits_for_what_it_reverses() -> None:
    books = Books()
    event = LedgerCorrected(reverses="parent/abcdefghij#2", postings=[], why="w", who="se", second=SECOND)
    books.take("case/CASE-1", 1, AT, event)
    assert books.dangling == ["case/CASE-1#1"]
    books.take("parent/abcdefghij", 1, AT, created())
    books.take("parent/abcdefghij", 2, AT, filled(1, "t1", "3"))
    assert books.dangling == []
    assert list(books.ledger.trial_balance()) == []


def test_cover_counts_coins_until_they_are_sold_and_money_until_it_is_credited() -> None:
    books = sold()
    books.take("case/CASE-1", 5, AT, DepositPosted(amount=D(5), currency="CNY", form="cash", evidence={}, who="se"))
    facts = cover_facts(books.ledger)
    assert (facts.deposit, facts.coins, facts.proceeds) == ({"CNY": D(5)}, {"BTC": D(6)}, {"USD": D(379_998)})
    credit = CaseAccountCredited(
        account="a", currency="USD", amount=D(379_998), charge=D(0), net=D(379_998), evidence={}, who="se"
    )
    release = DepositReleased(amount=D(5), currency="CNY", receipt="r", evidence={}, who="se", second=SECOND)
    books.take("case/CASE-1", 6, AT, credit)
    books.take("case/CASE-1", 7, AT, release)
    assert (cover_facts(books.ledger).deposit, cover_facts(books.ledger).proceeds) == ({}, {})


# --- sharing out -----------------------------------------------------------------------------------------------------


@given(
    st.decimals(-(10**9), 10**9, places=8),
    st.dictionaries(
        st.text("abcde", min_size=1, max_size=3), st.decimals("1e-8", 10**6, places=8), min_size=1, max_size=9
    ),
)
def test_nothing_is_lost_when_a_sum_is_shared_out(total: Decimal, weights: dict[str, Decimal]) -> None:
    """The parts sum to the whole, and none is a whole unit away from its exact quota."""
    unit = D("1e-8")
    parts = largest_remainder(total, weights, unit)
    whole = sum(weights.values())
    assert sum(parts.values()) == total
    assert all(abs(parts[name] * whole - total * weight) < unit * whole for name, weight in weights.items())


def test_the_rule_by_hand() -> None:
    """100 cents over 1:1:1 give 34, 33, 33; the odd cent goes to the first id. The largest fraction comes first."""
    thirds = largest_remainder(D("1.00"), {"c": D(1), "a": D(1), "b": D(1)}, D("0.01"))
    assert thirds == {"a": D("0.34"), "b": D("0.33"), "c": D("0.33")}
    assert largest_remainder(D("0.07"), {"a": D(1), "b": D(3)}, D("0.01")) == {"a": D("0.02"), "b": D("0.05")}
    with pytest.raises(ValueError, match="whole number of units"):
        largest_remainder(D("0.001"), {"a": D(1)}, D("0.01"))
    with pytest.raises(ValueError, match="above zero"):
        largest_remainder(D(1), {"a": D(0)}, D(1))


def test_the_finest_unit() -> None:
    assert finest(D("1.50"), D("0.00000001"), D(7)) == D("1E-8")
    assert finest(D(1000)) == D(1)
