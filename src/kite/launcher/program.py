"""Whether a command can be run at all, found out before the fork.

Without a compiler the program runs behind `setpriv` (and `sh`, where a socket is handed over), which
would turn a missing program into an exit status of theirs. So the search that `execvpe` does is done here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kite.errors import ModuleError

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_FOREIGN_FORMATS = Path("/proc/sys/fs/binfmt_misc")


def resolve(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Path:
    """The file that `argv[0]` means in the folder `cwd` with the `PATH` of `env`.

    Raises:
        ModuleError: `folder_not_found`, `program_not_found`, `not_executable`, `bad_interpreter`.
    """
    if not os.path.isdir(cwd):  # noqa: PTH112  (pathlib raises where it may not look)
        raise ModuleError("folder_not_found", path=str(cwd))
    word = argv[0] if argv else ""
    path = _beside(word, cwd) if "/" in word else _on_path(word, cwd, env)
    _check_format(path)
    return path


def _beside(word: str, cwd: Path) -> Path:
    path = cwd / word
    if not os.path.exists(path):  # noqa: PTH110  (likewise)
        raise ModuleError("program_not_found", program=word, where=str(cwd))
    if not _is_program(path):
        raise ModuleError("not_executable", path=str(path))
    return path


def _on_path(word: str, cwd: Path, env: Mapping[str, str]) -> Path:
    folders = env.get("PATH", _DEFAULT_PATH)
    refused: Path | None = None
    for folder in folders.split(":") if word else ():
        candidate = cwd / folder / word
        if _is_program(candidate):
            return candidate
        if refused is None and os.path.isfile(candidate):  # noqa: PTH113  (likewise)
            refused = candidate
    if refused is not None:
        raise ModuleError("not_executable", path=str(refused))
    raise ModuleError("program_not_found", program=word, where="PATH", path=folders)


def _is_program(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:  # a folder on the PATH that may not be read
        return False


def _check_format(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError:  # it may be run without being readable
        return
    if start.startswith(b"\x7fELF"):
        return
    if not start.startswith(b"#!"):
        if not _knows_foreign_formats():
            raise ModuleError("not_executable", path=str(path))
        return
    # The kernel splits at blanks and tabs alone, so a Windows line end is part of the name.
    first_line = start[2:].partition(b"\n")[0].strip(b" \t").replace(b"\t", b" ")
    interpreter = os.fsdecode(first_line.partition(b" ")[0])
    if not interpreter or not _is_program(path.parent / interpreter):
        raise ModuleError("bad_interpreter", path=str(path), interpreter=interpreter)


def _knows_foreign_formats() -> bool:
    """Whether this machine runs files that are neither ELF nor scripts (emulators, Java, Wine)."""
    try:
        names = {entry.name for entry in _FOREIGN_FORMATS.iterdir()}
    except OSError:
        return False
    return bool(names - {"register", "status"})
