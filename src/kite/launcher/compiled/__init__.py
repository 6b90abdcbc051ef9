"""What of the Launcher is compiled, where the package was built with a compiler (see ADR 0011)."""

from __future__ import annotations

from typing import Protocol


class Spawn(Protocol):
    """`spawner.spawn`."""

    def __call__(  # noqa: PLR0917  (as C has it)
        self,
        path: bytes,
        argv: list[bytes],
        env: list[bytes],
        cwd: bytes,
        streams: tuple[int, int, int],
        listener: int,
        door: bytes | None,
        limits: list[tuple[int, int, int]],
    ) -> int: ...


def load() -> Spawn | None:
    """The compiled fork and exec; None where it was not built."""
    try:
        from kite.launcher.compiled.spawner import spawn  # noqa: PLC0415  (it may not have been)
    except ImportError:
        return None
    return spawn
