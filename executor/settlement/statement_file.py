"""A venue's statement or contract notes as a CSV file, read exactly.

UTF-8 with a header line. Needed columns: ``trade_id``, ``qty``, ``px``, ``notional`` (money before fees), ``fee``,
``fee_asset``, ``at`` (ISO 8601 with its zone); ``note`` (the contract note's number) if there is one. Columns of other
names are passed over; a venue's own names are mapped to these.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from executor.domain.money import parse_amount
from executor.domain.settlement_events import StatementImported, StatementRow
from executor.errors import InputRefused

COLUMNS = ("trade_id", "qty", "px", "notional", "fee", "fee_asset", "at")
NOTE = "note"
ROWS_AN_EVENT = 500  # a line of the record stays short enough to be read
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FIRST_YEAR, _LAST_YEAR = 2009, 2999


def statements(
    content: bytes, name: str, columns: Mapping[str, str], *, venue: str, paper: str, who: str
) -> list[StatementImported]:
    """The events that hold the file ``name``. ``columns`` maps our names to the file's, where they differ. Raises
    ``InputRefused`` with the row that cannot be read, and for a name that would not stand in one line."""
    if _CONTROL.search(name):
        raise InputRefused(f"{name!r}: the name of the file holds a line break or another control character: rename it")
    rows = list(_rows(content, name, columns))
    if not rows:
        raise InputRefused(f"{name} has no rows; nothing is imported")
    (often, count) = Counter(row.trade_id for row in rows).most_common(1)[0]
    if count > 1:
        raise InputRefused(f"{name}: trade {often} stands in it {count} times; ask the venue for a correct one")
    return [
        StatementImported(
            venue=venue,
            paper=paper,
            file=name,
            sha256=hashlib.sha256(content).hexdigest(),
            first_row=first + 1,
            rows=rows[first : first + ROWS_AN_EVENT],
            who=who,
        )
        for first in range(0, len(rows), ROWS_AN_EVENT)
    ]


def _rows(content: bytes, name: str, columns: Mapping[str, str]) -> Iterator[StatementRow]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        theirs = {ours: columns.get(ours, ours) for ours in (*COLUMNS, NOTE)}
        header = reader.fieldnames or []
        missing = [theirs[ours] for ours in COLUMNS if theirs[ours] not in header]
        if missing or (NOTE in columns and theirs[NOTE] not in header):
            raise InputRefused(
                f"{name}: column {', '.join(missing) or theirs[NOTE]} is missing; name the file's own with "
                "--column OURS=THEIRS"
            )
        for number, row in enumerate(reader, start=1):
            if None in row or None in row.values():
                raise InputRefused(
                    f"{name}, row {number}: has other cells than the header; no thousands separators in amounts"
                )
            yield _row(
                {ours: (row.get(named) or "").strip() for ours, named in theirs.items()}, f"{name}, row {number}"
            )
    except UnicodeDecodeError:
        raise InputRefused(f"{name} is not UTF-8 text; save it as UTF-8") from None
    except csv.Error as error:
        raise InputRefused(f"{name} is not a CSV file: {error}") from None


def _row(cells: Mapping[str, str], where: str) -> StatementRow:
    empty = [ours for ours in COLUMNS if not cells[ours]]
    if empty:
        raise InputRefused(f"{where}: {empty[0]} is empty; a missing figure is not zero, write 0 if it is")
    return StatementRow(
        trade_id=cells["trade_id"],
        qty=_above_zero(cells["qty"], where, "qty"),
        px=_above_zero(cells["px"], where, "px"),
        notional=_above_zero(cells["notional"], where, "notional"),
        fee=_amount(cells["fee"], where, "fee"),
        fee_asset=cells["fee_asset"],
        at=_time(cells["at"], where),
        note=cells[NOTE],
    )


def _amount(text: str, where: str, column: str) -> Decimal:
    try:
        return parse_amount(text)
    except ValueError as error:
        raise InputRefused(f"{where}: {column}: {error}; no thousands separators, a point before decimals") from None


def _above_zero(text: str, where: str, column: str) -> Decimal:
    value = _amount(text, where, column)
    if value <= 0:
        raise InputRefused(f"{where}: {column}: {text} is not above zero; a trade that was taken back has no row")
    return value


def _time(text: str, where: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputRefused(f"{where}: at: '{text}' is no ISO 8601 time") from None
    if at.tzinfo is None:
        raise InputRefused(f"{where}: at: '{text}' names no zone; write +08:00 for Hong Kong, Z for UTC")
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise InputRefused(f"{where}: at: '{text}' is in no year of a trade")
    return at.astimezone(UTC)
