"""The Python SDK keeps every promise that a module can keep."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kite.conformance.cases.everything import CASES

from .driver import document, typed, verdicts
from .mutant import PYTHON_MODULE


@pytest.mark.slow
def test_the_python_sdk_passes_everything(tmp_path: Path) -> None:
    """Nothing is failed, and nothing is left out as not offered."""
    outcome = typed(tmp_path, "--json", "--timeout", "60", "--", sys.executable, str(PYTHON_MODULE))
    found = document(outcome)
    assert verdicts(found) == {case.name: "passed" for case in CASES}, outcome.out
    assert found["command"] == [sys.executable, str(PYTHON_MODULE)]
