"""The documents of the interfaces: valid, current, and of the very routes that there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import INTERFACES, PROTOCOL, documents
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.requests import Request

from kite.errors import RequestError, error_kinds
from kite.event_hub.service import PATHS
from kite.http.body import parse_json
from kite.http.openapi import document, schema_of
from kite.http.query import read_query
from kite.launcher.requests import (
    STATES,
    Asked,
    RestartAsked,
    SettledQuery,
    StateBody,
    WaitQuery,
    WatchBody,
)
from kite.launcher.routes import launcher_application
from kite.registry.core.posted import parse_posted
from kite.registry.core.registration import ACTIONS, ModulesRequest
from kite.registry.requests import DigestsQuery, SessionRequest, VerifyRequest, WatchQuery
from kite.registry.routes import registry_app

NAMES = list(INTERFACES)


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_what_is_kept_is_what_the_types_say(path: Any) -> None:
    assert path.read_text("utf-8") == documents()[path], "it is stale: run ./dev spec"


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_openapi_3_1(name: str) -> None:
    OpenAPIV31SpecValidator(document(INTERFACES[name])).validate()


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_one_and_every_reference_leads_somewhere(name: str) -> None:
    made = document(INTERFACES[name])
    for schema in made["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    targets = list(references(made))
    assert targets
    for target in targets:
        place: Any = made
        for key in target.removeprefix("#/").split("/"):
            place = place[key]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


# -- routes and rows ----------------------------------------------------------------------------


def applications() -> dict[str, Starlette]:
    nothing: Any = SimpleNamespace()
    around = SimpleNamespace(trail=None, authority=None, registry=SimpleNamespace(ports=()))
    catalog = SimpleNamespace(project=SimpleNamespace(hub={}))
    launcher: Any = SimpleNamespace(around=around, catalog=catalog)
    registry: Any = SimpleNamespace(authenticate=None, ports=(), config=SimpleNamespace(origins=()))
    return {
        "launcher": launcher_application(launcher, nothing, port=1, ws_endpoint="ws://x/ws"),
        "registry": registry_app(registry, nothing, port=1),
    }


def routes(name: str) -> set[tuple[str, str]]:
    """Every method of every path that is served."""
    if name == "event_hub":
        return {(method, path) for path, methods in PATHS.items() for method in methods}
    found = cast("Any", applications()[name].routes)
    return {(method, route.path) for route in found for method in route.methods}


@pytest.mark.parametrize("name", NAMES)
def test_each_route_has_its_row_and_each_row_its_route(name: str) -> None:
    served = {each for each in routes(name) if each[0] != "HEAD"}
    rows = [(each.method, each.path) for each in INTERFACES[name].operations]
    assert set(rows) == served, "a new route needs a row in interface.py"
    assert len(rows) == len(set(rows))
    names = [each.id for each in INTERFACES[name].operations]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_one(name: str) -> None:
    interface = INTERFACES[name]
    for operation in interface.operations:
        assert set(interface.codes_of(operation)) <= set(error_kinds())


# -- what a type allows, and what is read -------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70) | st.sampled_from([0.5, -1.5, 61.25, 4000.5])
    | st.sampled_from(["", "a", "alpha", "a.b", "a..b", "a.>", ">.a", "*", "A", "é", "\x01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)  # fmt: skip
TOKENS = st.sampled_from(["ab" * 32, "cd" * 32, "AB" * 32, "ab"])
GOOD: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    ModulesRequest: {
        "action": st.sampled_from([*ACTIONS, "dance"]),
        "module_id": st.sampled_from(["alpha", "a" * 64, "a" * 65, "Alpha", "-a"]),
        "life": st.integers(-1, 3),
        "ttl": st.sampled_from([0, 0.1, -1, 30, 1e9]),
        "metadata": st.dictionaries(st.sampled_from("ab"), JSON),
        "tools": st.lists(JSON, max_size=2),
        "unless_own": st.booleans(),
    },
    SessionRequest: {
        "publish": st.lists(st.sampled_from(["a", "a.>", "a..b", ">.a", "\x01"]), max_size=2),
        "ttl": st.sampled_from([0, 0.5, 3600, 3600.5]),
    },
    VerifyRequest: {"token": TOKENS},
    Asked: {"reason": st.sampled_from(["x", "x" * 1001, ""]), "life": st.none()},
    RestartAsked: {"life": st.integers(-1, 3), "rolling": st.booleans()},
    StateBody: {"state": st.sampled_from([*STATES, "off"])},
    WatchBody: {"delay": st.sampled_from([0, 60, 60.5, -1]), "paths": st.lists(TOKENS)},
}

BASES: dict[type[Any], dict[str, Any]] = {
    ModulesRequest: {"action": "heartbeat", "module_id": "alpha"},
    VerifyRequest: {"token": "ab" * 32},
    StateBody: {"state": "manual"},
}


@cache
def validator(kind: type[Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(kind))


def is_read(kind: type[Any], value: Any) -> bool:
    """Whether the route takes it, as far as the form goes."""
    body: Any = None

    def read() -> None:
        nonlocal body
        body = parse_json(json.dumps(value).encode(), kind)
        if isinstance(body, ModulesRequest | SessionRequest):
            body.check()

    if (error := refusal(read)) is not None:
        assert error.code == "malformed_body"
        assert error.params["place"].startswith("$")
        return False
    # These two are refused with codes of their own.
    if isinstance(body, StateBody):
        return body.state in STATES
    return not (type(body) is Asked and body.life is not None)


def refusal(read: Callable[[], object]) -> RequestError | None:
    try:
        read()
    except RequestError as refused:
        return refused
    return None


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_schema_allows_what_is_read_and_nothing_else(kind: type[Any], data: Any) -> None:
    """Of bodies of any form: endpoints apart, which have to be URLs."""
    fields = st.sampled_from(sorted(GOOD[kind])).flatmap(
        lambda name: GOOD[kind][name].map(lambda value: {name: value})
    )
    likely = st.builds(
        lambda one, other: BASES.get(kind, {}) | one | other, fields, fields | st.just({})
    )
    odd = st.dictionaries(
        st.sampled_from([*kind.__struct_fields__, "unknown"]).filter(
            lambda name: "endpoint" not in name
        ),
        JSON,
        max_size=2,
    )
    value = data.draw(st.builds(lambda one, other: one | other, likely, odd) | likely | JSON)
    assert validator(kind).is_valid(value) is is_read(kind, value), value


@given(
    st.dictionaries(
        st.sampled_from(["alpha", "beta", "Beta", ""]),
        st.none()
        | TOKENS
        | st.lists(st.fixed_dictionaries({"token": TOKENS}), max_size=2)
        | st.fixed_dictionaries(
            {},
            optional={
                "token": TOKENS,
                "publish": JSON,
                "subscribe": st.lists(st.sampled_from(["a.>", ">.a"]), max_size=2),
                "scopes": JSON,
                "life": JSON,
                "replica": JSON,
            },
        )
        | JSON,
        max_size=2,
    )
)
def test_the_schema_of_tokens_allows_what_is_read(body: dict[str, Any]) -> None:
    schema = json.loads((PROTOCOL / "schemas/registry-tokens.schema.json").read_text("utf-8"))
    error = refusal(lambda: parse_posted(body))
    if error is None or "is given to" not in error.params["detail"]:  # which no schema can say
        assert jsonschema.Draft202012Validator(schema).is_valid(body) is (error is None), error


# -- queries ------------------------------------------------------------------------------------


def query(text: str) -> Request:
    return Request({"type": "http", "query_string": text.encode(), "headers": []})


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (DigestsQuery, "", DigestsQuery()),
        (DigestsQuery, "revision=-1&wait=0.25&epoch=e", DigestsQuery(epoch="e", wait=0.25)),
        (DigestsQuery, "unknown=1&unknown=2", DigestsQuery()),
        (WatchQuery, "since=0&prefix=null", WatchQuery(since=0, prefix="null")),
        (WaitQuery, "wait=true", WaitQuery(wait="true")),
        (SettledQuery, "wait=600.0", SettledQuery(wait=600.0)),
    ],
)
def test_a_query_is_read(kind: type[Any], text: str, expected: msgspec.Struct) -> None:
    assert read_query(query(text), kind) == expected


@pytest.mark.parametrize(
    ("kind", "text", "name", "detail"),
    [
        (WatchQuery, "since=null", "since", "expected int, got 'null'"),
        (WatchQuery, "since=", "since", "expected int, got ''"),
        (WatchQuery, "since=1.5", "since", "expected int, got '1.5'"),
        (WatchQuery, "since=-1", "since", "expected int >= 0, got '-1'"),
        (WatchQuery, "since=" + "9" * 90, "since", None),
        (WatchQuery, "prefix=a&prefix=b", "prefix", "it is given twice"),
        (SettledQuery, "wait=nan", "wait", "expected float >= 0.0, got 'nan'"),
        (SettledQuery, "wait=inf", "wait", "expected a finite number, got 'inf'"),
        (SettledQuery, "wait=-1", "wait", "expected float >= 0.0, got '-1'"),
        (SettledQuery, "wait=soon", "wait", "expected float, got 'soon'"),
        (WaitQuery, "wait=yes", "wait", "expected one of 0, 1, false, true, got 'yes'"),
    ],
)
def test_a_query_that_is_wrong_is_named(
    kind: type[Any], text: str, name: str, detail: str | None
) -> None:
    with pytest.raises(RequestError) as refused:
        read_query(query(text), kind)
    assert (refused.value.code, refused.value.params["name"]) == ("bad_query", name)
    assert len(refused.value.params["detail"]) < 120
    assert detail in (None, refused.value.params["detail"])
