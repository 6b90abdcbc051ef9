"""Look-ups of the SDK: from a copy that follows the Registry, which answers as the Registry would."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kite.errors import KiteError, RequestError, Unavailable
from kite.sdk.registry_client import RegistryClient
from kite.sdk.registry_copy import RegistryCopy
from kite.testing.registry import RegistryProcess

SEED = secrets.randbits(32)
NAMES = ["alpha", "beta", "beta_two", "gamma"]


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryProcess]:
    async with RegistryProcess(tmp_path, tokens=("operator", "asker")) as process:
        yield process


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what comes over a stream."""
    async with asyncio.timeout(10):
        while not await fact():  # noqa: ASYNC110  (nobody here is told)
            await asyncio.sleep(0)


class Asker:
    """A copy and the client beside it, with a count of what was asked over the wire."""

    def __init__(self, registry: RegistryProcess) -> None:
        self.client = RegistryClient(registry.port, registry.tokens["asker"])
        self.tasks: list[asyncio.Task[None]] = []
        self.copy = RegistryCopy(self.client, lambda w: self.tasks.append(asyncio.create_task(w)))
        self.asked = 0
        ask = self.client._call

        async def counting(*arguments: Any) -> Any:
            self.asked += 1
            return await ask(*arguments)

        self.client._call = counting  # type: ignore[method-assign]

    async def is_followed(self) -> bool:
        """Whether the copy answers by itself."""
        before = self.asked
        try:
            await self.copy.modules()
        except Unavailable:
            return False
        return self.asked == before

    async def until_followed(self) -> None:
        await until(self.is_followed)


@pytest.fixture
async def asker(registry: RegistryProcess) -> AsyncIterator[Asker]:
    made = Asker(registry)
    await made.until_followed()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def register(registry: RegistryProcess, name: str, **fields: Any) -> None:
    body = {"action": "register", "module_id": name, **fields}
    await registry.ask("POST", "/modules", registry.kite_token, json=body)


async def deregister(registry: RegistryProcess, name: str) -> None:
    body = {"action": "deregister", "module_id": name}
    await registry.ask("POST", "/modules", registry.kite_token, json=body)


def lasting(found: Any) -> Any:
    """Without what each renewal changes."""
    if isinstance(found, list):
        return [lasting(each) for each in found]
    if isinstance(found, dict):
        return {key: value for key, value in found.items() if key != "expires_at"}
    return found


async def outcome(asking: Any) -> Any:
    try:
        return lasting(await asking)
    except KiteError as error:
        return error.code, error.params.get("path")


async def test_whatever_changes_it_answers_as_the_registry_does(
    registry: RegistryProcess, asker: Asker
) -> None:
    dice = random.Random(SEED)
    for _ in range(60):
        name = dice.choice(NAMES)
        if dice.random() < 0.3:
            await deregister(registry, name)
        else:
            kind = dice.choice(["agent", "tool"])
            about = {"n": dice.randrange(3), "languages": ["de", "en"][: dice.randrange(3)]}
            await register(
                registry, name, module_type=kind, metadata=about, life=dice.choice([1, 2])
            )
        wanted = await asker.client.modules()

        async def is_here(wanted: Any = wanted) -> bool:
            return bool(await outcome(asker.copy.modules()) == lasting(wanted))

        await until(is_here)
        before = asker.asked
        for fields in (
            {"module_type": "agent"},
            {"module_id": "beta*", "metadata__n": "1"},
            {"metadata__languages": "d?"},
            {"nothing": "*"},
        ):
            answer = await outcome(asker.copy.lookup(**fields))
            assert asker.asked == before, SEED
            assert answer == await outcome(asker.client.lookup(**fields)), (SEED, fields)
            before = asker.asked
        for path in (
            "alpha",
            "beta.metadata.n",
            "gamma.metadata.languages.0",
            "none",
            "",
            "alpha.",
        ):
            answer = await outcome(asker.copy.get(path))
            assert asker.asked == before, SEED
            assert answer == await outcome(asker.client.get(path)), (SEED, path)
            before = asker.asked
        answer = await outcome(asker.copy.module(name))
        assert answer == await outcome(asker.client.module(name)), (SEED, name)


async def test_an_answer_may_be_changed_without_harm_to_the_list(
    registry: RegistryProcess, asker: Asker
) -> None:
    (await asker.copy.modules()).clear()
    assert [each["module_id"] for each in await asker.copy.modules()] == ["registry"]


async def test_a_restart_of_the_registry_is_a_pause(
    registry: RegistryProcess, asker: Asker
) -> None:
    """Whoever asks meanwhile waits, and the copy is whole again afterwards."""
    await register(registry, "alpha")
    await registry.kill()

    async def is_alone() -> bool:
        return asker.copy._copy() is None

    await until(is_alone)
    asking = asyncio.create_task(asker.copy.get("alpha.module_id"))
    await registry.start()
    await registry.post(registry.tokens)
    assert await outcome(asking) in ("alpha", ("not_ready", None))
    await asker.until_followed()
    await register(registry, "beta")

    async def are_here() -> bool:
        names = [each["module_id"] for each in await asker.copy.modules()]
        return names == ["alpha", "beta", "registry"]

    await until(are_here)


async def code_of_refusal(asker: Asker) -> str:
    async with asyncio.timeout(10):
        while True:
            try:
                await asker.copy.modules()
            except KiteError as refused:
                return refused.code
            await asyncio.sleep(0)


async def test_whoever_has_no_token_any_more_hears_it(
    registry: RegistryProcess, asker: Asker
) -> None:
    await registry.post({"asker": secrets.token_hex(32)})
    assert await code_of_refusal(asker) == "unauthorized"
    async with asyncio.timeout(10):
        await asyncio.wait(asker.tasks)
    assert all(task.exception() is None for task in asker.tasks)


async def test_what_is_not_there_is_not_found(registry: RegistryProcess, asker: Asker) -> None:
    for asking in (asker.copy.module("none"), asker.copy.get("none.name")):
        with pytest.raises(RequestError) as missing:
            await asking
        assert missing.value.code == "not_found"
