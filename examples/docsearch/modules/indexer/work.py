"""The paths that wait to be indexed: each once, the latest word about it counts."""

from __future__ import annotations


class Work:
    """Paths with their kind, or None to take them out; first come, first done.

    What was taken is kept until `finish` says that it is written, so that `put_back` loses nothing.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, str | None] = {}
        self._taken: dict[str, str | None] = {}
        self._done = 0
        self.touched: set[str] = set()
        """The paths that were named since `watch_touched`."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, path: str) -> bool:
        return path in self._waiting

    def watch_touched(self) -> None:
        """Begin to note anew which paths are named."""
        self.touched = set()

    def add(self, path: str, kind: str | None) -> None:
        """Something is to be done about a path; `kind` None: it is gone."""
        if not self._waiting and not self._taken:
            self._done = 0
        self._waiting[path] = kind
        self.touched.add(path)

    def take(self) -> tuple[str, str | None]:
        """The next path and its kind. Raises `StopIteration` never: ask for truth first."""
        path = next(iter(self._waiting))
        kind = self._waiting.pop(path)
        self._taken[path] = kind
        return path, kind

    def finish(self) -> None:
        """What was taken is written."""
        self._done += len(self._taken)
        self._taken.clear()

    def put_back(self) -> None:
        """What was taken could not be written: it waits again, unless there is later word."""
        self._waiting = self._taken | self._waiting
        self._taken = {}

    def progress(self) -> tuple[int, int]:
        """How many are done and how many there are since the queue was last empty."""
        return self._done, self._done + len(self._taken) + len(self._waiting)
