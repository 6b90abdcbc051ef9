"""A real Event Hub process for tests: against a registry on any port, with a Launcher's connection
that opens its doors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from kite.event_hub.core.websocket import close
from kite.testing.core_process import CoreProcess
from kite.wire.boot import BootLine, EndpointLine, LauncherTokenLine, encode_line


class HubProcess:
    """An async context manager: inside it a Hub listens, and lets clients in.

    Args:
        registry_port: where the Registry listens; the Hub asks it about tokens.
        token: the Hub's own module token; made up where it is left out.
        life: of the Hub.
        config: the `hub:` section of `kite.yaml`.
        opens: whether a connection as `launcher` subscribes, so that the doors open. Without it
            every other client gets 503.
        env: further environment for the process.
        deadline: seconds within which it must listen, open and end.

    Attributes:
        endpoint: `ws://127.0.0.1:<port>/ws`.
        port: its port.
        pid: of the process.
        launcher_token: the token that means `launcher` in this life.
        errors: what the process said on standard error, line by line.
    """

    def __init__(
        self,
        registry_port: int,
        *,
        token: str | None = None,
        life: int = 1,
        config: Mapping[str, Any] | None = None,
        opens: bool = True,
        env: Mapping[str, str] | None = None,
        deadline: float = 15.0,
    ) -> None:
        self.registry_port = registry_port
        self.token = token or secrets.token_hex(32)
        self.launcher_token = secrets.token_hex(32)
        self.endpoint = ""
        self.port = 0
        self.errors: list[str] = []
        self._life = life
        self._config = dict(config or {})
        self._opens = opens
        self._env = dict(env or {})
        self._deadline = deadline
        self._child: CoreProcess | None = None
        self._launcher: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process, once started."""
        assert self._child is not None
        return self._child.process

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._deadline):
                await self._start()
                if self._opens:
                    await self.open_doors()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def open_doors(self) -> None:
        """Connect as the Launcher and subscribe, which lets everybody else in."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._launcher = writer
        writer.write(
            (
                f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"Authorization: Bearer {self.launcher_token}\r\n\r\n"
            ).encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise AssertionError(f"the hub refused the launcher: {head!r}")
        frame = {"type": "subscribe", "events": ["hub.started"], "id": "doors"}
        writer.write(_masked(json.dumps(frame).encode()))
        await reader.readuntil(b'"id":"doors"}')

        async def swallow() -> None:
            with contextlib.suppress(ConnectionError):
                while await reader.read(65536):
                    pass

        self._listening = asyncio.create_task(swallow())

    async def leave(self) -> int:
        """End its standard input, as the Launcher does; returns the exit status."""
        assert self._child is not None
        return await self._child.end(timeout=self._deadline)

    async def kill(self) -> None:
        """End it as a crash would."""
        assert self._child is not None
        await self._child.end(signal.SIGKILL, timeout=self._deadline)

    async def _start(self) -> None:
        boot = BootLine(token=self.token, life=self._life, config=self._config)
        line = LauncherTokenLine(launcher_ws_token=self.launcher_token)
        about = {"KITE_REGISTRY_PORT": str(self.registry_port), "KITE_MODULE": "event_hub"}
        self._child = await CoreProcess.start(
            "kite.event_hub.entry",
            encode_line(boot),
            encode_line(line),
            environ=about | self._env,
            errors=self.errors,
            timeout=self._deadline,
        )
        said = self._child.said
        if not isinstance(said, EndpointLine):
            raise AssertionError(f"the hub did not start: {self.errors}")
        self.endpoint = said.ws_endpoint
        self.port = int(self.endpoint.rpartition(":")[2].partition("/")[0])

    async def _end(self) -> None:
        if self._launcher is not None:
            self._launcher.write(_masked(close(1000)[2:], opcode=8))
            self._launcher.close()
        if self._listening is not None:
            self._listening.cancel()
        if self._child is not None:
            await self._child.end(timeout=self._deadline)


def _masked(payload: bytes, opcode: int = 1) -> bytes:
    """A client's frame with a mask of zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload
