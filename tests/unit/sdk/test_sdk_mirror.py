"""The SDK's copy of the Registry answers as the stream has told it, however often it is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kite.errors import RequestError
from kite.sdk.core.mirror import Mirror


def told(kind: str, module_id: str, record: dict[str, Any] | None, revision: int = 1) -> bytes:
    data = json.dumps({"revision": revision, "module_id": module_id, "record": record})
    return f"id: e:{revision}\nevent: {kind}\ndata: {data}\n\n".encode()


def record(module_id: str, version: int) -> dict[str, Any]:
    return {
        "module_id": module_id,
        "module_type": "service",
        "events_publish": {f"{module_id}.done": version},
        "metadata": {"version": version, "a.b": "dots"},
    }


@pytest.fixture
def mirror() -> Mirror:
    mirror = Mirror()
    mirror.begin()
    for name in ("alpha", "beta"):
        mirror.feed(told("present", name, record(name, 1)))
    return mirror


def test_a_path_leads_through_keys_with_dots_as_well(mirror: Mirror) -> None:
    for _ in range(2):  # found, and remembered
        assert mirror.get("alpha.metadata.version") == 1
        assert mirror.get("alpha.metadata.a.b") == "dots"
        assert mirror.get("alpha.events_publish.alpha.done") == 1
        assert mirror.get("alpha")["module_id"] == "alpha"
        with pytest.raises(RequestError):
            mirror.get("alpha.metadata.nothing")


def test_nothing_that_was_found_before_a_change_is_answered_after_it(mirror: Mirror) -> None:
    assert mirror.get("alpha.metadata.version") == 1
    assert [each["module_id"] for each in mirror.lookup({"metadata.version": "1"})] == [
        "alpha",
        "beta",
    ]
    mirror.feed(told("registered", "alpha", record("alpha", 2), 2))
    assert mirror.get("alpha.metadata.version") == 2
    assert [each["module_id"] for each in mirror.lookup({"metadata.version": "1"})] == ["beta"]
    mirror.feed(told("deregistered", "alpha", None, 3))
    with pytest.raises(RequestError):
        mirror.get("alpha.metadata.version")
    mirror.feed(b'event: compacted\ndata: {"epoch": "f", "revision": 9}\n\n')
    with pytest.raises(RequestError):
        mirror.get("beta.metadata.version")


def test_more_questions_than_are_remembered_are_answered_all_the_same(mirror: Mirror) -> None:
    many = {f"key{number}": number for number in range(5000)}
    mirror.feed(told("registered", "many", {"module_id": "many", "metadata": many}, 2))
    for _ in range(2):
        for number in range(5000):
            assert mirror.get(f"many.metadata.key{number}") == number
        for number in range(600):
            assert mirror.lookup({f"metadata.key{number}": str(number)})[0]["module_id"] == "many"
            assert mirror.lookup({f"metadata.key{number}": "none"}) == []
