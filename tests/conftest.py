"""What holds for every test: no property is judged by how long an example took."""

import signal
from typing import Any

from hypothesis import settings

from tests.crash import summary
from tests.failover import report
from tests.postgresql import postgres_server as postgres_server

settings.register_profile("house", deadline=None)
settings.load_profile("house")

# A shell starts what it puts in the background with interrupts ignored, and every program that a test starts and
# interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The closing lines of a run: what was killed, and how long fail-over took."""
    summary.closing_lines(terminalreporter)
    report.closing_lines(terminalreporter)
