"""The older files of a log: `web.log.1` is the youngest, and `web.log.1.gz` the same when compressed.

Names change under a lock of the instance's writer: it moves files on while a helper compresses them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PART = ".part"  # the suffix of a compressed file that is not whole yet

_NAME = re.compile(r"(?P<log>.+\.log)\.(?P<number>[1-9][0-9]*)(?P<gz>\.gz)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """One older file of a log.

    Args:
        log: the name of the present file, `web.log`.
        number: 1 is the youngest.
        inode: which file it is, whatever its name is now.
        modified_at: seconds since 1970 at which its last line was written.
    """

    path: Path
    log: str
    number: int
    is_compressed: bool
    size: int
    inode: int
    modified_at: float


def all_rotated(folder: Path, log: str = "") -> list[Rotated]:
    """The older files in a folder, of one log or of all, by number; nothing where there is no folder.

    Where both forms of one are there the compressed one is left out: it may be unfinished.
    """
    found: dict[tuple[str, int], Rotated] = {}
    for file in _scan(folder, log):
        kept = found.get((file.log, file.number))
        if kept is None or kept.is_compressed:
            found[file.log, file.number] = file
    return sorted(found.values(), key=lambda file: (file.number, file.log))


def _scan(folder: Path, log: str = "") -> Iterator[Rotated]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name) if entry.name.startswith(log) else None
            if name is None or (log and name["log"] != log):
                continue
            with contextlib.suppress(FileNotFoundError):  # moved on in the meantime
                seen = entry.stat(follow_symlinks=False)
                yield Rotated(
                    path=folder / entry.name,
                    log=name["log"],
                    number=int(name["number"]),
                    is_compressed=name["gz"] is not None,
                    size=seen.st_size,
                    inode=seen.st_ino,
                    modified_at=seen.st_mtime,
                )


def move_on(path: Path, count: int) -> None:
    """Make the present file the youngest of `count` older ones; the oldest goes."""
    older = sorted(_scan(path.parent, path.name), key=lambda file: file.number, reverse=True)
    for file in older:
        if file.number >= count:
            file.path.unlink(missing_ok=True)
        else:
            end = ".gz" if file.is_compressed else ""
            file.path.replace(path.with_name(f"{path.name}.{file.number + 1}{end}"))
    if count > 0:
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_name(f"{path.name}.1"))
    else:
        path.unlink(missing_ok=True)


def keep_total(folder: Path, total: int, *, written: Collection[str] = ()) -> list[Path]:
    """Remove the oldest logs in a folder until all together keep to `total` bytes: rotated ones, and
    the present ones of modules that write nothing any more.

    Args:
        written: the names of the present files that are written to (`web.log`).

    Returns:
        What was removed.
    """
    files = [(file.modified_at, file.size, file.path) for file in _scan(folder)]
    size = sum(file[1] for file in files)
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            seen = path.stat(follow_symlinks=False)
            size += seen.st_size
            if path.name not in written:
                files.append((seen.st_mtime, seen.st_size, path))
    removed: list[Path] = []
    for _, freed, path in sorted(files):
        if size <= total:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            size -= freed
            removed.append(path)
    return removed


def forget_before(folder: Path, instant: float) -> list[Path]:
    """Remove the rotated logs whose last line was written before an instant (seconds since 1970).

    Returns:
        What was removed.
    """
    removed: list[Path] = []
    for file in _scan(folder):
        if file.modified_at < instant:
            with contextlib.suppress(OSError):
                file.path.unlink()
                removed.append(file.path)
    return removed


def clear_up(folder: Path) -> list[Rotated]:
    """Remove what an interrupted compression has left.

    Returns:
        The older files that are not compressed.
    """
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)
    plain = [file for file in all_rotated(folder) if not file.is_compressed]
    names = {(file.log, file.number) for file in plain}
    for file in _scan(folder):
        if file.is_compressed and (file.log, file.number) in names:
            file.path.unlink(missing_ok=True)
    return plain
