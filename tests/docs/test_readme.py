"""The README tells the truth: what it says to type works, and what it says exists is there."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import ROOT, call
from tests.cli.processes import mock_venues

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
COMMANDS = [line.split("#")[0].strip() for line in SHELL]


def typed(beginning: str) -> list[list[str]]:
    """The words of every command that begins like this, without what it is piped into."""
    found = [shlex.split(command.partition("|")[0]) for command in COMMANDS if command.startswith(beginning)]
    assert found, f"the README has no command that begins with {beginning!r}"
    return found


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory after the first step of the README."""
    shutil.copytree(ROOT / "config" / "examples", tmp_path / "config" / "examples")
    monkeypatch.chdir(tmp_path)
    for _, source, target in typed("cp "):
        shutil.copy(source, target)
    return tmp_path


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {target for _, target in typed("make ")}
    assert targets == {"demo", "test"}
    assert all(f"\n{target}: " in makefile for target in targets)


@pytest.mark.usefixtures("workplace")
def test_the_rehearsals_work() -> None:
    for _, *arguments in typed("executor dry-run"):
        done = call(*arguments)
        assert done.returncode == ExitCode.OK, done.stderr
        assert "completed" in done.stdout


def test_a_sale_on_simulated_venues_can_be_looked_at(workplace: Path) -> None:
    """The commands of steps 3 and 4, with the window cut from an hour to seconds and on ports that are free."""
    plan = workplace / "shanghai-half-btc.plan.toml"
    plan.write_text(plan.read_text().replace('"1h"', '"6s"').replace('"5m"', '"3s"'))
    assert typed("executor mock-venues")[0][2:] == ["--mandate", "my-mandate.toml"]
    with mock_venues(workplace, workplace / "my-mandate.toml") as (_, env):
        for beginning in ("executor venues check osl hashkey", "executor run"):
            done = call(*typed(beginning)[0][1:], env=env)
            assert done.returncode in (ExitCode.OK, ExitCode.REFUSED), done.stderr  # refused: the window was too short
    for command in ("status", "orders", "fills"):
        done = call(*typed(f"executor {command}")[0][1:])
        assert done.returncode == ExitCode.OK
        assert done.stdout


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"`executor ([a-z-]+)", README)) | {words[1] for words in typed("executor ")}
    listed = call("--help").stdout
    assert all(f"  {name} " in listed for name in named)


def test_every_file_that_is_named_exists() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "docs/demo.svg" in linked
    assert all((ROOT / name).exists() for name in linked)
    tree = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert tree is not None
    folders = re.findall(r"([a-z/]+)/(?=[\s:])", tree.group(1))
    assert len(folders) >= 8
    assert all((ROOT / name).is_dir() or (ROOT / "executor" / name).is_dir() for name in folders)


def test_the_exit_codes_are_all_there() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}


def test_nothing_in_the_picture_is_fetched() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    assert "completed" in picture
    assert "url(http" not in picture.replace('"', "")
