"""From a manifest to an argument list: which program runs, found before anything is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kite.errors import ModuleError
from kite.model.manifest import Manifest, Runtime

DEFAULT_PATH = os.defpath


def resolve(
    manifest: Manifest,
    folder: Path,
    *,
    path: str | None = None,
    interpreter: str = sys.executable,
) -> tuple[str, ...]:
    """The argument list of a module's process; its first item is an absolute path.

    Args:
        manifest: of the module, its variables filled in (`kite.model.expand`).
        folder: the module's folder, which is its working directory.
        path: the `PATH` that the module will have; default: the process's own.
        interpreter: Kite's Python, for modules without a `.venv` of their own.

    Raises:
        ModuleError: `program_not_found` (`program`, `where`, for `PATH` also the `path` that was
            searched), `not_executable` (`path`).
    """
    search = os.environ.get("PATH", DEFAULT_PATH) if path is None else path
    if manifest.runtime is None:
        program, *arguments = manifest.command
        return (find_program(program, folder, search), *arguments)
    assert manifest.entry is not None
    entry = folder / manifest.entry
    match manifest.runtime:
        case Runtime.PYTHON:
            # Unbuffered: what it prints is in its log at once, and `ready: log` sees it.
            return (python_of(folder, interpreter), "-u", _entry(entry))
        case Runtime.NODE:
            return (find_program("node", folder, search), _entry(entry))
        case Runtime.BINARY:
            return (_executable(_entry(entry)),)


def python_of(folder: Path, interpreter: str) -> str:
    """The interpreter of the folder's `.venv` if it has one, else the one given."""
    return str(_own_python(folder)) if has_own_python(folder) else interpreter


def has_own_python(folder: Path) -> bool:
    """Whether the folder has a `.venv` with an interpreter."""
    return _runs(_own_python(folder))


def _own_python(folder: Path) -> Path:
    return folder / ".venv" / "bin" / "python"


def find_program(program: str, folder: Path, path: str) -> str:
    """The absolute path of a program: with a slash relative to the folder, else from `PATH`.

    Raises:
        ModuleError: `program_not_found`, `not_executable`.
    """
    if "/" in program:
        return _executable(_existing(folder / program, program))
    refused = ""
    for place in path.split(os.pathsep):
        # At every start of a module: texts, as a Path costs as much as the look at the file.
        candidate = f"{folder}/{place}/{program}" if place[:1] != "/" else f"{place}/{program}"
        if place and _is_file(candidate):
            if os.access(candidate, os.X_OK):
                return str(Path(candidate))
            refused = refused or candidate
    if refused:
        raise ModuleError("not_executable", path=str(Path(refused)))
    raise ModuleError("program_not_found", program=program, where="PATH", path=path)


def _entry(entry: Path) -> str:
    return _existing(entry, entry.name)


def _existing(path: Path, program: str) -> str:
    if not _is_file(path):
        raise ModuleError("program_not_found", program=program, where=str(path.parent))
    return str(path)


def _executable(path: str) -> str:
    if not os.access(path, os.X_OK):
        raise ModuleError("not_executable", path=path)
    return path


def _is_file(path: Path | str) -> bool:
    # os.path says no instead of raising where a directory may not be entered.
    return os.path.isfile(path)  # noqa: PTH113


def _runs(path: Path) -> bool:
    return _is_file(path) and os.access(path, os.X_OK)
