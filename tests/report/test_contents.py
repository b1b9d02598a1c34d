"""What the report must show besides the figures of the sale: the whole plan, stops, waits, the trial balance."""

import json
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from pydantic import BaseModel

from executor.domain.average import AverageParams
from executor.domain.caps import Caps, VenueVolume
from executor.domain.case import HoldingState
from executor.domain.case_events import FloorRaised, LimitLowered
from executor.domain.chain import BREAK, MISSING, OK
from executor.domain.cover import Cover
from executor.domain.dossier import PAPERS, TRAVEL_RULE
from executor.domain.events import (
    ControlCleared,
    ControlSet,
    CoverCrossed,
    FillRecorded,
    ParentWaiting,
    ParentWorking,
    WaitEscalated,
)
from executor.domain.ledger import ACCOUNTS, VENUE_CASH
from executor.domain.plan import Guards, OtcLeg, TwapLeg, Waiting
from executor.domain.price_rules import AverageRule, BandRule, FixedRule, ReferenceTerms
from executor.domain.reconcile_case import COIN_STEPS, DEPOSIT_STEPS, MONEY_STEPS, POOL_STEPS
from executor.domain.settlement import EVIDENCE
from executor.domain.settlement_events import (
    Countersign,
    DepositPosted,
    FeeShare,
    LedgerCorrected,
    PoolShare,
    ShareReceived,
    StatementImported,
)
from executor.journal.line import Line
from executor.market.benchmark import BenchmarkRecord
from executor.report.blocks import Table
from executor.report.casefile import CaseFile, casefile
from executor.report.incidents import binding_scopes, incident, stops_of, waits_of
from executor.report.report import html, sections_of, summary
from executor.report.sections_rules import limits, price_rules
from executor.report.words import LANGUAGES, Words
from tests.cli.commands import ROOT, call
from tests.report.test_report import Finished, table_text

