"""Workers that die, freeze, are cut off or are replaced: the others go on, and the record stays exact.

Small here; `make test-failover` runs the same with three workers and 300 parent orders and prints what it measured.
"""

import signal
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from executor.exit_codes import ExitCode
from executor.journal.sql import MIGRATIONS
from executor.workers.lease import BEAT, SENDS_FOR
from tests.failover.cut import cable
from tests.failover.report import Told, gone_on
from tests.failover.stage import FEW, NEWER, SKEWED, Stage, many, small, stage
from tests.postgresql import Server

COUNT = many()
GONE = 1.0  # seconds in which what a stopped process had handed to its machine still arrives
LIMIT = (SENDS_FOR + BEAT * 2).total_seconds()  # its right ends, and a loaded machine is slow to show what arrived


def begun(on: Stage, *names: str) -> None:
    """Wait until every worker named runs its share and orders are on their way."""
    on.until(lambda: all(on.run_by(name) for name in names))
    on.until(lambda: len({each.rpartition("-")[0] for _, each, _ in on.seen()["orders"]}) >= len(on.parents) * 3 // 4)


def test_what_a_killed_worker_ran_goes_on_by_itself(tmp_path: Path, postgres_server: Server, told: Told) -> None:
    with stage(tmp_path, postgres_server) as on:
        first, second, third = (on.worker() for _ in range(3))
        on.submit(COUNT)
        begun(on, first.name, second.name, third.name)
        orphans = on.run_by(first.name)
        died = on.now()
        first.signal(signal.SIGKILL)
        on.finished()
        states = on.check()
        # One that it had claimed and not begun has one owner only; one may have ended in that very moment.
        assert not [p for p in orphans if states[p].owner == first.name and states[p].now > died]
        assert not [after for after in on.sent_after(first, died) if after > GONE]
        assert first.end() == -signal.SIGKILL
        told("killed", gone_on(on.lines(), orphans, died))


def test_a_frozen_worker_places_nothing_once_it_was_taken_over(
    tmp_path: Path, postgres_server: Server, told: Told
) -> None:
    with stage(tmp_path, postgres_server) as on:
        frozen, second = on.worker(), on.worker()
        on.submit(COUNT)
        begun(on, frozen.name, second.name)
        orphans, stopped = on.run_by(frozen.name), on.now()
        frozen.signal(signal.SIGSTOP)
        on.until(lambda: frozen.name not in [each.name for each in on.roster()])
        on.until(lambda: not on.run_by(frozen.name))
        frozen.signal(signal.SIGCONT)
        assert frozen.end() == ExitCode.STOPPED
        assert "declared dead" in frozen.told
        on.finished()
        on.check()
        assert not [after for after in on.sent_after(frozen, stopped) if after > GONE]
        told("frozen", gone_on(on.lines(), orphans, stopped))


def test_the_database_dies_and_comes_back(tmp_path: Path, postgres_server: Server, told: Told) -> None:
    with stage(tmp_path, postgres_server) as on:
        workers = [on.worker(), on.worker()]
        on.submit(COUNT)
        begun(on, *(each.name for each in workers))
        postgres_server.stop(signal.SIGQUIT)
        try:
            died = datetime.now(UTC)
            on.pause(12)  # longer than a worker may be silent: all of them look dead
        finally:
            postgres_server.start()
        back = on.now()
        on.finished()
        on.check()
        # What was durable when it died was still sent, until the right to send ended.
        assert not [after for each in workers for after in on.sent_after(each, died) if LIMIT < after < 11]
        assert [each.process.poll() for each in workers] == [None, None]  # nobody was declared dead for it
        told("database", gone_on(on.lines(), list(on.parents), back))


def test_a_worker_that_is_cut_off_from_the_database_sends_nothing(
    tmp_path: Path, postgres_server: Server, told: Told
) -> None:
    """It still reaches the venue. Its connections hang: no answer, no error."""
    with stage(tmp_path, postgres_server) as on, cable(tmp_path, on.url) as line:
        lonely, other = on.worker(url=line.url), on.worker()
        on.submit(COUNT)
        begun(on, lonely.name, other.name)
        orphans = on.run_by(lonely.name)
        cut_at = on.now()
        line.cut()
        on.until(lambda: lonely.name not in [each.name for each in on.roster()])
        on.until(lambda: not on.run_by(lonely.name))
        on.finished()
        line.mend()
        ended = lonely.end()
        gave_up = "the database has not answered for 90 s" in lonely.told  # it was cut off for longer than that
        assert ended == (ExitCode.ERROR if gave_up else ExitCode.STOPPED)
        on.check()
        late = on.sent_after(lonely, cut_at)
        assert not [after for after in late if after > LIMIT]
        told("cut off", gone_on(on.lines(), orphans, cut_at) | {"last order after the cut, s": max(late, default=0)})


def test_clocks_ten_seconds_apart(tmp_path: Path, postgres_server: Server) -> None:
    with stage(tmp_path, postgres_server) as on:
        early, late = on.worker(SKEWED.format(seconds=-10)), on.worker(SKEWED.format(seconds=10))
        on.submit(COUNT)
        begun(on, early.name, late.name)
        early.signal(signal.SIGKILL)
        on.finished()
        on.check()
        moments = [line.at for line in on.lines()]
        assert max(b - a for a, b in zip(moments[1:], moments, strict=False)).total_seconds() < 5


def test_an_old_and_a_new_version_side_by_side_and_a_rolling_upgrade(tmp_path: Path, postgres_server: Server) -> None:
    """What the new one has touched is for the new one only; the old one goes on with its own until it is drained."""
    with stage(tmp_path, postgres_server) as on:
        old = on.worker(name="old")
        on.submit(COUNT)
        begun(on, old.name)
        new = on.worker(NEWER, name="new")
        assert {each.name: each.serves for each in on.roster()} == {
            old.name: len(MIGRATIONS),
            new.name: len(MIGRATIONS) + 1,
        }
        assert old.process.poll() is None
        on.drain(old)
        assert old.end() == ExitCode.OK
        left = on.now()
        again = on.launch(name="old")
        assert again.end() == ExitCode.ERROR
        assert "use the version of the program that wrote it" in again.told
        on.finished()
        states = on.check(newer=True)
        assert {state.owner.split("/")[0] for state in states.values() if state.epoch > 1} == {new.name}
        assert on.sent_after(old, left) == []


def test_a_drained_worker_finishes_what_is_in_flight_and_hands_over(tmp_path: Path, postgres_server: Server) -> None:
    with stage(tmp_path, postgres_server) as on:
        first, second = on.worker(), on.worker()
        on.submit(COUNT)
        begun(on, first.name, second.name)
        first.signal(signal.SIGTERM)
        assert first.end() == ExitCode.OK, first.told
        assert "handing over" in first.told
        on.finished()
        states = on.check()
        assert not [c for state in states.values() for c in state.children.values() if c.outcome == "proved absent"]


def test_a_cap_that_binds_all_of_them_is_held_when_one_dies(tmp_path: Path, postgres_server: Server) -> None:
    """What the dead one had reserved for orders that were never sent is given back, and sold by others. A third of all
    is sold in any case: who comes at the same moment finds the best of the book gone."""
    value = sum((Decimal(small()["qty"]) for _ in range(FEW)), Decimal(0)) * 100_000
    with stage(tmp_path, postgres_server, cap=(value / 3).quantize(Decimal(1))) as on:
        first, second = on.worker(), on.worker()
        on.submit(FEW)
        begun(on, first.name, second.name)
        first.signal(signal.SIGKILL)
        on.finished()
        states = on.check()
        sold = sum((state.total.notional for state in states.values()), Decimal(0))
        assert on.cap * 9 / 10 < sold <= on.cap
