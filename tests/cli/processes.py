"""Processes that are watched while they run: started, waited for by what they say, and always ended."""

import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.cli.commands import PROGRAM, ROOT, environment

CALM = (sys.executable, "-m", "tests.cli.calm_venues")  # mocked venues over a market that stands still
PATIENCE_S = 60  # for one thing to happen; what should take seconds may take long on a busy machine


class Watched:
    """A running command whose output lines can be waited for. ``said`` holds the lines of stdout seen so far."""

    def __init__(
        self, *arguments: object, env: Mapping[str, str] | None = None, program: Sequence[str] = PROGRAM
    ) -> None:
        self.said: list[str] = []
        self.complained: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [*program, *map(str, arguments)],
            cwd=ROOT,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout,)),
            threading.Thread(target=self.complained.extend, args=(self._process.stderr,)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, wanted: Callable[[str], bool]) -> str:
        """The next line of stdout for which ``wanted`` holds."""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            assert line is not None, f"ended without saying it: {''.join(self.complained)[-3000:]}"
            self.said.append(line)
            if wanted(line):
                return line

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the end; the exit code. Everything that was said is in ``said`` and ``complained``."""
        code = self._process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.said.append(line)
        return code

    def close(self) -> None:
        """End it if it runs, and release its pipes."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @property
    def error_text(self) -> str:
        """What was said on stderr so far."""
        return "".join(self.complained)


@contextmanager
def watched(
    *arguments: object, env: Mapping[str, str] | None = None, program: Sequence[str] = PROGRAM
) -> Iterator[Watched]:
    """A running command that does not outlive the block."""
    process = Watched(*arguments, env=env, program=program)
    try:
        yield process
    finally:
        process.close()


def two_free_ports() -> int:
    """A port that is free together with the next one."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two neighbouring ports are free")


# At HashKey's own rate limit the start alone takes a quarter of a minute. An absent order is absent after two seconds.
QUICK = {"hashkey-mock": 'queries_per_second = "50"\nquiet_period = "PT2S"\n'}


def write_profiles(folder: Path, port: int, patience: Mapping[str, str] = QUICK) -> dict[str, str]:
    """Profiles of the mocked venues at ``port`` and the next, with ``patience`` added to their settings; returns the
    environment that names them."""
    folder.mkdir(exist_ok=True)
    for name, shipped, wanted in (("osl-mock", 18080, port), ("hashkey-mock", 18081, port + 1)):
        text = (ROOT / "config" / "venues" / f"{name}.toml").read_text(encoding="utf-8")
        assert f":{shipped}" in text
        text = text.replace("[settings]\n", f"[settings]\n{patience.get(name, '')}", 1)
        (folder / f"{name}.toml").write_text(text.replace(f":{shipped}", f":{wanted}"), encoding="utf-8")
    return {"EXECUTOR_VENUES_DIR": str(folder)}


@contextmanager
def mock_venues(
    folder: Path, mandate: Path, program: Sequence[str] = PROGRAM, patience: Mapping[str, str] = QUICK
) -> Iterator[tuple[Watched, dict[str, str]]]:
    """Mocked venues on sockets whose purses hold the mandate's coins, and the environment in which they are found."""
    for _ in range(10):
        port = two_free_ports()
        with watched("mock-venues", "--port", port, "--mandate", mandate, "--json", program=program) as venues:
            try:
                venues.until(lambda line: "hashkey" in line)
            except AssertionError:
                if "cannot be used" in venues.error_text:
                    continue  # somebody else was quicker
                raise
            yield venues, write_profiles(folder / "venues", port, patience)
            return
    raise AssertionError("found no ports for the mocked venues")
