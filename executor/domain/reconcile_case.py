"""Reconciliation to zero of a whole case: inventory to coins sold, venue cash to treasury, the deposit, venue papers.

``residual zero`` means that every line is ``ok``: nothing is missing, nothing differs, in any chain.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from executor.domain import ledger as accounts
from executor.domain.books import Books, Entry
from executor.domain.case_events import CaseOpened, HoldingMoved
from executor.domain.chain import BREAK, MISSING, OK, Amounts, Line, Step, reconcile
from executor.domain.events import FillRecorded, ParentCreated
from executor.domain.money import EXACT, ZERO, add
from executor.domain.papers import Paper, coin_papers, papers
from executor.domain.postings import fill_postings
from executor.domain.settlement_events import PoolAllocated, PoolFormed, ShareReceived, StatementImported, StatementRow
from executor.domain.statement import Matching, Unmatched, match, off

COIN_STEPS = ("inventory", "sent", "credited", "reserved", "sold", "fills")
MONEY_STEPS = ("fills", "withdrawal", "bank", "safe", "conversion", "case_account", "receipt", "delivery")
POOL_STEPS = ("fills", "allocated")
DEPOSIT_STEPS = ("deposit_agreed", "deposit_posted", "deposit_released")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The lines of every chain, and how the venues' papers compare."""

    lines: list[Line]
    matching: Matching

    @property
    def zero(self) -> bool:
        """True when nothing is missing and nothing differs."""
        return all(line.status == OK for line in self.lines)

    @property
    def breaks(self) -> list[Line]:
        """The lines on which figures differ."""
        return [line for line in self.lines if line.status == BREAK]

    @property
    def missing(self) -> list[Line]:
        """The lines of which the record shows nothing."""
        return [line for line in self.lines if line.status == MISSING]


def reconcile_case(books: Books, now: datetime, holidays: Collection[date] = ()) -> Verdict:
    """Every line of the case as of ``now``; ``holidays`` are those of Hong Kong, for the clock on contract notes."""
    return _Case(books, now, holidays).verdict()


