"""What follows when files of a watched module change: a rescan for its manifest, a restart, a word.

Modules are watched because their manifest says so, or for as long as somebody holds a lease
(`kite dev`). Their own words go before a lease's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kite.clock import now_rfc3339
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.pace import LIMIT, QUIET, WINDOW, Pace, Verdict
from kite.launcher.watcher import Watcher
from kite.model.manifest import MANIFEST_NAME
from kite.model.watch import Watch

if TYPE_CHECKING:
    from kite.launcher.service import Launcher

MOST_FILES = 20
"""Names in one message; a checkout changes thousands."""


MOST_UNTOLD = 1000
"""Changes that wait for whoever holds a lease."""


class Lease:
    """A module is watched until this is given back.

    Attributes:
        changes: what has been seen, each as `ts`, `files` and `action`.
    """

    def __init__(self, name: str, watch: Watch) -> None:
        self.name = name
        self.watch = watch
        self.changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_UNTOLD)


class Watching:
    """Watches for one Launcher."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._watcher = Watcher(launcher.around.start_task, self._changed, self._unseen)
        self._asked: Mapping[str, tuple[Path, Watch]] = {}
        self._leases: list[Lease] = []
        self._paces: dict[str, Pace] = {}

    def follow(self, watched: Mapping[str, tuple[Path, Watch]]) -> None:
        """The manifests ask for these."""
        self._asked = watched
        self._apply()

    def lend(self, name: str, watch: Watch) -> Lease:
        """Watch a module for somebody, until `give_back`."""
        lease = Lease(name, watch)
        self._leases.append(lease)
        self._apply()
        return lease

    def give_back(self, lease: Lease) -> None:
        """Nobody waits for its changes any more."""
        self._leases.remove(lease)
        self._apply()

    def _apply(self) -> None:
        catalog = self._launcher.catalog
        found = {}
        for lease in self._leases:
            if folder := catalog.folder(lease.name):
                found[lease.name] = (folder, lease.watch)
        self._watcher.follow(found | dict(self._asked))

    def _changed(self, name: str, files: tuple[str, ...]) -> None:
        launcher = self._launcher
        if launcher.phase == "stopping":
            return
        if MANIFEST_NAME in files:
            launcher.rescan()
        state = launcher.supervisor.face(name)
        if state is None or state.phase is Phase.STOPPED:
            self._tell(name, files, Verdict.IGNORE)
            return
        pace = self._paces.setdefault(name, Pace())
        verdict = pace.change(asyncio.get_running_loop().time())
        self._tell(name, files, verdict)
        few = files[:MOST_FILES]
        match verdict:
            case Verdict.RESTART:
                launcher.record("changed", name, files=list(few))
                launcher.around.logs.note(name, f"changed: {', '.join(few)}")
                launcher.feed(self._restart(name))
            case Verdict.SUSPEND:
                launcher.record("watch_suspended", name, files=list(few))
                note = (
                    f"its files changed {LIMIT} times within {WINDOW:g} s, the last of them"
                    f" {', '.join(few)}: changes restart it no more until there was none for"
                    f" {QUIET:g} s; what it writes itself belongs into watch.ignore"
                )
                launcher.around.logs.note(name, note)
            case Verdict.IGNORE:
                pass

    def _unseen(self, name: str, why: str) -> None:
        note = f"changes of its files are not seen at present: {why}; that is tried again"
        self._launcher.around.logs.note(name, note)

    def _restart(self, name: str) -> facts.RestartRequested:
        watches = [lease.watch for lease in self._leases if lease.name == name]
        if name in self._asked:
            watches.append(self._asked[name][1])
        return facts.RestartRequested(
            module=name,
            reason="changed",
            revive=False,
            dependents=any(watch.dependents for watch in watches),
        )

    def _tell(self, name: str, files: tuple[str, ...], verdict: Verdict) -> None:
        told = {"ts": now_rfc3339(), "files": list(files[:MOST_FILES]), "action": verdict.value}
        for lease in self._leases:
            if lease.name == name:
                if lease.changes.full():  # nobody reads: the oldest word goes
                    lease.changes.get_nowait()
                lease.changes.put_nowait(told)
