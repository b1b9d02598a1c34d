"""A cable between a worker and its database that can be cut without either end being told: a forwarding process that is
stopped. Connections stay, and bring nothing."""

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from urllib.parse import quote, unquote

from tests.cli.commands import ROOT

_SOCKET = ".s.PGSQL.5432"


@dataclass
class Cable:
    """``url`` leads to the same journal through this cable."""

    url: str
    process: Popen[bytes]

    def cut(self) -> None:
        """Nothing passes from now on."""
        self.process.send_signal(signal.SIGSTOP)

    def mend(self) -> None:
        """What was held up goes on its way."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def cable(folder: Path, url: str) -> Iterator[Cable]:
    """A cable to the server that ``url`` names by the folder of its socket."""
    there = unquote(url.partition("host=")[2].partition("&")[0])
    here = Path(f"{there}-cable-{os.getpid()}")
    here.mkdir()
    command = [sys.executable, "-m", "tests.failover.cut", str(here / _SOCKET), str(Path(there) / _SOCKET)]
    with (folder / "cable.log").open("wb") as log:
        process = Popen(command, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, stderr=log)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield Cable(url.replace(quote(there, safe=""), quote(str(here), safe="")), process)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout else None
        (here / _SOCKET).unlink(missing_ok=True)
        here.rmdir()


def forward(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either end is closed."""
    ends = {one: other, other: one}
    with one, other:
        while True:
            ready, _, _ = select.select(list(ends), [], [])
            for each in ready:
                data = each.recv(65_536)
                if not data:
                    return
                ends[each].sendall(data)


if __name__ == "__main__":
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(50)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while True:
        accepted, _ = listener.accept()
        onward = socket.socket(socket.AF_UNIX)
        onward.connect(sys.argv[2])
        threading.Thread(target=forward, args=(accepted, onward), daemon=True).start()
