"""Watches a folder and says what changes in it.

Publishes `docs.changed` and `docs.removed` for each document and `docs.scan` for its progress,
answers `docs.list` with what there is. It keeps nothing on disk: whoever was away compares.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from tree import (
    Found,
    Known,
    Problem,
    is_folder,
    is_skipped_folder,
    is_within_skipped,
    look,
    relative,
    scan,
)

from kite import Module
from kite.errors import Unavailable

SLICE = 0.02
"""Seconds for which a scan keeps the event loop to itself."""

ONE_PUBLISHED_ACKED = 250
"""Every so many events one waits for the Hub: a scan is not faster than those who listen."""

LOOK_AGAIN = 300.0
"""Seconds between scans that look for what the system did not tell (its queue is bounded)."""

LOOK_WITHOUT_NOTICES = 3.0
"""Seconds between scans where the system tells nothing at all."""

TELL_EVERY = 0.2
"""Seconds between two words about the first scan."""

MAX_PAGE_BYTES = 500_000
MAX_SHOWN_PROBLEMS = 20

module = Module()


def folder() -> Path:
    """The folder to watch: DOCSEARCH_FOLDER, else the documentation of the repository."""
    if named := os.environ.get("DOCSEARCH_FOLDER"):
        return Path(named).expanduser().resolve()
    return (Path(os.environ["KITE_CWD"]) / "../../docs").resolve()


class Watcher:
    """The folder, what is known of it, and who is told."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.known = Known()
        self.is_complete = False
        self.published = 0
        self.error: str | None = None

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            # What does not exist cannot be watched, and neither can its parents be relied on.
            while not is_folder(self.root):
                await self._miss_folder()
                await asyncio.sleep(LOOK_WITHOUT_NOTICES)
            await self._run_while_there()

    async def _run_while_there(self) -> None:
        """Watch until the folder itself is gone."""
        # From here on the system notes what changes; what it noted during the scan comes after it.
        notices: asyncio.Queue[set[str]] = asyncio.Queue()
        listener = module.spawn(self._listen(notices))
        await asyncio.sleep(0)
        await self.scan(is_initial=not self.is_complete)
        while self.error is None:
            try:
                async with asyncio.timeout(LOOK_WITHOUT_NOTICES if listener.done() else LOOK_AGAIN):
                    paths = await notices.get()
            except TimeoutError:
                await self.scan()
            else:
                await self.look_at(paths)
        listener.cancel()

    async def _listen(self, notices: asyncio.Queue[set[str]]) -> None:
        """Put the paths that changed into the queue, as long as the system tells them."""
        from watchfiles import awatch  # noqa: PLC0415  (it is needed when all else is ready)

        try:
            changes = awatch(
                self.root, watch_filter=None, debounce=300, step=40, ignore_permission_denied=True
            )
            async with aclosing(changes):
                async for change in changes:
                    notices.put_nowait({path for _, path in change})
        except (OSError, RuntimeError) as refused:
            module.log.warning(
                "notices.refused reason=%r looking_every=%s s (on Linux:"
                " sysctl fs.inotify.max_user_watches)",
                str(refused),
                LOOK_WITHOUT_NOTICES,
            )

    async def scan(self, *, is_initial: bool = False) -> None:
        """Compare the whole folder with what is known."""
        if not is_folder(self.root):
            await self._miss_folder()
            return
        self.error = None
        started = time.perf_counter()
        if is_initial:
            await self._tell("scanning", 0, started)
        seen, problems, changed = await self._look_through(started, is_initial=is_initial)
        lost = [path for path in self.known.documents if path not in seen]
        for path in lost:
            # It may have come between the scan's look and now.
            if look(self.root, path) is None:
                await self._lose(path)
        if problems != self.known.problems or is_initial:
            self.known.problems = problems
            self._report()
        self.is_complete = True
        if is_initial or changed or lost:
            await self._tell("done", len(seen), started)

    async def _look_through(
        self, started: float, *, is_initial: bool
    ) -> tuple[set[str], dict[str, str], int]:
        """Publish what is new; the paths of all documents, the problems, how many were new."""
        seen: set[str] = set()
        problems: dict[str, str] = {}
        changed = 0
        paused_at = told_at = started
        for found in scan(self.root):
            if isinstance(found, Problem):
                problems[found.path] = found.reason
            elif found is not None:
                seen.add(found.path)
                if self.known.see(found):
                    changed += 1
                    await self._publish("docs.changed", found.as_data() | {"initial": is_initial})
            now = time.perf_counter()
            if is_initial and now - told_at > TELL_EVERY:
                await self._tell("scanning", len(seen), started)
                told_at = now
            if now - paused_at > SLICE:
                await asyncio.sleep(0)
                paused_at = time.perf_counter()
        return seen, problems, changed

    async def _miss_folder(self) -> None:
        """The folder is not there (any more): say so, and let nobody lose what it held."""
        if self.error is None:
            self.error = "the folder does not exist"
            module.log.error("folder.missing path=%s", self.root)
        await self._tell("missing", 0, time.perf_counter())

    async def look_at(self, paths: Iterable[str]) -> None:
        """Look at what the system says has changed."""
        for full in sorted(paths):
            path = relative(full, self.root)
            if path is None or is_within_skipped(path):
                continue
            if path == "":
                await self.scan()
            elif is_folder(full):
                if not is_skipped_folder(path.rpartition("/")[2]):
                    for found in scan(self.root, path):
                        await self._see(found)
            elif (found := look(self.root, path)) is None:
                await self._lose(path)
            else:
                await self._see(found)

    async def _see(self, found: Found | None) -> None:
        if isinstance(found, Problem):
            if self.known.problems.get(found.path) != found.reason:
                module.log.warning("file.unreadable path=%r reason=%r", found.path, found.reason)
            self.known.see(found)
        elif found is not None and self.known.see(found):
            await self._publish("docs.changed", found.as_data() | {"initial": False})

    async def _lose(self, path: str) -> None:
        for lost in self.known.lose(path):
            await self._publish("docs.removed", {"path": lost})

    async def _publish(self, subject: str, data: dict[str, Any]) -> None:
        # An event that the Hub does not take is not lost: who comes back to the Hub compares itself
        # with the list.
        self.published += 1
        with suppress(Unavailable):
            if self.published % ONE_PUBLISHED_ACKED:
                module.publish(subject, data)
            else:
                await module.publish_acked(subject, data)

    async def _tell(self, state: str, count: int, started: float) -> None:
        problems = self.known.problems
        await self._publish(
            "docs.scan",
            {
                "state": state,
                "folder": self.root,
                "documents": count,
                "unreadable": len(problems),
                "problems": [
                    {"path": path, "reason": reason}
                    for path, reason in list(problems.items())[:MAX_SHOWN_PROBLEMS]
                ],
                "seconds": round(time.perf_counter() - started, 3),
            },
        )

    def _report(self) -> None:
        for path, reason in list(self.known.problems.items())[:MAX_SHOWN_PROBLEMS]:
            module.log.warning("file.unreadable path=%r reason=%r", path, reason)
        module.log.info(
            "folder.scanned path=%s documents=%d unreadable=%d",
            self.root,
            len(self.known.documents),
            len(self.known.problems),
        )


watcher = Watcher(folder())


@module.on_start
def begin() -> None:
    """Scan once everything else is told: being ready does not wait for it."""
    module.spawn(watcher.run())


@module.handle("docs.list")
def list_documents(request: Any) -> dict[str, Any]:
    """`{after?, limit?}` → `{folder, complete, files: [[path, version, kind]…], next}`."""
    asked = request.data if isinstance(request.data, dict) else {}
    after, limit = asked.get("after"), asked.get("limit")
    rows, following = watcher.known.page(
        after if isinstance(after, str) else "",
        limit=limit if isinstance(limit, int) and 0 < limit <= 5000 else 5000,
        max_bytes=MAX_PAGE_BYTES,
    )
    return {
        "folder": watcher.root,
        "complete": watcher.is_complete,
        "error": watcher.error,
        "files": rows,
        "next": following,
    }


if __name__ == "__main__":
    module.run()
