"""`kite.yaml`: defaults, every section, every mistake with its line."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from kite.event_hub.limits import read_config
from kite.model.mistakes import ConfigErrors
from kite.model.project import (
    Logs,
    OnCoreCrash,
    Project,
    parse_project,
    read_launcher_sources,
    read_project,
    survey_project,
)
from kite.registry.config import RegistryConfig
from kite.wire.limits import HUB_LEAST

HERE = Path("/here")


def wrong(text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigErrors) as raised:
        parse_project(text, HERE)
    return [(error.location.line, error.code) for error in raised.value.errors]  # type: ignore[union-attr]


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "x-mine: 1\n"])
def test_everything_is_optional(text: str | None) -> None:
    project = parse_project(text, HERE)
    assert project == Project(
        file=None if text is None else HERE / "kite.yaml",
        start_concurrency=4 * (os.cpu_count() or 1),
    )
    assert (project.max_failed_modules, project.on_core_crash) == (3, OnCoreCrash.ISOLATED)


def test_a_whole_file() -> None:
    project = parse_project(
        """\
discovery:
  team: {path: ../team, depth: 2}
  mine: ~/modules
  far: /srv/modules
modules:
  search: {state: manual}
  later:
start_concurrency: 3
max_failed_modules: 0
on_core_crash: full
hub:
  origins: [HTTPS://Example.org, "http://localhost:8080"]
  limits: {connections: 10, outbox_bytes: 1MiB, slow_seconds: 500ms}
  deduplication: {seconds: 1m, ids: 10}
  history: {bytes: 0, seconds: 1m}
  streams: {docs: {subjects: [docs.>], max_age: 1d, max_size: 1GiB, max_events: 9}}
registry: {ttl: 20s, max_ttl: 1h}
logs: {size: 1MiB, count: 2, total: 10MiB, max_age: 7d, compress: false}
""",
        HERE / "project",
        home=Path("/home/me"),
    )
    assert [(one.name, str(one.path), one.depth, one.line) for one in project.sources] == [
        ("team", "/here/team", 2, 2),
        ("mine", "/home/me/modules", 3, 3),
        ("far", "/srv/modules", 3, 4),
    ]
    assert {name: node.plain for name, node in project.overrides.items()} == {
        "search": {"state": "manual"}
    }
    assert (project.start_concurrency, project.max_failed_modules) == (3, 0)
    assert project.on_core_crash is OnCoreCrash.FULL
    origins = ["https://example.org", "http://localhost:8080"]
    assert project.hub == {
        "origins": origins,
        "limits": {"connections": 10, "outbox_bytes": 1 << 20, "slow_seconds": 0.5},
        "deduplication": {"seconds": 60.0, "ids": 10},
        "history": {"bytes": 0, "seconds": 60.0},
        "streams": {
            "docs": {
                "subjects": ["docs.>"],
                "max_age": 86400.0,
                "max_size": 1 << 30,
                "max_events": 9,
            }
        },
    }
    assert project.registry == {"ttl": 20.0, "max_ttl": 3600.0, "origins": origins}
    assert project.logs == Logs(
        size=1 << 20, count=2, total=10 << 20, max_age=7 * 86400.0, compress=False
    )


def test_the_hub_and_the_registry_take_what_is_read_here() -> None:
    project = parse_project(
        """\
hub:
  origins: ["https://example.org"]
  limits:
    {frame_bytes: 64KiB, outbox_bytes: 1MiB, outbox_most_bytes: 8MiB, input_bytes: 16MiB, slow_rate: 1MiB, slow_seconds: 1, slow_window: 10,
     connections: 9, connections_per_module: 8, handshakes: 7, handshake_seconds: 3, head_bytes: 8KiB,
     subscriptions: 16, pattern_tokens: 300, routes: 50, requests: 40, awaited: 60,
     farewell_seconds: 5, silence_seconds: 0}
  deduplication: {seconds: 60, ids: 10}
  history: {bytes: 1MiB}
registry: {ttl: 5, max_ttl: 10}
""",
        HERE,
    )
    # As the boot line brings it: through JSON.
    config, problems = read_config(msgspec.json.decode(msgspec.json.encode(project.hub)))
    assert problems == []
    assert config.deduplication.seconds == 60
    assert (config.history.bytes, config.history.seconds) == (1 << 20, 300)
    assert msgspec.structs.asdict(config.limits).keys() == project.hub["limits"].keys()
    registry = RegistryConfig.of(msgspec.json.decode(msgspec.json.encode(project.registry)))
    assert (registry.ttl, registry.origins) == (5, ("https://example.org",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", [(1, "not_a_mapping")]),
        ("a: b: c\n", [(1, "yaml_colon")]),
        ("hubs: {}\n", [(1, "unknown_key_near")]),
        ("hub:\n  origin: []\n", [(2, "unknown_key_near")]),
        ("hub:\n  limits:\n    conections: 5\n", [(3, "unknown_key_near")]),
        (
            "hub: {origins: ['https://example.org/path', example.org, 5]}\n",
            [(1, "wrong_value")] * 3,
        ),
        (
            "hub:\n  limits: {frame_bytes: 5,\n    connections: 1}\n",
            [(2, "too_little"), (3, "too_little")],
        ),
        ("hub: {limits: {handshake_seconds: 50ms, head_bytes: 1KiB}}\n", [(1, "too_little")] * 2),
        ("hub: {streams: {docs: {}}}\n", [(1, "missing_key")]),
        ("hub: {streams: {docs: {subject: [a]}}}\n", [(1, "unknown_key_near")]),
        ("discovery:\n  a: {pth: /x}\n", [(2, "unknown_key_near")]),
        ("modules: {Search: {}}\n", [(1, "wrong_value")]),
        ("modules: {search: manual}\n", [(1, "wrong_value")]),
        ("discovery:\n  a: {depth: 99}\n", [(2, "missing_key"), (2, "wrong_value")]),
        (
            "start_concurrency: 0\non_core_crash: ful\n",
            [(1, "wrong_value"), (2, "not_one_of_near")],
        ),
        ("registry: {ttl: 2h}\n", [(1, "ttl_too_long")]),
        ("registry: {max_ttl: 5}\n", [(1, "ttl_too_long")]),
        ("logs: {size: 0, count: -1}\n", [(1, "wrong_value"), (1, "wrong_value")]),
        ("logs: {max_age: 0, compress: maybe}\n", [(1, "wrong_value"), (1, "wrong_value")]),
    ],
)
def test_mistakes(text: str, expected: list[tuple[int, str]]) -> None:
    assert wrong(text) == expected


@pytest.mark.parametrize(("key", "least"), HUB_LEAST.items())
def test_a_limit_of_the_hub_leaves_kite_what_it_needs(key: str, least: float) -> None:
    assert parse_project(f"hub: {{limits: {{{key}: {least}}}}}", HERE).hub["limits"] == {key: least}
    less = least / 2 if least < 1 else least - 1
    with pytest.raises(ConfigErrors) as raised:
        parse_project(f"hub: {{limits: {{{key}: {less}}}}}", HERE)
    assert raised.value.errors[0].english == (
        f"'hub.limits.{key}' is {less}; expected is at least {least}"
    )


def test_files(tmp_path: Path) -> None:
    assert read_project(tmp_path).file is None
    file = tmp_path / "kite.yaml"
    file.write_bytes(b"\xef\xbb\xbfmax_failed_modules: 1\r\n")
    assert read_project(tmp_path).max_failed_modules == 1
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigErrors) as raised:
        read_project(tmp_path)
    assert raised.value.errors[0].code == "file_not_utf8"
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(ConfigErrors):
        read_project(tmp_path)


def test_what_can_be_read_is_read_beside_the_mistakes(tmp_path: Path) -> None:
    (tmp_path / "kite.yaml").write_text("modules: {a: {state: manual}}\nstrt: 1\n")
    project, errors = survey_project(tmp_path)
    assert list(project.overrides) == ["a"]
    assert [error.code for error in errors] == ["unknown_key"]


def test_the_launchers_own_sources(tmp_path: Path) -> None:
    file = tmp_path / "module.md"
    file.write_text("---\nname: launcher\ndiscovery: {more: ./more}\n---\n")
    assert [str(one.path) for one in read_launcher_sources(file)] == [str(tmp_path / "more")]
    file.write_text("---\nname: launcher\ndiscovery: {more: 5}\n---\n")
    with pytest.raises(ConfigErrors):
        read_launcher_sources(file)
