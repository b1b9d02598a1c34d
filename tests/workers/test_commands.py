"""`submit`, `worker`, `workers`, `drain` and `run` on a database, as a user meets them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from executor.errors import InputRefused, TakenOver
from executor.exit_codes import ExitCode
from executor.journal.open import open_reading, open_store
from executor.workers.roster import Roster
from executor.workers.sole_run import sole_run_on
from tests.cli.commands import call, objects, plan, twap, write_mandate
from tests.postgresql import Server


@pytest.fixture
def url(postgres_server: Server) -> str:
    return postgres_server.url()


@pytest.fixture
def roster(url: str) -> Iterator[Roster]:
    open_store(url).close()
    found = Roster(url, patience=timedelta(0))
    found.prepare()
    yield found
    found.close()


def submit(folder: Path, url: str, *more: str) -> str:
    mandate = write_mandate(folder, plan(twap("0.2", slices=6)))
    done = call("submit", mandate, "--on", "mock", "--rehearse", "--who", "Li", "--journal", url, *more)
    assert done.returncode == ExitCode.OK, done.stderr
    return done.stdout.split()[3]


def test_a_file_cannot_be_shared(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan())
    commands = (("submit", mandate, "--on", "mock", "--who", "Li"), ("worker", "--on", "mock"), ("workers",))
    for command in (*commands, ("drain", "x.1")):
        done = call(*command, "--journal", tmp_path / "journal.sqlite")
        assert done.returncode == ExitCode.USAGE
        assert "workers need a journal on PostgreSQL" in done.stderr
    assert not (tmp_path / "journal.sqlite").exists()


def test_what_nobody_approved_is_not_handed_over(tmp_path: Path, url: str, roster: Roster) -> None:
    mandate = write_mandate(tmp_path, plan())
    done = call("submit", mandate, "--on", "mock", "--who", "Li", "--journal", url)
    assert done.returncode == ExitCode.NOT_APPROVED, done.stderr
    assert roster.waiting() == []
    done = call("submit", mandate, "--on", "production", "--rehearse", "--who", "Li", "--journal", url)
    assert done.returncode == ExitCode.USAGE


def test_it_is_recorded_who_handed_over_what_and_once(tmp_path: Path, url: str) -> None:
    parents = [submit(tmp_path, url) for _ in range(2)]
    assert parents[0] == parents[1]
    reader = open_reading(url)
    lines = list(reader.read(f"submitted/{parents[0]}"))
    reader.close()
    assert len(lines) == 1
    assert '"who":"Li"' in lines[0]
    (waiting,) = objects(call("workers", "--json", "--journal", url).stdout)
    assert (waiting["waiting"], waiting["on"], waiting["state"]) == (parents[0], "mock", "open")
    assert "nobody runs" in call("workers", "--journal", url).stdout
    unsigned = call("verify", "--journal", url)
    assert unsigned.returncode == ExitCode.RECORD_FAILED, unsigned.stderr
    assert "`executor checkpoint` makes them" in unsigned.stderr


def test_what_was_refused_may_be_submitted_again_and_what_is_done_may_not(
    tmp_path: Path, url: str, roster: Roster
) -> None:
    parent = submit(tmp_path, url)
    name = roster.join("w", "mock", "1.0", "key")
    assert roster.claim(name, "mock") == [parent]
    roster.give_back(name, parent, state="refused", said="floor: why", after=timedelta(0))
    assert "floor: why" in call("workers", "--journal", url).stdout
    submit(tmp_path, url)
    assert roster.claim(name, "mock") == [parent]
    roster.give_back(name, parent, state="done", said="", after=timedelta(0))
    mandate = tmp_path / "mandate.toml"
    done = call("submit", mandate, "--on", "mock", "--rehearse", "--who", "Li", "--journal", url)
    assert "is done" in done.stdout
    reader = open_reading(url)
    assert len(list(reader.read(f"submitted/{parent}"))) == 2
    reader.close()


def test_who_is_alive_and_what_each_runs(tmp_path: Path, url: str, roster: Roster) -> None:
    parent = submit(tmp_path, url)
    name = roster.join("alpha", "mock", "1.0", "key")
    roster.claim(name, "mock")
    (seen,) = objects(call("workers", "--json", "--journal", url).stdout)
    assert (seen["worker"], seen["state"], seen["parents"]) == (name, "up", [parent])
    assert f"{name} runs {parent}\n" in call("workers", "--journal", url).stdout


def test_a_worker_that_is_not_there_cannot_be_drained(url: str, roster: Roster) -> None:
    name = roster.join("alpha", "mock", "1.0", "key")
    done = call("drain", "beta.1", "--journal", url)
    assert done.returncode == ExitCode.USAGE
    assert f"alive: {name}" in done.stderr
    roster.leave(name)
    assert call("drain", name, "--journal", url).returncode == ExitCode.REFUSED


def test_a_worker_without_the_record_s_key_says_how_to_make_one(tmp_path: Path, url: str) -> None:
    env = {"EXECUTOR_RECORD_KEY": str(tmp_path / "none.key")}
    done = call("worker", "--on", "mock", "--journal", url, env=env)
    assert done.returncode == ExitCode.USAGE
    assert "executor record-key" in done.stderr
    done = call("worker", "--on", "mock", "--name", "a b", "--journal", url, env=env)
    assert "--name" in done.stderr


def test_a_database_that_never_saw_a_worker_says_so(url: str) -> None:
    open_store(url).close()
    done = call("workers", "--journal", url)
    assert done.returncode == ExitCode.USAGE
    assert "no worker was ever started" in done.stderr


def test_one_run_at_a_time_and_none_of_what_the_workers_have(tmp_path: Path, url: str, roster: Roster) -> None:
    with sole_run_on(url, "p1"):
        with pytest.raises(TakenOver, match="is being run by another process"), sole_run_on(url, "p1"):
            pass
        with sole_run_on(url, "p2"):
            pass
    with sole_run_on(url, "p1"):
        pass
    parent = submit(tmp_path, url)
    with pytest.raises(TakenOver, match="why nobody runs it now"), sole_run_on(url, parent):
        pass
    name = roster.join("alpha", "mock", "1.0", "key")
    roster.claim(name, "mock")
    with pytest.raises(TakenOver, match=f"who runs it: {name}"), sole_run_on(url, parent):
        pass


def test_without_the_driver_the_commands_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins
    import importlib

    import executor.workers

    real = builtins.__import__

    def without(name: str, *rest: object, **named: object) -> object:
        if name == "psycopg":
            raise ImportError("No module named 'psycopg'")
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputRefused, match="postgres"):
        importlib.reload(executor.workers)
