"""`lifecycle.jsonl`: what happened to every module, one JSON object a line, the truth afterwards.

A line is written whole or not at all. While the disk takes none, steps wait in memory, the oldest
are given up when there are too many, and one warning says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from kite.clock import now_rfc3339
from kite.rotated_lines import RotatedLines

_WAITING_LIMIT = 1000  # steps kept while the disk takes none


class Journal:
    """The lifecycle log of an instance directory.

    Args:
        path: `<instance dir>/launcher/lifecycle.jsonl`.
        max_bytes: when the file would pass this it becomes `.1`, `.1` becomes `.2` …
        count: rotated files that are kept.
        on_problem: called once per outage with the error.
        on_recovery: called after an outage with the number of steps given up.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 5 * 1024 * 1024,
        count: int = 3,
        on_problem: Callable[[OSError], None] | None = None,
        on_recovery: Callable[[int], None] | None = None,
    ) -> None:
        self._file = RotatedLines(path, max_bytes=max_bytes, count=count)
        self._on_problem = on_problem
        self._on_recovery = on_recovery
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._is_down = False

    def write(self, event: str, module: str, **fields: Any) -> dict[str, Any]:
        """Add a step; fields that are None are left out. Never raises for the disk's sake.

        Returns:
            The step as it stands in the file, `ts` included.
        """
        step = {"ts": now_rfc3339(), "event": event, "module": module}
        step |= {name: value for name, value in fields.items() if value is not None}
        self._waiting.append(msgspec.json.encode(step) + b"\n")
        self.flush()
        return step

    def flush(self) -> bool:
        """Write what waits; True when nothing does any more."""
        try:
            while self._waiting:
                self._file.append(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            self._suffer(error)
            return False
        if self._is_down:
            self._is_down = False
            lost, self._lost = self._lost, 0
            if self._on_recovery is not None:
                self._on_recovery(lost)
        return True

    def close(self) -> None:
        """Try once more to write what waits, and let go of the file."""
        self.flush()
        self._file.close()

    def _suffer(self, error: OSError) -> None:
        self._file.close()
        while len(self._waiting) > _WAITING_LIMIT:
            self._waiting.popleft()
            self._lost += 1
        if not self._is_down:
            self._is_down = True
            if self._on_problem is not None:
                self._on_problem(error)
