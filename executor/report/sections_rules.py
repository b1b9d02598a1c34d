"""What the executed plan says, field by field: rules of price, caps, waits, guards, legs. Whatever a plan holds is
shown: a part or a field without a word of its own stands under the plan's own name."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from executor.market.benchmark import BenchmarkRecord
from executor.report.blocks import Block, Section, Table, facts
from executor.report.casefile import CaseFile, Sale
from executor.report.words import Words, every_digit, priced

# Shown by name at the head of the plan's terms, and the legs in a table of their own.
_AT_THE_HEAD = frozenset({"asset", "quote_asset", "qty", "floor_px", "venues", "duration", "starts_at", "seed", "legs"})
_SECONDS = frozenset(
    {
        "pause", "interval", "rest_for", "max_age", "clock_offset", "unknown_for", "stale_after", "unusable_for",
        "fast_move_window", "participation_window", "escalate_after", "candle_length",
    }
)  # fmt: skip
_MONEY = frozenset({"px", "floor_per_fill_px", "week_values", "order_value", "venue_value_per_day"})
_PEOPLE = frozenset({"tell", "escalate_to"})
_TEXT = frozenset(
    {
        "name", "source", "benchmark", "file", "file_sha256", "currency", "week_currency", "measured_until", "pair",
        "trade_date", "first_week", "day_boundary", "week_zone",
    }
)  # fmt: skip


_Read = Callable[[str, Any], str]


def terms(sale: Sale, case: CaseFile, words: Words) -> list[Block]:
    """The head of a plan, its legs, and every other part that it has."""
    spec = sale.state.spec
    rows = [
        (words("label.parent"), spec.parent_id),
        (words("label.qty"), f"{every_digit(spec.qty, 8)} {spec.asset}"),
        (words("label.floor"), words.price(spec.floor_px, spec.quote_asset)),
        (words("label.venues"), words.listed(list(spec.venues))),
        (words("label.window"), words.span(spec.starts_at, spec.ends_at)),
        (words("label.plan_hash"), spec.plan_hash),
    ]
    legs = [_leg(number, leg, sale, case, words) for number, leg in enumerate(spec.legs, start=1)]
    heads = [("leg", "t"), ("method", "t"), ("qty", "n"), ("limit", "n"), ("terms", "t")]
    return [facts(rows), Table([(words(f"label.{name}"), kind) for name, kind in heads], legs)]  # type: ignore[misc]


def _leg(number: int, leg: Mapping[str, Any], sale: Sale, case: CaseFile, words: Words) -> list[str]:
    limit = Decimal(leg.get("limit_px") or sale.state.spec.floor_px)
    told = {key: leg[key] for key in words.in_order("field", leg) if key not in ("kind", "qty", "limit_px")}
    said = [
        f"{label}{words('colon')}{value}"
        for label, value in _fields(told, _reader(case.names, words, sale.state.spec.quote_asset))
    ]
    qty = every_digit(Decimal(leg["qty"]), 8)
    return [str(number), words.term("method", leg["kind"]), qty, priced(limit), words("semicolon").join(said)]


def price_rules(sale: Sale, case: CaseFile, words: Words) -> list[Block]:
    """Every price rule with all its fields, the reference price, and who is told of waits."""
    return _parts(sale, case, words, lambda key: key in ("price_rules", "reference", "waiting"))


def limits(sale: Sale, case: CaseFile, words: Words) -> list[Block]:
    """Caps, guards, and whatever else the plan holds."""
    return _parts(sale, case, words, lambda key: key not in ("price_rules", "reference", "waiting"))


def raised(case: CaseFile, words: Words) -> list[Block]:
    """Floors that an approver has raised."""
    if not case.raised:
        return []
    rows = [
        [words.short(at), every_digit(event.floor_px, 2), case.name(event.person), event.why, event.plan_hash]
        for at, event in case.raised
    ]
    heads = [("at", "d"), ("floor", "n"), ("approvals", "t"), ("reason", "t"), ("plan_hash", "c")]
    columns = [(words(f"label.{name}"), kind) for name, kind in heads]
    return [Table(columns, rows, caption=words("part.raised"))]  # type: ignore[arg-type]


def benchmark_inputs(record: BenchmarkRecord, words: Words) -> list[Block]:
    """An average, everything that it was made under, and what each day gave."""
    terms = record.parameters
    px = words.exactly(Decimal(record.result), terms.currency)
    said = words("text.benchmark", px=px, trade_date=terms.trade_date, days=terms.days)
    values = terms.values() | {"file": record.file, "file_sha256": record.file_sha256, "benchmark": record.sha256}
    values |= {"candle_count": record.candle_count, "formula_version": record.formula_version}
    rows = _fields({name: values[name] for name in words.in_order("field", values)}, _reader({}, words, terms.currency))
    days = [
        [
            day.day,
            "-" if day.close is None else every_digit(Decimal(day.close), 2),
            every_digit(Decimal(day.volume), 0),
            str(day.candles),
            str(day.missing),
        ]
        for day in record.days
    ]
    heads = [("day", "t"), ("close", "n"), ("volume", "n"), ("candles", "n"), ("missing", "n")]
    columns = [(words(f"label.{name}"), kind) for name, kind in heads]
    return [said, facts(rows), Table(columns, days)]  # type: ignore[arg-type]


def _parts(sale: Sale, case: CaseFile, words: Words, wanted: Callable[[str], bool]) -> list[Block]:
    made: list[Block] = []
    plan = sale.state.spec.plan
    for key in words.in_order("part", plan):
        value = plan[key]
        if key in _AT_THE_HEAD or not value or not wanted(key):
            continue
        title = words.term("part", key)
        tables = value if isinstance(value, list) and isinstance(value[0], dict) else [value]
        for number, each in enumerate(tables, start=1):
            caption = title if len(tables) == 1 else words.aside(title, str(number))
            currency = each.get("currency") or each.get("week_currency") if isinstance(each, dict) else ""
            read = _reader(case.names, words, currency or sale.state.spec.quote_asset)
            if not isinstance(each, dict):
                made.append(facts([(title, read(key, each))]))
                continue
            listed = {name: rows for name, rows in each.items() if _is_listing(rows)}
            simple = {name: each[name] for name in words.in_order("field", each) if name not in listed}
            made.append(_captioned(facts(_fields(simple, read)), caption))
            made += [_listing(rows, words.term("field", name), read, words) for name, rows in listed.items()]
    return made


def _captioned(table: Table, caption: str) -> Table:
    table.caption = caption
    return table


def _is_listing(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _listing(rows: list[dict[str, Any]], caption: str, read: _Read, words: Words) -> Table:
    names = words.in_order("field", dict.fromkeys(name for row in rows for name in row))
    kinds = ["c" if name.endswith("sha256") else "n" if name in ("qty",) else "t" for name in names]
    columns = [(words.term("field", name), kind) for name, kind in zip(names, kinds, strict=True)]
    cells = [[read(name, row.get(name)) for name in names] for row in rows]
    return Table(columns, cells, caption=caption)  # type: ignore[arg-type]


def _fields(values: Mapping[str, Any], read: _Read) -> list[tuple[str, str]]:
    """Label and text of every field that says something; an empty list says nothing."""
    return [(read("", key), read(key, value)) for key, value in values.items() if value not in (None, [], {})]


def _reader(names: Mapping[str, str], words: Words, currency: str) -> _Read:
    """Turns a field's name (under no key) or its value into words."""

    def read(key: str, value: Any) -> str:
        if not key:
            return words.term("field", str(value))
        if isinstance(value, bool):
            return words("yes" if value else "no")
        if isinstance(value, list):
            return words.listed([read(key, each) for each in value])
        if isinstance(value, dict):
            return words("semicolon").join(f"{name}{words('colon')}{text}" for name, text in _fields(value, read))
        if key in _PEOPLE:
            return names.get(str(value), str(value))
        if key in _SECONDS:
            return words.duration(int(value))
        if key in _TEXT:
            return str(value)
        number = _number(value)
        if number is None:
            return words.term("choice", str(value))
        if key in _MONEY:
            return words.exactly(number, currency)
        unit = "%" if "percent" in key else f" {words('bps')}" if key.endswith("_bps") else ""
        return f"{every_digit(number, 0)}{unit}"

    return read


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def add_rules(section: Section, case: CaseFile, words: Words) -> None:
    """The price rules of every plan, and floors that were raised."""
    for sale in case.sales:
        section.blocks += price_rules(sale, case, words)
    section.blocks += raised(case, words)
