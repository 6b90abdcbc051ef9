"""A whole Kite of one's own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing.system import System


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A project that the test fills and starts; at its end nothing of it may be left."""
    with System(tmp_path) as made:
        yield made
