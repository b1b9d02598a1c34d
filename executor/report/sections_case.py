"""The sections on what was entrusted, taken in, planned and approved."""

from decimal import Decimal
from typing import Any

from executor.report.blocks import Section, Table, facts
from executor.report.casefile import CaseFile
from executor.report.sections_rules import limits, terms
from executor.report.words import Words, every_digit


def mandate(case: CaseFile, words: Words) -> Section:
    """Who entrusted what to whom, on what basis, with which papers."""
    section, told = Section("mandate", words("section.mandate")), case.mandate
    if not told:
        section.blocks.append(words("text.mandate_missing"))
        rows = [(words("label.case"), case.case_id)]
        rows += [(words("label.qty"), qty(sale.state.spec.qty, sale.state.spec.asset)) for sale in case.sales]
        section.blocks.append(facts(rows))
        return section
    section.blocks.append(words("text.mandate", authority=told["authority"], institution=told["institution"]))
    names = ("authority", "bureau", "platform", "institution", "overseas_agent", "legal_basis", "proceeds_account")
    rows = [(words("label.case"), case.case_id), *((words(f"label.{name}"), str(told.get(name, ""))) for name in names)]
    rows.append((words("label.accepted_at"), words.moment(case.opened_at) if case.opened_at else ""))
    rows.append((words("label.mandate_hash"), case.opened.mandate_hash if case.opened else ""))
    affiliates = [words.aside(each["name"], each["relation"]) for each in told.get("affiliates") or ()]
    rows.append((words("label.affiliates"), words.listed(affiliates)))
    if told.get("deposit"):
        agreed = words.exactly(Decimal(told["deposit"]["amount"]), told["deposit"]["currency"])
        rows.append((words("label.deposit"), words.aside(agreed, words.term("form", told["deposit"]["form"]))))
    section.blocks.append(facts(rows))
    section.blocks.append(_holdings(told, words))
    if told.get("documents"):
        papers = [[each["name"], each["sha256"]] for each in told["documents"]]
        section.blocks.append(Table([(words("label.document"), "t"), (words("label.sha256"), "c")], papers))
    return section


def _holdings(told: dict[str, Any], words: Words) -> Table:
    columns = [(words(f"label.{n}"), k) for n, k in (("asset", "t"), ("network", "t"), ("qty", "n"))]
    columns += [(words("label.seizure_ref"), "t"), (words("label.addresses"), "c"), (words("label.transactions"), "c")]
    rows = [
        [
            each["asset"],
            each["network"],
            every_digit(Decimal(each["qty"]), 8),
            each.get("seizure_ref", ""),
            "\n".join(each.get("source_addresses", ())),
            "\n".join(each.get("transactions", ())),
        ]
        for each in told["holdings"]
    ]
    return Table(columns, rows)  # type: ignore[arg-type]


def intake(case: CaseFile, words: Words) -> Section:
    """Every move of the coins with its evidence."""
    section = Section("intake", words("section.intake"))
    if not case.moves:
        section.blocks.append(words("text.intake_missing"))
        return section
    credited = any(move.to_state == "credited" for _, move in case.moves)
    section.blocks.append(words("text.intake" if credited else "text.intake_not_credited"))
    rows = [
        [
            words.short(at),
            qty(move.qty, move.asset),
            f"{words.term('state', move.from_state)} → {words.term('state', move.to_state)}",
            "\n".join(f"{words.term('evidence', k)}{words('colon')}{v}" for k, v in move.evidence.items()),
            words.term("actor", case.name(move.who)),
        ]
        for at, move in case.moves
    ]
    heads = [("at", "d"), ("qty", "n"), ("status", "t"), ("evidence", "c"), ("who", "t")]
    section.blocks.append(Table([(words(f"label.{name}"), kind) for name, kind in heads], rows))  # type: ignore[misc]
    return section


def plan(case: CaseFile, words: Words) -> Section:
    """The people, the frozen plans with their approvals, and what the executed plan says."""
    section = Section("plan", words("section.plan"))
    if case.roles:
        section.blocks.append(words("text.people"))
        rows = [[case.name(p), p, words.term("role", role)] for p, role in case.roles.items()]
        section.blocks.append(Table([(words("label.person"), "t"), ("", "c"), (words("label.role"), "t")], rows))
    section.blocks.append(words("text.plan" if case.frozen else "text.plan_missing"))
    for at, frozen in case.frozen:
        approvals = [
            words.aside(case.name(a.person), words.moment(when))
            for when, a in case.approved
            if a.plan_hash == frozen.plan_hash
        ]
        revoked = [f"{words.moment(when)} {r.why}" for when, r in case.revoked if r.plan_hash == frozen.plan_hash]
        rows_ = [
            (words("label.plan_hash"), frozen.plan_hash),
            (words("label.drafter"), case.name(frozen.drafter)),
            (words("label.frozen_at"), words.moment(at)),
            (words("label.expires_at"), words.moment(frozen.expires_at)),
            (words("label.approvals"), words.listed(approvals)),
            (words("label.revoked"), words.listed(revoked) if revoked else ""),
        ]
        section.blocks.append(facts(rows_))
    for sale in case.sales:
        section.blocks += terms(sale, case, words)
        section.blocks += limits(sale, case, words)
    return section


def qty(amount: Decimal, asset: str) -> str:
    """A quantity with its asset, eight decimals, more where it has more."""
    return f"{every_digit(amount, 8)} {asset}"
