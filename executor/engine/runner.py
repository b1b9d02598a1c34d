"""Runs one parent order from the journal's last word to its end: create or load, settle what is open, work the legs."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import TypeVar

import structlog

from adapters.clock import Clock
from adapters.venue import Venue
from executor.domain.events import (
    ArrivalMarked,
    Counted,
    ParentCreated,
    ParentFinished,
    ParentHalted,
    ParentStopped,
    ParentTaken,
    PursesRead,
)
from executor.domain.ids import frozen_plan, parent_id, plan_hash
from executor.domain.money import ZERO, plain
from executor.domain.orders import ChildStatus, ParentStatus
from executor.domain.parent import Parent
from executor.domain.plan import Mandate, OtcLeg, Plan
from executor.domain.reservation import Reservation, holding_counter
from executor.engine.approval import Approval, refuse, require_approval
from executor.engine.control import Controls, cancel_everything, kills, live_orders
from executor.engine.desk import Desk, composite_mid, tops
from executor.engine.gate import Gate
from executor.engine.legs import work_otc, work_twap
from executor.engine.neighbours import Neighbours
from executor.engine.parent_log import Observer, ParentLog
from executor.engine.reconcile import Reconciler
from executor.engine.stop import Stop
from executor.engine.tuning import Tuning
from executor.engine.watch import Watch
from executor.engine.work import Work
from executor.errors import (
    CapReached,
    ExecutorError,
    GuardHalts,
    Held,
    Interrupted,
    JournalFailed,
    RecordBroken,
    RuleRefused,
    Stopped,
    VenueUnreachable,
)
from executor.journal.journal import Journal
from executor.log_events import LogEvent
from executor.strategy.capacity import over_caps
from executor.strategy.feasibility import obstacles

log = structlog.get_logger()

T = TypeVar("T")


class Runner:
    """One parent order: one mandate, one plan, one set of venues."""

    def __init__(
        self,
        mandate: Mandate,
        plan: Plan,
        venues: Sequence[Venue],
        journal: Journal,
        clock: Clock,
        *,
        observer: Observer,
        tuning: Tuning | None = None,
        owner: str = "",
        reserve: Callable[[Callable[[], str]], Awaitable[None]] | None = None,
    ) -> None:
        """``reserve`` reserves the coins of the case for the plan unless what it is given says why not."""
        self._mandate = mandate
        self._plan = plan
        self._plan_values = plan.model_dump(mode="json")
        self.digest = plan_hash(frozen_plan(mandate.case_id, self._plan_values))
        self.parent_id = parent_id(mandate.case_id, plan.asset, self.digest)
        self._journal = journal
        self._clock = clock
        self._tuning = tuning or Tuning()
        self._owner = owner or f"{socket.gethostname()}/{os.getpid()}"
        self._reserve = reserve
        self._neighbours = Neighbours(journal, self.parent_id)
        named = [venue for venue in venues if venue.name in plan.venues]
        self._desk = Desk(named, clock, plan.guards, self._neighbours)
        self._approval = Approval(journal, mandate.case_id, self.digest)
        gate = Gate(plan, self._approval, self._desk, journal)
        self.log = ParentLog(self.parent_id, mandate.case_id, gate, journal, clock, observer)
        self.stop = Stop(clock)
        self._controls = Controls(self.log, journal.people)
        self._work = Work(self.log, self._desk, clock, self._tuning, self.stop, self._controls, plan.guards)
        self._reconciler = Reconciler(self.log, self._neighbours, self._desk, clock, self._work.orders, self._tuning)

    @property
    def state(self) -> Parent:
        """The parent order as it stands."""
        return self.log.state

    async def run(self) -> Parent:
        """Sell what is left to sell. Returns the state when the parent is finished. Raises ``RuleRefused`` before the
        first order if the plan cannot be done, ``Stopped`` when halted or killed, ``Interrupted`` after ``stop``."""
        self.log.load()
        if self.log.state.created is not None:
            await self._controls.carry_out_acts()
        if self.log.state.finished:
            return self.log.state
        if self._may_only_wind_up():
            await self._guarded(self._wind_up())
        if await self._over():
            return self.log.state
        self._refuse_while_stopped()
        await require_approval(self._journal, self._approval, self._owner, self._clock)
        await self._desk.open(self._plan.asset, self._plan.quote_asset)
        await self._refuse_rehearsal()
        if self.log.state.created is None:
            await self._create()
        return await self._guarded(self._sell())

    async def _sell(self) -> Parent:
        await self.log.record(ParentTaken(epoch=self.log.state.epoch + 1, owner=self._owner))
        self._desk.check_offsets()
        await self._settle_open()
        self._desk.mark_used(self.log.state)
        await self._reconciler.run(at_start=True)
        await self._mark_arrival()
        await self._work_all()
        await self._reconciler.run()
        return await self._finish()

    def _may_only_wind_up(self) -> bool:
        """True where something may be live at a venue and nobody may go on with it: halted, killed, or without a valid
        approval."""
        state = self.log.state
        if all(child.status is ChildStatus.PARKED for child in state.open.values()):
            return False
        self._approval.reread()
        stopped = state.status is ParentStatus.HALTED or kills(self._controls.whole(anew=True))
        return stopped or bool(self._approval.fault(self._clock.now()))

    async def _wind_up(self) -> None:
        """Bring what an earlier run left open to its proved end. It only asks and cancels: that needs no leave."""
        await self._desk.open(self._plan.asset, self._plan.quote_asset)
        await self.log.record(ParentTaken(epoch=self.log.state.epoch + 1, owner=self._owner))
        await self._settle_open()
        if self.log.state.status is ParentStatus.WORKING:
            await self.log.record(ParentStopped(reason="what was open is settled; nothing more may be sent"))

    async def _guarded(self, work: Coroutine[None, None, T]) -> T:
        try:
            return await work
        except GuardHalts as halts:
            await self._halt(halts)
            raise
        except ExecutorError as error:
            # The record cannot be written on: take off what rests, so that nothing sells that we could not record.
            if isinstance(error, JournalFailed | RecordBroken):
                await cancel_everything(self._desk.venues, live_orders(self.log.state))
            raise
        except Exception:
            # Nobody foresaw it, so nobody is there to watch what rests.
            await cancel_everything(self._desk.venues, live_orders(self.log.state))
            raise

    async def aclose(self) -> None:
        """Release the venues."""
        self._controls.close()
        await self._desk.aclose()

    async def _over(self) -> bool:
        """End a parent order whose plan was revoked or has expired, once nothing of it is open and every venue that it
        sold at has answered a last comparison: what it has not sold is free for another plan then."""
        state = self.log.state
        self._approval.reread()
        if state.created is None or state.open or not self._approval.over(self._clock.now()):
            return False
        if state.routes:
            await self._guarded(self._look_once_more())
        left = state.spec.qty - state.cum_qty
        reason = f"the plan is over: {self._approval.fault(self._clock.now())}"
        await self.log.record(ParentFinished(completed=left == 0, leaves_qty=left, reason=reason))
        return True

    async def _look_once_more(self) -> None:
        sold_at = {venue for venue, _ in self.log.state.routes}
        await self._desk.open(self._plan.asset, self._plan.quote_asset, sold_at)
        await self.log.record(ParentTaken(epoch=self.log.state.epoch + 1, owner=self._owner))
        await self._reconciler.run()
        await self._compare_at_last()

    async def _refuse_rehearsal(self) -> None:
        """Raise ``NotApproved`` if stand-ins have approved the plan and a venue does not say that it is simulated."""
        real = [name for name, seat in self._desk.seats.items() if not seat.venue.simulated]
        if real and self._approval.of_rehearsal:
            fault = f"the plan was approved for rehearsals only, and {', '.join(real)} is no simulated venue"
            await refuse(self._journal, self._approval, fault, self._owner, self._clock)

    def _refuse_while_stopped(self) -> None:
        state = self.log.state
        if state.status is ParentStatus.HALTED:
            raise Stopped(
                f"halted by {state.status_rule}: {state.status_reason}; put it right, then "
                f"`executor resume parent/{self.parent_id}` and run again"
            )
        hold = self._controls.whole(anew=True)
        if kills(hold):
            raise Held(f"{hold}; `executor resume {hold.scope if hold else ''}` lets it go on")

    # --- beginning ----------------------------------------------------------------------------------------------

    async def _create(self) -> None:
        plan, mandate = self._plan, self._mandate
        missing = [name for name in plan.venues if name not in self._desk.venues]
        if missing:
            raise RuleRefused(f"venue: the plan names {', '.join(missing)}, which is not among the venues available")
        books = await self._desk.books()
        starts_at = plan.starts_at or self._clock.now()
        for name in plan.venues:
            self.log.gate.refuse_affiliate(name)
        found = obstacles(plan, self._desk.facts(books)) + over_caps(plan, starts_at)
        if found:
            raise RuleRefused("the plan cannot be done: " + "; ".join(found))
        if starts_at + timedelta(seconds=plan.duration) <= self._clock.now():
            raise RuleRefused(f"window: it began at {starts_at.isoformat()} and is over; give the plan a new one")
        await self._reserve_covered()
        counter = holding_counter(mandate.case_id, plan.asset)
        created = ParentCreated(
            parent_id=self.parent_id,
            case_id=mandate.case_id,
            asset=plan.asset,
            quote_asset=plan.quote_asset,
            qty=plan.qty,
            floor_px=plan.floor_px,
            venues=list(plan.venues),
            legs=self._plan_values["legs"],
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=plan.duration),
            seed=plan.seed,
            plan_hash=self.digest,
            plan=self._plan_values,
            reserved=[Counted(counter=counter, unit="qty", amount=plan.qty)],
        )
        began, ended = self._desk.read_between
        purses = [
            PursesRead(venue=name, totals=dict(seat.totals_at_start), began_at=began, ended_at=ended)
            for name, seat in self._desk.seats.items()
        ]
        sellable = self._approval.case.sellable(plan.asset)
        try:
            await self.log.begin(created, *purses, reserve=[Reservation(counter, plan.qty, sellable)])
        except CapReached as full:
            raise RuleRefused(
                f"mandate: {plain(sellable)} {plan.asset} of the case are credited at venues, and its plans may "
                f"sell no more: {full}"
            ) from None

    async def _reserve_covered(self) -> None:
        """Reserve the coins of the plan. Raises ``RuleRefused`` if the deposit does not cover them."""

        def uncovered() -> str:
            self.log.gate.reread()
            return self.log.gate.cover.uncovered(self._clock.now())

        if self._reserve is not None:
            await self._reserve(uncovered)
        elif fault := uncovered():
            raise RuleRefused(fault)

    async def _mark_arrival(self) -> None:
        if self.log.state.arrival_px is not None:
            return
        if not await self.stop.wait_until(self.log.state.spec.starts_at):
            return
        books = await self._desk.books()
        mid = composite_mid(books)
        if mid is None:
            raise GuardHalts("market", "no venue shows a two-sided book at the start")
        await self.log.record(ArrivalMarked(arrival_px=mid, tops=tops(books)))

    async def _settle_open(self) -> None:
        """Before anything new is sent, every child order of an earlier run is brought to a proved end."""
        for child in list(self.log.state.open.values()):
            if child.status.value == "working":
                await self._work.orders.cancel(child)
            await self._work.resolver.resolve(child)

    # --- working ------------------------------------------------------------------------------------------------

    async def _work_all(self) -> None:
        """Work all legs at once, and watch over them. A fault anywhere lets the others finish what they are at, then
        is raised."""

        async def worked(number: int) -> None:
            leg = self._plan.legs[number]
            try:
                if isinstance(leg, OtcLeg):
                    await work_otc(self._work, number, leg)
                else:
                    await work_twap(self._work, number, leg)
            except BaseException:
                self.stop.set()
                raise

        legs = [asyncio.create_task(worked(n), name=f"leg-{n}") for n in range(len(self._plan.legs))]
        watch = asyncio.create_task(Watch(self._work, self._reconciler).over(legs), name="watch")
        ends = await asyncio.gather(*legs, watch, return_exceptions=True)
        for fault in ends:
            if isinstance(fault, BaseException):
                raise fault

    async def _halt(self, halts: GuardHalts) -> None:
        """Freeze, so that nothing undoes it if this process dies now; then cancel what rests, at all venues at once."""
        try:
            await self.log.record(ParentHalted(rule=halts.rule, reason=halts.reason))
        finally:
            await self._take_off()

    async def _take_off(self) -> None:
        """Cancel what might rest and follow it to its end. A fault meanwhile must not hide the one that brought us
        here."""
        state, orders = self.log.state, self._work.orders
        await cancel_everything(self._desk.venues, live_orders(state))
        ends = await asyncio.gather(*(orders.settle(c) for c in list(state.open.values())), return_exceptions=True)
        for fault in ends:
            if isinstance(fault, ExecutorError):
                log.warning(LogEvent.CANCEL_FAILED, parent=self.parent_id, error=str(fault))

    # --- ending -------------------------------------------------------------------------------------------------

    async def _compare_at_last(self) -> None:
        """A parent order is not looked at again when it has ended: until then every venue that it sold at must have
        answered. Raises ``VenueUnreachable`` when one stays silent."""
        used, give_up = {venue for venue, _ in self.log.state.routes}, self._clock.now() + self._tuning.patience
        while silent := sorted(used & self._reconciler.silent):
            if not await self.stop.wait_until(self._clock.now() + self._tuning.poll) or self._clock.now() >= give_up:
                names = ", ".join(silent)
                await self.log.record(ParentStopped(reason=f"{names} did not answer the last comparison of the books"))
                raise VenueUnreachable(f"{names}: no answer to the last comparison of the books; run the same again")
            await self._reconciler.run()

    async def _finish(self) -> Parent:
        state = self.log.state
        left = state.spec.qty - state.cum_qty
        if left == 0 and not state.open:
            await self._compare_at_last()
            await self.log.record(ParentFinished(completed=True, leaves_qty=ZERO, reason="all sold"))
            return state
        hold = self._controls.whole(anew=True)
        if kills(hold):
            await self.log.record(ParentStopped(reason=str(hold)))
            raise Held(f"{hold}; {plain(left)} {state.spec.asset} kept")
        if self.stop.requested():
            await cancel_everything(self._desk.venues, live_orders(state))  # what is unknown may rest there
            await self.log.record(ParentStopped(reason="stopped by a signal"))
            raise Interrupted(f"stopped with {plain(left)} {state.spec.asset} left; run the same command to go on")
        if state.open:
            raise GuardHalts("unknown", f"left for a person to settle: {', '.join(state.open)}")
        await self._compare_at_last()
        left = state.spec.qty - state.cum_qty  # it may have found a late fill
        reason = f"window over: {state.status_rule} {state.status_reason}".strip()
        seen = tops(await self._desk.shown())
        await self.log.record(ParentFinished(completed=left == 0, leaves_qty=left, reason=reason, tops=seen))
        return state
