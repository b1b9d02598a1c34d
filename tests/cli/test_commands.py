"""Every command as a newcomer, a script and an operator meet it: help, exit codes, what goes to which stream."""

import asyncio
import json
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.hashkey_wire import SANDBOX
from config.mandates import load_mandate
from executor.domain.events import ParentCreated, ParentHalted
from executor.engine.runner import Runner
from executor.exit_codes import ExitCode
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.sqlite import SqliteStore
from tests.cli.commands import PROGRAM, ROOT, Table, call, environment, execute, objects, plan, write_mandate
from tests.cli.processes import mock_venues, two_free_ports, watched, write_profiles

COMMANDS = ("demo", "dry-run", "run", "mock-venues", "venues", "status", "orders", "fills")
SUMMARY = {"status", "asset", "asked", "sold", "avg_px", "arrival_px", "floor_px", "proceeds", "fees"} | {
    "child_orders",
    "fills",
    "by_venue",
    "seed",
}
FALLING = 4  # the seed of a market that falls within the first half hour
AMOUNTS = ("asked", "sold", "avg_px", "arrival_px", "floor_px", "proceeds")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a rehearsal. Read only."""
    folder = tmp_path_factory.mktemp("rehearsed")
    done = call("dry-run", write_mandate(folder, plan()), "--journal", folder / "journal.sqlite")
    assert done.returncode == ExitCode.OK, done.stderr
    return folder / "journal.sqlite"


# --- help and usage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), ("venues", "check")], ids=" ".join)
def test_help_says_what_a_command_does_and_takes(command: tuple[str, ...]) -> None:
    done = call(*command, "--help")
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert done.stdout.startswith("Usage: ")
    assert all(line.strip() for line in done.stdout.splitlines()[2:3])  # a sentence right below the usage
    assert "-h, --help" in done.stdout or command


def test_help_lists_every_command_and_each_can_be_asked_for_help() -> None:
    listed = call("--help").stdout.split("Commands:")[1]
    assert all(f"  {name} " in listed for name in COMMANDS)


def test_the_installed_command_is_the_same_program() -> None:
    script = shutil.which("executor", path=str(Path(PROGRAM[0]).parent))
    assert script, "the executor command is not installed beside this Python"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("executor, version ")


@pytest.mark.parametrize(
    "arguments",
    [(), ("sell-everything",), ("dry-run",), ("dry-run", "x", "--seed", "-1"), ("run", "x"), ("venues", "check")],
    ids=" ".join,
)
def test_a_wrong_command_line_is_exit_2_and_said_on_stderr(arguments: tuple[str, ...]) -> None:
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_price_that_is_no_price_is_exit_2(tmp_path: Path) -> None:
    for wrong in ("cheap", "0", "-5", "NaN"):
        done = call("dry-run", write_mandate(tmp_path, plan()), "--start-px", wrong)
        assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
        assert "--start-px" in done.stderr


def test_there_is_a_test_here_for_every_documented_exit_code() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(line.split("|")[1]) for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()}
    assert documented == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130} == {int(code) for code in ExitCode}


# --- exit codes -----------------------------------------------------------------------------------------------------


def test_exit_0_and_the_whole_stream_of_a_rehearsal(tmp_path: Path) -> None:
    done = execute("dry-run", write_mandate(tmp_path, plan()), "--json")
    assert done.returncode == ExitCode.OK
    assert done.stderr == ""
    *events, summary = objects(done.stdout)
    check_summary(summary)
    assert summary["status"] == "completed"
    assert events[0]["event"]["kind"] == "ParentCreated"
    assert events[-1]["event"]["kind"] == "ParentFinished"
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))


def check_summary(summary: Table) -> None:
    assert summary.keys() >= SUMMARY
    assert summary["kind"] == "summary"
    for name in AMOUNTS:
        assert isinstance(summary[name], str)
        assert Decimal(summary[name]) >= 0
    assert all(isinstance(fee, str) for fee in summary["fees"].values())
    assert all(isinstance(part["sold"], str) for part in summary["by_venue"].values())
    assert all(isinstance(summary[name], int) for name in ("child_orders", "fills", "seed"))
    assert sum(Decimal(part["sold"]) for part in summary["by_venue"].values()) == Decimal(summary["sold"])


def test_without_json_the_summary_is_on_stdout_and_progress_on_stderr(tmp_path: Path) -> None:
    done = execute("dry-run", write_mandate(tmp_path, plan()))
    assert done.returncode == ExitCode.OK
    assert done.stdout.startswith("status ")
    assert "by venue" in done.stdout
    progress = done.stderr.splitlines()
    assert 2 <= len(progress) <= 20  # one line per interval, not one per event
    assert all("sold " in line and " of 0.2 BTC" in line for line in progress)
    assert "\x1b" not in done.stdout + done.stderr  # no colours, no cursor, where there is no terminal


def test_exit_1_when_something_else_is_in_the_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = call("mock-venues", "--port", taken.getsockname()[1])
    assert (done.returncode, done.stdout) == (ExitCode.ERROR, "")
    assert "choose another with --port" in done.stderr


def test_exit_3_production_is_refused_without_approval(tmp_path: Path) -> None:
    done = call("run", write_mandate(tmp_path, plan()), "--on", "production", "--journal", tmp_path / "j.sqlite")
    assert (done.returncode, done.stdout) == (ExitCode.NOT_APPROVED, "")
    assert "approved by two people" in done.stderr
    assert not (tmp_path / "j.sqlite").exists()


def sandbox(folder: Path) -> dict[str, str]:
    """An environment with a sandbox profile of HashKey and a directory for its keys."""
    (folder / "secrets").mkdir()
    profile = 'name = "hashkey-sandbox"\nadapter = "hashkey"\nkind = "sandbox"\n[settings]\nclient_type = "pi"\n'
    (folder / "hashkey-sandbox.toml").write_text(profile + f'base_url = "{SANDBOX}"\n', encoding="utf-8")
    return {"EXECUTOR_VENUES_DIR": str(folder), "EXECUTOR_SECRETS_DIR": str(folder / "secrets")}


def test_exit_4_when_a_key_is_missing_or_given_twice(tmp_path: Path) -> None:
    env = sandbox(tmp_path)
    done = call("venues", "check", "hashkey", "--on", "sandbox", env=env)
    assert (done.returncode, done.stdout) == (ExitCode.CREDENTIALS, "")
    assert "hashkey_sandbox_api_key is missing; put it in the file" in done.stderr
    (tmp_path / "secrets" / "hashkey_sandbox_api_key").write_text("from-a-file")
    twice = call("venues", "check", "hashkey", "--on", "sandbox", env=env | {"EXECUTOR_HASHKEY_SANDBOX_API_KEY": "k2"})
    assert (twice.returncode, twice.stdout) == (ExitCode.CREDENTIALS, "")
    assert "given twice" in twice.stderr
    assert "from-a-file" not in twice.stderr
    only_half = call("venues", "check", "hashkey", "--on", "sandbox", env=env)
    assert only_half.returncode == ExitCode.CREDENTIALS
    assert "hashkey_sandbox_secret is missing" in only_half.stderr


def test_exit_2_when_the_proxy_cannot_be_used(tmp_path: Path) -> None:
    keys = {f"EXECUTOR_HASHKEY_SANDBOX_{name}": "x" for name in ("API_KEY", "SECRET")}
    env = sandbox(tmp_path) | keys | {"https_proxy": "foo://me:LEAK@proxy:3128"}
    done = call("venues", "check", "hashkey", "--on", "sandbox", env=env)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY cannot be used" in done.stderr
    assert "LEAK" not in done.stderr


def test_exit_5_when_the_window_ends_before_all_is_sold(tmp_path: Path) -> None:
    """The floor is met at the start and lost soon after: what is left stays unsold, and the record says why."""
    table = plan(floor_px="99900", duration="1h")
    done = call("dry-run", write_mandate(tmp_path, table), "--start-px", "100000", "--json", "--seed", FALLING)
    assert done.returncode == ExitCode.REFUSED
    summary = objects(done.stdout)[-1]
    assert summary["status"] != "completed"
    assert "floor" in summary["reason"]
    assert Decimal(summary["sold"]) < Decimal("0.2")


def halted(folder: Path, mandate_path: Path) -> Path:
    """The record of a parent order that a guard has frozen."""
    mandate, wanted = load_mandate(mandate_path)
    record = folder / "halted.sqlite"
    journal = Journal(SqliteStore(record), threaded=False)
    runner = Runner(mandate, wanted, [], journal, SystemClock(), observer=lambda _line: None, owner="test")
    at = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    values = wanted.model_dump(mode="json")
    created = ParentCreated(
        parent_id=runner.parent_id,
        case_id=mandate.case_id,
        asset=wanted.asset,
        quote_asset=wanted.quote_asset,
        qty=wanted.qty,
        floor_px=wanted.floor_px,
        venues=list(wanted.venues),
        legs=values["legs"],
        starts_at=at,
        ends_at=at,
        seed=wanted.seed,
        plan_hash=runner.digest,
        plan=values,
    )
    stream = f"parent/{runner.parent_id}"
    events = enumerate((created, ParentHalted(rule="market", reason="prices disagree")), start=1)
    lines = [
        Line(stream=stream, version=version, case_id=mandate.case_id, at=at, event=event) for version, event in events
    ]

    async def write() -> None:
        await journal.append(lines)
        await journal.aclose()

    asyncio.run(write())
    return record


def test_exit_6_when_a_guard_has_halted_the_parent_order(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan())
    record = halted(tmp_path, mandate)
    done = call("run", mandate, "--on", "mock", "--rehearse", "--journal", record)
    assert done.returncode == ExitCode.STOPPED
    assert "halted by market: prices disagree" in done.stderr
    (row,) = objects(call("status", "--journal", record, "--json").stdout)
    assert (row["status"], row["rule"], row["sold"]) == ("halted", "market", "0")


def test_exit_7_when_no_venue_answers(tmp_path: Path) -> None:
    env = write_profiles(tmp_path / "venues", two_free_ports())
    journal = tmp_path / "journal.sqlite"
    done = execute(
        "run", write_mandate(tmp_path, plan()), "--on", "mock", "--rehearse", "--journal", journal, "--json", env=env
    )
    assert (done.returncode, done.stdout) == (ExitCode.UNREACHABLE, "")
    assert "no order was sent" in done.stderr
    assert objects(call("orders", "--journal", journal, "--json").stdout) == []
    assert call("venues", "check", "osl", "--on", "mock", env=env).returncode == ExitCode.UNREACHABLE


def test_exit_8_when_the_record_cannot_be_read(tmp_path: Path, journal: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    shutil.copy(journal, broken)
    with sqlite3.connect(broken) as db:
        db.execute("UPDATE events SET line = '{\"truncated\":' WHERE stream LIKE 'parent/%' AND version = 3")
    db.close()
    done = call("status", "--journal", broken)
    assert done.returncode == ExitCode.RECORD_FAILED
    assert "a line of the record cannot be read" in done.stderr


def test_exit_130_when_a_rehearsal_is_interrupted() -> None:
    with watched("demo", "--json") as process:
        process.until(lambda line: "ParentCreated" in line)
        process.signal(signal.SIGINT)
        assert process.end() == ExitCode.INTERRUPTED
        assert process.error_text.strip() == "executor: interrupted"


# --- looking at the record ------------------------------------------------------------------------------------------


def test_status_orders_and_fills_tell_the_same_story(journal: Path) -> None:
    (row,) = objects(call("status", "--journal", journal, "--json").stdout)
    orders = objects(call("orders", "--journal", journal, "--json").stdout)
    fills = objects(call("fills", "--json", env={"EXECUTOR_JOURNAL": str(journal)}).stdout)
    assert (row["status"], row["asked"], row["sold"], row["exposed"], row["open"]) == (
        "completed",
        "0.2",
        "0.2",
        "0",
        0,
    )
    assert sum(Decimal(order["cum_qty"]) for order in orders) == Decimal("0.2")
    assert sum(Decimal(fill["qty"]) for fill in fills) == Decimal("0.2")
    assert {fill["client_order_id"] for fill in fills} <= {order["client_order_id"] for order in orders}
    assert all(Decimal(fill["px"]) >= 90_000 for fill in fills)
    assert objects(call("orders", "--journal", journal, "--open", "--json").stdout) == []


def test_status_orders_and_fills_for_people_are_aligned_columns(journal: Path) -> None:
    for command, first in (("status", "parent"), ("orders", "client_order_id"), ("fills", "at")):
        done = call(command, "--journal", journal)
        head, *rows = done.stdout.splitlines()
        assert head.startswith(first)
        assert rows
        assert len({row.index(row.split()[1]) for row in rows}) == 1


def test_without_a_record_they_say_where_it_was_looked_for(tmp_path: Path) -> None:
    for command in ("status", "orders", "fills"):
        done = call(command, "--journal", tmp_path / "none.sqlite")
        assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
        assert f"there is no journal at {tmp_path}" in done.stderr
        assert not list(tmp_path.iterdir())  # looking leaves nothing behind


def piped(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command whose reader goes away after the first line."""
    command = shlex.join([*PROGRAM, *map(str, arguments)])
    shell = ["bash", "-c", f"set -o pipefail; {command} | head -1"]
    return subprocess.run(shell, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def test_a_reader_that_goes_away_is_no_error(journal: Path) -> None:
    for _ in range(3):  # whether a write still finds the pipe open is a race
        done = piped("fills", "--journal", journal, "--json")
        assert (done.returncode, done.stderr) == (ExitCode.OK, "")
        assert len(objects(done.stdout)) == 1


def test_a_reader_that_goes_away_does_not_stop_a_sale(tmp_path: Path) -> None:
    record = tmp_path / "journal.sqlite"
    done = piped("dry-run", write_mandate(tmp_path, plan()), "--journal", record, "--json")
    assert done.returncode == ExitCode.OK
    assert done.stderr.splitlines() == ["executor: stdout cannot be written any more (Broken pipe); going on without"]
    (row,) = objects(call("status", "--journal", record, "--json").stdout)
    assert row["status"] == "completed"


def test_a_cold_status_stays_light(journal: Path) -> None:
    code = (
        "import sys\nfrom executor.cli.main import cli\n"
        f"cli.main(['status', '--journal', {str(journal)!r}], standalone_mode=False)\n"
        "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    done = subprocess.run(
        [PROGRAM[0], "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "msgspec" in loaded  # the test can see what is loaded
    heavy = {"pydantic", "pydantic_settings", "httpx", "structlog", "numpy", "rich", "starlette", "uvicorn"}
    assert not loaded & (heavy | {"asyncio", "ssl"})


# --- venues over sockets --------------------------------------------------------------------------------------------


def test_venues_check_over_sockets_and_with_wrong_keys(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan())
    with mock_venues(tmp_path, mandate) as (_, env):
        done = execute("venues", "check", "osl", "hashkey", "--on", "mock", "--json", env=env)
        assert done.returncode == ExitCode.OK, done.stderr
        osl, hashkey = objects(done.stdout)
        assert [osl["venue"], hashkey["venue"]] == ["osl", "hashkey"]
        assert osl["pairs_open"] == hashkey["pairs_open"] == ["BTCUSD"]
        assert {"account": "brokerage", "asset": "BTC", "free": "200", "locked": "0"} in osl["purses"]
        people = call("venues", "check", "osl", "--on", "mock", env=env)
        assert people.stdout.startswith("osl: clock offset ")
        for name in ("osl", "hashkey"):
            secret = "d3JvbmctYnV0LXNlY3JldA=="
            wrong = {f"EXECUTOR_{name.upper()}_MOCK_SECRET": secret, "EXECUTOR_LOG_LEVEL": "debug"}
            refused = call("venues", "check", name, "--on", "mock", env=env | wrong)
            assert (refused.returncode, refused.stdout) == (ExitCode.CREDENTIALS, "")
            assert f"check the key of {name}" in refused.stderr
            assert secret not in refused.stderr
        wrong_key = {"EXECUTOR_OSL_MOCK_API_KEY": "somebody-elses-key"}
        sold = call(
            "run", mandate, "--on", "mock", "--rehearse", "--journal", tmp_path / "j.sqlite", env=env | wrong_key
        )
        assert (sold.returncode, sold.stdout) == (ExitCode.CREDENTIALS, "")
        assert "somebody-elses-key" not in sold.stderr
        other = plan(quote_asset="EUR")
        (tmp_path / "eur").mkdir()
        euros = call(
            "run",
            write_mandate(tmp_path / "eur", other),
            *("--on", "mock", "--rehearse", "--journal", tmp_path / "j.sqlite"),
            env=env,
        )
        assert euros.returncode == ExitCode.REFUSED
        assert "pair: " in euros.stderr
        assert objects(call("orders", "--journal", tmp_path / "j.sqlite", "--json").stdout) == []


def test_keys_never_show_whatever_is_logged(tmp_path: Path) -> None:
    from adapters.mock.keys import API_KEY, SECRET

    for log_format in ("json", "console"):
        env = {"EXECUTOR_LOG_LEVEL": "debug", "EXECUTOR_LOG_FORMAT": log_format}
        done = execute("dry-run", write_mandate(tmp_path, plan()), env=env)
        assert done.returncode == ExitCode.OK
        assert "order_sent" in done.stderr or len(done.stderr.splitlines()) > 20  # it was logged indeed
        assert API_KEY not in done.stderr
        assert SECRET not in done.stderr
        assert "ignature=" not in done.stderr.replace("ignature=[redacted]", "")


def test_summary_of_the_demo_is_for_programs_too() -> None:
    summary = json.loads(execute("demo", "--json", "--seed", "5").stdout.splitlines()[-1])
    check_summary(summary)
    assert (summary["asked"], summary["sold"], summary["seed"]) == ("500", "500", 5)
    assert set(summary["by_method"]) == {"book", "rfq"}
