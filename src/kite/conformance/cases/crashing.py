"""crash: an end that nobody asked for, and the life after it."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from kite.conformance.case import Family, Unmet
from kite.conformance.stage import Stage

crash = Family("crash", "README.md 1")

_STATUS = 7


@crash.case("exit", "it exits with the status it is told to; its next life serves again")
async def exits(stage: Stage) -> None:
    before = await stage.running()
    count = len(stage.steps("exited"))
    await stage.publish(f"{stage.name}.exit", {"status": _STATUS})
    step = await _exited(stage, count)
    if step.get("exit_code") != _STATUS:
        raise Unmet(f"exit status {_STATUS}", json.dumps(_how(step)))
    await _lives_again(stage, before)


@crash.case("killed", "killed, it is back as another life that serves and is registered")
async def killed(stage: Stage) -> None:
    before = await stage.running()
    count = len(stage.steps("exited"))
    os.kill((await stage.record())["pid"], signal.SIGKILL)
    await _exited(stage, count)
    await _lives_again(stage, before)
    await stage.until(stage.entry, "an entry of the new life in the Registry")


async def _exited(stage: Stage, count: int) -> dict[str, Any]:
    async def look() -> list[dict[str, Any]]:
        return stage.steps("exited")[count:]

    found = await stage.until(look, "the end of its process", show=lambda _: "it runs on")
    return found[0]


async def _lives_again(stage: Stage, before: dict[str, Any]) -> None:
    found = await stage.until(
        stage.report,
        "a later life that answers",
        show=lambda last: json.dumps(last) if last else f"no answer on {stage.name}.report",
        suffices=lambda last: bool(last) and last["life"] > before["life"],
    )
    if found["pid"] == before["pid"]:
        raise Unmet("a new process", f"pid {found['pid']} again")


def _how(step: dict[str, Any]) -> dict[str, Any]:
    return {key: step[key] for key in ("exit_code", "signal") if step.get(key) is not None}
