"""A throw-away project for a test: its directories, what is written into them, what turns up."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

BARE_PYTHON = (sys.executable, "-S", "-E")
"""An interpreter that starts fast and has nothing but the standard library."""

SLEEPER = ("sh", "-c", "echo up; exec sleep 1000")
"""The smallest module: with `ready: {log: up}` it is ready within milliseconds."""

_EXTENSIONS = Path(__file__).resolve().parents[1] / "extensions"


class Project:
    """A project directory with a home, a workspace and a place for temporary files of its own.

    Args:
        directory: an existing one; `project`, `home`, `workspace` and `tmp` are made below it.
        project: an existing project directory instead.
        extensions: whether the modules that come with Kite run as well.
        environ: further environment of all that is started.

    Attributes:
        project, home, workspace, instance_dir: directories.
        environ: the environment of all that is started.
    """

    def __init__(
        self,
        directory: Path,
        *,
        project: Path | None = None,
        extensions: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        directory = directory.resolve()
        self.project = project or directory / "project"
        self.home = directory / "home"
        self.workspace = directory / "workspace"
        self.instance_dir = self.workspace / self.project.name
        self._tmp = directory / "tmp"
        for folder in (self.project, self.home, self._tmp):
            folder.mkdir(exist_ok=True)
        kept = {
            n: v for n, v in os.environ.items() if not n.startswith(("KITE_", "LISTEN_", "LC_"))
        }
        self.environ = {
            **kept,
            "HOME": str(self.home),
            "TMPDIR": str(self._tmp),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "KITE_WORKSPACE": str(self.workspace),
            **(environ or {}),
        }
        self._extensions = extensions
        self._before: set[Path] | None = None
        self._expected: set[Path] = set()

    def configure(self, **keys: Any) -> None:
        """Write `kite.yaml`."""
        if not self._extensions:
            off = {
                path.parent.name: {"state": "disabled"} for path in _EXTENSIONS.glob("*/module.md")
            }
            keys["modules"] = off | keys.get("modules", {})
        self.write(self.project / "kite.yaml", yaml.safe_dump(keys, sort_keys=False))

    def module(self, name: str, program: str | None = None, **keys: Any) -> Path:
        """Write a module's folder below `modules/`; again replaces it.

        Args:
            program: the text of a Python program, run by a bare interpreter unless `runtime` or
                `command` is given; None: a sleeper that is ready at once.
            keys: of the manifest.

        Returns:
            The folder.
        """
        folder = self.project / "modules" / name
        front: dict[str, Any] = {"name": name, **keys}
        if program is not None:
            if front.get("runtime") == "python":
                front.setdefault("entry", "main.py")
            elif "command" not in front:
                front["command"] = [*BARE_PYTHON, "main.py"]
        elif "command" not in front and "runtime" not in front:
            front["command"] = list(SLEEPER)
            front.setdefault("ready", {"log": "up"})
        self.write_manifest(name, f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n# {name}\n")
        if program is not None:
            self.write(folder / "main.py", program)
        return folder

    def write_manifest(self, folder: str, text: str | bytes) -> Path:
        """Write `modules/<folder>/module.md` as it is; its path."""
        return self.write(self.project / "modules" / folder / "module.md", text)

    def write(self, path: Path, text: str | bytes) -> Path:
        """Write a file that the test means to be there at the end; its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self._expected.add(path)
        return path

    def remember_files(self) -> None:
        """Note what lies there before anything runs; the first time counts."""
        if self._before is None:
            self._before = self._files()

    def litter(self) -> list[Path]:
        """The files that turned up since `remember_files` and are none of the test's."""
        if self._before is None:
            return []
        return sorted(self._files() - self._before - self._expected)

    def _files(self) -> set[Path]:
        """What lies where nothing of Kite's has to be."""
        folders = (self.project, self.home, self._tmp)
        return {path for folder in folders for path in folder.rglob("*") if path.is_file()}
