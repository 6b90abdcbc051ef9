"""Keeps the index up to date and answers searches.

Work comes from the watcher's events and from comparing the index with the watcher's list (at the
start, after every reconnection and after every scan), so it does not matter which of the two was
away, for how long, or in the middle of what it was killed.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

from store import KINDS, Document, Store
from work import Work

from kite import Module
from kite.errors import KiteError, RequestError

SLICE = 0.05
"""Seconds of indexing after which searches get their turn."""

COMMIT_EVERY = 0.25
"""Seconds of indexing that a search does not see yet."""

TELL_EVERY = 0.2
"""Seconds between two words about progress."""

RETRY = 5.0
"""Seconds until a write that failed (a full disk) is tried again."""

FRESH = 0.05
"""A file changed less than these seconds before it is read may change again unseen by its clock."""

MAX_BYTES = 2 << 20
MAX_SHOWN = 20

module = Module()


def folder() -> Path:
    """The folder that is searched: DOCSEARCH_FOLDER, else the documentation of the repository."""
    if named := os.environ.get("DOCSEARCH_FOLDER"):
        return Path(named).expanduser().resolve()
    return (Path(os.environ["KITE_CWD"]) / "../../docs").resolve()


class Indexer:
    """The index, the work that waits, and who is told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = Work()
        self.store: Store | None = None
        self._wake = asyncio.Event()
        self._compare = asyncio.Event()
        self._told_at = 0.0
        self._shown: list[dict[str, Any]] = []
        self._problem: str | None = None

    def open(self) -> Store:
        """Open the index; a broken one is made anew."""
        self.store = Store(module.data_dir / "index.db", str(self.root))
        return self.store

    # ---- what there is to do ------------------------------------------------------------------

    def changed(self, data: dict[str, Any]) -> None:
        """The watcher says that a file is new or different."""
        assert self.store is not None
        path, version = data["path"], data["version"]
        if self.store.version(path) != version or path in self.work:
            self.work.add(path, data["kind"])
            self._wake.set()

    def removed(self, path: str) -> None:
        """The watcher says that a file is gone."""
        self.work.add(path, None)
        self._wake.set()

    def compare(self) -> None:
        """Ask for a comparison with the watcher's list."""
        self._compare.set()

    async def compare_when_asked(self) -> None:
        """Compare, each time somebody has asked."""
        while True:
            await self._compare.wait()
            self._compare.clear()
            try:
                await self._compare_once()
            except (KiteError, TimeoutError) as absent:
                # The watcher ends its scan with a word, which asks for this again.
                module.log.debug("comparison.postponed reason=%s", absent)

    async def _compare_once(self) -> None:
        assert self.store is not None
        stored = self.store.versions()
        self.work.watch_touched()
        listed: set[str] = set()
        after: str | None = ""
        is_complete = False
        while after is not None:
            page = await module.request("docs.list", {"after": after}, timeout=10.0)
            if page["folder"] != str(self.root) or page["error"]:
                return
            is_complete = page["complete"]
            for path, version, kind in page["files"]:
                listed.add(path)
                # It may have been indexed since `stored` was read.
                if stored.get(path) != version and self.store.version(path) != version:
                    self.work.add(path, kind)
            self._wake.set()
            after = page["next"]
        if is_complete:
            for path in stored.keys() - listed - self.work.touched:
                self.work.add(path, None)
        self._wake.set()

    # ---- doing it -------------------------------------------------------------------------------

    async def index(self) -> None:
        """Do what there is to do, for ever."""
        store = self.store
        assert store is not None
        self._tell()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._work_off(store)
                self._problem = None
            except (sqlite3.OperationalError, OSError) as failed:
                store.rollback()
                self.work.put_back()
                self._problem = str(failed)
                module.log.exception("index.failed retry_in=%s", RETRY)
                asyncio.get_running_loop().call_later(RETRY, self._wake.set)
            self._tell()

    async def _work_off(self, store: Store) -> None:
        while self.work:
            begun = slice_begun = time.perf_counter()
            store.begin()
            while self.work and time.perf_counter() - begun < COMMIT_EVERY:
                path, kind = self.work.take()
                self._do(store, path, kind)
                if time.perf_counter() - slice_begun > SLICE:
                    await asyncio.sleep(0)
                    slice_begun = time.perf_counter()
            store.commit()
            self.work.finish()
            if time.perf_counter() - self._told_at > TELL_EVERY and self.work:
                self._tell()
            await asyncio.sleep(0)

    def _do(self, store: Store, path: str, kind: str | None) -> None:
        document = self._read(path, kind) if kind else None
        if document is None:
            if store.remove(path):
                self._show({"path": path, "removed": True})
            return
        is_new = store.version(path) is None
        title = store.put(document)
        self._show({"path": path, "title": title, "kind": kind, "new": is_new})

    def _show(self, change: dict[str, Any]) -> None:
        if len(self._shown) < MAX_SHOWN:
            self._shown.append(change)

    def _read(self, path: str, kind: str) -> Document | None:
        """The file as it is now; None when it is gone or cannot be read (the watcher reports it)."""
        try:
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
                    return None
                content = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        version = f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"
        if 0 <= time.time() - status.st_mtime < FRESH:
            version += "~"  # no file has this version: the next comparison reads it once more
        return Document(
            path=path,
            kind=kind,
            size=status.st_size,
            mtime=status.st_mtime,
            version=version,
            content=content,
        )

    def _tell(self) -> None:
        """`docs.indexed`: how far it is, and what has been done since the last word."""
        self._told_at = time.perf_counter()
        shown, self._shown = self._shown, []
        done, total = self.work.progress()
        module.publish(
            "docs.indexed",
            {
                "state": "indexing" if self.work else "idle",
                "done": done,
                "total": total,
                "documents": self.store.count() if self.store else 0,
                "changes": shown,
                "problem": self._problem,
            },
        )


