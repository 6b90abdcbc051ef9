"""Several processes of one module, and rolling restarts, in a real system."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from kite.testing.system import ECHO, System

WHO = ECHO.replace('"pid"', '"replica": os.environ.get("KITE_REPLICA"), "pid"')

SERVER = """
import http.server, os, sys
if os.path.exists("broken"):
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["KITE_PORT"])), Handler).serve_forever()
"""


def replicas(system: System, name: str) -> dict[int, str]:
    """Life to actual state."""
    return {each["life"]: each["actual_state"] for each in system.record(name)["replicas"]}


def pids(system: System, name: str) -> list[int]:
    return [each["pid"] for each in system.record(name)["replicas"] if each["pid"]]


def answers(system: System, wanted: int) -> dict[int, dict[str, Any]]:
    """Who answers, by life, once so many have."""
    found: dict[int, dict[str, Any]] = {}

    def asked() -> bool:
        reply = system.request("crew.echo")
        found[reply["life"]] = reply
        return len(found) == wanted

    system.wait(asked, what=f"answers of {wanted} replicas")
    return found


def test_replicas_share_the_work_and_are_told_apart(system: System) -> None:
    system.module("crew", WHO, runtime="python", replicas=3)
    system.up("--wait")
    assert sorted(replicas(system, "crew")) == [1, 2, 3]
    found = answers(system, 3)
    assert sorted(reply["replica"] for reply in found.values()) == ["0", "1", "2"]
    assert len({reply["pid"] for reply in found.values()}) == 3
    table = system.kite("ps").out
    assert "3 of 3 ready" in table
    pid = pids(system, "crew")[1]
    os.kill(pid, signal.SIGKILL)
    system.wait(lambda: replicas(system, "crew").get(4) == "running", what="the next life")
    assert replicas(system, "crew") == {1: "running", 4: "running", 3: "running"}
    system.act("stop", "crew")
    assert pids(system, "crew") == []
    system.act("start", "crew")
    assert sorted(replicas(system, "crew")) == [5, 6, 7]


def test_a_rolling_restart_loses_no_request(system: System) -> None:
    system.module("crew", WHO, runtime="python", replicas=2)
    system.up("--wait")
    over = threading.Event()
    lives: set[int] = set()
    failures: list[Exception] = []

    def ask() -> None:
        while not over.is_set():
            try:
                lives.add(system.request("crew.echo")["life"])
            except Exception as failure:  # noqa: BLE001  (whatever it is, it must not be)
                failures.append(failure)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        outcome = system.kite("restart", "--rolling", "crew")
    finally:
        over.set()
        asker.join()
    assert "crew: running" in outcome.out
    assert failures == []
    assert sorted(replicas(system, "crew")) == [3, 4]
    steps = [s["event"] for s in system.steps("crew") if s["event"] in {"started", "stopping"}]
    assert steps == ["started", "started", "started", "stopping", "started", "stopping"]


def test_a_rolling_restart_that_fails_changes_nothing(system: System) -> None:
    folder = system.module(
        "site",
        SERVER,
        runtime="python",
        preferred_port=0,
        ready={"http": "http://127.0.0.1:${KITE_PORT}/"},
        api_endpoint="http://127.0.0.1:${KITE_PORT}",
    )
    system.up("--wait")
    before = pids(system, "site")
    endpoint = system.kite("registry", "get", "site.api_endpoint").out
    (folder / "broken").touch()
    outcome = system.kite("restart", "--rolling", "site", status=1)
    assert "did not become ready" in outcome.err
    assert pids(system, "site") == before
    assert system.record("site")["error"] is None
    assert system.kite("registry", "get", "site.api_endpoint").out == endpoint
    (folder / "broken").unlink()
    system.kite("restart", "--rolling", "site")
    assert pids(system, "site") != before
    system.wait(
        lambda: system.kite("registry", "get", "site.api_endpoint").out != endpoint,
        what="the new port in the Registry",
    )


def test_the_manifest_says_how_many_at_the_next_start(system: System) -> None:
    system.module("crew", WHO, runtime="python", replicas=3)
    system.up("--wait")
    system.module("crew", WHO, runtime="python", replicas=1)
    system.kite("rescan")
    assert len(pids(system, "crew")) == 3
    system.act("start", "crew")
    system.wait(lambda: len(pids(system, "crew")) == 1, what="one replica")
    assert "ready" not in system.kite("ps").out


LOOPS = (
    """
import os, sys
if os.environ["KITE_REPLICA"] == "1":
    print("out of paper", flush=True)
    sys.exit(7)
"""
    + WHO
)


def test_one_replica_crashes_in_a_loop_and_says_so_itself(system: System) -> None:
    system.module("crew", LOOPS, runtime="python", replicas=3, restart={"max": 2})
    system.up("--wait", status=4)
    failed = system.wait_step("crew", "failed")
    assert (failed["replica"], failed["last_lines"]) == (1, ["out of paper"])
    assert {s["replica"] for s in system.steps("crew", "exited")} == {1}
    record = system.record("crew")
    assert (record["actual_state"], record["last_lines"], record["crash_loop"]) == (
        *("running", [], None),
    )
    told = {each["replica"]: each for each in record["replicas"]}
    assert (told[1]["last_lines"], told[1]["crash_loop"]) == (["out of paper"], "open")
    assert (told[1]["exit_code"], told[1]["next_try"] is not None) == (7, True)
    for other in (0, 2):
        assert (told[other]["actual_state"], told[other]["crash_loop"]) == ("running", None)
        assert (told[other]["restarts"], told[other]["last_lines"]) == (0, [])
    shown = system.kite("ps")
    assert "2 of 3 ready; replica 1: crash loop" in shown.out
    assert "crew/1 | out of paper" in shown.err
    explained = system.kite("explain", "crew").out
    assert "replica 0: running; " in explained
    assert "replica 1: failed; " in explained
    assert "replica 1: failures that count now: 2" in explained
    assert "replica 1 | out of paper" in explained
    assert set(answers(system, 2)) <= {1, 2, 3, 4, 5}


def test_a_restart_may_name_the_life_that_it_is_for(system: System) -> None:
    system.module("crew", WHO, runtime="python", replicas=2)
    system.up("--wait")
    path = "/launcher/modules/{}/{}?wait=1"
    answer = system.call("POST", path.format("crew", "restart"), {"life": 2, "reason": "tired"})
    assert answer.status == 200
    assert replicas(system, "crew") == {1: "running", 3: "running"}
    (stopping,) = system.steps("crew", "stopping")
    assert (stopping["life"], stopping["replica"], stopping["reason"]) == (2, 1, "tired")
    assert system.steps("crew", "requested")[-1]["life"] == 2
    for name, life in (("crew", 2), ("registry", 7)):
        refused = system.call("POST", path.format(name, "restart"), {"life": life})
        assert (refused.status, refused.body["code"]) == (409, "life_gone")
    assert system.call("POST", path.format("crew", "stop"), {"life": 1}).status == 422
    assert replicas(system, "crew") == {1: "running", 3: "running"}
