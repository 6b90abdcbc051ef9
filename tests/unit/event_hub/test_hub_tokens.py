"""The table of digests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kite.event_hub.core.tokens import Digests, TokenTable, decode_digests, identity_of_verified


def digests(*rows: dict[str, Any], revision: int = 1, **more: Any) -> Digests:
    body = {"epoch": "e", "revision": revision, "tokens": rows, **more}
    return decode_digests(msgspec.json.encode(body))


def test_a_table_replaces_the_former_whole() -> None:
    table = TokenTable()
    table.replace(digests({"digest": "d1", "module_id": "a"}, ports=[80]))
    table.replace(digests({"digest": "d2", "module_id": "b"}, revision=2))
    assert table.find("d1", 0) is None
    found = table.find("d2", 0)
    assert found is not None
    assert (found.module, table.revision, table.ports) == ("b", 2, frozenset())


def test_what_did_not_change_stays_the_same_identity() -> None:
    table = TokenTable()
    row = {"digest": "d1", "module_id": "a", "publish": ["x.>"], "life": 1}
    table.replace(digests(row))
    before = table.find("d1", 0)
    table.replace(digests(row, revision=2))
    assert table.find("d1", 0) is before
    table.replace(digests({**row, "publish": ["y.>"]}, revision=3))
    after = table.find("d1", 0)
    assert after is not before
    assert after is not None
    assert after.publish == ("y.>",)


def test_an_expired_token_is_not_found() -> None:
    table = TokenTable()
    row = {
        "digest": "d1", "module_id": "a", "parent": "d0", "expires_at": "1970-01-01T00:01:40.000Z",
    }  # fmt: skip
    table.replace(digests(row))
    found = table.find("d1", 99.9)
    assert found is not None
    assert found.is_session
    assert table.find("d1", 100.0) is None


def test_absent_lists_are_no_bounds_and_empty_ones_are() -> None:
    table = TokenTable()
    table.replace(
        digests(
            {"digest": "d1", "module_id": "a", "publish": None, "subscribe": [], "scopes": []},
            {"digest": "d2", "module_id": "b", "unknown": 1},
        )
    )
    first, second = table.find("d1", 0), table.find("d2", 0)
    assert first is not None
    assert second is not None
    assert (first.publish, first.subscribe) == (None, ())
    assert (second.publish, second.subscribe) == (None, None)


def test_what_the_registry_verified() -> None:
    found = identity_of_verified("d", {"module_id": "a", "publish": ["x"], "subscribe": None})
    assert (found.module, found.digest, found.publish) == ("a", "d", ("x",))
    with pytest.raises(msgspec.ValidationError):
        identity_of_verified("d", {"name": "a"})
