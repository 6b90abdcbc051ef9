"""The Registry as far as the Hub needs it: a token table behind an HTTP server, and switches for
everything that can go wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from kite.wire.token import digest


class FakeRegistry:
    """`async with FakeRegistry() as registry`: listens, answers, counts."""

    def __init__(self) -> None:
        self.hub_token = secrets.token_hex(32)
        self.tokens: dict[str, dict[str, Any]] = {}  # digest -> row
        self.unlisted: dict[str, dict[str, Any]] = {}  # known to /verify alone
        self.ports: list[int] = []
        self.epoch = secrets.token_hex(4)
        self.revision = 1
        self.port = 0
        self.is_ready = True
        self.verified: list[str] = []
        self.registered: list[dict[str, Any]] = []
        self.polled: tuple[str | None, int] = ("", -1)
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As a crash: connections are dropped, the port is closed."""
        assert self._server is not None
        self._server.close()
        for task in list(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    async def restart(self, *, ready: bool = True) -> None:
        self.epoch = secrets.token_hex(4)
        self.is_ready = ready
        await self.start()

    async def add(self, module: str, *, listed: bool = True, **row: Any) -> str:
        """A new token of a module."""
        token = secrets.token_hex(32)
        table = self.tokens if listed else self.unlisted
        table[digest(token)] = {"digest": digest(token), "module_id": module, **row}
        if listed:
            await self.change()
        return token

    async def revoke(self, token: str) -> None:
        self.tokens.pop(digest(token), None)
        self.unlisted.pop(digest(token), None)
        await self.change()

    async def change(self) -> None:
        async with self._changed:
            self.revision += 1
            self._changed.notify_all()

    async def travelled(self) -> None:
        """Wait until the Hub has the table of now."""
        async with self._changed, asyncio.timeout(10):
            await self._changed.wait_for(lambda: self.polled == (self.epoch, self.revision))

    async def registration(self, count: int = 1) -> dict[str, Any]:
        """Wait for the Hub's n-th registration."""
        async with self._changed, asyncio.timeout(10):
            await self._changed.wait_for(lambda: len(self.registered) >= count)
        return self.registered[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            method, target, _ = lines[0].split(" ")
            status, answer = await self._answer(method, target, fields, body)
            data = json.dumps(answer).encode()
            writer.write(
                f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._handlers.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(
        self, method: str, target: str, fields: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if not self.is_ready:
            return 503, {"code": "not_ready"}
        if fields.get("authorization") != f"bearer {self.hub_token}":
            return 401, {"code": "unauthorized"}
        parts = urlsplit(target)
        if (method, parts.path) == ("GET", "/tokens/digests"):
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            known = (query.get("epoch"), int(query.get("revision", -1)))
            async with self._changed:
                self.polled = known
                self._changed.notify_all()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(float(query.get("wait", 0))):
                        await self._changed.wait_for(lambda: known != (self.epoch, self.revision))
            return 200, {
                "epoch": self.epoch,
                "revision": self.revision,
                "tokens": list(self.tokens.values()),
                "ports": self.ports,
            }
        if (method, parts.path) == ("POST", "/verify"):
            found = digest(json.loads(body)["token"])
            self.verified.append(found)
            row = self.tokens.get(found) or self.unlisted.get(found)
            return (200, row) if row else (404, {"code": "not_found"})
        if (method, parts.path) == ("POST", "/modules"):
            async with self._changed:
                self.registered.append(json.loads(body))
                self._changed.notify_all()
            return 200, {"ok": True, "module_id": "event_hub", "ttl": 30}
        return 404, {"code": "not_found"}
