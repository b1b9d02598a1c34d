"""The section on execution quality: every measure of the whole beside its definition, the main ones part by part, and
what is measured of quotes."""

from fractions import Fraction

from executor.report.blocks import Block, Section, Table, facts
from executor.report.casefile import CaseFile, Sale
from executor.report.figures import figure
from executor.report.measures import MEASURES, QUOTE_MEASURES, Measure
from executor.report.sections_sale import heads
from executor.report.words import Words, grouped, percent, priced

# What is shown of each leg, venue and method; `executor tca` has the rest.
_BY_PART = (
    "filled_qty",
    "avg_px",
    "fees_bps",
    "arrival_slippage_bps",
    "participation",
    "effective_half_spread_bps",
    "markout_60s_bps",
    "fill_rate",
    "floor_distance_bps",
)


def quality(case: CaseFile, words: Words) -> Section:
    """Every measure of the whole sale beside its definition."""
    section = Section("quality", words("section.quality"), [words("text.quality"), words("text.quality_identity")])
    section.blocks += _source(case, words)
    for sale in case.sales:
        rows = []
        for name, measure in MEASURES.items():
            if name in sale.quality.whole:
                value = _value(sale.quality.whole[name], measure.unit, words)
                label, told = _told(measure, words)
                rows.append([label, value, told])
        columns = heads(words, ("measure", "t"), ("value", "n"), ("definition", "t"))
        section.blocks.append(Table(columns, rows, small=True))
        section.blocks.append(_parts(sale, words))
        if sale.quality.rounds:
            section.blocks.append(_of_quotes(words))
    return section


def _source(case: CaseFile, words: Words) -> list[Block]:
    """The market files that figures come from; nothing where all of them come from the record."""
    used = {sale.quality.market_file: None for sale in case.sales if sale.quality.market_file is not None}
    found: list[Block] = []
    for file in used:
        rows = [
            (words("field.file"), file.name),
            (words("field.file_sha256"), file.sha256),
            (words("field.volume_unit"), words.term("choice", file.volume_unit)),
        ]
        found += [words("text.quality_source"), facts(rows)]
    return found


def _told(measure: Measure, words: Words) -> tuple[str, str]:
    """Name and definition."""
    return (measure.name_zh, measure.zh) if words.language == "zh" else (measure.name_en, measure.en)


def _parts(sale: Sale, words: Words) -> Table:
    """The main measures of each batch (leg), venue and method, a column for each."""
    parts = [(group, part, values) for group, found in sale.quality.groups.items() for part, values in found.items()]
    columns = heads(words, ("measure", "t"))
    for group, part, _ in parts:
        name = str(int(part) + 1) if group == "leg" else words.term("method", part)
        columns.append((f"{words(f'label.{group}')}{words('colon')}{name}", "n"))
    rows = []
    for name in _BY_PART:
        measure = MEASURES[name]
        rows.append([_told(measure, words)[0], *(_value(values[name], measure.unit, words) for _, _, values in parts)])
    return Table(columns, rows, caption=words("text.quality_parts"), small=True)


def _of_quotes(words: Words) -> Table:
    rows = [list(_told(measure, words)) for measure in QUOTE_MEASURES.values()]
    return Table(heads(words, ("measure", "t"), ("definition", "t")), rows, words("text.quality_quotes"), small=True)


def _value(value: Fraction | None, unit: str, words: Words) -> str:
    if value is None:
        return words("not_recorded")
    if unit == "share":
        return percent(value)
    if unit == "px":
        return priced(value)
    if unit == "money":
        return grouped(value, 2)
    if unit == "qty":
        return grouped(value, 8)
    shown = figure(value, unit) or ""
    chinese = words.language == "zh"
    return f"{shown} {'基点' if chinese else 'bps'}" if unit == "bps" else f"{shown} {'秒' if chinese else 's'}"
