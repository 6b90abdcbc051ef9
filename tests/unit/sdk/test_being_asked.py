"""Whether a module lets the Hub see its event loop, or wants to be asked."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from kite.errors import PeerError
from kite.sdk.connection import HubConnection
from kite.sdk.declaration import Declaration
from kite.sdk.life import Life
from kite.wire.boot import BootLine, decode_boot_line, encode_line


@pytest.mark.parametrize("is_asked", [True, False])
async def test_the_boot_line_decides(is_asked: bool) -> None:
    heard: list[bool] = []

    async def connect(endpoint: str, token: str, **options: Any) -> HubConnection:
        heard.append(options.get("is_asked", False))
        raise PeerError("unauthorized")

    said = BootLine(token="0" * 64, ws_endpoint="ws://127.0.0.1:1/ws", is_asked=is_asked)
    boot = decode_boot_line(encode_line(said))
    assert boot is not None
    log = logging.getLogger("test")
    life = Life(
        Declaration(),
        name="m",
        boot=boot,
        registry=None,
        connect=connect,
        log=log,  # type: ignore[arg-type]
    )
    assert await life.run() == 6
    assert heard == [is_asked]
