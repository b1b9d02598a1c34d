"""The report as PDF/A-3: tagged, fonts embedded, the record and its verifier attached; the same bytes every time."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from datetime import datetime

from executor.errors import InputRefused

FONTS = ("Noto Serif CJK SC", "Noto Sans CJK SC", "Noto Sans Mono CJK SC")
_PACKAGES = "On Debian or Ubuntu: apt-get install fonts-noto-cjk fontconfig libpangoft2-1.0-0 libharfbuzz-subset0"
_MIME = {"jsonl": "application/x-ndjson", "txt": "text/plain", "py": "text/x-python"}


def missing_fonts() -> list[str]:
    """The fonts of the report that this machine does not have. Raises ``InputRefused`` if that cannot be said."""
    tool = shutil.which("fc-match")
    if tool is None:
        raise InputRefused(f"the fonts for a PDF cannot be looked up: fc-match is missing. {_PACKAGES}")
    found = []
    for name in FONTS:
        done = subprocess.run(  # noqa: S603 - a fixed program with fixed arguments
            [tool, "--format=%{family}", name], capture_output=True, text=True, check=False, timeout=30
        )
        if name not in done.stdout.split(","):
            found.append(name)
    return found


def pdf(page: str, dated: datetime, attachments: Mapping[str, bytes]) -> bytes:
    """``page`` (HTML) as PDF/A-3a. ``dated`` is the record's time and the only time in the file. Raises
    ``InputRefused`` when the libraries or the fonts are not there."""
    try:
        from weasyprint import HTML, Attachment  # type: ignore[import-untyped]
    except (ImportError, OSError) as missing:
        raise InputRefused(
            f"{missing}: a PDF needs the extra 'report' and Pango: pip install 'disposal-executor[report]'; {_PACKAGES}"
        ) from None
    from weasyprint.text.ffi import harfbuzz_subset  # type: ignore[import-untyped]

    absent = missing_fonts() + ([] if harfbuzz_subset else ["libharfbuzz-subset (else each font takes minutes)"])
    if absent:
        raise InputRefused(f"for a PDF something is missing: {', '.join(absent)}. {_PACKAGES}")
    files = [
        Attachment(string=content, name=name, description=name, created=dated, modified=dated, relationship="Source")
        for name, content in attachments.items()
    ]
    identifier = hashlib.sha256(page.encode() + b"".join(attachments.values())).digest()[:16]
    made = HTML(string=page, url_fetcher=_nothing_outside).write_pdf(
        pdf_variant="pdf/a-3a", pdf_tags=True, pdf_identifier=identifier, attachments=files
    )
    assert isinstance(made, bytes)
    return made


def _nothing_outside(url: str, *_more: object, **_named: object) -> object:
    raise ValueError(f"the report fetches nothing: {url}")
