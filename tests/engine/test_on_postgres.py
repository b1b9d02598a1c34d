"""The same run on SQLite and on PostgreSQL makes the same record, line for line."""

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.clock import LoopClock
from executor.engine.virtual_time import run_virtual
from executor.journal.open import Place, open_reading, open_store
from tests.cli.commands import call, objects, plan, twap, write_mandate
from tests.engine.rig import REST, START, exact, ran
from tests.engine.rig import plan as engine_plan
from tests.engine.scripted_venue import ScriptedVenue
from tests.postgresql import Server


def record(place: Place) -> list[str]:
    """Every line of every parent order."""
    reader = open_reading(place)
    lines = [line for stream in reader.streams("") for line in reader.read(stream)]
    reader.close()
    return lines


def test_an_engine_run_makes_the_same_record(
    tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.engine.runner.socket.gethostname", lambda: "host")

    async def sell(place: Place) -> None:
        venue, store = ScriptedVenue(LoopClock(START)), open_store(place)
        end = await ran(venue, store=store, asked=engine_plan(REST))  # type: ignore[arg-type]
        assert end.fault is None
        exact(end.state, venue)
        store.close()

    places: list[Place] = [tmp_path / "journal.sqlite", postgres_server.url()]
    for place in places:
        run_virtual(sell(place))
    first, second = (record(place) for place in places)
    assert len(first) > 10
    assert first == second


def test_a_whole_dry_run_makes_the_same_record_and_the_commands_read_it(
    tmp_path: Path, postgres_server: Server
) -> None:
    """Engine, adapters, mocked venues: every line, and every command that looks, people's words included."""
    mandate = write_mandate(tmp_path, plan(twap("0.2", slices=6)))
    url = postgres_server.url()
    file = tmp_path / "journal.sqlite"
    assert call("dry-run", mandate, "--journal", file).returncode == 0
    _copied_run(mandate, url)
    assert record(file) == record(url)
    for command in ("status", "orders", "fills"):
        said = [objects(call(command, "--json", env={"EXECUTOR_JOURNAL": str(each)}).stdout) for each in (file, url)]
        assert said[0] == said[1] != []
    for place in (file, url):
        done = call("pause", "all", "--resting", "keep", "--who", "Li", "--why", "lunch", "--journal", place)
        assert done.returncode == 0, done.stderr
        assert objects(call("status", "--json", "--journal", place).stdout)[0]["why"] == "lunch"
        assert call("resume", "all", "--who", "Li", "--why", "back", "--journal", place).returncode == 0


def _copied_run(mandate: Path, url: str) -> None:
    """The dry run of the command, on a database. The command itself refuses one: a rehearsal is not a record."""
    from executor.cli import dry_run
    from executor.cli.output import JsonLines

    given, asked = dry_run.load_mandate(mandate)
    spec = dry_run.world_of(given, asked, None, None)
    assert run_virtual(dry_run._run(given, asked, spec, url, JsonLines(), [])) == 0


def test_a_rehearsal_is_never_kept_in_a_database(tmp_path: Path, postgres_server: Server) -> None:
    url = postgres_server.url()
    done = call("dry-run", write_mandate(tmp_path, plan()), "--journal", url)
    assert (done.returncode, "a rehearsal keeps its record in a file" in done.stderr) == (2, True)


def test_commands_refuse_a_database_without_a_journal(postgres_server: Server) -> None:
    for command in (("status",), ("kill", "all", "--who", "Li", "--why", "test")):
        done = call(*command, "--journal", postgres_server.url())
        assert done.returncode == 2
        assert "there is no journal in postgresql://executor@" in done.stderr


def test_decimal_text_survives(postgres_server: Server) -> None:
    """What is read is what was written, to the byte: a line is text, never a number of the database's."""
    store = open_store(postgres_server.url())
    from executor.journal.store import Append, Row

    line = '{"px":"' + str(Decimal("1E-18")) + '","qty":"100000000.000000010"}'
    assert store.commit([Append([Row("a", 1, "C", "K", "t", line)])]) == [None]
    assert list(store.read("a")) == [line]
    store.close()
