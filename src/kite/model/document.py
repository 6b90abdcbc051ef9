"""Reading YAML strictly: YAML 1.2's core schema, places kept, duplicate keys refused.

PyYAML's C parser gives the events (its Python one where the C library is missing); which plain
scalar is a number is decided here, so `on`, `no` and `22:30` stay text. Aliases are resolved, but a
document that unfolds to more than `MAX_NODES` values, nests deeper than `MAX_DEPTH` or contains
itself is refused before it costs anything.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from kite.errors import ConfigError, Location
from kite.model.node import Node

MAX_NODES = 20_000
"""Values in one document, aliases unfolded."""

MAX_DEPTH = 32

BYTE_ORDER_MARK = "\ufeff"

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: float("inf") for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **{"-" + word: float("-inf") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_MAX_DIGITS = 300
_TAGS = {"!": "str", **{f"tag:yaml.org,2002:{kind}": kind for kind in ("str", "seq", "map")}}


def parse_document(text: str, file: str, *, first_line: int = 1) -> Node:
    """Parse one YAML document.

    Args:
        text: the document; a byte order mark is skipped.
        file: how errors name the file.
        first_line: the line of the file that the text begins on.

    Returns:
        The root node; an empty document's value is None.

    Raises:
        ConfigError: `yaml_syntax`, `yaml_tab`, `yaml_colon`, `yaml_character`, `repeated_key`,
            `key_not_text`, `yaml_tag`, `yaml_alias`, `yaml_too_large`, `several_documents`.
    """
    return _Builder(text, file, first_line).document()


def resolve_plain(text: str) -> Any:
    """What a plain scalar means in YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    return float(text) if _FLOAT.fullmatch(text) else text


def _parser(text: str) -> Any:
    # The attribute is missing where PyYAML was built without libyaml.
    cyaml = getattr(yaml, "cyaml", None)
    if cyaml is not None:
        return cyaml.CParser(text)
    return yaml.SafeLoader(text)


