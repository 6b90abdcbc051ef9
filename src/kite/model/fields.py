"""Reading one mapping strictly: every key is asked for once, and what nobody asked for is unknown.

    fields = Fields(node, mistakes)
    name = fields.read("name", text, "")
    fields.finish()

A converter takes a node and returns the value or raises `Wrong` with what it expected (or any other
`KiteError`); the mistake is noted with its place and the default stands in, so that reading goes on.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from kite.errors import KiteError
from kite.model.mistakes import Mistakes
from kite.model.node import Node
from kite.model.phrases import LIST, MAPPING

T = TypeVar("T")


class Wrong(Exception):  # noqa: N818  (it never leaves this package)
    """A node does not hold what is expected: one of `kite.model.phrases`."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(expected)


class NotOneOf(Exception):  # noqa: N818  (likewise)
    """A node holds none of the words that are allowed."""

    def __init__(self, choices: Iterable[str]) -> None:
        self.choices = tuple(choices)
        super().__init__(*self.choices)


class TooLittle(Exception):  # noqa: N818  (likewise)
    """A node holds less than is needed."""

    def __init__(self, least: float) -> None:
        self.least = least
        super().__init__(least)


class Fields:
    """The keys of one mapping.

    Args:
        node: a mapping.
        mistakes: where mistakes go.
        path: how messages name the mapping: `restart.`; empty at the top.
    """

    def __init__(self, node: Node, mistakes: Mistakes, path: str = "") -> None:
        self.node = node
        self.mistakes = mistakes
        self.path = path
        self.known: list[str] = []
        self._lacking: list[tuple[tuple[str, ...], str, dict[str, str]]] = []

    def take(self, key: str) -> Node | None:
        """The key's node; the key is known from now on."""
        self.known.append(key)
        found: Node | None = self.node.value.get(key)
        return found

    def has(self, key: str) -> bool:
        """Whether the key is there (this does not make it known)."""
        return key in self.node.value

    def read(self, key: str, convert: Callable[[Node], T], default: T) -> T:
        """The key's value, or the default when it is missing or wrong."""
        node = self.take(key)
        return default if node is None else self.convert(key, node, convert, default)

    def convert(self, name: str, node: Node, convert: Callable[[Node], T], default: T) -> T:
        """A node's value, or the default when it is wrong."""
        try:
            return convert(node)
        except Wrong as wrong:
            self.wrong(name, node, wrong.expected)
        except NotOneOf as wrong:
            self.not_one_of(name, node, wrong.choices)
        except TooLittle as wrong:
            place, key = node.location, self.path + name
            self.mistakes.add("too_little", place, key=key, found=node.shown, least=wrong.least)
        except KiteError as error:
            self.mistakes.take(error, node.location)
        return default

    def list(self, key: str, convert: Callable[[Node], T], expected: str = LIST) -> list[T] | None:
        """The key's list, each item converted; None when there is none. Wrong items are left out."""
        node = self.take(key)
        if node is None:
            return None
        if not isinstance(node.value, list):
            self.wrong(key, node, expected)
            return None
        return self.items(key, node, convert)

    def items(self, key: str, node: Node, convert: Callable[[Node], T]) -> list[T]:  # type: ignore[valid-type]
        """The items of a sequence node, converted."""
        missing = object()
        values = (
            self.convert(f"{key}[{index}]", item, convert, missing)
            for index, item in enumerate(node.value)
        )
        return [value for value in values if value is not missing]

    def section(self, key: str, expected: str = MAPPING) -> Fields | None:
        """The key's mapping, to be read like this one; None when there is none."""
        node = self.take(key)
        if node is None:
            return None
        if not isinstance(node.value, dict):
            self.wrong(key, node, expected)
            return None
        return Fields(node, self.mistakes, f"{self.path}{key}.")

    def wrong(self, name: str, node: Node, expected: str) -> None:
        """Note that a node holds something else than expected."""
        self.mistakes.add(
            "wrong_value",
            node.location,
            key=self.path + name,
            found=node.shown,
            expected=expected,
        )

    def not_one_of(self, name: str, node: Node, choices: Collection[str]) -> None:
        """Note that a node holds none of the allowed words."""
        near = nearest(str(node.value), choices)
        self.mistakes.add(
            "not_one_of_near" if near else "not_one_of",
            node.location,
            key=self.path + name,
            found=node.shown,
            choices=", ".join(choices),
            nearest=near,
        )

    def missing(self, key: str) -> None:
        """Note that a key that is needed is not there."""
        self.lacks((key,), "missing_key", key=self.path + key)

    def lacks(self, keys: tuple[str, ...], code: str, **params: str) -> None:
        """Note that none of some keys is there, unless `finish` finds one of them misspelt."""
        self._lacking.append((keys, code, params))

    def finish(self) -> None:
        """Note every key that nobody asked for, and what is missing."""
        unknown = {
            key: nearest(key, self.known)
            for key in self.node.keys
            if key in self.node.value and key not in self.known and not key.startswith("x-")
        }
        meant = set(unknown.values())
        for keys, code, params in self._lacking:
            if meant.isdisjoint(keys):  # else one slip would be told twice
                self.mistakes.add(code, self.node.location, **params)
        for key, near in unknown.items():
            self.mistakes.add(
                "unknown_key_near" if near else "unknown_key",
                self.node.keys[key].location,
                key=self.path + key,
                nearest=near,
                known=", ".join(self.known),
            )


def nearest(word: str, choices: Collection[str]) -> str:
    """The choice that the word was probably meant to be, or nothing."""
    flat = {choice.replace("-", "_").lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.replace("-", "_").lower(), flat, 1, 0.6)
    return flat[found[0]] if found else ""
