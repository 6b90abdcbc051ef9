"""Whether the lifecycle log adds up: lines in, violations out. Pure.

A run of Kite begins with the line `starting` of the launcher. It may be cut off anywhere, and a
line may be torn only as the last before a cut. Within a run, of every module:

- lives strictly increase, and none begins before the one before has exited (or there are as many as
  the module has replicas, and one more in a rolling restart);
- each life that was spawned has exactly one `exited`;
- each step of a life follows on one that it may follow on (`FOLLOWS`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kite.chaos.violation import Violation

_CORES = frozenset({"registry", "event_hub"})
_ASIDE = frozenset(
    {
        *("scanned", "state_changed", "leftover", "core_crash", "survivors", "rolling"),
        *(
            "restarting",
            "requested",
            "waiting",
            "settled",
            "health_changed",
            "changed",
            "watch_suspended",
        ),
    }
)
"""Steps that say nothing about where a life stands."""

_BEGIN = ""
_ILL = ("unhealthy", "over_memory")
FOLLOWS: Mapping[str, frozenset[str]] = {
    "starting": frozenset({_BEGIN}),
    "spawned": frozenset({"starting", "stopping"}),
    "started": frozenset({"spawned"}),
    "start_failed": frozenset({"starting", "spawned", "stopping"}),
    "unhealthy": frozenset({"started"}),
    "over_memory": frozenset({"spawned", "started", "unhealthy"}),
    "stopping": frozenset({"starting", "spawned", "started", *_ILL, "exited", "failed"}),
    "exited": frozenset({"spawned", "started", "stopping", "start_failed", *_ILL}),
    "stopped": frozenset({_BEGIN, "exited", "stopping", "start_failed", "failed", "stopped"}),
    "failed": frozenset({_BEGIN, "exited", "stopping", "start_failed", "failed"}),
}
"""Which steps a step of a life may follow on. What stands in `protocol/states.json` is coarser:
a step is a line where there is something to tell, a state is where a module stands."""


@dataclass(slots=True)
class _Account:
    """One module in one run."""

    steps: dict[int, str] = field(default_factory=dict)  # of each life the last one
    life: int = 0
    open: dict[int, int | None] = field(default_factory=dict)  # lives without an exit, and pids
    exited: set[int] = field(default_factory=set)


class Ledger:
    """Reads the lines of a log in their order.

    Args:
        replicas: how many lives of a module may be there together, where it is not one.
    """

    def __init__(self, replicas: Mapping[str, int] | None = None) -> None:
        self._replicas = dict(replicas or {})
        self._accounts: dict[str, _Account] = {}
        self.runs = 0
        self.lives = 0

    def allow(self, module: str, lives: int) -> None:
        """From now on so many lives of the module may be there together."""
        self._replicas[module] = lives

    def read(self, line: bytes) -> list[Violation]:
        """What is wrong with the next line."""
        try:
            step = json.loads(line)
            event, module, ts = step["event"], step["module"], step["ts"]
        except (ValueError, KeyError, TypeError) as error:
            text = f"no line of a lifecycle log ({error!r}): {line[:200]!r}"
            return [Violation(invariant="log_parses", text=text)]
        if not (isinstance(event, str) and isinstance(module, str) and isinstance(ts, str)):
            return [Violation(invariant="log_parses", text=f"wrong types: {line[:200]!r}")]
        if module == "launcher":
            return self._launcher(event)
        if event in _ASIDE:
            return []
        if event not in FOLLOWS:
            return [Violation(invariant="log_parses", text=f"unknown event: {line[:200]!r}")]
        account = self._accounts.setdefault(module, _Account())
        wrong = self._step(module, account, event, step)
        if isinstance(life := step.get("life"), int):
            account.steps[life] = event
        return [Violation(invariant="log_adds_up", text=f"{text}: {step}") for text in wrong]

    def _launcher(self, event: str) -> list[Violation]:
        match event:
            case "starting":
                self._accounts.clear()
                self.runs += 1
            case "stopped":
                return self.close()
            case _:
                pass
        return []

    def close(self) -> list[Violation]:
        """A run has ended in good order: every life has exited."""
        found = [
            Violation(
                invariant="log_adds_up",
                text=f"Kite has ended, and life {life} of {name} (pid {pid}) has no exit",
            )
            for name, account in sorted(self._accounts.items())
            for life, pid in sorted(account.open.items())
        ]
        self._accounts.clear()
        return found

    def _step(
        self, module: str, account: _Account, event: str, step: Mapping[str, Any]
    ) -> list[str]:
        wrong: list[str] = []
        life = step.get("life")
        is_core = module in _CORES
        before = account.steps.get(life, _BEGIN) if isinstance(life, int) else None
        if not is_core and before is not None and before not in FOLLOWS[event]:
            wrong.append(f"'{event}' of life {life} of {module} follows on '{before or 'nothing'}'")
        match event:
            case "starting" if isinstance(life, int):
                if life <= account.life:
                    wrong.append(f"life {life} of {module} comes after life {account.life}")
                account.life = max(account.life, life)
                if is_core:
                    wrong += self._open(module, account, life, None)
            case "spawned" if isinstance(life, int):
                wrong += self._open(module, account, life, step.get("pid"))
            case "started" if life not in account.open:
                wrong.append(f"life {life} of {module} is ready and does not live")
            case "exited" if isinstance(life, int):
                if life in account.exited:
                    wrong.append(f"life {life} of {module} exits a second time")
                elif life not in account.open:
                    wrong.append(f"life {life} of {module} exits and never was spawned")
                account.open.pop(life, None)
                account.exited.add(life)
                if step.get("exit_code") is None and step.get("signal") is None:
                    wrong.append(f"life {life} of {module} exits nobody knows how")
            case _:
                pass
        return wrong

    def _open(self, module: str, account: _Account, life: int, pid: int | None) -> list[str]:
        wrong = []
        if len(account.open) >= self._replicas.get(module, 1):
            older = ", ".join(map(str, account.open))
            wrong.append(f"life {life} of {module} begins before life {older} has exited")
        if life in account.exited or life in account.open:
            wrong.append(f"life {life} of {module} begins a second time")
        account.open[life] = pid
        self.lives += 1
        return wrong
