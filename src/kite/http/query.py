"""The query of a request, read as a declared type: a struct whose fields are the parameters."""

from __future__ import annotations

import math
import re
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request

from kite.errors import RequestError

T = TypeVar("T")

_SHOWN: Final = 50
_PLACE: Final = re.compile(r"(?P<expected>.*?)(?:, got .*?)? - at `\$\.(?P<name>\w+)`", re.DOTALL)
_TICKS: Final = re.compile(r"`(\w+)(?: \| null)?`")


def read_query(request: Request, kind: type[T]) -> T:
    """The parameters that the type declares; others are ignored.

    Args:
        request: the request.
        kind: a struct; its fields are numbers, text and choices.

    Raises:
        RequestError: `bad_query` (422) with the name, what was expected and what was found.
    """
    known = _schema_of(kind)
    values: dict[str, str] = {}
    for name, text in request.query_params.multi_items():
        if name in values:
            raise _bad(name, "it is given twice")
        if name in known:
            values[name] = text
    try:
        found = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as wrong:
        place = _PLACE.fullmatch(str(wrong))
        if place is None:
            raise _bad(next(iter(values), ""), str(wrong)) from None
        name, expected = place["name"], _TICKS.sub(r"\1", place["expected"])
        if choices := known[name].get("enum"):
            expected = f"expected one of {', '.join(choices)}"
        raise _not_that(name, expected, values) from None
    for name in values:
        value = getattr(found, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise _not_that(name, "expected a finite number", values)
    return found


_SCHEMAS: Final[dict[type[Any], dict[str, Any]]] = {}


def _schema_of(kind: type[Any]) -> dict[str, Any]:
    """The schemas of the parameters, by name."""
    if kind not in _SCHEMAS:
        _, components = msgspec.json.schema_components([kind])
        _SCHEMAS[kind] = components[kind.__name__]["properties"]
    return _SCHEMAS[kind]


def _not_that(name: str, expected: str, values: dict[str, str]) -> RequestError:
    return _bad(name, f"{expected[:1].lower()}{expected[1:]}, got '{values[name][:_SHOWN]}'")


def _bad(name: str, detail: str) -> RequestError:
    return RequestError("bad_query", name=name[:_SHOWN], detail=detail)
