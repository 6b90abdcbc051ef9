"""The `hub:` section."""

from __future__ import annotations

from typing import Any

import pytest

from kite.event_hub.limits import HubConfig, Limits, read_config
from kite.wire.limits import HUB_LEAST


def test_defaults() -> None:
    assert read_config({}) == (HubConfig(), [])


def test_overrides() -> None:
    config, problems = read_config(
        {
            "limits": {"outbox_bytes": 5000, "slow_seconds": 1},
            "origins": ["https://a.example"],
            "deduplication": {"ids": 7},
            "x-mine": 1,
        }
    )
    assert problems == []
    assert (config.limits.outbox_bytes, config.limits.slow_seconds) == (5000, 1.0)
    assert config.origins == ["https://a.example"]
    assert (config.deduplication.ids, config.deduplication.seconds) == (7, 120.0)


@pytest.mark.parametrize(
    ("section", "word"),
    [
        ({"color": 1}, "color"),
        ({"limits": {"outbox": 1}}, "limits.outbox"),
        ({"limits": {"outbox_bytes": "big"}}, "limits.outbox_bytes"),
        ({"limits": {"outbox_bytes": 0}}, "limits.outbox_bytes"),
        ({"limits": {"frame_bytes": 2 << 20}}, "limits.frame_bytes"),
        ({"limits": []}, "limits"),
        ({"origins": "https://a"}, "origins"),
        ({"hot_path": "fast"}, "hot_path"),
        ({"deduplication": {"seconds": -1}}, "deduplication.seconds"),
    ],
)
def test_what_cannot_be_used_costs_that_key_alone(section: dict[str, Any], word: str) -> None:
    config, problems = read_config({**section, "x-free": 1})
    assert config == HubConfig()
    assert len(problems) == 1
    assert f"'{word}'" in problems[0]


def test_one_bad_limit_leaves_the_others() -> None:
    config, problems = read_config({"limits": {"outbox_bytes": -1, "connections": 5}})
    assert config.limits == Limits(connections=5)
    assert len(problems) == 1


@pytest.mark.parametrize(("key", "least"), HUB_LEAST.items())
def test_less_than_kite_itself_needs_is_not_taken(key: str, least: float) -> None:
    config, problems = read_config({"limits": {key: least}})
    assert (getattr(config.limits, key), problems) == (least, [])
    config, problems = read_config({"limits": {key: least / 2 if least < 1 else least - 1}})
    assert config.limits == Limits()
    assert f"'limits.{key}'" in problems[0]
    assert f"at least {least}" in problems[0]
