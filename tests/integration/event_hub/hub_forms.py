"""The forms of the hot path that this installation has, for tests that both must pass."""

from __future__ import annotations

import contextlib

import pytest

from kite.event_hub.compiled import NotCompiled, load

FORMS = ["pure"]
with contextlib.suppress(NotCompiled):
    load()
    FORMS.append("auto")

in_both_forms = pytest.mark.parametrize(
    "hub", [{"hot_path": form} for form in FORMS], indirect=True, ids=FORMS
)
"""Runs a test once with each, through the `hub` fixture."""
