"""An interface as an OpenAPI 3.1 document.

What a request may hold comes from the types that the routes read it with, and what stands in an
answer from the schemas in `protocol/schemas`: the document says nothing that is said nowhere else.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec

from kite.errors import ERRORS_FILE, error_kinds
from kite.http.interface import Answer, Interface, Operation, Shape
from kite.http.problem import MEDIA_TYPE

VERSION: Final = "3.1.0"
CONTRACT: Final = "1"
"""The version of the contract that an interface keeps; `/health` tells that of Kite."""

Json = dict[str, Any]

HEADERS: Final[Json] = {
    "Kite-Epoch": "the life of the Registry that the answer is of",
    "Kite-Revision": "the state that the answer is of: `GET /watch?since=` goes on from there",
    "Retry-After": "seconds after which the same call may succeed",
    "WWW-Authenticate": "`Bearer`: a token is needed",
    "Upgrade": "`websocket`: what the connection is to become",
}
_REFUSED_WITH: Final = {401: "WWW-Authenticate", 426: "Upgrade", 503: "Retry-After"}
_SCHEMAS: Final = ERRORS_FILE.parent / "schemas"
_COMPONENT: Final = "#/components/schemas/{name}"
_URN: Final = re.compile(r"urn:kite:schema:([a-z0-9-]+):\d+(#.*)?")
_ARGUMENT: Final = re.compile(r"^    (\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def document(interface: Interface) -> Json:
    """The whole document, the same for the same interface."""
    schemas = _Schemas()
    paths: Json = {}
    for operation in interface.operations:
        codes = interface.codes_of(operation)
        made = _operation(operation, codes, schemas)
        paths.setdefault(operation.path.replace(":path}", "}"), {})[operation.method.lower()] = made
    made = {
        "openapi": VERSION,
        "info": {
            "title": interface.title,
            "description": interface.description,
            "version": CONTRACT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "http://127.0.0.1:{port}",
                "description": "this machine only; each run has its own port",
                "variables": {"port": {"default": "0", "description": _PORTS[interface.name]}},
            }
        ],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.found.items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "the token of a boot line, or the operator's in `api.json`",
                }
            },
        },
    }
    return _as_json(made)


_PORTS: Final = {
    "registry": "`KITE_REGISTRY_PORT`, or `registry_port` in `api.json`",
    "launcher": "that of `url` in `api.json`",
    "event_hub": "that of `ws_endpoint` in `api.json`",
}


def _operation(operation: Operation, codes: Iterable[str], schemas: _Schemas) -> Json:
    for_whom = "For anybody." if operation.is_open else f"For: {', '.join(operation.who)}."
    made: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.more} {for_whom}".strip(),
        "x-kite-who": list(operation.who),
    }
    if operation.is_open:
        made["security"] = []
    if parameters := [*_in_path(operation), *_in_query(operation, schemas)]:
        made["parameters"] = parameters
    if operation.body is not None:
        made["requestBody"] = {
            "required": not operation.is_body_optional,
            "content": {"application/json": {"schema": schemas.reference(operation.body)}},
        }
    answers = {str(each.status): _answer(each, schemas) for each in operation.answers}
    made["responses"] = answers | _refusals(codes, schemas)
    return made


def _in_path(operation: Operation) -> Iterable[Json]:
    for name in re.findall(r"\{(\w+)(?::\w+)?\}", operation.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": operation.parameters[name],
            "schema": {"type": "string", "minLength": 1},
        }


def _in_query(operation: Operation, schemas: _Schemas) -> Iterable[Json]:
    if operation.free_query:
        yield {
            "name": "fields",
            "in": "query",
            "description": operation.free_query,
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": True},
        }
    if operation.query is None:
        return
    for name, schema in schemas.of_type(operation.query)["properties"].items():
        told = dict(schema)
        about = told.pop("description")
        yield {"name": name, "in": "query", "description": about, "schema": told}


def _answer(answer: Answer, schemas: _Schemas) -> Json:
    content: Json = {}
    if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
        found: Json = {} if answer.media_type == "application/json" else {"type": "string"}
        if answer.shape is not None:
            found = schemas.reference(answer.shape)
        content = {answer.media_type: {"schema": found}}
    made: Json = {"description": answer.what}
    if answer.headers:
        made["headers"] = {name: _header(name) for name in answer.headers}
    if content:
        made["content"] = content
    return made


def _refusals(codes: Iterable[str], schemas: _Schemas) -> Json:
    """By status, what says so: a problem document whose code is one of these."""
    kinds = error_kinds()
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(kinds[code].status, []).append(code)
    made: Json = {}
    for status, listed in sorted(by_status.items()):
        about = "; ".join(f"`{code}`: {_plain(kinds[code].message)}" for code in listed)
        schema = {
            "allOf": [schemas.reference("problem")],
            "properties": {"code": {"enum": listed}, "status": {"const": status}},
        }
        made[str(status)] = {"description": about, "content": {MEDIA_TYPE: {"schema": schema}}}
        if name := _REFUSED_WITH.get(status):
            made[str(status)]["headers"] = {name: _header(name)}
    return made


def _header(name: str) -> Json:
    return {"description": HEADERS[name], "required": True, "schema": {"type": "string"}}


def _plain(template: str) -> str:
    """A message without its braces: `{module}` is the module."""
    return re.sub(r"\{+(\w+)(?::\w+)?\}+", r"<\1>", template)


class _Schemas:
    """The components of a document, each put in when it is first meant."""

    def __init__(self) -> None:
        self.found: Json = {}

    def reference(self, shape: Shape) -> Json:
        """The schema, as a reference where it has a name."""
        if isinstance(shape, str):
            self._take(shape)
            return {"$ref": _COMPONENT.format(name=shape)}
        (schema,), components = msgspec.json.schema_components([shape], ref_template=_COMPONENT)
        self.found |= {name: _told(shape, each) for name, each in components.items()}
        return schema

    def of_type(self, kind: type[Any]) -> Json:
        """The schema of a struct, which is put nowhere."""
        return schema_of(kind)

    def _take(self, name: str) -> None:
        if name in self.found:
            return
        schema = json.loads((_SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        self.found[name] = {}  # it may mean itself
        del schema["$schema"], schema["$id"]
        self.found[name] = self._rebased(schema, name)

    def _rebased(self, node: Any, name: str) -> Any:
        """The same with references that lead to places in this document."""
        if isinstance(node, list):
            return [self._rebased(each, name) for each in node]
        if not isinstance(node, dict):
            return node
        made = {key: self._rebased(value, name) for key, value in node.items()}
        if isinstance(target := node.get("$ref"), str):
            if found := _URN.fullmatch(target):
                self._take(found[1])
                target = _COMPONENT.format(name=found[1]) + (found[2] or "").removeprefix("#")
            elif target.startswith("#"):
                target = _COMPONENT.format(name=name) + target[1:]
            made["$ref"] = target
        return made


def schema_of(kind: type[Any]) -> Json:
    """The JSON Schema of a struct; what its docstring says of its fields is in it."""
    _, components = msgspec.json.schema_components([kind])
    return _as_json(_told(kind, components[kind.__name__]))


def _as_json(value: Json) -> Json:
    """The same as it is read from JSON: defaults of types may be tuples."""
    return msgspec.json.decode(msgspec.json.encode(value), type=dict[str, Any])


def _told(kind: type[Any], schema: Json) -> Json:
    """The schema with the docstring's words where they belong."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        found = _ARGUMENT.findall(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        said |= {name: " ".join(text.split()).removesuffix(".") for name, text in found}
    about = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
    made = {**schema, "description": " ".join(about.split())}
    made["properties"] = {
        name: ({"description": said[name]} if name in said else {}) | each
        for name, each in schema["properties"].items()
    }
    return made
