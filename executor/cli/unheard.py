"""Commands that sell or stop a sale go on when nobody can hear them: a reader that went away, a disk that is full.

What they say is for people; what they do is in the record. A line that cannot be written must not end a sale in
mid-air, nor keep a stop from being carried out.
"""

import io
import os
import sys
from typing import Any, TextIO


def go_on_unheard() -> None:
    """From now on stdout and stderr swallow what they cannot write. Streams that are no files are left as they are."""
    sys.stderr = _unfailing(sys.stderr)
    sys.stdout = _unfailing(sys.stdout)


def _unfailing(stream: TextIO) -> TextIO:
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return stream
    stream.flush()
    raw = io.BufferedWriter(_Unfailing(number, "w", closefd=False))
    return io.TextIOWrapper(raw, stream.encoding, stream.errors, line_buffering=True)


class _Unfailing(io.FileIO):
    """A file that becomes /dev/null with the first write that fails."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            if self.fileno() == 1:
                sys.stderr.write(f"executor: stdout cannot be written any more ({error.strerror}); going on without\n")
            return len(data)
