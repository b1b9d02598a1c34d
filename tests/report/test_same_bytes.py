"""The same record gives the same bytes, wherever and by whomever the bundle and the report are made."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

from tests.cli.commands import PROGRAM, ROOT, environment
from tests.report.conftest import CASE
from tests.report.test_report import needs_fonts

# Two machines that have nothing in common: order of hashes, clock's place, language, encoding, folder.
HERE = {"PYTHONHASHSEED": "1", "TZ": "Asia/Hong_Kong", "LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8", "COLUMNS": "200"}
THERE = {
    "PYTHONHASHSEED": "4242",
    "TZ": "America/St_Johns",
    "LC_ALL": "POSIX",
    "LANG": "tr_TR",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "COLUMNS": "40",
}


def made(folder: Path, journal: Path, env: dict[str, str]) -> dict[str, bytes]:
    """Every file that the commands write, each by a process of its own that works in ``folder``."""
    folder.mkdir()
    own = environment(env | {"PYTHONPATH": str(ROOT)})
    for words in (("bundle", CASE, "case.zip", "--lang", "zh"), ("report", CASE, ".", "--lang", "en", "--redacted")):
        command = [*PROGRAM, *words, "--journal", str(journal)]
        done = subprocess.run(command, cwd=folder, env=own, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@needs_fonts
def test_two_processes_write_the_same_bytes(journal: Path, tmp_path: Path) -> None:
    one, two = made(tmp_path / "a", journal, HERE), made(tmp_path / "b", journal, THERE)
    digests = [{name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(each.items())} for each in (one, two)]
    assert digests[0] == digests[1]
    assert set(one) == {"case.zip", "report-en-redacted.html", "report-en-redacted.pdf"}
    with zipfile.ZipFile(tmp_path / "a" / "case.zip") as archive:
        assert {"report/report-zh.pdf", "report/report-zh.html", "SHA256SUMS.sig"} <= set(archive.namelist())
