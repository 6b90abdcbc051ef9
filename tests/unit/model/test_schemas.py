"""The published JSON schemas say what the readers do."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kite.errors import ConfigError
from kite.model.document import parse_document
from kite.model.front_matter import parse_front_matter
from kite.model.manifest import parse_manifest
from kite.model.mistakes import ConfigErrors
from kite.model.project import parse_project

PROTOCOL = Path(__file__).parents[3] / "protocol"
INDEX = json.loads((PROTOCOL / "vectors/manifests/index.json").read_text())

# What a schema cannot know: whether a variable exists, a regular expression compiles, ….
BEYOND_A_SCHEMA = {
    "unknown_variable",
    "unknown_variable_near",
    "port_not_asked",
    "bad_dollar",
    "core_never_completes",
    "ttl_too_long",
    "too_little",  # of a size with a unit
    "secret_and_env",
}
BEYOND_A_SCHEMA_BY_KEY = {"ready.log", "stop.signal", "schedule.timezone", "schedule", "ready.tcp"}


@cache
def schema(name: str) -> Draft202012Validator:
    document = json.loads((PROTOCOL / f"schemas/{name}.schema.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def head(more: str) -> str:
    return f"---\nname: a\ncommand: [./run]\n{more}\n---\n"


MANIFESTS = [
    "state: manual",
    "state: on",
    "type: my type",
    "version: 1.10",
    "version: [1]",
    "description: 5",
    "preferred_port: 65536",
    "preferred_port: true",
    "depends_on: [b, B]",
    "depends_on: {b: completed}",
    "depends_on: {b: done}",
    "depends_on: {x-ray: started}",
    "depends_on: b",
    "events: {publish: ['a.*', '>'], subscribe: []}",
    "events: {publish: ['a.>.b']}",
    "events: {publish: ['a..b']}",
    "events: {publish: ['a*']}",
    "events: {x-note: 1, publish: []}",
    "events: {pub: []}",
    "launch: {timeout: 0}",
    "launch: {timeout: 2m}",
    "launch: {timeout: 0s}",
    "launch: {timeout: soon}",
    "launch: 5",
    "ready: {http: 'http://127.0.0.1:1/'}",
    "ready: {http: 'ftp://127.0.0.1:1/'}",
    "ready: {tcp: 0}",
    "ready: {tcp: 80, interval: 0.5, timeout: 1s}",
    "ready: {log: up, tcp: 1}",
    "ready: {}",
    "ready: {exec: []}",
    "ready: {exec: [./x, '1']}",
    "ready: {exec: [./x, 1]}",
    "health: {log: up}",
    "health: {tcp: 1, failures: 2, successes: 1, start_period: 3}",
    "health: {tcp: 1, failures: 0}",
    "health: {heartbeat: false}",
    "health: {heartbeat: 30, failures: 3, start_period: 5}",
    "health: {heartbeat: 30s, http: 'http://127.0.0.1:1/'}",
    "health: {heartbeat: 2}",
    "health: {heartbeat: often}",
    "health: {heartbeat: true, interval: 5}",
    "health: {heartbeat: true, successes: 2}",
    "restart: {policy: on-failure, max: 1, window: 10, backoff: 0, retry: false}",
    "restart: {backoff: {initial: 1, max: 2, factor: 1.5}}",
    "restart: {backoff: {start: 1}}",
    "restart: {backoff: [1]}",
    "restart: {policy: sometimes}",
    "restart: {retry: 3}",
    "restart: {success: [0, 143, SIGTERM, int]}",
    "restart: {success: [256]}",
    "restart: {success: [-1]}",
    "restart: {success: [true]}",
    "restart: {success: ['3']}",
    "restart: {success: 143}",
    "stop: {signal: INT, timeout: 0}",
    "stop: {signal: 2}",
    "limits: {memory: 512MiB, cpu: 0.5, files: 100}",
    "limits: {memory: 0}",
    "limits: {memory: many}",
    "limits: {cpu: 0}",
    "env: {A: '1', x-b: c}",
    "env: {A: 1}",
    "env: {KITE_A: '1'}",
    "env: {'': '1'}",
    "env_file: .env",
    "env_file: ['~/a.env', '.env.local?', {path: b, optional: true}]",
    "env_file: {path: .env}",
    "env_file: {optional: true}",
    "env_file: {path: .env, maybe: true}",
    "env_file: ''",
    "env_file: 5",
    "env_file: [5]",
    "secrets: {API_KEY: ~/.secrets/key, B: b}",
    "secrets: {KITE_A: a}",
    "secrets: {'': a}",
    "secrets: {A: ''}",
    "secrets: {A: 1}",
    "secrets: [a]",
    "essential: true",
    "essential: 'yes'",
    "watch: true",
    "watch: [src/**]",
    "watch: {paths: [a], ignore: [b], delay: 1}",
    "watch: {path: [a]}",
    "watch: {dependents: true}",
    "watch: {dependents: 1}",
    "watch: 1",
    "schedule: '0 2 * * *'",
    "schedule: never",
    "schedule: {cron: '0 2 * * *', timezone: Europe/Berlin, missed: skip}",
    "schedule: {interval: 1h}",
    "schedule: {interval: 0}",
    "schedule: {}",
    "schedule: {cron: '0 2 * * *', interval: 5}",
    "replicas: 2",
    "replicas: 0",
    "replicas: 101",
    "api_endpoint: http://127.0.0.1:1",
    "health_endpoint: /health",
    "api_endpoint: http://127.0.0.1:1\nhealth_endpoint: /health",
    "health_endpoint: health",
    "runtime: python",
    "x-anything: {at: all}",
    "anything: 1",
]

PROJECTS = [
    "discovery: {a: ../b, c: {path: d, depth: 2}}",
    "discovery: {c: {depth: 2}}",
    "discovery: {c: {path: d, depth: 0}}",
    "discovery: [a]",
    "modules: {a: {state: manual, env: {B: c}, ready: null}, b: null}",
    "modules: {A: {state: manual}}",
    "modules: {a: manual}",
    "start_concurrency: 0",
    "start_concurrency: 8",
    "max_failed_modules: 0",
    "max_failed_modules: -1",
    "on_core_crash: full",
    "on_core_crash: never",
    "hub: {origins: ['https://example.org'], limits: {connections: 5, outbox_bytes: 1MiB}}",
    "hub: {origins: ['https://example.org/path']}",
    "hub: {origins: example.org}",
    "hub: {limits: {slow_seconds: 0}}",
    "hub: {deduplication: {seconds: 60, ids: 10}}",
    "hub: {deduplication: {window: 60}}",
    "hub: {streams: {docs: {subjects: ['docs.>'], max_age: 1d, max_size: 1GiB, max_events: 5}}}",
    "hub: {history: {bytes: 0, seconds: 5m}}",
    "hub: {history: {bytes: 1MiB}}",
    "hub: {history: {bytes: -1}}",
    "hub: {history: {bytes: many}}",
    "hub: {history: {seconds: 0}}",
    "hub: {hot_path: pure}",
    "hub: {hot_path: fast}",
    "hub: {streams: {docs: {}}}",
    "registry: {ttl: 20, max_ttl: 1h}",
    "registry: {ttl: 0}",
    "logs: {size: 1MiB, count: 0, total: 10MiB}",
    "logs: {size: big}",
    "x-mine: [1]",
    "project: a",
]


def verdict(parse: Any, *arguments: Any) -> tuple[bool, bool]:
    """Whether the reader accepts, and whether a schema can be expected to agree."""
    try:
        parse(*arguments)
    except ConfigErrors as errors:
        beyond = all(
            error.code in BEYOND_A_SCHEMA or error.params.get("key") in BEYOND_A_SCHEMA_BY_KEY
            for error in errors.errors
        )
        return False, not beyond
    return True, True


@pytest.mark.parametrize("more", MANIFESTS)
def test_schema_and_reader_agree_about_a_manifest(more: str) -> None:
    accepted, comparable = verdict(parse_manifest, head(more), "module.md")
    plain = parse_front_matter(head(more), "module.md").plain
    if comparable:
        assert schema("module").is_valid(plain) is accepted


@pytest.mark.parametrize("case", INDEX["valid"] + INDEX["invalid"], ids=lambda case: case["file"])
def test_schema_and_reader_agree_about_the_vectors(case: dict[str, Any]) -> None:
    content = (PROTOCOL / "vectors/manifests" / case["file"]).read_bytes()
    try:
        text = content.decode()
        plain = parse_front_matter(text, "module.md").plain
    except (ConfigError, UnicodeDecodeError):
        assert "code" in case
        return
    accepted, comparable = verdict(parse_manifest, text, "module.md")
    assert accepted is ("code" not in case)
    if comparable:
        assert schema("module").is_valid(plain) is accepted


@pytest.mark.parametrize("text", PROJECTS)
def test_schema_and_reader_agree_about_a_project(text: str, tmp_path: Path) -> None:
    accepted, comparable = verdict(parse_project, text, tmp_path)
    assert comparable
    assert schema("kite").is_valid(parse_document(text, "kite.yaml").plain) is accepted


def test_the_schema_names_every_key_of_the_reader() -> None:
    """The reader lists the keys it knows when it meets one it does not."""
    for name, parse in (
        ("module", lambda: parse_manifest(head("qqqqqqqqqqqq: 1"), "module.md")),
        ("kite", lambda: parse_project("qqqqqqqqqqqq: 1", Path("/"))),
    ):
        with pytest.raises(ConfigErrors) as raised:
            parse()
        known = set(raised.value.errors[0].params["known"].split(", "))
        assert known == set(schema(name).schema["properties"])
