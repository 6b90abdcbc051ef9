"""A client that speaks CloudEvents beside clients that speak Kite: the same events, nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import websockets
from fake_registry import FakeRegistry
from fuzzing import text, whole
from hub_forms import in_both_forms
from hub_socket import Closed, Connect, HubSocket, Refusal, http

from kite.testing.hub import HubProcess

ROOT = Path(__file__).parents[3]
ROWS = json.loads((ROOT / "protocol" / "vectors" / "cloudevents.json").read_text("utf-8"))
PAGE = ROOT / "docs" / "reference" / "cloudevents.md"
BRIDGE = ROWS["sender"]
SUBPROTOCOL = {"Sec-WebSocket-Protocol": "cloudevents.json"}
LEAST = {"specversion": "1.0", "id": "1", "source": "/x", "type": "a.b"}
TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
}


async def bridge(
    hub: HubProcess, registry: FakeRegistry, query: str = "", **rights: Any
) -> HubSocket:
    """Connect as a client that knows CloudEvents."""
    token = await registry.add(BRIDGE, **rights)
    return await HubSocket.connect(hub.port, token, path=f"/ws{query}", headers=SUBPROTOCOL)


async def test_the_first_subprotocol_that_is_known_is_selected(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    token = await registry.add(BRIDGE)
    shown = f"kite.token.{token}"
    for offered, selected in {
        f"cloudevents.json, {shown}": "cloudevents.json",
        f"cloudevents.avro, cloudevents.json, {shown}": "cloudevents.json",
        f"cloudevents.json, kite.v1, {shown}": "cloudevents.json",
        f"kite.v1, {shown}, cloudevents.json": "kite.v1",
        f"cloudevents.avro, {shown}": None,
    }.items():
        headers = {"Sec-WebSocket-Protocol": offered}
        async with await HubSocket.connect(hub.port, headers=headers) as client:
            assert client.headers.get("sec-websocket-protocol") == selected
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, "0" * 64, headers=SUBPROTOCOL)
    assert caught.value.status == 401


async def test_a_client_of_another_library_needs_no_frame_of_kites(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    token = await registry.add(BRIDGE)
    address = f"{hub.endpoint}?token={token}&events=com.example.%3E&events=docs.*"
    offered = [websockets.Subprotocol("cloudevents.json")]
    async with (
        websockets.connect(address, subprotocols=offered) as reader,
        websockets.connect(f"{hub.endpoint}?token={token}", subprotocols=offered) as writer,
    ):
        assert reader.subprotocol == "cloudevents.json"
        for number, kind in enumerate(["com.example.one", "elsewhere", "docs.changed"]):
            event = {**LEAST, "id": str(number), "type": kind, "data": {"n": number}}
            await writer.send(json.dumps(event))
        for number, kind in ((0, "com.example.one"), (2, "docs.changed")):
            got = json.loads(await reader.recv())
            assert got.pop("time")
            assert got == {
                **LEAST, "id": str(number), "type": kind, "data": {"n": number}, "kitesource": BRIDGE,
            }  # fmt: skip


async def test_the_example_of_the_page(hub: HubProcess, registry: FakeRegistry) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    env = {**os.environ, "HUB": hub.endpoint, "TOKEN": await registry.add(BRIDGE)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=env, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        out, _ = await child.communicate()
    assert child.returncode == 0
    got = json.loads(out)
    assert (got["source"], got["data"], got["kitesource"]) == ("/shop", {"apples": 3}, BRIDGE)


@in_both_forms
async def test_what_goes_in_as_a_cloudevent_comes_out_as_both(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    kite = await connect("reader")
    await kite.subscribe("com.>", "docs.>")
    async with (
        await bridge(hub, registry, "?events=com.%3E&events=docs.%3E") as client,
        await bridge(hub, registry, "?events=com.%3E&events=docs.%3E") as other,
    ):
        for row in map(anew, ROWS["in"], range(99)):  # an id may be used once
            client.send(row["cloudevent"])
            event = await kite.read()
            was = row["event"] | ({} if "timestamp" in row["event"] else {"timestamp": "…"})
            assert {**event, "timestamp": was["timestamp"]} == was, row["why"]
            want = {k: v for k, v in row["cloudevent"].items() if k == "data" or v is not None}
            want.pop("kitesource", None)
            if want["source"] != BRIDGE:
                want["kitesource"] = BRIDGE
            if "kiteack" not in want:
                assert await cloudevent(client, want) == want, row["why"]
            else:
                got = [await client.read(), await client.read()]
                ack = {"type": "ack", "event_id": want["id"], "delivered": 3}
                assert ack in got, row["why"]
            assert await cloudevent(other, want) == want, row["why"]


def anew(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Another event of the same kind."""
    event, cloudevent = row["event"], row["cloudevent"]
    now = f"{number}-{cloudevent['id']}"
    event = {**event, "event_id": event["event_id"].replace(cloudevent["id"], now)}
    return {**row, "event": event, "cloudevent": {**cloudevent, "id": now}}


