"""Reading `lifecycle.jsonl`: what happened, whether Kite runs or not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count as numbers
from pathlib import Path
from typing import Any

from kite.launcher.progress import instant

Step = Mapping[str, Any]


def steps(instance_dir: Path) -> list[Step]:
    """Every step that is kept, the oldest first. Lines that are no steps are left out."""
    path = instance_dir / "launcher" / "lifecycle.jsonl"
    files = [path]
    for number in numbers(1):
        older = path.with_name(f"{path.name}.{number}")
        if not older.exists():
            break
        files.append(older)
    return [step for file in reversed(files) for step in _read(file)]


def _read(file: Path) -> Iterator[Step]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            step = json.loads(line)
        except ValueError:
            continue
        if isinstance(step, dict) and "event" in step and "ts" in step:
            yield step


def newest_start(all_steps: list[Step]) -> list[Step]:
    """The steps since the Launcher began for the last time; empty when it never did."""
    for at in range(len(all_steps) - 1, -1, -1):
        step = all_steps[at]
        if step["event"] == "starting" and step.get("module") == "launcher":
            return all_steps[at:]
    return []


@dataclass(slots=True, kw_only=True)
class Life:
    """One life of a module, as it was written down. Instants are RFC 3339.

    Args:
        started_at: when its process was started.
        asked: why it was to end, where somebody asked for that.
        cause: `launch_timeout`, `unhealthy` or `memory_limit` where Kite ended it as a failure,
            `out_of_memory` where the kernel did.
    """

    life: int
    started_at: str
    ready_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    asked: str | None = None
    cause: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it lived; None while it does."""
        if self.ended_at is None:
            return None
        lived = instant(self.ended_at, 0.0) - instant(self.started_at, 0.0)
        return round(max(0.0, lived), 3)


def lives(of_module: Iterable[Step]) -> list[Life]:
    """The lives in the steps of one module, the oldest first."""
    found: list[Life] = []
    for step in of_module:
        event, at = str(step["event"]), str(step["ts"])
        if event == "starting":
            found.append(Life(life=int(step.get("life") or 0), started_at=at))
        if not found:
            continue
        life = found[-1]
        match event:
            case "started":
                life.ready_at = at
            case "stopping":
                life.asked = str(step.get("reason") or "")
            case "start_failed" | "unhealthy" if life.ended_at is None:
                life.cause = str(step.get("reason") or event)
            case "over_memory" if life.ended_at is None:
                life.cause = "memory_limit"
            case "exited":
                life.cause = step.get("reason") or life.cause
                life.ended_at = at
                life.exit_code, life.signal = step.get("exit_code"), step.get("signal")
            case _:
                pass
    for life in found:
        if life.cause in ("unhealthy", "memory_limit"):
            life.asked = None  # Kite's own doing, and told as a failure
    return found
