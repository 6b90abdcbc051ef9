"""A module asks the Launcher: who runs, and, with the scope for it, start, stop and restart."""

from __future__ import annotations

from pathlib import Path

from kite.testing.system import System

BOSS = """
import os

from kite import Module
from kite.errors import KiteError

module = Module()
name = os.environ["KITE_MODULE"]

@module.handle(f"{name}.do")
async def do(request):
    verb, whom = request.data
    try:
        if verb == "list":
            return sorted(record["name"] for record in await module.launcher.modules())
        if verb == "show":
            return await module.launcher.module(whom)
        act = getattr(module.launcher, verb)
        return await act(whom, reason="because", wait=True)
    except KiteError as refusal:
        return {"refused": refusal.code}

module.run()
"""


def test_a_module_with_the_scope_controls_others(tmp_path: Path) -> None:
    with System(tmp_path, extensions=False) as system:
        system.module("boss", BOSS, runtime="python", scopes=["launcher.control"])
        system.module("guest", BOSS, runtime="python")
        system.module("worker")
        system.up("--wait")

        def boss(verb: str, whom: str = "worker") -> dict[str, object]:
            return system.request("boss.do", [verb, whom], timeout=30.0)

        assert "worker" in boss("list")
        assert boss("show")["life"] == 1
        assert boss("restart")["life"] == 2
        assert system.steps("worker", "stopping")[0]["reason"] == "because"
        assert boss("stop")["actual_state"] == "stopped"
        assert boss("restart") == {"refused": "stopped"}  # only the operator's restart is a start
        assert boss("start")["actual_state"] == "running"
        assert boss("show", "nobody") == {"refused": "unknown_module"}
        assert boss("stop", "registry") == {"refused": "core_module"}

        assert system.request("guest.do", ["show", "worker"])["actual_state"] == "running"
        for verb in ("start", "stop", "restart"):
            refused = system.request("guest.do", [verb, "worker"])
            assert refused == {"refused": "permission_denied"}
        assert system.record("worker")["actual_state"] == "running"