async def cloudevent(client: HubSocket, want: dict[str, Any]) -> dict[str, Any]:
    """The next one; without its time where none was sent."""
    got = await client.read()
    assert got["time"]
    if want.get("time") is None:
        del got["time"]
    return got


@in_both_forms
async def test_what_modules_publish_comes_out_as_cloudevents(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    writer = await connect("watcher")
    async with await bridge(hub, registry, "?events=docs.%3E") as client:
        for number in range(50):  # in one piece, and on the compiled lane
            fields = {
                "type": "event", "event": "docs.n", "event_id": f"n{number}", "source": "watcher",
                "timestamp": "2026-01-01T00:00:00.000Z", "data": number,
            }  # fmt: skip
            writer.send(json.dumps(fields, separators=(",", ":")))
        for number in range(50):
            got = await client.read()
            assert (got["id"], got["data"], got["type"]) == (f"n{number}", number, "docs.n")
        for row in ROWS["out"]:
            event = row["event"]
            if "reply_to" in event or event["event_id"] == "watcher-17":
                event = {**event, "event_id": f"e-{ROWS['out'].index(row)}"}
                event.pop("reply_to", None)
            writer.send(event)
            if event.get("ack"):
                assert (await writer.read())["delivered"] == 1
            want = {**row["cloudevent"], "id": event["event_id"]}
            want.pop("kitereplyto", None)
            if event == row["event"]:
                want = row["cloudevent"]
            assert await cloudevent(client, want) == want, row["why"]


async def test_what_is_no_cloudevent_is_refused_by_name_and_the_connection_stays(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    async with await bridge(hub, registry, "?events=a.%3E&events=com.%3E") as client:
        for row in ROWS["invalid"]:
            client.send(row["cloudevent"])
            error = await client.read()
            assert (error["type"], error["code"]) == ("error", row["code"]), row["why"]
            assert error["message"]
            assert "specversion" not in error
            found = row["cloudevent"].get("id")
            assert error.get("event_id") == (found if isinstance(found, str) and found else None)
        for sent, code in {
            "hello": "malformed_json",
            "[]": "malformed_frame",
            json.dumps([LEAST]): "malformed_frame",
            '{"specversion":"1.0","id":"1","id":"2","source":"x","type":"a"}': "duplicate_key",
            json.dumps({**LEAST, "type": "a b"}): "invalid_subject",
            json.dumps({**LEAST, "type": "module.started"}): "permission_denied",
            '{"specversion":"1.0","id":"1","source":"x","type":"a","data":' + "[" * 70 + "]" * 70 + "}": "too_deep",
            '{"type":"dance"}': "unknown_type",
        }.items():  # fmt: skip
            client.send(sent)
            error = await client.read()
            assert (error["type"], error["code"]) == ("error", code), sent
        client.send({**LEAST, "id": "x" * 111, "data": "x" * ((1 << 20) - 300)})
        assert (await client.read())["id"] == "x" * 111
        client.send({**LEAST, "data": "x" * ((1 << 20) - 100)})
        assert (await client.read())["code"] == "event_too_large"
        client.send({**LEAST, "id": "last"})
        assert (await client.read())["id"] == "last"
    token = await registry.add("scraper")
    head = f"Host: 127.0.0.1:{hub.port}\r\nAuthorization: Bearer {token}\r\n"
    _, _, body = await http(hub.port, f"GET /metrics HTTP/1.1\r\n{head}\r\n".encode())
    for code, rows in Counter(row["code"] for row in ROWS["invalid"]).items():
        assert f'kite_hub_refused_total{{code="{code}"}} {rows}.0' in body.decode().splitlines()


async def test_an_address_that_asks_for_too_much_is_answered_with_an_error(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    for query, code in {
        "?events=a.%3E.b": "invalid_pattern",
        "?events=": "invalid_pattern",
        "?events=docs.a&events=other": "permission_denied",
    }.items():
        async with await bridge(hub, registry, query, subscribe=["docs.>", "a.>"]) as client:
            error = await client.read()
            assert (error["type"], error["code"], error["id"]) == ("error", code, "events")
            await client.subscribe("docs.>")
            client.send({**LEAST, "id": query, "type": "docs.a"})
            assert (await client.read())["id"] == query


async def test_control_frames_are_kites(hub: HubProcess, registry: FakeRegistry) -> None:
    async with await bridge(hub, registry) as client:
        await client.subscribe("a.>", queue="q")
        client.send({**LEAST, "kiteack": True})
        got = [await client.read(), await client.read()]
        assert {"type": "ack", "event_id": "1", "delivered": 1} in got
        client.send({**LEAST, "kiteack": True})
        assert await client.read() == {
            "type": "ack", "event_id": "1", "delivered": 0, "duplicate": True,
        }  # fmt: skip
        client.send({**LEAST, "source": "/another"})  # the same id, and not the same event
        assert (await client.read())["source"] == "/another"
        ack = await client.call(
            {"type": "unsubscribe", "events": ["a.>"], "queue": "q", "id": "events"}
        )
        assert ack == {"type": "ack", "id": "events"}
        client.send({**LEAST, "id": "2", "kiteack": True})
        assert (await client.read())["delivered"] == 0


async def test_requests_in_both_directions(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    module = await connect("search")
    async with await bridge(hub, registry, f"?events=_reply.{BRIDGE}.%3E&events=ask") as client:
        question = {**LEAST, "type": "docs.search", "kitereplyto": f"_reply.{BRIDGE}.1", **TRACE}
        client.send(question)
        error = await client.read()
        assert (error["code"], error["event_id"]) == ("no_responders", "1")
        await module.subscribe("docs.search")
        client.send(question)
        asked = await module.read()
        assert {name: asked["headers"][name] for name in TRACE} == TRACE
        await module.publish(asked["reply_to"], ["a.md"], headers=TRACE)
        answer = await client.read()
        assert (answer["type"], answer["data"]) == (f"_reply.{BRIDGE}.1", ["a.md"])
        assert {name: answer[name] for name in TRACE} == TRACE
        await module.subscribe("_reply.search.>")
        module.send({"type": "event", "event": "ask", "reply_to": "_reply.search.1"})
        got = await client.read()
        client.send({**LEAST, "id": "9", "type": got["kitereplyto"], "data": None})
        reply = await module.read()
        assert (reply["event"], reply["data"]) == ("_reply.search.1", None)


async def test_a_client_resumes_after_the_last_cloudevent_it_got(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    writer = await connect("writer")
    ask = {"type": "subscribe", "events": ["a.>"], "id": 1}
    for last in ({**LEAST, "source": "/x"}, {**LEAST, "source": BRIDGE, "id": "own"}, None):
        async with await bridge(hub, registry) as client:
            epoch = (await client.call({**ask, "resume": True}))["epoch"]
            if last is not None:
                client.send(last)
            else:
                await writer.publish("a.b", "theirs")
            got = await client.read()
        await writer.publish("a.b", "missed")
        resume = {"epoch": epoch, "source": got["source"], "event_id": got["id"]}
        if "kitesource" in got:
            resume["kitesource"] = got["kitesource"]
        async with await bridge(hub, registry) as client:
            client.send({**ask, "resume": resume})
            assert (await client.read())["data"] == "missed"
            ack = await client.read()
            assert (ack["id"], ack["resumed"], ack["replayed"]) == (1, True, 1)


STREAMS = {"streams": {"docs": {"subjects": ["docs.>"], "max_events": 1000}}}


async def test_a_durable_subscription_is_worked_through(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    env = {"KITE_MODULE_DATA": str(tmp_path)}
    process = HubProcess(registry.port, token=registry.hub_token, config=STREAMS, env=env)
    async with process as hub, await bridge(hub, registry) as client:
        client.send({**LEAST, "type": "docs.a", "kiteack": True})
        assert (await client.read())["seq"] == 1
        frame = {"events": ["docs.>"], "durable": "work", "start": "all", "id": 1}
        assert (await client.call({"type": "subscribe", **frame}))["type"] == "ack"
        for attempt in ("1", "2"):
            got = await client.read()
            assert (got["id"], got["source"], got["kiteseq"]) == ("1", "/x", "1")
            assert (got["kitedurable"], got["kiteattempt"]) == ("work", attempt)
            kind = "nack" if attempt == "1" else "ack"
            client.send({"type": kind, "durable": "work", "seq": int(got["kiteseq"])})


@pytest.mark.parametrize("hub", [{"limits": {"outbox_bytes": 256 << 10}}], indirect=True)
async def test_a_stuck_client_is_told_exactly_how_much_it_missed(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    """Bytes are counted in the Hub's words, and events are events in any words."""
    count = 3000
    token = await registry.add(BRIDGE)
    stuck = await HubSocket.connect(
        hub.port, token, path="/ws?events=a", headers=SUBPROTOCOL, receive_buffer=8 << 10
    )
    writer = await connect("writer")
    stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
    headers = {"X-One": "x" * 4000, "list": [1, 2, 3]}
    for number in range(count):
        writer.send(
            {"type": "event", "event": "a", "data": number, "headers": headers, "ack": True}
        )
    delivered = sum([(await writer.read(30))["delivered"] for _ in range(count)])
    stuck.writer.transport.resume_reading()  # type: ignore[attr-defined]
    got: list[int] = []
    while (frame := await stuck.read()).get("code") != "slow_consumer":
        assert frame["specversion"] == "1.0"
        assert json.loads(frame["kiteheaders"]) == {"X-One": "x" * 4000, "list": [1, 2, 3]}
        got.append(frame["data"])
    assert got == list(range(len(got)))
    assert frame["missed"] == delivered - len(got)
    assert (await stuck.closed()).code == 1013
    stuck.writer.close()


async def test_large_events_come_whole(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    writer = await connect("writer")
    async with await bridge(hub, registry, "?events=a") as client:
        for size in (100, 125, 126, 65_400, 65_536, 1_000_000):
            writer.send({"type": "event", "event": "a", "data": "x" * size})
            assert len((await client.read())["data"]) == size


async def test_nothing_that_a_client_sends_ends_the_hub(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    """Mutated CloudEvents and Kite frames; the `hub` fixture finds any traceback."""
    writer, chance = await connect("fuzz"), random.Random(13)
    seeds = [json.dumps(row["cloudevent"]).encode() for kind in ROWS for row in rows_of(kind)]
    async with await bridge(hub, registry, "?events=%3E") as reader:
        heard = asyncio.create_task(drained(reader))
        for _ in range(40):
            async with await bridge(hub, registry) as client:
                hearing = asyncio.create_task(drained(client))
                for _ in range(25):
                    data = bytearray(chance.choice(seeds))
                    for _ in range(chance.choice([0, 1, 1, 2, 4])):
                        at = chance.randrange(len(data))
                        data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(2))
                    try:
                        data.decode()
                    except UnicodeDecodeError:
                        continue
                    client.send_bytes(whole(chance, bytes(data)))
                    writer.send(text_of(chance))
                client.send({**LEAST, "type": "end", "id": str(chance.random())})
                hearing.cancel()
        writer.send({"type": "event", "event": "the.end", "event_id": "end"})
        assert await heard


def rows_of(kind: str) -> list[dict[str, Any]]:
    return ROWS[kind] if isinstance(ROWS[kind], list) else []


def text_of(chance: random.Random) -> bytes:
    """A frame in UTF-8, as another would close the connection."""
    while True:
        found = text(chance)
        try:
            found.decode()
        except UnicodeDecodeError:
            continue
        return found


async def drained(client: HubSocket) -> bool:
    """Read on; whether the last event was heard, and every event is a CloudEvent."""
    while True:
        try:
            frame = await client.read(60)
        except Closed:
            return False
        if frame.get("id") == "end" and frame.get("type") == "the.end":
            return True
        assert "specversion" in frame or frame["type"] in ("ack", "error", "gap")
