"""The house rules, held over every file that git knows or would add. A failure says what to use instead.

Each rule is a function from one file to sentences ``path:line: what -> use X instead``. ``test_rule_fires`` shows each
of them a file that breaks it, so a rule that has gone blind fails here. Words that a rule forbids everywhere are built
from pieces in this file, which is checked like any other.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ("executor/", "adapters/", "config/")
EXACT = ("executor/domain/", "executor/strategy/", "executor/guards/", "executor/journal/", "executor/settlement/")

# Where a float may stand in a place that is exact otherwise, and why.
FLOATS_ALLOWED = {
    "adapters/clock.py": "the event loop's own time is a float of seconds",
    "adapters/transport.py": "asyncio takes seconds as floats; no amount passes through",
    **{
        f"adapters/mock/{name}.py": "the simulated market is statistics; amounts leave it as Decimal"
        for name in ("params", "tape", "market", "book", "dealers", "planning_market", "planning_venue")
    },
}
CLOCK = "adapters/clock.py"
COMPOSING = ("executor/cli/", "executor/simulation/")  # they put the parts together, so they may name them
MAX_FILE, MAX_FUNCTION = 400, 60


@dataclass(frozen=True)
class Source:
    """One file: its path inside the project, with ``/``, and its text."""

    path: str
    text: str

    def nodes(self) -> Iterator[ast.AST]:
        """Every syntax node of a Python file; nothing for another file."""
        return iter(_nodes(self)) if self.path.endswith(".py") else iter(())

    def lines(self) -> Iterator[tuple[int, str]]:
        return enumerate(self.text.splitlines(), start=1)

    def at(self, where: ast.AST | int, what: str, instead: str) -> str:
        line = where if isinstance(where, int) else getattr(where, "lineno", 1)
        return f"{self.path}:{line}: {what} -> {instead}"


Rule = Callable[[Source], Iterator[str]]


# --- the rules --------------------------------------------------------------------------------------------------------


def files_fit_in_a_head(source: Source) -> Iterator[str]:
    length = len(source.text.splitlines())
    if source.path.startswith(HOUSE) and source.path.endswith(".py") and length > MAX_FILE:
        yield source.at(MAX_FILE, f"{length} lines", f"split it: one idea per file, {MAX_FILE} lines at most")


def functions_fit_on_a_page(source: Source) -> Iterator[str]:
    for node in source.nodes() if source.path.startswith(HOUSE) else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield source.at(node, f"{node.name} has {length} lines", f"name its parts; {MAX_FUNCTION} at most")


def amounts_are_exact(source: Source) -> Iterator[str]:
    if not source.path.startswith((*EXACT, "adapters/")) or source.path in FLOATS_ALLOWED:
        return
    refused = set()  # isinstance(value, float) is how a float is refused
    for node in source.nodes():
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            refused |= {id(inner) for inner in ast.walk(node.args[1])}
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        named = isinstance(node, ast.Name) and node.id == "float" and id(node) not in refused
        if literal or named or (isinstance(node, ast.Attribute) and node.attr.startswith("float")):
            yield source.at(node, "a float", 'use Decimal("..."), or timedelta for a duration')


def time_and_chance_come_from_ports(source: Source) -> Iterator[str]:
    if not source.path.startswith(HOUSE) or source.path == CLOCK:
        return
    for node in source.nodes():
        for module in {"time", "random", "uuid", "secrets"} & set(_imported(node)):
            yield source.at(node, f"imports {module}", "take a Clock, a seeded generator or an id from the caller")
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in ("datetime", "date") and node.attr in ("now", "utcnow", "today"):
                yield source.at(node, f"{owner}.{node.attr}", "use clock.now() of the Clock that is handed in")
            if owner in ("np", "numpy") and node.attr == "random" and not source.path.startswith("adapters/mock/"):
                yield source.at(node, "numpy's randomness", "take a generator seeded from the plan")


def errors_are_never_swallowed(source: Source) -> Iterator[str]:
    instead = "name the class of adapters.venue or executor.errors that is meant, or let it rise"
    for node in source.nodes():
        if isinstance(node, ast.ExceptHandler):
            wide = getattr(node.type, "id", "") in ("Exception", "BaseException")
            empty = all(_does_nothing(each) for each in node.body)
            if node.type is None or (wide and empty):
                yield source.at(node, "an error is swallowed", instead)
        suppressed = node.args if isinstance(node, ast.Call) and _name(node.func) == "suppress" else []
        if {_name(each) for each in suppressed} & {"Exception", "BaseException"}:
            yield source.at(node, "every error is suppressed", instead)


def only_the_transport_retries(source: Source) -> Iterator[str]:
    for node in source.nodes() if source.path.startswith(HOUSE) else ():
        for module in {"tenacity", "backoff", "retrying", "stamina"} & set(_imported(node)):
            if source.path != "adapters/transport.py":
                yield source.at(node, f"imports {module}", "use adapters.transport: read() retries, write() never does")


def venues_meet_only_at_the_interface(source: Source) -> Iterator[str]:
    """A venue's files are known by their names: ``osl.py`` and ``osl_*.py`` are one adapter, ``mock/`` the mocks."""
    folder, _, rest = source.path.partition("/")
    open_to_all = {"venue", "clock", "leave", "amounts"} | (
        {"candles"} if rest.startswith(("mock/", "market/")) else set()
    )
    if folder == "adapters":
        own = re.split(r"[/_.]", rest)[0]
        open_to_all |= set() if own == "mock" else {"transport"}
    elif source.path.startswith("executor/") and not source.path.startswith(COMPOSING):
        own, open_to_all = "", open_to_all | {"registry"}
    else:
        return
    for node in source.nodes() if own != "registry" else ():
        for module in _adapters_named(node) - open_to_all:
            names_only = own == "mock" and module.endswith("_settings")  # names a venue does not publish, no logic
            if module.split("_")[0] != own and not names_only:
                yield source.at(node, f"imports adapters.{module}", "use the types of adapters.venue")


