"""The Launcher's link against a real Registry: what is told when, through deaths and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kite.launcher.authority import Authority
from kite.launcher.registry_link import RegistryLink
from kite.testing.registry import RegistryProcess


class Town:
    """A Registry, the table of tokens, and the link between them at work."""

    def __init__(self, registry: RegistryProcess) -> None:
        self.registry = registry
        self.authority = Authority()
        registry.kite_token = self.authority.kite_token
        self.link: RegistryLink

    def issue(self, name: str, life: int, **more: Any) -> str:
        return self.authority.issue(name, life, **more)

    async def acknowledged(self) -> None:
        async with asyncio.timeout(10):
            await self.link.acknowledged(self.authority.version)

    def died(self, name: str, life: int) -> None:
        self.authority.revoke(name, life)
        self.link.revoked(name, life)

    async def status(self, token: str, path: str = "/modules") -> int:
        return (await self.registry.call("GET", path, token)).status

    async def register(self, name: str, token: str, life: int) -> None:
        body = {"action": "register", "module_id": name, "life": life}
        await self.registry.ask("POST", "/modules", token, json=body)

    async def names(self) -> set[str]:
        found = await self.registry.ask("GET", "/modules", self.authority.kite_token)
        return {one["module_id"] for one in found["modules"]} - {"registry"}


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    registry = RegistryProcess(tmp_path, tokens=())
    found = Town(registry)
    async with registry:
        found.link = RegistryLink(registry.url, found.authority)
        work = asyncio.create_task(found.link.run())
        try:
            yield found
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


async def open_up(town: Town) -> None:
    async with asyncio.timeout(10):
        await town.link.tell_everybody()


async def soon(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Ask the Registry until it is so; it has no way to tell."""
    async with asyncio.timeout(10):
        while not await is_so():  # noqa: ASYNC110  (the fact lies in another process)
            await asyncio.sleep(0.01)


async def test_nobody_is_known_before_everybody_is(town: Town) -> None:
    early = town.issue("early", 1)
    assert await town.status(early) == 503
    waiting = asyncio.create_task(town.link.acknowledged(town.authority.version))
    await asyncio.sleep(0)
    assert not waiting.done()
    await open_up(town)
    await asyncio.wait_for(waiting, 10)
    assert await town.status(early) == 200
    assert await town.status(town.authority.operator_token) == 200


async def test_an_acknowledged_token_is_known_and_a_revoked_one_dead(town: Town) -> None:
    await open_up(town)
    token = town.issue("m", 1)
    await town.acknowledged()
    assert await town.status(token) == 200
    town.died("m", 1)
    await town.acknowledged()
    assert await town.status(token) == 401


async def test_a_death_is_told_before_the_next_lifes_token(town: Town) -> None:
    """So that the new life's own entry is not taken for the old one's."""
    await open_up(town)
    first = town.issue("m", 1)
    await town.acknowledged()
    await town.register("m", first, 1)
    town.died("m", 1)
    second = town.issue("m", 2)
    await town.acknowledged()
    assert await town.names() == set()
    assert await town.status(first) == 401
    await town.register("m", second, 2)
    assert await town.names() == {"m"}


async def test_many_changes_at_once_all_arrive(town: Town) -> None:
    await open_up(town)
    tokens = [town.issue(f"m{n}", 1) for n in range(40)]
    await asyncio.gather(*(town.acknowledged() for _ in tokens))
    for token in tokens[::7]:
        assert await town.status(token) == 200


async def test_a_restarted_registry_is_told_everything_anew(town: Town) -> None:
    await open_up(town)
    token = town.issue("m", 1)
    gone = town.issue("gone", 1)
    await town.acknowledged()
    await town.register("m", token, 1)
    await town.register("gone", gone, 1)
    await town.registry.kill()
    town.link.closed()
    town.died("gone", 1)
    late = town.issue("late", 1)
    waiting = asyncio.create_task(town.link.acknowledged(town.authority.version))
    await town.registry.start()
    assert await town.status(token) == 503
    await open_up(town)
    await asyncio.wait_for(waiting, 10)
    for known in (token, late):
        assert await town.status(known) == 200
    assert await town.status(gone) == 401
    await soon(lambda: _is(town.names, {"m"}))