indexer = Indexer(folder())


@module.on_start
def begin() -> None:
    """Open the index and begin to work."""
    indexer.open()
    module.spawn(indexer.index())
    module.spawn(indexer.compare_when_asked())
    indexer.compare()


@module.on_stop(estimated_cleanup=1.0)
def end() -> None:
    """Leave one tidy file."""
    if indexer.store:
        indexer.store.rollback()
        indexer.store.close()


@module.on("hub.started")
def reconnected(_: Any) -> None:
    """Events may have been missed before this connection."""
    indexer.compare()


@module.on("docs.scan")
def scanned(event: Any) -> None:
    """The watcher is new, or has seen things that it had missed."""
    if event.data.get("state") == "done":
        indexer.compare()


@module.on("docs.changed")
def changed(event: Any) -> None:
    """A document is new or different."""
    indexer.changed(event.data)


@module.on("docs.removed")
def removed(event: Any) -> None:
    """A document is gone."""
    indexer.removed(event.data["path"])


@module.tool("search", subject="docs.search")
def search(
    query: str = "",
    limit: int = 20,
    offset: int = 0,
    kind: str | None = None,
    finished: bool = False,
) -> dict[str, Any]:
    """Find documents by their words: paths, titles and snippets, the best first."""
    assert indexer.store is not None
    return indexer.store.search(
        query,
        limit=limit,
        offset=offset,
        kinds=[kind] if kind in KINDS else [],
        is_finished=finished,
    )


@module.tool("text", subject="docs.text")
def text(path: str) -> dict[str, Any]:
    """The text of one document, as it is indexed."""
    assert indexer.store is not None
    found = indexer.store.text(path)
    if found is None:
        raise RequestError("docs_unknown_path", detail=f"no document is indexed at {path!r}")
    body = found.pop("body")
    return found | {"text": body[:200_000], "truncated": len(body) > 200_000}


@module.tool("stats", subject="docs.stats")
def stats() -> dict[str, Any]:
    """How much is indexed, and how much waits."""
    assert indexer.store is not None
    done, total = indexer.work.progress()
    return indexer.store.stats() | {
        "state": "indexing" if indexer.work else "idle",
        "done": done,
        "total": total,
    }


if __name__ == "__main__":
    module.run()
