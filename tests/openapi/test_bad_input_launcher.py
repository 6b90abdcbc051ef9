"""Whatever is malformed, oversized, forged, late or out of order is refused by the Launcher with its code
and its place, and leaves everything as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asking import Case, problems, untested
from kept import INTERFACES

from kite.testing.system import System

LAUNCHER = INTERFACES["launcher"]
LARGE = b'{"reason": "' + b"y" * (1 << 20) + b'"}'
ONE = "/launcher/modules/one"

TELLER = """
import json, os, sys
boot = json.loads(sys.stdin.readline())
with open(os.path.join(os.environ["KITE_MODULE_DATA"], f"token.{boot['life']}"), "w") as file:
    file.write(boot["token"])
print("up", flush=True)
sys.stdin.read()
"""
"""A module that shows its token to whoever may read its data directory: this test."""

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(1000)
"""


def start(why: str, code: str, body: Any = None, **more: Any) -> Case:
    return Case(why=why, asks=f"POST {ONE}/restart", code=code, body=body, **more)


def bad(why: str, body: Any, place: str, says: str = "", path: str = f"POST {ONE}/restart") -> Case:
    return Case(why=why, asks=path, code="malformed_body", body=body, place=place, says=says)


MALFORMED = [
    bad("no JSON", b"{", "$", "truncated"),
    bad("bytes that are no text", b'{"reason": "\xff"}', "byte 12", "UTF-8"),
    bad("a list", [], "$", "object"),
    bad("65 levels", {"x": json.loads("[" * 65 + "]" * 65)}, "$", "deeper"),
    bad("a hundred thousand levels", b"[" * 100_000, "$"),
    bad("a reason that is a number", {"reason": 5}, "$.reason", "int"),
    bad("a reason without an end", {"reason": "x" * 1001}, "$.reason", "1000"),
    bad("a wish that is a text", {"rolling": "yes"}, "$.rolling", "str"),
    bad("life 0", {"life": 0}, "$.life", ">= 1"),
    bad("a life to start", {"life": 1}, "$.life", "restart only", f"POST {ONE}/start"),
    bad("no state", {}, "$", "state", f"PUT {ONE}/state"),
    bad("nothing", b"", "$", "empty", f"PUT {ONE}/state"),
    bad("a state that is a list", {"state": ["manual"]}, "$.state", "array", f"PUT {ONE}/state"),
    bad("a delay of an hour", {"delay": 3600}, "$.delay", "60", f"POST {ONE}/watch"),
    bad("paths that are a text", {"paths": "**"}, "$.paths", "str", f"POST {ONE}/watch"),
    Case(why="a state that is none", asks=f"PUT {ONE}/state", body={"state": "off"},
         code="bad_config_state", says="off"),
    Case(why="a wish that is none", asks=f"POST {ONE}/stop?wait=yes", code="bad_query", says="yes"),
    Case(why="two wishes", asks=f"POST {ONE}/stop?wait=0&wait=1", code="bad_query", says="twice"),
    Case(why="a time that is none", asks="GET /launcher/settled?wait=soon", code="bad_query",
         says="soon"),
    Case(why="for ever", asks="GET /launcher/settled?wait=inf", code="bad_query", says="inf"),
    Case(why="a transfer that nobody knows", asks=f"POST {ONE}/stop", code="bad_request",
         headers={"Transfer-Encoding": "gzip"}),
    Case(why="nothing is there", asks="GET /nowhere", code="not_found"),
    Case(why="a method that is not", asks="DELETE /launcher/modules", code="method_not_allowed"),
    start("a large body", "body_too_large", LARGE, says="1048576"),
    start("a large head", "head_too_large", headers={"X": "y" * 70_000}),
]  # fmt: skip

FORGED = [
    Case(why="no token", asks="GET /launcher", who=None, code="unauthorized"),
    Case(why="another scheme", asks="GET /launcher", who=None, code="unauthorized",
         headers={"Authorization": "Basic YTpi"}),
    Case(why="a token with a slip", asks="GET /launcher", who="slip", code="unauthorized"),
    Case(why="a token of an earlier life", asks="GET /launcher", who="late", code="unauthorized"),
    *(
        Case(why="what a module may not", asks=asks, who="teller", body=body,
             code="permission_denied", says="teller")
        for asks, body in (
            (f"POST {ONE}/start", None), (f"POST {ONE}/stop", None), (f"POST {ONE}/restart", None),
            (f"PUT {ONE}/state", {"state": "manual"}), (f"POST {ONE}/watch", None),
            ("POST /launcher/rescan", None), ("POST /launcher/shutdown", None),
        )
    ),
    Case(why="what control is not", asks="POST /launcher/shutdown", who="controller",
         code="permission_denied", says="controller"),
    Case(why="a foreign host", asks="GET /health", who=None, code="bad_host",
         headers={"Host": "evil.example"}),
    Case(why="a foreign page", asks="POST /launcher/shutdown", code="bad_origin",
         headers={"Origin": "http://evil.example"}),
]  # fmt: skip

