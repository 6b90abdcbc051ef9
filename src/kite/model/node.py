"""A value that somebody wrote in a file, with its place.

A document is a tree of nodes: a scalar holds None, a bool, an int, a float or a str, a sequence a
list of nodes, a mapping a dict of key to node (and the keys' own nodes beside it).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from kite.errors import Location


class Node(msgspec.Struct):
    """One value of a document and where it stands.

    Args:
        value: None, bool, int, float, str, `list[Node]` or `dict[str, Node]`.
        file: the file, as messages name it.
        line, column: where it begins, from 1.
        text: a scalar as it is written (without quotes), so that `1.10` is not lost.
        keys: a mapping's keys, each with its place.
        start, end: offsets in the document's text, in characters.
        flow: a mapping or sequence in braces or brackets.
        anchored: it has an anchor, or stands here by an alias.
    """

    value: Any
    file: str
    line: int
    column: int
    text: str = ""
    keys: dict[str, Node] = {}
    start: int = 0
    end: int = 0
    flow: bool = False
    anchored: bool = False

    @property
    def location(self) -> Location:
        """The place, for an error."""
        return Location(file=self.file, line=self.line, column=self.column)

    @property
    def plain(self) -> Any:
        """The value without places: what a JSON decoder would give."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value

    @property
    def shown(self) -> str:
        """The value as a message shows it: JSON, cut where it is long."""
        if isinstance(self.value, float):
            return self.text or repr(self.value)
        shown = json.dumps(self.plain, ensure_ascii=False)
        return shown if len(shown) <= 60 else shown[:57] + "…"


def merge(lower: Node, upper: Node) -> Node:
    """A mapping with another laid over it, key by key and mapping by mapping; null takes a key away.

    Every node keeps the place where it was written, in whichever file that is.
    """
    values = dict(lower.value)
    keys = dict(lower.keys)
    for key, node in upper.value.items():
        below = values.get(key)
        if node.value is None:
            values.pop(key, None)
            continue
        if below is not None and isinstance(below.value, dict) and isinstance(node.value, dict):
            node = merge(below, node)  # noqa: PLW2901  (the merged node takes its place)
        values[key] = node
        keys[key] = upper.keys[key]
    return Node(value=values, file=upper.file, line=upper.line, column=upper.column, keys=keys)
