"""What `kite call` sends: JSON, or fields one by one. Pure but for standard input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kite.errors import ConfigError
from kite.wire.tool import Tool

_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)


def input_of(tool: Tool, given: Sequence[str]) -> str:
    """The JSON text that these arguments mean: none of them is an object without fields.

    Raises:
        ConfigError: `not_json`, `data_not_utf8`, `bad_field`, `field_twice`.
    """
    from kite.cli.hub.payload import from_argument, json_of

    if len(given) == 1 and not _FIELD.fullmatch(given[0]):
        text = from_argument(given[0]) or ""
        return bytes(json_of(text)).decode()
    fields: dict[str, Any] = {}
    for each in given:
        found = _FIELD.fullmatch(each)
        if found is None:
            raise ConfigError("bad_field", value=each[:80])
        name, text = found.groups()
        if name in fields:
            raise ConfigError("field_twice", name=name)
        fields[name] = text if _is_text(tool.input_schema, name) else _value(text)
    return json.dumps(fields, ensure_ascii=False)


def _is_text(schema: Any, name: str) -> bool:
    """Whether the tool takes text there, and text alone."""
    fields = schema.get("properties") if isinstance(schema, Mapping) else None
    field = fields.get(name) if isinstance(fields, Mapping) else None
    return isinstance(field, Mapping) and field.get("type") == "string"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
