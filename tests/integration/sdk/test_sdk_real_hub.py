"""The SDK against Kite's own Hub and Registry as processes, and through the death of each."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kite import Module
from kite.errors import RequestError
from kite.settings import ModuleSettings
from kite.testing.hub import HubProcess
from kite.testing.registry import RegistryProcess
from kite.wire.boot import BootLine

NAMES = ("registry", "event_hub", "operator", "worker", "asker", "undertaker")


class System:
    """A Registry, a Hub, and modules of this loop between them."""

    def __init__(self, registry: RegistryProcess, directory: Path) -> None:
        self.registry = registry
        self.directory = directory
        self.hub: HubProcess | None = None
        self.tasks: dict[Module, asyncio.Task[int]] = {}

    async def start_hub(self) -> None:
        self.hub = HubProcess(
            self.registry.port,
            token=self.registry.tokens["event_hub"],
            config={"streams": {"docs": {"subjects": ["docs.>"]}}},
            env={"KITE_MODULE_DATA": str(self.directory)},
        )
        await self.hub.__aenter__()

    async def restart_hub(self) -> None:
        assert self.hub is not None
        await self.hub.kill()
        await self.hub.__aexit__(None, None, None)
        await self.start_hub()

    async def run(
        self, module: Module, name: str, *, life: int = 1, token: str = "", wait: bool = True
    ) -> asyncio.Task[int]:
        settings = ModuleSettings(
            module=name,
            module_dir=self.directory,
            data_dir=self.directory,
            registry_port=self.registry.port,
            instance="test",
            instance_dir=self.directory,
            project_dir=self.directory,
            workspace=self.directory,
            port=None,
        )
        boot = BootLine(token=token or self.registry.tokens[name], life=life)
        task = self.tasks[module] = asyncio.create_task(module.begin(settings, boot).run())
        if wait:
            async with asyncio.timeout(15):
                await module.ready()
        return task

    async def close(self) -> None:
        for module, task in self.tasks.items():
            if not task.done():
                module.stop()
            async with asyncio.timeout(15):
                await task
        if self.hub is not None:
            await self.hub.__aexit__(None, None, None)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with RegistryProcess(tmp_path, tokens=NAMES, config={}) as registry:
        system = System(registry, tmp_path)
        try:
            await system.start_hub()
            yield system
        finally:
            await system.close()


async def insist(module: Module, subject: str, data: object = None) -> object:
    """Ask until somebody is there to answer: others come back after a restart when they do."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await module.request(subject, data)
            except RequestError as failure:
                if failure.code != "no_responders":
                    raise
            await asyncio.sleep(0.01)


async def test_a_request_ends_when_its_responder_is_lost(system: System) -> None:
    worker, asker = Module(), Module()
    has_begun = asyncio.Event()

    @worker.handle("think")
    async def think(request):
        has_begun.set()
        await asyncio.Event().wait()

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    asking = asyncio.create_task(asker.request("think", timeout=60))
    async with asyncio.timeout(10):
        await has_begun.wait()
        await system.registry.post({"worker": None})  # its token dies, and the connection with it
        with pytest.raises(RequestError) as lost:
            await asking
    assert lost.value.code == "responder_lost"
    assert "think" in lost.value.message


async def test_question_answer_order_and_refusals(system: System) -> None:
    worker, asker = Module(), Module()
    seen: list[int] = []
    all_seen = asyncio.Event()

    @worker.handle("double")
    async def double(request):
        return request.data * 2

    @worker.handle("refuse")
    def refuse(request):
        raise RequestError("permission_denied", who=request.source, what="ask that")

    @worker.on("count.*")
    def count(event):
        seen.append(event.data)
        if len(seen) == 2000:
            all_seen.set()

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    answers = await asyncio.gather(*(asker.request("double", n) for n in range(200)))
    assert answers == [2 * n for n in range(200)]
    with pytest.raises(RequestError) as refused:
        await asker.request("refuse")
    assert refused.value.code == "permission_denied"
    assert refused.value.message == "asker may not ask that"
    with pytest.raises(RequestError) as nobody:
        await asker.request("nobody.there", timeout=30)
    assert nobody.value.code == "no_responders"
    for number in range(2000):
        asker.publish(f"count.{number % 7}", number)
        await asker.drained()
    await asyncio.wait_for(all_seen.wait(), 15)
    assert seen == list(range(2000))
    published = await asker.publish_acked("count.last", 2000)
    assert (published.delivered, published.duplicate) == (1, False)
    entry = await asker.registry.module("worker")
    assert set(entry["events_subscribe"]) == {"double", "refuse", "count.*"}
    assert [one["module_id"] for one in await asker.registry.lookup(events_subscribe="doub*")] == [
        "worker"
    ]