OUT_OF_ORDER = [
    Case(why="nobody", asks="POST /launcher/modules/nobody/start", code="unknown_module",
         says="nobody"),
    Case(why="nobody's state", asks="PUT /launcher/modules/nobody/state", body={"state": "manual"},
         code="unknown_module"),
    Case(why="nobody's reasons", asks="GET /launcher/modules/nobody/explain",
         code="unknown_module"),
    Case(why="the Launcher", asks="POST /launcher/modules/launcher/restart", code="core_module"),
    Case(why="the end of the Hub", asks="POST /launcher/modules/event_hub/stop",
         code="core_module"),
    Case(why="without the Registry", asks="PUT /launcher/modules/registry/state",
         body={"state": "disabled"}, code="core_module"),
    Case(why="what is disabled", asks="POST /launcher/modules/off/start?wait=1",
         code="module_disabled"),
    Case(why="what is disabled again", asks="POST /launcher/modules/off/restart?wait=1",
         code="module_disabled"),
    start("a life that is over", "life_gone", {"life": 99}, says="99"),
    Case(why="a life of the Hub", asks="POST /launcher/modules/event_hub/restart",
         body={"life": 99}, code="life_gone"),
    Case(why="what a request stopped", asks="POST /launcher/modules/halted/restart?wait=1",
         who="controller", code="stopped"),
    Case(why="what needs what a request stopped", asks="POST /launcher/modules/needy/start?wait=1",
         code="dependency_stopped", says="halted"),
    Case(why="what cannot be read", asks="PUT /launcher/modules/broken/state",
         body={"state": "manual"}, code="broken_manifest"),
    Case(why="what has no program", asks="POST /launcher/modules/empty/start?wait=1",
         code="failed"),
]  # fmt: skip

CASES = [*MALFORMED, *FORGED, *OUT_OF_ORDER]


def manifest(name: str, head: str = "", **more: str) -> bytes:
    return f"---\nname: {name}\ncommand: [sleep, '9']\nstate: manual\n{head}---\n".encode()


FILES: dict[str, bytes | Callable[[Path], object]] = {
    "file_missing": lambda path: path.unlink(),
    "file_not_regular": lambda path: (path.unlink(), os.mkfifo(path)),
    "file_unreadable": lambda path: (path.unlink(), path.symlink_to(path)),
    "file_not_utf8": b"---\nname: \xff\n---\n",
    "file_too_large": b"---\n" + b"# x\n" * (1 << 20),
    "front_matter_missing": b"name: written\n",
    "front_matter_open": b"---\nname: written\n",
    "key_not_text": b"---\nname: written\n1: 2\n---\n",
    "repeated_key": b"---\nname: written\nname: written\n---\n",
    "several_documents": b"---\nname: written\n--- {name: written}\n---\n",
    "yaml_alias": b"---\nname: *x\n---\n",
    "yaml_tag": b"---\nname: !!python/name:os.system\n---\n",
    "yaml_colon": b"---\nname: a: b\n---\n",
    "yaml_open": b"---\nname: [a\n---\n",
    "yaml_tab": b"---\nname:\n\t- a\n---\n",
    "yaml_syntax": b"---\nname: @x\n---\n",
    "yaml_too_large": b"---\nname: " + b"[" * 300 + b"]" * 300 + b"\n---\n",
    "not_editable": b"---\n- written\n---\n",
}
"""What somebody has made of a manifest since it was read, by the code of what is to be changed in it."""

ELSEWHERE = {
    "limit_reached": "integration/http/test_http_bounds.py::"
    "test_one_client_cannot_take_every_request",
    "token_not_rotated": "unit/launcher/test_operator_token.py::"
    "test_one_that_the_registry_does_not_learn_of_is_taken_back",
    "too_many_open": "integration/http/test_http_bounds.py::"
    "test_more_connections_than_there_may_be_are_turned_away",
    "request_slow": "integration/http/test_http_serving.py::test_a_slow_head_is_given_up",
    "going_away": "integration/http/test_http_serving.py::"
    "test_the_end_closes_the_idle_at_once_and_the_busy_in_time",
    "internal_error": "integration/http/test_http_serving.py::"
    "test_a_failure_inside_tells_nothing_of_the_inside",
    "stopping": "openapi/test_bad_input_launcher.py::test_too_late",
    "superseded": "conformance/test_section7_api.py::"
    "test_a_later_operation_ends_the_earlier_ones_waiting",
    # Nothing survives SIGKILL that a test could make.
    "survivors": "integration/launcher/test_tree.py::test_survivors_are_named",
    "not_settled": "unit/launcher/test_operations.py::"
    "test_nothing_settled_in_time_says_so_and_the_operation_goes_on",
    "file_changed": "unit/model/test_edit.py::test_what_somebody_writes_at_the_same_moment_is_kept",
    "file_not_writable": "unit/model/test_edit.py::test_a_full_disk_is_said_and_leaves_the_file",
}


