"""A case that has sold, for the commands of the settlement: people with keys, an accepted mandate, fills at two venues.

The coins and fills are written into the journal as a run would leave them; everything after is done by commands."""

import asyncio
import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from executor.domain.case_events import HoldingMoved, PlanFrozen
from executor.domain.events import FillRecorded, ParentFinished
from executor.domain.ids import frozen_plan, plan_hash
from executor.exit_codes import ExitCode
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.sqlite import SqliteStore
from tests.cli.commands import call
from tests.domain.events_made import created, filled, intended

D = Decimal
AT = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)  # a Thursday, long ago
ROLES = {"op": "operator", "ch": "checker", "ri": "risk", "se": "settlement", "au": "auditor"}
PAPERS = ("venue_credit", "ownership_proof", "kyt", "clearance")
TRAVEL = ("originator", "originator_account", "originator_id", "recipient", "recipient_account")
MANDATE = """
case_id = "{case}"
authority = "Example authority"
bureau = "Example bureau"
platform = "Example exchange"
institution = "Example institution"
legal_basis = "entrustment 9"
proceeds_account = "account of case {case}"
affiliates = []
plan = "plan.toml"
{people}
[deposit]
amount = "7000000"
currency = "CNY"
form = "cash"

[[documents]]
name = "entrustment letter"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[[holdings]]
asset = "BTC"
network = "bitcoin"
qty = "{qty}"
seizure_ref = "list 1"
source_addresses = ["address"]
transactions = ["hash"]

[[credited]]
venue = "osl"
account = "exchange"
asset = "BTC"
qty = "{qty}"
"""


