"""What a module's author may count on when something goes wrong around a handler."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kite import Module
from kite.errors import RequestError, Unavailable
from kite.settings import ModuleSettings
from kite.testing.loopback import LoopbackHub, LoopbackRegistry
from kite.testing.module import running
from kite.wire.boot import BootLine


@pytest.fixture
def module() -> Module:
    return Module()


async def await_what_is_cancelled() -> None:
    """As when a library of the handler's gives up a task of its own."""
    inner = asyncio.ensure_future(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(inner.cancel)
    await inner


async def test_handler_that_awaits_what_is_cancelled_has_failed_and_goes_on(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    handled = []

    @module.on("jobs")
    async def job(event):
        if event.data == 0:
            await await_what_is_cancelled()
        handled.append(event.data)
        if event.data == 3:
            module.publish("jobs.done")

    async with running(module, data_dir=tmp_path) as bench:
        for number in range(4):
            await bench.publish("jobs", number)
        await bench.heard("jobs.done")
        assert await bench.shutdown() == 0
    assert handled == [1, 2, 3]
    assert "handler.failed <Event jobs" in caplog.text


async def test_request_whose_handler_awaits_what_is_cancelled_is_answered(
    module: Module, tmp_path: Path
) -> None:
    @module.handle("work", concurrency=1)
    async def work(request):
        if request.data == "give up":
            await await_what_is_cancelled()
        return request.data

    async with running(module, data_dir=tmp_path) as bench:
        asked = [asyncio.create_task(bench.request("work", data)) for data in ("give up", "go on")]
        with pytest.raises(RequestError) as failed:
            await asked[0]
        assert failed.value.code == "handler_failed"
        assert "CancelledError" in failed.value.message
        assert await asked[1] == "go on"


async def test_start_handler_that_awaits_what_is_cancelled_ends_the_module(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module.on_start(await_what_is_cancelled)
    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.exit_status() == 1
    assert "module.failed" in caplog.text


async def test_stop_handler_that_awaits_what_is_cancelled_keeps_no_other_from_running(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned = []
    module.on_stop(lambda: cleaned.append("first declared"))
    module.on_stop(await_what_is_cancelled)
    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.shutdown() == 1
        await bench.heard("module.shutdown.ready")
    assert cleaned == ["first declared"]
    assert "stop_handler.failed" in caplog.text


async def test_nothing_is_taken_after_the_end(module: Module, tmp_path: Path) -> None:
    async def beside() -> None:
        raise AssertionError("it must not begin")

    async with running(module, data_dir=tmp_path, name="greeter") as bench:
        assert await bench.shutdown() == 0
    for speak in (
        lambda: module.publish("too.late"),
        lambda: module.spawn(beside()),
        module.stop,
        lambda: module.registry,
    ):
        with pytest.raises(Unavailable) as refused:
            speak()
        assert (refused.value.code, refused.value.params) == (
            "module_not_running",
            {"module": "greeter"},
        )
    for ask in (module.request("too.late"), module.publish_acked("too.late"), module.drained()):
        with pytest.raises(Unavailable, match="greeter"):
            await ask


async def test_request_that_is_given_up_leaves_nothing_behind(
    module: Module, tmp_path: Path
) -> None:
    asked = asyncio.Event()
    answer = asyncio.Event()

    @module.handle("slow", concurrency=2)
    async def slow(request):
        if request.data == "given up":
            asked.set()
            await answer.wait()
        return request.data

    async with running(module, data_dir=tmp_path) as bench:
        asking = module.spawn(module.request("slow", "given up"))
        await asked.wait()
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        answer.set()  # the late answer is nobody's
        assert await module.request("slow", "next") == "next"
        pending = bench._life.questions.pending
        assert (len(pending), pending.late) == (0, 1)
        assert await bench.shutdown() == 0  # a task that was cancelled has not failed


async def test_what_is_too_large_is_refused_to_whom_it_belongs(
    module: Module, tmp_path: Path
) -> None:
    @module.handle("inflate")
    def inflate(request):
        return "x" * request.data

    large = 1 << 20
    async with running(module, data_dir=tmp_path) as bench:
        assert len(await module.request("inflate", large - 1024)) == large - 1024
        for attempt in (
            module.request("inflate", "x" * large),
            module.publish_acked("news", "x" * large),
            module.request("inflate", large),  # the answer is too large: its handler's mistake
        ):
            with pytest.raises(RequestError) as refused:
                await attempt
            assert refused.value.code == "event_too_large"
            assert refused.value.params["limit"] == large
        assert len(bench._life.questions.pending) == 0


async def test_what_is_published_before_there_is_a_hub_goes_out_in_order(
    module: Module, tmp_path: Path
) -> None:
    settings = ModuleSettings(
        module="early",
        module_dir=tmp_path,
        data_dir=tmp_path,
        registry_port=0,
        instance="test",
        instance_dir=tmp_path,
        project_dir=tmp_path,
        workspace=tmp_path,
        port=None,
    )
    hub = LoopbackHub()
    hub.is_down = True
    tried = asyncio.Event()

    async def connect(*where, **options):
        tried.set()
        return await hub.connect(*where, **options)

    boot = BootLine(token="0" * 64, life=1)
    life = module.begin(settings, boot, registry=LoopbackRegistry(), connect=connect)
    for number in range(3):
        module.publish("early.word", number)
    acked = asyncio.create_task(module.publish_acked("early.word", 3))
    run = asyncio.create_task(life.run())
    async with asyncio.timeout(10):
        await tried.wait()
        hub.is_down = False
        assert (await acked).delivered == 0
        await module.ready()
        module.stop()
        assert await run == 0
    assert [one.data for one in hub.events if one.event == "early.word"] == [0, 1, 2, 3]
