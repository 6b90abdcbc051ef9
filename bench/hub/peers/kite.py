"""Kite's own Hub with its Registry: tokens, permissions, deduplication, accounting, all as users have it."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from bench.hub.peers.peer import Peer, read_until
from bench.hub.peers.websocket import frame, header_size, upgrade
from kite.testing.hub import HubProcess
from kite.testing.registry import RegistryProcess

SUBJECTS = ["bench.>"]


class Kite(Peer):
    """Each client is a module of its own whose lists bound what it may publish and subscribe to.

    Args:
        config: the `hub:` section of `kite.yaml`.
        data_dir: where the Hub keeps streams.
    """

    name = "Kite"

    def __init__(
        self, config: Mapping[str, Any] | None = None, data_dir: str | None = None
    ) -> None:
        super().__init__()
        # The clients of the load count bytes and know no control frames: a ping is two too many.
        limits = {"silence_seconds": 0, **((config or {}).get("limits") or {})}
        self._config = {**(config or {}), "limits": limits}
        self._env = {"KITE_MODULE_DATA": data_dir} if data_dir else {}
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.tokens: dict[str, str] = {}

    @property
    def pid(self) -> int:
        return self.hub.pid

    def start(self) -> None:
        self._runner.run(self._start())

    async def _start(self) -> None:
        self.registry = await self._stack.enter_async_context(
            RegistryProcess(self._directory / "registry")
        )
        self.hub = await self._stack.enter_async_context(
            HubProcess(
                self.registry.port,
                token=self.registry.tokens["event_hub"],
                config=self._config,
                env=self._env,
            )
        )
        self.port = self.hub.port

    def stop(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()
        super().stop()

    def token(self, client: str) -> str:
        """The token of a module, made when it is first asked for."""
        if client not in self.tokens:
            token = secrets.token_hex(32)
            lists = {"token": token, "publish": SUBJECTS, "subscribe": SUBJECTS}
            self._runner.run(self.registry.post({client: lists}))
            self.tokens[client] = token
        return self.tokens[client]

    def connect(self, client: str) -> socket.socket:
        return upgrade(self.port, "/ws", token=self.token(client))[0]

    def subscribe(self, connection: socket.socket, pattern: str) -> None:
        connection.sendall(
            frame(b'{"type":"subscribe","events":["%s"],"id":"s"}' % pattern.encode())
        )
        answer = read_until(connection, b"}")
        if b'"ack"' not in answer:
            raise RuntimeError(f"the Hub refused: {answer!r}")

    def publication(self, subject: str, envelope: bytes) -> bytes:  # noqa: ARG002
        return frame(envelope)

    def delivery_size(self, subject: str, size: int) -> int:  # noqa: ARG002
        return header_size(size) + size