def only_the_cli_prints(source: Source) -> Iterator[str]:
    for node in source.nodes() if source.path.startswith(HOUSE) else ():
        if isinstance(node, ast.Call) and _name(node.func) == "print" and not source.path.startswith("executor/cli/"):
            yield source.at(node, "prints", "log a LogEvent, or return the text to executor.cli")


def modules_say_what_they_hold(source: Source) -> Iterator[str]:
    words = set(re.split(r"[/_.]", source.path.lower()))
    for word in words & {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}:
        if source.path.endswith(".py"):
            yield source.at(1, f"a module named {word}", "name it after the one idea that it holds")


def nothing_names_a_machine(source: Source) -> Iterator[str]:
    hosts = "|".join((r"pypi\.org", r"pythonhosted\.org", r"npmjs\.org", r"crates\.io", r"proxy\.golang\.org"))
    folders = "|".join(("work", "root", "home", "Users", "opt/pypi", "opt/wheels"))
    instead = "use the client's configured registry, a path inside the project, or a setting"
    pattern = rf"(?<![\w.~-])/(?:{folders})/[\w.-]+|\b(?:[\w-]+\.)*(?:{hosts})\b"
    for number, line in source.lines():
        for found in re.finditer(pattern, line):
            yield source.at(number, f"names {found.group()}", instead)


def nothing_is_left_for_later(source: Source) -> Iterator[str]:
    for number, line in source.lines():
        if found := re.search("|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b")), line):
            yield source.at(number, found.group(), "do it now, or state the limit in the documentation")


def the_project_stands_alone(source: Source) -> Iterator[str]:
    for number, line in source.lines() if not source.path.startswith("tests/") else ():
        if "../shared" in line:
            yield source.at(number, "reads a folder outside the project", "copy what is needed into the project")


