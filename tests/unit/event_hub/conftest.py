"""Every test of the Hub's decisions runs with each form of its hot path."""

from __future__ import annotations

import pytest
from hub_fakes import FORMS, Bench


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """State machines say themselves which form they try."""
    if "hot_path" in metafunc.fixturenames:
        metafunc.parametrize("hot_path", ["pure", "compiled"], indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def hot_path(request: pytest.FixtureRequest) -> str:
    """The form that `Bench` takes; the compiled one is skipped where it was not built."""
    form: str = getattr(request, "param", "pure")
    if form not in FORMS:
        pytest.skip("the hub's hot path is not compiled here: no compiler, or another picows")
    Bench.parts = FORMS[form]
    return form
