"""The kinds of value that files hold: each takes a node and returns the value, or raises `Wrong`."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from kite.model import duration, phrases
from kite.model.fields import NotOneOf, TooLittle, Wrong
from kite.model.node import Node
from kite.wire.subject import check_pattern

E = TypeVar("E", bound=StrEnum)
N = TypeVar("N", int, float)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def text(node: Node) -> str:
    """Any text without NUL."""
    if not isinstance(node.value, str) or "\0" in node.value:
        raise Wrong(phrases.TEXT)
    return node.value


def filled(node: Node) -> str:
    """A text that is not empty."""
    if not isinstance(node.value, str) or not node.value.strip() or "\0" in node.value:
        raise Wrong(phrases.NON_EMPTY)
    return node.value


def filled_as(node: Node, expected: str) -> str:
    """A text that is not empty; `expected` says what it holds where it is none."""
    try:
        return filled(node)
    except Wrong:
        raise Wrong(expected) from None


def written(node: Node) -> str:
    """A text; a number counts as it is written (`1.10` stays `1.10`)."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.text
    return text(node)


def word(node: Node) -> str:
    """One word."""
    if not isinstance(node.value, str) or not node.value or node.value.split() != [node.value]:
        raise Wrong(phrases.WORD)
    return node.value


def name(node: Node) -> str:
    """A module's name."""
    if not isinstance(node.value, str) or not is_name(node.value):
        raise Wrong(phrases.NAME)
    return node.value


def is_name(candidate: str) -> bool:
    """Whether this can be a module's name."""
    return _NAME.fullmatch(candidate) is not None


def boolean(node: Node) -> bool:
    """`true` or `false`."""
    if not isinstance(node.value, bool):
        raise Wrong(phrases.BOOLEAN)
    return node.value


def whole(low: int, high: int, expected: str) -> Callable[[Node], int]:
    """A whole number between two bounds, both included."""

    def convert(node: Node) -> int:
        value = node.value
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Wrong(expected)
        return value

    return convert


count = whole(1, 10**9, phrases.COUNT)
count_or_zero = whole(0, 10**9, phrases.COUNT_OR_ZERO)
port_or_any = whole(0, 65535, phrases.PORT_OR_ANY)


def number(low: float, high: float, expected: str) -> Callable[[Node], float]:
    """A number above the lower bound (or equal, where that is not 0) and up to the upper."""

    def convert(node: Node) -> float:
        value = node.value
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not (low <= value <= high and value > 0)
        ):
            raise Wrong(expected)
        return float(value)

    return convert


def seconds(node: Node) -> float:
    """A duration, 0 or more."""
    found = duration.seconds(node.value)
    if found is None:
        raise Wrong(phrases.DURATION)
    return found


def some_seconds(node: Node) -> float:
    """A duration of more than 0."""
    found = duration.seconds(node.value)
    if not found:
        raise Wrong(phrases.POSITIVE_DURATION)
    return found


def size(node: Node) -> int:
    """A size in bytes, more than 0."""
    found = duration.size(node.value)
    if not found:
        raise Wrong(phrases.SIZE)
    return found


def any_size(node: Node) -> int:
    """A size in bytes; 0 is one."""
    found = duration.size(node.value)
    if found is None:
        raise Wrong(phrases.SIZE)
    return found


def at_least(least: float, convert: Callable[[Node], N]) -> Callable[[Node], N]:
    """What another kind reads, unless that is less."""

    def bounded(node: Node) -> N:
        value = convert(node)
        if value < least:
            raise TooLittle(least)
        return value

    return bounded


def one_of(enum: type[E]) -> Callable[[Node], E]:
    """One of the words of an enumeration."""

    def convert(node: Node) -> E:
        try:
            return enum(node.value)
        except (ValueError, TypeError):
            raise NotOneOf(enum) from None

    return convert


def pattern(node: Node) -> str:
    """A subject pattern."""
    return check_pattern(text(node))


def origin(node: Node) -> str:
    """What a browser sends as `Origin`."""
    parts = split_url(node.value) if isinstance(node.value, str) else None
    if parts is None or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise Wrong(phrases.ORIGIN)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def split_url(url: str) -> SplitResult | None:
    """The parts of an http or https URL with a host, or None when it is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (it is the property that raises)
        (parts.hostname or "").encode("idna")
    except ValueError:
        return None
    sound = parts.scheme in ("http", "https") and parts.hostname and url.split() == [url]
    return parts if sound else None


def regex(node: Node) -> str:
    """A regular expression of Python's `re`."""
    try:
        re.compile(filled(node))
    except (re.error, OverflowError, RecursionError):
        raise Wrong(phrases.REGEX) from None
    return filled(node)


def endpoint(node: Node, expanded: str) -> str:
    """A URL of any scheme that names a host, seen with its variables replaced."""
    try:
        parts = urlsplit(expanded)
    except ValueError:
        raise Wrong(phrases.ENDPOINT) from None
    if not parts.scheme or not parts.netloc or expanded.split() != [expanded]:
        raise Wrong(phrases.ENDPOINT)
    return text(node)
