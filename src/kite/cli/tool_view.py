"""A tool as people read it: what it takes in one line. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_MANY = 3
"""So many kinds or values are named; what has more of them is shortened."""


def takes(schema: Any) -> str:
    """What a tool takes: `query: string, limit: integer = 10`; a name in `[]` may be left out."""
    if not isinstance(schema, Mapping):
        return ""
    fields = schema.get("properties")
    if not isinstance(fields, Mapping):
        return "" if schema.get("type") == "object" else kind(schema)
    needed = schema.get("required")
    needed = needed if isinstance(needed, list) else []
    return ", ".join(
        _field(str(name), field, is_needed=name in needed)
        for name, field in sorted(fields.items(), key=lambda item: item[0] not in needed)
    )


def kind(schema: Any) -> str:
    """What values a schema is for, in a few words."""
    if not isinstance(schema, Mapping):
        return "any"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if isinstance(values := schema.get("enum"), list):
        return _some([json.dumps(value, ensure_ascii=False) for value in values])
    if isinstance(choices := schema.get("anyOf", schema.get("oneOf")), list):
        return _some(list(dict.fromkeys(kind(each) for each in choices)))
    if schema.get("type") == "array" and "items" in schema:
        return f"{kind(schema['items'])}[]"
    found = schema.get("type", "any")
    return _some([str(each) for each in (found if isinstance(found, list) else [found])])


def _field(name: str, schema: Any, *, is_needed: bool) -> str:
    shown = name if is_needed else f"[{name}]"
    words = kind(schema)
    default = schema.get("default") if isinstance(schema, Mapping) else None
    if default is None and not is_needed:
        words = words.removesuffix(" | null")  # that is what leaving it out means
    # What is empty, zero or false is what one would guess.
    ending = f" = {json.dumps(default, ensure_ascii=False)}" if default else ""
    return f"{shown}: {words}{ending}"


def _some(words: list[str]) -> str:
    return " | ".join(words if len(words) <= _MANY else [*words[:_MANY], "…"])


def page(tool: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[str]:
    """Everything about one tool, in lines.

    Args:
        tool: as `GET /tools` shows it.
        words: what `module_id`, `subject`, `input_schema` and `output_schema` are called.
    """
    yield str(tool["name"])
    if tool.get("description"):
        yield f"  {tool['description']}"
    for key in ("module_id", "subject"):
        if tool.get(key) is not None:
            yield f"  {words[key]}: {tool[key]}"
    for key in ("input_schema", "output_schema"):
        if tool.get(key) is not None:
            yield f"  {words[key]}:"
            text = json.dumps(tool[key], ensure_ascii=False, indent=2)
            yield from (f"    {line}" for line in text.splitlines())
