"""One process in small that sells under caps: its plan's terms, and orders intended and ended through the journal."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from executor.domain.counting import Sale, counted_at
from executor.domain.events import ChildClosed, ChildIntended, Counted, ParentCreated
from executor.domain.money import ZERO
from executor.domain.reservation import Reservation
from executor.engine.counting import Counting
from executor.errors import CapReached, Outdated
from executor.journal.journal import Journal, Store
from executor.journal.line import Line
from executor.journal.store import NOTHING
from tests.domain.events_made import AT, created, filled, intended

D = Decimal


@dataclass
class Seller:
    """``own``: the terms of its plan; ``most``: the cap of each of them. It sells at one venue."""

    store: Store
    name: str
    own: frozenset[str]
    venue: str
    most: Decimal = ZERO
    version: int = 0
    numbers: int = 0
    open: dict[str, Decimal] = field(default_factory=dict)
    sold: Decimal = ZERO

    def __post_init__(self) -> None:
        self.journal = Journal(self.store, threaded=False)
        self.counting = Counting(self.journal, self.own)
        self.sale = Sale(f"CASE-{self.name}", "BTC", "USD", D(1000))
        self.reserved: dict[str, list[Counted]] = {}

    async def write(self, *events: Any, reserve: Any = (), expects: Any = NOTHING) -> None:
        lines = [
            Line(stream=f"parent/{self.name}", version=self.version + n, case_id=self.sale.case_id, at=AT, event=event)
            for n, event in enumerate(events, start=1)
        ]
        await self.journal.append(lines, (), reserve, expects)
        self.version += len(events)

    async def begin(self) -> None:
        made = {"parent_id": self.name, "case_id": self.sale.case_id, "qty": D(1000)}
        legs = [{"kind": "twap", "qty": "1000"}]
        event: ParentCreated = created(**made, legs=legs, plan={"guards": {"fast_move_bps": "500"}})
        await self.write(event)

    async def intend(self, qty: Decimal) -> str:
        """What became of it: not ready, outdated, full or intended."""
        if not self.counting.ready:
            await self.counting.step(AT)
            return "not ready"
        named = self.counting.named | self.own
        found = list(counted_at(named, self.sale, self.venue, AT).values())
        mine = counted_at(self.own, self.sale, self.venue, AT)
        reserve = [Reservation(each.name, qty, self.most if each.name in mine else None) for each in found]
        name = f"{self.name}-{self.numbers + 1}"
        kept = [Counted(counter=each.name, unit="qty", amount=qty) for each in found]
        event: ChildIntended = intended(
            self.numbers + 1, qty, client_order_id=name, venue=self.venue, limit_px=D(90_000), reserved=kept
        )
        try:
            await self.write(event, reserve=reserve, expects=self.counting.rests_on)
        except Outdated:
            self.counting.reread()
            return "outdated"
        except CapReached:
            return "full"
        self.numbers += 1
        self.open[name], self.reserved[name] = qty, kept
        return "intended"

    async def end(self, part: int) -> None:
        name, qty = self.open.popitem()
        sold = qty * part / 100
        fill = filled(1, f"t-{name}", sold, client_order_id=name, venue=self.venue)
        closed = ChildClosed(client_order_id=name, venue_status="done", cum_qty=sold)
        back = [Reservation(each.counter, sold - qty) for each in self.reserved[name]]
        await self.write(*([fill] if sold else []), closed, reserve=back)
        self.sold += sold

    @property
    def taken(self) -> Decimal:
        return self.sold + sum(self.open.values(), D(0))