class Treasury:
    """A journal with people and cases, all in one folder."""

    def __init__(self, folder: Path, **cases: str) -> None:
        """``cases`` maps case to the quantity of BTC it holds."""
        self.folder = folder
        self.journal = ("--journal", folder / "journal.sqlite")
        for person in ROLES:
            public = call("keys", "new", self.key(person)).stdout.strip()
            self.done("keys", "enroll", person, public, "--name", person, "--who", "admin")
        people = "".join(
            f'\n[[authorised_people]]\nperson = "{person}"\nname = "{person}"\nrole = "{role}"\n'
            for person, role in ROLES.items()
        )
        for case, qty in cases.items():
            mandate = folder / f"{case}.toml"
            mandate.write_text(MANDATE.format(case=case, qty=qty, people=people))
            self.done("mandate", "accept", mandate, "--who", "op")
            for person, role in ROLES.items():
                self.done("mandate", "role", case, person, role, "--who", "admin")

    def key(self, person: str) -> Path:
        return self.folder / f"{person}.key"

    def done(self, *words: object) -> str:
        ended = call(*words, *self.journal)
        assert ended.returncode == ExitCode.OK, ended.stderr
        return ended.stdout

    def refused(self, why: str, *words: object, code: ExitCode = ExitCode.REFUSED) -> None:
        ended = call(*words, *self.journal)
        assert (ended.returncode, ended.stdout) == (code, ""), ended
        assert why in ended.stderr, ended.stderr

    def signed(self, *words: object, second: str = "ch", key: str | None = None) -> tuple[object, ...]:
        """A command of the settlement role with a second person's signature."""
        return (*words, "--who", "se", "--second", second, "--key", self.key(key or second))

    def credits(self, case: str, qty: str) -> None:
        """Coins of the case are credited at a venue, a small test first."""
        rest = f"{D(qty) - D('0.1'):f}"
        moves = [
            _move("0.1", "accepted", "in_transit", "t0"),
            _move("0.1", "in_transit", "credited", "t0"),
            _move(rest, "accepted", "in_transit", "t1"),
            _move(rest, "in_transit", "credited", "t1"),
        ]
        self.write(case, f"case/{case}", moves)

    def promises(self, case: str, qty: str, reserved: str) -> str:
        """Coins of the case are credited, and so many of them reserved for a plan. Returns the plan."""
        frozen = frozen_plan(case, {"asset": "BTC", "qty": reserved})
        plan = plan_hash(frozen)
        self.credits(case, qty)
        moves = [
            PlanFrozen(plan_hash=plan, frozen=frozen, drafter="op", expires_at=AT),
            _move(reserved, "credited", "reserved", plan),
        ]
        self.write(case, f"case/{case}", moves)
        return plan

    def sells(
        self, case: str, qty: str, fills: Sequence[FillRecorded], parent: str = "abcdefghij", also: str = "0"
    ) -> None:
        """Coins of the case are credited, reserved and sold with these fills; ``also`` so many are credited only."""
        plan = self.promises(case, str(D(qty) + D(also)), qty)
        moves = [_move(qty, "reserved", "sold", plan)]
        children = {fill.client_order_id: fill.qty for fill in fills}
        events = [created(case_id=case, parent_id=parent, qty=D(qty), venues=["osl", "hashkey"])]
        for number, fill in enumerate(fills, start=1):
            name = f"{parent}-{number}"
            order = {"client_order_id": name, "venue": fill.venue}
            events.append(intended(number, children[fill.client_order_id], **order))  # type: ignore[arg-type]
            events.append(fill)  # type: ignore[arg-type]
        events.append(ParentFinished(completed=True, leaves_qty=D(0), reason="all sold"))  # type: ignore[arg-type]
        self.write(case, f"case/{case}", moves)
        self.write(case, f"parent/{parent}", events)

    def write(self, case: str, stream: str, events: Sequence[Any]) -> None:
        """Append events to a stream of the journal."""

        async def act() -> None:
            journal = Journal(SqliteStore(self.journal[1]), threaded=False)
            after = sum(1 for _ in journal.read(stream))
            await journal.append(
                [
                    Line(stream=stream, version=n, case_id=case, at=AT + timedelta(seconds=n), event=event)
                    for n, event in enumerate(events, start=after + 1)
                ]
            )
            await journal.aclose()

        asyncio.run(act())

    def notes(self, venue: str, fills: Sequence[FillRecorded], name: str = "notes.csv") -> Path:
        """A CSV file of contract notes that says what the fills of ``venue`` say."""
        file = self.folder / f"{venue}-{name}"
        columns = ("trade_id", "qty", "px", "notional", "fee", "fee_asset", "at")
        with file.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out)
            rows.writerow([*columns, "note", "symbol"])
            for fill in fills:
                if fill.venue == venue:
                    cells = [f"{value:f}" if isinstance(value, Decimal) else value for value in _cells(fill, columns)]
                    rows.writerow([*cells, f"CN-{fill.trade_id}", "BTCUSD"])
        return file


def _move(qty: str, source: str, target: str, paper: str) -> HoldingMoved:
    """Coins on their way, with every paper; the first transfer to the venue is the test."""
    shown = dict.fromkeys((*PAPERS, *TRAVEL), "1") | {
        "transaction": paper,
        "test_transfer": "t0",
        "plan": paper,
        "parent": "p",
    }
    value = D(10**7) if target == "in_transit" else None
    return HoldingMoved(
        asset="BTC", qty=D(qty), from_state=source, to_state=target, evidence=shown, who="op", value_hkd=value
    )


def _cells(fill: FillRecorded, columns: Sequence[str]) -> list[Any]:
    return [fill.at.isoformat() if column == "at" else getattr(fill, column) for column in columns]


def two_fills(parent: str = "abcdefghij") -> list[FillRecorded]:
    """6 BTC at osl, by quote, and 4 at hashkey with a fee: 950,000.06 USD less 12 of fee."""
    return [
        filled(1, "o1", "6", "95000.01", venue="osl", fee=D(0), at=AT, client_order_id=f"{parent}-1"),
        filled(2, "h1", "4", "95000", venue="hashkey", fee=D("12.005"), at=AT, client_order_id=f"{parent}-2"),
    ]
