"""Fetching candles: exact text, whole pages, gaps, a crash in the middle, and what an exchange may do wrong.

The network is never touched: exchanges are made up here, and ccxt is replaced by a module of this file."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import pytest

from adapters.candles import read_candles
from executor.cli.market import _progress as progress_of
from executor.errors import ExecutorError, InputRefused, VenueUnreachable
from executor.market.fetch import HEADER, CcxtSource, Fetched, Wanted, fetch
from tests.cli.commands import call

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SINCE = datetime(2024, 11, 1, tzinfo=UTC)
NOW = datetime(2024, 12, 1, tzinfo=UTC)
WANTED = Wanted("BTC/USDT", "5m", SINCE, SINCE + timedelta(days=5))
COUNT = 5 * 288


def row(number: int) -> list[Any]:
    """The candle ``number`` after SINCE, with the trailing zeros that an exchange sends."""
    at = (SINCE - EPOCH) // timedelta(milliseconds=1) + number * 300_000
    return [
        at,
        f"{70000 + number}.10",
        f"{70001 + number}.00",
        f"{69999 + number}.00",
        f"{70000 + number}.50",
        "0.00100",
    ]


class Exchange:
    """Made up: has every candle but those in ``without``, and fails at the calls in ``fails``."""

    def __init__(self, *, without: range = range(0), fails: tuple[int, ...] = (), page: int = 10**6) -> None:
        self.name = "madeup"
        self.calls: list[int] = []
        self.without, self.fails, self.page = without, fails, page

    def candles(self, pair: str, candle: str, since_ms: int, limit: int) -> Sequence[Sequence[Any]]:
        self.calls.append(since_ms)
        if len(self.calls) in self.fails:
            raise VenueUnreachable("madeup: timed out; run the same command again to continue")
        rows = [row(n) for n in range(-10, COUNT + 50) if n not in self.without]
        return [each for each in rows if each[0] >= since_ms][: min(limit, self.page)]


def run(source: Exchange, folder: Path, wanted: Wanted = WANTED) -> Fetched:
    return fetch(source, wanted, folder, NOW, lambda _name, _at: None)


def test_every_candle_once_and_the_text_as_it_came(tmp_path: Path) -> None:
    done = run(Exchange(), tmp_path)
    assert done == Fetched("madeup", tmp_path / "madeup_BTC-USDT_5m_20241101-20241106.csv", COUNT, 0)
    lines = done.path.read_text().splitlines()
    assert lines[1] == "2024-11-01 00:00:00,70000.10,70001.00,69999.00,70000.50,0.00100"
    assert [path.name for path in tmp_path.iterdir()] == [done.path.name]
    assert read_candles(done.path)[-1].close == Decimal("71439.50")


@pytest.mark.parametrize(
    "cut", ["", "2024-11-02 17:40:00,705", "2024-11-02 17:40:00,70500.10,70501.00,70499.00,70500.50,0.0"]
)
def test_a_fetch_that_broke_off_goes_on_to_the_same_bytes(tmp_path: Path, cut: str) -> None:
    whole = run(Exchange(), tmp_path / folder(tmp_path, "whole")).path.read_bytes()
    broken = Exchange(fails=(2,))
    place = tmp_path / folder(tmp_path, "broken")
    with pytest.raises(VenueUnreachable):
        run(broken, place)
    part = next(place.glob("*.part"))
    assert not list(place.glob("*.csv"))
    with part.open("a") as out:
        out.write(cut)
    again = Exchange()
    assert run(again, place).path.read_bytes() == whole
    assert again.calls[0] == row(500)[0]  # the first page was not fetched again


def folder(base: Path, name: str) -> str:
    (base / name).mkdir()
    return name


def test_a_complete_file_is_left_as_it_is(tmp_path: Path) -> None:
    run(Exchange(), tmp_path)
    again = Exchange()
    assert run(again, tmp_path).candles == COUNT
    assert again.calls == []


@pytest.mark.parametrize("page", [10**6, 100, 7])
def test_gaps_and_short_pages(tmp_path: Path, page: int) -> None:
    done = run(Exchange(without=range(100, 421), page=page), tmp_path)
    assert (done.candles, done.missing) == (COUNT - 321, 321)


def test_no_candles_at_all(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="has no candles of BTC/USDT in this period"):
        run(Exchange(without=range(-10, COUNT + 50)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad", [[row(0)[0], 1.5, "2", "1", "1.5", "1"], [row(0)[0], "1", "2"], [row(0)[0], None, "2", "1", "1", "1"]]
)
def test_a_number_that_is_not_text_has_lost_its_digits(tmp_path: Path, bad: list[Any]) -> None:
    source = Exchange()
    source.candles = lambda *_: [bad]  # type: ignore[method-assign]
    with pytest.raises(ExecutorError, match="without its six values as text"):
        run(source, tmp_path)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Wanted("A/B", "5m", SINCE, SINCE), "must be before"),
        (Wanted("A/B", "5m", SINCE, NOW + timedelta(days=1)), "has not come yet"),
        (Wanted("A/B", "5m", SINCE + timedelta(minutes=1), NOW), "does not lie on a candle"),
        (Wanted("A/B", "5 min", SINCE, NOW), "is not a length"),
    ],
)
def test_periods_that_are_refused(tmp_path: Path, wanted: Wanted, reason: str) -> None:
    with pytest.raises(InputRefused, match=reason):
        run(Exchange(), tmp_path, wanted)


# --- through ccxt's interface, over HTTP on loopback ------------------------------------------------------------------


class _Candles(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        since = int(self.path.rsplit("=", 1)[1])
        source = Exchange()
        self.send_response(503 if self.server.down else 200)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(json.dumps(source.candles("", "", since, 500)).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def loopback() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Candles) as server:
        server.down = False  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def ccxt(loopback: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with as much of ccxt's interface as is used, whose one exchange answers on loopback."""
    made = ModuleType("ccxt")

    class BaseError(Exception):
        pass

    class NetworkError(BaseError):
        pass

    class Madeup:
        number: Any = float

        def __init__(self, config: dict[str, Any]) -> None:
            assert config == {"enableRateLimit": True}

        def fetch_ohlcv(self, pair: str, candle: str, since: int, limit: int) -> list[list[Any]]:
            if pair != "BTC/USDT":
                raise BaseError(f"madeup does not have market symbol {pair}")
            try:
                with urlopen(f"http://127.0.0.1:{loopback.server_port}/?since={since}") as answer:
                    rows = json.load(answer)
            except OSError as error:
                raise NetworkError(str(error)) from error
            return [[at, *map(self.number, cells)] for at, *cells in rows]

    vars(made).update(exchanges=["madeup"], BaseError=BaseError, NetworkError=NetworkError, madeup=Madeup)
    monkeypatch.setitem(sys.modules, "ccxt", made)
    return made


