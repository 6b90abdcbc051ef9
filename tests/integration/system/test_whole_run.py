"""From `kite up` to `kite down` with real modules."""

from __future__ import annotations

from kite.testing.system import System

ECHO = """
from kite import Module
module = Module()

@module.handle("echo")
async def echo(request):
    return request.data

module.run()
"""


def test_it_comes_up_answers_and_leaves_nothing(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper")
    system.up("--wait")
    assert system.request("echo", {"text": "hello"}) == {"text": "hello"}
    records = system.records()
    for name in ("launcher", "registry", "event_hub", "echo", "sleeper"):
        assert records[name]["actual_state"] == "running"
    system.down()
    assert not system.is_up
    system.wait_nothing_left()
    assert system.steps("sleeper", "stopped")[-1]["reason"] == "system_shutdown"
