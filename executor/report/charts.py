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
_HOUR_US = 3_600_000_000
_DRAWN = 1_500  # points of a line: more cannot be told apart on paper


def _step(span: Fraction) -> tuple[Fraction, int]:
    """The distance between two marks of an axis that is ``span`` long, 1, 2 or 5 times a power of ten so that there are
    four to nine of them, and the decimals that it has."""
    decimals, unit = 0, Fraction(1)
    while unit > span / 10:
        decimals, unit = decimals + 1, unit / 10
    while unit <= span / 100:
        decimals, unit = decimals - 1, unit * 10
    return next(unit * each for each in (1, 2, 5, 10, 20) if unit * each * 8 >= span), max(decimals, 0)


class _Axes:
    """Maps time and value to the drawing, and draws the frame. ``far`` are values so much lower than the others that
    they stand below a break in the axis, each at a height of its own: they would press the rest into one line."""

    def __init__(
        self, begin: datetime, end: datetime, low: Fraction, high: Fraction, far: Sequence[Fraction] = ()
    ) -> None:
        self.begin, self.span = begin, max((end - begin) / timedelta(microseconds=1) * 1.01, 1.0)
        pad = (high - low) / 20 or max(abs(high) / 100, Fraction(1))
        self.low, self.high = low - (pad if low else 0), high + pad
        self.far = sorted(set(far))
        self.bottom = _BOTTOM + (12 + 16 * len(self.far) if self.far else 0)
        self.parts: list[str] = []

    def x(self, at: datetime) -> str:
        share = (at - self.begin) / timedelta(microseconds=1) / self.span
        return f"{_LEFT + share * (_W - _LEFT - _RIGHT):.2f}"

    def y(self, value: Fraction) -> str:
        if value in self.far:
            return f"{_H - _BOTTOM - 10 - 16 * self.far.index(value):.2f}"
        share = float((value - self.low) / (self.high - self.low))
        return f"{_H - self.bottom - share * (_H - _TOP - self.bottom):.2f}"

    def frame(self, words: Words) -> None:
        step, decimals = _step(self.high - self.low)
        for number in range(-(-self.low // step), self.high // step + 1):
            y = self.y(step * number)
            self.parts.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_W - _RIGHT}" y2="{y}" stroke="#ddd"/>')
            self.text(_LEFT - 6, float(y) + 3, grouped(step * number, decimals), "end")
        for value in self.far:
            self.text(_LEFT - 6, float(self.y(value)) + 3, grouped(value, max(decimals, 0)), "end")
        for edge in (_LEFT, _W - _RIGHT) if self.far else ():  # the break
            start = f"M{edge - 5},{_H - self.bottom + 7}"
            self.parts.append(f'<path d="{start} l10,-4 m-10,8 l10,-4" fill="none" stroke="#444"/>')
        for number in range(5):
            at = self.begin + timedelta(microseconds=round(self.span * number / 4))
            anchor = ("start", "middle", "middle", "middle", "end")[number]
            shown = words.short(at)[5:] if self.span < _HOUR_US else words.short(at)[5:-3]
            self.text(float(self.x(at)), _H - _BOTTOM + 14, shown, anchor)
        box = f'width="{_W - _LEFT - _RIGHT}" height="{_H - _TOP - _BOTTOM}"'
        self.parts.append(f'<rect x="{_LEFT}" y="{_TOP}" {box} fill="none" stroke="#444"/>')

    def text(self, x: float, y: float, text: str, anchor: str) -> None:
        self.parts.append(f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="10">{escape(text)}</text>')

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

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        x = float(_LEFT)
        for mark, label in entries:
            self.parts.append(f'<g transform="translate({x:.2f},{_H - 14})">{mark}</g>')
            self.text(x + 26, _H - 10, label, "start")
            x += 46 + sum(10 if ord(each) > 0x2E80 else 5.8 for each in label)

    def svg(self, title: str) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {_H}" font-family="{_FONT}" role="img" '
            f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(self.parts)}</svg>'
        )


_MID = 'stroke="#888" stroke-width="1.2"'
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
    floors: Points,
    averages: Points,
) -> str:
    """Mids as a line, every fill as a mark by its method (circle on a book, square by quote), and in steps the
    floor and the averages that the fills are held against."""
    values = [mid for _, mid in mids] + [Fraction(px) for _, px, _ in fills]
    levels = [floor for _, floor in floors] + [average for _, average in averages]
    far = [level for level in levels if min(values) - level > 2 * (max(values) - min(values))]
    shown = [*values, *(level for level in levels if level not in far)]
    times = [at for at, _ in mids] + [at for at, _, _ in fills]
    axes = _Axes(min(times), max(times), min(shown), max(shown), far)
    axes.frame(words)
    axes.line(mids, _MID)
    for at, px, method in sorted(fills, key=lambda each: each[2]):
        axes.parts.append(_mark(axes.x(at), axes.y(Fraction(px)), method))
    begin, end = axes.begin, max(times)
    own = [(min(max(at, begin), end), floor) for at, floor in floors]
    axes.line([(begin, own[0][1]), *own, (end, own[-1][1])], _FLOOR, steps=True)
    if averages:
        axes.line([(begin, averages[0][1]), *averages, (end, averages[-1][1])], _BENCHMARK, steps=True)
    methods = {method for _, _, method in fills}
    entries = [(_sample(_MID), words("chart.mid"))]
    entries += [(_mark("11", "0", each), words(f"chart.{each}")) for each in ("book", "rfq") if each in methods]
    entries += [(_sample(_FLOOR), words("chart.floor"))]
    entries += [] if not averages else [(_sample(_BENCHMARK), words("chart.benchmark"))]
    axes.legend(entries)
    return axes.svg(words("chart.price"))


def cumulative_chart(words: Words, planned: Points, sold: Points) -> str:
    """What was sold by each moment, in steps, beside what the plan had come due by then."""
    points = [*planned, *sold]
    axes = _Axes(min(at for at, _ in points), max(at for at, _ in points), Fraction(0), max(qty for _, qty in points))
    axes.frame(words)
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
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 13}" text-anchor="end" font-size="10">{escape(venue)}</text>')
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width:.2f}" height="18" fill="{fills[number % 4]}" stroke="#000"/>'
        )
        parts.append(f'<text x="{_LEFT + width + 6:.2f}" y="{y + 13}" font-size="10">{percent(share)}</text>')
    title = escape(words("chart.venues"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {height}" font-family="{_FONT}" role="img" '
        f'aria-label="{title}">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )
