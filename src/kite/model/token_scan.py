"""Looks for tokens where none may be: whoever looks knows their digests, and not the tokens.

Every run of hex digits that is long enough is hashed, in each place a token could begin in it. It
finds a token that somebody wrote down, whatever stands around it; not one that was split or encoded.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from kite.wire.limits import TOKEN_HEX_DIGITS
from kite.wire.token import digest

_RUN = re.compile(rb"[0-9A-Fa-f]{%d,}" % TOKEN_HEX_DIGITS)
_PIECE = 4 << 20
"""Bytes of a file that are looked at together; pieces overlap by what a token needs."""

_GZIP = b"\x1f\x8b"
_LONGEST_RUN = 1 << 20
"""Of a longer run of hex digits, which is a picture or a dump, the rest is skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A token was found.

    Args:
        where: a path, or `argv of 4711`.
        digest: which token; never the token.
    """

    where: str
    digest: str


class TokenScan:
    """Looks for some tokens.

    Args:
        digests: of the tokens (`kite.wire.token.digest`).

    Attributes:
        looked: how many files, processes and texts were looked at.
        bytes: how much that was.
    """

    def __init__(self, digests: Iterable[str]) -> None:
        self._digests = frozenset(digests)
        self.looked = 0
        self.bytes = 0

    def text(self, data: bytes, where: str) -> Iterator[Leak]:
        """The tokens in some bytes, each once."""
        self.looked += 1
        for found in self._in(data):
            yield Leak(where=where, digest=found)

    def file(self, path: Path) -> Iterator[Leak]:
        """Those in a file, which may be compressed. One that is gone or cannot be read holds none."""
        self.looked += 1
        seen: set[str] = set()
        try:
            with _opened(path) as file:
                rest = b""
                while piece := file.read(_PIECE):
                    seen |= self._in(rest + piece)
                    rest = (rest + piece)[-TOKEN_HEX_DIGITS + 1 :]
        except (OSError, EOFError, zlib.error):
            pass
        for found in sorted(seen):
            yield Leak(where=str(path), digest=found)

    def folder(self, folder: Path, *, but: Collection[Path] = ()) -> Iterator[Leak]:
        """Those in all regular files of a folder and below; links are not followed.

        Args:
            but: files that may hold tokens.
        """
        for path in files(folder):
            if path not in but:
                yield from self.file(path)

    def processes(self, pids: Iterable[int] | None = None) -> Iterator[Leak]:
        """Those in the arguments and the environment of processes; None: of all that may be read."""
        for pid in _pids() if pids is None else pids:
            for name in ("cmdline", "environ"):
                try:
                    data = Path(f"/proc/{pid}/{name}").read_bytes()
                except OSError:
                    continue
                words = "argv" if name == "cmdline" else "environment"
                yield from self.text(data, f"{words} of {pid}")

    def _in(self, data: bytes) -> set[str]:
        self.bytes += len(data)
        found = set()
        for run in _RUN.finditer(data):
            text = run.group()[:_LONGEST_RUN].decode("ascii").lower()
            for begin in range(len(text) - TOKEN_HEX_DIGITS + 1):
                shown = digest(text[begin : begin + TOKEN_HEX_DIGITS])
                if shown in self._digests:
                    found.add(shown)
        return found


def files(folder: Path) -> Iterator[Path]:
    """All regular files in a folder and below. What cannot be entered is left out."""
    for where, _folders, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
            except OSError:
                continue


def runs(data: bytes) -> list[str]:
    """Everything in some bytes that has the form of a token."""
    return [run.decode("ascii") for run in _RUN.findall(data)]


def digests_of(table: Mapping[str, object]) -> frozenset[str]:
    """The digests in an answer of `GET /tokens/digests`."""
    rows = table.get("tokens")
    assert isinstance(rows, list)
    return frozenset(str(row["digest"]) for row in rows)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    return cast("BinaryIO", gzip.open(path, "rb")) if is_packed else path.open("rb")
