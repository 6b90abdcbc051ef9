"""The manifest: defaults, every key, every mistake with its line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kite.model.document import parse_document
from kite.model.manifest import (
    Condition,
    ConfigState,
    Manifest,
    Runtime,
    Scope,
    Stdin,
    parse_manifest,
    parse_placed,
    read_manifest,
)
from kite.model.mistakes import ConfigErrors
from kite.model.restart_policy import Backoff, RestartPolicy
from kite.model.watch import Watch

VECTORS = Path(__file__).parents[3] / "protocol/vectors/manifests"
INDEX = json.loads((VECTORS / "index.json").read_text())


def read(head: str, **options: Any) -> Manifest:
    return parse_manifest(f"---\n{head}\n---\n", "module.md", **options)


def wrong(head: str, **options: Any) -> list[tuple[int, str, str]]:
    """Line, code and key of each mistake."""
    with pytest.raises(ConfigErrors) as raised:
        read(head, **options)
    return [
        (error.location.line, error.code, str(error.params.get("key", "")))  # type: ignore[union-attr]
        for error in raised.value.errors
    ]


def at(manifest: Manifest, path: str) -> Any:
    value: Any = json.loads(msgspec.json.encode(manifest))
    for key in path.split("."):
        value = value[key]
    return value


@pytest.mark.parametrize("case", INDEX["valid"], ids=lambda case: case["file"])
def test_the_valid_vectors_are_read(case: dict[str, Any]) -> None:
    manifest = read_manifest(VECTORS / case["file"])
    assert {path: at(manifest, path) for path in case["expect"]} == case["expect"]


@pytest.mark.parametrize("case", INDEX["invalid"], ids=lambda case: case["file"])
def test_the_invalid_vectors_are_refused_at_their_line(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigErrors) as raised:
        read_manifest(VECTORS / case["file"])
    first = raised.value.errors[0]
    assert first.location is not None
    assert (first.location.line, first.code) == (case["line"], case["code"])


def test_the_least_manifest_has_every_default() -> None:
    manifest = read("name: a\ncommand: [./run]")
    assert manifest == Manifest(name="a", display_name="a", command=("./run",))
    assert (manifest.restart.max, manifest.restart.window) == (3, 75.0)
    assert manifest.restart.policy is None
    assert manifest.stop.number.name == "SIGTERM"


def test_a_whole_manifest() -> None:
    manifest = read(
        """\
