"""The sections on settlement, deposit and verification."""

from decimal import Decimal
from typing import Any

from executor.domain.chain import BREAK, MISSING, Line
from executor.domain.currency import UNITS
from executor.domain.events import CoverCrossed
from executor.domain.ledger import VENUE_CASH
from executor.domain.money import ZERO, add
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    DepositPosted,
    DepositReleased,
    FiatWithdrawn,
    FxConverted,
    ProceedsDelivered,
    ReceiptRecorded,
    SafeApproved,
)
from executor.report.blocks import Block, Code, Section, Table, facts
from executor.report.casefile import CaseFile
from executor.report.sections_sale import heads
from executor.report.words import Words, every_digit, grouped

_STEPS: dict[type, tuple[str, str]] = {
    FiatWithdrawn: ("withdrawal", "venue"),
    BankCredited: ("bank", "bank"),
    SafeApproved: ("safe", ""),
    FxConverted: ("conversion", "bank"),
    CaseAccountCredited: ("case_account", "account"),
    ReceiptRecorded: ("receipt", "issuer"),
    ProceedsDelivered: ("delivery", "to"),
}


def settlement(case: CaseFile, words: Words) -> Section:
    """Each paper of the chain, then each step: agrees, missing or differs."""
    section = Section("settlement", words("section.settlement"), [words("text.settlement")])
    rows = []
    for entry in case.books.standing():
        step = _STEPS.get(type(entry.event))
        if step is not None:
            rows.append(_paper(entry.at, entry.event, step, words))
    if rows:
        columns = heads(words, ("at", "d"), ("step", "t"), ("account", "t"), ("amount", "n"), ("charge", "n"))
        columns += heads(words, ("received", "n"), ("reference", "c"))
        section.blocks.append(Table(columns, rows))
    verdict = case.verdict
    if verdict is None:
        return section
    if verdict.zero:
        section.blocks.append(words("text.settled_zero"))
    else:
        section.blocks.append(words("text.settled_open", missing=len(verdict.missing), breaks=len(verdict.breaks)))
    lines = [
        [
            words.term("chain", line.chain),
            words.term("line", line.name),
            words.term("mark", line.status),
            _residual(line) if line.status in (BREAK, MISSING) else "0",
        ]
        for line in verdict.lines
    ]
    columns = heads(words, ("item", "t"), ("step", "t"), ("status", "t"), ("residual", "n"))
    section.blocks.append(Table(columns, lines))
    matching = verdict.matching
    section.blocks.append(words("text.papers", stated=len(matching.stated), queue=len(matching.queue)))
    if matching.late:
        section.blocks.append(words("text.notes_late", count=len(matching.late)))
    section.blocks.append(words("text.books"))
    section.blocks.append(_balance(case, words))
    return section


def _paper(at: Any, event: Any, step: tuple[str, str], words: Words) -> list[str]:
    name, place = step
    came, went = _net(event, words)
    where = words.term("delivered", str(getattr(event, place))) if place else ""
    charge = getattr(event, "charge", None) if name != "withdrawal" else event.fee
    if name == "conversion":
        where = f"{where}\n{words('label.rate')} {event.rate}"
        charge_text = words.money(charge, event.to_currency)
    else:
        charge_text = "" if charge is None else words.money(charge, event.currency)
    evidence = "\n".join(f"{words.term('evidence', k)}{words('colon')}{v}" for k, v in event.evidence.items())
    return [words.short(at), words.term("line", name), where, came, charge_text, went, evidence]


def _net(event: Any, words: Words) -> tuple[str, str]:
    net = getattr(event, "net", event.amount)
    currency = getattr(event, "to_currency", event.currency)
    return words.money(event.amount, event.currency), words.money(net, currency)


def _residual(line: Line) -> str:
    said = [f"{every_digit(amount, 2)} {currency}" for currency, amount in line.residual.items() if amount]
    return ", ".join(said) or "–"


