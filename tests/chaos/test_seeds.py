"""What seeds of `kite chaos` have found, each again by the faults that led to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.test_chaos_minute import run

FOUND = [
    # The clock was set forward and back: an interval of two seconds became one of a day.
    (13, "clock"),
    # A module's folder went and came back within a run: its lives began at 1 again.
    (13, "rescan,request"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "faults"), FOUND)
def test_a_seed_that_found_something(tmp_path: Path, seed: int, faults: str) -> None:
    run(tmp_path, seed=seed, seconds=8.0, faults=faults)
