"""Kite's Registry with its Hub, as users have it: a token for each module, and each change announced."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode

import httptools
import msgspec

from bench.registry.connection import ROOM, Operation, Refused, Request
from bench.registry.entry import encoded
from bench.registry.http_wire import HttpConnection, request
from bench.registry.peers.peer import LEASE_SECONDS, Peer
from bench.registry.watcher import Seen, Watcher
from bench.server import dial
from kite.testing.hub import HubProcess
from kite.testing.registry import RegistryProcess

_AT_ONCE = 1000
"""Tokens that are told in one go."""


class Kite(Peer):
    """The processes that the Launcher would start."""

    name = "Kite"

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._tokens: dict[str, str] = {}

    @property
    def pid(self) -> int:
        return self.registry.pid

    @property
    def operator(self) -> str:
        """The token of whoever only reads."""
        return self.registry.tokens["operator"]

    def start(self) -> None:
        self._runner.run(self._start())

    async def _start(self) -> None:
        self.registry = await self._stack.enter_async_context(
            RegistryProcess(self._directory / "registry")
        )
        await self._stack.enter_async_context(
            HubProcess(self.registry.port, token=self.registry.tokens["event_hub"])
        )
        self.port = self.registry.port

    def stop(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()
        super().stop()

    def know(self, module_ids: Iterable[str]) -> None:
        new = [module_id for module_id in module_ids if module_id not in self._tokens]
        for at in range(0, len(new), _AT_ONCE):
            tokens = {module_id: secrets.token_hex(32) for module_id in new[at : at + _AT_ONCE]}
            self._runner.run(self.registry.post(tokens))
            self._tokens |= tokens

    def connect(self) -> HttpConnection:
        return HttpConnection(self.port)

    def registration(self, module_id: str, count: int, *, ttl: int = LEASE_SECONDS) -> Operation:
        body = encoded(module_id, count, action="register", ttl=ttl)
        token = self._tokens[module_id]
        return (request("POST", "/modules", port=self.port, token=token, body=body),)

    def change(self, module_id: str, count: int) -> Request:
        return self.registration(module_id, count)[0]

    def question(self, module_id: str) -> Request:
        return request("GET", f"/modules/{module_id}", port=self.port, token=self.operator)

    def watch(self, prefix: str) -> Watcher:
        return KiteWatcher(self.port, self.operator, prefix)


class KiteWatcher(Watcher):
    """One `GET /watch` with one prefix, from when all is known that is there."""

    def __init__(self, port: int, token: str, prefix: str = "") -> None:
        super().__init__()
        self._text = bytearray()
        self._connection = dial(port)
        self._parser = httptools.HttpResponseParser(self)
        target = f"/watch?{urlencode({'prefix': prefix})}"
        self._connection.sendall(request("GET", target, port=port, token=token)[0])
        while not any(seen.kind == "synced" for seen in self.take()):
            self.read()
        self.reads = self.marks = 0

    @property
    def socket(self) -> socket.socket:
        return self._connection

    def on_body(self, body: bytes) -> None:
        """What the parser calls."""
        if self._parser.get_status_code() != 200:
            raise Refused(repr(body[:500]))
        self._text += body

    def read(self) -> int:
        data = self._connection.recv(ROOM)
        if not data:
            raise ConnectionError("the Registry has ended the stream")
        before = len(self._text)
        self._parser.feed_data(data)
        return self._count(bytes(self._text[before:]))

    def take(self) -> list[Seen]:
        *whole, rest = bytes(self._text).split(b"\n\n")
        self._text = bytearray(rest)
        seen = [_seen(text) for text in whole]
        self.is_compacted |= any(each.kind == "compacted" for each in seen)
        return seen


def _seen(text: bytes) -> Seen:
    fields = dict(line.split(b": ", 1) for line in text.split(b"\n"))
    data: dict[str, Any] = msgspec.json.decode(fields[b"data"])
    metadata = (data.get("record") or {}).get("metadata") or {}
    return Seen(
        fields[b"event"].decode(),
        data.get("module_id", ""),
        metadata.get("bench_count", 0),
        data.get("revision", 0),
    )
