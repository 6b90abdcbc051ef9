"""Whatever is malformed, expired, oversized, forged, replayed or out of order is refused by the Registry
with its code and its place, and leaves everything as it was."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asking import Case, ask, problems, untested
from kept import INTERFACES

from kite.registry.core.tokens import MAX_SESSIONS
from kite.testing.registry import RegistryProcess

REGISTRY = INTERFACES["registry"]
LARGE = b'{"x": "' + b"y" * (1 << 20) + b'"}'
ALPHA = {"action": "register", "module_id": "alpha"}


def post(why: str, code: str, body: Any, **more: Any) -> Case:
    return Case(why=why, asks="POST /modules", code=code, body=body, **{"who": "alpha", **more})


def told(why: str, body: Any, place: str, says: str = "", **more: Any) -> Case:
    wished = {"who": "kite", "code": "malformed_body", "place": place, "says": says, **more}
    return Case(why=why, asks="POST /tokens", body=body, **wished)


def bad(why: str, body: Any, place: str, says: str = "") -> Case:
    return post(why, "malformed_body", body, place=place, says=says)


MALFORMED = [
    bad("no JSON", b"{", "$", "truncated"),
    bad("empty", b"", "$", "empty"),
    bad("bytes that are no text", b'{"action": "\xff"}', "byte 12", "UTF-8"),
    bad("half a character", b'{"action": "\xc3"}', "byte 12"),
    bad("half a surrogate pair", b'{"action": "\\ud800"}', "$"),
    bad("something behind it", b"{} {}", "byte 4"),
    bad("a word that JSON lacks", b'{"action": NaN}', "byte 11"),
    bad("a number beyond all", b'{"ttl": 1e999}', "$[...]", "range"),
    bad("an integer beyond all", b'{"life": ' + b"9" * 5000 + b"}", "$[...]", "range"),
    bad("65 levels", {**ALPHA, "metadata": {"a": eval("[" * 64 + "]" * 64)}}, "$", "deeper"),
    bad("a hundred thousand levels", b"[" * 100_000, "$"),
    bad("a list", [], "$", "object"),
    bad("a text", "register", "$", "object"),
    bad("no action", {"module_id": "alpha"}, "$", "action"),
    bad("no module", {"action": "register"}, "$", "module_id"),
    bad("an unknown action", {**ALPHA, "action": "dance"}, "$.action", "dance"),
    bad("a number as action", {**ALPHA, "action": 1}, "$.action", "int"),
    bad("a name that is none", {**ALPHA, "module_id": "../x"}, "$.module_id", "../x"),
    bad("a name that is too long", {**ALPHA, "module_id": "a" * 65}, "$.module_id"),
    bad("life 0", {**ALPHA, "life": 0}, "$.life", "got 0"),
    bad("a life as text", {**ALPHA, "life": "1"}, "$.life", "str"),
    bad("a lease of nothing", {**ALPHA, "ttl": 0}, "$.ttl", "got 0"),
    bad("a lease as text", {**ALPHA, "ttl": "30"}, "$.ttl", "str"),
    bad("metadata that are a list", {**ALPHA, "metadata": []}, "$.metadata"),
    bad("tools that are an object", {**ALPHA, "tools": {}}, "$.tools"),
    bad("a subject that is no text", {**ALPHA, "events_publish": [1]}, "$.events_publish[0]"),
    bad("no URL", {**ALPHA, "api_endpoint": "localhost:80"}, "$.api_endpoint", "localhost:80"),
    bad("a path below nothing", {**ALPHA, "health_endpoint": "/h"}, "$.health_endpoint"),
    told("an unknown name", {"Alpha": "ab" * 32}, "$.Alpha"),
    told("no token", {"gamma": "ab"}, "$.gamma", "64 hex"),
    told("a token in capitals", {"gamma": "AB" * 32}, "$.gamma"),
    told("an object without token", {"gamma": {}}, "$.gamma", "token"),
    told("a life of 0", {"gamma": {"token": "ab" * 32, "life": 0}}, "$.gamma.life"),
    told("a pattern that is none", {"gamma": {"token": "ab" * 32, "publish": ["a..b"]}},
         "$.gamma.publish[0]", "a..b"),
    told("a token twice", {"gamma": "ab" * 32, "delta": "ab" * 32}, "$.delta", "gamma"),
    told("too many tokens", {"gamma": [f"{n:064x}" for n in range(257)]}, "$.gamma", "256"),
    told("a good name before a bad one", {"gamma": "ab" * 32, "beta": 5}, "$.beta", "number"),
    told("a list", [], "$", "object"),
    Case(why="a session of no time", asks="POST /tokens/session", who="alpha", body={"ttl": 0},
         code="malformed_body", place="$.ttl", says="got 0"),
    Case(why="a session for a day", asks="POST /tokens/session", who="alpha", body={"ttl": 86400},
         code="malformed_body", place="$.ttl", says="3600"),
    Case(why="a pattern of a session", asks="POST /tokens/session", who="alpha",
         body={"publish": ["a", ">.a"]}, code="malformed_body", place="$.publish[1]"),
    Case(why="a token that is a number", asks="POST /verify", who="event_hub", body={"token": 5},
         code="malformed_body", place="$.token"),
    Case(why="a revision that is none", asks="GET /watch?since=soon", code="bad_query", says="soon"),
    Case(why="one before the first", asks="GET /watch?since=-1", code="bad_query", says="since"),
    Case(why="two prefixes", asks="GET /watch?prefix=a&prefix=b", code="bad_query", says="twice"),
    Case(why="a wait that is none", asks="GET /tokens/digests?wait=nan", who="event_hub",
         code="bad_query", says="nan"),
    Case(why="33 fields", asks="GET /lookup?" + "&".join(f"f{n}=*" for n in range(33)),
         code="bad_query", says="32"),
    Case(why="a transfer that nobody knows", asks="POST /modules", who="alpha", code="bad_request",
         headers={"Transfer-Encoding": "gzip"}),
    Case(why="nothing is there", asks="GET /nowhere", code="not_found", says="/nowhere"),
    Case(why="a path that is not registered", asks="GET /get/alpha.no.such", code="not_found"),
    Case(why="a method that is not", asks="DELETE /modules", code="method_not_allowed",
         says="DELETE"),
]  # fmt: skip

OVERSIZED = [
    post("a large body", "body_too_large", LARGE, says="1048576"),
    told("a large body", LARGE, None, code="body_too_large"),  # type: ignore[arg-type]
    Case(why="a large head", asks="GET /modules", code="head_too_large",
         headers={"X": "y" * 70_000}),
]  # fmt: skip

FORGED = [
    Case(why="no token", asks="GET /modules", who=None, code="unauthorized"),
    Case(why="another scheme", asks="GET /modules", who=None, code="unauthorized",
         headers={"Authorization": "Basic YTpi"}),
    Case(why="a token with a slip", asks="GET /modules", who="slip", code="unauthorized"),
    Case(why="a token in capitals", asks="GET /modules", who="capitals", code="unauthorized"),
    Case(why="bytes", asks="GET /modules", who=None, code="unauthorized",
         headers={"Authorization": "Bearer \xff\xfe"}),
    Case(why="another module", asks="POST /modules", who="beta", body=ALPHA,
         code="permission_denied", says="alpha"),
    post("another life", "permission_denied", {**ALPHA, "life": 1}, says="life 1"),
    post("a core module", "permission_denied", {**ALPHA, "module_id": "registry"}),
    Case(why="what the operator does not", asks="POST /modules", body=ALPHA,
         code="permission_denied", says="operator"),
    Case(why="a module tells who is who", asks="POST /tokens", who="alpha",
         body={"alpha": "ab" * 32}, code="permission_denied"),
    Case(why="a module asks for the table", asks="GET /tokens/digests", who="alpha",
         code="permission_denied"),
    Case(why="a module asks whose a token is", asks="POST /verify", who="alpha",
         body={"token": "ab" * 32}, code="permission_denied"),
    Case(why="the operator wants a session", asks="POST /tokens/session", body={},
         code="permission_denied"),
    Case(why="a session that is wider", asks="POST /tokens/session", who="alpha",
         body={"publish": ["b.>"]}, code="permission_denied", says="b.>"),
    Case(why="a session at the Registry", asks="GET /modules", who="session", code="session_token"),
    told("somebody else's token", {"gamma": "{alpha}"}, "$.gamma", "alpha"),
    told("the kite token", {"gamma": "{kite}"}, "$.gamma", "Launcher"),
    told("a session's token", {"gamma": "{session}"}, "$.gamma", "alpha"),
    Case(why="a token that nobody has", asks="POST /verify", who="event_hub",
         body={"token": "ab" * 32}, code="unknown_token"),
    Case(why="a foreign host", asks="GET /health", who=None, code="bad_host",
         headers={"Host": "evil.example"}, says="evil.example"),
    Case(why="no host", asks="GET /health", who=None, code="bad_host", headers={"Host": None}),
    Case(why="a foreign page", asks="GET /modules", code="bad_origin",
         headers={"Origin": "http://evil.example"}, says="evil.example"),
]  # fmt: skip

LATE = [
    Case(why="a token of an earlier life", asks="GET /modules", who="late", code="unauthorized"),
    *(
        post(f"a replayed {action}", "unauthorized", {**ALPHA, "action": action}, who="late")
        for action in ("register", "heartbeat", "deregister")
    ),
    Case(why="a token that was revoked", asks="GET /modules", who="revoked", code="unauthorized"),
    Case(why="a session that is over", asks="GET /modules", who="over", code="unauthorized"),
    Case(why="whose a session was that is over", asks="POST /verify", who="event_hub",
         body={"token": "{over}"}, code="unknown_token"),
    post("a heartbeat before registration", "not_registered",
         {"action": "heartbeat", "module_id": "beta"}, who="beta", says="beta"),
    post("a heartbeat of a life that is over", "not_registered",
         {"action": "heartbeat", "module_id": "alpha", "life": 1}, who="kite"),
    Case(why="the Hub before it is there", asks="GET /get/event_hub.metadata", code="not_ready"),
]  # fmt: skip

CASES = [*MALFORMED, *OVERSIZED, *FORGED, *LATE]
ELSEWHERE = {
    "too_many_open": "integration/http/test_http_bounds.py::"
    "test_more_connections_than_there_may_be_are_turned_away",
    "limit_reached": "openapi/test_bad_input_registry.py::test_one_session_too_many",
    "request_slow": "integration/http/test_http_serving.py::test_a_slow_head_is_given_up",
    "going_away": "integration/http/test_http_serving.py::"
    "test_the_end_closes_the_idle_at_once_and_the_busy_in_time",
    # Nothing that is known makes a Registry fail inside; a route that does is in this test.
    "internal_error": "integration/http/test_http_serving.py::"
    "test_a_failure_inside_tells_nothing_of_the_inside",
}


def test_every_code_of_the_registry_is_tried() -> None:
    assert untested(REGISTRY, CASES, ELSEWHERE) == set()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryProcess]:
    async with RegistryProcess(tmp_path, tokens=("registry", "event_hub", "operator")) as made:
        yield made


async def tokens_of(registry: RegistryProcess) -> dict[str, str]:
    """Tokens of every kind: good, late, over, revoked and nobody's."""
    made = {name: secrets.token_hex(32) for name in ("late", "alpha", "beta", "revoked")}
    about = {"publish": ["a.>"], "subscribe": ["a.>"]}
    await registry.post({
        "alpha": {"token": made["late"], "life": 1, **about}, "gone": made["revoked"],
    })  # fmt: skip
    await registry.post({
        "alpha": {"token": made["alpha"], "life": 2, **about}, "beta": made["beta"], "gone": None,
    })  # fmt: skip
    for name, ttl in (("over", 0.01), ("session", 600)):
        said = await registry.ask("POST", "/tokens/session", made["alpha"], json={"ttl": ttl})
        made[name] = said["token"]
    made |= {
        "kite": registry.kite_token,
        "slip": made["alpha"][:-1] + ("0" if made["alpha"][-1] != "0" else "1"),
        "capitals": made["alpha"].upper(),
    }
    await registry.ask("POST", "/modules", made["alpha"], json={**ALPHA, "ttl": 3600})

    async def is_over() -> bool:
        told = await registry.call("POST", "/verify", "event_hub", json={"token": made["over"]})
        return told.status == 404

    async with asyncio.timeout(20):
        while not await is_over():  # noqa: ASYNC110  (the Registry tells nobody here)
            await asyncio.sleep(0.02)
    return registry.tokens | made


