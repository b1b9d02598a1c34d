"""`executor status`, `orders` and `fills`: read the record, nothing else. Imports stay light: these must start fast."""

import json
from collections.abc import Iterator
from typing import Any

import click

from config.journal_path import journal_path
from executor.cli.journal_option import journal_option
from executor.domain.control import Hold
from executor.domain.money import plain
from executor.domain.orders import ChildStatus
from executor.domain.parent import Parent
from executor.journal.line import decode
from executor.journal.open import Place, open_reading

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


def _parents(place: Place) -> Iterator[Parent]:
    record = open_reading(place)
    try:
        for stream in record.streams("parent/"):
            state = Parent()
            for text in record.read(stream):
                line = decode(text)
                state.apply(line.event, line.at)
            yield state
    finally:
        record.close()


def _holds(place: Place) -> list[Hold]:
    record = open_reading(place)
    try:
        return record.holds()
    finally:
        record.close()


@click.command("status")
@journal_option
@_json
def status(journal: Place | None, as_json: bool) -> None:
    """Every parent order: how it stands, what is sold, what is exposed, and why it waits or stopped; and what people
    have paused or killed."""
    for hold in _holds(journal_path(journal)):
        if as_json:
            click.echo(
                json.dumps({"hold": hold.scope, "action": hold.action, "who": hold.who, "why": hold.why, "at": hold.at})
            )
        else:
            click.echo(f"{hold.at}  {hold}", err=True)
    rows = (
        {
            "parent": state.spec.parent_id,
            "case": state.spec.case_id,
            "status": state.status.value,
            "asked": plain(state.spec.qty),
            "sold": plain(state.cum_qty),
            "exposed": plain(state.exposure_qty),
            "asset": state.spec.asset,
            "open": len(state.open),
            "rule": state.status_rule,
            "reason": state.status_reason,
            "cover": _cover(state),
            "breaks": [f"{venue}: {name}: {found.detail}" for (venue, name), found in state.breaks.items()],
            "parked": [c.client_order_id for c in state.open.values() if c.status is ChildStatus.PARKED],
            "last_at": state.now.isoformat(),
        }
        for state in _parents(journal_path(journal))
    )
    _show(
        rows,
        as_json,
        (
            "parent",
            "case",
            "status",
            "sold",
            "asked",
            "asset",
            "exposed",
            "open",
            "parked",
            "cover",
            "breaks",
            "reason",
        ),
    )


def _cover(state: Parent) -> str:
    """The deposit's cover as it was when it last crossed a warning level; empty while it is under none."""
    if state.cover is None or state.cover.below is None:
        return ""
    return f"under {plain(state.cover.below)} % ({plain(state.cover.percent)} %)"


@click.command("orders")
@journal_option
@_json
@click.option("--open", "only_open", is_flag=True, help="Only those that might still sell.")
def orders(journal: Place | None, as_json: bool, only_open: bool) -> None:
    """Every child order in the order in which it was intended."""
    rows = (
        {
            "at": child.intended_at.isoformat(),
            "client_order_id": child.client_order_id,
            "case": state.spec.case_id,
            "venue": child.venue,
            "method": child.method,
            "qty": plain(child.qty),
            "limit_px": plain(child.limit_px),
            "time_in_force": child.time_in_force,
            "status": child.status.value,
            "cum_qty": plain(child.cum_qty),
            "venue_order_id": child.venue_order_id,
            "outcome": child.outcome,
        }
        for state in _parents(journal_path(journal))
        for child in (state.open if only_open else state.children).values()
    )
    columns = ("client_order_id", "venue", "method", "qty", "limit_px", "time_in_force", "status", "cum_qty", "outcome")
    _show(rows, as_json, columns)


@click.command("fills")
@journal_option
@_json
def fills(journal: Place | None, as_json: bool) -> None:
    """Every execution, exact, in the order in which it was recorded."""
    _show(
        _fills(journal_path(journal)),
        as_json,
        ("at", "client_order_id", "venue", "trade_id", "qty", "px", "fee", "fee_asset"),
    )


def _fills(place: Place) -> Iterator[dict[str, Any]]:
    record = open_reading(place)
    try:
        for text in record.of_kind("FillRecorded"):
            line = json.loads(text)
            event = line["event"]
            yield {"case": line["case_id"]} | {key: value for key, value in event.items() if key != "kind"}
    finally:
        record.close()


def _show(rows: Iterator[dict[str, Any]], as_json: bool, columns: tuple[str, ...]) -> None:
    """JSON lines, or aligned columns for people."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    table = [columns] + [tuple(str(row[column]) for column in columns) for row in rows]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
