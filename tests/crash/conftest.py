"""strace must be there and allowed to trace: these tests do not pass by not running."""

import shutil
import subprocess

import pytest


def _why_not() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed: no process was killed and no disk failed. Debian: apt-get install strace"
    tried = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        return f"strace may not trace here (in a container: --cap-add SYS_PTRACE): {tried.stderr.strip()}"
    return ""


@pytest.fixture(scope="session")
def strace() -> None:
    """Skip, and say why, where no process can be traced."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)
