"""A function that others may call by name: its parameters are what it takes, as a JSON Schema.

@module.tool()
async def search(query: str, limit: int = 10) -> list[str]:
    "Find documents."
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from kite.errors import ModuleError, RequestError
from kite.sdk.declaration import check_runs
from kite.sdk.event import Request
from kite.wire.tool import NAME

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Tool:
    """One tool of this module.

    Args:
        function: the author's; its parameters have names, and types that JSON has. One of type
            `Request` gets the request itself.
        name: default: the function's.
        description: default: the first paragraph of the function's docstring.
        subject: where it is called; None: `<module>.<name>`.

    Raises:
        ModuleError: `tool_signature`, `handler_is_generator`.
        ValueError: a name that no tool may have.
    """

    def __init__(
        self,
        function: Callable[..., Awaitable[Any] | Any],
        *,
        name: str | None = None,
        description: str | None = None,
        subject: str | None = None,
    ) -> None:
        self.name = function.__name__ if name is None else name
        if not NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name is {NAME.pattern}, not {self.name!r}")
        check_runs(function, f"the tool {self.name}")
        self._function = function
        self._subject = subject
        self._description = _summary(function) if description is None else description
        hints = _hints(function)
        self._wants_request, self._input = _input(function, hints)
        self._input_schema = _schema(self._input, function)
        returns = hints.get("return", Any)
        self._output_schema = None if returns is Any else _schema(returns, function)

    def subject(self, module: str) -> str:
        """Where it is called in a module of this name."""
        return self._subject or f"{module}.{self.name}"

    def record(self, module: str) -> dict[str, Any]:
        """What is registered of it; see `kite.wire.tool`."""
        said = {
            "name": self.name,
            "description": self._description,
            "input_schema": self._input_schema,
            "output_schema": self._output_schema,
            "subject": self.subject(module),
        }
        return {key: value for key, value in said.items() if value is not None}

    def __call__(self, request: Request) -> Awaitable[Any] | Any:
        """Call the function with what the request holds.

        Raises:
            RequestError: `invalid_input`.
        """
        data = {} if request.data is None else request.data
        try:
            taken = msgspec.convert(data, self._input)
        except msgspec.ValidationError as wrong:
            raise RequestError("invalid_input", tool=self.name, detail=str(wrong)) from None
        arguments = {field: getattr(taken, field) for field in taken.__struct_fields__}
        for parameter in self._wants_request:
            arguments[parameter] = request
        return self._function(**arguments)


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as wrong:  # noqa: BLE001  (whatever an annotation evaluates to)
        raise _unfit(function, f"{type(wrong).__name__}: {wrong}") from None


def _input(
    function: Callable[..., Any], hints: Mapping[str, Any]
) -> tuple[list[str], type[msgspec.Struct]]:
    """Which parameters get the request, and the others as a struct."""
    requests: list[str] = []
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _NAMED:
            raise _unfit(function, f"'{parameter}' has no name of its own")
        kind = hints.get(parameter.name, Any)
        if kind is Request:
            requests.append(parameter.name)
        elif parameter.default is parameter.empty:
            fields.append((parameter.name, kind))
        else:
            fields.append((parameter.name, kind, _default(parameter.default)))
    try:
        struct = msgspec.defstruct(
            function.__name__, fields, kw_only=True, forbid_unknown_fields=True
        )
    except (TypeError, ValueError) as wrong:
        raise _unfit(function, str(wrong)) from None
    return requests, struct


def _default(value: Any) -> Any:
    """A default as a field has it: lists and the like are made anew for each call."""
    if isinstance(value, list | dict | set | bytearray):
        return msgspec.field(default_factory=value.copy)
    return value


def _schema(kind: Any, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        schema = msgspec.json.schema(kind)
    except (TypeError, ValueError) as wrong:
        raise _unfit(function, str(wrong)) from None
    # What stands for the whole is said where the schema begins, not behind a reference.
    components = schema.get("$defs", {})
    reference = schema.pop("$ref", None)
    if reference is None:
        return schema
    name = reference.removeprefix("#/$defs/")
    if f'"{reference}"' in msgspec.json.encode(components).decode():
        return {"$ref": reference, **schema}  # it holds itself
    whole = {**components.pop(name)}
    whole.pop("title", None)
    return whole | ({"$defs": components} if components else {})


def _summary(function: Callable[..., Any]) -> str | None:
    text = inspect.getdoc(function)
    return " ".join(text.split("\n\n")[0].split()) if text else None


def _unfit(function: Callable[..., Any], detail: str) -> ModuleError:
    name = getattr(function, "__qualname__", repr(function))
    return ModuleError("tool_signature", function=name, detail=detail)
