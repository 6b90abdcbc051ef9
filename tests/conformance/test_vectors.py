"""The golden vectors, the tables and the numbers of `protocol/`, against Kite's own code.

This file alone of the suite imports Kite. Origins, globs, dotted paths and frames are asked of the
running processes instead, in the files of sections 5 and 6.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from kite.model.manifest import read_manifest
from kite.model.mistakes import ConfigErrors
from kite.model.workspace import claim_instance_dir
from kite.wire import boot, limits, subject
from kite.wire.token import is_token

from . import shapes
from .shapes import PROTOCOL, SCHEMAS, vectors

TOKEN = "0123456789abcdef" * 4
MANIFESTS = PROTOCOL / "vectors" / "manifests"


# ------------------------------------------------------------------------------- what travels


@pytest.mark.parametrize("text", vectors("subjects")["valid"])
def test_valid_subjects(text):
    assert subject.subject_problem(text) is None
    assert subject.pattern_problem(text) is None, "every subject is a pattern"


@pytest.mark.parametrize("row", vectors("subjects")["invalid"], ids=lambda row: row["why"])
def test_invalid_subjects(row):
    assert subject.subject_problem(row["subject"]) is not None


@pytest.mark.parametrize("row", vectors("subjects")["by_length"], ids=str)
def test_subject_lengths(row):
    problem = subject.subject_problem(row["token"] * row["times"])
    assert (problem is None) == row["valid"]


@pytest.mark.parametrize("text", vectors("patterns")["valid"])
def test_valid_patterns(text):
    assert subject.pattern_problem(text) is None


@pytest.mark.parametrize("row", vectors("patterns")["invalid"], ids=lambda row: row["pattern"])
def test_invalid_patterns(row):
    assert subject.pattern_problem(row["pattern"]) is not None


@pytest.mark.parametrize(("pattern", "name", "expected"), vectors("matching")["pairs"])
def test_matching(pattern, name, expected):
    assert subject.matches(pattern, name) is expected


@pytest.mark.parametrize(("wide", "narrow", "expected"), vectors("coverage")["pairs"])
def test_coverage(wide, narrow, expected):
    assert subject.covers(wide, narrow) is expected


def test_coverage_vectors_agree_with_matching_vectors():
    """What covers a pattern matches every subject of the vectors that the pattern matches."""
    subjects = {row[1] for row in vectors("matching")["pairs"]}
    for wide, narrow, expected in vectors("coverage")["pairs"]:
        if expected:
            for name in subjects:
                assert subject.matches(wide, name) or not subject.matches(narrow, name)


@pytest.mark.parametrize("row", vectors("boot_lines")["boot_valid"], ids=lambda row: row["line"])
def test_boot_lines(row):
    text = row["line"].replace('"T"', f'"{TOKEN}"')
    line = boot.decode_boot_line(text.encode() + b"\n")
    assert line.token == TOKEN
    assert line.life == row["life"]
    assert line.replica == row.get("replica", 0)
    shapes.fits("boot-line", json.loads(text))


@pytest.mark.parametrize("text", vectors("boot_lines")["boot_invalid"])
def test_no_boot_lines(text):
    assert boot.decode_boot_line(text.replace('"T"', f'"{TOKEN}"').encode() + b"\n") is None


@pytest.mark.parametrize("row", vectors("boot_lines")["core_valid"], ids=lambda row: row["line"])
def test_core_lines(row):
    line = boot.decode_core_line(row["line"].encode())
    assert msgspec.to_builtins(line) | row == msgspec.to_builtins(line) | {"line": row["line"]}
    shapes.fits("core-line", json.loads(row["line"]))


@pytest.mark.parametrize("text", vectors("boot_lines")["core_is_log_text"])
def test_anything_else_is_log_text(text):
    assert boot.decode_core_line(text.encode()) is None


@pytest.mark.parametrize("text", vectors("boot_lines")["launcher_token_valid"])
def test_launcher_token_lines(text):
    text = text.replace('"T"', f'"{TOKEN}"')
    assert boot.decode_launcher_token(text.encode() + b"\n") == TOKEN
    shapes.fits("core-line", json.loads(text))


@pytest.mark.parametrize("text", vectors("boot_lines")["launcher_token_invalid"])
def test_no_launcher_token_lines(text):
    assert boot.decode_launcher_token(text.encode() + b"\n") is None


@pytest.mark.parametrize("row", vectors("frames")["valid"], ids=lambda row: row["why"])
def test_valid_frames_fit_the_schema(row):
    if "digits" not in row["why"]:  # Python's own limit on the digits of a number
        shapes.fits("frame-to-hub", json.loads(row["text"].replace("{self}", "me")))


@pytest.mark.parametrize("row", vectors("frames")["invalid"], ids=lambda row: row["why"])
def test_invalid_frames_name_a_known_code(row):
    assert row["code"] in shapes.error_codes()


# ----------------------------------------------------------------------------------- what exists

INDEX = json.loads((MANIFESTS / "index.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", INDEX["valid"], ids=lambda row: row["file"])
def test_valid_manifests(row):
    manifest = msgspec.to_builtins(read_manifest(MANIFESTS / row["file"]))
    for key, expected in row["expect"].items():
        value = manifest
        for part in key.split("."):
            value = value[part]
        assert (list(value) if isinstance(value, tuple) else value) == expected, key


@pytest.mark.parametrize("row", INDEX["invalid"], ids=lambda row: row["file"])
def test_invalid_manifests(row):
    with pytest.raises(ConfigErrors) as raised:
        read_manifest(MANIFESTS / row["file"])
    first = raised.value.errors[0]
    assert (first.location.line, first.code) == (row["line"], row["code"])
    assert row["code"] in shapes.error_codes()


def test_every_manifest_vector_is_listed():
    listed = {row["file"] for kind in ("valid", "invalid") for row in INDEX[kind]}
    there = {str(path.relative_to(MANIFESTS)) for path in MANIFESTS.glob("*/*.md")}
    assert listed == there


def test_instance_directory_names(tmp_path):
    environ = {"KITE_WORKSPACE": str(tmp_path), "HOME": str(tmp_path)}
    for project, expected in vectors("instance_names")["claims"]:
        claimed = claim_instance_dir(Path(project), environ)
        assert claimed.name == expected, project
        assert (claimed / ".cwd").read_text(encoding="utf-8").strip() == project


# ------------------------------------------------------------------------------ tables and numbers


def test_the_limits_are_those_of_the_wire():
    told = shapes.limits()["wire"]
    assert told["max_frame_bytes"] == limits.MAX_FRAME_BYTES
    assert told["max_body_bytes"] == limits.MAX_FRAME_BYTES
    assert told["max_depth"] == limits.MAX_DEPTH
    assert told["max_subject_bytes"] == limits.MAX_SUBJECT_BYTES
    assert told["max_event_id_bytes"] == limits.MAX_EVENT_ID_BYTES
    assert told["max_session_ttl"] == limits.MAX_SESSION_TTL
    assert is_token("a" * told["token_hex_digits"])
    assert not is_token("a" * (told["token_hex_digits"] + 1))


def test_the_limits_are_those_of_the_hub():
    from kite.event_hub.limits import Deduplication, Limits

    told = shapes.limits()["hub"]
    hub, window = Limits(), Deduplication()
    assert told["settings_at_least"] == limits.HUB_LEAST
    assert told["slow_consumer_bytes_per_second"] == hub.slow_rate
    assert told["slow_consumer_after"] == hub.slow_seconds
    assert told["slow_consumer_window"] == hub.slow_window
    assert told["dedup_ids"] == window.ids
    assert told["dedup_seconds"] in msgspec.structs.astuple(window)


def test_the_limits_of_streams_are_those_of_the_hub():
    from kite.event_hub.core.streams import requests, stream, streaming
    from kite.event_hub.core.streams.decisions import Terms

    told, usual = shapes.limits()["hub"], Terms(patterns=())
    assert told["kept_event_bytes"] == stream.MOST_BYTES
    assert told["durables"] == requests.MOST_DURABLES
    assert told["replays_per_connection"] == streaming.MOST_REPLAYS
    assert told["durable_ack_wait"] == usual.ack_wait
    assert told["durable_ack_wait_most"] == requests.MAX_ACK_WAIT
    assert told["durable_delay_most"] == requests.MAX_DELAY
    assert told["durable_ack_wait_least"] == requests.MIN_ACK_WAIT
    assert told["durable_max_deliver"] == usual.max_deliver
    assert told["durable_max_deliver_most"] == requests.MAX_DELIVER
    assert told["durable_max_in_flight"] == usual.max_in_flight
    assert told["durable_max_in_flight_most"] == requests.MAX_IN_FLIGHT


def test_the_table_of_actual_states_is_the_launchers():
    from kite.launcher.core.lifecycle import MOVES, After, ModuleState, Phase, Stop

    def seen(phase):
        """The words that a phase may be shown with: sweeping shows what it follows from."""
        if phase is not Phase.SWEEPING:
            return {_state(phase).actual_state}
        stops = (None, *(Stop(reason="x", timeout=1, after=after) for after in After))
        return {_state(phase, stop).actual_state for stop in stops}

    def _state(phase, stop=None):
        return ModuleState(plan=None, desired=None, phase=phase, stop=stop)

    table = shapes.states()["actual"]
    rows = {(row["from"], row["to"]) for row in table["transitions"]}
    assert {word for row in rows for word in row} == set(table["states"])
    # What is shown of a sweep changes when a stop comes meanwhile: without another phase.
    possible = {
        (before, after) for before in seen(Phase.SWEEPING) for after in seen(Phase.SWEEPING)
    }
    for phase, followers in MOVES.items():
        for follower in followers:
            pairs = {(before, after) for before in seen(phase) for after in seen(follower)}
            possible |= pairs
            assert pairs & rows or any(before == after for before, after in pairs), (
                phase,
                follower,
            )
    assert rows <= possible


def test_the_table_of_restart_policies_is_the_models():
    from kite.model.restart_policy import RestartPolicy

    assert shapes.states()["restart"]["policies"] == [str(policy) for policy in RestartPolicy]


def test_every_schema_is_a_schema_and_says_who_it_is():
    for path in sorted(SCHEMAS.glob("*.schema.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"], path.name


def test_every_schema_is_used_on_real_data():
    """Each schema is named where a test applies it."""
    here = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    elsewhere = {"module", "kite"}  # the manifest's and kite.yaml's: tests/unit/model
    for path in SCHEMAS.glob("*.schema.json"):
        name = path.name.removesuffix(".schema.json")
        if name not in elsewhere and not name.startswith("cli-"):  # tests/integration/cli
            assert f'fits("{name}"' in here or f'problems("{name}"' in here, name


def test_every_error_code_is_well_formed():
    for code, kind in shapes.error_codes().items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
        assert 400 <= kind["status"] <= 599, code
        assert kind["exit"] in range(1, 7), code
        assert kind["message"], code
        assert not kind["message"].endswith("."), code


def _examples():
    """The fenced examples of protocol/README.md that name their schema: one JSON text a line."""
    text = (PROTOCOL / "README.md").read_text(encoding="utf-8")
    for schema, block in re.findall(r"```json ([a-z-]+)\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            yield schema, line


@pytest.mark.parametrize(("schema", "line"), list(_examples()))
def test_the_examples_of_the_readme_fit_their_schemas(schema, line):
    document = json.loads(line)
    assert not shapes.problems(schema, document)
    if "code" in document:
        assert document["code"] in shapes.error_codes()


def test_the_readme_names_every_schema_and_every_file():
    text = (PROTOCOL / "README.md").read_text(encoding="utf-8")
    for path in SCHEMAS.glob("*.schema.json"):
        assert f"`{path.name.removesuffix('.schema.json')}`" in text, path.name
    for path in PROTOCOL.glob("*.json"):
        assert f"({path.name})" in text, path.name
