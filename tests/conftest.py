"""What holds for every test: no property is judged by how long an example took."""

from hypothesis import settings

from tests.crash.summary import pytest_terminal_summary as pytest_terminal_summary
from tests.postgresql import postgres_server as postgres_server

settings.register_profile("house", deadline=None)
settings.load_profile("house")
