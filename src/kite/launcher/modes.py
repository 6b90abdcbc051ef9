"""Who else may touch what an instance keeps: found at each start, and closed.

Everything lies in a directory that its owner alone may enter, so that a file in it which is open is
open to nobody yet; it is closed all the same, for the day on which it is copied elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kite.errors import ConfigError
from kite.model.workspace import unusable

_OTHERS = 0o077
_OWN = ("launcher", "logs", "registry", "event_hub")
"""The folders whose files are Kite's. What is in a module's own folder is that module's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What was open to others.

    Args:
        old, new: permissions.
    """

    path: Path
    old: int
    new: int


def close_to_others(instance_dir: Path) -> list[Closed]:
    """Take all rights on it from everybody but the owner.

    Args:
        instance_dir: it is there.

    Raises:
        ConfigError: `instance_dir_foreign` where it, or a folder in it, is another user's;
            `instance_dir_unusable` where it cannot be read or closed.
    """
    try:
        return [found for path in _all(instance_dir) if (found := _close(path)) is not None]
    except OSError as failure:
        raise unusable(Path(failure.filename or instance_dir), failure) from failure


def _all(instance_dir: Path) -> Iterator[Path]:
    """The directory, the folders in it, and the files that are Kite's."""
    yield instance_dir
    for path in sorted(instance_dir.iterdir()):
        if path.name.startswith(".") or (path.is_dir() and not path.is_symlink()):
            yield path
    for name in _OWN:
        folder = instance_dir / name
        if folder.is_dir():
            yield from sorted(folder.iterdir())


def _close(path: Path) -> Closed | None:
    try:
        seen = path.lstat()
    except FileNotFoundError:
        return None  # a draft that has just taken its place
    if stat.S_ISLNK(seen.st_mode):
        return None  # what it leads to is elsewhere, and was meant to be
    user = os.geteuid()
    if seen.st_uid != user:
        raise ConfigError("instance_dir_foreign", path=str(path), owner=seen.st_uid, user=user)
    old = stat.S_IMODE(seen.st_mode)
    if not old & _OTHERS:
        return None
    new = old & ~_OTHERS
    path.chmod(new)
    return Closed(path=path, old=old, new=new)
