"""A roster on a database of its own, for the tests of what workers ask of it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from executor.journal.open import open_store
from executor.workers.roster import SERVES, Roster
from tests.postgresql import Server


class Desk:
    """A roster, and the database behind it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url()
        self.store = open_store(self.url)
        self.roster = Roster(self.url, patience=timedelta(0))
        self.roster.prepare()

    def join(self, stem: str = "w", place: str = "mock", serves: int = SERVES) -> str:
        return self.roster.join(stem, place, "1.0", "key", serves)

    def silent(self, name: str, seconds: int) -> None:
        """Let the last heartbeat of ``name`` be so long ago."""
        self.sql("UPDATE workers SET beat = beat - %s * interval '1 second' WHERE name = %s", seconds, name)

    def wait_out(self) -> None:
        """Let the work that is put off be due."""
        self.sql("UPDATE work SET due = clock_timestamp()")

    def sql(self, statement: str, *values: object) -> None:
        with self.server.connect(self.url) as db:
            db.execute(statement.encode(), values)


@pytest.fixture
def desk(postgres_server: Server) -> Iterator[Desk]:
    found = Desk(postgres_server)
    yield found
    found.roster.close()
    found.store.close()
