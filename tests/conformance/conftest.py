"""Fixtures: a Kite of one's own, a Kite for a whole file, the pair of core modules."""

from __future__ import annotations

import pytest

from .pair import Pair
from .running import Kite


@pytest.fixture
def kite(tmp_path):
    """A project of its own; the test starts what it needs, the end is checked."""
    made = Kite(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def shared_kite(tmp_path_factory):
    """A project for all tests of one file: the file's own `running` fixture fills and starts it."""
    made = Kite(tmp_path_factory.mktemp("kite"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Registry and Hub, started, for all tests of one file."""
    made = Pair(tmp_path_factory.mktemp("pair"))
    try:
        yield made.start()
    finally:
        made.end()


@pytest.fixture
def fresh_pair(tmp_path):
    """Registry and Hub of one's own, not started."""
    made = Pair(tmp_path)
    try:
        yield made
    finally:
        made.end()