async def state_of(registry: RegistryProcess) -> Any:
    records = (await registry.ask("GET", "/modules", "operator"))["modules"]
    for record in records:  # counted from now, in milliseconds
        record.pop("expires_at")
    return records, await registry.ask("GET", "/tokens/digests", registry.kite_token)


def filled(value: Any, tokens: dict[str, str]) -> Any:
    """The same with tokens in the places of their names."""
    if isinstance(value, dict):
        return {key: filled(each, tokens) for key, each in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        return tokens[value.strip("{}")]
    return value


async def test_bad_input_is_named_and_changes_nothing(registry: RegistryProcess) -> None:
    tokens = await tokens_of(registry)
    before = await state_of(registry)
    found = []
    for case in CASES:
        body = filled(case.body, tokens) if isinstance(case.body, dict) else case.body
        given = Case(**{**vars(case), "body": body})
        found += await asyncio.to_thread(problems, REGISTRY, registry.port, given, tokens)
        if await state_of(registry) != before:
            found.append(f"{case.why}: it has changed something")
            before = await state_of(registry)
    assert not found, "\n".join(found)
    assert not [line for line in registry.log if "Traceback" in line or "failed" in line]


async def test_before_it_was_told_who_is_who_the_registry_is_not_ready(tmp_path: Path) -> None:
    """Out of order: every token, and every question about tokens."""
    async with RegistryProcess(tmp_path, tokens=()) as registry:
        cases = [
            Case(why="a token", asks="GET /modules", who="some", code="not_ready"),
            Case(why="a heartbeat", asks="POST /modules", who="some", body=ALPHA, code="not_ready"),
            Case(why="the table", asks="GET /tokens/digests", who="kite", code="not_ready"),
            Case(why="whose", asks="POST /verify", who="kite", body={"token": "ab" * 32},
                 code="not_ready"),
        ]  # fmt: skip
        tokens = {"kite": registry.kite_token, "some": secrets.token_hex(32)}
        found = []
        for case in cases:
            found += await asyncio.to_thread(problems, REGISTRY, registry.port, case, tokens)
        assert found == []


async def test_what_is_said_twice_is_no_mistake(registry: RegistryProcess) -> None:
    """To deregister what is gone, and to name a key twice: the last one counts."""
    tokens = await tokens_of(registry)
    gone = {"action": "deregister", "module_id": "beta"}
    for _ in range(2):
        assert (await registry.call("POST", "/modules", tokens["beta"], json=gone)).status == 200
    twice = b'{"action":"register","module_id":"alpha","module_id":"beta"}'
    case = Case(why="twice", asks="POST /modules", body=twice, code="")
    told = await asyncio.to_thread(ask, registry.port, "POST", "/modules", tokens["beta"], case)
    assert (told[0], told[2]["module_id"]) == (200, "beta")
    records = (await registry.ask("GET", "/modules", "operator"))["modules"]
    assert [record["module_id"] for record in records][:2] == ["alpha", "beta"]


async def test_one_session_too_many(registry: RegistryProcess) -> None:
    """`limit_reached`, and those that there are stay."""
    tokens = await tokens_of(registry)
    opened = 1  # one of `tokens_of` is not over yet
    while opened < MAX_SESSIONS:
        await registry.ask("POST", "/tokens/session", tokens["alpha"], json={"ttl": 600})
        opened += 1
    before = await state_of(registry)
    case = Case(why="one more", asks="POST /tokens/session", who="alpha", body={},
                code="limit_reached", says=str(MAX_SESSIONS))  # fmt: skip
    assert await asyncio.to_thread(problems, REGISTRY, registry.port, case, tokens) == []
    assert await state_of(registry) == before