class _Builder:
    """Builds the tree from the parser's events, without recursion into the parser."""

    def __init__(self, text: str, file: str, first_line: int) -> None:
        self.text = text.removeprefix(BYTE_ORDER_MARK)
        self.skipped = len(text) - len(self.text)
        self.file = file
        self.offset = first_line
        self.anchors: dict[str, Node] = {}
        self.sizes: dict[int, int] = {}
        self.open: set[str] = set()
        self.count = 0

    def document(self) -> Node:
        try:
            parser = _parser(self.text)
            self.next = parser.get_event
            event = self.next()
            while not isinstance(event, DocumentStartEvent | StreamEndEvent):
                event = self.next()
            if isinstance(event, StreamEndEvent):
                return Node(value=None, file=self.file, line=self.offset, column=1)
            root = self.node(self.next(), 0)
            self.next()  # the document's end
            event = self.next()
        except yaml.YAMLError as error:
            raise self.syntax(error) from None
        if isinstance(event, DocumentStartEvent):
            raise self.error("several_documents", event)
        return root

    def node(self, event: Any, depth: int) -> Node:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise self.error("yaml_too_large", event, values=MAX_NODES, depth=MAX_DEPTH)
        if isinstance(event, AliasEvent):
            return self.alias(event)
        mark = event.start_mark
        node = Node(
            value=None,
            file=self.file,
            line=mark.line + self.offset,
            column=mark.column + 1,
            start=mark.index + self.skipped,
            end=self.end_of(event),
        )
        anchor = event.anchor
        if anchor is not None:
            node.anchored = True
            self.open.add(anchor)
        before = self.count
        if isinstance(event, ScalarEvent):
            node.text = event.value
            node.value = self.scalar(event)
        elif isinstance(event, MappingStartEvent):
            self.tagged(event, "map")
            node.flow = bool(event.flow_style)
            node.keys = {}
            self.mapping(node, depth)
        else:
            self.tagged(event, "seq")
            node.flow = bool(event.flow_style)
            self.sequence(node, depth)
        if anchor is not None:
            self.open.discard(anchor)
            self.anchors[anchor] = node
            self.sizes[id(node)] = self.count - before + 1
        return node

    def scalar(self, event: Any) -> Any:
        if event.tag is not None:
            self.tagged(event, "str")
            return event.value
        return resolve_plain(event.value) if event.implicit[0] else event.value

    def sequence(self, node: Node, depth: int) -> None:
        items = node.value = []
        while not isinstance(event := self.next(), SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        node.end = self.end_of(event)

    def mapping(self, node: Node, depth: int) -> None:
        values = node.value = {}
        keys = node.keys
        while not isinstance(event := self.next(), MappingEndEvent):
            key = self.node(event, depth + 1)
            name = key.value
            if not isinstance(name, str):
                raise self.error("key_not_text", event, found=key.shown)
            if name in values:
                raise self.error("repeated_key", event, key=name, first=keys[name].line)
            keys[name] = key
            values[name] = self.node(self.next(), depth + 1)
        node.end = self.end_of(event)

    def alias(self, event: Any) -> Node:
        target = self.anchors.get(event.anchor)
        if target is None or event.anchor in self.open:
            raise self.error("yaml_alias", event, alias=event.anchor)
        self.count += self.sizes[id(target)]
        mark = event.start_mark
        return Node(
            value=target.value,
            file=self.file,
            line=mark.line + self.offset,
            column=mark.column + 1,
            text=target.text,
            keys=target.keys,
            start=mark.index + self.skipped,
            end=self.end_of(event),
            flow=target.flow,
            anchored=True,
        )

    def end_of(self, event: Any) -> int:
        index: int = event.end_mark.index
        return index + self.skipped

    def tagged(self, event: Any, kind: str) -> None:
        if event.tag is not None and _TAGS.get(event.tag) != kind and event.tag != "!":
            raise self.error("yaml_tag", event, tag=event.tag)

    def error(self, code: str, event: Any, **params: Any) -> ConfigError:
        mark = event.start_mark
        place = Location(file=self.file, line=mark.line + self.offset, column=mark.column + 1)
        return ConfigError(code, location=place, **params)

    def syntax(self, error: yaml.YAMLError) -> ConfigError:
        position = getattr(error, "position", None)
        if position is not None:
            # libyaml counts bytes and gives a number, the pure reader counts characters.
            character = getattr(error, "character", 0)
            if isinstance(character, int):
                before = self.text.encode()[:position].decode(errors="ignore")
            else:
                before, character = self.text[:position], ord(character)
            return ConfigError(
                "yaml_character",
                location=self.place(before.count("\n"), len(before) - before.rfind("\n") - 1),
                character=f"U+{character:04X}",
            )
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = self.place(mark.line, mark.column) if mark else self.place(0, 0)
        detail = getattr(error, "problem", None) or str(error)
        if self.tab_at(place.line):
            return ConfigError("yaml_tab", location=place)
        if "maximum nesting depth" in detail:  # newer versions of libyaml have a limit of their own
            return ConfigError("yaml_too_large", location=place, values=MAX_NODES, depth=MAX_DEPTH)
        if "mapping values are not allowed" in detail:
            return ConfigError("yaml_colon", location=place)
        started = getattr(error, "context_mark", None)
        if started is not None and mark is not None and started.line != mark.line:
            line = started.line + self.offset
            return ConfigError("yaml_open", location=place, detail=detail, line=line)
        return ConfigError("yaml_syntax", location=place, detail=detail)

    def place(self, line: int, column: int) -> Location:
        # The end of the text counts as its last line.
        last = self.text.rstrip().count("\n")
        return Location(file=self.file, line=min(line, last) + self.offset, column=column + 1)

    def tab_at(self, line: int) -> bool:
        lines = self.text.splitlines()
        index = line - self.offset
        indent = re.match(r"\s*", lines[index]) if index < len(lines) else None
        return indent is not None and "\t" in indent.group()