def _balance(case: CaseFile, words: Words) -> Table:
    """The trial balance at the end of the record: every account that is not empty, currency by currency, and the sums.
    Within a currency all amounts have the same decimals."""
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for account, currency, amount in case.books.ledger.trial_balance():
        found.setdefault(currency, []).append((account, amount))
    rows = []
    for currency, balances in sorted(found.items()):
        least = 2 if currency in UNITS else 8
        decimals = max(least, *(-int(amount.as_tuple().exponent) for _, amount in balances))
        plus = minus = ZERO
        for name in words.in_order("account", (account for account, _ in balances)):
            amount = dict(balances)[name]
            plus, minus = (add(plus, amount), minus) if amount > 0 else (plus, add(minus, -amount))
            shown = grouped(abs(amount), decimals)
            rows.append([_account(name, words), currency, *((shown, "") if amount > 0 else ("", shown))])
        rows.append([words("label.sum"), currency, grouped(plus, decimals), grouped(minus, decimals)])
    columns = heads(words, ("account_name", "t"), ("currency", "t"), ("debit", "n"), ("credit", "n"))
    return Table(columns, rows, caption=words("text.trial_balance", at=words.moment(case.until)))


def _account(name: str, words: Words) -> str:
    if not name.startswith(VENUE_CASH):
        return words.term("account", name)
    return words.aside(words.term("account", VENUE_CASH), name.removeprefix(VENUE_CASH))


def deposit(case: CaseFile, words: Words) -> Section:
    """What was posted and what released it."""
    section = Section("deposit", words("section.deposit"))
    rows = []
    for entry in case.books.standing():
        event = entry.event
        if isinstance(event, DepositPosted | DepositReleased):
            posted = isinstance(event, DepositPosted)
            form = words.term("form", event.form) if isinstance(event, DepositPosted) else event.receipt
            evidence = "\n".join(f"{words.term('evidence', k)}{words('colon')}{v}" for k, v in event.evidence.items())
            name = "deposit_posted" if posted else "deposit_released"
            amount = words.money(event.amount, event.currency)
            rows.append([words.short(entry.at), words.term("line", name), amount, form, evidence, case.name(event.who)])
    if not rows:
        section.blocks.append(words("text.deposit_missing"))
        return section
    section.blocks.append(words("text.deposit"))
    columns = heads(words, ("at", "d"), ("step", "t"), ("amount", "n"), ("terms", "c"), ("evidence", "c"), ("who", "t"))
    section.blocks.append(Table(columns, rows))
    section.blocks += _cover(case, words)
    return section


def _cover(case: CaseFile, words: Words) -> list[Block]:
    """Every time that the deposit cover crossed a warning level, with what it was reckoned from."""
    rows = [
        [
            words.short(at),
            words("text.cover_again") if event.below is None else f"{every_digit(event.below, 0)}%",
            f"{grouped(event.percent, 2)}%",
            words.money(event.deposit, event.currency),
            words.money(event.exposure, event.currency),
            words.price(event.mark_px, sale.state.spec.quote_asset),
        ]
        for sale in case.sales
        for at, event in sale.events
        if isinstance(event, CoverCrossed)
    ]
    columns = heads(words, ("at", "d"), ("cover_level", "t"), ("deposit_cover", "n"), ("deposit_held", "n"))
    columns += heads(words, ("exposure", "n"), ("mark_px", "n"))
    return [Table(columns, rows, caption=words("text.cover"))] if rows else []


def verification(case: CaseFile, words: Words, *, attached: bool) -> Section:
    """Three commands, and what they prove."""
    section = Section("verify", words("section.verify"), [words("text.verify")])
    unpack = f"unzip {case.case_id}.zip -d {case.case_id} && cd {case.case_id}"
    section.blocks.append(Code(f"{unpack}\nsha256sum --check SHA256SUMS\npython3 verify.py"))
    section.blocks.append(words("text.verify_says", events=len(case.lines), checkpoints=case.checkpoints))
    section.blocks.append(words("text.verify_limits"))
    if attached:
        section.blocks.append(words("text.verify_attached"))
    section.blocks.append(facts([(words("text.fingerprint"), case.fingerprint), (words("text.key"), case.key)]))
    section.blocks.append(words("text.last_checkpoint") + words("colon"))
    section.blocks.append(Code(case.head.rstrip("\n")))
    return section
