"""The JSON schemas of `protocol/schemas`, applied to what really travels."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import referencing

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"
SCHEMAS = PROTOCOL / "schemas"

used = set()
"""The names of the schemas that this run has applied to real data."""


@cache
def _registry():
    registry = referencing.Registry()
    for path in SCHEMAS.glob("*.schema.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        resource = referencing.Resource.from_contents(schema)
        registry = registry.with_resource(schema["$id"], resource)
    return registry


@cache
def _validator(name):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, registry=_registry())


def problems(name, value):
    """What a schema says against a value, as sentences; empty when it fits."""
    used.add(name)
    return [
        f"{name}: {error.json_path}: {error.message}"
        for error in _validator(name).iter_errors(value)
    ]


def fits(name, value):
    """Assert that the value has the shape; return it."""
    found = problems(name, value)
    assert not found, f"{found} in {value!r}"
    return value


@cache
def error_codes():
    """`protocol/errors.json`: code to status, exit, message, hint."""
    return json.loads((PROTOCOL / "errors.json").read_text(encoding="utf-8"))


def vectors(name):
    """`protocol/vectors/<name>.json`."""
    return json.loads((PROTOCOL / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


def limits():
    return json.loads((PROTOCOL / "limits.json").read_text(encoding="utf-8"))


def states():
    return json.loads((PROTOCOL / "states.json").read_text(encoding="utf-8"))


def refusal(response, status, code=None):
    """Assert that an HTTP answer is a problem document of ours with this status (and code)."""
    assert response.status == status, response
    assert response.headers["content-type"].split(";")[0] == "application/problem+json", response
    document = fits("problem", response.json())
    assert document["status"] == status
    assert document["code"] in error_codes(), f"{document['code']} is not in errors.json"
    if code is not None:
        assert document["code"] == code, response
    if status == 503 and document["code"] == "not_ready":
        assert "retry-after" in response.headers, response
    return document
