"""start: from the boot line to `module.ready`, and when not to go on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from typing import Any

from kite.conformance.candidate import LAUNCH_SECONDS
from kite.conformance.case import Family, Unmet
from kite.conformance.doorman import Doorman
from kite.conformance.stage import Stage, gone

start = Family("start", "README.md 1")

_OUTCOMES = ("started", "start_failed", "exited", "failed")
_RETRIES = 2
_MOST_QUESTIONS = 5  # of a module that has been told 401: more is spinning


@start.case("ready", "it says module.ready within its launch timeout", section="README.md 6")
async def ready(stage: Stage) -> None:
    async def look() -> list[dict[str, Any]]:
        return [step for event in _OUTCOMES for step in stage.steps(event)]

    bound = LAUNCH_SECONDS + stage.patience
    found = await stage.until(look, "module.ready", seconds=bound, show=lambda _: "nothing")
    if found[0]["event"] != "started":
        shown = {key: value for key, value in found[0].items() if key not in ("ts", "last_lines")}
        raise Unmet("module.ready in its first life", json.dumps(shown, ensure_ascii=False))


@start.case("life", "it knows which life it is", section="README.md 1")
async def life(stage: Stage) -> None:
    found = await stage.running()
    record = await stage.record()
    if found["life"] != record["life"]:
        raise Unmet(f"life {record['life']}, as in its boot line", json.dumps(found))


@start.case("registered", "it registers, with what it declares", section="README.md 5")
async def registered(stage: Stage) -> None:
    await stage.running()
    entry = await stage.until(stage.entry, "an entry in the Registry")
    said = (entry.get("metadata") or {}).get("conformance")
    lists = ("features", "vectors")
    if not isinstance(said, dict) or not all(isinstance(said.get(key), list) for key in lists):
        expected = 'metadata.conformance with the lists "features" and "vectors"'
        raise Unmet(expected, json.dumps(entry.get("metadata")))


@start.case(
    "boot_line",
    "it ignores keys of the boot line that it does not know, and does not read on to the end",
    section="README.md 1",
)
async def boot_line(stage: Stage) -> None:
    """Likewise that its name is the one it is given."""
    await _guided(stage)
    await stage.act("stop", stage.candidate.guided)


@start.case("lifeline", "it goes when its standard input ends", section="README.md 1")
async def lifeline(stage: Stage) -> None:
    found = await _guided(stage)
    pid = found["pid"]
    between = (await stage.record(stage.candidate.guided))["pid"]
    os.kill(between, signal.SIGUSR1)
    try:
        if not await gone(lambda: _exists(pid), stage.patience):
            expected = f"the end of the process within {stage.patience:g} s after its input's"
            raise Unmet(expected, "it runs on")
    finally:
        await stage.act("stop", stage.candidate.guided)


async def _guided(stage: Stage) -> dict[str, Any]:
    answer = await stage.act("start", stage.candidate.guided)
    if answer.status != 200:
        raise Unmet(
            f"module.ready as {stage.candidate.guided}, with new keys in its boot line",
            _said(answer),
            module=stage.candidate.guided,
        )
    found = await stage.serves(
        f"an answer on {stage.candidate.guided}.report", stage.candidate.guided
    )
    record = await stage.record(stage.candidate.guided)
    if found["life"] != record["life"]:
        raise Unmet(f"life {record['life']}", json.dumps(found))
    return found


def _said(answer: Any) -> str:
    problem = answer.json()
    return f"{problem.get('code')}: {problem.get('detail')}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@start.case(
    "turned_away",
    "after a 503 it asks again; after a 401 its token is dead, and it leaves without asking on",
    section="README.md 2",
)
async def turned_away(stage: Stage) -> None:
    async with Doorman(not_ready=_RETRIES) as doorman:
        process = _spawn(stage, doorman.port)
        try:
            is_gone = await gone(
                lambda: process.poll() is None and doorman.questions <= 10 * _MOST_QUESTIONS,
                stage.patience + _RETRIES,
            )
            asked, status = doorman.questions, process.poll()
            if asked <= _RETRIES:
                expected = f"{_RETRIES + 1} questions or more: 503 means to try again"
                raise Unmet(expected, f"{asked}, exit status {status}")
            if not is_gone or status is None or asked > _RETRIES + _MOST_QUESTIONS:
                raise Unmet(
                    f"its end after the first 401, at most {_MOST_QUESTIONS} of them",
                    f"{asked - _RETRIES} of them, "
                    + ("it runs on" if status is None else f"exit status {status}"),
                )
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            assert process.stdin is not None
            process.stdin.close()


def _spawn(stage: Stage, registry_port: int) -> subprocess.Popen[bytes]:
    """The module's program, with us in the Launcher's place and a token that nobody knows."""
    ground = stage.ground
    data = ground.instance_dir / stage.name
    environ = {
        **ground.environ,
        "HOME": stage.candidate.home,
        "KITE_CWD": str(ground.project),
        "KITE_PROJECT": str(ground.project),
        "KITE_INSTANCE": ground.api["instance"],
        "KITE_INSTANCE_DIR": str(ground.instance_dir),
        "KITE_MODULE": stage.name,
        "KITE_MODULE_DIR": str(ground.project / "modules" / stage.name),
        "KITE_MODULE_DATA": str(data),
        "KITE_REGISTRY_PORT": str(registry_port),
    }
    with (ground.directory / "turned_away.log").open("wb") as log:
        process = subprocess.Popen(
            stage.candidate.command,
            cwd=environ["KITE_MODULE_DIR"],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps({"token": "0" * 64, "life": 1}).encode() + b"\n")
        process.stdin.flush()
    return process
