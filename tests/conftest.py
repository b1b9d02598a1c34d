"""What holds for every test: no property is judged by how long an example took."""

from typing import Any

from hypothesis import settings

from tests.crash import summary
from tests.failover import report
from tests.postgresql import postgres_server as postgres_server

settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The closing lines of a run: what was killed, and how long fail-over took."""
    summary.closing_lines(terminalreporter)
    report.closing_lines(terminalreporter)
