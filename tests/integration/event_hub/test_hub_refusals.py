"""Every frame that the Hub refuses has its code, and nothing of it took place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fake_registry import FakeRegistry
from fuzzing import plain
from hub_forms import in_both_forms
from hub_socket import Connect, HubSocket, masked

import kite.event_hub.core
from kite.testing.hub import HubProcess

VECTORS = Path(__file__).parents[3] / "protocol" / "vectors" / "frames.json"
ELSEWHERE = {"too_many_subscriptions", "event_too_large", "stream_unavailable"}
"""Codes that need more than one frame: below, in `test_hub_frames.py`, and, for what needs a disk
that refuses, in `test_hub_streams_live.py`."""


def test_every_code_that_a_frame_can_be_refused_with_has_a_vector() -> None:
    source = "\n".join(
        path.read_text()
        for folder in kite.event_hub.core.__path__
        for path in Path(folder).glob("*.py")
    )
    raised = set(re.findall(r'\b(?:Refused|refusal)\(\s*(?:payload,\s*)?"(\w+)"', source))
    rows = json.loads(VECTORS.read_text(encoding="utf-8"))["invalid"]
    assert len(raised) > 8
    assert raised == {row["code"] for row in rows} | ELSEWHERE


@in_both_forms
async def test_wrong_frames_amid_plain_events_are_refused_as_alone_and_cost_none_of_these(
    hub: HubProcess, connect: Connect
) -> None:
    """What passes on the compiled lane comes in one batch with what must not."""
    rows = json.loads(VECTORS.read_text(encoding="utf-8"))["invalid"]
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("a")
    for place, row in enumerate(rows):
        wrong = masked(row["text"].replace("{self}", "writer").encode())
        number = place * 4
        before, between, behind = (
            b"".join(masked(plain("writer", "a", n, n)) for n in numbers)
            for numbers in ([number, number + 1], [number + 2], [number + 3])
        )
        writer.send_bytes(before + wrong + between + wrong + behind)
        for error in [await writer.read(), await writer.read()]:
            assert (error["type"], error["code"]) == ("error", row["code"]), row["why"]
            assert error.get("id") == row.get("id"), row["why"]
            if "event_id" in row:
                assert error["event_id"] == row["event_id"], row["why"]
    assert [(await reader.read())["data"] for _ in range(4 * len(rows))] == list(
        range(4 * len(rows))
    )


@pytest.mark.parametrize("hub", [{"limits": {"subscriptions": 16}}], indirect=True)
async def test_one_subscription_too_many_is_refused_with_all_that_came_with_it(
    hub: HubProcess, connect: Connect
) -> None:
    client = await connect("client")
    held = [f"a{n}" for n in range(15)]
    await client.subscribe(*held)
    refused = await client.call({"type": "subscribe", "events": ["c", "d"], "id": 7})
    assert (refused["type"], refused["code"], refused["id"]) == (
        "error",
        "too_many_subscriptions",
        7,
    )
    assert (await client.publish("c"))["delivered"] == 0
    await client.subscribe(*held, "c")  # all but one of them anew, which takes no more room
    assert (await client.call({"type": "unsubscribe", "events": ["a0"], "id": 1}))["type"] == "ack"
    await client.subscribe("d")


async def subscriptions(client: HubSocket, token: str) -> list[bool]:
    """Whether each of ever more patterns was granted, up to the first that was not."""
    granted = [True]
    while granted[-1]:
        name = f"{token}{len(granted)}"
        answer = await client.call({"type": "subscribe", "events": [f"{name}.b.c.d.e"], "id": 1})
        granted.append(answer["type"] == "ack")
        assert len(granted) < 1000
    assert answer["code"] == "too_many_subscriptions"
    return granted


@pytest.mark.parametrize("hub", [{"limits": {"pattern_tokens": 1024}}], indirect=True)
async def test_all_patterns_together_are_bounded_and_leave_with_their_connection(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    token = await registry.add("one")
    async with await HubSocket.connect(hub.port, token) as one:
        other = await connect("other")
        await other.subscribe("hub.client.disconnected")
        assert len(await subscriptions(one, "x")) > 150
        refused = await other.call({"type": "subscribe", "events": ["a.b.c.d.e"], "id": 2})
        assert (refused["code"], refused["id"]) == ("too_many_subscriptions", 2)
    left = await other.read()
    assert left["data"]["module_id"] == "one"
    await other.subscribe("a.b.c.d.e")