async def test_a_call_that_one_life_left_unanswered_is_no_news_to_the_next(town: Town) -> None:
    """It waits in the listening socket, and the next life takes the first it hears for everybody."""
    old = town.issue("old", 1)
    await open_up(town)
    os.kill(town.registry.pid, signal.SIGSTOP)
    new = town.issue("new", 1)
    waiting = asyncio.create_task(town.link.acknowledged(town.authority.version))
    await soon(lambda: _waits_in_the_socket(town.registry.port))
    await town.registry.kill()
    town.link.closed()
    await town.registry.start()
    await asyncio.wait_for(waiting, 10)
    for token in (old, new):
        assert await town.status(token) == 200, "401 would be final"
    await open_up(town)
    assert await town.status(old) == 200


async def test_who_does_not_register_is_registered_until_it_ends(town: Town) -> None:
    await open_up(town)
    own = town.issue("own", 1)
    town.issue("mute", 1)
    await town.acknowledged()
    await town.register("own", own, 1)
    await town.registry.ask(
        "POST",
        "/modules",
        own,
        json={"action": "register", "module_id": "own", "name": "Own", "life": 1},
    )
    await town.link.register_for("own", {"name": "By the Launcher", "life": 1}, replace=False)
    await town.link.register_for("mute", {"name": "Mute", "life": 1}, replace=False)
    kite = town.authority.kite_token
    assert (await town.registry.ask("GET", "/modules/own", kite))["name"] == "Own"
    assert (await town.registry.ask("GET", "/modules/mute", kite))["name"] == "Mute"
    town.died("mute", 1)
    await town.acknowledged()
    await soon(lambda: _is(town.names, {"own"}))


async def test_a_word_for_an_earlier_life_of_the_registry_is_said_again(town: Town) -> None:
    """A call that waits in the socket while the Registry is away has the kite token of the life that
    has ended: its refusal is not the last word."""
    await open_up(town)
    token = town.issue("mute", 1)
    await town.acknowledged()
    await town.registry.kill()
    telling = asyncio.create_task(
        town.link.register_for("mute", {"name": "Mute", "life": 1}, replace=False)
    )
    town.died("other", 1)
    await asyncio.sleep(0)
    town.registry.kite_token = town.authority.renew_kite_token()
    await town.registry.start()
    await open_up(town)
    async with asyncio.timeout(20):
        await telling
    await town.acknowledged()
    assert await town.names() == {"mute"}
    assert await town.status(token) == 200


async def test_what_is_registered_for_others_comes_back_with_the_registry(town: Town) -> None:
    await open_up(town)
    town.issue("mute", 1)
    await town.link.register_for("mute", {"name": "Mute", "life": 1}, replace=False)
    await town.registry.kill()
    town.link.closed()
    for file in town.registry.data_dir.rglob("*"):
        if file.is_file():
            file.unlink()  # even if it has forgotten everything
    await town.registry.start()
    await open_up(town)
    assert await town.names() == {"mute"}


async def test_what_is_registered_for_others_seldom_needs_renewing(town: Town) -> None:
    await open_up(town)
    town.issue("mute", 1)
    await town.link.register_for("mute", {"name": "Mute", "life": 1}, replace=False)
    entry = await town.registry.ask("GET", "/modules/mute", town.authority.kite_token)
    lease = datetime.fromisoformat(entry["expires_at"]) - datetime.fromisoformat(
        entry["registered_at"]
    )
    assert lease >= timedelta(minutes=30)


async def test_who_registers_itself_later_renews_that_itself(town: Town) -> None:
    """Else the entry of one that hangs would never expire."""
    await open_up(town)
    token = town.issue("late", 1)
    await town.acknowledged()
    await town.link.register_for("late", {"name": "By the Launcher", "life": 1}, replace=False)
    await town.link.renew()
    assert await town.names() == {"late"}
    body = {"action": "register", "module_id": "late", "name": "Own", "life": 1, "ttl": 0.5}
    await town.registry.ask("POST", "/modules", token, json=body)
    await town.link.renew()  # is told that it is no longer the Launcher's
    await soon(lambda: _is_renewed_and_gone(town))


