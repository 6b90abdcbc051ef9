"""Modules that are restarted when their files change."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kite.testing.system import System

LOG = {"log": "^up$"}
WRITES_ITSELF = """
import os, time
with open("state.txt", "w") as file:
    file.write(str(time.time()))
print("up", flush=True)
time.sleep(1000)
"""
SAYS = """
import time
print("says {word}", flush=True)
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[System]:
    """As `system`, without the modules that come with Kite."""
    with System(tmp_path, extensions=False) as made:
        yield made


def test_a_change_restarts_a_module_and_then_those_that_depend_on_it(bare: System) -> None:
    folder = bare.module(
        "base", SAYS.format(word="one"), ready=LOG, watch={"delay": 0.05, "dependents": True}
    )
    bare.module("user", depends_on=["base"])
    bare.module("other")
    bare.up("--wait")
    bare.write(folder / "main.py", SAYS.format(word="two"))
    bare.wait_step("user", "started", count=2)
    bare.wait_log("base", "says two")
    assert bare.steps("base", "changed")[0]["files"] == ["main.py"]
    bare.wait_log("base", "changed: main.py")
    assert bare.steps("user", "stopped")[0]["reason"] == "dependency_changed"
    steps = [(step["module"], step["event"]) for step in bare.steps()]
    began = len(steps) - 1 - steps[::-1].index(("base", "started"))
    assert ("user", "stopping") in steps[began:], "not before it is ready again"
    assert (bare.record("base")["restarts"], bare.record("other")["life"]) == (0, 1)


def test_a_module_that_writes_what_it_is_watched_for_is_left_running(bare: System) -> None:
    folder = bare.module("writer", WRITES_ITSELF, ready=LOG, watch={"delay": 0.05})
    bare.write(folder / "state.txt", "")
    bare.up("--wait")
    bare.wait_step("writer", "watch_suspended")
    record = bare.wait_state("writer", "running")
    assert record["life"] == len(bare.steps("writer", "changed")) + 1
    bare.wait_log("writer", "watch.ignore")


def test_a_change_of_the_manifest_is_read_before_the_restart(bare: System) -> None:
    bare.module("a", SAYS.format(word="one"), ready=LOG, watch={"delay": 0.05})
    bare.up("--wait")
    bare.module("a", SAYS.format(word="one"), ready=LOG, watch={"delay": 0.05}, env={"WORD": "new"})
    bare.wait_step("a", "started", count=2)
    environ = Path(f"/proc/{bare.wait_state('a', 'running')['pid']}/environ").read_bytes()
    assert b"WORD=new" in environ


def test_a_lease_watches_for_as_long_as_somebody_listens(bare: System) -> None:
    folder = bare.module("a", SAYS.format(word="one"), ready=LOG)
    bare.up("--wait")
    api = bare.api
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(api["url"]).port, timeout=30)
    connection.request(
        "POST",
        "/launcher/modules/a/watch",
        body=json.dumps({"delay": 0.05}),
        headers={"Authorization": f"Bearer {api['token']}"},
    )
    answer = connection.getresponse()
    assert json.loads(answer.readline()) == {"module": "a", "watching": True}
    bare.write(folder / "main.py", SAYS.format(word="two"))
    told = json.loads(answer.readline())
    assert (told["files"], told["action"]) == (["main.py"], "restart")
    bare.wait_step("a", "started", count=2)
    bare.remember()
    bare.kite("down")
    assert answer.read().strip() == b"", "the end of Kite is the end of the stream"
    connection.close()


def test_watching_is_for_the_operator_and_for_modules(bare: System) -> None:
    bare.module("a")
    bare.up("--wait")
    for path, body, status in (
        ("nobody", None, 404),
        ("registry", None, 403),
        ("a", {"delay": "soon"}, 422),
    ):
        assert bare.call("POST", f"/launcher/modules/{path}/watch", body).status == status
    assert bare.call("POST", "/launcher/modules/a/watch", token="0" * 64).status == 401


def test_any_number_of_modules_is_watched(bare: System) -> None:
    """Each keeps a thread, and here are more than a loop lends by itself."""
    names = [f"m{number:02}" for number in range(42)]
    says = ["sh", "-c", "echo up; exec sleep 1000"]
    for name in names:
        bare.module(name, command=says, ready=LOG, watch={"delay": 0.05})
    bare.up("--wait")
    for name in reversed(names):  # the last was last to get its thread
        bare.write(bare.project / "modules" / name / "x.py", "")
        bare.wait_step(name, "changed")
