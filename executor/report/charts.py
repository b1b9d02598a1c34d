"""Charts as SVG, drawn for print: told apart by dash and shape as well as by grey, with their axes written out.

Coordinates have two decimals, so that the same record gives the same bytes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from html import escape

from executor.report.words import Words, grouped, percent

Points = Sequence[tuple[datetime, Fraction]]
_W, _H, _LEFT, _RIGHT, _TOP, _BOTTOM = 680, 250, 86, 14, 14, 46
_FONT = "Noto Sans CJK SC"
_DRAWN = 1_500  # points of a line: more cannot be told apart on paper


class _Axes:
    """Maps time and value to the drawing, and draws the frame."""

    def __init__(self, begin: datetime, end: datetime, low: Fraction, high: Fraction) -> None:
        self.begin, self.span = begin, max((end - begin) / timedelta(microseconds=1), 1.0)
        pad = (high - low) / 20 or max(abs(high) / 100, Fraction(1))
        self.low, self.high = low - (pad if low else 0), high + pad
        self.parts: list[str] = []

    def x(self, at: datetime) -> str:
        share = (at - self.begin) / timedelta(microseconds=1) / self.span
        return f"{_LEFT + share * (_W - _LEFT - _RIGHT):.2f}"

    def y(self, value: Fraction) -> str:
        share = float((value - self.low) / (self.high - self.low))
        return f"{_H - _BOTTOM - share * (_H - _TOP - _BOTTOM):.2f}"

    def frame(self, words: Words, decimals: int) -> None:
        for number in range(5):
            value = self.low + (self.high - self.low) * number / 4
            y = self.y(value)
            self.parts.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_W - _RIGHT}" y2="{y}" stroke="#ddd"/>')
            self.text(_LEFT - 6, float(y) + 3, grouped(value, decimals), "end")
            at = self.begin + timedelta(microseconds=round(self.span * number / 4))
            anchor = ("start", "middle", "middle", "middle", "end")[number]
            self.text(float(self.x(at)), _H - _BOTTOM + 14, words.short(at)[:-3], anchor)
        box = f'width="{_W - _LEFT - _RIGHT}" height="{_H - _TOP - _BOTTOM}"'
        self.parts.append(f'<rect x="{_LEFT}" y="{_TOP}" {box} fill="none" stroke="#444"/>')

    def text(self, x: float, y: float, text: str, anchor: str) -> None:
        self.parts.append(f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="9">{escape(text)}</text>')

    def line(self, points: Points, style: str, *, steps: bool = False) -> None:
        if not points:
            return
        every = -(-len(points) // _DRAWN)
        kept = [*points[::every], points[-1]]
        path, before = [], ""
        for at, value in kept:
            x, y = self.x(at), self.y(value)
            path += ([f"{x},{before}"] if steps and before else []) + [f"{x},{y}"]
            before = y
        self.parts.append(f'<polyline points="{" ".join(path)}" fill="none" {style}/>')

    def level(self, value: Fraction | None, style: str) -> None:
        if value is not None:
            y = self.y(value)
            self.parts.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_W - _RIGHT}" y2="{y}" {style}/>')

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        x = float(_LEFT)
        for mark, label in entries:
            self.parts.append(f'<g transform="translate({x:.2f},{_H - 14})">{mark}</g>')
            self.text(x + 26, _H - 10, label, "start")
            x += 46 + sum(9 if ord(each) > 0x2E80 else 5.2 for each in label)

    def svg(self, title: str) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {_H}" font-family="{_FONT}" role="img" '
            f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(self.parts)}</svg>'
        )


_MID = 'stroke="#777" stroke-width="1"'
_FLOOR = 'stroke="#000" stroke-width="1.4" stroke-dasharray="7 4"'
_BENCHMARK = 'stroke="#000" stroke-width="1.2" stroke-dasharray="2 3"'
_SOLD = 'stroke="#000" stroke-width="1.6"'
_PLANNED = 'stroke="#666" stroke-width="1.2" stroke-dasharray="4 3"'


def _sample(style: str) -> str:
    return f'<line x1="0" y1="0" x2="22" y2="0" {style}/>'


def _mark(x: str, y: str, method: str) -> str:
    if method == "rfq":
        return f'<rect x="{float(x) - 2.6:.2f}" y="{float(y) - 2.6:.2f}" width="5.2" height="5.2" fill="#000"/>'
    return f'<circle cx="{x}" cy="{y}" r="1.9" fill="none" stroke="#000" stroke-width="0.8"/>'


def price_chart(
    words: Words,
    mids: Points,
    fills: Sequence[tuple[datetime, Decimal, str]],
    floor: Decimal,
    benchmark: Decimal | None,
) -> str:
    """Mids as a line, every fill as a mark by its method (circle on a book, square by quote), floor, benchmark."""
    values = [mid for _, mid in mids] + [Fraction(px) for _, px, _ in fills] + [Fraction(floor)]
    values += [] if benchmark is None else [Fraction(benchmark)]
    times = [at for at, _ in mids] + [at for at, _, _ in fills]
    axes = _Axes(min(times), max(times), min(values), max(values))
    axes.frame(words, 2 if max(values) < 1_000 else 0)
    axes.line(mids, _MID)
    for at, px, method in sorted(fills, key=lambda each: each[2]):
        axes.parts.append(_mark(axes.x(at), axes.y(Fraction(px)), method))
    axes.level(Fraction(floor), _FLOOR)
    axes.level(None if benchmark is None else Fraction(benchmark), _BENCHMARK)
    methods = {method for _, _, method in fills}
    entries = [(_sample(_MID), words("chart.mid"))]
    entries += [(_mark("11", "0", each), words(f"chart.{each}")) for each in ("book", "rfq") if each in methods]
    entries += [(_sample(_FLOOR), words("chart.floor"))]
    entries += [] if benchmark is None else [(_sample(_BENCHMARK), words("chart.benchmark"))]
    axes.legend(entries)
    return axes.svg(words("chart.price"))


def cumulative_chart(words: Words, planned: Points, sold: Points, asset_decimals: int) -> str:
    """What was sold by each moment, in steps, beside what the plan had come due by then."""
    points = [*planned, *sold]
    axes = _Axes(min(at for at, _ in points), max(at for at, _ in points), Fraction(0), max(qty for _, qty in points))
    axes.frame(words, asset_decimals)
    axes.line(planned, _PLANNED, steps=True)
    axes.line(sold, _SOLD, steps=True)
    axes.legend([(_sample(_PLANNED), words("chart.planned")), (_sample(_SOLD), words("chart.sold"))])
    return axes.svg(words("chart.cumulative"))


def share_chart(words: Words, shares: Sequence[tuple[str, Fraction]]) -> str:
    """One bar for each venue, its share of the quantity written at its end."""
    height, parts = 26 * len(shares) + 8, []
    fills = ("#333", "#777", "#aaa", "#ccc")
    for number, (venue, share) in enumerate(shares):
        y, width = 6 + 26 * number, float(share) * (_W - _LEFT - 90)
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 13}" text-anchor="end" font-size="9">{escape(venue)}</text>')
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width:.2f}" height="18" fill="{fills[number % 4]}" stroke="#000"/>'
        )
        parts.append(f'<text x="{_LEFT + width + 6:.2f}" y="{y + 13}" font-size="9">{percent(share)}</text>')
    title = escape(words("chart.venues"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {height}" font-family="{_FONT}" role="img" '
        f'aria-label="{title}">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )
