"""`executor run` end to end on a database, over sockets, as a user types it."""

import json
import signal
from decimal import Decimal
from pathlib import Path

from executor.exit_codes import ExitCode
from tests.cli.commands import execute, objects, otc, plan, twap, write_mandate
from tests.cli.processes import mock_venues, watched
from tests.postgresql import Server

SLICES = {"slices": 4, "style": "rest_then_cross", "rest_for": "1s", "catch_up": "3"}
PLAN = plan(twap("0.2", **SLICES), otc("0.1", clip="0.05"), qty="0.3", floor_px="80000", duration="45s")


def test_a_run_is_stopped_refused_twice_and_completed_on_a_database(tmp_path: Path, postgres_server: Server) -> None:
    mandate = write_mandate(tmp_path, PLAN)
    url = postgres_server.url()
    with mock_venues(tmp_path, mandate) as (_, env):
        env = env | {"EXECUTOR_JOURNAL": url, "EXECUTOR_RECORD_KEY": str(tmp_path / "record.key")}
        command = ("run", mandate, "--on", "mock", "--rehearse", "--json")
        with watched(*command, env=env) as first:
            first.until(lambda line: '"kind":"FillRecorded"' in line)
            second = execute(*command, env=env)
            assert second.returncode == ExitCode.STOPPED
            assert "is being run by another process" in second.stderr
            first.signal(signal.SIGINT)
            assert first.end() == ExitCode.INTERRUPTED, first.error_text
        with watched(*command, env=env) as third:
            # Refused: on a busy machine the window is over before all is sold.
            assert third.end() in (ExitCode.OK, ExitCode.REFUSED), third.error_text
        fills = objects(execute("fills", "--json", env=env).stdout)
        sold = sum(Decimal(fill["qty"]) for fill in fills)
        assert Decimal(0) < sold <= Decimal("0.3")
        assert Decimal(json.loads(third.said[-1])["sold"]) == sold
        purses = [
            purse
            for venue in objects(execute("venues", "check", "osl", "hashkey", "--on", "mock", "--json", env=env).stdout)
            for purse in venue["purses"]
        ]
        coins = sum(Decimal(purse["free"]) + Decimal(purse["locked"]) for purse in purses if purse["asset"] == "BTC")
        assert Decimal(600) - coins == sold
        verified = execute("verify", env=env)
        assert verified.returncode == ExitCode.OK, verified.stderr