COMMAND = ("market", "fetch", "--pair", "BTC/USDT", "--candle", "5m", "--since", "2024-11-01", "--until", "2024-11-06")


def test_the_command(ccxt: ModuleType, tmp_path: Path) -> None:
    done = call(*COMMAND, "--exchange", "madeup", "--to", tmp_path / "candles", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["exchange"], told["candles"], told["missing"]) == ("madeup", COUNT, 0)
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 20
    assert lines[-1] == "madeup: up to 2024-11-06 00:00Z, 100 %"
    assert Path(told["file"]).read_text().startswith(HEADER + "2024-11-01 00:00:00,70000.10,")


def test_the_command_says_that_it_can_be_continued(ccxt: ModuleType, loopback: HTTPServer, tmp_path: Path) -> None:
    loopback.down = True  # type: ignore[attr-defined]
    done = call(*COMMAND, "--exchange", "madeup", "--to", tmp_path)
    assert done.returncode == 7
    assert "run the same command again to continue" in done.stderr
    loopback.down = False  # type: ignore[attr-defined]
    assert call(*COMMAND, "--exchange", "madeup", "--to", tmp_path).returncode == 0


def test_what_the_command_refuses(ccxt: ModuleType, tmp_path: Path) -> None:
    other_pair = [each.replace("BTC/USDT", "XYZ/USDT") for each in COMMAND]
    wrong = call(*other_pair, "--exchange", "madeup", "--to", tmp_path)
    assert (wrong.returncode, "check the pair" in wrong.stderr) == (1, True)
    unknown = call(*COMMAND, "--exchange", "nowhere", "--to", tmp_path)
    assert (unknown.returncode, "ccxt knows no exchange 'nowhere'" in unknown.stderr) == (2, True)
    soon = [each.replace("2024-11-06", "2999-01-01") for each in COMMAND]
    assert call(*soon, "--exchange", "madeup", "--to", tmp_path).returncode == 2
    assert call(*COMMAND[:-1], "tomorrow", "--exchange", "madeup", "--to", tmp_path).returncode == 2


def test_without_ccxt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(InputRefused, match=r"pip install 'disposal-executor\[market\]'"):
        CcxtSource("binance")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress_of("madeup", WANTED) as told:
        told("madeup", WANTED.since + timedelta(days=2, hours=12))
    assert "madeup" in shown.getvalue()
    assert " 50%" in shown.getvalue()