RULES: tuple[Rule, ...] = (
    files_fit_in_a_head,
    functions_fit_on_a_page,
    amounts_are_exact,
    time_and_chance_come_from_ports,
    errors_are_never_swallowed,
    only_the_transport_retries,
    venues_meet_only_at_the_interface,
    only_the_cli_prints,
    modules_say_what_they_hold,
    nothing_names_a_machine,
    nothing_is_left_for_later,
    the_project_stands_alone,
)


# --- what the rules share ---------------------------------------------------------------------------------------------


@cache
def _nodes(source: Source) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(source.text, filename=source.path)))


def _imported(node: ast.AST) -> list[str]:
    """The top-level packages that an import statement names."""
    if isinstance(node, ast.Import):
        return [each.name.split(".")[0] for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


def _adapters_named(node: ast.AST) -> set[str]:
    """The modules directly inside ``adapters`` that an import statement names."""
    if isinstance(node, ast.ImportFrom) and node.module == "adapters":
        return {each.name for each in node.names}
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
    return {name.split(".")[1] for name in names if name.startswith("adapters.")}


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


@cache
def _project() -> tuple[Source, ...]:
    sources = []
    for path in _paths():
        try:
            sources.append(Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # not text, or deleted and not yet committed
    return tuple(sources)


def _paths() -> list[Path]:
    """What git tracks or would add; without git, every file outside hidden and generated folders."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        known = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        made = {"__pycache__", "var", "dist", "build"}
        inside = (each.relative_to(ROOT).parts for each in ROOT.rglob("*") if each.is_file())
        return [ROOT.joinpath(*parts) for parts in inside if not made & set(parts) and not parts[0].startswith(".")]
    return [ROOT / name for name in known.split("\0") if name]


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_house_rule(rule: Rule) -> None:
    broken = [sentence for source in _project() for sentence in rule(source)]
    assert not broken, "\n" + "\n".join(broken)


def test_something_is_looked_at() -> None:
    assert {"adapters/venue.py", "executor/exit_codes.py", "Makefile"} <= {source.path for source in _project()}


def test_what_is_tested_is_what_runs() -> None:
    """Every pin of the run-time lock stands in the development lock too."""
    pins = [set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.M)) for name in LOCKS]
    assert pins[0] <= pins[1], f"{sorted(pins[0] - pins[1])} -> run: make lock"


LOCKS = ("requirements.lock", "requirements-dev.lock")
LATER, OUTSIDE, HOST, FOLDER = "TO" + "DO", "../" + "shared", "pypi" + ".org", "/" + "root/.cache"

BREAKS: tuple[tuple[Rule, str, str], ...] = (
    (files_fit_in_a_head, "executor/long.py", "x = 1\n" * 401),
    (functions_fit_on_a_page, "config/long.py", "def f():\n" + "    x = 1\n" * 60),
    (functions_fit_on_a_page, "adapters/long.py", "async def f():\n" + "    x = 1\n" * 60),
    (amounts_are_exact, "executor/domain/a.py", "px = 0.1"),
    (amounts_are_exact, "executor/guards/a.py", "px = float(text)"),
    (amounts_are_exact, "adapters/osl.py", "def f(px: float) -> None: ..."),
    (amounts_are_exact, "executor/journal/a.py", "a = numpy.float64(b)"),
    (time_and_chance_come_from_ports, "executor/engine/a.py", "import time"),
    (time_and_chance_come_from_ports, "adapters/osl.py", "from uuid import uuid4"),
    (time_and_chance_come_from_ports, "executor/domain/a.py", "at = datetime.now(UTC)"),
    (time_and_chance_come_from_ports, "config/a.py", "at = datetime.datetime.utcnow()"),
    (time_and_chance_come_from_ports, "executor/strategy/a.py", "g = np.random.default_rng()"),
    (errors_are_never_swallowed, "executor/a.py", "try:\n    f()\nexcept:\n    raise"),
    (errors_are_never_swallowed, "tests/a.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (errors_are_never_swallowed, "executor/a.py", "for a in b:\n  try: f()\n  except BaseException: continue"),
    (errors_are_never_swallowed, "executor/a.py", "with contextlib.suppress(Exception):\n    f()"),
    (only_the_transport_retries, "executor/engine/a.py", "from tenacity import retry"),
    (venues_meet_only_at_the_interface, "adapters/osl_rfq.py", "from adapters.hashkey_wire import sign"),
    (venues_meet_only_at_the_interface, "adapters/hashkey.py", "from adapters import osl"),
    (venues_meet_only_at_the_interface, "adapters/osl.py", "import adapters.mock.book"),
    (venues_meet_only_at_the_interface, "adapters/mock/osl_face.py", "from adapters.osl_sign import sign_v4"),
    (venues_meet_only_at_the_interface, "executor/engine/a.py", "from adapters.osl import Osl"),
    (venues_meet_only_at_the_interface, "adapters/osl.py", "from adapters.candles import Candle"),
    (only_the_cli_prints, "executor/engine/a.py", "print(1)"),
    (modules_say_what_they_hold, "executor/utils.py", ""),
    (modules_say_what_they_hold, "tests/common/a.py", ""),
    (modules_say_what_they_hold, "adapters/order_manager.py", ""),
    (nothing_names_a_machine, "README.md", f"see https://{HOST}/simple"),
    (nothing_names_a_machine, "docs/a.md", f"cd {FOLDER}"),
    (nothing_is_left_for_later, "Makefile", f"# {LATER}: later"),
    (the_project_stands_alone, "docs/a.md", f"see {OUTSIDE}/design.md"),
)

HOLDS: tuple[tuple[Rule, str, str], ...] = (
    (amounts_are_exact, "executor/journal/a.py", "if isinstance(value, int | float): raise TypeError"),
    (amounts_are_exact, "executor/cli/a.py", "x = 0.1"),
    (amounts_are_exact, "adapters/mock/tape.py", "x = 0.1"),
    (time_and_chance_come_from_ports, CLOCK, "at = datetime.now(UTC)"),
    (time_and_chance_come_from_ports, "executor/engine/a.py", "from datetime import time\nat = clock.now()"),
    (time_and_chance_come_from_ports, "adapters/mock/tape.py", "g = np.random.Generator(np.random.Philox(7))"),
    (errors_are_never_swallowed, "executor/a.py", "try:\n    f()\nexcept Exception as e:\n    raise Failed from e"),
    (only_the_transport_retries, "adapters/transport.py", "import tenacity"),
    (venues_meet_only_at_the_interface, "adapters/osl.py", "from adapters.osl_v4 import V4\nimport adapters.transport"),
    (venues_meet_only_at_the_interface, "adapters/registry.py", "from adapters.osl import Osl"),
    (venues_meet_only_at_the_interface, "executor/market/a.py", "from adapters.candles import Candle"),
    (venues_meet_only_at_the_interface, "executor/cli/live.py", "from adapters.osl import Osl"),
    (only_the_cli_prints, "executor/cli/a.py", "print(1)"),
    (nothing_names_a_machine, "docs/a.md", "the page is at https://example.com/home/page, keys in /run/secrets/osl"),
    (the_project_stands_alone, "tests/a.py", f"DATA = '{OUTSIDE}/data'"),
)


def test_every_rule_is_shown_to_fire() -> None:
    assert {rule for rule, _, _ in BREAKS} == set(RULES)


@pytest.mark.parametrize(("rule", "path", "text"), BREAKS)
def test_rule_fires(rule: Rule, path: str, text: str) -> None:
    found = list(rule(Source(path, text)))
    assert found
    assert all(re.match(rf"{re.escape(path)}:\d+: .+ -> .+", sentence) for sentence in found)


@pytest.mark.parametrize(("rule", "path", "text"), HOLDS)
def test_rule_lets_the_right_thing_pass(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []
