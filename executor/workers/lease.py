"""A worker's right to send orders: a heartbeat in the database, renewed every second, by the database's clock.

Others declare a worker dead ``TERM`` after its last heartbeat. It stops sending ``SENDS_FOR`` after it *began* the
last heartbeat that succeeded, by the steady clock of its own machine, so it has stopped before anybody can take over:
no worker's wall clock has a part in it. The heartbeat is a thread of its own: a long reading in the event loop is no
death. The database's clock is a wall clock: should it jump, whoever sees that judges nobody for a whole term.

One that finds itself declared dead ends its process at once, without another word to a venue. So does one that has
heard nothing for so long that it must have been: ``on_despair``.

After a gap in its own heartbeats (the database was away, or this process was stopped) a worker judges nobody for a
whole term: everybody else may have been cut off as well.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from adapters.clock import SetClock, steady
from executor.errors import JournalFailed
from executor.log_events import LogEvent
from executor.workers.roster import Roster

log = structlog.get_logger()

BEAT = timedelta(seconds=1)
SENDS_FOR = timedelta(seconds=4)
TERM = timedelta(seconds=6)
HOPELESS = timedelta(seconds=90)
"""Without a heartbeat for this long a worker ends: longer than the journal waits for a lost database. Even where a
question hangs for ever on a connection that is there and brings nothing, the process then starts afresh."""
_CLOSE_ENOUGH = timedelta(milliseconds=50)  # a round trip after which the database's time is believed to a few of them
_REBUILD = timedelta(minutes=1)
_JUMP = timedelta(seconds=1)


class Lease:
    """Keeps ``name`` alive from ``begin`` to ``end``. ``lag`` tells how late the event loop is. ``on_death`` (others
    have taken over) and ``on_despair`` (nothing was heard for ``HOPELESS``) are called in threads of their own and
    should not return; ``on_drain`` once, when somebody asks to hand over."""

    def __init__(
        self,
        name: str,
        roster: Roster,
        clock: SetClock,
        *,
        lag: Callable[[], timedelta],
        on_death: Callable[[], None],
        on_despair: Callable[[], None],
        on_drain: Callable[[], None],
        term: timedelta = TERM,
        sends_for: timedelta = SENDS_FOR,
    ) -> None:
        assert sends_for + BEAT <= term
        self._name = name
        self._roster = roster
        self._clock = clock
        self._lag = lag
        self._on_death = on_death
        self._on_despair = on_despair
        self._on_drain = on_drain
        self._term = term
        self._sends_for = sends_for
        self._renewed: timedelta | None = None  # when the last good heartbeat was begun
        self._judges_from = timedelta(0)
        self._told: tuple[datetime, timedelta] | None = None  # the database's time, and ours when we heard of it
        self._rebuilt = -_REBUILD
        self._draining = False
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=each, name=each.__name__.strip("_"), daemon=True)
            for each in (self._keep, self._despair)
        ]

    def may_sell(self) -> bool:
        """True while nobody can have declared this worker dead."""
        renewed = self._renewed  # read once: the heartbeat's thread may take it away
        return renewed is not None and steady() - renewed < self._sends_for

    def begin(self) -> None:
        """The first heartbeat, now; then one every second. Raises ``JournalFailed``."""
        self.renew()
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """No more heartbeats. From now on nothing may be sold."""
        self._over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._renewed = None

    def _keep(self) -> None:
        while not self._over.wait(BEAT.total_seconds()):
            try:
                self.renew()
            except JournalFailed as error:
                log.warning(LogEvent.WORKER_UNSURE, worker=self._name, error=str(error))

    def _despair(self) -> None:
        while not self._over.wait(BEAT.total_seconds()):
            renewed = self._renewed
            if renewed is not None and steady() - renewed > HOPELESS:
                log.error(LogEvent.WORKER_DEAD, worker=self._name, by="itself")
                self._on_despair()
                return

    def renew(self) -> None:
        """One heartbeat; then look after the others."""
        began = steady()
        told = self._roster.beat(self._name, self._lag() // timedelta(milliseconds=1))
        ended = steady()
        if told is None:
            self._renewed = None
            self._over.set()
            log.error(LogEvent.WORKER_DEAD, worker=self._name, by="others")
            self._on_death()
            return
        state, now = told
        if self._renewed is None or ended - self._renewed > self._term / 2 or self._jumped(now, began, ended):
            self._judges_from = ended + self._term
        self._told = now, ended
        if self._renewed is None or ended - began < _CLOSE_ENOUGH:
            self._clock.set(now, began + (ended - began) / 2)
        self._renewed = began
        if state == "draining" and not self._draining:
            self._draining = True
            self._on_drain()
        self._look_after()

    def _jumped(self, now: datetime, began: timedelta, ended: timedelta) -> bool:
        """True if the database's clock did not go as far as ours since the last heartbeat."""
        if self._told is None or self._renewed is None:
            return False
        then, heard = self._told  # it was ``then`` at some time between ``_renewed`` and ``heard``
        jumped = not began - heard - _JUMP <= now - then <= ended - self._renewed + _JUMP
        if jumped:
            log.warning(LogEvent.WORKER_UNSURE, worker=self._name, error="the database's clock has jumped")
        return jumped

    def _look_after(self) -> None:
        if steady() >= self._judges_from:
            dead, freed = self._roster.judge(self._term)
            for name in dead:
                log.error(LogEvent.WORKER_DEAD, worker=name, by=self._name)
            if freed:
                log.warning(LogEvent.WORK_FREED, worker=self._name, parents=len(freed))
        if steady() - self._rebuilt >= _REBUILD:
            self._roster.rebuild()
            self._rebuilt = steady()
