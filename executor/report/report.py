"""One report of a case in one language: sections, summary, and the page as HTML."""

from collections.abc import Callable
from fractions import Fraction
from importlib.resources import files
from typing import Any

from executor.domain.money import ZERO, add
from executor.domain.postings import share_cash
from executor.domain.settlement_events import (
    CaseAccountCredited,
    DepositPosted,
    DepositReleased,
    LedgerCorrected,
    ProceedsDelivered,
    ShareReceived,
)
from executor.report import page
from executor.report.blocks import Block, Chart, Code, Section, Table, facts
from executor.report.casefile import CaseFile
from executor.report.floors import raises_of
from executor.report.listing import pages
from executor.report.redact import redacted_blocks
from executor.report.sections_case import intake, mandate, plan, qty
from executor.report.sections_incidents import all_waits, incidents
from executor.report.sections_money import deposit, settlement, verification
from executor.report.sections_quality import quality
from executor.report.sections_sale import (
    all_fills,
    all_quotes,
    fees,
    price,
    qty_or_money,
    quotes,
    sale,
    sums,
)
from executor.report.words import Words, grouped

_CHINESE = "一二三四五六七八九十"


def sections_of(case: CaseFile, words: Words, *, redacted: bool = False) -> list[Section]:
    """Every section in order; annexes last."""
    made = [each(case, words) for each in (mandate, intake, plan, price, quotes, sale, fees, incidents)]
    made += [settlement(case, words), deposit(case, words), quality(case, words)]
    made.append(verification(case, words, attached=not redacted))
    made.append(all_fills(case, words))
    if any(one.quality.rounds for one in case.sales):
        made.append(all_quotes(case, words))
    if case.waits():
        made.append(all_waits(case, words))
    return made


def summary(case: CaseFile, words: Words) -> Table:
    """What a reader wants to know first."""
    rows: list[tuple[str, str]] = []
    for each in case.sales:
        spec, state = each.state.spec, each.state
        sold, money = sums(each.fills)
        kept = state.total.fees
        if each.fills:
            traded = [fill.at for fill in each.fills]  # recorded late, a fill may stand after a later one
            rows.append((words("row.period"), words.span(min(traded), max(traded))))
        status = words.term("status", state.status.value)
        rows.append((words("row.sold"), words.aside(f"{qty(sold, spec.asset)} / {qty(spec.qty, spec.asset)}", status)))
        if sold:
            average = Fraction(money) / Fraction(sold)
            above = each.quality.whole["floor_distance_bps"]
            rows.append((words("row.average"), words.price(average, spec.quote_asset)))
            rows.append((words("row.gross"), words.money(money, spec.quote_asset)))
            taken = [qty_or_money(fee, asset, words) for asset, fee in sorted(kept.items()) if fee]
            rows.append((words("row.fees"), words.listed(taken)))
            net = add(money, -kept.get(spec.quote_asset, ZERO))
            rows.append((words("row.net"), words.money(net, spec.quote_asset)))
            rows.append((words("row.floor"), words.price(spec.floor_px, spec.quote_asset)))
            for at, px in raises_of(spec.plan_hash, case.raised):
                rows.append((words("row.floor_raised", at=words.short(at)), words.price(px, spec.quote_asset)))
            lowest = words.price(min(fill.px for fill in each.fills), spec.quote_asset)
            rows.append((words("row.lowest"), lowest))
            rows.append((words("row.above_floor"), "" if above is None else f"{grouped(above, 2)} bps"))
    return facts([*rows, *_money(case, words)])


