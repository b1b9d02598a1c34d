"""The section on what was not as planned, waits for the price among it, and the annex of every wait."""

from datetime import datetime, timedelta

from executor.report.blocks import Section, Table
from executor.report.casefile import CaseFile
from executor.report.incidents import Incident, Wait
from executor.report.sections_sale import heads
from executor.report.words import Words


def incidents(case: CaseFile, words: Words) -> Section:
    """Everything that was not as planned, institution-wide stops too; then the waits, by rule."""
    section = Section("incidents", words("section.incidents"))
    if case.incidents:
        section.blocks.append(words("text.incidents"))
        rows = [_row(each, case, words) for each in case.incidents]
        columns = heads(words, ("at", "d"), ("item", "t"), ("concerns", "c"), ("detail", "t"), ("who", "t"))
        section.blocks.append(Table(columns, rows))
        section.blocks.append(words("text.stops"))
    else:
        section.blocks.append(words("text.no_incidents"))
    waits = case.waits()
    priced = [wait for wait in waits if wait.for_price]
    section.blocks.append(words("text.below_floor") if priced else words("text.never_below"))
    if waits:
        section.blocks.append(_by_rule(waits, case, words))
    settled, still_open = case.unknowns()
    if settled or still_open:
        section.blocks.append(words("text.unknowns", count=settled + still_open, settled=settled, open=still_open))
    return section


def _row(each: Incident, case: CaseFile, words: Words) -> list[str]:
    where = each.where
    scope, slash, name = where.partition("/")
    if each.kind.startswith("Control"):
        where = words.term("scope", scope) + (f"{words('colon')}{name}" if slash else "")
    people = [case.name(person) for person in (each.who, each.second) if person]
    return [words.short(each.at), words.term("incident", each.kind), where, each.detail, "\n".join(people)]


def _by_rule(waits: list[Wait], case: CaseFile, words: Words) -> Table:
    rows = []
    for rule in dict.fromkeys(wait.rule for wait in waits):
        own = [wait for wait in waits if wait.rule == rule]
        lasted = [_lasted(wait, case) for wait in own]
        told = dict.fromkeys(person for wait in own for person in wait.told)
        more = dict.fromkeys(person for wait in own for person in wait.escalated_to)
        escalated = [wait.escalated_at for wait in own if wait.escalated_at is not None]
        rows.append(
            [
                words.rule(rule),
                str(len(own)),
                words.duration(round(sum(lasted, timedelta(0)).total_seconds())),
                words.duration(round(max(lasted).total_seconds())),
                words.listed([case.name(person) for person in told]),
                words.aside(_first(escalated, words), words.listed([case.name(p) for p in more])) if escalated else "",
            ]
        )
    columns = heads(words, ("wait_rule", "t"), ("count", "n"), ("in_all", "n"), ("longest", "n"), ("told", "t"))
    return Table(columns + heads(words, ("escalated", "t")), rows, caption=words("text.waits"))


def _first(moments: list[datetime], words: Words) -> str:
    return words.short(min(moments))


def _lasted(wait: Wait, case: CaseFile) -> timedelta:
    return (wait.until or case.until) - wait.at


def all_waits(case: CaseFile, words: Words) -> Section:
    """Annex: every wait, from when to when, why, and who was told."""
    section = Section("waits", words("section.waits"), annex=True)
    rows = []
    for number, wait in enumerate(case.waits(), start=1):
        told = [case.name(person) for person in wait.told]
        more = [case.name(person) for person in wait.escalated_to]
        rows.append(
            [
                str(number),
                words.short(wait.at),
                words.short(wait.until) if wait.until else "-",
                words.duration(round(_lasted(wait, case).total_seconds())),
                words.rule(wait.rule),
                words.listed(told),
                words.listed(more) if more else "-",
            ]
        )
    columns = heads(words, ("number", "n"), ("at", "d"), ("until", "d"), ("lasted", "n"), ("wait_rule", "t"))
    columns += heads(words, ("told", "t"), ("escalated_to", "t"))
    section.blocks.append(Table(columns, rows, listing=True))
    return section
