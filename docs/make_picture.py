"""Draw the picture in the README: a real run of ``executor demo``, as a terminal would show it.

Run ``python docs/make_picture.py`` after the summary has changed; it writes ``docs/demo.svg``.
"""

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parent / "demo.svg"
COMMAND = "from executor.cli.main import main; main()"


def draw(output: str) -> str:
    """The terminal with ``output`` in it, as SVG."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=100, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.assemble(("$ ", "bold green"), ("executor demo", "bold")))
        for line in output.splitlines():
            name, gap, value = line.partition("  ")
            heading = not name or name.startswith("by ")
            console.print(Text(line, "bold") if heading else Text.assemble((name, "cyan"), gap, value), soft_wrap=True)
    # The identifier is fixed so that the same output gives the same file.
    picture = console.export_svg(title="executor demo", unique_id="demo")
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # nothing is fetched to show it


def main() -> int:
    """Run the demonstration and write the picture."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", COMMAND, "demo"], capture_output=True, text=True, check=True
    )
    PICTURE.write_text(draw(done.stdout), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
