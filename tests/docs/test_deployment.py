"""The files of an installation, as far as they can be judged where no container can be built."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_whatever_the_image_copies_is_sent_to_its_builder() -> None:
    """Guards the build against a file that ``.dockerignore`` keeps back."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        source.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == admitted
    assert all((ROOT / each).exists() for each in copied)


def test_a_drained_worker_is_not_started_again() -> None:
    """It ends with 0; what ends otherwise starts afresh."""
    assert "Restart=on-failure" in (ROOT / "deploy/executor-worker@.service").read_text().splitlines()
    worker = (ROOT / "deploy/compose.yaml").read_text().partition("  worker:\n")[2].partition("\nsecrets:")[0]
    assert "restart: on-failure" in worker


def test_every_mounted_directory_is_named_to_the_program() -> None:
    """Guards against profiles or keys that are mounted where nobody looks."""
    compose = (ROOT / "deploy/compose.yaml").read_text()
    mounts = set(re.findall(r"\.\./\w+:([\w/]+):ro", compose))
    named = dict(re.findall(r"(EXECUTOR_(?:SECRETS|VENUES)_DIR): (\S+)", compose))
    assert mounts == set(named.values()) == {"/run/secrets", "/etc/executor/venues"}
