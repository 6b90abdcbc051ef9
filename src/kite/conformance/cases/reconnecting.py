"""reconnect: Event Hub and Registry end, and the module's process does not."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from kite.clock import now_rfc3339
from kite.conformance.case import Family, Unmet
from kite.conformance.ear import Ear
from kite.conformance.stage import Stage

reconnect = Family("reconnect", "README.md 9")

_KEPT = 200
_KILLED_AFTER = 20


@reconnect.case(
    "hub_killed",
    "after the Event Hub was killed it is back: same process, subscriptions, registration, ready",
)
async def hub_killed(stage: Stage) -> None:
    await _survives(stage, "event_hub", _kill)


@reconnect.case("hub_restarted", "after a restart of the Event Hub it is back likewise")
async def hub_restarted(stage: Stage) -> None:
    await _survives(stage, "event_hub", _restart)


@reconnect.case("registry_killed", "after the Registry was killed it serves on and is registered")
async def registry_killed(stage: Stage) -> None:
    await _survives(stage, "registry", _kill)


@reconnect.case("registry_restarted", "after a restart of the Registry likewise")
async def registry_restarted(stage: Stage) -> None:
    await _survives(stage, "registry", _restart)


async def _kill(stage: Stage, core: str) -> None:
    before = (await stage.record(core))["pid"]
    os.kill(before, signal.SIGKILL)
    await stage.until(
        lambda: stage.record(core),
        f"kite's own {core} restarted",
        seconds=60.0,
        show=lambda last: last["actual_state"],
        suffices=lambda last: (
            last["pid"] not in (None, before) and last["actual_state"] == "running"
        ),
    )


async def _restart(stage: Stage, core: str) -> None:
    answer = await stage.act("restart", core)
    if answer.status != 200:
        raise Unmet(f"kite's own {core} restarted", answer.body.decode(errors="replace"))


async def _survives(stage: Stage, core: str, end: Any) -> None:
    before = await stage.running()
    since = now_rfc3339()
    await end(stage, core)
    after = await stage.serves("an answer after the outage")
    if after != before:
        raise Unmet(f"the same process and life, {json.dumps(before)}", json.dumps(after))
    if core == "event_hub":
        await _says_ready(stage, since)
    await _hears(stage)
    await stage.until(stage.entry, "its entry in the Registry")


async def _says_ready(stage: Stage, since: str) -> None:
    """The Hub remembers what it handed out, so it does not matter when we come to listen."""

    def is_own(events: list[Any]) -> bool:
        return any(event.source == stage.name for event in events)

    async with stage.ear("module.ready", since=since) as ear:
        if not await ear.until(is_own, stage.patience):
            raise Unmet("module.ready again, over the new connection", "none")


async def _hears(stage: Stage) -> None:
    """Whether its subscription to events is back, not only that to requests."""
    async with stage.ear(f"{stage.name}.out") as ear:
        await stage.publish(f"{stage.name}.in", "again")
        if not await ear.until(bool, stage.patience):
            raise Unmet(f"an event on {stage.name}.out for one on {stage.name}.in", "none")


@reconnect.case(
    "acked",
    "what it publishes acknowledged is not lost when the Event Hub is killed meanwhile",
    feature="acked",
    section="README.md 7",
)
async def acked(stage: Stage) -> None:
    await stage.running()
    subject = f"{stage.name}.kept"
    since = now_rfc3339()
    async with stage.ear(subject) as ear:
        await stage.publish(f"{stage.name}.keep", {"subject": subject, "count": _KEPT})
        if not await ear.until(lambda events: len(events) >= _KILLED_AFTER, stage.patience):
            raise Unmet(f"{_KEPT} events on {subject}", f"{len(ear.events)}")
    await _kill(stage, "event_hub")
    await stage.serves("an answer after the outage")
    async with stage.ear(subject, since=since) as ear:
        await ear.until_or_silence(lambda _: _missing(ear) == [], stage.patience)
        if missing := _missing(ear):
            raise Unmet(
                f"every number from 0 to {_KEPT - 1}", f"{len(missing)} missing: {missing[:5]}"
            )
        firsts = list(dict.fromkeys(event.data for event in ear.events))
        if firsts != list(range(_KEPT)):
            raise Unmet("the numbers in order", f"{firsts[:20]}…")


def _missing(ear: Ear) -> list[int]:
    there = {event.data for event in ear.events if isinstance(event.data, int)}
    return [number for number in range(_KEPT) if number not in there]
