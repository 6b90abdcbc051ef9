"""Starting a Launcher in the background, and learning whether it came up."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from kite.cli import report
from kite.cli.control import ApiFile, Control
from kite.cli.inotify import Inotify
from kite.cli.occupied import refuse_second
from kite.errors import KiteError, Unavailable, error_kinds
from kite.launcher import platform_linux
from kite.launcher.instance import make_directories
from kite.model.instance_lock import holder
from kite.model.workspace import unusable

START_SECONDS = 30.0
"""The API answers within the Registry's 6 s; the rest is for a machine that is busy."""
LOG_TAIL_BYTES = 8192
LOG_TAIL_LINES = 20


class LauncherEnded(KiteError):  # noqa: N818  (a fact more than a mistake)
    """The Launcher ended by itself; the command ends with the same status."""

    def __init__(self, *, status: int, log: Path) -> None:
        super().__init__("launcher_ended", status=status, log=str(log))
        self.exit_status = status


class Detached:
    """A Launcher in a session of its own, writing to `<instance dir>/logs/launcher.log`.

    Raises:
        ConfigError: `instance_dir_unusable`, `disk_full`.
    """

    def __init__(
        self, command: Sequence[str], environ: dict[str, str], instance: Path, *, project: str
    ) -> None:
        self._instance = instance
        self._project = project
        self._api = instance / "launcher" / "api.json"
        self.log = instance / "logs" / "launcher.log"
        make_directories(instance)  # the Launcher says what it had to close
        self._watch = Inotify([self._api.parent])
        with _opened(self.log) as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # it outlives this command
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                start_new_session=True,
            )

    def until_api_answers(self) -> Control:
        """Wait for it.

        Raises:
            LauncherEnded: it ended instead; what it wrote has been shown.
            RequestError: another one was quicker.
            Unavailable: `not_ready` after 30 s.
        """
        deadline = time.monotonic() + START_SECONDS
        pidfd = os.pidfd_open(self._process.pid)
        try:
            with self._watch:
                while (control := self._found()) is None:
                    self.raise_if_ended()
                    left = deadline - time.monotonic()
                    if left <= 0:
                        self._refuse_if_another_is_there()
                        raise Unavailable("not_ready", what="kite.launcher")
                    self._watch.wait(left, also=[pidfd])
        finally:
            os.close(pidfd)
        try:
            control.get("/launcher", timeout=START_SECONDS)
        except KiteError:
            self.raise_if_ended(START_SECONDS)
            raise
        return control

    def _refuse_if_another_is_there(self) -> None:
        """Where fifty are started at once, ours may not have come so far yet as to leave by itself."""
        pid = holder(self._instance)
        if pid and not self._is_ours(pid):
            refuse_second(self._instance)

    def raise_if_ended(self, within: float = 0.0) -> None:
        """Show the end of its log and raise when it is gone.

        Args:
            within: seconds to wait for its end.

        Raises:
            RequestError: `already_running`, `already_stopping`: another one was quicker.
            LauncherEnded: with its exit status.
        """
        try:
            status = self._process.wait(within)
        except subprocess.TimeoutExpired:
            return
        if status == error_kinds()["already_running"].exit:
            refuse_second(self._instance)
        for line in self._written():
            report.say(line)
        raise LauncherEnded(status=status if status > 0 else 128 - status, log=self.log)

    def _found(self) -> Control | None:
        api = ApiFile.read(self._api)
        if api is None or not self._is_ours(api.pid):
            return None
        return Control(api=api, instance_dir=self._instance, project=self._project)

    def _is_ours(self, pid: int) -> bool:
        """Whether it is the Launcher that was started here, below its guard, and not a quicker one."""
        found = platform_linux.stat(pid)
        return found is not None and self._process.pid in (pid, found.parent)

    def _written(self) -> list[str]:
        """The last lines of what this Launcher wrote."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - LOG_TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
        return text.splitlines()[-LOG_TAIL_LINES:]


def _opened(log: Path) -> BinaryIO:
    """The log, at its end, for its owner alone; on a full disk it would swallow why nothing starts."""
    try:
        room = log.with_name(".room")
        try:
            room.write_bytes(b"?")
        finally:
            room.unlink(missing_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise unusable(log, error) from None
    return os.fdopen(descriptor, "ab")