class _Case:
    def __init__(self, books: Books, now: datetime, holidays: Collection[date]) -> None:
        self._entries = list(books.standing())
        opened = [entry for entry in self._entries if isinstance(entry.event, CaseOpened)]
        self._opened: Entry | None = opened[0] if opened else None
        self._pooled = any(isinstance(entry.event, PoolFormed) for entry in self._entries)
        # A correction books the reversal too, so what it reverses is counted with it.
        self._sales = [entry for entry in books.entries.values() if _is_sale(entry, books)]
        fills = {entry.ref: entry.event for entry in self._sales if isinstance(entry.event, FillRecorded)}
        settled = {(fill.venue, fill.trade_id) for ref, fill in fills.items() if ref in books.corrected}
        self._fills = {ref: fill for ref, fill in fills.items() if ref not in books.corrected}
        self._markets = {ref: _market(books.created[ref.partition("#")[0]]) for ref in self._fills}
        imported = [entry.event for entry in self._entries if isinstance(entry.event, StatementImported)]
        self._matching = match(self._fills, imported, now, holidays, settled)

    def verdict(self) -> Verdict:
        """Every line."""
        coins = {asset: self._coin_steps(asset) for asset in self._assets()}
        money = [self._step(name) for name in (POOL_STEPS if self._pooled else MONEY_STEPS)]
        money[0].papers = [
            _plain("fills", entry.ref, key, amount) for entry in self._sales for key, amount in _cash_of(entry).items()
        ]
        wrong, absorbed = self._blame(coins, money)
        lines = []
        for asset, steps in coins.items():
            lines += self._coin_lines(asset, steps, absorbed, wrong)
            lines += self._recalled_lines(asset)
        if self._sales or not coins or not all(map(_nothing_to_sell, coins.values())):
            cash = {key: amount for key, amount in absorbed.items() if key[1]}
            lines += [line for line in reconcile("money", money, cash) if line.name != "fills"]
            lines.append(self._statement_line(wrong))
        return Verdict(lines + self._deposit(), self._matching)

    # --- the steps -------------------------------------------------------------------------------------------------

    def _assets(self) -> list[str]:
        held = [] if self._opened is None else [holding["asset"] for holding in self._opened.event.mandate["holdings"]]
        sold = [asset for entry in self._sales for asset in _coins(entry)]
        return sorted({*held, *sold})

    def _coin_steps(self, asset: str) -> list[Step]:
        steps = {name: Step(name, lone="inventory" if name == "sent" else "") for name in COIN_STEPS}
        if self._opened is not None:
            held = [h for h in self._opened.event.mandate["holdings"] if h["asset"] == asset]
            total = _sum(Decimal(holding["qty"]) for holding in held)
            steps["inventory"].papers.append(_plain("inventory", self._opened.ref, (asset, ""), total))
        for entry in self._entries:
            for paper in coin_papers(entry.ref, entry.event):
                if paper.source[0] == asset:
                    steps[paper.step].papers.append(paper)
        for entry in self._sales:
            for coin, amount in _coins(entry).items():
                if coin == asset:
                    steps["fills"].papers.append(_plain("fills", entry.ref, (asset, ""), amount))
        return list(steps.values())

    def _step(self, name: str) -> Step:
        step = Step(name)
        if name != "fills":
            for entry in self._entries:
                step.papers += [paper for paper in papers(entry.ref, entry.event) if paper.step == name]
                step.present |= name == "allocated" and isinstance(entry.event, PoolAllocated)
        return step

    def _deposit(self) -> list[Line]:
        steps = [self._step(name) for name in DEPOSIT_STEPS]
        agreed = None if self._opened is None else self._opened.event.mandate.get("deposit")
        if agreed is not None and self._opened is not None:
            key = (agreed["currency"], "")
            steps[0].papers.append(_plain(steps[0].name, self._opened.ref, key, Decimal(agreed["amount"])))
        return reconcile("deposit", steps)

    # --- venue papers ------------------------------------------------------------------------------------------------

    def _blame(self, coins: dict[str, list[Step]], money: list[Step]) -> tuple[str, Amounts]:
        """Where fills and papers differ: which of the two lines is broken (``fills`` or ``statement``; empty if they
        agree), and the differences in the chains that come from it.

        The fills are wrong if the neighbour in a chain agrees with the paper instead; or if theirs is the price and
        quantity that does not give the money stated."""
        differing = self._matching.differing
        if not differing:
            return "", {}
        delta: Amounts = {}
        for item in differing:
            market = self._market_of(item)
            if item.fill is not None and market:
                _count(delta, _effect(item.fill, *market), 1)
            if item.row is not None and market:
                _count(delta, _effect(_as_fill(item.venue, item.row), *market), -1)
        gaps = _gaps(coins, money)
        delta = {key: amount for key, amount in delta.items() if amount}
        explained = {key: amount for key, amount in delta.items() if gaps.get(key) == amount}
        if explained or not gaps.keys().isdisjoint(delta):
            return ("fills" if explained else "statement"), explained
        further_off = all(
            item.fill is not None and item.row is not None and off(item.fill) > off(item.row) for item in differing
        )
        return ("fills" if further_off else "statement"), {}

    def _market_of(self, item: Unmatched) -> tuple[str, str] | None:
        """The market of a fill; of a trade that the record does not have, the one market of the case at that venue."""
        if item.ref:
            return self._markets[item.ref]
        markets = {self._markets[ref] for ref, fill in self._fills.items() if fill.venue == item.venue}
        return markets.pop() if len(markets) == 1 else None

    def _coin_lines(self, asset: str, steps: list[Step], absorbed: Amounts, wrong: str) -> list[Line]:
        """The lines of an asset. What the papers prove wrong in the fills is taken out of the comparison and named."""
        error = absorbed.get((asset, ""), ZERO)
        if error:
            steps[-1].papers.append(_plain("fills", "", (asset, ""), EXACT.minus(error)))
        lines = reconcile(asset, steps)
        for item in self._matching.differing if wrong == "fills" else ():
            if (self._market_of(item) or (asset, ""))[0] == asset:
                lines[-1].broken(_said(item))
        if error:
            lines[-1].residual[asset] = error
        return lines

    def _recalled_lines(self, asset: str) -> list[Line]:
        """The way back of recalled coins, if any were."""
        steps = {name: Step(name) for name in ("recalled", "returned")}
        for entry in self._entries:
            move = entry.event
            if (
                isinstance(move, HoldingMoved)
                and move.asset == asset
                and "recalled" in (move.from_state, move.to_state)
            ):
                name = "recalled" if move.to_state == "recalled" else "returned"
                steps[name].papers.append(_plain(name, entry.ref, (asset, ""), move.qty))
        return reconcile(asset, list(steps.values())) if steps["recalled"].there else []

    def _statement_line(self, wrong: str) -> Line:
        line = Line("money", "statement")
        if self._pooled_only():
            return line
        without = sorted({fill.venue for fill in self._fills.values()} - self._matching.venues)
        if without or not self._matching.venues:
            line.status = MISSING
            line.details.append(f"no paper of {', '.join(without) or 'any venue'} was imported")
        for item in self._matching.differing if wrong == "statement" else ():
            line.broken(_said(item))
        for item in self._matching.late:
            line.broken(f"{item.venue} {item.trade_id}: contract note overdue, was {item.detail}")
        return line

    def _pooled_only(self) -> bool:
        """True for a case that only had a share in the sales of a pool: the venues' papers are the pool's."""
        return bool(self._sales) and not self._fills and not self._matching.venues


