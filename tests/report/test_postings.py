"""The ledger as a file: every line sums to zero, all lines together are the trial balance, and it can be added up."""

import json
from collections import defaultdict
from decimal import Decimal

from executor.domain.books import books_of
from executor.report.postings import postings_file
from tests.domain.case_settled import settled


def test_the_file_is_the_ledger() -> None:
    books = books_of(settled())
    lines = [json.loads(line) for line in postings_file(books).splitlines()]
    total: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        units: dict[str, Decimal] = defaultdict(Decimal)
        for entry in line["entries"]:
            units[entry["unit"]] += Decimal(entry["amount"])
            total[entry["account"], entry["unit"]] += Decimal(entry["amount"])
        assert not any(units.values()), line
    ours = {(account, currency): amount for account, currency, amount in books.ledger.trial_balance()}
    assert {key: amount for key, amount in total.items() if amount} == ours
    assert sum(line["kind"] == "FillRecorded" for line in lines) == 4


def test_it_is_the_same_in_whatever_order_the_streams_are_read() -> None:
    lines = settled()
    other = sorted(lines, key=lambda line: (line.stream != "parent/hkd", line.stream, line.version))
    assert postings_file(books_of(other)) == postings_file(books_of(lines))
