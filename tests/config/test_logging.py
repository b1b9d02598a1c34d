"""No secret leaves through a log line, and a traceback shows no local variables."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
import structlog
from pydantic import SecretStr

from config.logging import REDACTED, LogFormat, bind_context, configure_logging, redact
from executor.log_events import LogEvent

FORMATS: tuple[LogFormat, ...] = ("json", "console")


@dataclass(frozen=True)
class Keys:
    """As the adapters' settings hold them."""

    secret: SecretStr


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize(
    "value",
    [
        {"api_key": "LEAK"},
        {"X-HK-APIKEY": "LEAK"},
        {"Rest-Key": "LEAK", "Rest-Sign": "LEAK", "api-signature": "LEAK"},
        {"ACCESS-PASSPHRASE": "LEAK", "Authorization": "Bearer LEAK"},
        {"deep": [{"deeper": ({"secret": "LEAK"},)}]},
        [("X-HK-APIKEY", "LEAK"), ("accept", "*/*")],
        httpx.Headers({"api-key": "LEAK"}),
        SecretStr("LEAK"),
        {"plain": [SecretStr("LEAK")]},
        Keys(SecretStr("LEAK")),
        "https://api-pro.hashkey.com/api/v1/account?timestamp=1&signature=LEAK&x=2",
        b"signature=LEAK",
        ValueError("refused: {'api_key': 'LEAK'}"),
    ],
)
def test_secrets_are_redacted_wherever_they_stand(log_format: LogFormat, value: object) -> None:
    stream = io.StringIO()
    configure_logging(log_format, stream=stream)
    structlog.get_logger().info(LogEvent.VENUE_FAILED, detail=value)
    assert "venue_failed" in stream.getvalue()
    assert "LEAK" not in stream.getvalue()


def test_what_is_no_secret_stays() -> None:
    event = {"designation": "x", "signed_at": 1, "qty": Decimal("1E+2"), "missing_secret": None, "url": "http://h/?a=1"}
    assert redact(None, "info", dict(event)) == event | {"qty": "100"}


def test_telling_keys_at_the_top_are_redacted() -> None:
    assert redact(None, "info", {"signature": "LEAK"}) == {"signature": REDACTED}


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("through", ["structlog", "standard library"])
def test_tracebacks_show_no_locals_and_no_secrets(log_format: LogFormat, through: str) -> None:
    stream = io.StringIO()
    configure_logging(log_format, stream=stream)
    hidden = "LEAK" + str(len(through))  # a local variable whose value stands nowhere in the source
    try:
        int(f"GET https://host/?signature={hidden}")
    except ValueError:
        if through == "structlog":
            structlog.get_logger().exception(LogEvent.VENUE_FAILED)
        else:
            logging.getLogger("third.party").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert hidden not in stream.getvalue()


def test_json_is_one_object_per_line_with_context() -> None:
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    bind_context(case="case-7", parent="p1", venue=None)
    structlog.get_logger().info(LogEvent.FILL_RECORDED, qty=Decimal("0.10"), note="two\nlines")
    (line,) = lines(stream)
    assert line | {"timestamp": ""} == {
        "event": "fill_recorded",
        "case": "case-7",
        "parent": "p1",
        "qty": "0.10",
        "note": "two\nlines",
        "level": "info",
        "timestamp": "",
    }
    assert line["timestamp"].endswith("Z")


def test_level_is_kept_and_signed_urls_are_not_written() -> None:
    stream = io.StringIO()
    configure_logging("json", "debug", stream)
    configure_logging("json", "debug", stream)  # twice: no line may appear twice
    logging.getLogger("httpx").info("HTTP Request: GET https://host/?signature=x")
    logging.getLogger("uvicorn.access").info("GET /?signature=x")
    logging.getLogger("httpcore.connection").debug("headers")
    structlog.get_logger().debug("seen")
    logging.getLogger("anything").warning("seen too")
    assert [line["event"] for line in lines(stream)] == ["seen", "seen too"]


def test_importing_config_is_cheap() -> None:
    """``executor --help`` must not pay for libraries that it does not use."""
    code = "import sys, config; print([m for m in ('pydantic', 'structlog', 'httpx') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
