"""What signals do to a running sale, and that two runs of one parent order never both trade."""

import signal
from pathlib import Path
from time import monotonic, sleep

import pytest

from executor.exit_codes import ExitCode
from tests.cli.processes import PATIENCE_S, Watched, watched
from tests.crash.sale import Sale, sale

AT_ONCE_S = 15  # "leaves at once", on a busy machine


def _until(process: Watched, kind: str) -> None:
    process.until(lambda line: f'"kind":"{kind}"' in line)


def _told(process: Watched, text: str) -> None:
    give_up = monotonic() + PATIENCE_S
    while text not in process.error_text:
        assert monotonic() < give_up, process.error_text
        sleep(0.02)


def _ended(deal: Sale, process: Watched) -> int:
    code = process.end()
    deal.ended(code, "".join(process.said), process.error_text)
    return code


def test_sigterm_cancels_what_rests_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with sale(tmp_path) as deal:
        with watched(*deal.command, env=deal.env) as first:
            _until(first, "ChildAcknowledged")
            first.signal(signal.SIGTERM)
            assert _ended(deal, first) == ExitCode.INTERRUPTED, first.error_text
        assert "cancelling what rests" in first.error_text
        assert "run the same command to go on" in first.error_text
        assert deal.finish().code == ExitCode.OK
        deal.check()


def test_a_second_ctrl_c_leaves_at_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with sale(tmp_path) as deal:
        with watched(*deal.command, env=deal.env) as first:
            _until(first, "ChildAcknowledged")
            first.signal(signal.SIGINT)
            _told(first, "once more to leave at once")
            first.signal(signal.SIGINT)
            before = monotonic()
            assert _ended(deal, first) == ExitCode.INTERRUPTED, first.error_text
            assert monotonic() - before < AT_ONCE_S
        assert "Traceback" not in first.error_text, first.error_text
        assert deal.finish().code == ExitCode.OK
        deal.check()


def test_a_second_run_on_this_machine_is_refused_before_it_does_anything(tmp_path: Path) -> None:
    with sale(tmp_path) as deal:
        with watched(*deal.command, env=deal.env) as first:
            _until(first, "ParentTaken")
            second = deal.run()
            assert second.code == ExitCode.STOPPED
            assert second.lines == []
            assert "is being run by another process on this machine" in second.errors
            assert "run the same command again" in second.errors
            assert _ended(deal, first) == ExitCode.OK, first.error_text
        assert deal.state().epoch == 1
        deal.check()


@pytest.mark.parametrize("moment", ["ParentTaken", "FillRecorded"])
def test_without_the_lock_the_second_run_takes_over_and_the_first_stops(moment: str, tmp_path: Path) -> None:
    """Somebody removed the lock's file: what is left is the journal's own fence. Two processes on one key may also
    overtake each other's numbers at a venue that wants them rising, and then the venue itself turns one away."""
    with sale(tmp_path) as deal:
        with watched(*deal.command, env=deal.env) as first:
            _until(first, moment)
            (lock,) = tmp_path.glob("journal.sqlite.run-*")
            lock.unlink()
            with watched(*deal.command, env=deal.env) as second:
                codes = [_ended(deal, first), _ended(deal, second)]
        assert ExitCode.STOPPED in codes, first.error_text + second.error_text
        loser = first if codes[0] == ExitCode.STOPPED else second
        turned_away = ("another process has written version", "venue.unauthorized: osl")
        assert any(words in loser.error_text for words in turned_away), loser.error_text
        assert "Traceback" not in loser.error_text, loser.error_text
        if deal.runs[codes.index(ExitCode.STOPPED) - 1].code != ExitCode.OK:
            deal.finish()
        deal.check()
