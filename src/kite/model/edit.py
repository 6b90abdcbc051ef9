"""Changing one word in a file that a person wrote, and nothing else.

The text is edited where the word stands: comments, layout, quotes of other values, line endings, a byte
order mark and the Markdown stay byte for byte. Every candidate is parsed again and has to mean exactly
the old document with the one key set; a layout in which no candidate does (an anchor that others share)
is refused instead of guessed at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kite import atomic_file
from kite.errors import ConfigError, Location
from kite.model.document import BYTE_ORDER_MARK, parse_document
from kite.model.front_matter import decode_text, read_bytes, split_front_matter
from kite.model.manifest import ConfigState
from kite.model.node import Node
from kite.model.scan import Found
from kite.model.workspace import PROJECT_FILE

STATE = "state"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_YAML_WORDS = frozenset({"null", "true", "false"})


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed: the file, and the config state before and after."""

    file: Path
    old: ConfigState
    new: ConfigState


def set_state(found: Found, state: ConfigState, *, project_dir: Path) -> Edit:
    """Write a module's config state where it takes effect, unless it is in effect there already.

    That is `modules:` of `kite.yaml` if the module's state is overridden there or the module lies
    outside the project (Kite's own extensions count as outside, wherever they lie), else its
    `module.md`.

    Args:
        found: the module as the last scan found it.
        state: the new config state.
        project_dir: resolved.

    Raises:
        ConfigError: `core_stays_enabled`, `not_editable`, `file_not_writable`, and what reading the
            file raises (it may have been broken since the scan). The file is unchanged then.
    """
    name = found.manifest.name
    if found.source == "core" and state is not ConfigState.ENABLED:
        raise ConfigError("core_stays_enabled", name=name)
    project_file = project_dir / PROJECT_FILE
    overridden = _at(_project(project_file), ("modules", name, STATE))
    if overridden is not None or not _is_inside(found, project_dir):
        # Not what the last scan found: somebody may have written since.
        if state != (overridden or _own_state(found.file)):
            set_in_file(project_file, ("modules", name, STATE), state)
        return Edit(file=project_file, old=found.manifest.state, new=state)
    if state != _own_state(found.file):
        set_in_file(found.file, (STATE,), state, front_matter=True)
    return Edit(file=found.file, old=found.manifest.state, new=state)


def _is_inside(found: Found, project_dir: Path) -> bool:
    packaged = found.source in ("core", "extensions")
    return not packaged and found.folder.is_relative_to(project_dir)


def _project(file: Path) -> Any:
    if not file.exists():
        return {}
    return parse_document(decode_text(read_bytes(file), str(file)), str(file)).plain


def _own_state(file: Path) -> Any:
    """What a manifest says of its module's state; it need not say that it is enabled."""
    parts = split_front_matter(decode_text(read_bytes(file), str(file)), str(file))
    plain = parse_document(parts.yaml, str(file)).plain
    return plain.get(STATE, ConfigState.ENABLED) if isinstance(plain, dict) else None


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def set_in_file(file: Path, path: Sequence[str], word: str, *, front_matter: bool = False) -> None:
    """Set one key of a YAML file, or of a front matter, to a word, and read it back.

    A file that is not there is made (without front matter only).

    Raises:
        ConfigError: `not_editable`, `file_not_writable`, `file_changed`, and what reading raises.
    """
    exists = front_matter or file.exists()
    before = read_bytes(file) if exists else b""
    text = decode_text(before, str(file))
    if front_matter:
        parts = split_front_matter(text, str(file))
        edited = set_word(parts.yaml, path, word, file=str(file), newline=_newline(parts.head))
        after = parts.head + edited + parts.tail
    else:
        after = set_word(text, path, word, file=str(file), newline=_newline(text))
    if after == text:
        return
    if exists and read_bytes(file) != before:
        raise ConfigError("file_changed", location=Location(file=str(file)))
    try:
        atomic_file.replace(file, after.encode(), is_durable=True)
    except OSError as error:
        detail = error.strerror or str(error)
        raise ConfigError("file_not_writable", path=str(file), detail=detail) from None


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"


def set_word(
    text: str, path: Sequence[str], word: str, *, file: str = "", newline: str = "\n"
) -> str:
    """The YAML text with the value at a path of keys set to a word; missing keys are added.

    >>> set_word("name: a  # mine\\nstate: manual  # for now\\n", ("state",), "enabled")
    'name: a  # mine\\nstate: enabled  # for now\\n'

    Raises:
        ConfigError: `not_editable`, and what `parse_document` raises.
    """
    root = parse_document(text, file)
    wanted = _meaning(_with(root.plain, path, word))
    if _meaning(root.plain) == wanted:
        return text
    for candidate in _Editor(text, word, newline).candidates(root, path):
        try:
            if _meaning(parse_document(candidate, file).plain) == wanted:
                return candidate
        except ConfigError:
            continue
    raise ConfigError("not_editable", location=root.location, key=".".join(path), value=word)


