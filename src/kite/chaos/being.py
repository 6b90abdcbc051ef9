"""One process that a look has found."""

from __future__ import annotations

from dataclasses import dataclass

GUARD, LAUNCHER, LIFE = "guard", "launcher", "life"


@dataclass(frozen=True, slots=True, kw_only=True)
class Being:
    """One living process of the instance.

    Args:
        pid, start_time: who it is (`start_time` in ticks since the boot).
        parent: its parent's pid.
        state: the letter of `/proc/<pid>/stat`; `T` is stopped.
        role: `guard`, `launcher`, or `life` for all that belongs to a module.
        module, life: whose it is, as far as it can be told.
        instance: the run of Kite that started it, as far as it can be told.
        mark: what it carries.
        is_leader: whether the Launcher started this very process.
    """

    pid: int
    start_time: int
    parent: int = 0
    state: str = "S"
    role: str = LIFE
    module: str = ""
    life: int | None = None
    instance: str = ""
    mark: int | None = None
    is_leader: bool = False

    @property
    def identity(self) -> tuple[int, int]:
        """What no other process has had since the boot."""
        return self.pid, self.start_time

    @property
    def is_stopped(self) -> bool:
        """By a signal, until it is continued."""
        return self.state in ("T", "t")

    def __str__(self) -> str:
        life = f" life {self.life}" if self.life is not None else ""
        return f"{self.module or self.role}{life} (pid {self.pid})"
