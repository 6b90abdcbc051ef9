"""Tools: what a module offers to be called, as it stands in `tools` of its registration. Pure.

An element with a `subject` can be called and is checked; any other value is information, kept as it
is, and shown where it has a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kite.errors import RequestError
from kite.wire.limits import MAX_SUBJECT_BYTES
from kite.wire.subject import subject_problem

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
"""What a tool that can be called may be named."""

_SCHEMA: Final = {"type": ["object", "boolean", "null"]}
TOOL_SCHEMA: Final[dict[str, Any]] = {
    "if": {
        "type": "object",
        "required": ["subject"],
        "properties": {"subject": {"not": {"type": "null"}}},
    },
    "then": {
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "pattern": f"^{NAME.pattern}$"},
            "subject": {
                "type": "string",
                "maxLength": MAX_SUBJECT_BYTES,
                "pattern": r"^[^\s.*>\u0000-\u001f\u007f-\u009f]+(?:\.[^\s.*>\u0000-\u001f\u007f-\u009f]+)*$",
            },
            "description": {"type": ["string", "null"]},
            "input_schema": _SCHEMA,
            "output_schema": _SCHEMA,
        },
    },
}
"""What `tools_problem` looks at, as a JSON Schema of one element; but for names that stand twice."""

_SHOWN: Final = 100
_SCHEMAS: Final = ("input_schema", "output_schema")


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool of one module.

    Args:
        module_id: who offers it.
        name: unique in its module.
        description: what it does, for people and models.
        input_schema: JSON Schema of the data that it takes; None: not told.
        output_schema: JSON Schema of what it answers; None: not told.
        subject: where requests for it are published; None: it cannot be called through the Hub.
    """

    module_id: str
    name: str
    description: str | None = None
    input_schema: dict[str, Any] | bool | None = None
    output_schema: dict[str, Any] | bool | None = None
    subject: str | None = None

    @property
    def full_name(self) -> str:
        """The name that no other module's tool has."""
        return f"{self.module_id}/{self.name}"


def tools_problem(tools: Iterable[Any]) -> tuple[str, str] | None:
    """Where in a registration's `tools` a mistake stands (`[2].subject`) and which; None: nowhere."""
    named: set[str] = set()
    for position, tool in enumerate(tools):
        if not isinstance(tool, dict) or tool.get("subject") is None:
            continue
        for place, problem in _problems(tool):
            return f"[{position}]{place}", problem
        if tool["name"] in named:
            return f"[{position}].name", f"'{tool['name']}' is the name of an earlier one, too"
        named.add(tool["name"])
    return None


def offered(record: Mapping[str, Any]) -> Iterator[Tool]:
    """The tools of a module's record that have a name; a text is the name of one that is not told
    more about."""
    for tool in record.get("tools") or ():
        said = {"name": tool} if isinstance(tool, str) else tool
        if not isinstance(said, dict) or not isinstance(said.get("name"), str):
            continue
        yield Tool(
            module_id=str(record["module_id"]),
            name=said["name"],
            description=_if(str, said.get("description")),
            input_schema=_if(dict | bool, said.get("input_schema")),
            output_schema=_if(dict | bool, said.get("output_schema")),
            subject=_if(str, said.get("subject")),
        )


def chosen(tools: Iterable[Tool], name: str) -> Tool:
    """The tool that is meant by a name, or by `module/name`.

    Raises:
        RequestError: `tool_unknown`; `tool_ambiguous` where several modules offer it under
            different subjects; `tool_not_callable`.
    """
    found = [tool for tool in tools if name in (tool.name, tool.full_name)]
    callable_ones = [tool for tool in found if tool.subject is not None]
    if not found:
        raise RequestError("tool_unknown", tool=name[:_SHOWN])
    if not callable_ones:
        raise RequestError("tool_not_callable", tool=name, module=found[0].module_id)
    if len({tool.subject for tool in callable_ones}) > 1:
        names = ", ".join(sorted(tool.full_name for tool in callable_ones))
        raise RequestError("tool_ambiguous", tool=name, names=names)
    return callable_ones[0]


def _problems(tool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, subject = tool.get("name"), tool["subject"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield ".name", f"expected {NAME.pattern}, got {_shown(name)}"
    if not isinstance(subject, str):
        yield ".subject", f"expected a subject, got {_shown(subject)}"
    elif problem := subject_problem(subject):
        yield ".subject", f"subject '{subject[:_SHOWN]}' is invalid: {problem}"
    if not isinstance(tool.get("description"), str | None):
        yield ".description", f"expected a string, got {_shown(tool['description'])}"
    for key in _SCHEMAS:
        if not isinstance(tool.get(key), dict | bool | None):
            yield f".{key}", f"expected a JSON Schema (an object), got {_shown(tool[key])}"


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:_SHOWN]


def _if(kind: Any, value: Any) -> Any:
    return value if isinstance(value, kind) else None
