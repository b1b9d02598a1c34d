"""Whole cases from entrustment to treasury in a journal, the sale itself by the real engine on mocked venues.

Times are those of the simulation, so that the same seed always gives the same record. All names are invented."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clock import LoopClock
from adapters.mock.world import Credit, MockWorld, WorldSpec
from config.mandates import load_mandate
from config.settings import load_settings
from executor.cli.compose import mocked
from executor.cli.recording import recording
from executor.domain.canonical import digest
from executor.domain.case_events import CaseOpened, HoldingMoved, PersonEnrolled, PlanApproved, PlanFrozen, RoleAssigned
from executor.domain.cover import Cover
from executor.domain.events import BreakExplained, BreakFound, FillRecorded
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.money import ZERO
from executor.domain.plan import Mandate, Plan
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    Countersign,
    DepositPosted,
    DepositReleased,
    FiatWithdrawn,
    FxConverted,
    ProceedsDelivered,
    ReceiptRecorded,
    SafeApproved,
    StatementImported,
    StatementRow,
)
from executor.domain.signing import approval_message, public_hex, sign
from executor.engine.runner import Runner
from executor.engine.virtual_time import run_virtual
from executor.journal.journal import Journal
from executor.journal.keys import new_key
from executor.journal.line import Line
from executor.journal.open import open_store

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "examples"
BEGIN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
D = Decimal
CENT = D("0.01")
PEOPLE = {
    "op-zhang": ("张明", "operator"),
    "ch-li": ("李静", "checker"),
    "ri-wang": ("王磊", "risk"),
    "se-chen": ("陈岚", "settlement"),
}
ADDRESSES = ("bc1qexample0000000000000000000000000000seized1", "bc1qexample0000000000000000000000000000seized2")
TRANSACTION = "4f" * 32
TEST_TRANSFER = "5e" * 32
ACCOUNT = "6222 0000 0000 0417"
COVER = Cover.model_validate(
    {
        "currency": "CNY",
        "coins": "all",
        "release_percent": "105",
        "halt_percent": "90",
        "warn_percents": ["100", "95"],
        "rates": {"USD": "7"},
    }
)


def private(person: str) -> Ed25519PrivateKey:
    """The key of a person: made from the name, so that it is always the same."""
    return Ed25519PrivateKey.from_private_bytes(person.encode().ljust(32, b".")[:32])


def mandate_of(mandate: Mandate) -> dict[str, Any]:
    """The mandate of the example with all that a real case must say."""
    table = mandate.model_dump(mode="json")
    table |= {
        "authority": "某市公安局（示例）",
        "institution": "示例处置服务有限公司",
        "legal_basis": "涉案财物处置委托书（示例）第 0417 号",
        "bureau": "某市公安局某分局（示例）",
        "platform": "北京产权交易所（示例）",
        "overseas_agent": "示例境外代理有限公司",
        "deposit": {"amount": "385000000.00", "currency": "CNY", "form": "cash"},
        "affiliates": [],
        "proceeds_account": ACCOUNT,
        "documents": [{"name": "涉案财物处置委托书", "sha256": "ab" * 32}, {"name": "移交清单", "sha256": "cd" * 32}],
        "authorised_people": [{"person": p, "name": n, "role": r} for p, (n, r) in PEOPLE.items()],
    }
    for holding in table["holdings"]:
        holding |= {"seizure_ref": "扣押清单第 17 号", "source_addresses": ADDRESSES, "transactions": [TRANSACTION]}
    return table


def before(mandate: Mandate, plan: Plan) -> list[tuple[str, datetime, Any]]:
    """What stands in the record before the first order: stream, time, event."""
    case, stream, start = mandate.case_id, f"case/{mandate.case_id}", BEGIN - timedelta(days=6)
    table, frozen = mandate_of(mandate), frozen_plan(mandate.case_id, plan.model_dump(mode="json"))
    hashed = plan_hash(frozen)
    made: list[tuple[str, datetime, Any]] = [
        ("people", start, PersonEnrolled(person=p, name=n, public_key=public_hex(private(p)), who="admin"))
        for p, (n, _) in PEOPLE.items()
    ]
    hours = iter(range(1, 200))

    def add(event: Any) -> None:
        made.append((stream, start + timedelta(hours=next(hours)), event))

    add(CaseOpened(case_id=case, mandate=table, mandate_hash=digest(table), who="op-zhang"))
    for person, (_, role) in PEOPLE.items():
        add(RoleAssigned(person=person, role=role, who="admin"))
    add(
        DepositPosted(
            amount=D("385000000.00"), currency="CNY", form="cash", evidence={"receipt": "BZJ-0417"}, who="se-chen"
        )
    )
    until = BEGIN + timedelta(days=10)
    add(PlanFrozen(plan_hash=hashed, frozen=frozen, drafter="op-zhang", expires_at=until))
    for person in ("ch-li", "ri-wang"):
        key = private(person)
        signature = sign(key, approval_message(case, hashed, "op-zhang", until))
        add(PlanApproved(plan_hash=hashed, person=person, public_key=public_hex(key), signature=signature))
    for event in _moves(plan.asset, plan.qty, hashed):
        add(event)
    return made


def _moves(asset: str, qty: Decimal, hashed: str) -> list[HoldingMoved]:
    """A small test first, then the rest; then all of it reserved for the plan."""
    papers = {
        "ownership_proof": "签名验证-0417",
        "kyt": "KYT-88213",
        "clearance": "OSL-PRE-0417",
        "test_transfer": TEST_TRANSFER,
        "originator": "某市公安局（示例）",
        "originator_account": ADDRESSES[0],
        "originator_id": "统一社会信用代码-示例",
        "recipient": "示例处置服务有限公司",
        "recipient_account": "OSL 存入地址-示例",
    }
    test, made = D("0.001"), list[HoldingMoved]()
    for amount, transaction in ((test, TEST_TRANSFER), (qty - test, TRANSACTION)):
        common: dict[str, Any] = {"asset": asset, "qty": amount, "who": "op-zhang"}
        sent = papers | {"transaction": transaction}
        value = amount * 780_000
        made.append(
            HoldingMoved(from_state="accepted", to_state="in_transit", evidence=sent, value_hkd=value, **common)
        )
        credit = {"transaction": transaction, "venue_credit": f"CR-{transaction[:6]}"}
        made.append(HoldingMoved(from_state="in_transit", to_state="credited", evidence=credit, **common))
    made.append(
        HoldingMoved(
            asset=asset, qty=qty, from_state="credited", to_state="reserved", evidence={"plan": hashed}, who="executor"
        )
    )
    return made


def after(
    case: str, fills: list[FillRecorded], end: datetime, asset: str, evidence: dict[str, str]
) -> list[tuple[str, datetime, Any]]:
    """What follows the sale: coins sold, contract notes, money to the treasury, the deposit back."""
    stream, hours, made = f"case/{case}", iter(range(2, 500, 5)), list[tuple[str, datetime, Any]]()
    second = Countersign(person="ch-li", public_key=public_hex(private("ch-li")), signature="00" * 64)

    def add(event: Any) -> int:
        made.append((stream, end + timedelta(hours=next(hours)), event))
        return len(made)

    sold = sum((fill.qty for fill in fills), ZERO)
    add(
        HoldingMoved(
            asset=asset, qty=sold, from_state="reserved", to_state="sold", evidence=evidence,
            who="executor",
        )
    )  # fmt: skip
    venues = sorted({fill.venue for fill in fills})
    for venue in venues:
        rows = [_row(fill) for fill in fills if fill.venue == venue]
        for first in range(0, len(rows), 100):
            add(
                StatementImported(
                    venue=venue,
                    paper="contract-note",
                    file=f"{venue}-20260303.csv",
                    sha256=digest(venue),
                    first_row=first + 1,
                    rows=rows[first : first + 100],
                    who="se-chen",
                )
            )
    total, advice = ZERO, {"advice": "出金通知 20260303"}
    for venue in venues:
        cash = sum((f.notional - f.fee for f in fills if f.venue == venue), ZERO)
        net = cash.quantize(CENT, rounding="ROUND_DOWN") - 25
        total += net
        add(
            FiatWithdrawn(
                venue=venue,
                currency="USD",
                amount=cash,
                fee=D(25),
                rounding=cash - net - 25,
                net=net,
                to_account="012-345678-901",
                evidence=advice,
                who="se-chen",
                second=second,
            )
        )
    got: dict[str, Any] = {"evidence": {"slip": "水单 20260304-7"}, "who": "se-chen"}
    add(
        BankCredited(bank="中信银行（国际）示例账户", currency="USD", amount=total, charge=D(30), net=total - 30, **got)
    )
    usd = total - 30
    add(SafeApproved(currency="USD", amount=usd, evidence={"approval": "京汇复〔2026〕示例 88 号"}, who="se-chen"))
    gross = (usd * D("7.1856")).quantize(CENT)
    cny = gross - 500
    add(
        FxConverted(
            bank="中信银行北京分行（示例）",
            currency="USD",
            amount=usd,
            rate=D("7.1856"),
            to_currency="CNY",
            gross=gross,
            charge=D(500),
            net=cny,
            rounding="half-even",
            **got,
        )
    )
    add(CaseAccountCredited(account=ACCOUNT, currency="CNY", amount=cny, charge=ZERO, net=cny, **got))
    add(
        ReceiptRecorded(
            issuer="某市公安局某分局（示例）",
            currency="CNY",
            amount=cny,
            evidence={"receipt": "收讫-0417"},
            who="se-chen",
        )
    )
    add(
        ProceedsDelivered(
            to="treasury", currency="CNY", amount=cny, evidence={"receipt": "非税收入票据-0417"}, who="se-chen"
        )
    )
    add(
        DepositReleased(
            amount=D("385000000.00"),
            currency="CNY",
            receipt=f"case/{case}#30",
            evidence={"slip": "退付-0417"},
            who="se-chen",
            second=second,
        )
    )
    return made


def _row(fill: FillRecorded) -> StatementRow:
    values = {name: getattr(fill, name) for name in ("trade_id", "qty", "px", "notional", "fee", "fee_asset", "at")}
    return StatementRow(**values, note=f"CN{fill.trade_id[-6:]}")


def incident(parent: str) -> list[Any]:
    """A difference that a person explained: what a report must not hide."""
    found = BreakFound(venue="osl", name="purse", detail="exchange holds 0.00000001 more than expected", items=["x-1"])
    return [found, BreakExplained(venue="osl", name="purse", act=1, who="ch-li", why="平台奖励小额入账，已附平台说明")]


async def _sell(place: Path, mandate: Mandate, plan: Plan, start_px: Decimal) -> None:
    clock = LoopClock(BEGIN)
    credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in mandate.credited]
    world = MockWorld(WorldSpec(plan.asset, plan.quote_asset, plan.seed, BEGIN, start_px, credits), clock)
    journal = Journal(open_store(place), threaded=False)
    versions: dict[str, int] = {}

    async def write(case: str, events: list[tuple[str, datetime, Any]]) -> None:
        for stream, at, event in events:
            if stream not in versions:
                versions[stream] = sum(1 for _ in journal.read(stream))
            versions[stream] += 1
            own = "" if stream == "people" else case
            await journal.append([Line(stream=stream, version=versions[stream], case_id=own, at=at, event=event)])

    try:
        await write(mandate.case_id, before(mandate, plan))
        async with recording(place, clock, lambda _line: None, threaded=False) as told:
            runner = Runner(
                mandate, plan, mocked(world, load_settings(), plan.venues, clock), journal, clock, observer=told
            )
            try:
                state = await runner.run()
            finally:
                await runner.aclose()
            lines = list(journal.read(f"parent/{state.spec.parent_id}"))
            fills = [line.event for line in lines if isinstance(line.event, FillRecorded)]
            stream = f"parent/{state.spec.parent_id}"
            end = clock.now()
            await write(mandate.case_id, [(stream, end, event) for event in incident(state.spec.parent_id)])
            rests = {"parent": state.spec.parent_id, "plan": state.spec.plan_hash}
            tail = after(mandate.case_id, fills, end, plan.asset, rests)
            await write(mandate.case_id, tail)
            await asyncio.sleep((tail[-1][1] - end).total_seconds())
    finally:
        await journal.aclose()


def whole_case(
    folder: Path, name: str = "beijing-500btc.toml", start_px: str = "100000", seed: int | None = None
) -> Path:
    """The journal of a finished case in ``folder``; its key lies beside it."""
    mandate, plan = load_mandate(EXAMPLES / name)
    plan = plan.model_copy(update={"cover": COVER})
    if seed is not None:
        plan = plan.model_copy(update={"seed": seed})
    place = folder / "journal.sqlite"
    new_key(folder / "journal.sqlite.key", "example.org/record")
    run_virtual(_sell(place, mandate, plan, D(start_px)))
    return place
