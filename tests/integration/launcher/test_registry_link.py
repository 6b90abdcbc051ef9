"""What the Launcher tells the Registry while the lives it speaks for end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from kite.launcher.authority import Authority
from kite.launcher.registry_link import RegistryLink


class OtherRegistry:
    """Answers every call, and lets the test do something before it answers one of them."""

    def __init__(self) -> None:
        self.registered: list[str] = []
        self.entries: set[str] = set()
        self.before: Callable[[str, str], None] = lambda method, path: None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        lengths = [line for line in head.lower().splitlines() if line.startswith("content-length")]
        body = await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b"{}"
        said: dict[str, Any] = json.loads(body)
        self.before(method, path)
        if said.get("action") == "register":
            self.registered.append(said["module_id"])
        found = method != "GET" or path.rpartition("/")[2] in self.entries
        answer = json.dumps({"ok": True, "ttl": 30, "code": "not_found"}).encode()
        status = "200 OK" if found else "404 Not Found"
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer
        )
        await writer.drain()
        writer.close()


def _with_link(registry: OtherRegistry, work: Callable[[RegistryLink], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(registry, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, asyncio.timeout(10):
            await work(RegistryLink(f"http://127.0.0.1:{port}", Authority()))

    asyncio.run(run())


def test_a_life_that_ends_while_others_are_registered_again_is_left_out() -> None:
    """A Registry that came back is told all entries; one life is gone before its turn comes."""
    registry = OtherRegistry()

    async def work(link: RegistryLink) -> None:
        await link.tell_everybody()
        for name in ("first", "second", "third"):
            await link.register_for(name, {"life": 1}, replace=True)
        registry.registered.clear()

        def end_second(method: str, path: str) -> None:
            if path == "/modules":
                link.revoked("second", 1)

        registry.before = end_second
        await link.tell_everybody()
        assert registry.registered == ["first", "third"]

    _with_link(registry, work)


def test_a_life_that_ends_while_it_is_registered_is_registered_no_more() -> None:
    registry = OtherRegistry()

    async def work(link: RegistryLink) -> None:
        await link.tell_everybody()
        registry.before = lambda method, path: link.revoked("brief", 1)
        await link.register_for("brief", {"life": 1}, replace=False)
        registry.before = lambda method, path: None
        registry.registered.clear()
        await link.tell_everybody()
        await link.renew()
        assert registry.registered == []

    _with_link(registry, work)


def test_a_token_waits_for_one_entry_at_most() -> None:
    """Fifty programs that came up are entered one after the other; a module that starts meanwhile
    is not to wait for its boot line until all are."""
    registry = OtherRegistry()
    said: list[str] = []

    async def work(link: RegistryLink) -> None:
        await link.tell_everybody()
        working = asyncio.ensure_future(link.run())
        version = 0

        def begin_another(method: str, path: str) -> None:
            nonlocal version
            said.append(path)
            if len(said) == 3:
                link._authority.issue("late", 1)
                version = link._authority.version
                link._wake.set()

        registry.before = begin_another
        entering = [
            asyncio.ensure_future(link.register_for(f"m{number}", {"life": 1}, replace=True))
            for number in range(20)
        ]
        await asyncio.gather(*entering)
        await link.acknowledged(version)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    _with_link(registry, work)
    posts = [path for path in said if path in ("/modules", "/tokens")]
    assert posts.index("/tokens") <= 4
    assert len(posts) == 21
