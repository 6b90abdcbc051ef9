"""Sees which files of a module change (`watch:` in its manifest, or `kite dev`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from kite.model.watch import Watch

_ALWAYS_IGNORED = frozenset({"__pycache__", "node_modules"})
_log = logging.getLogger("kite.launcher")
_AGAIN = 5.0
"""Seconds until a watch that failed is tried again."""
_OTHER_THREADS = 40
StartTask = Callable[..., asyncio.Task[Any]]


def concerns(path: PurePath, watch: Watch) -> bool:
    """Whether a change of a file means a restart.

    Args:
        path: relative to the module's folder.
    """
    if any(part.startswith(".") or part in _ALWAYS_IGNORED for part in path.parts):
        return False
    if any(_matches(path, pattern) for pattern in watch.ignore):
        return False
    return any(_matches(path, pattern) for pattern in watch.paths)


def _matches(path: PurePath, pattern: str) -> bool:
    # PurePath.match has no `**` before Python 3.13; without one it is anchored at the right.
    wanted = PurePath(pattern).parts
    return _fits(path.parts, wanted) if "**" in wanted else path.match(pattern)


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[skipped:], wanted[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


class Watcher:
    """Watches the folders of the modules that ask for it.

    Args:
        start_task: owns the tasks.
        on_change: called with a module's name and the files that changed, relative to its folder.
        on_problem: called with a module's name and why its files are not seen at present, once.
    """

    def __init__(
        self,
        start_task: StartTask,
        on_change: Callable[[str, tuple[str, ...]], None],
        on_problem: Callable[[str, str], None],
    ) -> None:
        self._start_task = start_task
        self._on_change = on_change
        self._on_problem = on_problem
        self._watched: dict[str, tuple[Path, Watch]] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def follow(self, watched: Mapping[str, tuple[Path, Watch]]) -> None:
        """These modules are watched in these folders, and no others."""
        for name in [name for name, what in self._watched.items() if watched.get(name) != what]:
            self._tasks.pop(name).cancel()
            del self._watched[name]
        for name, (folder, watch) in watched.items():
            if name not in self._watched:
                self._watched[name] = (folder, watch)
                work: Coroutine[Any, Any, None] = self._watch(name, folder, watch)
                self._tasks[name] = self._start_task(work, name=f"watch {name}")
        if watched:
            from anyio.to_thread import current_default_thread_limiter  # noqa: PLC0415

            # Each watch keeps a thread for as long as it lasts; the next one would wait for it.
            current_default_thread_limiter().total_tokens = _OTHER_THREADS + len(watched)

    async def _watch(self, name: str, folder: Path, watch: Watch) -> None:
        """Watch until this is cancelled; what cannot be watched is tried again."""
        problem = ""
        while True:
            found = await self._watch_once(name, folder, watch)
            if found != problem:
                problem = found
                _log.warning("watch.failed module=%s error=%s", name, found)
                self._on_problem(name, found)
            await asyncio.sleep(_AGAIN)

    async def _watch_once(self, name: str, folder: Path, watch: Watch) -> str:
        """Watch until that cannot be; why."""
        from watchfiles import awatch  # noqa: PLC0415  (few modules are watched)
        from watchfiles._rust_notify import WatchfilesRustInternalError  # noqa: PLC0415

        def wanted(_: Any, path: str) -> bool:
            found = PurePath(path)
            return found.is_relative_to(folder) and concerns(found.relative_to(folder), watch)

        step = max(50, int(watch.delay * 1000))
        try:
            async for changes in awatch(
                folder, watch_filter=wanted, debounce=step * 10, step=step, rust_timeout=0
            ):
                paths = {path for _, path in changes}
                files = tuple(sorted(str(PurePath(path).relative_to(folder)) for path in paths))
                self._on_change(name, files)
        except (OSError, WatchfilesRustInternalError) as error:  # the folder is gone, say
            return str(error)
        return "the watch has ended"
