"""How a run is shown while it goes: JSON lines for programs, a bar on a terminal, one line per interval elsewhere."""

import json
import sys
from decimal import Decimal
from typing import Any, Protocol

import click

from executor.cli.unheard import go_on_unheard
from executor.domain.events import ChildIntended, FillRecorded, ParentCreated, ParentWaiting, SliceStarted
from executor.domain.money import ZERO, add, plain
from executor.journal.line import Line, encode

_LINES = 20  # how many lines tell of a whole run where there is no terminal


class Display(Protocol):
    """Something that is told of every durable event and, at the end, of the summary."""

    def event(self, line: Line) -> None: ...

    def summary(self, values: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line on stdout: every event as it is in the record, then ``{"kind": "summary", ...}``."""

    def event(self, line: Line) -> None:
        self._say(encode(line))

    def summary(self, values: dict[str, Any]) -> None:
        self._say(json.dumps({"kind": "summary"} | values))

    def close(self) -> None:
        pass

    def _say(self, text: str) -> None:
        """Write a line at once: whoever reads a pipe must see what happens when it happens."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


class Counter:
    """What the displays for people need to know, kept from the events."""

    def __init__(self) -> None:
        self.asked = ZERO
        self.sold = ZERO
        self.notional = ZERO
        self.children = 0
        self.fills = 0
        self.asset = ""
        self.waiting = ""

    def event(self, line: Line) -> None:
        """Take one event."""
        match line.event:
            case ParentCreated() as created:
                self.asked, self.asset = created.qty, created.asset
            case FillRecorded() as fill:
                self.sold, self.notional = add(self.sold, fill.qty), add(self.notional, fill.notional)
                self.fills += 1
                self.waiting = ""
            case ChildIntended():
                self.children += 1
            case ParentWaiting() as waiting:
                self.waiting = f"  waiting: {waiting.reason}"
            case _:
                pass

    def text(self) -> str:
        """One line for people."""
        average = (self.notional / self.sold).quantize(Decimal("0.01")) if self.sold else None
        return (
            f"sold {plain(self.sold)} of {plain(self.asked)} {self.asset}"
            + (f" at {average:,}" if average is not None else "")
            + f"  orders {self.children}  fills {self.fills}{self.waiting}"
        )


class PlainLines:
    """One line to stderr per interval of the window, with the time of the run."""

    def __init__(self) -> None:
        self._counter = Counter()
        self._step = 0
        self._window: ParentCreated | None = None

    def event(self, line: Line) -> None:
        self._counter.event(line)
        if isinstance(line.event, ParentCreated):
            self._window = line.event
        if self._window is None or not isinstance(line.event, SliceStarted | FillRecorded):
            return
        span = self._window.ends_at - self._window.starts_at
        step = int((line.at - self._window.starts_at) / span * _LINES)
        if step > self._step:
            self._step = step
            click.echo(f"{line.at:%Y-%m-%d %H:%M:%SZ}  {self._counter.text()}", err=True)

    def summary(self, values: dict[str, Any]) -> None:
        show_summary(values)

    def close(self) -> None:
        pass


class Bar:
    """A progress bar on the terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._counter = Counter()
        self._progress = Progress(
            TextColumn("[bold]{task.fields[clock]}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=100, clock="", text="")
        self._progress.start()

    def event(self, line: Line) -> None:
        counter = self._counter
        counter.event(line)
        done = int(counter.sold * 100 / counter.asked) if counter.asked else 0
        self._progress.update(self._task, completed=done, clock=f"{line.at:%H:%M}", text=counter.text())

    def summary(self, values: dict[str, Any]) -> None:
        self._progress.stop()
        show_summary(values)

    def close(self) -> None:
        self._progress.stop()


def display(as_json: bool) -> Display:
    """The display that fits: JSON if asked for, a bar if stderr is a terminal, plain lines otherwise. From now on what
    cannot be shown stops nothing."""
    go_on_unheard()
    if as_json:
        return JsonLines()
    return Bar() if sys.stderr.isatty() else PlainLines()


def show_summary(values: dict[str, Any]) -> None:
    """The summary for people, on stdout."""
    quote = values["quote_asset"]
    rows = [
        ("status", f"{values['status']}  {values['reason']}".strip()),
        ("sold", f"{values['sold']} of {values['asked']} {values['asset']}"),
        ("average price", f"{money(values['avg_px'])} {quote}"),
        ("against arrival", _against(values["vs_arrival_bps"], values["arrival_px"])),
        ("against interval TWAP", _against(values["vs_interval_twap_bps"], values["interval_twap_px"])),
        ("against floor", _against(values["vs_floor_bps"], values["floor_px"])),
        ("gross", f"{money(values['gross'])} {quote}"),
        ("fees", ", ".join(f"{money(fee)} {asset}" for asset, fee in values["fees"].items()) or "none"),
        ("proceeds", f"{money(values['proceeds'])} {quote}"),
        ("orders, fills, quotes", f"{values['child_orders']}, {values['fills']}, {values['quotes_seen']}"),
        ("slices done of planned", _slices(values)),
    ]
    rows += _planned(values.get("planning"), quote)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")
    for title, key in (("by venue", "by_venue"), ("by method", "by_method")):
        click.echo(f"\n{title:<12}{'sold':>18}{'share':>9}{'average price':>18}{'fees':>16}{'orders':>8}{'fills':>7}")
        for name, part in values[key].items():
            fees = " ".join(money(fee) for fee in part["fees"].values())
            click.echo(
                f"{name:<12}{part['sold']:>18}{part['share_pct'] + ' %':>9}{money(part['avg_px']):>18}{fees:>16}"
                f"{part['child_orders']:>8}{part['fills']:>7}"
            )


def _planned(found: dict[str, Any] | None, quote: str) -> list[tuple[str, str]]:
    """How long a plan takes and what it costs, where it was only thought through."""
    if found is None:
        return []
    return [
        ("took", f"{found['took_days']} of {found['window_days']} days; last fill {found['last_fill_at'] or '-'}"),
        ("expected cost", f"{money(found['cost'])} {quote}: {found['cost_bps'] or '-'} bps of the untouched mid"),
        ("of it impact, fees", f"{found['impact_bps'] or '-'} bps, {found['fees_bps'] or '-'} bps"),
    ]


def money(text: str | None) -> str:
    """An amount for reading: thousands separated, two decimals. The exact one is in the JSON summary."""
    return "-" if text is None else f"{Decimal(text).quantize(Decimal('0.01')):,}"


def _against(bps: str | None, reference: str | None) -> str:
    return "-" if bps is None else f"{Decimal(bps):+.2f} bps  ({money(reference)})"


def _slices(values: dict[str, Any]) -> str:
    return ", ".join(
        f"leg {leg}: {values['slices_done'][leg]} of {planned}"
        + (f" and {values['slices_extra'][leg]} more for the rest" if values["slices_extra"][leg] else "")
        for leg, planned in values["slices_planned"].items()
    )
