"""Every test that takes ``place`` or ``store`` runs on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.journal.open import Place, open_store
from executor.journal.store import Store
from tests.postgresql import Server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a journal can be: a file, or an empty place in a database."""
    if request.param == "sqlite":
        return tmp_path / "journal.sqlite"
    server: Server = request.getfixturevalue("postgres_server")
    return server.url()


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = open_store(place)
    yield opened
    opened.close()