name: search
display_name: Search
description: Finds things
version: 1.10
type: agent
state: manual
runtime: python
entry: main.py
preferred_port: 8080
depends_on: {indexer: completed, event_hub: started}
events: {publish: [docs.>], subscribe: []}
scopes: [launcher.control]
launch: {timeout: 1m}
stdin: boot
ready: {http: "http://127.0.0.1:${KITE_PORT}/ready", interval: 100ms, timeout: 1}
health: {exec: [./well, "${KITE_MODULE}"], failures: 5}
restart: {policy: never, max: 2, backoff: {initial: 1s, max: 10s, factor: 3}, retry: false}
stop: {signal: int, timeout: 3}
limits: {memory: 512MiB, cpu: 1.5, files: 256}
env: {GREETING: "hello ${KITE_MODULE}"}
watch: [src/**]
schedule: {cron: "*/5 * * * *", timezone: Europe/Berlin, missed: skip}
replicas: 2
api_endpoint: http://127.0.0.1:${KITE_PORT}
health_endpoint: /health
x-mine: {at: all}"""
    )
    assert manifest.version == "1.10"
    assert manifest.state is ConfigState.MANUAL
    assert manifest.runtime is Runtime.PYTHON
    assert manifest.depends_on == {
        "indexer": Condition.COMPLETED,
        "event_hub": Condition.STARTED,
    }
    assert (manifest.publish, manifest.subscribe) == (("docs.>",), ())
    assert manifest.scopes == (Scope.LAUNCHER_CONTROL,)
    assert manifest.launch_timeout == 60
    assert manifest.stdin is Stdin.BOOT
    assert manifest.ready is not None
    assert (manifest.ready.interval, manifest.ready.timeout) == (0.1, 1)
    assert manifest.health is not None
    assert manifest.health.probe.command == ("./well", "${KITE_MODULE}")
    assert manifest.health.probe.interval == 10
    assert manifest.restart.policy is RestartPolicy.NEVER
    assert manifest.restart.window == 300
    assert manifest.restart.backoff == Backoff(initial=1, max=10, factor=3)
    assert manifest.stop.signal == "SIGINT"
    assert (manifest.limits.memory, manifest.limits.cpu, manifest.limits.files) == (
        1 << 29,
        1.5,
        256,
    )
    assert manifest.watch == Watch(paths=("src/**",))
    assert manifest.schedule is not None
    assert manifest.replicas == 2
    assert read("name: a\nrestart: {backoff: 40}\ncommand: [x]").restart.backoff == Backoff(
        initial=40, max=40
    )


def test_a_ready_probe_changes_what_it_reads() -> None:
    assert read("name: a\ncommand: [x]\nready: {tcp: 80}").stdin is Stdin.EMPTY
    assert read("name: a\ncommand: [x]\nready: {tcp: 80}\nstdin: boot").stdin is Stdin.BOOT


def test_all_mistakes_are_told_in_the_order_of_lines() -> None:
    mistakes = wrong(
        """\
nmae: a
state: enable
runtime: python
preferred_port: x
depends_on: {b: redy, C: ready}
events: {publish: ['a.>.b', 5]}
restart: {maximum: 3, window: -1}
env: {A: 1, KITE_X: y, B: '${KITE_NOBODY}'}"""
    )
    assert mistakes == [
        (2, "missing_key", "entry"),
        (2, "unknown_key_near", "nmae"),
        (3, "not_one_of_near", "state"),
        (5, "wrong_value", "preferred_port"),
        (6, "not_one_of_near", "depends_on.b"),
        (6, "wrong_value", "depends_on.C"),
        (7, "invalid_pattern", ""),
        (7, "wrong_value", "events.publish[1]"),
        (8, "unknown_key_near", "restart.maximum"),
        (8, "wrong_value", "restart.window"),
        (9, "wrong_value", "env.A"),
        (9, "env_reserved", ""),
        (9, "unknown_variable_near", ""),
    ]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("depends_on: {launcher: completed}", "core_never_completes"),
        ("api_endpoint: 'http://127.0.0.1:${KITE_PORT}'", "port_not_asked"),
        ("ready: {http: 'http://127.0.0.1:${KITE_PRT}'}", "unknown_variable_near"),
        ("env: {A: '${KITE_PORT:-80}'}", "bad_dollar"),
        ("env: {A: '${KITE_PORT'}", "bad_dollar"),
        ("health_endpoint: /health", "health_path_alone"),
        ("ready: {tcp: 1, log: x}", "probe_ambiguous"),
        ("ready: {interval: 1}", "probe_missing"),
        ("health: {log: x}", "probe_missing"),
        ("schedule: {}", "schedule_ambiguous"),
        ("schedule: '61 * * * *'", "wrong_value"),
        ("schedule: '0 0 30 2 *'", "wrong_value"),
        ("schedule: '0 0 2 * * *'", "wrong_value"),
        ("schedule: {cron: '* * * * *', timezone: Mars/Olympus}", "wrong_value"),
        ("schedule: {cron: '* * * * *', timezone: ../etc}", "wrong_value"),
        ("ready: {log: '('}", "wrong_value"),
        ("stop: {signal: SIGNOTHING}", "wrong_value"),
        ("entry: x", "command_and_runtime"),
        ("launch: {timeout: .inf}", "wrong_value"),
        ("launch: {timeout: 1e300}", "wrong_value"),
        ("description:", "wrong_value"),
        ('env: {A: "\\0"}', "wrong_value"),
        ("type: two words", "wrong_value"),
    ],
)
def test_mistakes_have_their_own_words(more: str, code: str) -> None:
    assert code in [found for _, found, _ in wrong(f"name: a\ncommand: [x]\n{more}")]


@pytest.mark.parametrize(
    ("head", "mistakes"),
    [
        ("nmae: a\nruntime: python\nentry: m.py", [(2, "unknown_key_near", "nmae")]),
        ("name: a\nruntim: python\nentry: m.py", [(3, "unknown_key_near", "runtim")]),
        ("name: a\ncomand: [true]", [(3, "unknown_key_near", "comand")]),
        (
            "name: a\nruntim: python\nentri: m.py",
            [(3, "unknown_key_near", "runtim"), (4, "unknown_key_near", "entri")],
        ),
        (
            "name: a\nzzz: python\nentry: m.py",
            [(2, "missing_key", "runtime"), (3, "unknown_key", "zzz")],
        ),
        (
            "nmae: a\nentry: m.py",
            [(2, "missing_key", "runtime"), (2, "unknown_key_near", "nmae")],
        ),
        ("name: a\nstat: manual", [(2, "program_missing", ""), (3, "unknown_key_near", "stat")]),
        ("name: a\nx-runtim: python", [(2, "program_missing", "")]),
    ],
)
def test_a_slip_of_the_pen_is_one_mistake(head: str, mistakes: list[tuple[int, str, str]]) -> None:
    assert wrong(head) == mistakes


def test_the_folder_of_the_log_files_is_nobodys_data_directory() -> None:
    assert wrong("name: logs\ncommand: [x]") == [(2, "name_of_logs", "")]


def test_more_patterns_than_the_registry_takes_are_a_mistake() -> None:
    def head(count: int) -> str:
        listed = ", ".join(f"s.{number}" for number in range(count))
        return f"name: a\ncommand: [x]\nevents: {{publish: [{listed}], subscribe: [{listed}]}}"

    assert len(read(head(1024)).publish or ()) == 1024
    assert [code for _, code, _ in wrong(head(1025))] == ["wrong_value", "wrong_value"]


def test_a_dollar_that_means_nothing_to_kite_stays() -> None:
    manifest = read("name: a\ncommand: [sh, -c, 'echo $HOME ${USER} $$']\nready: {log: 'up$'}")
    assert manifest.command[2] == "echo $HOME ${USER} $$"


@pytest.mark.parametrize("name", ["launcher", "registry", "event_hub"])
def test_core_names_are_for_the_core(name: str) -> None:
    assert read(f"name: {name}\ncommand: [x]", core=True).name == name
    assert wrong(f"name: {name}\ncommand: [x]") == [(2, "name_taken", "")]
    assert wrong(f"name: {name}\ncommand: [x]\nstate: disabled", core=True) == [
        (4, "core_stays_enabled", "")
    ]


def test_the_errors_as_one_text() -> None:
    with pytest.raises(ConfigErrors) as raised:
        read("name: A\ncommand: 5")
    lines = str(raised.value).split("\n")
    assert [line.partition(" ")[0] for line in lines] == ["module.md:2:", "module.md:3:"]
    assert raised.value.kind.exit == 2
    assert raised.value.message.startswith("2 mistakes; the first: ")


def test_errors_travel_in_english_and_are_read_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigErrors) as raised:
        read("name: a\ncommand: [x]\npreferred_port: 70000")
    monkeypatch.setenv("KITE_LANG", "zh_CN")
    assert (
        raised.value.message
        == "“preferred_port”的值是 70000；应为端口：0（任意）到 65535 之间的整数"
    )


class TestOverride:
    def over(self, head: str, override: str) -> Manifest:
        return read(head, override=parse_document(override, "kite.yaml"))

    def test_mappings_are_merged_and_the_rest_is_replaced(self) -> None:
        manifest = self.over(
            "name: a\ncommand: [x]\nenv: {A: '1', B: '2'}\ndepends_on: [b]\nrestart: {max: 5}",
            "state: manual\nenv: {B: '3'}\ndepends_on: [c]\nrestart: {window: 9}",
        )
        assert manifest.state is ConfigState.MANUAL
        assert manifest.env == {"A": "1", "B": "3"}
        assert manifest.depends_on == {"c": Condition.READY}
        assert (manifest.restart.max, manifest.restart.window) == (5, 9)

    def test_null_takes_a_key_away(self) -> None:
        manifest = self.over("name: a\ncommand: [x]\nready: {tcp: 1}", "ready: null")
        assert manifest.ready is None

    def test_a_choice_displaces_its_rivals(self) -> None:
        manifest = self.over(
            "name: a\nruntime: python\nentry: m.py\nready: {http: 'http://h/', interval: 9}",
            "command: [./own]\nready: {tcp: 5}",
        )
        assert (manifest.runtime, manifest.entry, manifest.command) == (None, None, ("./own",))
        assert manifest.ready is not None
        assert (manifest.ready.target, manifest.ready.interval) == ("5", 9)

    def test_mistakes_point_to_the_file_they_are_in(self) -> None:
        with pytest.raises(ConfigErrors) as raised:
            self.over("name: a\ncommand: [x]\nversion: []", "env: {A: 1}\nstat: manual\nname: b")
        assert [str(error.location) for error in raised.value.errors] == [
            "kite.yaml:1",
            "kite.yaml:2",
            "kite.yaml:3",
            "module.md:4",
        ]


def test_places_of_keys_that_others_complain_about() -> None:
    text = "---\nname: a\ncommand: [x]\ndepends_on:\n  - b\n  - c\n---\n"
    _, places = parse_placed(text, "module.md")
    assert str(places["depends_on.c"]) == "module.md:6"
    assert str(places["command"]) == "module.md:3"


def test_fifty_manifests_take_few_milliseconds() -> None:
    text = (VECTORS / "valid/supervision.md").read_text()
    started = time.process_time()
    for _ in range(50):
        parse_manifest(text, "module.md")
    # About 8 ms on a laptop; the bound leaves room for a busy machine.
    assert time.process_time() - started < 0.1