def test_every_code_of_the_launcher_is_tried() -> None:
    files = [Case(why=code, asks="", code=code) for code in FILES]
    assert untested(LAUNCHER, [*CASES, *files], ELSEWHERE) == set()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("bad"), extensions=False) as made:
        made.module("one")
        made.module("off", state="disabled")
        made.module("halted")
        made.module("needy", depends_on=["halted"], state="manual")
        made.module("empty", command=["./no-such-program"], state="manual")
        made.module("teller", TELLER, ready={"log": "up"}, stdin="boot")
        made.module(
            "controller", TELLER, ready={"log": "up"}, stdin="boot", scopes=["launcher.control"]
        )
        made.write_manifest("broken", "---\nname: broken\nrun: ./x\n---\n")
        made.write_manifest("written", manifest("written"))
        made.up("--wait", status=None)
        made.act("stop", "halted")
        made.act("restart", "teller")
        yield made
        made.down()


def token_of(system: System, name: str, life: int) -> str:
    return (system.instance_dir / name / f"token.{life}").read_text()


def state_of(system: System) -> Any:
    """All that a refused request could have changed: lives, states, errors, and what is written."""
    records = {name: lasting(record) for name, record in system.records().items()}
    return records, (system.project / "kite.yaml").read_text()


def lasting(node: Any) -> Any:
    """The same without what changes by itself: how long it runs, and what it uses."""
    if isinstance(node, list):
        return [lasting(each) for each in node]
    if not isinstance(node, dict):
        return node
    measured = {"uptime", "cpu_seconds", "cpu_percent", "memory_bytes", "processes"}
    return {key: lasting(value) for key, value in node.items() if key not in measured}


def test_bad_input_is_named_and_changes_nothing(system: System) -> None:
    operator = system.api["token"]
    tokens = {
        "operator": operator,
        "slip": operator[:-1] + ("0" if operator[-1] != "0" else "1"),
        "late": token_of(system, "teller", 1),
        "teller": token_of(system, "teller", 2),
        "controller": token_of(system, "controller", 1),
    }
    port = urlsplit(system.api["url"]).port
    assert port
    found: list[str] = []
    for case in CASES:
        before = state_of(system)
        found += problems(LAUNCHER, port, case, tokens)
        if case.code != "failed" and (after := state_of(system)) != before:
            found.append(f"{case.why} ({case.asks}) has changed {differences(before, after)}")
    assert not found, "\n".join(found)
    assert "Traceback" not in system.log("launcher")


def differences(before: Any, after: Any) -> Any:
    return [
        (name, key, value, after[0].get(name, {}).get(key))
        for name, record in before[0].items()
        for key, value in record.items()
        if after[0].get(name, {}).get(key) != value
    ]


@pytest.mark.parametrize("code", FILES)
def test_a_file_that_somebody_has_spoilt_is_left_as_it_is(system: System, code: str) -> None:
    """`PUT …/state` reads what stands there now, and says what is wrong with it."""
    path = system.write_manifest("written", manifest("written"))
    made = FILES[code]
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        made(path)
    before, lives = state_of(system), path.is_file() and path.read_bytes()
    case = Case(why=code, asks="PUT /launcher/modules/written/state", body={"state": "disabled"},
                code=code)  # fmt: skip
    port = urlsplit(system.api["url"]).port
    assert port
    try:
        assert problems(LAUNCHER, port, case, {"operator": system.api["token"]}) == []
        assert (path.is_file() and path.read_bytes()) == lives
        assert state_of(system) == before
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(manifest("written"))


def test_too_late(tmp_path: Path) -> None:
    """While everything ends, nothing begins any more: `stopping`."""
    with System(tmp_path, extensions=False) as system:
        system.module("slow", STUBBORN, ready={"log": "up"}, stop={"timeout": 5})
        system.module("one", state="manual")
        system.up("--wait")
        api = system.api
        assert system.call("POST", "/launcher/shutdown").status == 202
        system.wait_phase("stopping")
        port = urlsplit(api["url"]).port
        assert port
        case = Case(why="late", asks="POST /launcher/modules/one/start?wait=1", code="stopping")
        assert problems(LAUNCHER, port, case, {"operator": api["token"]}) == []
        system.wait_gone(api["pid"])
