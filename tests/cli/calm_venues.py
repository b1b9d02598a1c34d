"""`executor mock-venues` over a market that stands still: what the orders of a test sell must not depend on how
fast this machine is between a look at the book and the order that follows it.

``python -m tests.cli.calm_venues mock-venues --port …``: the same faces, rules, fees and
dealers; only the price does not move.
"""

from dataclasses import replace
from functools import partial
from unittest.mock import patch

from adapters.mock.params import DEEP, THIN
from adapters.mock.world import WorldSpec
from executor.cli import main as program
from executor.cli import mock_venues

_STILL = {"sigma_d": 1e-9, "density_cv": 0.0}  # sigma must be positive; a move this small is never a tick


def main() -> None:
    """Serve the venues until they are ended."""
    calm = partial(WorldSpec, market_params=replace(DEEP, **_STILL), venue_params=replace(THIN, **_STILL))
    with patch.object(mock_venues, "WorldSpec", calm):
        program.main()


if __name__ == "__main__":
    main()