D = Decimal
AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MODELS: tuple[type[BaseModel], ...] = (
    FixedRule, AverageRule, BandRule, ReferenceTerms, Caps, VenueVolume, Waiting, Guards, TwapLeg, OtcLeg,
    AverageParams, Cover,
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_record_has_one_in_the_report(language: str) -> None:
    words = Words(language)
    wanted = {("field", name) for model in MODELS for name in model.model_fields}
    for model in MODELS:
        for field in model.model_fields.values():
            literal = [each for each in get_args(field.annotation) if isinstance(each, str)]
            wanted |= {("choice", each) for each in literal if each not in ("twap", "otc")}
    wanted |= {("account", name) for name in (*ACCOUNTS, VENUE_CASH)}
    wanted |= {("evidence", name) for kinds in (*EVIDENCE.values(), PAPERS, TRAVEL_RULE) for name in kinds}
    wanted |= {("line", name) for name in (*COIN_STEPS, *MONEY_STEPS, *POOL_STEPS, *DEPOSIT_STEPS)}
    wanted |= {("line", name) for name in ("recalled", "returned", "statement")}
    wanted |= {("mark", name) for name in (OK, MISSING, BREAK)}
    wanted |= {("state", str(state)) for state in HoldingState}
    wanted |= {("scope", name) for name in ("all", "case", "venue", "parent")}
    unknown = [(group, name) for group, name in sorted(wanted) if words.in_order(group, [name, "\x00"])[0] != name]
    assert unknown == []


CAPS = {
    "plan_percent_per_day": "11", "day_boundary": "+08:00", "venue_volume_percent": "5.5", "venue_volume_days": 31,
    "venue_volumes": [
        {"venue": "osl", "qty": "123.25", "measured_until": "2026-03-01", "source": "OSL 日报",
         "file_sha256": "9a" * 32},
    ],
    "participation_percent": "1.5", "participation_window": 3_660, "week_values": ["50000001", "100000002"],
    "week_currency": "USD", "week_starts": "saturday", "week_zone": "America/New_York", "first_week": "2026-02-28",
    "order_value": "400003", "venue_value_per_day": "900004.5", "min_venues": 2,
}  # fmt: skip
RULES = [
    {"kind": "fixed", "name": "reserve", "px": "90001.5", "currency": "HKD", "scope": "average_of_sale",
     "compare": "after_fees", "floor_per_fill_px": "88002"},
    {"kind": "average", "name": "mean", "benchmark": "7b" * 32, "renewal": "once", "factor": "1.05", "currency": "USD",
     "scope": "per_fill", "compare": "before_fees", "floor_per_fill_px": None},
    {"kind": "band", "name": "near", "around": "reference", "percent": "1.25"},
]  # fmt: skip
PLANNED = {
    "caps": CAPS,
    "price_rules": RULES,
    "reference": {"min_sources": 3, "agreement_bps": "55", "max_age": 90},
    "waiting": {"tell": ["op-zhang"], "escalate_to": ["ch-li"], "escalate_after": 7_200},
    "cover": {
        "currency": "CNY",
        "coins": "reserved",
        "release_percent": "112",
        "halt_percent": "101",
        "warn_percents": ["110", "105"],
        "rates": {"USD": "7.15"},
    },
    "later": {"some_percent": "66"},  # a part that the report does not know by name
}


def with_plan(case: CaseFile, plan: dict[str, Any]) -> CaseFile:
    """The case as if its sale had this plan besides."""
    (sale,) = case.sales
    state = copy(sale.state)
    state.created = msgspec.structs.replace(sale.state.spec, plan=sale.state.spec.plan | plan)
    return replace(case, sales=[replace(sale, state=state)])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_of_rules_and_caps_is_shown(finished: Finished, language: str) -> None:
    case, words = with_plan(finished[0], PLANNED), Words(language)
    (sale,) = case.sales
    blocks = [*price_rules(sale, case, words), *limits(sale, case, words)]
    tables = [block for block in blocks if isinstance(block, Table)]
    text = "\n".join(cell for table in tables for row in [[table.caption], *table.rows] for cell in row)
    shown = {
        "zh": [
            "11%", "+08:00", "5.5%", "31", "123.25", "2026-03-01", "OSL 日报", "9a" * 32, "1.5%", "1 小时 1 分",
            "50,000,001.00 美元、100,000,002.00 美元", "星期六", "America/New_York", "2026-02-28", "400,003.00 美元",
            "900,004.50 美元", "90,001.50 港元", "整体成交均价", "扣费后", "88,002.00 港元", "7b" * 32, "1.05",
            "1.25%", "55 基点", "1 分 30 秒", "张明", "李静", "2 小时", "later", "some_percent", "66%",
            "110%、105%", "112%", "已锁定部分", "USD：7.15", "短时涨跌上限",
        ],
        "en": [
            "USD 50,000,001.00, USD 100,000,002.00", "HKD 90,001.50", "the average of the sale", "Saturday",
            "1 h 1 min", "55 bps", "some_percent", "Price has moved by",
        ],
    }[language]  # fmt: skip
    assert [each for each in shown if each not in text] == []
    assert "None" not in text


def test_a_raised_floor_is_shown_and_drawn(finished: Finished) -> None:
    case = finished[0]
    (sale,) = case.sales
    raised = FloorRaised(
        plan_hash=sale.state.spec.plan_hash, floor_px=D("91234.5"), person="ri-wang", public_key="", signature="",
        why="市场走高",
    )  # fmt: skip
    again = replace(case, raised=[(sale.fills[0].at + timedelta(seconds=1), raised)])
    text = table_text(again, "zh", "price")
    assert "91,234.50|王磊|市场走高" in text


def test_contract_notes_that_never_came_keep_the_case_from_zero(finished: Finished) -> None:
    """The venues sent statements alone, and the record goes on for more than two business days."""
    case = finished[0]
    lines = [
        msgspec.structs.replace(line, event=msgspec.structs.replace(line.event, paper="statement"))
        if isinstance(line.event, StatementImported)
        else line
        for line in case.lines
    ]
    lines[-1] = msgspec.structs.replace(lines[-1], at=lines[-1].at + timedelta(days=5))
    late = casefile(case.case_id, lines)
    assert case.verdict is not None
    assert late.verdict is not None
    assert (case.verdict.zero, [line.name for line in late.verdict.breaks]) == (True, ["statement"])
    assert f"逾期未收到的共 {len(case.fills())} 笔" in html(late, Words("zh"))
    assert "逾期未收到" not in html(case, Words("zh"))


def test_an_average_of_another_asset_or_currency_is_no_benchmark(finished: Finished) -> None:
    case, folder = finished[0], ROOT / "config" / "examples" / "benchmarks"
    made = call("benchmark", "compute", folder / "falling-20-day.toml", "--candles", folder / "falling-20-day.csv",
                "--json")  # fmt: skip
    own = BenchmarkRecord.model_validate(json.loads(made.stdout))

    def held_against(**changes: str) -> tuple[bool, bool]:
        other = own.model_copy(update={"parameters": own.parameters.model_copy(update=changes)})
        found = casefile(case.case_id, case.lines, benchmarks=[other])
        distance = found.sales[0].quality.whole["benchmark_distance_bps"]
        return distance is not None, "不具可比性" in html(found, Words("zh"))

    assert held_against() == (True, False)
    assert held_against(currency="HKD") == held_against(pair="ETH/USD") == (False, True)


# --- stops and waits -------------------------------------------------------------------------------------------------


def house(*events: tuple[int, Any]) -> list[Line]:
    """Lines of the institution's tree, so many minutes after ``AT``."""
    return [
        Line(stream="control", version=n, case_id="", at=AT + timedelta(minutes=m), event=event)
        for n, (m, event) in enumerate(events, start=1)
    ]


def pause(scope: str, action: str = "pause") -> ControlSet:
    return ControlSet(scope=scope, action=action, cancel=True, who="ri-wang", why=f"why {scope}")


def cleared(scope: str) -> ControlCleared:
    return ControlCleared(scope=scope, who="ch-li", why="over")


def test_only_stops_that_bound_the_sale_are_its_own() -> None:
    scopes = binding_scopes("C-1", ["p1"], ["osl", "hashkey", "osl"])
    assert scopes == ["all", "case/C-1", "parent/p1", "venue/hashkey", "venue/osl"]
    lines = house(
        (0, pause("all")), (1, cleared("all")),  # over before the sale
        (2, pause("venue/osl")), (12, cleared("venue/osl")),  # set before, in force when it began
        (13, pause("venue/other")), (14, pause("case/C-2")),  # of others
        (15, pause("all", "kill")),  # never cleared
        (31, pause("case/C-1")),  # after it had ended
    )  # fmt: skip
    found = stops_of(lines, scopes, AT + timedelta(minutes=10), AT + timedelta(minutes=30))
    assert [(each.kind, each.where, each.who) for each in found] == [
        ("ControlPause", "venue/osl", "ri-wang"),
        ("ControlCleared", "venue/osl", "ch-li"),
        ("ControlKill", "all", "ri-wang"),
    ]


def test_a_stop_of_the_institution_stands_among_the_incidents(finished: Finished) -> None:
    (sale,) = finished[0].sales
    begin = (sale.events[0][0] - AT) // timedelta(minutes=1)
    stopped = casefile("SH-2026-0032", finished[0].lines, house((begin, pause("all")), (begin + 5, cleared("all"))))
    assert "人工暂停|全机构|why all|王磊" in table_text(stopped, "zh", "incidents")
    assert "stop cleared|the whole institution|over|李静" in table_text(stopped, "en", "incidents")
    assert "全机构" not in table_text(finished[0], "zh", "incidents").split("上表包括")[0]


def waiting(*events: tuple[int, Any]) -> list[Line]:
    return [
        Line(stream="parent/p1", version=n, case_id="C-1", at=AT + timedelta(minutes=m), event=event)
        for n, (m, event) in enumerate(events, start=1)
    ]


WAITS = (
    (0, ParentWaiting(rule="floor", reason="bid under the floor", told=["op-zhang"])),
    (7, WaitEscalated(rule="floor", reason="bid under the floor", since=AT, told=["op-zhang", "ch-li"])),
    (10, ParentWorking()),
    (11, ParentWaiting(rule="cap.plan_percent_per_day", reason="full")),
    (13, ParentWaiting(rule="price.mean", reason="under the mean", told=["op-zhang"])),
)


def test_waits_say_how_long_and_who_was_told(finished: Finished) -> None:
    waits = waits_of(waiting(*WAITS))
    minute = timedelta(minutes=1)
    assert [(w.rule, (w.until or AT + 60 * minute) - w.at, w.for_price) for w in waits] == [
        ("floor", 10 * minute, True),
        ("cap.plan_percent_per_day", 2 * minute, False),
        ("price.mean", 47 * minute, True),
    ]
    assert (waits[0].told, waits[0].escalated_to) == (["op-zhang"], ["ch-li"])
    case = finished[0]
    for wait in waits:
        wait.until = wait.until or wait.at + minute
    waited = replace(case, sales=[replace(case.sales[0], waits=waits)])
    text = table_text(waited, "zh", "incidents")
    assert "底价|1|10 分|10 分|张明|2026-03-02 09:07:00（李静）" in text
    assert "卖出限额（每日卖出占方案数量上限）|1|2 分" in text
    assert "暂候期间系统未发出新的委托" in text
    assert "张明|李静" in table_text(waited, "zh", "waits")
    assert "附件二　暂候明细" in html(waited, Words("zh"))
    assert "卖出期间未发生因价格原因的暂候" in table_text(case, "zh", "incidents")


# --- the books -------------------------------------------------------------------------------------------------------


def test_the_trial_balance_is_there_and_balances(finished: Finished) -> None:
    (section,) = [each for each in sections_of(finished[0], Words("zh")) if each.key == "settlement"]
    table = [block for block in section.blocks if isinstance(block, Table)][-1]
    assert table.caption.startswith("科目余额表")
    sums = [row for row in table.rows if row[0] == "合计"]
    assert [row[1] for row in sums] == sorted({row[1] for row in table.rows})
    shown = [row for row in table.rows if row[0] != "合计"]
    for _, currency, debit, credit in sums:
        assert debit == credit
        for side in (2, 3):
            own = [
                D(row[side].replace(",", ""))
                for row in table.rows
                if row[1] == currency and row[0] != "合计" and row[side]
            ]
            assert sum(own) == D(debit.replace(",", ""))
    shown = [row for row in table.rows if row[0] != "合计"]
    assert len(shown) == len(list(finished[0].books.ledger.trial_balance()))


def test_the_deposit_s_cover_and_lowered_limits_are_shown(finished: Finished) -> None:
    (sale,) = finished[0].sales
    low = CoverCrossed(
        below=D(110), percent=D("109.375"), deposit=D(385_000_000), exposure=D(352_000_000), currency="CNY",
        mark_px=D("98450.5"),
    )  # fmt: skip
    again = msgspec.structs.replace(low, below=None, percent=D("111.5"))
    crossed = replace(sale, events=[*sale.events, (AT, low), (AT, again)])
    text = table_text(replace(finished[0], sales=[crossed]), "zh", "deposit")
    assert "110%|109.38%|人民币 385,000,000.00 元|人民币 352,000,000.00 元|98,450.50 美元" in text
    assert "已恢复|111.50%" in text
    lowered = LimitLowered(
        plan_hash="3d" * 32, limit="order_value", value=D(5_000), person="ri-wang", public_key="", signature="",
        why="市场转淡",
    )  # fmt: skip
    line = Line(stream="case/SH-2026-0032", version=999, case_id="SH-2026-0032", at=AT, event=lowered)
    found = incident(line)
    assert (found.kind, found.detail, found.who) == ("LimitLowered", "order_value 5000: 市场转淡", "ri-wang")
    assert Words("zh").term("incident", found.kind) == "限额收紧"


def after(case: CaseFile, *events: Any) -> CaseFile:
    """The case with these events of its stream recorded at its end."""
    stream = f"case/{case.case_id}"
    version = max(line.version for line in case.lines if line.stream == stream)
    more = [
        Line(stream=stream, version=version + number, case_id=case.case_id, at=case.lines[-1].at, event=event)
        for number, event in enumerate(events, start=1)
    ]
    return casefile(case.case_id, [*case.lines, *more])


def summary_text(case: CaseFile) -> str:
    return "\n".join("|".join(row) for row in summary(case, Words("en")).rows)


def test_a_deposit_that_came_after_a_release_is_held(finished: Finished) -> None:
    case = finished[0]
    assert "CNY 385,000,000.00 (released)" in summary_text(case)
    again = DepositPosted(amount=D(5), currency="USD", form="cash", evidence={}, who="se")
    text = summary_text(after(case, again, msgspec.structs.replace(again, currency="CNY")))
    assert "CNY 385,000,000.00 (released)" in text
    assert "USD 5.00 (not yet released)" in text
    assert "CNY 5.00 (not yet released)" in text


def test_what_two_people_have_corrected_stands_beside_what_was_sold(finished: Finished) -> None:
    case = finished[0]
    fill = next(ref for ref, entry in case.books.entries.items() if isinstance(entry.event, FillRecorded))
    second = Countersign(person="ch", public_key="", signature="")
    busted = LedgerCorrected(reverses=fill, postings=[], why="busted", who="se", second=second)
    assert f"Corrected by two people: not in the figures above|{fill}: busted" in summary_text(after(case, busted))


def test_a_share_of_a_pooled_sale_is_in_the_summary(finished: Finished) -> None:
    case = finished[0]
    gross = [FeeShare(venue="osl", currency="USD", amount=D("95000"))]
    share = PoolShare(case_id=case.case_id, qty=D("1.5"), gross=gross, rounding=[], fees=[])
    got = ShareReceived(pool="POOL", source="case/POOL#9", asset="BTC", share=share, unsold=D(0), who="se")
    text = summary_text(after(case, got))
    assert "Share of the pooled sale POOL|1.50000000 BTC" in text
    assert "USD 95,000.00" in text
