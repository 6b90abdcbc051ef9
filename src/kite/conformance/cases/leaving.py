"""shutdown: leaving when one is meant, and only then."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from typing import Any

from kite.conformance.candidate import BYSTANDER, STOP_SECONDS
from kite.conformance.case import Family, Unmet
from kite.conformance.ear import Ear
from kite.conformance.stage import Stage, gone
from kite.testing.census import is_alive
from kite.wire import frame

shutdown = Family("shutdown", "README.md 8")

ACK_SECONDS = 3.0
_SAID = ("module.shutdown.ack", "module.shutdown.ready")


@shutdown.case("of_another", "it ignores a shutdown of another module")
async def of_another(stage: Stage) -> None:
    before = await stage.running()
    async with _ear(stage) as ear:
        for verb in ("start", "stop"):
            answer = await stage.act(verb, BYSTANDER)
            assert answer.status == 200, answer
        assert ear.data("module.shutdown"), "the bystander was not asked"
        await _says_nothing(stage, ear, before)


async def _says_nothing(stage: Stage, ear: Ear, before: dict[str, Any]) -> None:
    after = await stage.serves("a module that serves on")
    await _catch_up(stage, ear)
    if words := _words(stage, ear):
        said = ", ".join(event.event for event in words)
        raise Unmet("no word about a shutdown that is not its own", said)
    if after != before:
        raise Unmet(f"the same process and life, {json.dumps(before)}", json.dumps(after))


async def _catch_up(stage: Stage, ear: Ear) -> None:
    """What it has said by now is heard: it says something that comes behind that."""
    heard = f"{stage.name}.out"
    await stage.publish(f"{stage.name}.in", "a mark")
    if not await ear.until(_has(heard), stage.patience):
        raise Unmet(f"an event on {heard} for one on {stage.name}.in", "none")


@shutdown.case("of_another_life", "it ignores a shutdown of another life of its own name")
async def of_another_life(stage: Stage) -> None:
    """In a rolling restart two lives are side by side, and the older one is asked to go."""
    before = await stage.running()
    async with _ear(stage) as ear:
        answer = await stage.act("restart", rolling=True)
        if answer.status != 200:
            said = answer.body.decode(errors="replace")
            raise Unmet("a rolling restart, for which it says its life in module.ready", said)
        await ear.until(_has(_SAID[0]), stage.patience)
        after = await stage.serves("an answer of the newer life")
        await _catch_up(stage, ear)
        asked = [data.get("life") for data in ear.data("module.shutdown")]
        lives = {event.data.get("life") for event in _words(stage, ear)}
        if asked != [before["life"]] or lives != {before["life"]}:
            raise Unmet(
                f"words of life {before['life']} alone, which was asked, and that it says so",
                f"words of {sorted(lives, key=str)}; asked: {asked}",
            )
    if after["life"] <= before["life"] or (await stage.record())["life"] != after["life"]:
        raise Unmet("the newer life running on", json.dumps(after))


@shutdown.case("acknowledged", "it acknowledges its own shutdown within 3 s, then says it is ready")
async def acknowledged(stage: Stage) -> None:
    before = await stage.running()
    async with _ear(stage) as ear:
        stopping = asyncio.create_task(stage.act("stop"))
        try:
            if not await ear.until(_has("module.shutdown"), stage.patience):
                raise Unmet("module.shutdown by the launcher", "none")
            is_in_time = await ear.until(_has(_SAID[0]), ACK_SECONDS)
            await stopping
            await ear.until(_has(_SAID[1]), stage.patience)
        finally:
            await stopping
        words = _words(stage, ear)
    if [event.event for event in words] != list(_SAID):
        said = ", ".join(event.event for event in words) or "nothing"
        raise Unmet(f"{' and '.join(_SAID)}, once each", said)
    if not is_in_time:
        raise Unmet(f"{_SAID[0]} within {ACK_SECONDS:g} s", "it came later")
    for event in words:
        data = event.data if isinstance(event.data, dict) else {}
        if (
            data.get("module_id") != stage.name
            or data.get("life", before["life"]) != before["life"]
        ):
            raise Unmet(f"module_id and life of its own in {event.event}", json.dumps(event.data))
    estimated = words[0].data.get("estimated_cleanup")
    if isinstance(estimated, bool) or not isinstance(estimated, int | float):
        raise Unmet("estimated_cleanup in seconds", json.dumps(words[0].data))
    if not 0 <= estimated <= STOP_SECONDS:
        raise Unmet(f"an estimate from 0 to the {STOP_SECONDS:g} s it is given", f"{estimated}")


@shutdown.case("clean", "it leaves with status 0, also when SIGTERM comes meanwhile")
async def clean(stage: Stage) -> None:
    await stage.running()
    await stage.act("stop")
    record = await stage.record()
    if record["exit_code"] != 0:
        how = {key: record[key] for key in ("exit_code", "signal")}
        raise Unmet("exit status 0", json.dumps(how))


@shutdown.case("sigterm", "it goes on SIGTERM alone", section="README.md 8")
async def sigterm(stage: Stage) -> None:
    pid = (await stage.running())["pid"]
    os.kill(pid, signal.SIGTERM)
    bound = STOP_SECONDS + stage.patience
    if not await gone(lambda: is_alive(pid), bound):
        raise Unmet(f"its end within {bound:g} s", "it runs on")


@shutdown.case("without_hub", "it goes while the Event Hub is away", section="README.md 1")
async def without_hub(stage: Stage) -> None:
    """A Hub that stands still answers nobody; the signal and the end of the input come."""
    found = await stage.running()
    hub = (await stage.record("event_hub"))["pid"]
    os.kill(hub, signal.SIGSTOP)
    try:
        os.kill(found["pid"], signal.SIGTERM)
        if not await gone(lambda: is_alive(found["pid"]), STOP_SECONDS + stage.patience):
            raise Unmet("its end", "it runs on")
    finally:
        os.kill(hub, signal.SIGCONT)


@shutdown.case("everything", "it leaves in order when all of Kite is stopped, and nothing is left")
async def everything(stage: Stage) -> None:
    await stage.running()
    await stage.close()
    pid = (await stage.record())["pid"]
    await asyncio.to_thread(stage.ground.down)
    ends = stage.steps("exited") + stage.steps("stopped")
    if not ends or is_alive(pid):
        raise Unmet("its end", "it runs on")
    exits = [step["exit_code"] for step in ends if step.get("exit_code") is not None]
    if not exits or exits[-1] != 0:
        raise Unmet("exit status 0", json.dumps(ends[-1]))
    if left := await asyncio.to_thread(_left, stage):
        raise Unmet("no process left", ", ".join(left))


def _left(stage: Stage) -> list[str]:
    return list(stage.ground.census.look().values())


def _has(subject: str) -> Callable[[list[frame.Event]], bool]:
    return lambda events: any(event.event == subject for event in events)


def _ear(stage: Stage) -> Ear:
    return stage.ear("module.shutdown", "module.shutdown.>", f"{stage.name}.out")


def _words(stage: Stage, ear: Ear) -> list[frame.Event]:
    """What the module has said about shutdowns."""
    return [each for each in ear.events if each.event in _SAID and each.source == stage.name]
