"""A PostgreSQL server for the tests: the system's own program, in a folder of its own, on a unix socket, fsync on.

It runs as an ordinary user even when the tests run as root, is started when the first test asks for it, once in each
worker of the test run, and does not outlive it. Where there is no PostgreSQL the tests that need it are skipped, and
the run ends with the reason.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

PATIENCE_S = 60
_SETTINGS = ("fsync=on", "full_page_writes=on", "synchronous_commit=on", "listen_addresses=", "max_connections=60")


class Missing(Exception):
    """There is no PostgreSQL to be had, and why."""


class Server:
    """One running server. ``url`` names a schema in it; every schema is an empty database of its own to the journal."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._user = _ordinary_user()
        self.folder = Path(tempfile.mkdtemp(prefix="executor-pg-", dir="/tmp"))  # a socket's path must be short
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        try:
            self._run("initdb", "-D", str(self._data), "-U", "executor", "-A", "trust", "-E", "UTF8", "--no-sync")
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _as_user(self, *command: str) -> tuple[list[str], dict[str, object]]:
        program = [str(self._programs / command[0]), *command[1:]]
        if self._user is None:
            return program, {}
        return program, {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, *command: str) -> None:
        program, who = self._as_user(*command)
        done = subprocess.run(  # type: ignore[call-overload]
            program, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **who
        )
        if done.returncode:
            raise Missing(f"{command[0]} failed: {done.stderr.strip()[-300:]}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        program, who = self._as_user("postgres", "-D", str(self._data), "-k", str(self.folder), *settings)
        if shutil.which("setpriv"):  # the server dies with the test run, however that ends
            program = ["setpriv", "--pdeathsig", "QUIT", *program]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                program, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **who
            )
        for _ in range(PATIENCE_S * 10):
            try:
                self.connect().close()
            except psycopg.OperationalError:
                try:
                    self._process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
                raise Missing(f"the server ended at its start: {self._said()}") from None
            return
        raise Missing(f"the server did not answer in {PATIENCE_S} s: {self._said()}")

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace").strip()[-300:]

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: SIGQUIT as a power cut would, SIGINT in good order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self) -> str:
        """The URL of a new, empty place for a journal."""
        self._schemas += 1
        name = f"s{self._schemas}"
        with self.connect() as db:
            db.execute(f"CREATE SCHEMA {name}".encode())
        where = f"host={quote(str(self.folder), safe='')}&options={quote(f'-csearch_path={name}')}"
        return f"postgresql+psycopg://executor@/postgres?{where}"

    def connect(self, url: str = "") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of a test's own, to the server or to the place that ``url`` names."""
        if url:
            return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)
        return psycopg.connect(
            host=str(self.folder), user="executor", dbname="postgres", autocommit=True, connect_timeout=5
        )


def _programs() -> Path:
    """The folder of the newest PostgreSQL of this system."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        raise Missing("PostgreSQL is not installed (on Debian or Ubuntu: apt-get install postgresql)")
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def _ordinary_user() -> pwd.struct_passwd | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Missing("the tests run as root and there is no user postgres or nobody to run PostgreSQL as")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server of this worker."""
    try:
        server = Server()
    except Missing as missing:
        pytest.skip(f"NOT TESTED ON POSTGRESQL: {missing}")
    try:
        yield server
    finally:
        server.close()
