"""`protocol/limits.json` says what the code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kite.audit import throttle, trail
from kite.http import body, open_requests, server
from kite.launcher import requests

LIMITS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[2] / "protocol" / "limits.json").read_text()
)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("http", "connections", server.MAX_CONNECTIONS),
        ("http", "open_requests_of_one_module", open_requests.MOST_OF_ONE),
        ("http", "head_bytes", server.MAX_HEAD_BYTES),
        ("http", "head_within", server.HEAD_SECONDS),
        ("http", "idle_seconds", server.KEEP_ALIVE_SECONDS),
        ("http", "body_within", body.BODY_SECONDS),
        ("audit", "refusals_written_of_one_kind", throttle.BURST),
        ("audit", "window_seconds", throttle.WINDOW),
        ("audit", "longest_window_seconds", throttle.LONGEST_WINDOW),
        ("audit", "kinds", throttle.MOST_KEYS),
        ("audit", "file_bytes", trail.MAX_BYTES),
        ("audit", "older_files", trail.OLDER_FILES),
        ("management", "reason_characters", requests.MAX_REASON),
    ],
)
def test_a_number_is_that_of_the_code(section: str, name: str, value: float) -> None:
    assert LIMITS[section][name] == value


def test_every_number_of_these_sections_is_looked_at() -> None:
    assert {len(LIMITS["http"]), len(LIMITS["audit"])} == {6}
