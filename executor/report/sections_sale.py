"""The sections on price, quotes, orders, fills and fees, and the annexes that list everything."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from executor.domain.currency import UNITS
from executor.domain.events import FillRecorded, QuoteCameLate, QuotesAsked, SliceStarted
from executor.domain.money import ZERO, add
from executor.report.averages import comparable, rests_on_average
from executor.report.blocks import Block, Chart, Kind, Section, Table
from executor.report.casefile import CaseFile, Sale
from executor.report.charts import cumulative_chart, price_chart, share_chart
from executor.report.figures import figure
from executor.report.floors import raises_of
from executor.report.market_seen import seen_by_engine
from executor.report.sections_case import qty
from executor.report.sections_rules import add_rules, benchmark_inputs
from executor.report.tca import never_sent
from executor.report.tca_quotes import Answer
from executor.report.words import Words, every_digit, grouped, percent, priced

_QTY = 8  # decimals of a quantity in the body
_ROOM = 92  # characters of a row of seven or eight columns of figures


def heads(words: Words, *columns: tuple[str, Kind]) -> list[tuple[str, Kind]]:
    """Columns by the names of their labels."""
    return [(words(f"label.{name}"), kind) for name, kind in columns]


def price(case: CaseFile, words: Words) -> Section:
    """The floor, what was computed for it, and how near any fill came."""
    section = Section("price", words("section.price"), [words("text.price")])
    add_rules(section, case, words)
    for record in case.benchmarks:
        section.blocks += benchmark_inputs(record, words)
    if not case.benchmarks:
        waited_for = any(rests_on_average(sale.state.spec) for sale in case.sales)
        section.blocks.append(words("text.benchmark_none" if waited_for else "text.no_benchmark"))
    for sale in case.sales:
        section.blocks.append(_nearest(sale, words))
        section.blocks += _beside_averages(sale, case, words)
    return section


def _beside_averages(sale: Sale, case: CaseFile, words: Words) -> list[Block]:
    """How near any fill came to the average that it is held against, and how many are held against none."""
    spec = sale.state.spec
    if not any(comparable(spec, record) for record in case.benchmarks):
        other = words("text.benchmark_other", asset=spec.asset, currency=spec.quote_asset)
        return [other] if case.benchmarks else []
    held = [(fill, sale.averages[fill.client_order_id]) for fill in sale.fills]
    above = [((Fraction(fill.px) - Fraction(px)) * 10_000 / Fraction(px), px) for fill, px in held if px is not None]
    told: list[Block] = []
    if above:
        bps, px = min(above)
        told.append(words("text.benchmark_worst", px=words.exactly(px, spec.quote_asset), bps=grouped(bps, 2)))
    if len(above) < len(held):
        told.append(words("text.benchmark_missing", count=len(held) - len(above), fills=len(held)))
    return told


def _nearest(sale: Sale, words: Words) -> str:
    spec = sale.state.spec
    under = sum(1 for fill in sale.fills if sale.under_floor(fill))
    if under:
        return words("text.price_below", count=under)
    if not sale.fills:
        return words("text.price_no_fill")
    lowest = min(fill.px for fill in sale.fills)
    bps = sale.quality.whole["floor_distance_worst_bps"]
    shown = "" if bps is None else grouped(bps, 2)
    return words("text.price_worst", fills=len(sale.fills), lowest=words.price(lowest, spec.quote_asset), bps=shown)


def quotes(case: CaseFile, words: Words) -> Section:
    """How many were asked and taken, by venue."""
    section = Section("quotes", words("section.quotes"))
    rounds = [made for sale in case.sales for made in sale.quality.rounds]
    if not rounds:
        section.blocks.append(words("text.no_quotes"))
        return section
    answers = [answer for made in rounds for answer in made.answers]
    given = [answer for answer in answers if answer.px is not None]
    taken = [answer for answer in answers if answer.chosen]
    section.blocks.append(words("text.quotes", rounds=len(rounds), answers=len(given), chosen=len(taken)))
    events = [event for sale in case.sales for _, event in sale.events]
    preferred = sum(1 for event in events if isinstance(event, QuotesAsked) and event.preference)
    late = sum(1 for event in events if isinstance(event, QuoteCameLate))
    section.blocks += [words("text.preferred", count=preferred)] if preferred else []
    section.blocks += [words("text.late_quotes", count=late)] if late else []
    rows = []
    for venue in sorted({answer.venue for answer in answers}):
        own = [answer for answer in given if answer.venue == venue]
        spreads = [answer.spread_bps for answer in own if answer.spread_bps is not None]
        mean = sum(spreads, Fraction(0)) / len(spreads) if spreads else None
        rows.append(
            [
                venue,
                str(sum(1 for answer in answers if answer.venue == venue)),
                str(len(own)),
                str(sum(1 for answer in own if answer.chosen)),
                "-" if mean is None else grouped(mean, 2),
            ]
        )
    columns = heads(words, ("venue", "t"), ("rounds", "n"), ("answers", "n"), ("chosen", "n"), ("spread", "n"))
    section.blocks.append(Table(columns, rows))
    return section


def sale(case: CaseFile, words: Words) -> Section:
    """Orders and fills in sums, and the charts."""
    section = Section("sale", words("section.sale"))
    for each in case.sales:
        spec, total, unsent = each.state.spec, each.state.total, never_sent(each.events)
        section.blocks.append(
            words(
                "text.sale",
                orders=total.children - len(unsent),
                fills=total.fills,
                sold=qty(total.cum_qty, spec.asset),
                share=percent(Fraction(total.cum_qty) / Fraction(spec.qty)),
            )
        )
        section.blocks += [words("text.never_sent", count=len(unsent))] if unsent else []
        section.blocks.append(_parts(each, words))
        section.blocks.append(_hours(each, words))
        section.blocks += _charts(each, case, words)
    return section


def _parts(each: Sale, words: Words) -> Table:
    rows, whole = [], Fraction(each.state.total.cum_qty)
    unsent = Counter((each.orders[name].venue, each.orders[name].method) for name in never_sent(each.events))
    for (venue, method), tally in sorted(each.state.routes.items()):
        sent = tally.children - unsent[venue, method]
        if not sent:
            continue
        average = Fraction(tally.notional) / Fraction(tally.cum_qty) if tally.cum_qty else None
        rows.append(
            [
                venue,
                words.term("method", method),
                str(sent),
                str(tally.fills),
                grouped(tally.cum_qty, _QTY),
                percent(Fraction(tally.cum_qty) / whole) if whole else "-",
                "-" if average is None else priced(average),
                grouped(tally.notional, 2),
            ]
        )
    columns = heads(words, ("venue", "t"), ("method", "t"), ("orders", "n"), ("fills", "n"), ("sold", "n"))
    columns += heads(words, ("share", "n"), ("average", "n"), ("gross", "n"))
    return Table(columns, rows, small=_is_wide(rows))


def _hours(each: Sale, words: Words) -> Table:
    hours: dict[datetime, list[FillRecorded]] = {}
    for fill in each.fills:
        hours.setdefault(fill.at.replace(minute=0, second=0, microsecond=0), []).append(fill)
    rows = []
    for hour, fills in sorted(hours.items()):
        sold, money = sums(fills)
        prices = [fill.px for fill in fills]
        rows.append(
            [
                words.hour(hour),
                str(len(fills)),
                grouped(sold, _QTY),
                priced(Fraction(money) / Fraction(sold)),
                priced(min(prices)),
                priced(max(prices)),
                grouped(money, 2),
            ]
        )
    columns = heads(words, ("hour", "d"), ("fills", "n"), ("sold", "n"), ("average", "n"), ("lowest", "n"))
    return Table(columns + heads(words, ("highest", "n"), ("gross", "n")), rows, small=_is_wide(rows))


def _is_wide(rows: list[list[str]]) -> bool:
    """True if a row of figures has no room on the page in letters of the usual size."""
    return any(sum(map(len, row)) > _ROOM for row in rows)


def sums(fills: Iterable[FillRecorded]) -> tuple[Decimal, Decimal]:
    """Quantity and money of some fills."""
    sold = money = ZERO
    for fill in fills:
        sold, money = add(sold, fill.qty), add(money, fill.notional)
    return sold, money


def _charts(each: Sale, case: CaseFile, words: Words) -> list[Block]:
    if not each.fills:
        return []
    mids = [(mark.at, mark.mid) for mark in seen_by_engine(each.events).marks]
    fills = [(fill.at, fill.px, each.orders[fill.client_order_id].method) for fill in each.fills]
    held = [(fill.at, each.averages[fill.client_order_id]) for fill in sorted(each.fills, key=lambda one: one.at)]
    averages = [(at, Fraction(px)) for at, px in held if px is not None]
    sold, running = [(each.state.spec.starts_at, Fraction(0))], Fraction(0)
    for fill in sorted(each.fills, key=lambda one: one.at):
        running += Fraction(fill.qty)
        sold.append((fill.at, running))
    sold.append((max(each.events[-1][0], sold[-1][0]) if each.state.finished else sold[-1][0], running))
    sold = [point for point in sold if point[0] >= min(each.fills[0].at - timedelta(days=1), sold[0][0])]
    shares = [
        (venue, values["filled_qty"] / running)
        for venue, values in each.quality.groups["venue"].items()
        if values["filled_qty"]
    ]
    spec = each.state.spec
    raised = [(at, Fraction(px)) for at, px in raises_of(spec.plan_hash, case.raised)]
    floors = [(spec.starts_at, Fraction(spec.floor_px)), *raised]
    return [
        Chart(words("chart.price"), price_chart(words, mids, fills, floors, averages)),
        Chart(words("chart.cumulative"), cumulative_chart(words, _planned(each), sold)),
        Chart(words("chart.venues"), share_chart(words, shares)),
    ]


def _planned(each: Sale) -> list[tuple[datetime, Fraction]]:
    """What had come due by each moment: every slice and every clip counts once, when it was first tried."""
    seen: set[tuple[int, int]] = set()
    points, running = [(each.state.spec.starts_at, Fraction(0))], Fraction(0)
    for at, event in each.events:
        if isinstance(event, SliceStarted | QuotesAsked) and (event.leg, event.slice) not in seen:
            seen.add((event.leg, event.slice))
            due = Fraction(event.planned_qty if isinstance(event, SliceStarted) else event.qty)
            running = min(running + due, Fraction(each.state.spec.qty))  # a turn at the end plans no more than is left
            points.append((at, running))
    return points


def fees(case: CaseFile, words: Words) -> Section:
    """Fees by venue and currency beside the gross amount."""
    section = Section("fees", words("section.fees"), [words("text.fees")])
    rows = []
    for each in case.sales:
        quote = each.state.spec.quote_asset
        for (venue, method), tally in sorted(each.state.routes.items()):
            for asset, fee in sorted(tally.fees.items()):
                share = (
                    f"{figure(Fraction(fee) * 10_000 / Fraction(tally.notional), 'bps')} bps" if asset == quote else ""
                )
                rows.append(
                    [
                        venue,
                        words.term("method", method),
                        words.money(tally.notional, quote),
                        qty_or_money(fee, asset, words),
                        share,
                    ]
                )
    columns = heads(words, ("venue", "t"), ("method", "t"), ("gross", "n"), ("fee", "n"), ("share", "n"))
    section.blocks.append(Table(columns, rows))
    return section


def qty_or_money(amount: Decimal, asset: str, words: Words) -> str:
    """Money with two decimals, anything else with eight."""
    return words.money(amount, asset) if asset in UNITS else qty(amount, asset)


def all_fills(case: CaseFile, words: Words) -> Section:
    """Annex: every fill, every digit."""
    section = Section("fills", words("section.fills"), annex=True)
    parents: list[tuple[str, Kind]] = [("parent", "t")] if len(case.sales) > 1 else []
    rows = []
    for number, (each, fill) in enumerate(case.fills(), start=1):
        spec, method = each.state.spec, words.term("method", each.orders[fill.client_order_id].method)
        rows.append(
            [
                str(number),
                words.short(fill.at),
                *([spec.parent_id] if parents else []),
                fill.venue,
                method,
                fill.trade_id,
                every_digit(fill.qty, 8),
                spec.asset,
                priced(fill.px),
                every_digit(fill.notional, 8),
                spec.quote_asset,
                f"{every_digit(fill.fee, 8)} {fill.fee_asset}",
            ]
        )
    columns = heads(words, ("number", "n"), ("at", "d"), *parents)
    columns += heads(words, ("venue", "t"), ("method", "t"), ("trade_id", "c"), ("qty", "n"), ("asset", "t"))
    columns += heads(words, ("px", "n"), ("gross", "n"), ("quote_asset", "t"), ("fee", "n"))
    section.blocks.append(Table(columns, rows, listing=True))
    return section


def all_quotes(case: CaseFile, words: Words) -> Section:
    """Annex: every answer to every request for quote."""
    section = Section("quote_sheet", words("section.quote_sheet"), annex=True)
    rows = []
    number = 0
    for each in case.sales:
        for made in each.quality.rounds:
            number += 1
            for answer in made.answers:
                rows.append(
                    [
                        str(number),
                        words.short(made.asked_at),
                        grouped(made.qty, _QTY),
                        answer.venue,
                        "-" if answer.px is None else priced(answer.px),
                        "-" if answer.spread_bps is None else grouped(answer.spread_bps, 2),
                        "-" if answer.rank is None else str(answer.rank),
                        "-" if answer.response_s is None else grouped(answer.response_s, 3),
                        words("yes" if answer.chosen else "no"),
                        answer.refusal or _standing(answer, words),
                    ]
                )
    columns = heads(words, ("number", "n"), ("at", "d"), ("qty", "n"), ("venue", "t"), ("px", "n"), ("spread", "n"))
    columns += heads(words, ("rank", "n"), ("response", "n"), ("chosen", "t"), ("answer", "t"))
    section.blocks.append(Table(columns, rows, listing=True))
    rounds = [made for each in case.sales for made in each.quality.rounds]
    told = [
        [
            str(number),
            "-" if made.cover_bps is None else grouped(made.cover_bps, 2),
            "-" if made.hold_s is None else grouped(made.hold_s, 3),
            "-" if made.executed is None else words("yes" if made.executed else "no"),
            made.why,
        ]
        for number, made in enumerate(rounds, start=1)
    ]
    columns = heads(words, ("number", "n"), ("cover", "n"), ("hold", "n"), ("executed", "t"), ("choice", "t"))
    section.blocks.append(Table(columns, told, listing=True))
    return section


def _standing(answer: Answer, words: Words) -> str:
    """Why an answer could not be taken, if it could not."""
    if answer.refusal or answer.left_out:
        return answer.refusal or words.term("left_out", answer.left_out)
    return words.term("left_out", "indicative") if answer.px is not None and answer.rank is None else "-"
