"""A sample of the kills on the other store: SIGKILL before the n-th message to a venue or to the database leaves, or
before an answer of theirs is read. The server stays up; the same command is started again until it is done."""

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from executor.journal.open import open_store
from tests.crash.points import WORKING, Kind
from tests.crash.sale import Sale, sale
from tests.postgresql import Server

pytestmark = pytest.mark.usefixtures("strace")

SENT, RECEIVED = (kind for kind in WORKING if kind.ending is None)


@dataclass
class OnPostgres(Sale):
    """A sale whose journal is a database."""

    server: Server | None = None
    url: str = ""

    @property
    def command(self) -> list[str]:
        return ["run", str(self.mandate), "--on", "mock", "--rehearse", "--journal", self.url, "--json"]

    def prepare_journal(self) -> None:
        open_store(self.url).close()

    def record(self) -> list[str]:
        assert self.server is not None
        with self.server.connect(self.url) as db:
            return [str(line) for (line,) in db.execute("SELECT line FROM events ORDER BY seq")]


@pytest.mark.parametrize(("kind", "number"), [(SENT, 60), (SENT, 150), (RECEIVED, 200)], ids=["60", "150", "200"])
def test_a_run_on_a_database_that_is_killed_ends_exact(
    kind: Kind, number: int, tmp_path: Path, postgres_server: Server
) -> None:
    with sale(tmp_path) as made:
        env = {**made.env, "EXECUTOR_RECORD_KEY": str(tmp_path / "record.key")}
        deal = OnPostgres(made.mandate, made.journal, env, server=postgres_server, url=postgres_server.url())
        deal.prepare_journal()
        first = deal.run(kind.strace(tmp_path, "signal=SIGKILL", str(number), kill=True))
        assert first.code == -signal.SIGKILL, first.errors[-2000:]
        deal.finish()
        deal.check()
