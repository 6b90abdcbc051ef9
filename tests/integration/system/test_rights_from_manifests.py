"""What a module's token may do is what its manifest says, on all three ports, and nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from kite.launcher.discovery import scan
from kite.model.project import read_project
from kite.testing.system import System

PROGRAM = """
import os
from pathlib import Path
from kite import Module

module = Module()

@module.on_start
async def keep():
    path = Path(os.environ["KITE_MODULE_DATA"], "token")
    path.touch(mode=0o600)
    path.write_text(module.token)

module.run()
"""


def token(system: System, name: str) -> str:
    return (system.instance_dir / name / "token").read_text()


def tell(system: System, who: str, **frame: Any) -> str:
    """The Hub's answer to one frame of a module's: `ack`, or the code of the error."""
    headers = {"authorization": f"Bearer {token(system, who)}"}
    endpoint = system.api["ws_endpoint"]
    with connect(endpoint, additional_headers=headers, proxy=None) as socket:
        socket.send(json.dumps({"id": 1, **frame}))
        answer = json.loads(socket.recv(20))
    return str(answer.get("code", answer["type"]))


def publish(system: System, who: str, subject: str, **fields: Any) -> str:
    return tell(system, who, type="event", event=subject, data={}, ack=True, **fields)


def subscribe(system: System, who: str, pattern: str) -> str:
    return tell(system, who, type="subscribe", events=[pattern])


def act(system: System, who: str, verb: str, name: str) -> int:
    path = f"/launcher/modules/{name}/{verb}?wait=1"
    return system.call("POST", path, token=token(system, who)).status


def register(system: System, who: str, name: str) -> int:
    url = f"http://127.0.0.1:{system.api['registry_port']}"
    body = {"action": "register", "module_id": name}
    return system.call("POST", "/modules", body, token=token(system, who), url=url).status


def test_each_port_grants_what_the_manifest_says(system: System) -> None:
    bound = {"publish": ["docs.found"], "subscribe": ["docs.>"]}
    system.module("bound", PROGRAM, runtime="python", events=bound)
    system.module("mute", PROGRAM, runtime="python", events={"publish": [], "subscribe": []})
    system.module("boss", PROGRAM, runtime="python", scopes=["launcher.control"])
    system.up("--wait")

    assert publish(system, "bound", "docs.found") == "ack"
    assert publish(system, "bound", "docs.lost") == "permission_denied"
    assert publish(system, "bound", "docs.found", source="boss") == "permission_denied"
    assert subscribe(system, "bound", "docs.x.y") == "ack"
    assert subscribe(system, "bound", ">") == "permission_denied"
    assert publish(system, "mute", "docs.found") == "permission_denied"
    assert subscribe(system, "mute", "docs.found") == "permission_denied"
    assert publish(system, "boss", "any.thing") == "ack"
    assert publish(system, "boss", "module.started") == "permission_denied"

    assert register(system, "bound", "bound") == 200
    assert register(system, "bound", "mute") == 403

    assert act(system, "bound", "restart", "mute") == 403
    assert act(system, "boss", "restart", "mute") == 200
    for path in ("/launcher/rescan", "/launcher/shutdown", "/launcher/token"):
        assert system.call("POST", path, token=token(system, "boss")).status == 403, path
    answer = system.call(
        "PUT", "/launcher/modules/mute/state", {"state": "disabled"}, token=token(system, "boss")
    )
    assert answer.status == 403


def test_a_changed_manifest_holds_from_the_next_life_on(system: System) -> None:
    system.module("one", PROGRAM, runtime="python", events={"publish": ["a.>"]})
    system.up("--wait")
    assert publish(system, "one", "a.b") == "ack"
    system.module(
        "one", PROGRAM, runtime="python", events={"publish": ["b.>"]}, scopes=["launcher.control"]
    )
    system.kite("rescan")
    assert publish(system, "one", "a.b") == "ack", "the living process keeps what it has"
    assert act(system, "one", "start", "one") == 403
    system.act("restart", "one")
    assert publish(system, "one", "a.b") == "permission_denied"
    assert publish(system, "one", "b.c") == "ack"
    assert act(system, "one", "start", "one") == 200


def test_of_what_comes_with_kite_the_watchdog_alone_may_control(tmp_path: Path) -> None:
    found = scan(tmp_path, read_project(tmp_path)).manifests
    assert len(found) >= 2
    assert {name for name, m in found.items() if m.scopes} == {"watchdog"}
    assert found["watchdog"].scopes == ("launcher.control",)
