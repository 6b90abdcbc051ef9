"""The throw-away place in which a Kite is broken: project, home, workspace, disk and clock of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
from pathlib import Path

from kite.chaos.disk import SmallDisk

SAMPLE = Path(__file__).parent / "sample"
_CLOCK = Path(__file__).parent / "clock"
_COPIED = shutil.ignore_patterns(".git", "__pycache__")


class Arena:
    """Made below the directory for temporary files.

    Args:
        project: the project to copy; default: the sample system.

    Attributes:
        directory: all of it.
        is_sample: whether the system in it is the one that comes with Kite.
        project, workspace, instance_dir: of the Kite in it.
        environ: the environment of all that is started.
        disk: what `workspace` lies on, None where no small disk can be had.
    """

    def __init__(self, project: Path | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="kite-chaos-")).resolve()
        source = project or SAMPLE
        self.is_sample = project is None
        self.project = self.directory / (source.name if project else "sample")
        self.workspace = self.directory / "workspace"
        self.instance_dir = self.workspace / self.project.name
        self._home = self.directory / "home"
        self._tmp = self.directory / "tmp"
        self._clock = self.directory / "clock-shift"
        for folder in (self.workspace, self._home, self._tmp):
            folder.mkdir()
        shutil.copytree(source, self.project, symlinks=True, ignore=_COPIED)
        self.set_clock(0.0)
        self.disk = SmallDisk.mount(self.workspace)
        self.environ = self._environment()
        self._before = self._files()

    def _environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("KITE_", "LISTEN_"))}
        paths = [str(_CLOCK), *filter(None, [kept.get("PYTHONPATH")])]
        return {
            **kept,
            "HOME": str(self._home),
            "TMPDIR": str(self._tmp),
            "NO_COLOR": "1",
            "KITE_LANG": "en",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(paths),
            "CHAOS_CLOCK": str(self._clock),
            "KITE_WORKSPACE": str(self.workspace),
        }

    def set_clock(self, ahead: float) -> None:
        """Let the wall clock of the Python programs in it be so many seconds ahead."""
        descriptor = os.open(self._clock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, struct.pack("d", ahead), 0)
        finally:
            os.close(descriptor)

    def litter(self) -> list[Path]:
        """Files in the project, the home directory and that for temporary files that were not there
        at the beginning."""
        return sorted(self._files() - self._before)

    def _files(self) -> set[Path]:
        folders = (self.project, self._home, self._tmp)
        return {path for folder in folders for path in folder.rglob("*") if path.is_file()}

    def keep(self) -> None:
        """Let what lies on the small disk outlast it."""
        if self.disk is None:
            return
        self.disk.free()
        saved = self.directory / "workspace-kept"
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(self.workspace, saved, symlinks=True)
        self.disk.unmount()
        with contextlib.suppress(OSError):
            self.workspace.rmdir()
            saved.rename(self.workspace)

    def remove(self) -> None:
        """Take everything away."""
        if self.disk is not None:
            self.disk.unmount()
        shutil.rmtree(self.directory, ignore_errors=True)
