"""Keeps a template alive, and has processes forked from it where that makes no difference."""

from __future__ import annotations

import asyncio
import logging
import os

from kite.launcher import file_limit
from kite.launcher.cold import encoded
from kite.launcher.core.warmth import why_cold
from kite.launcher.forking import Spawn
from kite.launcher.warm import dispositions
from kite.launcher.warm.order import Order
from kite.launcher.warm.template import Refused, Template, Unanswered, plant

COMES_UP_WITHIN = 30.0
"""Seconds in which a later template has to say hello."""
_LONGEST_PAUSE = 60.0
MANY = 8
"""A rehearsal takes as much of a processor as it spares so many modules."""

_log = logging.getLogger("kite.launcher.warm")


class Nursery:
    """The template of this Launcher, and the next one when that is gone.

    Its death is told in the Launcher's log and nowhere else: modules start cold meanwhile.

    Args:
        template: the first one, if there is one already.
        mark: what a later Launcher knows templates by.

    Attributes:
        template: the one that lives, or None.
    """

    def __init__(self, template: Template | None, *, mark: int) -> None:
        self.template = template
        self._mark = mark
        self._environ = dict(os.environ)
        self._loop = asyncio.get_running_loop()
        self._ignored: tuple[int, ...] | None = None
        self._pause = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._many = False
        if template is None:
            self._plant()
        else:
            self._loop.add_reader(template.pidfd, self._ended)

    def expect(self, modules: int) -> None:
        """So many modules are to be forked soon: from `MANY` on it is worth a rehearsal, once."""
        if modules < MANY or self._many:
            return
        self._many = True
        if self.template is not None and self.template.ground is not None:
            self.template.rehearse()

    def fork(self, spec: Spawn, mark: int, descriptors: list[int]) -> tuple[int | None, str]:
        """Have the process forked: its pid, or None and why it is to be started cold.

        Args:
            descriptors: its standard streams, its go, and its listening socket if it gets one.
        """
        template = self.template
        if template is None or template.ground is None:
            return None, "there is no template at the moment"
        folder = _folder(spec)
        reason = why_cold(spec.argv, spec.env, _beside(folder), template.ground)
        if reason is not None:
            return None, reason
        try:
            pid = template.fork(self._order(spec, folder, mark), descriptors)
        except Refused as why:
            return None, f"the template was refused a process: {why}"
        except Unanswered as why:
            self._lose(str(why))
            return None, f"the template is of no use: {why}"
        self._pause = 0.0
        return pid, ""

    def _order(self, spec: Spawn, folder: str, mark: int) -> Order:
        if self._ignored is None:  # by now the Launcher has its own handlers, and keeps them
            self._ignored = dispositions.ignored()
        return Order(
            argv=tuple(encoded(word) for word in spec.argv),
            cwd=encoded(str(spec.cwd)),
            folder=encoded(folder),
            env={encoded(name): encoded(value) for name, value in spec.env.items()},
            mark=mark,
            launcher=os.getpid(),
            ignored=self._ignored,
            blocked=dispositions.blocked(),
        )

    def close(self) -> None:
        """End the template; there will be no other."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self.template is not None:
            self._let_go(self.template)

    # -- one after the other ------------------------------------------------------------------

    def _ended(self) -> None:
        self._lose("it has ended")

    def _lose(self, why: str) -> None:
        if self.template is None:
            return
        _log.warning("template.lost pid=%d reason=%r", self.template.pid, why)
        self._let_go(self.template)
        if not self._is_closed:
            self._timer = self._loop.call_later(self._pause, self._plant)
            self._pause = min(_LONGEST_PAUSE, max(0.5, 2 * self._pause))

    def _let_go(self, template: Template) -> None:
        self.template = None
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(template.sock)
        self._loop.remove_reader(template.pidfd)
        template.end()

    def _plant(self) -> None:
        self._timer = None
        try:
            with file_limit.usual_file_limit(0):
                template = plant(self._mark, self._environ)
        except OSError as error:
            _log.warning("template.refused error=%s", error)
            self._timer = self._loop.call_later(_LONGEST_PAUSE, self._plant)
            return
        self.template = template
        self._loop.add_reader(template.pidfd, self._ended)
        self._loop.add_reader(template.sock, self._heard)
        self._timer = self._loop.call_later(COMES_UP_WITHIN, self._lose, "it does not come up")

    def _heard(self) -> None:
        template = self.template
        assert template is not None
        self._loop.remove_reader(template.sock)
        if self._timer is not None:
            self._timer.cancel()
        try:
            template.hear()
        except Unanswered as why:
            self._lose(str(why))
            return
        if self._many:
            template.rehearse()
        _log.info("template.came_up pid=%d", template.pid)


def _folder(spec: Spawn) -> str:
    """Where it imports from before anything else; of a link to a file, where that really is."""
    is_file = spec.argv[1:2] == ("-u",)
    return os.path.dirname(os.path.realpath(spec.argv[2])) if is_file else str(spec.cwd)  # noqa: PTH120


def _beside(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [f"{e.name}/" if _is_package(e) else e.name for e in entries]
    except OSError:
        return []


def _is_package(entry: os.DirEntry[str]) -> bool:
    # A folder without it gives way to every module of its name that lies further back.
    return entry.is_dir() and os.path.exists(f"{entry.path}/__init__.py")  # noqa: PTH110
