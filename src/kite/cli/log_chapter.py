"""The files of one log as one thing after another: the present one, and older ones, compressed or not."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from kite.launcher.rotated import Rotated, all_rotated

_BLOCK = 1 << 16
_WINDOW = 1 << 20  # bytes that are read backwards at once
_IN_MEMORY = 64 << 20  # bytes of an uncompressed file; a larger one goes to a temporary file
_TRIES = 10  # to open files while the Launcher renames them
_HEADER = 512  # bytes in which a compressed file says which file is in it
_INSTANT = len("2026-01-31T09:05:07.123Z")


class Chapter:
    """One file of a log, open for reading.

    Args:
        file: as it lies on the disk.
        is_compressed: by gzip.

    """

    def __init__(self, file: BinaryIO, *, is_compressed: bool = False) -> None:
        self._file = file
        self._is_compressed = is_compressed
        self._plain: IO[bytes] | None = None if is_compressed else file
        self._inode = _inode_inside(file) if is_compressed else os.fstat(file.fileno()).st_ino
        self._head = b""

    @classmethod
    def present(cls, path: Path) -> Chapter | None:
        """The file that is written to, where there is one."""
        try:
            return cls(path.open("rb"))
        except FileNotFoundError:
            return None

    @property
    def identity(self) -> tuple[int | None, bytes]:
        """Which file it is, or was before it was compressed: the same for as long as it is read.

        The kernel gives the number of a file that is gone to a new one, so it is the first
        instant in it, too.
        """
        if not self._head:
            piece = os.pread(self._file.fileno(), _HEADER, 0)
            if self._is_compressed:
                with contextlib.suppress(zlib.error):
                    piece = zlib.decompressobj(wbits=31).decompress(piece, _HEADER)
            self._head = piece[:_INSTANT]
        return self._inode, self._head

    @property
    def plain(self) -> IO[bytes]:
        """Its text, to be read and sought; of a damaged file what is whole in it."""
        if self._plain is None:
            self._plain = _unpacked(self._file)
        return self._plain

    @property
    def size(self) -> int:
        """Bytes of its text now."""
        if not self._is_compressed:
            return os.fstat(self._file.fileno()).st_size
        return self.plain.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        if self._plain is not None:
            self._plain.close()


def older_chapters(path: Path, *, since: float = 0.0, but: Chapter | None = None) -> list[Chapter]:
    """The older files of a log (`web.log`), the youngest first, as they stood at one moment.

    Args:
        since: without those whose last line is older (seconds since 1970).
        but: without this one.
    """
    names = _names(path)
    for tries_left in reversed(range(_TRIES)):
        wanted = [file for file in all_rotated(path.parent, path.name) if file.modified_at >= since]
        found = [chapter for file in wanted if (chapter := _open(file)) is not None]
        before, names = names, _names(path)
        if (names == before and len(found) == len(wanted)) or not tries_left:
            break
        close_all(found)
    if but is None:
        return found
    close_all([chapter for chapter in found if chapter.identity == but.identity])
    return [chapter for chapter in found if chapter.identity != but.identity]


def _names(path: Path) -> list[tuple[int, int]]:
    return [(file.number, file.inode) for file in all_rotated(path.parent, path.name)]


def close_all(chapters: Iterable[Chapter]) -> None:
    """Let go of each."""
    for chapter in chapters:
        chapter.close()


def _open(file: Rotated) -> Chapter | None:
    try:
        opened = file.path.open("rb")
    except FileNotFoundError:
        return None
    if os.fstat(opened.fileno()).st_ino != file.inode:
        opened.close()
        return None
    return Chapter(opened, is_compressed=file.is_compressed)


def _inode_inside(file: BinaryIO) -> int | None:
    head = os.pread(file.fileno(), _HEADER, 0)
    has_name = len(head) > 10 and head[3] & 8 and not head[3] & 4
    name = head[10:].split(b"\0")[0] if has_name else b""
    number = name.rpartition(b".")[2]
    return int(number) if number.isdigit() else None


def _unpacked(file: BinaryIO) -> IO[bytes]:
    plain: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (its chapter closes it)
    damage = contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile)
    with damage, gzip.GzipFile(fileobj=file, mode="rb") as packed:
        while piece := packed.read1(_BLOCK):
            plain.write(piece)
    return plain


def whole_lines(file: IO[bytes], size: int) -> int:
    """Where the last whole line among the first `size` bytes ends."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def lines_between(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    """The lines from one position to another, both at the beginning of a line."""
    while start < end:
        file.seek(start)
        piece = file.read(min(_BLOCK * 4, end - start))
        cut = piece.rfind(b"\n") + 1
        if not cut:  # a line longer than that
            file.seek(start)
            piece = file.readline(end - start)
            cut = len(piece)
            if not piece:
                return
        start += cut
        yield from piece[: cut - 1].split(b"\n") if piece[cut - 1 : cut] == b"\n" else [piece[:cut]]


def windows_back(file: IO[bytes], start: int, end: int) -> Iterator[list[bytes]]:
    """The lines between two positions, in pieces: the last lines first, each piece in order."""
    rest: list[bytes] = []  # the tail of a line whose beginning is further back, in pieces
    while end > start:
        begin = max(start, end - _WINDOW)
        file.seek(begin)
        piece = file.read(end - begin)
        end = begin
        if begin > start:
            newline = piece.find(b"\n")
            if newline < 0:
                rest.insert(0, piece)
                continue
            first, piece = piece[: newline + 1], piece[newline + 1 :]
        else:
            first = b""
        whole = piece + b"".join(rest)
        rest = [first]
        if whole:
            yield whole.removesuffix(b"\n").split(b"\n")


def find_instant(file: IO[bytes], start: int, end: int, instant: str) -> int:
    """Where the first line stands that was written at an instant or later (RFC 3339 UTC)."""
    limit = end
    while end - start > _BLOCK:
        middle = (start + end) // 2
        found = _first_dated(file, middle, end)
        if found is None:
            end = middle
        elif found[1] < instant:
            start = found[0]
        else:
            end = middle
    position = start
    file.seek(position)
    while position < limit:
        line = file.readline()
        at = _instant(line)
        if not line or (at is not None and at >= instant):
            break
        position += len(line)
    return position


def _first_dated(file: IO[bytes], position: int, end: int) -> tuple[int, str] | None:
    """The first line after a position, and before `end`, that says when it was written."""
    file.seek(position)
    position += len(file.readline())
    while position < end:
        line = file.readline()
        if not line:
            return None
        if (at := _instant(line)) is not None:
            return position, at
        position += len(line)
    return None


def _instant(line: bytes) -> str | None:
    at, space, _ = line[:40].partition(b" ")
    return (
        at.decode() if space and at.endswith(b"Z") and at[:1].isdigit() and at.isascii() else None
    )
