"""A real Registry for tests: its own process, a kite token, and tokens by name."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET

from kite.http.client import Response, call, raise_for
from kite.testing.core_process import CoreProcess
from kite.wire.boot import BootLine, PortLine, encode_line

START_SECONDS: Final = 10.0
END_SECONDS: Final = 5.0


class RegistryProcess:
    """An async context manager that runs `python -m kite.registry.entry`.

    It hands a listening socket down as the Launcher does, so that `kill` and `start` are an
    isolated restart: the port stays, and so does the data directory.

    Args:
        data_dir: where it keeps what survives a restart.
        tokens: names that get a fresh token each, posted at the start; empty posts nothing, and
            the Registry answers 503 to everybody but the kite token.
        config: the `registry:` section of `kite.yaml`.
        environ: further environment.

    Attributes:
        kite_token: the Launcher's.
        epoch: names the lives that take over what another has kept; empty: those with one kite token.
        tokens: token by name, of those that this object has posted.
        port, url: where it listens.
        log: its standard error so far.

    Example:
        ```python
        async with RegistryProcess(tmp_path, tokens=["docs_index"]) as registry:
            await registry.call("POST", "/modules", "docs_index",
                                json={"action": "register", "module_id": "docs_index"})
        ```
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        tokens: Sequence[str] = ("registry", "event_hub", "operator"),
        config: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.kite_token = secrets.token_hex(32)
        self.epoch = ""
        self.tokens: dict[str, str] = {}
        self.port = 0
        self.log: list[str] = []
        self.life = 0
        self._names = tuple(tokens)
        self._config = dict(config or {})
        self._environ = dict(environ or {})
        self._socket: socket.socket | None = None
        self._child: CoreProcess | None = None

    async def __aenter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        try:
            await self.start()
            if self._names:
                await self.post_tokens(*self._names)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process of its last life."""
        assert self._child is not None
        return self._child.process

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    async def start(self) -> None:
        """Start a life of it, and wait for its port line."""
        assert self._socket is not None
        self.life += 1
        about = {
            "KITE_MODULE": "registry",
            "KITE_MODULE_DATA": str(self.data_dir),
            "LISTEN_FDS": "1",
        }
        boot = BootLine(
            token=self.kite_token,
            life=self.life,
            config=self._config,
            epoch=self.epoch or UNSET,
        )
        self._child = await CoreProcess.start(
            "kite.registry.entry",
            encode_line(boot),
            environ=about | self._environ,
            errors=self.log,
            timeout=START_SECONDS,
            listening=self._socket,
        )
        said = self._child.said
        if not isinstance(said, PortLine):
            raise RuntimeError(f"the Registry said {said!r}; {self.log}")
        self.port = said.port

    async def kill(self) -> None:
        """End its process with SIGKILL; connections made from now on wait for the next `start`."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """End its process with SIGTERM; the exit status."""
        return await self._end(signal.SIGTERM)

    async def restart(self, *, post: bool = True) -> None:
        """An isolated restart: killed, started, and told again who has which token."""
        await self.kill()
        await self.start()
        if post:
            await self.post(self.tokens)

    async def close(self) -> None:
        """End everything."""
        if self._child is not None:
            await self._end(signal.SIGTERM)
        if self._socket is not None:
            self._socket.close()

    async def post_tokens(self, *names: str) -> dict[str, str]:
        """Give each name a fresh token (its former one is dead then), and return them."""
        fresh = {name: secrets.token_hex(32) for name in names}
        await self.post(fresh)
        self.tokens |= fresh
        return fresh

    async def post(self, body: Mapping[str, Any]) -> Any:
        """`POST /tokens` as it stands."""
        return await self.ask("POST", "/tokens", self.kite_token, json=body)

    async def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> Any:
        """The JSON of a successful call. `token` is a token, or a name that has one.

        Raises:
            KiteError: it was no success.
        """
        response = await self.call(method, path, token, **options)
        return raise_for(response, url=self.url + path).json()

    async def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        json: Any = msgspec.UNSET,
        headers: dict[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Response:
        """The answer to a call, whatever its status."""
        shown = self.tokens.get(token, token) if token is not None else None
        return await call(
            method, self.url + path, token=shown, json=json, headers=headers, timeout=timeout
        )

    async def _end(self, number: signal.Signals) -> int:
        assert self._child is not None
        return await self._child.end(number, timeout=END_SECONDS)
