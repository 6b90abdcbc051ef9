"""The head of a `module.md`: YAML between two lines of three dashes, then Markdown."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from kite.errors import ConfigError, Location
from kite.model.document import parse_document
from kite.model.node import Node

MAX_FILE_BYTES = 1 << 20
"""A `module.md` or `kite.yaml` may have this many bytes at most."""


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True):
    """A `module.md` taken apart; `head + yaml + tail` is the whole text again.

    Args:
        head: the opening line, with its line ending (and a byte order mark).
        yaml: the text between the dashes.
        tail: the closing line and the Markdown below it.
    """

    head: str
    yaml: str
    tail: str

    @property
    def body(self) -> str:
        """The Markdown."""
        return self.tail.partition("\n")[2]


def split_front_matter(text: str, file: str) -> FrontMatter:
    """Find the front matter.

    Raises:
        ConfigError: `front_matter_missing`, `front_matter_open`.
    """
    head, newline, rest = text.partition("\n")
    if head.removeprefix("\ufeff").rstrip() != "---":
        raise ConfigError("front_matter_missing", location=Location(file=file, line=1, column=1))
    head += newline
    length = 0
    for line in rest.splitlines(keepends=True):
        if line.rstrip() == "---":
            return FrontMatter(head=head, yaml=rest[:length], tail=rest[length:])
        length += len(line)
    raise ConfigError("front_matter_open", location=Location(file=file, line=1, column=1))


def parse_front_matter(text: str, file: str) -> Node:
    """The front matter's mapping.

    Raises:
        ConfigError: as `split_front_matter` and `parse_document`, `front_matter_empty`,
            `not_a_mapping`.
    """
    parts = split_front_matter(text, file)
    root = parse_document(parts.yaml, file, first_line=2)
    if root.value is None:
        raise ConfigError("front_matter_empty", location=Location(file=file, line=1, column=1))
    return check_mapping(root)


def check_mapping(root: Node) -> Node:
    """The root, which has to be a mapping.

    Raises:
        ConfigError: `not_a_mapping`.
    """
    if not isinstance(root.value, dict):
        raise ConfigError("not_a_mapping", location=root.location, found=root.shown)
    return root


def read_text(path: Path) -> str:
    """The text of a file that a person wrote, byte order mark and line endings included.

    Raises:
        ConfigError: `file_missing`, `file_unreadable`, `file_not_regular`, `file_too_large`,
            `file_not_utf8`.
    """
    return decode_text(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file of bounded size; never waits for a pipe that nobody writes.

    Raises:
        ConfigError: `file_missing`, `file_unreadable`, `file_not_regular`, `file_too_large`.
    """
    place = Location(file=str(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError("file_not_regular", location=place)
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError("file_missing", location=place) from None
    except IsADirectoryError:
        raise ConfigError("file_not_regular", location=place) from None
    except OSError as error:
        raise ConfigError(
            "file_unreadable", location=place, detail=error.strerror or str(error)
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError("file_too_large", location=place, limit=MAX_FILE_BYTES)
    return content


def decode_text(content: bytes, file: str) -> str:
    """The text of the bytes.

    Raises:
        ConfigError: `file_not_utf8` with the place of the first wrong byte.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Location(
            file=file,
            line=before.count(b"\n") + 1,
            column=len(before) - before.rfind(b"\n"),
        )
        raise ConfigError(
            "file_not_utf8", location=place, byte=f"0x{content[error.start]:02X}"
        ) from None