def _gaps(coins: dict[str, list[Step]], money: list[Step]) -> Amounts:
    """What the fills say beyond their neighbours, where these are there: the coins stated as sold, the money that left
    each venue."""
    gaps: Amounts = {}
    for steps in coins.values():
        if steps[-2].there:
            _count(gaps, steps[-1].came(), 1)
            _count(gaps, steps[-2].went(), -1)
    if money[1].there:
        _count(gaps, money[0].went(), 1)
        _count(gaps, money[1].came(), -1)
    return gaps


def _effect(fill: FillRecorded, asset: str, quote: str) -> Amounts:
    """What a fill sells and brings: coins by asset, cash by currency and venue."""
    entry = Entry("", fill.at, fill, tuple(fill_postings(fill, asset, quote)))
    return {(coin, ""): amount for coin, amount in _coins(entry).items()} | _cash_of(entry)


def _said(item: Unmatched) -> str:
    return f"{item.venue} {item.trade_id}: {item.what}: {item.detail}"


def _market(spec: ParentCreated) -> tuple[str, str]:
    return spec.asset, spec.quote_asset


def _nothing_to_sell(steps: list[Step]) -> bool:
    return steps[0].there and not any(steps[0].went().values())


def _is_sale(entry: Entry, books: Books) -> bool:
    """True for fills, shares of pooled sales, and corrections of either."""
    origin = books.entries[entry.corrects].event if entry.corrects else entry.event
    return isinstance(origin, FillRecorded | ShareReceived)


def _coins(entry: Entry) -> dict[str, Decimal]:
    """What a sale took of the coins, by asset: those sold and the fee, if that was taken in coins."""
    assets = {currency for account, currency, _ in entry.postings if account == accounts.SOLD}
    found: dict[str, Decimal] = {}
    for account, currency, amount in entry.postings:
        if currency in assets and account in (accounts.SOLD, accounts.FEES_TRADING):
            found[currency] = add(found.get(currency, ZERO), amount)
    return found


def _cash_of(entry: Entry) -> Amounts:
    found: Amounts = {}
    for account, currency, amount in entry.postings:
        if account.startswith(accounts.VENUE_CASH):
            key = (currency, account.removeprefix(accounts.VENUE_CASH))
            found[key] = add(found.get(key, ZERO), amount)
    return found


def _as_fill(venue: str, row: StatementRow) -> FillRecorded:
    return FillRecorded(
        client_order_id="",
        venue=venue,
        trade_id=row.trade_id,
        qty=row.qty,
        px=row.px,
        notional=row.notional,
        fee=row.fee,
        fee_asset=row.fee_asset,
        at=row.at,
    )


def _plain(step: str, ref: str, key: tuple[str, str], amount: Decimal) -> Paper:
    return Paper(step, ref, key, amount, key, amount, lambda _came, _went: True)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = add(total, amount)
    return total


def _count(into: Amounts, amounts: Amounts, sign: int) -> None:
    for key, amount in amounts.items():
        into[key] = add(into.get(key, ZERO), EXACT.multiply(amount, Decimal(sign)))
