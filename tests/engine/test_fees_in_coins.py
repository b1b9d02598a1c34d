"""A venue that takes its fee in the coins it sells: the holdings of the case stay exact, and the chain ends at zero."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.clock import SystemClock
from config.mandates import load_mandate
from executor.domain.case import Case, HoldingState
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.orders import Tally
from executor.domain.plan import Mandate, Plan
from executor.engine.approval import load_case
from executor.engine.holdings import CaseCoins
from executor.journal.journal import Journal
from executor.journal.open import open_store
from tests.approved import approve
from tests.report.case_whole import EXAMPLES

D = Decimal
BEGIN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def finished(sold: str, fee: str) -> Any:
    """A parent order that has ended, as far as the holdings look at it."""
    total = Tally(cum_qty=D(sold), fees={"BTC": D(fee), "USD": D(3)})
    return SimpleNamespace(finished=True, cum_qty=D(sold), total=total, spec=SimpleNamespace(parent_id="p1"))


def moved(folder: Path, parent: Any, planned: str) -> tuple[Case, Mandate]:
    """The case after a sale of ``planned`` coins that ended like ``parent``; settled twice, as after a crash."""
    mandate, plan = load_mandate(EXAMPLES / "shanghai-half-btc.toml")
    legs = (plan.legs[0].model_copy(update={"qty": D(planned)}),)
    less: Plan = plan.model_copy(update={"qty": D(planned), "legs": legs})
    store = open_store(folder / "journal.sqlite")
    approve(store, mandate, less, BEGIN)
    journal = Journal(store, threaded=False)
    frozen = plan_hash(frozen_plan(mandate.case_id, less.model_dump(mode="json")))
    coins = CaseCoins(journal, mandate.case_id, less, frozen, SystemClock())

    async def whole() -> Case:
        try:
            await coins.reserve(lambda: "")
            await coins.settle(parent)
            await coins.settle(parent)
            return load_case(journal, mandate.case_id)
        finally:
            await journal.aclose()

    return asyncio.run(whole()), mandate


@pytest.mark.parametrize(
    ("planned", "sold", "fee", "left"),
    [
        ("0.5", "0.4995", "0.0005", "0"),  # the fee is what could not be sold any more
        ("0.4", "0.4", "0.0004", "0.0996"),  # all was sold: the fee comes out of what else is credited
        ("0.4", "0.3999", "0.0004", "0.0997"),  # some of both
        ("0.4", "0.3", "0", "0.2"),
        ("0.5", "0.5", "0.0005", "0"),  # coins that this case does not have: not invented, left for the reconciliation
    ],
)
def test_the_holdings_stay_exact(tmp_path: Path, planned: str, sold: str, fee: str, left: str) -> None:
    case, mandate = moved(tmp_path, finished(sold, fee), planned)
    states = case.holdings["BTC"]
    assert states[HoldingState.RESERVED] == 0
    assert states[HoldingState.SOLD] == D(sold)
    assert states[HoldingState.CREDITED] == D(left)
    assert states[HoldingState.FEES] == (D(fee) if D(sold) + D(fee) <= D("0.5") else 0)
    assert sum(states.values()) == mandate.holdings[0].qty
    assert case.sellable("BTC") == mandate.holdings[0].qty - states[HoldingState.FEES]
