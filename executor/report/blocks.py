"""What a page of the report is made of: sections of paragraphs, tables, charts and commands. No language, no facts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

# Text; a time, kept in one line; a number, aligned at the right; code (hashes, ids), which may break anywhere.
Kind = Literal["t", "d", "n", "c"]


@dataclass(slots=True)
class Table:
    """A table: ``columns`` are label and kind; a row has one text for each. ``facts`` marks one of two columns, label
    and value, without a head. ``listing`` is for annexes of thousands of rows: lines of text in columns, which a page
    takes without laying out each cell."""

    columns: Sequence[tuple[str, Kind]]
    rows: list[list[str]]
    caption: str = ""
    facts: bool = False
    small: bool = False
    listing: bool = False


@dataclass(slots=True)
class Chart:
    """A drawing with its caption."""

    caption: str
    svg: str


@dataclass(slots=True)
class Code:
    """Text to be typed or compared as it stands."""

    text: str


Block = str | Table | Chart | Code


@dataclass(slots=True)
class Section:
    """A numbered part of the report, or an annex, which has no number."""

    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    annex: bool = False


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Label and value, a row each; rows without a value are left out."""
    return Table([("", "t"), ("", "t")], [[label, value] for label, value in rows if value], facts=True)
