"""The closing lines of a test run: how many crash points there are, how many were run, and how many were reached."""

import json
import os
from typing import Any

import pytest

RUN, REACHED, EXIST = "crash points run", "crash points reached", "crash points exist"


def closing_lines(terminalreporter: Any) -> None:
    """Add up what the crash tests have recorded, and say aloud if they did not run."""
    for report in terminalreporter.stats.get("skipped", []):
        if "strace" in str(report.longrepr):
            terminalreporter.write_line(f"CRASH TESTS NOT RUN: {report.nodeid}: {report.longrepr[2]}", red=True)
    reports = [
        report
        for outcome in terminalreporter.stats.values()
        for report in outcome
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    told = [each for report in reports for each in report.user_properties]
    run = sum(value for name, value in told if name == RUN)
    if not run:
        return
    reached = sum(value for name, value in told if name == REACHED)
    exist = next((value for name, value in told if name == EXIST), os.environ.get("CRASH_POINTS", ""))
    terminalreporter.write_line(f"crash and disk points: {run} run, {reached} of them reached")
    if exist:
        counts = json.loads(exist)
        terminalreporter.write_line(f"points of one undisturbed run: {sum(counts.values())} {counts}")
