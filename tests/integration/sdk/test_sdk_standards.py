"""Trace context and CloudEvents through the SDK and Kite's own Hub."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from test_sdk_real_hub import System, system

from kite import Event, Module, Request, RequestError
from kite.errors import Unavailable
from kite.sdk import HubConnection
from kite.sdk.cloudevents import from_cloudevent, publish, to_cloudevent

__all__ = ["system"]

TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "rojo=00f067aa0ba902b7",
}
OTHER = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}


class Heard:
    """What came, to be waited for."""

    def __init__(self, count: int) -> None:
        self.events: list[Event] = []
        self._count = count
        self._all = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) == self._count:
            self._all.set()

    async def all(self) -> list[Event]:
        async with asyncio.timeout(15):
            await self._all.wait()
        return self.events


def trace_of(event: Event) -> dict[str, Any]:
    return {name: event.headers[name] for name in TRACE if name in event.headers}


async def test_what_a_handler_says_belongs_to_the_trace_of_what_it_handles(system: System) -> None:
    worker, asker = Module(), Module()
    heard = Heard(8)

    @worker.on("in", echo=False)
    def plain(event: Event) -> None:
        worker.publish("out.plain", event.data)

    @worker.on("in")
    async def slow(event: Event) -> None:
        await asyncio.sleep(0)
        await worker.publish_acked("out.acked", event.data, headers={"mine": "1"})
        worker.publish("out.own", event.data, headers=OTHER)
        worker.publish("out.answer", await worker.request("ask", event.data))

    @worker.handle("ask")
    async def ask(request: Request) -> Any:
        return trace_of(request)

    asker.on("out.*")(heard)
    await system.run(worker, "worker")
    await system.run(asker, "asker")
    asker.publish("in", "traced", headers=TRACE)
    asker.publish("in", "bare")  # nothing sticks to the handler's task
    for event in await heard.all():
        expected = TRACE if event.data == "traced" or event.data == TRACE else {}
        if event.subject == "out.own":
            expected = OTHER
        elif event.subject == "out.acked":
            assert event.headers["mine"] == "1"
        assert trace_of(event) == expected, event
    assert [event.data for event in heard.events if event.subject == "out.answer"] == [TRACE, {}]


async def test_an_answer_carries_the_trace_of_its_question(system: System) -> None:
    worker, asker = Module(), Module()
    heard = Heard(3)
    assert system.hub is not None
    operator = await HubConnection.open(
        system.hub.endpoint,
        system.registry.tokens["operator"],
        on_event=lambda event: heard(Event(event)),
    )
    await operator.subscribe(["_reply.>"], observe=True)

    @worker.handle("ask")
    def ask(request: Request) -> str:
        if request.data == "refuse":
            raise RequestError("permission_denied", who="worker", what="ask")
        return "yes"

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    await asker.request("ask", headers=TRACE)
    with pytest.raises(RequestError):
        await asker.request("ask", "refuse", headers=TRACE)
    await asker.request("ask")
    assert [trace_of(event) for event in await heard.all()] == [TRACE, TRACE, {}]
    await operator.close()


WEBHOOK = {
    "specversion": "1.0", "id": "A234-1234-1234", "source": "https://github.com/kite", "subject": "7",
    "type": "com.github.pull_request.opened", "time": "2018-04-05T17:31:00Z", "sampledrate": 30,
    "datacontenttype": "application/json", "data": {"n": [1, None]}, **TRACE,
}  # fmt: skip


async def test_a_cloudevent_goes_through_kite_whole(system: System) -> None:
    worker, asker = Module(), Module()
    heard = Heard(2)
    asker.on("com.github.>")(heard)
    await system.run(worker, "worker")
    await system.run(asker, "asker")
    event_id = publish(worker, WEBHOOK)
    publish(worker, {**WEBHOOK, "source": "https://github.com/other"})
    event, other = await heard.all()
    assert (event.id, event.source, event.data) == (event_id, "worker", {"n": [1, None]})
    assert to_cloudevent(event) == {**WEBHOOK, "kitesource": "worker"}
    assert to_cloudevent(other)["source"] == "https://github.com/other"
    again = from_cloudevent(json.loads(json.dumps(to_cloudevent(event))))
    assert (again.subject, again.id, again.headers) == (event.subject, event.id, event.headers)
    assert (again.source, again.timestamp) == (event.source, event.timestamp)


async def test_what_is_no_cloudevent_is_refused_before_it_leaves(system: System) -> None:
    worker = Module()
    with pytest.raises(Unavailable):
        publish(worker, WEBHOOK)
    await system.run(worker, "worker")
    for wrong, code in {
        "specversion": "cloudevent_attribute_missing",
        "time": "cloudevent_attribute_invalid",
        "type": "invalid_subject",
        "data": "event_too_large",
        "Big": "cloudevent_name_invalid",
    }.items():
        given: dict[str, Any] = {**WEBHOOK, "time": "now"} if wrong == "time" else dict(WEBHOOK)
        given |= {
            "type": {"type": "a b"},
            "data": {"data": "x" * (1 << 20)},
            "Big": {"Big": 1},
        }.get(wrong, {})
        if wrong == "specversion":
            del given["specversion"]
        with pytest.raises(RequestError) as caught:
            publish(worker, given)
        assert caught.value.code == code
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(RequestError) as caught:
        from_cloudevent({**WEBHOOK, "data": deep})
    assert caught.value.code == "too_deep"


def test_an_event_from_elsewhere_keeps_its_source() -> None:
    event = from_cloudevent(WEBHOOK)
    assert event.source == "https://github.com/kite"
    assert to_cloudevent(event) == WEBHOOK
