"""A sale and the coins of its case: reserved before the first order, and what was sold moved to sold at the end.

Only what a venue has credited can be reserved. Everything here can be done again after a crash: what is still to be
moved is what the record says is reserved for the plan.
"""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from adapters.clock import Clock
from executor.domain.case import Case, HoldingState
from executor.domain.case_events import HoldingMoved
from executor.domain.money import ZERO
from executor.domain.parent import Parent
from executor.domain.plan import Plan
from executor.engine.approval import act, load_case, load_people
from executor.engine.runner import Runner
from executor.errors import TakenOver
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

    async def reserve(self, uncovered: Callable[[], str]) -> None:
        """Reserve for the plan what it sells. Raises ``RuleRefused`` if not so much is credited, or if ``uncovered``
        says why the deposit does not cover it: asked of the record as it is when it is written."""
        await self._move(
            HoldingState.CREDITED, HoldingState.RESERVED, self._unreserved, {"plan": self._hash}, uncovered
        )

    async def release(self) -> None:
        """Give back what is reserved for the plan and will not be sold."""

        def left(case: Case) -> Decimal:
            return case.reserved.get(self._hash, ZERO)

        await self._move(HoldingState.RESERVED, HoldingState.CREDITED, left, {"plan": self._hash})

    async def settle(self, parent: Parent) -> None:
        """Move what a finished parent order has sold to sold, what was kept of the coins to fees, and give back the
        rest."""
        if not parent.finished:
            return

        def sold(case: Case) -> Decimal:
            return min(parent.cum_qty - case.sold.get(self._hash, ZERO), case.reserved.get(self._hash, ZERO))

        evidence = {"plan": self._hash, "parent": parent.spec.parent_id}
        await self._move(HoldingState.RESERVED, HoldingState.SOLD, sold, evidence)
        await self._keep_fees(parent, evidence)
        await self.release()

    async def _keep_fees(self, parent: Parent, evidence: dict[str, str]) -> None:
        """Move what venues took as fees in coins: first of what is reserved and was not sold, then of what else the
        case has credited. Where it has no more, the reconciliation shows the rest as a break."""
        asset = self._plan.asset

        def owed(case: Case) -> Decimal:
            return parent.total.fees.get(asset, ZERO) - case.kept.get(self._hash, ZERO)

        def missing(case: Case) -> Decimal:
            short = owed(case) - case.reserved.get(self._hash, ZERO)
            return min(short, case.holdings[asset][HoldingState.CREDITED])

        def kept(case: Case) -> Decimal:
            return min(owed(case), case.reserved.get(self._hash, ZERO))

        await self._move(HoldingState.CREDITED, HoldingState.RESERVED, missing, {"plan": self._hash})
        await self._move(HoldingState.RESERVED, HoldingState.FEES, kept, evidence)

    def _unreserved(self, case: Case) -> Decimal:
        return self._plan.qty - case.reserved.get(self._hash, ZERO)

    async def _move(
        self,
        left: HoldingState,
        reached: HoldingState,
        qty: Callable[[Case], Decimal],
        evidence: dict[str, str],
        uncovered: Callable[[], str] = lambda: "",
    ) -> None:
        """Move ``qty`` of the case, if there is anything to move, as the record stands when it is written."""

        def judged() -> tuple[HoldingMoved, str]:
            case = load_case(self._journal, self._case_id)
            moving = qty(case) if self._hash in case.plans else ZERO
            if moving <= 0:
                raise _NothingToMove
            move = HoldingMoved(
                asset=self._plan.asset, qty=moving, from_state=left, to_state=reached, evidence=evidence, who=_WHO
            )
            return move, case.refuse_move(move, load_people(self._journal)) or uncovered()

        with suppress(_NothingToMove):
            await act(self._journal, self._case_id, judged, _WHO, self._clock)


class _NothingToMove(Exception):
    """What was to be moved has been moved, or there is no such plan in the case."""


async def sold_from_case(runner: Runner, coins: CaseCoins) -> Parent:
    """Run a parent order on coins that it reserves as it begins. Raises what the run raises; coins of a run that never
    began are given back, unless it was begun by another process: they are that one's now."""
    try:
        state = await runner.run()
    except TakenOver:
        raise
    except BaseException:
        if runner.state.created is None:
            await coins.release()
        raise
    await coins.settle(state)
    return state
