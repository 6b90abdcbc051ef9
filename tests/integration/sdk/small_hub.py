"""A small hub and registry of another make, for the SDK's tests: `websockets` and asyncio alone.

It shares no line with Kite's own (no wire, no http), so that a misunderstanding of the contract
does not cancel out. It does as much of sections 5 and 6 as a module meets.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed


def fits(pattern: str, subject: str) -> bool:
    want, have = pattern.split("."), subject.split(".")
    for position, token in enumerate(want):
        if token == ">":
            return len(have) > position
        if position >= len(have) or token not in ("*", have[position]):
            return False
    return len(want) == len(have)


class SmallHub:
    """One WebSocket server; `port` stays the same over `stop` and `start`."""

    def __init__(self) -> None:
        self.port = 0
        self.tokens: dict[str, str] = {}
        self.answer: int | None = None
        self.handshakes = 0
        self.connections: dict[ServerConnection, tuple[str, list[dict[str, Any]]]] = {}
        self.heard: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.refused_patterns: set[str] = set()
        self.silent_acks = False
        self.seen: set[tuple[str, str]] = set()
        self._changed = asyncio.Condition()
        self._server: Server | None = None

    async def start(self) -> SmallHub:
        self.seen.clear()
        self._server = await serve(
            self._talk, "127.0.0.1", self.port, process_request=self._admit, open_timeout=5
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """As if killed: no close frames."""
        assert self._server is not None
        self._server.close(close_connections=False)
        for connection in list(self.connections):
            connection.transport.abort()
        await self._server.wait_closed()
        for _ in range(100):
            if not self.connections:
                break
            await asyncio.sleep(0.01)

    @property
    def endpoint(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def _admit(self, connection: ServerConnection, request: Any) -> Any:
        self.handshakes += 1
        if self.answer is not None:
            return connection.respond(self.answer, "no\n")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return connection.respond(401, "who\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        token = connection.request.headers["Authorization"].removeprefix("Bearer ")
        name = self.tokens[token]
        self.connections[connection] = (name, [])
        try:
            async for text in connection:
                await self._frame(connection, name, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            del self.connections[connection]
            await self._tell()

    async def _frame(self, connection: ServerConnection, name: str, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        subscriptions = self.connections[connection][1]
        if frame["type"] == "subscribe":
            if self.refused_patterns & set(frame["events"]):
                await connection.send(
                    json.dumps(
                        {
                            "type": "error",
                            "id": frame["id"],
                            "code": "permission_denied",
                            "message": f"{name} may not subscribe to that",
                        }
                    )
                )
                return
            for pattern in frame["events"]:
                subscriptions.append({**frame, "pattern": pattern})
            await connection.send(json.dumps({"type": "ack", "id": frame["id"]}))
        elif frame["type"] == "unsubscribe":
            subscriptions[:] = [
                one
                for one in subscriptions
                if one["pattern"] not in frame["events"] or one.get("queue") != frame.get("queue")
            ]
            await connection.send(json.dumps({"type": "ack", "id": frame["id"]}))
        else:
            await self._event(connection, frame)
        await self._tell()

    async def _event(self, connection: ServerConnection | None, frame: dict[str, Any]) -> None:
        key = (frame.get("source", ""), frame.get("event_id", ""))
        duplicate = key in self.seen
        self.seen.add(key)
        delivered = 0
        if not duplicate:
            delivered = await self.emit(frame, connection)
            self.heard.append(frame)
        if connection is None:
            return
        if frame.get("reply_to") and not delivered and not duplicate:
            await connection.send(
                json.dumps(
                    {
                        "type": "error",
                        "event_id": frame["event_id"],
                        "code": "no_responders",
                        "message": "nobody",
                    }
                )
            )
        elif frame.get("ack") and not self.silent_acks:
            ack = {"type": "ack", "event_id": frame["event_id"], "delivered": delivered}
            await connection.send(json.dumps({**ack, "duplicate": True} if duplicate else ack))

    async def emit(self, frame: dict[str, Any], sender: ServerConnection | None = None) -> int:
        """Deliver an event; returns to how many connections."""
        queues: dict[str, list[ServerConnection]] = defaultdict(list)
        chosen: list[ServerConnection] = []
        for connection, (_, subscriptions) in list(self.connections.items()):
            for one in subscriptions:
                if not fits(one["pattern"], frame["event"]):
                    continue
                if connection is sender and not one.get("echo", True):
                    continue
                if one.get("queue"):
                    queues[one["queue"]].append(connection)
                elif connection not in chosen:
                    chosen.append(connection)
        for members in queues.values():
            if members[0] not in chosen:
                chosen.append(members[0])
        for connection in chosen:
            await connection.send(json.dumps(frame))
        return len(chosen)

    async def publish(self, subject: str, data: Any = None, **more: Any) -> int:
        """Publish in the name of somebody else."""
        frame = {
            "type": "event",
            "event": subject,
            "event_id": f"test-{time.monotonic_ns()}",
            "source": more.pop("source", "launcher"),
            "timestamp": "2026-01-31T09:05:07.123Z",
            "data": data,
            **more,
        }
        return await self.emit(frame)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Any, *, seconds: float = 10.0) -> Any:
        """Wait until `condition()` is true; returns its value."""
        async with asyncio.timeout(seconds), self._changed:
            return await self._changed.wait_for(condition)

    async def hear(self, subject: str, *, count: int = 1, seconds: float = 10.0) -> list[Any]:
        """Wait until so many events with this subject have been published; returns them."""

        def found() -> list[Any] | None:
            events = [one for one in self.heard if one["event"] == subject]
            return events if len(events) >= count else None

        return await self.until(found, seconds=seconds)


class SmallRegistry:
    """HTTP by hand: `GET /get/…`, `POST /modules`; `port` stays the same over restarts."""

    def __init__(self, hub: SmallHub, *, ttl: float = 30.0) -> None:
        self.hub = hub
        self.ttl = ttl
        self.port = 0
        self.calls: list[tuple[str, Any]] = []
        self.entries: dict[str, Any] = {}
        self.refuse: tuple[int, str] | None = None
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Condition()

    async def start(self) -> SmallRegistry:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {
                line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in head[1:-2]
            }
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            method, path, _ = head[0].split(" ")
            token = fields.get("authorization", "").removeprefix("Bearer ")
            status, answer = self._answer(method, path, token, json.loads(body) if body else None)
            text = json.dumps(answer).encode()
            kind = "application/json" if status < 400 else "application/problem+json"
            writer.write(
                f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode()
                + text
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
        async with self._changed:
            self._changed.notify_all()

    def _answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        self.calls.append((f"{method} {path}", body))
        if self.refuse is not None:
            return self.refuse[0], {"code": self.refuse[1], "status": self.refuse[0]}
        if token not in self.hub.tokens:
            return 401, {"code": "unauthorized", "status": 401}
        if path == "/get/event_hub.metadata.ws_endpoint":
            return 200, self.hub.endpoint
        if path == "/modules" and body and body["action"] == "register":
            self.entries[body["module_id"]] = body
            return 200, {"ok": True, "module_id": body["module_id"], "ttl": self.ttl}
        if path == "/modules" and body and body["action"] == "heartbeat":
            if body["module_id"] not in self.entries:
                return 404, {"code": "not_registered", "status": 404}
            return 200, {"ok": True, "module_id": body["module_id"], "ttl": self.ttl}
        return 404, {"code": "not_found", "status": 404, "params": {"path": path}}

    async def until(self, condition: Any, *, seconds: float = 10.0) -> Any:
        async with asyncio.timeout(seconds), self._changed:
            return await self._changed.wait_for(condition)

    def count(self, action: str) -> int:
        return sum(1 for _, body in self.calls if body and body.get("action") == action)
