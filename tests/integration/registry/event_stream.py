"""A reader of server-sent events over a socket, and a copy of the Registry that it keeps."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httptools

from kite.testing.registry import RegistryProcess


class EventStream:
    """One `GET /watch`; `copy` is what a client knows from it.

    Args:
        registry: who is asked.
        token: a token, or a name that has one.
        query: of the request.
        last_event_id: sent as a browser would.
    """

    def __init__(
        self,
        registry: RegistryProcess,
        token: str = "operator",
        *,
        last_event_id: str | None = None,
        **query: object,
    ) -> None:
        shown = registry.tokens.get(token, token)
        target = "/watch?" + urlencode(query)
        lines = [f"GET {target} HTTP/1.1", f"Host: {urlsplit(registry.url).netloc}"]
        lines += [f"Authorization: Bearer {shown}"]
        if last_event_id is not None:
            lines += [f"Last-Event-ID: {last_event_id}"]
        self._head = "\r\n".join([*lines, "", ""]).encode()
        self._port = registry.port
        self._text = bytearray()
        self._ready: list[dict[str, Any]] = []
        self.is_over = False
        self.status = 0
        self.copy: dict[str, dict[str, Any]] = {}
        self.last_id = ""

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._parser = httptools.HttpResponseParser(self)
        self.writer.write(self._head)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.transport.abort()

    # what the parser calls
    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if self.status != 200:
            return
        self._text += body
        *whole, rest = bytes(self._text).split(b"\n\n")
        self._text = bytearray(rest)
        self._ready += [_event(text.decode()) for text in whole]

    def on_message_complete(self) -> None:
        self.is_over = True

    async def next_head(self) -> None:
        """Read until the status is known."""
        async with asyncio.timeout(10):
            while not self.status:
                self._parser.feed_data(await self.reader.read(65536))

    async def next(self, timeout: float = 10.0) -> dict[str, Any] | None:
        """The next event, with `event`, `id` and what its data say; None at the end."""
        async with asyncio.timeout(timeout):
            while not self._ready and not self.is_over:
                chunk = await self.reader.read(65536)
                if not chunk:
                    self.is_over = True
                self._parser.feed_data(chunk)
        if not self._ready:
            return None
        event = self._ready.pop(0)
        self._learn(event)
        return event

    def _learn(self, event: dict[str, Any]) -> None:
        self.last_id = event["id"] or self.last_id
        match event["event"]:
            case "compacted":
                self.copy.clear()
            case "synced":
                pass
            case _ if event["record"] is None:
                self.copy.pop(event["module_id"], None)
            case _:
                self.copy[event["module_id"]] = event["record"]

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """All events up to the next of a kind, which is the last."""
        events = []
        while not events or events[-1]["event"] != kind:
            event = await self.next()
            assert event is not None, f"the stream has ended before '{kind}': {events[-3:]}"
            events.append(event)
        return events


def _event(text: str) -> dict[str, Any]:
    fields = dict(line.split(": ", 1) for line in text.split("\n"))
    data: dict[str, Any] = json.loads(fields["data"])
    return {"event": fields["event"], "id": fields.get("id", ""), **data}
