"""The redacted variant of a report: the same figures, with code names for people, bodies and venues, and addresses,
accounts and references masked. It works on the finished blocks, so that nothing can slip in beside it."""

import re
from collections.abc import Callable
from typing import Any

from executor.domain.case_events import ChangeProposed, HoldingMoved
from executor.domain.settlement import ISSUERS
from executor.domain.settlement_events import StatementImported
from executor.report.blocks import Block, Chart, Code, Table
from executor.report.casefile import CaseFile
from executor.report.words import Words

_KEPT = 4  # characters shown at the beginning of a masked text
_BODIES = ("authority", "bureau", "platform", "institution", "overseas_agent", "legal_basis")
_NOBODY = ("", "executor")  # the program itself
_OPEN = ("case_id", "kind", "asset", "qty", "why")  # what a change says that is no secret
# What people write into a reason: addresses (bech32, base58 with a digit, a capital and a small letter, Filecoin,
# hexadecimal with and without 0x: transactions too), IBANs, and numbers of accounts.
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?i:bc1|tb1|ltc1|bitcoincash:|addr1|cosmos1)[A-Za-z0-9-]{6,}"
    r"|(?:0x)?[0-9a-fA-F]{64}|0x[0-9a-fA-F]{40,}"
    r"|[ft][1-3][a-z2-7]{38,}|[ft]4\d+f[a-z2-7]{30,}"
    r"|(?=[A-Za-z]*\d)(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])[1-9A-HJ-NP-Za-km-z]{25,44}(?![A-Za-z0-9])"
    r"|[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])"
    r")"
)
_ACCOUNT = re.compile(r"(?<![A-Za-z0-9_.,])(?!\d{4}-\d\d-\d\d)\d(?:[ -]?\d){9,}(?![A-Za-z0-9_]|\.\d)")
_NAMES = {"zh": ("人员", "单位", "平台"), "en": ("Person ", "Body ", "Venue ")}


def masked(text: str) -> str:
    """The beginning and the end of a text; nothing of a short one."""
    return f"{text[:_KEPT]}…{text[-2:]}" if len(text) > _KEPT + 6 else "…"


def redacted_blocks(case: CaseFile, words: Words) -> Callable[[Any], Any]:
    """A function that redacts a block (or a text) of this case."""
    changes = _changes(case, words)
    # Longest first: a name that is part of another must not break it up. Whole words only, where there are words.
    parts = [_bounded(each) for each in sorted(changes, key=len, reverse=True)]
    pattern = re.compile("|".join(parts)) if parts else None

    public = _public(case)

    def named(value: str) -> str:
        return pattern.sub(lambda found: changes[found[0]], value) if pattern else value

    def text(value: str) -> str:
        return value if value in public else _ADDRESS.sub(lambda found: masked(found[0]), named(value))

    def redact(block: Block) -> Block:
        if isinstance(block, str):
            return _free(text(block))
        if isinstance(block, Chart):
            return Chart(text(block.caption), text(block.svg))
        if isinstance(block, Code):
            return block  # commands and the signed head of the record: changed, they would be worthless
        coded = [kind == "c" for _, kind in block.columns]
        rows = [
            [_ids(named(cell), words) if code else _free(text(cell)) for cell, code in zip(row, coded, strict=True)]
            for row in block.rows
        ]
        columns = [(text(label), kind) for label, kind in block.columns]
        marks = {name: getattr(block, name) for name in ("facts", "small", "listing")}
        return Table(columns, rows, caption=_free(text(block.caption)), **marks)

    return redact


def _public(case: CaseFile) -> set[str]:
    """What a reader compares and nobody is named by: the record's key, hashes of mandate, plans, averages, markets."""
    plans = {sale.state.spec.plan_hash for sale in case.sales} | {frozen.plan_hash for _, frozen in case.frozen}
    averages = {each for average in case.benchmarks for each in (average.sha256, average.file_sha256)}
    markets = {sale.quality.market_file.sha256 for sale in case.sales if sale.quality.market_file is not None}
    return {*markets, case.key, case.fingerprint, case.opened.mandate_hash if case.opened else "", *plans, *averages}


def _informed(plan: dict[str, Any]) -> list[str]:
    waiting = plan.get("waiting") or {}
    return [*waiting.get("tell", ()), *waiting.get("escalate_to", ())]


def _ids(cell: str, words: Words) -> str:
    """Each line of a cell of ids: what stands after a label is masked."""
    lines = []
    for line in cell.split("\n"):
        label, colon, value = line.partition(words("colon"))
        lines.append(f"{label}{colon}{masked(value)}" if colon else masked(line))
    return "\n".join(lines) if cell else cell


def _free(value: str) -> str:
    return _ACCOUNT.sub(lambda found: masked(found[0]), value)


def _bounded(text: str) -> str:
    before = r"(?<![A-Za-z0-9])" if text[0].isascii() and text[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if text[-1].isascii() and text[-1].isalnum() else ""
    return f"{before}{re.escape(text)}{after}"


def _changes(case: CaseFile, words: Words) -> dict[str, str]:
    """What is replaced by what. Code names are given in the order in which the record names them."""
    person, body, venue = _NAMES[words.language]
    told, changes = case.mandate, dict[str, str]()
    acted = [who for each in case.incidents for who in (each.who, each.second)]
    informed = [name for wait in case.waits() for name in (*wait.told, *wait.escalated_to)]
    informed += [name for sale in case.sales for name in _informed(sale.state.spec.plan)]
    people = [who for who in dict.fromkeys([*case.roles, *case.names, *acted, *informed]) if who not in _NOBODY]
    for number, each in enumerate(people, start=1):
        changes[each] = changes[case.name(each)] = f"{person}{number}"
    for number, name in enumerate((n for n in _BODIES if told.get(n)), start=1):
        changes[str(told[name])] = f"{body}{number}"
    names = {name for sale in case.sales for name in sale.state.spec.venues}
    for number, each in enumerate(sorted(names)):
        changes[each] = f"{venue}{chr(65 + number)}"
    hidden: set[str] = {str(told[name]) for name in ("proceeds_account",) if told.get(name)}
    for holding in told.get("holdings", ()):
        hidden |= {
            holding.get("seizure_ref", ""),
            *holding.get("source_addresses", ()),
            *holding.get("transactions", ()),
        }
    for each in (*told.get("documents", ()), *(told.get("affiliates") or ())):
        hidden.add(each["name"])
    for entry in case.books.entries.values():
        event: Any = entry.event
        named = (getattr(event, name, "") for name in ("bank", "to_account", "account", "issuer", "receipt"))
        hidden |= {each for each in (*named, *getattr(event, "evidence", {}).values()) if isinstance(each, str)}
        hidden |= {each.file for each in (event,) if isinstance(event, StatementImported)}
    hidden |= {incident.where for incident in case.incidents if not incident.kind.startswith("Control")}
    for line in case.lines:
        if isinstance(line.event, ChangeProposed):
            told_change = {name: text for name, text in line.event.change.items() if name not in _OPEN}
            hidden |= {text for text in told_change.values() if isinstance(text, str)}
        elif isinstance(line.event, HoldingMoved):
            hidden |= {text for kind, text in line.event.evidence.items() if kind not in ("plan", "parent")}
    hidden -= {"", *ISSUERS}  # police and court as such are no secret
    changes |= {each: masked(each) for each in hidden if len(each) > 2 and each not in changes}
    return {key: value for key, value in changes.items() if key}
