"""A fault of the program itself."""

import subprocess
import sys
from pathlib import Path

from executor.exit_codes import ExitCode
from tests.cli.commands import ROOT, environment


def test_what_nobody_foresaw_is_said_in_a_sentence_before_its_traceback(tmp_path: Path) -> None:
    code = (
        "import executor.cli.look as look\n"
        "def fails(*_, **__): raise ZeroDivisionError('odd')\n"
        "look.open_reading = fails\n"
        "from executor.cli.main import main; main()"
    )
    (tmp_path / "j").touch()
    done = subprocess.run(
        [sys.executable, "-c", code, "status", "--journal", str(tmp_path / "j")],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.ERROR
    first, *rest = done.stderr.splitlines()
    assert first.startswith(
        "executor: something failed that nobody foresaw; what is in the record stands: run the same"
    )
    assert rest[-1] == "ZeroDivisionError: odd"
