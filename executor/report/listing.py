"""Long tables as pages of text in columns, the head on each page: thousands of rows for the cost of thousands of lines.

A Chinese character, and what may be one, is as wide as two others in the font of the listing."""

from typing import NamedTuple
from unicodedata import east_asian_width

from executor.report.blocks import Table

_WIDTH_PT, _HEIGHT_PT = 504.0, 640.0  # what an A4 page of the report has room for below a heading
_LARGEST_PT, _LINE = 8.0, 1.35
_LONGEST, _LONGEST_OF_FEW = 36, 90  # characters of a cell, and where columns are few; the record has the whole
_FEW = 5


class Page(NamedTuple):
    """The text of one page and the size of its letters in points."""

    text: str
    size: str


def pages(table: Table) -> list[Page]:
    """The pages of a listing; one without rows has one page with its head."""
    longest = _LONGEST if len(table.columns) > _FEW else _LONGEST_OF_FEW
    cells = [[label for label, _ in table.columns], *([_cut(cell, longest) for cell in row] for row in table.rows)]
    widths = [max(_width(row[place]) for row in cells) for place in range(len(table.columns))]
    size = min(_LARGEST_PT, _WIDTH_PT / (0.5 * (sum(widths) + 2 * len(widths))))
    height = max(10, int(_HEIGHT_PT / (size * _LINE)) - 2)
    lines = ["  ".join(_padded(row[p], widths[p], kind) for p, (_, kind) in enumerate(table.columns)) for row in cells]
    head = f"{lines[0].rstrip()}\n{'─' * ((sum(widths) + 2 * len(widths) - 2) // _width('─'))}\n"
    found = [lines[1:][at : at + height] for at in range(0, len(lines) - 1, height)] or [[]]
    return [Page(head + "\n".join(line.rstrip() for line in part), f"{size:.2f}pt") for part in found]


def _cut(cell: str, longest: int) -> str:
    one = " ".join(cell.split())
    return one if len(one) <= longest else f"{one[: longest - 1]}…"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(each) in "WFA" else 1 for each in text)


def _padded(text: str, width: int, kind: str) -> str:
    space = " " * (width - _width(text))
    return space + text if kind == "n" else text + space
