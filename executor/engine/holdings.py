"""A sale and the coins of its case: reserved before the first order, and what was sold moved to sold at the end.

Only what a venue has credited can be reserved. Everything here can be done again after a crash: what is still to be
moved is what the record says is reserved for the plan.
"""

from decimal import Decimal

from adapters.clock import Clock
from executor.domain.case import HoldingState
from executor.domain.case_events import HoldingMoved
from executor.domain.money import ZERO
from executor.domain.parent import Parent
from executor.domain.plan import Plan
from executor.engine.approval import act, load_case
from executor.engine.parent_log import stream_of
from executor.engine.runner import Runner
from executor.journal.journal import Journal

_WHO = "executor"  # these moves follow from the record; nobody orders them


class CaseCoins:
    """The coins of one case as far as one plan goes. Where none was accepted (a rehearsal) there is nothing to move."""

    def __init__(self, journal: Journal, case_id: str, plan: Plan, plan_hash: str, clock: Clock) -> None:
        self._journal = journal
        self._case_id = case_id
        self._plan = plan
        self._hash = plan_hash
        self._clock = clock

    async def reserve(self) -> None:
        """Reserve for the plan what it sells. Raises ``RuleRefused`` if not so much is credited."""
        case = load_case(self._journal, self._case_id)
        missing = self._plan.qty - case.reserved.get(self._hash, ZERO)
        if self._hash in case.plans and missing > 0:
            await self._move(missing, HoldingState.CREDITED, HoldingState.RESERVED, {"plan": self._hash})

    async def release(self) -> None:
        """Give back what is reserved for the plan and will not be sold."""
        left = load_case(self._journal, self._case_id).reserved.get(self._hash, ZERO)
        if left > 0:
            await self._move(left, HoldingState.RESERVED, HoldingState.CREDITED, {"plan": self._hash})

    async def settle(self, parent: Parent) -> None:
        """Move what a finished parent order has sold to sold, what was kept of the coins to fees, and give back the
        rest."""
        case = load_case(self._journal, self._case_id)
        if not parent.finished or self._hash not in case.plans:
            return
        evidence = {"plan": self._hash, "parent": parent.spec.parent_id}
        sold = min(parent.cum_qty - case.sold.get(self._hash, ZERO), case.reserved.get(self._hash, ZERO))
        if sold > 0:
            await self._move(sold, HoldingState.RESERVED, HoldingState.SOLD, evidence)
        await self._keep_fees(parent, evidence)
        await self.release()

    async def _keep_fees(self, parent: Parent, evidence: dict[str, str]) -> None:
        """Move what venues took as fees in coins: first of what is reserved and was not sold, then of what else the
        case has credited. Where it has no more, the reconciliation shows the rest as a break."""
        case = load_case(self._journal, self._case_id)
        owed = parent.total.fees.get(self._plan.asset, ZERO) - case.kept.get(self._hash, ZERO)
        short = owed - case.reserved.get(self._hash, ZERO)
        more = min(short, case.holdings[self._plan.asset][HoldingState.CREDITED])
        if more > 0:
            await self._move(more, HoldingState.CREDITED, HoldingState.RESERVED, {"plan": self._hash})
        kept = owed - max(short, ZERO) + max(more, ZERO)
        if kept > 0:
            await self._move(kept, HoldingState.RESERVED, HoldingState.FEES, evidence)

    async def _move(self, qty: Decimal, left: HoldingState, reached: HoldingState, evidence: dict[str, str]) -> None:
        move = HoldingMoved(
            asset=self._plan.asset, qty=qty, from_state=left, to_state=reached, evidence=evidence, who=_WHO
        )
        fault = load_case(self._journal, self._case_id).refuse_move(move)
        await act(self._journal, self._case_id, move, fault, _WHO, self._clock)


async def sold_from_case(runner: Runner, journal: Journal, coins: CaseCoins) -> Parent:
    """Run a parent order on coins that are reserved for it. Raises what the run raises; coins of a run that never began
    are given back."""
    begun = any(True for _ in journal.read(stream_of(runner.parent_id)))
    if not begun:
        await coins.reserve()
    try:
        state = await runner.run()
    except BaseException:
        if runner.state.created is None:
            await coins.release()
        raise
    await coins.settle(state)
    return state
