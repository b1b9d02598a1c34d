"""The pages made from code: complete, current, and noticed when they are not."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from adapters.venue import RejectReason, VenueError
from executor.errors import ExecutorError
from executor.exit_codes import ExitCode
from executor.log_events import LogEvent

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_what_the_code_says(generate: ModuleType) -> None:
    assert generate.main(["--check"]) == 0, "run: python docs/generate.py"


def test_a_stale_or_missing_page_is_noticed(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "logs.md").write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/logs.md is not what the code says -> run: python docs/generate.py\n"


def test_nothing_is_left_out(generate: ModuleType) -> None:
    errors = generate.errors_page()
    for error in [*ExecutorError.__subclasses__(), *VenueError.__subclasses__()]:
        assert f"| `{error.__name__}` |" in errors
    assert all(f"| `{reason.value}` |" in errors for reason in RejectReason)
    assert all(f"| {code.value} | `{code.name}` |" in generate.exit_codes_page() for code in ExitCode)
    assert all(f"| `{event.value}` | {event.meaning} |" in generate.logs_page() for event in LogEvent)


def test_every_row_says_something(generate: ModuleType) -> None:
    """An error without a docstring, or a code without a meaning, would be an empty cell."""
    for page in (generate.errors_page(), generate.exit_codes_page(), generate.logs_page()):
        assert not re.search(r"\| *\|", page)


def test_values_are_what_scripts_and_alerts_see() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]
    assert ExitCode(5).meaning.startswith("A rule refused")
    assert str(LogEvent.CHILD_UNKNOWN) == "child_unknown" == LogEvent.CHILD_UNKNOWN.name.lower()
