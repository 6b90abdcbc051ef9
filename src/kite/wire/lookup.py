"""Finding things in records: dotted paths, and globs on what a dotted field holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kite.errors import RequestError


def resolve(value: Any, path: Sequence[str]) -> Any:
    """What stands at a path: keys of objects and positions of lists.

    A key may itself hold dots (subjects in `events_publish` do): the shortest key that leads to
    something wins.

    Raises:
        RequestError: `not_found`.
    """
    found = value
    for key in path:  # as most paths are: objects within objects, and no dots in their keys
        if not isinstance(found, dict) or key not in found:
            break
        found = found[key]
    else:
        return found
    for found in _walk(value, list(path), every=False):
        return found
    raise RequestError("not_found", path=".".join(path))


def field_matches(record: Mapping[str, Any], field: str, glob: re.Pattern[str]) -> bool:
    """Whether a dotted field of the record matches; on a list any element may, on an object any
    key, and on the way to the field any element of a list is looked into."""
    found = _walk(record, field.split("."), every=True)
    return any(_value_matches(value, glob) for value in found)


def matching(records: Iterable[Mapping[str, Any]], query: Iterable[tuple[str, str]]) -> list[Any]:
    """The records that match every (field, glob), in their order."""
    wanted = [(field, compile_glob(glob)) for field, glob in query]
    return [record for record in records if all(field_matches(record, *each) for each in wanted)]


def compile_glob(glob: str) -> re.Pattern[str]:
    """A glob as a pattern for `fullmatch`: `*` is any run of characters, `?` any one of them, and
    everything else itself.

    Each part between stars is matched as early as possible and never again (an atomic group), so
    that a hostile glob costs no more than a kind one.
    """
    first, *rest = ["".join("." if c == "?" else re.escape(c) for c in p) for p in _parts(glob)]
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    body = "".join(f"(?>.*?{part})" for part in middle if part)
    return re.compile(f"{first}{body}.*{last}", re.DOTALL)


def _parts(glob: str) -> list[str]:
    return re.sub(r"\*+", "*", glob).split("*")


def _value_matches(value: Any, glob: re.Pattern[str]) -> bool:
    if isinstance(value, Mapping | list):
        return any(_value_matches(each, glob) for each in value)
    return glob.fullmatch(_text(value)) is not None


def _text(value: Any) -> str:
    """A value as it is written in JSON, strings without their quotes."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _walk(value: Any, path: list[str], *, every: bool) -> Iterator[Any]:
    """All values that the path leads to; with `every` a list may be entered without a position."""
    if not path:
        yield value
    elif isinstance(value, Mapping):
        for length in range(1, len(path) + 1):
            key = ".".join(path[:length])
            if key in value:
                yield from _walk(value[key], path[length:], every=every)
    elif isinstance(value, list):
        position = path[0]
        if position.isascii() and position.isdigit() and len(position) <= 9:
            if int(position) < len(value):
                yield from _walk(value[int(position)], path[1:], every=every)
        elif every:
            for each in value:
                yield from _walk(each, path, every=every)