def _money(case: CaseFile, words: Words) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    events = [entry.event for entry in case.books.standing()]
    for event in events:
        if isinstance(event, LedgerCorrected):
            # What was sold is told by the record of the sale; the books below have what two people put right.
            entry = words("row.corrected_entry", entry=event.reverses, why=event.why)
            rows.append((words("row.corrected"), entry))
        elif isinstance(event, ShareReceived):
            brought = share_cash(event.share, event.asset)
            cash = [words.money(amount, currency) for (_, currency), amount in brought.items()]
            parts = [qty(event.share.qty, event.asset), *cash]
            rows.append((words("row.pool_share", pool=event.pool), words.listed(parts)))
    for event in events:
        if isinstance(event, CaseAccountCredited):
            rows.append((words("row.credited"), words.money(event.net, event.currency)))
        elif isinstance(event, ProceedsDelivered):
            text = words.aside(words.money(event.amount, event.currency), words.term("delivered", event.to))
            rows.append((words("row.delivered"), text))
    for number, event in enumerate(events):
        if isinstance(event, DepositPosted):
            gone = any(
                isinstance(each, DepositReleased) and each.currency == event.currency for each in events[number:]
            )
            text = words.aside(words.money(event.amount, event.currency), words("row.released" if gone else "row.held"))
            rows.append((words("row.deposit"), text))
    if case.verdict is not None:
        missing, breaks = len(case.verdict.missing), len(case.verdict.breaks)
        text = words("row.zero") if case.verdict.zero else words("row.open", missing=missing, breaks=breaks)
        rows.append((words("row.residual"), text))
    return rows


def html(case: CaseFile, words: Words, *, redacted: bool = False) -> str:
    """The page. The same case always gives the same text: nothing in it is dated by the clock."""
    environment = _environment()
    safe = environment.filters["safe"]
    sections, first = sections_of(case, words, redacted=redacted), summary(case, words)
    changed: Callable[[Block], Block] = redacted_blocks(case, words) if redacted else lambda block: block
    for section in sections:
        section.blocks = [changed(block) for block in section.blocks]
    first = changed(first)  # type: ignore[assignment]
    numbered = _numbered(sections, words)
    verify = next(number for number, each in enumerate(sections, start=1) if each.key == "verify")
    table = environment.get_template("table.html.j2")
    made: str = environment.get_template("report.html.j2").render(
        words=words,
        title=words("redacted_title" if redacted else "title"),
        case_id=case.case_id,
        author=changed(str(case.mandate.get("institution", ""))),
        dated=case.until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        running=words("running", case=case.case_id),
        made=words.day(case.until),
        as_of=words("as_of", at=words.moment(case.until), events=len(case.lines), section=_number(verify, words)),
        summary=first,
        sections=numbered,
        redacted=redacted,
        style=safe(_style(case, words)),
        pages=pages,
        table=lambda block: safe(table.render(block=block)),
    )
    return made


def _numbered(sections: list[Section], words: Words) -> list[dict[str, Any]]:
    made, annexes = [], 0
    for number, section in enumerate(sections, start=1):
        annexes += section.annex
        zh = words.language == "zh"
        annex = f"附件{_number(annexes, words)}　" if zh else f"Annex {chr(64 + annexes)}. "
        before = annex if section.annex else f"{_number(number, words)}{'、' if zh else '. '}"
        heading = f"{before}{section.title}"
        blocks = [(_kind(block), block) for block in section.blocks]
        made.append({"key": section.key, "annex": section.annex, "heading": heading, "blocks": blocks})
    return made


def _kind(block: Block) -> str:
    return {str: "text", Table: "table", Chart: "chart", Code: "code"}[type(block)]


def _number(number: int, words: Words) -> str:
    """一 to 十九 in Chinese, digits elsewhere."""
    if words.language != "zh":
        return str(number)
    return _CHINESE[number - 1] if number <= 10 else f"十{_CHINESE[number - 11]}"


def _style(case: CaseFile, words: Words) -> str:
    before, after = words("page").split("{page}")
    between, end = after.split("{pages}")
    counter = f'"{before}" counter(page) "{between}" counter(pages) "{end}"'
    root = case.head.split("\n")[2] if case.head else ""
    style = (files(page) / "style.css").read_text("utf-8")
    for mark, value in (("HEADING", words("heading_fonts")), ("BODY", words("fonts")), ("PAGE", counter)):
        style = style.replace(mark, value)
    return style.replace("FINGER", root)


def _environment() -> Any:
    from executor.errors import InputRefused

    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as missing:
        raise InputRefused(
            f"a report needs the extra 'report': pip install 'disposal-executor[report]' ({missing})"
        ) from None
    environment = Environment(
        loader=PackageLoader("executor.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["safe"] = Markup
    return environment
