"""What others could change to make Kite run what they like: project, manifests, programs.

Whoever may write one of these may do whatever the user may. A group is not looked at here: many
users have one of their own, and many projects a shared one; `kite doctor --security` tells of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kite.errors import ConfigError, KiteError
from kite.model.manifest import CORE_NAMES, MANIFEST_NAME
from kite.model.plain_file import whole_path
from kite.model.scan import Found, Scan
from kite.model.workspace import PROJECT_FILE

WORLD = 0o002
GROUP_OR_WORLD = 0o022


def exposed(project_dir: Path, scan: Scan, *, bits: int = WORLD) -> list[KiteError]:
    """An `open_to_others` for each file and folder that others may write, or that is another user's
    (not root's).

    Args:
        bits: which of the permissions are too many.
    """
    found: list[KiteError] = []
    seen: set[Path] = set()
    for path in watched(project_dir, scan):
        if path not in seen:
            seen.add(path)
            if (error := open_to_others(path, bits)) is not None:
                found.append(error)
    return found


def watched(project_dir: Path, scan: Scan) -> Iterator[Path]:
    """Everything that decides what Kite runs here."""
    yield project_dir
    yield project_dir / PROJECT_FILE
    yield project_dir / "modules"
    for name, module in scan.modules.items():
        if name not in CORE_NAMES:
            yield from _of(module)


def _of(found: Found) -> Iterator[Path]:
    folder, manifest = found.folder, found.manifest
    yield folder
    yield folder / MANIFEST_NAME
    if manifest.entry:
        yield folder / manifest.entry
    if manifest.command and "/" in manifest.command[0] and "$" not in manifest.command[0]:
        yield folder / manifest.command[0]
    for each in manifest.env_file:
        yield Path(whole_path(each.path, str(folder)))


def open_to_others(path: Path, bits: int = WORLD) -> KiteError | None:
    """The error for one file or folder that others may write; None where it is well, or not there."""
    try:
        seen = path.stat()
    except OSError:
        return None  # what cannot be found is told elsewhere
    mode = stat.S_IMODE(seen.st_mode)
    # In a sticky folder nobody replaces another user's files.
    is_sticky = stat.S_ISDIR(seen.st_mode) and mode & stat.S_ISVTX
    is_open = mode & bits and not is_sticky
    if not is_open and seen.st_uid in (os.geteuid(), 0):
        return None
    return ConfigError("open_to_others", path=str(path), mode=f"{mode:04o}", owner=seen.st_uid)
