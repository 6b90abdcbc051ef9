"""Modules that end as soon as they lose the Event Hub: that is no failure of theirs."""

from __future__ import annotations

from kite.testing.system import System

LEAVES_WITH_THE_HUB = """
import asyncio, json, os, sys
from kite.errors import Unavailable
from kite.http.client import call
from kite.sdk.connection import HubConnection
from kite.wire.frame import Event

async def live() -> None:
    boot = json.loads(sys.stdin.readline())
    registry = "http://127.0.0.1:" + os.environ["KITE_REGISTRY_PORT"]
    while True:
        found = await call("GET", registry + "/get/event_hub.metadata.ws_endpoint", token=boot["token"])
        if found.status == 200:
            break
        await asyncio.sleep(0.05)
    while True:
        try:
            hub = await HubConnection.open(
                found.json(), boot["token"],
                on_event=lambda event: None, on_lost=lambda lost: os._exit(7),
            )
            break
        except Unavailable:  # 503 means try again; leaving for it would be a failure of its own
            await asyncio.sleep(0.05)
    name = os.environ["KITE_MODULE"]
    hub.publish(Event(event="module.ready", data={"module_id": name, "life": boot["life"]}))
    await asyncio.Event().wait()

asyncio.run(live())
"""


def test_modules_leave_with_the_hub(system: System) -> None:
    """While the Hub is away an exit restarts the module without being counted."""
    names = [f"leaver{n}" for n in range(3)]
    for name in names:
        system.module(name, LEAVES_WITH_THE_HUB, runtime="python", restart={"max": 2})
    system.up("--wait")
    for life in (2, 3):
        system.kill("event_hub")
        for name in names:
            system.wait_step(name, "started", count=life)
    for name in names:
        assert system.record(name)["actual_state"] == "running"
        assert not system.steps(name, "failed")
