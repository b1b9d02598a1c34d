"""A finished case for the tests of the report, made once for each process that runs them."""

from pathlib import Path

import pytest

from executor.journal.checkpoint import taken_apart
from executor.journal.keys import read_verifiers
from executor.journal.leaves import looking
from executor.journal.line import decode
from executor.report.casefile import CaseFile, casefile
from executor.report.export import exported, institution_lines
from tests.report.case_whole import whole_case

CASE = "SH-2026-0032"


def read_case(place: Path, case_id: str) -> tuple[CaseFile, dict[str, bytes]]:
    """The case in a journal, and the files that prove it."""
    trusted = read_verifiers(place.with_name("journal.sqlite.key.pub"))
    with looking(place) as run:
        files = exported(run, case_id, trusted)
        house = [decode(text) for text in institution_lines(run, trusted)]
    case = casefile(case_id, [decode(text) for text in files["events.jsonl"].decode().splitlines()], house)
    notes = taken_apart(files["checkpoints.txt"].decode())
    case.head, case.checkpoints, case.key = notes[-1].text, len(notes), files["keys.txt"].decode().strip()
    return case, files


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a bitcoin, from entrustment to treasury."""
    return whole_case(tmp_path_factory.mktemp("case"), "shanghai-half-btc.toml", start_px="99000")


@pytest.fixture(scope="session")
def finished(journal: Path) -> tuple[CaseFile, dict[str, bytes]]:
    """The same as the report sees it."""
    return read_case(journal, CASE)