def _meaning(value: Any) -> str:
    # As text, because 1 equals true and nothing equals .nan.
    return json.dumps(value, sort_keys=True)


def _with(value: Any, path: Sequence[str], word: str) -> Any:
    if not path:
        return word
    mapping = value if isinstance(value, dict) else {}
    return {**mapping, path[0]: _with(mapping.get(path[0]), path[1:], word)}


class _Editor:
    """Edits of one text that may do, the most faithful first."""

    def __init__(self, text: str, word: str, newline: str) -> None:
        self.text = text
        self.word = word
        self.newline = newline

    def candidates(self, root: Node, path: Sequence[str]) -> Iterator[str]:
        """Ways to set the key at the path."""
        node, key, rest = root, root, list(path)
        while rest and isinstance(node.value, dict) and rest[0] in node.value:
            key = node.keys[rest[0]]
            node = node.value[rest.pop(0)]
        if rest and isinstance(node.value, dict):
            yield from self.add(node, rest)
        elif node is root:
            yield from self.begin(rest)
        else:
            yield from self.replace(key, node, rest)

    def replace(self, key: Node, node: Node, rest: list[str]) -> Iterator[str]:
        """The value stands there already: another word, or nothing where a mapping has to be."""
        text = self.text
        if rest and node.start == node.end:
            # `modules:` and nothing: the entries go below its line.
            yield self.insert(_line_end(text, key.end), self.block(rest, key.column + 1))
        value = self.flow(rest) if rest else self.word
        space = " " if text[node.start - 1 : node.start] == ":" else ""
        # A block scalar's span reaches over its last line's end.
        end = node.start + len(text[node.start : node.end].rstrip())
        yield text[: node.start] + space + value + text[end:]
        # An anchor may have to stay; whoever uses it must not change, or this is no candidate.
        if anchor := re.match(r"&\S+\s+", text[node.start : node.end]):
            yield text[: node.start + anchor.end()] + value + text[node.end :]

    def add(self, node: Node, rest: list[str]) -> Iterator[str]:
        """The mapping lacks the key."""
        text = self.text
        keys = list(node.keys.values())
        if node.flow or not keys:
            inside = self.flow(rest)[1:-1]
            if keys:
                yield text[: keys[0].start] + inside + ", " + text[keys[0].start :]
            yield text[: node.start] + "{" + inside + "}" + text[node.end :]
            return
        indent = keys[0].column - 1
        entry = self.block(rest, indent)
        if len(rest) == 1:
            yield from self.add_below_line(node, entry)
        yield self.insert(self.last_line_end(node), entry)
        first = keys[0].start
        yield text[:first] + entry.lstrip(" ") + " " * indent + text[first:]
        # Keys that begin with a question mark stand further in than their mapping.
        line = text.rfind("\n", 0, node.start) + 1
        yield self.insert(line, self.block(rest, node.column - 1))

    def add_below_line(self, node: Node, entry: str) -> Iterator[str]:
        """Below `name:`, else below the first key whose value ends on its own line."""
        for name in sorted(node.keys, key=lambda name: name != "name"):
            key, value = node.keys[name], node.value[name]
            alone = not self.text[: key.start].rpartition("\n")[2].strip()
            one_line = "\n" not in self.text[key.start : value.end]
            if alone and one_line and value.start < value.end:
                yield self.insert(_line_end(self.text, value.end), entry)

    def last_line_end(self, node: Node) -> int:
        """The end of the last line that holds something of a block mapping.

        Comments after the last value belong to what follows.
        """
        lines = self.text[: node.end].split("\n")
        while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
            lines.pop()
        return _line_end(self.text, len("\n".join(lines)))

    def begin(self, rest: list[str]) -> Iterator[str]:
        """The document holds nothing but comments."""
        yield self.insert(len(self.text), self.block(rest, 0))
        yield self.block(rest, 0) + self.text

    def block(self, path: list[str], indent: int) -> str:
        """Nested keys, one a line."""
        lines = [" " * (indent + 2 * depth) + _key(key) + ":" for depth, key in enumerate(path)]
        lines[-1] += f" {self.word}"
        return "".join(line + self.newline for line in lines)

    def flow(self, path: list[str]) -> str:
        """Nested keys in braces."""
        return "".join("{" + _key(key) + ": " for key in path) + self.word + "}" * len(path)

    def insert(self, end: int, entry: str) -> str:
        """The entry below a line; where the last line has no end, the entry has none either."""
        before, after = self.text[:end], self.text[end:]
        if before and not before.endswith("\n") and before != BYTE_ORDER_MARK:
            return before + self.newline + entry.removesuffix(self.newline) + after
        return before + entry + after


def _key(key: str) -> str:
    plain = _PLAIN.fullmatch(key) and key not in _YAML_WORDS
    return key if plain else f'"{key}"'


def _line_end(text: str, position: int) -> int:
    """Just after the line that a position stands in."""
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1
