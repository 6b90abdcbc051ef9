"""Which files of a folder are documents, and what has changed among them.

Links are not followed: what lies in the folder is found under its own name, a link cannot lead out
of the folder, and no circle of links has an end to look for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_BYTES = 2 << 20
"""A larger file is no text that somebody wrote."""

SNIFFED_BYTES = 1024

_ENDINGS = {
    "markdown": "md markdown mdx mkd",
    "text": "txt rst adoc asciidoc org tex log csv tsv text po",
    "html": "html htm xhtml",
    "source": (
        "py pyi js mjs cjs ts tsx jsx vue svelte c h cc cpp cxx hpp hh cs java kt kts scala go rs rb"
        " php pl pm lua swift m mm r jl hs ml mli ex exs erl hrl clj cljs lisp el scm dart zig nim v"
        " sh bash zsh fish ps1 bat sql graphql proto css scss less json jsonl json5 yaml yml toml ini"
        " cfg conf properties xml xsd svelte cmake make mk gradle tf nix dockerfile diff patch vim asm s"
    ),
}
KIND_OF_ENDING = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
KIND_OF_NAME = {
    "readme": "text",
    "license": "text",
    "licence": "text",
    "copying": "text",
    "changelog": "text",
    "changes": "text",
    "authors": "text",
    "notice": "text",
    "todo": "text",
    "makefile": "source",
    "dockerfile": "source",
    "containerfile": "source",
    "jenkinsfile": "source",
    "rakefile": "source",
    "gemfile": "source",
    "cmakelists.txt": "source",
}

SKIPPED_FOLDERS = frozenset(
    (
        "node_modules",
        "bower_components",
        "__pycache__",
        "site-packages",
        "venv",
        "env",
        "build",
        "dist",
        "target",
        "obj",
    )
)
# Files by which a folder says itself that it can be made anew.
_GENERATED_MARKS = ("CACHEDIR.TAG", "pyvenv.cfg")


def kind_of(name: str) -> str | None:
    """What a file of this name holds, or None when it is no document."""
    lower = name.lower()
    if lower.startswith("."):
        return None
    if kind := KIND_OF_NAME.get(lower):
        return kind
    _, dot, ending = lower.rpartition(".")
    return KIND_OF_ENDING.get(ending) if dot else None


def is_skipped_folder(name: str) -> bool:
    """Whether nothing below a folder of this name is looked at."""
    return name.startswith(".") or name.lower() in SKIPPED_FOLDERS


def is_within_skipped(path: str) -> bool:
    """Whether a relative path leads through a folder that is skipped."""
    return any(is_skipped_folder(part) for part in path.split("/")[:-1])


def is_folder(full: str) -> bool:
    """Whether a folder is there; a link to one is none."""
    try:
        return stat.S_ISDIR(os.lstat(full).st_mode)
    except OSError:
        return False


def relative(full: str, root: str) -> str | None:
    """The path below the folder, with `/`; empty for the folder itself, None outside of it."""
    path = os.path.relpath(full, root).replace(os.sep, "/")
    if path == ".":
        return ""
    return None if path.startswith("../") or path == ".." else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file that is searched.

    Args:
        path: relative to the folder, with `/`.
        kind: `markdown`, `text`, `html` or `source`.
        size: bytes.
        mtime: seconds since 1970.
        version: changes when the file does; to be compared only.
    """

    path: str
    kind: str
    size: int
    mtime: float
    version: str

    def as_data(self) -> dict[str, Any]:
        """What an event about it carries."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A file or folder that cannot be read.

    Args:
        path: relative to the folder.
        reason: what the system says.
    """

    path: str
    reason: str


Found = Document | Problem


def version_of(status: os.stat_result) -> str:
    """Changes whenever the file's content can have changed."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"


def look(root: str, path: str) -> Found | None:
    """One file as it is now; None when it is gone or no document."""
    name = path.rpartition("/")[2]
    kind = kind_of(name)
    if kind is None:
        return None
    try:
        full = f"{root}/{path}"
        status = os.lstat(full)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        with open(full, "rb", opener=_open_without_waiting) as file:
            if _is_binary(file.read(SNIFFED_BYTES)):
                return None
        path.encode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeEncodeError:
        return Problem(path=_shown(path), reason="its name is not UTF-8")
    except OSError as failed:
        return Problem(path=path, reason=failed.strerror or str(failed))
    return Document(
        path=path,
        kind=kind,
        size=status.st_size,
        mtime=status.st_mtime,
        version=version_of(status),
    )


def _open_without_waiting(path: str, flags: int) -> int:
    """A file that became a pipe since it was looked at must not hold us."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))


def _is_binary(head: bytes) -> bool:
    return b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode("utf-8")


def scan(root: str, below: str = "") -> Iterator[Found | None]:
    """Every document below a folder, one at a time, so that the caller can do other things between.

    Args:
        root: the folder.
        below: only this part of it, relative.

    Yields:
        documents and problems; None for every entry that is neither, as a place to pause.
    """
    waiting = [below]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(f"{root}/{folder}" if folder else root) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as failed:
            yield Problem(path=_shown(folder) or ".", reason=failed.strerror or str(failed))
            continue
        if folder and any(entry.name in _GENERATED_MARKS for entry in entries):
            continue
        prefix = f"{folder}/" if folder else ""
        folders = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not is_skipped_folder(entry.name):
                    folders.append(prefix + entry.name)
            else:
                yield look(root, prefix + entry.name)
        waiting += reversed(folders)
        yield None


@dataclass(slots=True)
class Known:
    """The documents of the folder as they were last seen, and what could not be read."""

    documents: dict[str, Document] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def see(self, found: Found) -> Document | None:
        """Take note; the document when it is new or has changed."""
        if isinstance(found, Problem):
            self.problems[found.path] = found.reason
            return None
        self.problems.pop(found.path, None)
        before = self.documents.get(found.path)
        if before is not None and before.version == found.version:
            return None
        self.documents[found.path] = found
        return found

    def lose(self, path: str) -> list[str]:
        """Forget a file, or everything below a folder; the paths that were documents."""
        self.problems.pop(path, None)
        if path in self.documents:
            del self.documents[path]
            return [path]
        below = f"{path}/"
        lost = [known for known in self.documents if known.startswith(below)]
        for known in lost:
            del self.documents[known]
        for known in [known for known in self.problems if known.startswith(below)]:
            del self.problems[known]
        return lost

    def page(self, after: str, *, limit: int, max_bytes: int) -> tuple[list[list[str]], str | None]:
        """`[path, version, kind]` of the documents after a path, in order of path.

        Returns:
            the rows, and the path to go on after (None at the end).
        """
        rows: list[list[str]] = []
        size = 0
        for path in sorted(path for path in self.documents if path > after):
            document = self.documents[path]
            size += 2 * len(path.encode()) + len(document.version) + 40
            if rows and (len(rows) == limit or size > max_bytes):
                return rows, rows[-1][0]
            rows.append([path, document.version, document.kind])
        return rows, None