async def test_a_durable_handler_gets_everything_that_was_acknowledged(system: System) -> None:
    """Also what was published while it was away, what it failed at, and over the Hub's death."""
    asker = Module()
    await system.run(asker, "asker")
    done: dict[int, int] = {}
    letters: list[dict[str, object]] = []
    all_done, buried = asyncio.Event(), asyncio.Event()

    def module() -> Module:
        worker = Module()

        @worker.on("docs.>", durable="index", start="all", max_deliver=2)
        async def index(event):
            if event.data == "broken" or (event.data == 7 and event.attempt == 1):
                raise ValueError(f"cannot read {event.data}")
            done[event.data] = done.get(event.data, 0) + 1
            if len(done) == 30:
                all_done.set()

        return worker

    @(graves := Module()).on("_dead.index")
    def bury(event):
        letters.append(event.data)
        buried.set()

    await system.run(graves, "undertaker")
    for number in range(10):
        await asker.publish_acked("docs.a", number)
    worker = module()
    task = await system.run(worker, "worker")
    for number in range(10, 20):
        await asker.publish_acked("docs.b", number)
    await asker.publish_acked("docs.c", "broken")
    await asyncio.wait_for(buried.wait(), 20)
    await system.restart_hub()
    worker.stop()
    await task
    for number in range(20, 30):
        await asker.publish_acked("docs.b", number)
    await system.run(module(), "worker", life=2)
    await asyncio.wait_for(all_done.wait(), 20)
    assert sorted(done) == list(range(30))
    assert letters[0]["reason"] == "ValueError: cannot read broken"
    assert (letters[0]["attempts"], letters[0]["durable"]) == (2, "index")


async def test_killed_hub_is_come_back_to(system: System) -> None:
    worker, asker = Module(), Module()
    got: list[int] = []

    @worker.handle("double")
    def double(request):
        return request.data * 2

    @worker.on("news")
    def news(event):
        got.append(event.data)

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    for round_ in range(2):
        await system.restart_hub()
        begin = time.monotonic()
        assert await insist(asker, "double", round_) == 2 * round_
        assert time.monotonic() - begin < 3.0
        assert (await asker.publish_acked("news", round_)).delivered == 1
    assert worker._running.session.losses == 2
    assert asker._running.session.losses == 2
    async with asyncio.timeout(5):
        while got != [0, 1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_registry_may_be_away_and_come_back(system: System) -> None:
    worker, asker = Module(), Module()
    worker.register(tools=["hammer"])
    worker.handle("ping")(lambda request: "pong")
    await system.run(worker, "worker")
    await system.run(asker, "asker")
    await system.registry.kill()
    assert await asker.request("ping") == "pong"
    await system.registry.start()
    await system.registry.post(system.registry.tokens)
    assert (await asker.registry.module("worker"))["tools"] == ["hammer"]
    worker.register(tools=["saw"])
    async with asyncio.timeout(10):
        while (await asker.registry.module("worker"))["tools"] != ["saw"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await asker.request("ping") == "pong"


async def test_revoked_token_ends_the_module(system: System, caplog) -> None:
    worker = Module()
    stopped = []
    worker.on_stop(lambda: stopped.append(True))
    task = await system.run(worker, "worker")
    await system.registry.post({"worker": None})
    async with asyncio.timeout(10):
        assert await task == 6
    assert stopped == [True]
    assert "the token is missing or not known" in caplog.text


async def test_lists_of_the_manifest_bind_the_module(system: System, caplog) -> None:
    token = secrets.token_hex(32)
    lists = {"token": token, "publish": ["may.*"], "subscribe": ["may.*"]}
    await system.registry.post({"bound": lists})
    bound = Module()
    heard = asyncio.Event()
    bound.on("may.hear")(lambda event: heard.set())
    await system.run(bound, "bound", token=token)
    with pytest.raises(RequestError) as refused:
        await bound.publish_acked("must.not")
    assert refused.value.code == "permission_denied"
    bound.publish("must.not.either")
    bound.publish("may.hear")
    await asyncio.wait_for(heard.wait(), 10)
    assert "event.refused code=permission_denied" in caplog.text
    bound.stop()

    token = lists["token"] = secrets.token_hex(32)
    await system.registry.post({"bound": lists})
    curious = Module()
    curious.on("other.people.>")(lambda event: None)
    task = await system.run(curious, "bound", token=token, wait=False)
    async with asyncio.timeout(10):
        assert await task == 2


async def test_replicas_share_requests_and_each_answers_its_own_shutdown(system: System) -> None:
    tokens = [secrets.token_hex(32) for _ in range(2)]
    await system.registry.post({"worker": tokens})
    handled = [0, 0]
    modules = [Module(), Module()]
    for number, module in enumerate(modules):

        def work(request, number=number):
            handled[number] += 1
            return number

        module.handle("work")(work)
        await system.run(module, "worker", life=number + 1, token=tokens[number])
    asker = Module()
    await system.run(asker, "asker")
    answers = [await asker.request("work") for _ in range(60)]
    assert answers.count(0) + answers.count(1) == 60
    assert handled == [answers.count(0), answers.count(1)]
    assert min(handled) > 0


def nested(levels: int) -> object:
    data: object = "the bottom"
    for _ in range(levels):
        data = [data]
    return data


async def test_what_is_nested_too_deeply_is_refused_to_whom_it_belongs(system: System) -> None:
    worker, asker = Module(), Module()

    @worker.handle("nest")
    def nest(request):
        return nested(request.data)

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    assert await asker.request("nest", 63) == nested(63)
    for attempt in (
        asker.request("nest", nested(64)),
        asker.publish_acked("news", nested(64)),
        asker.request("nest", 64),  # the answer is too deep: its handler's mistake
    ):
        with pytest.raises(RequestError) as refused:
            await attempt
        assert refused.value.code == "too_deep"
