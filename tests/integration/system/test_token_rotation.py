"""`kite token rotate`: everybody gets a fresh token, the old ones are dead, and nothing is lost."""

from __future__ import annotations

import json
import select
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kite.testing.system import ECHO, System

KEEP = """
import os
from pathlib import Path
from kite import Module

DATA = Path(os.environ["KITE_MODULE_DATA"])
module = Module()

def write(name, text, mode="w"):
    with open(os.open(DATA / name, os.O_CREAT | os.O_WRONLY |
              (os.O_APPEND if mode == "a" else os.O_TRUNC), 0o600), mode) as file:
        file.write(text)

@module.on_start
async def keep():
    write(f"token-{module.life}", module.token)
    await begin()

async def begin():
    pass
"""

PUBLISHER = (
    KEEP
    + """
from kite.errors import KiteError

async def begin():
    module.spawn(publish())

async def publish():
    number = int((DATA / "said").read_text()) if (DATA / "said").exists() else 0
    while True:
        try:
            # Only what was acknowledged counts as said: what was not is said again.
            await module.publish_acked("work.item", {"n": number})
        except KiteError:
            continue
        number += 1
        write("said", str(number))

module.run()
"""
)

SUBSCRIBER = (
    KEEP
    + """
@module.on("work.item", durable="work", start="all")
async def take(event):
    write("heard", f"{event.data['n']}\\n", "a")

module.run()
"""
)

QUIET = KEEP + "\nmodule.run()\n"


def data(system: System, name: str) -> Path:
    return system.instance_dir / name


def tokens(system: System, *names: str) -> dict[str, str]:
    """By a name and the life that has it."""
    return {
        f"{name} {path.name}": path.read_text()
        for name in names
        for path in data(system, name).glob("token-*")
    }


def statuses(system: System, token: str) -> set[int]:
    """What the three ports answer to a token."""
    api = system.api
    registry = f"http://127.0.0.1:{api['registry_port']}"
    found = {
        system.call("GET", "/launcher", token=token).status,
        system.call("GET", "/modules", token=token, url=registry).status,
    }
    try:
        headers = {"authorization": f"Bearer {token}"}
        with connect(api["ws_endpoint"], additional_headers=headers, proxy=None):
            found.add(200)
    except InvalidStatus as refused:
        found.add(refused.response.status_code)
    return found


def said(system: System) -> int:
    path = data(system, "publisher") / "said"
    return int(path.read_text() or 0) if path.exists() else 0


def heard(system: System) -> set[int]:
    path = data(system, "subscriber") / "heard"
    return {int(line) for line in path.read_text().split()} if path.exists() else set()


def rotate(system: System, *words: str) -> dict[str, dict[str, Any]]:
    outcome = json.loads(system.kite("token", "rotate", *words, "--json", timeout=300.0).out)
    return {each["name"]: each for each in outcome["tokens"]}


def test_everybody_has_a_fresh_token_and_no_durable_event_is_lost(system: System) -> None:
    """While events are published into a stream and handled, everything is rotated, twice."""
    system.configure(hub={"streams": {"work": {"subjects": ["work.>"]}}})
    system.module("publisher", PUBLISHER, runtime="python")
    system.module("subscriber", SUBSCRIBER, runtime="python")
    system.module("crew", QUIET, runtime="python", replicas=2)
    system.up("--wait")
    system.wait(lambda: len(heard(system)) > 5, what="events to flow")
    old = {**tokens(system, "publisher", "subscriber", "crew"), "operator": system.api["token"]}
    assert len(old) == 5, old.keys()
    for token in old.values():
        assert statuses(system, token) == {200}

    before = said(system)
    done = rotate(system)
    assert {name: each["how"] for name, each in done.items() if each["outcome"] == "rotated"} == {
        "registry": "restart",
        "event_hub": "restart",
        "publisher": "restart",
        "subscriber": "restart",
        "crew": "rolling",
        "watchdog": "restart",
        "operator": "file",
    }
    for name, token in old.items():
        assert statuses(system, token) == {401}, name
    now = {**tokens(system, "publisher", "subscriber", "crew"), "operator": system.api["token"]}
    fresh = set(now.values()) - set(old.values())
    assert len(fresh) == 5
    for token in fresh:
        assert statuses(system, token) == {200}

    rotate(system)
    system.wait(lambda: said(system) > before + 20, what="events to flow again")
    system.act("stop", "publisher")
    count = said(system)
    system.wait(lambda: heard(system) >= set(range(count)), what=f"all {count} events")


