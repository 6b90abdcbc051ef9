"""What a module begins with, given what was kept and what its manifest says now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.core.plan import ConfigState, Desired, Problem, settle_desired

ENABLED, MANUAL, DISABLED = ConfigState.ENABLED, ConfigState.MANUAL, ConfigState.DISABLED
DESIRED = st.builds(
    Desired,
    running=st.booleans(),
    by_request=st.booleans(),
    config_state=st.sampled_from(ConfigState),
)


@pytest.mark.parametrize(
    ("config", "running"), [(ENABLED, True), (MANUAL, False), (DISABLED, False)]
)
def test_at_first(config: ConfigState, running: bool) -> None:
    assert settle_desired(None, config) == Desired(running=running, config_state=config)


@given(kept=DESIRED)
def test_what_did_not_change_is_kept(kept: Desired) -> None:
    assert settle_desired(kept, kept.config_state) == kept


@given(kept=DESIRED, config=st.sampled_from(ConfigState))
def test_a_change_acts(kept: Desired, config: ConfigState) -> None:
    """Enabling starts, disabling stops, manual leaves as is; the change is acted on once."""
    settled = settle_desired(kept, config)
    assert settled.config_state is config
    assert settle_desired(settled, config) == settled
    if kept.config_state is config:
        return
    match config:
        case ConfigState.ENABLED:
            assert settled.running
            assert not settled.by_request
        case ConfigState.DISABLED:
            assert not settled.running
            assert not settled.by_request, "nobody asked: enabling starts it again"
        case ConfigState.MANUAL:
            assert (settled.running, settled.by_request) == (kept.running, kept.by_request)


def test_a_problem_is_a_sentence() -> None:
    given_up = Problem(code="gave_up_exit", params={"count": 3, "window": 60.0, "status": 7})
    assert "7" in given_up.message
    assert "{" not in given_up.message
    assert Problem(code="gave_up_exit", text="several mistakes").message == "several mistakes"
