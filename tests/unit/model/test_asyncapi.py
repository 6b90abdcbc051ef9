"""AsyncAPI documents against the official schema, and what a schema cannot say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.model.asyncapi import document
from kite.model.manifest import Manifest

PROTOCOL = Path(__file__).parents[3] / "protocol" / "schemas"
ENVELOPE = json.loads((PROTOCOL / "frame-to-hub.schema.json").read_text("utf-8"))["$defs"]["event"]
OFFICIAL = jsonschema.Draft7Validator(
    json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_text("utf-8"))
)


def made(*manifests: Manifest, **more: Any) -> dict[str, Any]:
    found = document(manifests, title="demo", envelope=ENVELOPE, **more)
    document_is_whole(found)
    return found


def document_is_whole(found: dict[str, Any]) -> None:
    """Every reference leads somewhere, every parameter stands in its address, all is as promised."""
    for target in references(found):
        place: Any = found
        for key in target.removeprefix("#/").split("/"):
            place = place[key]
    for channel in found["channels"].values():
        if channel["address"] is not None:
            names = re.findall(r"\{([A-Za-z0-9]+)\}", channel["address"])
            assert sorted(names) == sorted(channel.get("parameters", {}))
            assert "{" not in re.sub(r"\{[a-z]+\d*\}", "", channel["address"])
    for operation in found["operations"].values():
        assert operation["channel"]["$ref"] != "#/channels/_reply"


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [each for value in node.values() for each in references(value)]
    return [each for value in node for each in references(value)] if isinstance(node, list) else []


def pattern_of(channel: dict[str, Any]) -> str:
    """The pattern that an address with its parameters means."""

    def token(found: re.Match[str]) -> str:
        about = channel["parameters"][found[1]]
        if "enum" in about:
            return str(about["enum"][0])
        return ">" if found[1] == "rest" else "*"

    return re.sub(r"\{([a-z]+\d*)\}", token, channel["address"])


INDEXER = Manifest(
    name="indexer",
    display_name="Search index",
    description="Finds documents.",
    publish=("docs.indexed", "docs.list", "_reply.>"),
    subscribe=("docs.changed", "docs.search", "hub.started", "_reply.indexer.>"),
)
WEB = Manifest(name="web", publish=("docs.search",), subscribe=("docs.indexed", "_reply.web.>"))
WATCHER = Manifest(name="watcher", publish=("docs.changed", "_reply.>"), subscribe=("docs.list",))


def test_a_project_is_a_valid_document() -> None:
    found = made(INDEXER, WEB, WATCHER, Manifest(name="quiet"))
    OFFICIAL.validate(found)
    assert list(found["operations"]) == [
        "indexer.receive.docs.changed", "indexer.receive.docs.search", "indexer.receive.hub.started",
        "indexer.send.docs.indexed", "indexer.send.docs.list", "web.receive.docs.indexed",
        "web.send.docs.search", "watcher.receive.docs.list", "watcher.send.docs.changed",
    ]  # fmt: skip
    assert found["channels"]["docs.search"]["address"] == "docs.search"
    assert found["info"]["tags"][0] == {"name": "indexer", "description": "Finds documents."}
    assert found["info"]["tags"][3] == {
        "name": "quiet",
        "description": "Its manifest does not say what it publishes or subscribes to.",
    }


def test_questions_are_what_one_asks_and_another_answers() -> None:
    asked = {"indexer.receive.docs.search", "indexer.send.docs.list"}
    asked |= {"web.send.docs.search", "watcher.receive.docs.list"}
    found = made(INDEXER, WEB, WATCHER)
    assert {name for name, each in found["operations"].items() if "reply" in each} == asked
    reply = found["operations"]["web.send.docs.search"]["reply"]
    assert reply["address"]["location"] == "$message.payload#/reply_to"
    assert found["channels"]["_reply"]["address"] is None
    # Of one module alone it is known by the others, too.
    alone = made(WEB, among=[INDEXER, WEB, WATCHER])
    assert "reply" in alone["operations"]["web.send.docs.search"]
    assert "reply" not in made(WEB)["operations"]["web.send.docs.search"]


@pytest.mark.parametrize(
    ("pattern", "name", "address", "parameters"),
    [
        ("docs.*.removed", "docs.any.removed", "docs.{token1}.removed", ["token1"]),
        ("*.a.*", "any.a.any", "{token1}.a.{token2}", ["token1", "token2"]),
        ("docs.>", "docs.rest", "docs.{rest}", ["rest"]),
        (">", "rest", "{rest}", ["rest"]),
        ("a.{b}.c", "a._b_.c", "a.{word1}.c", ["word1"]),
        ("a/b.~c.鸢", "a_b._c._", "a/b.~c.鸢", []),
    ],
)
def test_patterns_become_addresses(
    pattern: str, name: str, address: str, parameters: list[str]
) -> None:
    found = made(Manifest(name="m", publish=(pattern,)))
    OFFICIAL.validate(found)
    channel = found["channels"][name]
    assert (channel["address"], channel["title"]) == (address, pattern)
    assert list(channel.get("parameters", {})) == parameters


def test_patterns_that_would_have_one_name_have_two() -> None:
    found = made(Manifest(name="m", publish=("a.*", "a.any", "a.{any}", "a.*")))
    assert list(found["channels"]) == ["a.any", "a.any-2", "a._any_"]
    assert len(found["operations"]) == 3


tokens = st.text(st.sampled_from("ab*{}/~%#鸢-_ 1\"'\\"), min_size=1, max_size=4).map(
    lambda text: "*" if "*" in text else text.replace(" ", "x")
)
patterns = st.builds(
    lambda head, tail: ".".join([*head, *tail]),
    st.lists(tokens, min_size=1, max_size=3),
    st.sampled_from([[], [">"]]),
) | st.sampled_from([">", "_reply.>", "_reply.m0.>", "a.any", "a.rest"])
lists = st.none() | st.lists(patterns, max_size=4).map(tuple)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(lists, lists), max_size=3))
def test_whatever_a_manifest_says(said: list[tuple[Any, Any]]) -> None:
    manifests = [
        Manifest(name=f"m{n}", publish=publish, subscribe=subscribe)
        for n, (publish, subscribe) in enumerate(said)
    ]
    found = made(*manifests)
    OFFICIAL.validate(json.loads(json.dumps(found)))
    meant = {
        (manifest.name, action, pattern)
        for manifest in manifests
        for action, listed in (("send", manifest.publish), ("receive", manifest.subscribe))
        for pattern in listed or ()
        if not pattern.startswith("_reply.")
    }
    assert meant == {
        (
            operation["tags"][0]["name"],
            operation["action"],
            pattern_of(found["channels"][operation["channel"]["$ref"].removeprefix("#/channels/")]),
        )
        for operation in found["operations"].values()
    }
