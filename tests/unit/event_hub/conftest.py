"""Every test of what the Hub decides about events runs with each form of its hot path."""

from __future__ import annotations

import pytest
from hub_fakes import FORMS, Bench


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What has a hub, or asks for the form; state machines say themselves which form they try."""
    takes_both = "hot_path" in metafunc.definition.fixturenames and (
        hasattr(metafunc.module, "Bench") or "hot_path" in metafunc.function.__code__.co_varnames
    )
    if takes_both and not metafunc.module.__name__.endswith("test_hub_lane"):
        metafunc.parametrize("hot_path", ["pure", "compiled"], indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def hot_path(request: pytest.FixtureRequest) -> str:
    """The form that `Bench` takes; the compiled one is skipped where it was not built."""
    form: str = getattr(request, "param", "pure")
    if form not in FORMS:
        pytest.skip("the hub's hot path is not compiled here: no compiler, or another picows")
    Bench.parts = FORMS[form]
    return form
