"""`kite chaos` over the system that comes with it: a minute of it always, ten where it is asked for.

The seed is printed with every failure; `KITE_CHAOS_SEED=n` repeats it.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from kite.testing.system import System

SEED = int(os.environ.get("KITE_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))


def run(tmp_path: Path, *, seed: int, seconds: float, faults: str | None = None) -> dict[str, Any]:
    """The document of a run; the test fails with all that it said where a promise was not kept."""
    system = System(tmp_path)
    words: tuple[str, ...] = (
        "chaos",
        "--seed",
        str(seed),
        "--seconds",
        f"{seconds:g}",
        "--verbose",
        "--json",
    )
    if faults is not None:
        words += ("--faults", faults)
    outcome = system.kite(*words, status=None, timeout=seconds + 300)
    print(outcome.err)  # noqa: T201  (shown with a failure)
    assert outcome.status == 0, outcome.out
    found: dict[str, Any] = json.loads(outcome.out)
    assert found["seed"] == seed
    assert found["violations"] == []
    assert found["kept"] is None
    assert not list(tmp_path.glob("tmp/kite-chaos-*"))
    system.wait_nothing_left()
    return found


@pytest.mark.slow
def test_a_minute_of_chaos(tmp_path: Path) -> None:
    found = run(tmp_path, seed=SEED, seconds=60.0)
    assert found["faults"] >= 10
    assert found["rounds"]
    assert found["looks"] >= 10


@pytest.mark.long
def test_ten_minutes_of_chaos(tmp_path: Path) -> None:
    run(tmp_path, seed=SEED, seconds=600.0)
