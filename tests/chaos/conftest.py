"""A whole Kite of one's own for each fault, with the modules of the test and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing.system import System


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A project that the test fills and starts; at its end nothing of it may be left."""
    with System(tmp_path, extensions=False) as made:
        yield made
