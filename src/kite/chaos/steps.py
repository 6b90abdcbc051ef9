"""The files that a Kite writes about itself, read as they grow."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDED = b"Traceback (most recent call last)"
_BROKE = (b"launcher.broke", b"internal_error")


class Steps:
    """The new whole lines of `lifecycle.jsonl`, over its rotations.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lifecycle.jsonl"
        self._inode = 0
        self._place = 0

    def read(self) -> list[bytes]:
        """The lines since the last time, without their ends."""
        found: list[bytes] = []
        for path in (self._path.with_name(f"{self._path.name}.1"), self._path):
            found += self._read(path)
        return found

    def _read(self, path: Path) -> list[bytes]:
        try:
            with path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                is_current = path == self._path
                if not is_current and inode != self._inode:
                    return []
                if is_current and inode != self._inode:
                    self._inode, self._place = inode, 0
                file.seek(self._place)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        return whole.splitlines()


def tracebacks(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The tracebacks in the logs of these modules: their last lines, and the whole of one of each."""
    found: dict[str, str] = {}
    for name in names:
        for path in sorted(folder.glob(f"{name}.log*")):
            if path.suffix == ".gz":
                continue
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            for number, line in enumerate(lines):
                if _FOLDED in line:
                    block = lines[max(0, number - 1) : number + 40]
                    last = next((each for each in block[2:] if _is_last(each)), block[-1])
                    text = b"\n".join(block).decode(errors="replace")
                    found.setdefault(f"{name}: {_message(last)}", text)
                elif any(word in line for word in _BROKE):
                    found.setdefault(f"{name}: {_message(line)}", line.decode(errors="replace"))
    return found


def _message(line: bytes) -> str:
    """A line of a log without its instant and its mark."""
    words = line.decode(errors="replace").split(None, 2)
    return words[2] if len(words) == 3 and words[1] in "|!=" else line.decode(errors="replace")


def _is_last(line: bytes) -> bool:
    text = line.partition(b" ! ")[2] if b" ! " in line[:40] else line
    return bool(text) and not text.startswith((b" ", b"Traceback", b"\t"))