def test_only_who_is_named(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    system.module("other", ECHO, runtime="python")
    system.up("--wait")
    operator = system.api["token"]
    lives = {name: each["life"] for name, each in system.records().items()}
    done = rotate(system, "echo")
    assert list(done) == ["echo"]
    assert done["echo"]["life"] == lives["echo"] + 1
    assert system.api["token"] == operator
    now = {name: each["life"] for name, each in system.records().items()}
    assert now == {**lives, "echo": lives["echo"] + 1}


def test_the_operators_is_changed_under_whoever_watches(system: System) -> None:
    """`kite events`, which had connected with the old one, goes on with the new one."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    old = system.api["token"]
    watching = system.spawn("events", "news.>", "--json")
    assert watching.stdout is not None
    assert watching.stderr is not None
    watching.stderr.readline()  # it watches
    assert rotate(system, "operator")["operator"]["outcome"] == "rotated"
    assert system.api["token"] != old
    assert statuses(system, old) == {401}

    def is_shown() -> bool:
        # What is published before it is back is not shown, which it says.
        system.kite("pub", "news.b", "1")
        ready = select.select([watching.stdout], [], [], 0.2)[0]
        return bool(ready) and '"news.b"' in str(watching.stdout and watching.stdout.readline())

    system.wait(is_shown, timeout=60.0)
    watching.terminate()
    watching.communicate(timeout=20)
    [line] = [each for each in audit(system) if each["what"] == "operator token"]
    assert (line["who"], line["outcome"]) == ("operator", "done")
    log = (system.instance_dir / "launcher" / "audit.jsonl").read_text()
    assert old not in log
    assert system.api["token"] not in log


def audit(system: System) -> list[dict[str, Any]]:
    return [json.loads(line) for line in system.kite("audit", "--json").out.splitlines()]


def test_a_module_may_not_change_the_operators(system: System) -> None:
    system.module("echo", QUIET, runtime="python", scopes=["launcher.control"])
    system.up("--wait")
    [token] = tokens(system, "echo").values()
    answer = system.call("POST", "/launcher/token", token=token)
    assert (answer.status, answer.body["code"]) == (403, "permission_denied")


def test_a_disk_that_refuses_leaves_the_old_one_good(system: System) -> None:
    """Here a folder stands where the draft of api.json is to be."""
    system.up("--wait")
    old = system.api["token"]
    draft = system.launcher_dir / ".api.json.new"
    draft.mkdir()
    outcome = system.kite("token", "rotate", "operator", "--json", status=None)
    assert outcome.status != 0
    assert system.api["token"] == old
    assert statuses(system, old) == {200}
    draft.rmdir()
    assert rotate(system, "operator")["operator"]["outcome"] == "rotated"


def test_who_cannot_be_restarted_is_told_and_the_others_are_done(system: System) -> None:
    system.configure(max_failed_modules=0)
    folder = system.module("web", ECHO, runtime="python", restart={"max": 1})
    system.module("zeta", ECHO, runtime="python")
    system.up("--wait")
    system.write(folder / "main.py", "raise SystemExit(3)")
    outcome = system.kite("token", "rotate", "web", "zeta", "operator", "--json", status=1)
    done = {each["name"]: each["outcome"] for each in json.loads(outcome.out)["tokens"]}
    assert done == {"web": "failed", "zeta": "rotated", "operator": "rotated"}


@pytest.mark.parametrize(("name", "status"), [("nobody", 1), ("launcher", 6)])
def test_whose_token_there_is_not(system: System, name: str, status: int) -> None:
    system.up("--wait")
    assert system.kite("token", "rotate", name, status=status).err


def test_without_a_kite_that_runs(system: System) -> None:
    system.kite("token", "rotate", status=3)