async def _is_renewed_and_gone(town: Town) -> bool:
    await town.link.renew()
    return await town.names() == set()


async def test_a_restarted_registry_keeps_what_a_module_registered_itself(town: Town) -> None:
    await open_up(town)
    token = town.issue("late", 1)
    await town.acknowledged()
    await town.link.register_for("late", {"name": "By the Launcher", "life": 1}, replace=False)
    body = {"action": "register", "module_id": "late", "name": "Own", "life": 1}
    await town.registry.ask("POST", "/modules", token, json=body)
    await town.registry.kill()
    town.link.closed()
    await town.registry.start()
    await open_up(town)
    found = await town.registry.ask("GET", "/modules/late", town.authority.kite_token)
    assert found["name"] == "Own"


MANY = tuple(f"subject.{number}" for number in range(2000))
"""More patterns than the Registry takes in one list."""


async def test_a_refused_token_waits_alone(town: Town) -> None:
    await open_up(town)
    told: list[tuple[str, str]] = []
    town.link.on_refused = lambda name, why: told.append((name, why.code))
    before = town.issue("before", 1)
    await town.acknowledged()
    town.issue("greedy", 1, publish=MANY)
    refused = asyncio.create_task(town.link.acknowledged(town.authority.version))
    after = town.issue("after", 1)
    await town.acknowledged()
    for token in (before, after):
        assert await town.status(token) == 200
    assert not refused.done(), "no boot line with a token that the Registry does not know"
    assert set(told) == {("greedy", "malformed_body")}
    town.died("before", 1)
    await town.acknowledged()
    assert await town.status(before) == 401
    await town.registry.restart(post=False)
    await open_up(town)
    assert await town.status(after) == 200
    assert not refused.done()
    town.died("greedy", 1)
    town.issue("greedy", 2, publish=MANY[:1000])
    await town.acknowledged()
    refused.cancel()


async def test_a_refused_death_keeps_no_other_waiting(town: Town) -> None:
    await open_up(town)
    town.link.revoked("No Name", 1)
    token = town.issue("m", 1)
    await town.acknowledged()
    assert await town.status(token) == 200


async def test_one_that_ends_before_the_registry_is_back_gets_no_entry(town: Town) -> None:
    await open_up(town)
    town.issue("mute", 1)
    await town.acknowledged()
    await town.registry.kill()
    town.link.closed()
    work = asyncio.create_task(
        town.link.register_for("mute", {"name": "Mute", "life": 1}, replace=False)
    )
    await asyncio.sleep(0)
    town.died("mute", 1)
    await town.registry.start()
    await open_up(town)
    await asyncio.wait_for(work, 10)
    await town.acknowledged()
    assert await town.names() == set()


async def test_ports_of_living_modules_may_look(town: Town) -> None:
    await open_up(town)
    token = town.issue("page", 1)
    await town.acknowledged()
    body = {"action": "register", "module_id": "page", "api_endpoint": "http://127.0.0.1:4711"}
    await town.registry.ask("POST", "/modules", token, json=body)

    async def is_allowed() -> bool:
        return 4711 in town.link.ports

    await soon(is_allowed)
    town.died("page", 1)

    async def is_gone() -> bool:
        return 4711 not in town.link.ports

    await soon(is_gone)


async def _waits_in_the_socket(port: int) -> bool:
    return _has_unread(port)


def _has_unread(port: int) -> bool:
    """Whether a connection to the port holds bytes that nobody has read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state, queues = (line.split()[column] for column in (1, 3, 4))
        if local.endswith(f":{port:04X}") and state == "01" and int(queues.split(":")[1], 16):
            return True
    return False


async def _is(ask: Callable[[], Awaitable[Any]], wanted: Any) -> bool:
    return bool(await ask() == wanted)
