"""Keeps what a test measured for the closing lines of the run."""

from typing import Any

import pytest

from tests.failover.report import MEASURED, Told


@pytest.fixture
def told(record_property: Any) -> Told:
    """Remember figures under a name."""

    def tell(name: str, figures: dict[str, Any]) -> None:
        record_property(MEASURED, {"what": name} | figures)

    return tell
