"""Log lines for people, on stderr: coloured text at a terminal, one JSON object per line elsewhere.

Nothing that looks like a secret leaves here: values of telling keys, ``SecretStr`` at any depth, and ``signature=...``
inside any text (URLs and tracebacks carry them). Tracebacks never show local variables. Libraries that log through the
standard library take the same road, and those that would write signed URLs are quiet.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TextIO

import structlog
from pydantic import SecretBytes, SecretStr
from structlog.typing import Processor

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

REDACTED = "[redacted]"

# Compared with the key in lower case without punctuation: X-HK-APIKEY, api_key, Rest-Sign, ACCESS-PASSPHRASE.
_TELLING = re.compile(
    r"apikey|accesskey|restkey|secret|signature|sign$|passphrase|password|authorization|privatekey|token|cookie"
)
_IN_TEXT = re.compile(
    r"""(?ix) \b ([\w-]* (?: api[-_]?key | secret | signature | passphrase | password | authorization | token ))
        ( ["']? \s* [=:] \s* ["']? (?: (?:Bearer|Basic)\s+ )? ) [^\s&"',;)}\]]+"""
)

# At INFO httpx and uvicorn write whole URLs, and HashKey's carry the signature; httpcore's DEBUG writes headers.
_QUIET = ("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "asyncio")


def configure_logging(log_format: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None) -> None:
    """Send every log line of this process to ``stream`` (stderr). Calling it again replaces what was set before."""
    target = stream if stream is not None else sys.stderr
    terminal = target.isatty()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: Processor
    if log_format == "console" or (log_format == "auto" and terminal):
        # The default formatter of this renderer prints local variables, and with them keys.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)
    else:
        renderer = structlog.processors.JSONRenderer(serializer=json.dumps, default=_as_text, ensure_ascii=False)
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # text without locals, before redaction so that it is redacted too
        redact,
        renderer,
    ]
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _route_standard_library(chain, threshold, target)


def bind_context(
    *, case: str | None = None, parent: str | None = None, child: str | None = None, venue: str | None = None
) -> None:
    """Put these on every later log line of the current task. ``None`` leaves what is bound as it is."""
    given = {"case": case, "parent": parent, "child": child, "venue": venue}
    structlog.contextvars.bind_contextvars(**{key: value for key, value in given.items() if value is not None})


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: the event with everything that looks like a secret taken out, at any depth."""
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: object, value: object) -> object:
    if isinstance(value, SecretStr | SecretBytes) or (value is not None and _tells(key)):
        return REDACTED
    if isinstance(value, str):
        # Exactly a str stays what it was unless there is something to hide: LogEvent members keep their class.
        return _IN_TEXT.sub(rf"\1\2{REDACTED}", value) if _IN_TEXT.search(value) else value
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"  # request bodies are signed material; their length is all a reader needs
    if isinstance(value, Mapping):
        return {inner: _clean(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return _clean_items(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, BaseException):
        return _clean("", f"{type(value).__name__}: {value}")
    return value


def _clean_items(values: Iterable[object]) -> list[object]:
    """Headers are often pairs of name and value: a pair whose first item tells is redacted like a key."""
    items = list(values)
    if len(items) == 2 and isinstance(items[0], str) and _tells(items[0]):
        return [items[0], REDACTED]
    return [_clean("", item) for item in items]


def _tells(key: object) -> bool:
    return isinstance(key, str | bytes) and bool(_TELLING.search(re.sub(r"[^a-z0-9]", "", _text(key).lower())))


def _text(key: str | bytes) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else key


def _as_text(value: object) -> object:
    """What JSON has no word for: times as the record writes them, anything else as text."""
    return value.isoformat() if isinstance(value, datetime) else _clean("", repr(value))


def _route_standard_library(chain: list[Processor], threshold: int, target: TextIO) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *chain],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.INFO))
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
