"""A module as its author sees it, run in the test's own loop against the loopback hub."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kite import Module
from kite.errors import ConfigError, ModuleError, RequestError, Unavailable
from kite.testing.module import running


@pytest.fixture
def module() -> Module:
    return Module()


async def test_ready_is_said_once_about_this_life(module: Module, tmp_path: Path) -> None:
    async with running(module, data_dir=tmp_path, name="greeter", life=7) as bench:
        (ready,) = await bench.heard("module.ready")
        assert ready.data == {"module_id": "greeter", "life": 7}
        assert ready.source == "greeter"
        assert module.life == 7
        assert module.data_dir == tmp_path
        # It offers nothing: there is nothing to register.
        assert bench.registry.entries == {}


async def test_request_is_answered_by_sync_and_async_handlers(
    module: Module, tmp_path: Path
) -> None:
    @module.handle("greet")
    def greet(request):
        return {"text": f"hello, {request.data['name']}"}

    @module.handle("slowly.*")
    async def slowly(request):
        await asyncio.sleep(0)
        return request.subject

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.request("greet", {"name": "Ada"}) == {"text": "hello, Ada"}
        assert await bench.request("slowly.now") == "slowly.now"
        assert bench.registry.entries["module"]["events_subscribe"] == ["greet", "slowly.*"]


async def test_request_errors_have_codes(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @module.handle("refuse")
    def refuse(request):
        raise RequestError("out_of_paper", detail="tray 2 is empty", tray=2)

    @module.handle("break")
    def broken(request):
        return 1 / 0

    @module.handle("unspeakable")
    def unspeakable(request):
        return object()

    async with running(module, data_dir=tmp_path, name="printer") as bench:
        with pytest.raises(RequestError) as refused:
            await bench.request("refuse")
        assert refused.value.code == "out_of_paper"
        assert refused.value.message == "tray 2 is empty"
        assert refused.value.params["tray"] == 2
        with pytest.raises(RequestError) as failed:
            await bench.request("break")
        assert failed.value.code == "handler_failed"
        assert "ZeroDivisionError" in failed.value.message
        assert "printer" in failed.value.message
        assert "Traceback" in caplog.text
        with pytest.raises(RequestError) as failed:
            await bench.request("unspeakable")
        assert failed.value.code == "handler_failed"
        with pytest.raises(RequestError) as nobody:
            await bench.request("nobody.there", timeout=30.0)
        assert nobody.value.code == "no_responders"


class _Mute:
    def __str__(self) -> str:
        raise ValueError("no words")


class _MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        (RequestError("out_of_paper", tray=_Mute()), "ValueError"),
        (RequestError("out_of_paper", detail="x" * 2_000_000), "RequestError"),
        (_MuteError(), "_MuteError"),
    ],
    ids=["a param without words", "too large to send", "an exception without words"],
)
async def test_refusal_that_cannot_be_told_is_answered_all_the_same(
    module: Module,
    tmp_path: Path,
    failure: Exception,
    detail: str,
) -> None:
    @module.handle("refuse")
    def refuse(request):
        raise failure

    async with running(module, data_dir=tmp_path, name="printer") as bench:
        for _ in range(2):  # the handler goes on afterwards
            with pytest.raises(RequestError) as refused:
                await bench.request("refuse")
            assert refused.value.code == "handler_failed"
            assert refused.value.params["module"] == "printer"
            assert refused.value.params["detail"].endswith(detail)


async def test_expired_request_is_not_handled(module: Module, tmp_path: Path) -> None:
    handled = []

    @module.handle("work")
    def work(request):
        handled.append(request.data)

    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    async with running(module, data_dir=tmp_path) as bench:
        await bench.publish("work", "late", **{"kite-deadline": past})
        await bench.publish("work", "odd", **{"kite-deadline": "tomorrow"})
        await bench.publish("work", "fresh", **{"kite-deadline": soon})
        assert await bench.request("work", "last") is None
    assert handled == ["odd", "fresh", "last"]


async def test_request_times_out_and_the_late_answer_is_dropped(
    module: Module, tmp_path: Path
) -> None:
    go = asyncio.Event()

    @module.handle("slow")
    async def slow(request):
        await go.wait()
        return 1

    async with running(module, data_dir=tmp_path) as bench:
        with pytest.raises(RequestError) as late:
            await module.request("slow", timeout=0.05)
        assert late.value.code == "request_timeout"
        go.set()
        await bench.heard("_reply.>")
        assert await module.request("slow") == 1
        assert module._running.questions.pending.late == 1
        assert len(module._running.questions.pending) == 0


async def test_events_are_handled_in_order_and_one_at_a_time(
    module: Module, tmp_path: Path
) -> None:
    seen: list[int] = []
    active = 0

    @module.on("tick.*")
    async def tick(event):
        nonlocal active
        active += 1
        assert active == 1
        await asyncio.sleep(0)
        seen.append(event.data)
        active -= 1

    async with running(module, data_dir=tmp_path) as bench:
        for number in range(300):
            module.publish(f"tick.{number % 3}", number)
        await module.drained()
        await bench.heard("tick.*", count=300)
    assert seen == list(range(300))  # what had come is finished before the module leaves


async def test_concurrency_lets_events_overtake(module: Module, tmp_path: Path) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    done: list[int] = []
    two_done = asyncio.Event()

    @module.on("job", concurrency=2)
    async def job(event):
        await gates[event.data].wait()
        done.append(event.data)
        if len(done) == 2:
            two_done.set()

    async with running(module, data_dir=tmp_path):
        for number in range(3):
            await module.publish_acked("job", number)
        gates[1].set()
        gates[2].set()
        await two_done.wait()
        gates[0].set()
    assert done == [1, 2, 0]


async def test_handler_failure_is_logged_and_does_not_end_the_module(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    @module.on("feed")
    def feed(event):
        if event.data is None:
            raise ValueError("nothing to eat")
        seen.append(event.data)

    async with running(module, data_dir=tmp_path) as bench:
        await bench.publish("feed", None)
        await bench.publish("feed", "corn")
        assert await bench.shutdown() == 0
    assert seen == ["corn"]
    assert "nothing to eat" in caplog.text
    assert "Traceback" in caplog.text


async def test_echo_false_leaves_out_own_events_only(module: Module, tmp_path: Path) -> None:
    seen = []

    @module.on("news", echo=False)
    def news(event):
        seen.append(event.source)

    async with running(module, data_dir=tmp_path) as bench:
        await module.publish_acked("news")
        await bench.publish("news")
    assert seen == ["operator"]


async def test_overlapping_queue_and_plain_handlers_each_get_their_own(
    module: Module, tmp_path: Path
) -> None:
    audit, answered = [], []

    @module.on("docs.>")
    def everything(event):
        audit.append(event.subject)

    @module.handle("docs.search")
    def search(request):
        answered.append(request.data)
        return 1

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.request("docs.search", "q") == 1
        await bench.publish("docs.changed")
    assert audit == ["docs.search", "docs.changed"]
    assert answered == ["q"]


async def test_start_handlers_run_before_ready_and_before_events(
    module: Module, tmp_path: Path
) -> None:
    order = []

    @module.on_start
    async def first():
        order.append("start")
        await module.publish_acked("early")
        await asyncio.sleep(0.01)
        order.append("started")

    @module.on("early")
    def early(event):
        order.append("event")

    async with running(module, data_dir=tmp_path) as bench:
        subjects = [event.subject for event in await bench.heard(">", count=2)]
        assert subjects == ["early", "module.ready"]
    assert order == ["start", "started", "event"]


async def test_failing_start_handler_ends_the_module_with_1(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped = []

    @module.on_start
    def start():
        raise OSError("no disk")

    @module.on_stop
    def stop():
        stopped.append(True)

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.exit_status() == 1
    assert stopped == [True]
    assert "no disk" in caplog.text


async def test_shutdown_handshake(module: Module, tmp_path: Path) -> None:
    order = []

    @module.on_start
    def start():
        module.spawn(forever())

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            order.append("task")

    @module.on_stop(estimated_cleanup=2.0)
    async def first():
        order.append("first")
        module.publish("last.words", {})

    @module.on_stop(estimated_cleanup=0.5)
    def second():
        order.append("second")

    async with running(module, data_dir=tmp_path, life=4) as bench:
        assert await bench.shutdown() == 0
        subjects = [event.subject for event in await bench.heard(">", count=5)]
        assert subjects == [
            "module.ready",
            "module.shutdown",
            "module.shutdown.ack",
            "last.words",
            "module.shutdown.ready",
        ]
        (ack,) = await bench.heard("module.shutdown.ack")
        assert ack.data == {"module_id": "module", "life": 4, "estimated_cleanup": 2.5}
        (gone,) = await bench.heard("module.shutdown.ready")
        assert gone.data == {"module_id": "module", "life": 4}
    assert order == ["task", "second", "first"]


@pytest.mark.parametrize(
    "order",
    [{"module_id": "other"}, {"module_id": "module", "life": 1}, {}, "module", None],
)
async def test_shutdown_of_somebody_else_is_not_answered(
    module: Module, tmp_path: Path, order: object
) -> None:
    @module.handle("ping")
    def ping(request):
        return "pong"

    async with running(module, data_dir=tmp_path, life=2) as bench:
        await bench.publish("module.shutdown", order)
        assert await bench.request("ping") == "pong"
        subjects = {event.subject for event in await bench.heard(">")}
        assert "module.shutdown.ack" not in subjects


async def test_cleanup_that_takes_too_long_is_cut_and_told(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @module.on_stop
    async def stop():
        await asyncio.Event().wait()

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.shutdown(timeout=0.2) == 1
        await bench.heard("module.shutdown.ready")
    assert "cleanup.timed_out" in caplog.text


async def test_stuck_handler_is_cancelled_and_what_waits_is_declined(
    module: Module, tmp_path: Path
) -> None:
    stopped = []

    @module.handle("stuck", concurrency=1)
    async def stuck(request):
        await asyncio.Event().wait()

    @module.on_stop
    def stop():
        stopped.append(True)

    async with running(module, data_dir=tmp_path) as bench:
        asked = [asyncio.create_task(bench.request("stuck", timeout=20)) for _ in range(3)]
        await bench.heard("stuck", count=3)
        assert await bench.shutdown(timeout=0.4) == 0
        for failure in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(failure, RequestError)
            assert failure.code == "module_stopping"
    assert stopped == [True]


async def test_failed_task_ends_the_module_with_1(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail():
        raise RuntimeError("wheel came off")

    @module.on_start
    def start():
        module.spawn(fail(), name="driver")

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.exit_status() == 1
    assert "wheel came off" in caplog.text
    assert "driver" in caplog.text


async def test_stop_ends_with_the_status_given(module: Module, tmp_path: Path) -> None:
    async with running(module, data_dir=tmp_path) as bench:
        module.stop(3)
        assert await bench.exit_status() == 3


async def test_lost_connection_comes_back_with_everything(module: Module, tmp_path: Path) -> None:
    seen, starts = [], []
    module.register(type="tool", tools=[{"name": "greet"}], metadata={"a": 1})

    @module.on_start
    def start():
        starts.append(True)

    @module.on("tick", queue="clock")
    def tick(event):
        seen.append(event.data)

    @module.handle("ping")
    def ping(request):
        return "pong"

    async with running(module, data_dir=tmp_path) as bench:
        for round_ in range(3):
            await bench.publish("tick", round_)
            bench.registry.entries.clear()
            bench.hub.drop()
            module.publish("while.away", round_)
            await bench.heard("module.ready", count=round_ + 2)
            assert await bench.request("ping") == "pong"
            assert bench.registry.entries["module"]["tools"] == [{"name": "greet"}]
            assert bench.registry.entries["module"]["module_type"] == "tool"
            away = await bench.heard("while.away", count=round_ + 1)
            assert [event.data for event in away] == list(range(round_ + 1))
        assert starts == [True]
        # Ready is said before anything that had waited goes out.
        subjects = [event.subject for event in await bench.heard(">")]
        assert subjects.index("while.away") > subjects.index("module.ready", 1)
    assert seen == [0, 1, 2]


async def test_registry_outage_does_not_keep_the_module_away(
    module: Module, tmp_path: Path
) -> None:
    @module.handle("ping")
    def ping(request):
        return "pong"

    async with running(module, data_dir=tmp_path) as bench:
        bench.registry.is_down = True
        bench.hub.drop()
        await bench.heard("module.ready", count=2)
        assert await bench.request("ping") == "pong"


async def test_publish_acked_survives_a_loss(module: Module, tmp_path: Path) -> None:
    async with running(module, data_dir=tmp_path) as bench:
        first = await module.publish_acked("fact", 1)
        assert (first.delivered, first.duplicate) == (0, False)
        bench.hub.drop()
        second = await module.publish_acked("fact", 2)
        facts = await bench.heard("fact", count=2)
        assert [(event.id, event.data) for event in facts] == [
            (first.event_id, 1),
            (second.event_id, 2),
        ]


async def test_publish_tells_what_is_wrong_at_once(module: Module, tmp_path: Path) -> None:
    async with running(module, data_dir=tmp_path):
        with pytest.raises(RequestError) as wrong:
            module.publish("no.*.wildcards")
        assert wrong.value.code == "invalid_subject"
        with pytest.raises(RequestError) as large:
            module.publish("large", "x" * (1 << 20))
        assert large.value.code == "event_too_large"
        assert "1048576" in large.value.message
        with pytest.raises(TypeError):
            module.publish("odd", object())


async def test_full_outbox_is_an_error_and_loses_nothing(module: Module, tmp_path: Path) -> None:
    async with running(module, data_dir=tmp_path) as bench:
        bench.hub.is_down = True
        bench.hub.drop()
        for number in range(10_000):
            module.publish("count", number)
        with pytest.raises(Unavailable) as full:
            module.publish("count", 10_000)
        assert full.value.code == "publish_queue_full"
        bench.hub.is_down = False
        counted = await bench.heard("count", count=10_000)
        assert [event.data for event in counted] == list(range(10_000))


async def test_backlog_beyond_its_limit_is_dropped_counted_and_told(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go = asyncio.Event()
    seen = []

    @module.on("big")
    async def big(event):
        await go.wait()
        seen.append(len(event.data))

    async with running(module, data_dir=tmp_path):
        handler = module._running.handlers[0]
        handler._max_backlog = 50_000
        for _ in range(10):
            await module.publish_acked("big", "x" * 10_000)
        for _ in range(3):
            await asyncio.sleep(0)
        assert handler.dropped == 5
        go.set()
    assert len(seen) == 5
    assert "handler.overflowed pattern=big" in caplog.text


async def test_requests_beyond_the_backlog_are_refused_at_once(
    module: Module, tmp_path: Path
) -> None:
    go = asyncio.Event()

    @module.handle("slow", concurrency=1)
    async def slow(request):
        await go.wait()
        return len(request.data)

    async with running(module, data_dir=tmp_path, name="printer") as bench:
        module._running.handlers[0]._max_backlog = 25_000
        await bench.publish("connected")  # from here on what is asked first arrives first
        # One is being handled and two wait; the others are refused before anything moves.
        asked = [asyncio.create_task(bench.request("slow", "x" * 10_000)) for _ in range(5)]
        for refused in asked[3:]:
            with pytest.raises(RequestError) as busy:
                await refused
            assert busy.value.code == "busy"
            assert "module printer has too many requests of 'slow'" in busy.value.message
        go.set()
        assert await asyncio.gather(*asked[:3]) == [10_000] * 3


@pytest.mark.parametrize("declare", ["on", "handle", "on_start", "on_stop"])
def test_generators_are_refused_where_they_are_declared(module: Module, declare: str) -> None:
    async def several(event):
        yield 1

    def others(event):
        yield 1

    decorate = getattr(module, declare)
    for function in (several, others):
        with pytest.raises(ModuleError) as refused:
            decorate("news.*")(function) if declare in ("on", "handle") else decorate(function)
        assert refused.value.code == "handler_is_generator"
        assert function.__name__ in refused.value.message


@pytest.mark.parametrize(("argument", "status"), [(None, 0), (3, 3), ("no paper", 1)])
@pytest.mark.parametrize("is_request", [True, False])
async def test_sys_exit_in_a_handler_leaves_in_good_order(
    module: Module,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    argument: object,
    status: int,
    is_request: bool,
) -> None:
    said = []

    @module.handle("leave")
    @module.on("leave.now")
    def leave(event):
        sys.exit(argument)

    @module.on_stop
    def end():
        said.append("tidied")

    async with running(module, data_dir=tmp_path) as bench:
        if is_request:
            with pytest.raises(RequestError) as refused:
                await bench.request("leave")
            assert refused.value.code == "module_stopping"
        else:
            module.publish("leave.now")
        assert await bench.exit_status() == status
    assert said == ["tidied"]
    assert ("no paper" in caplog.text) is (argument == "no paper")


@pytest.mark.parametrize("where", ["task", "start"])
async def test_sys_exit_elsewhere_leaves_in_good_order_too(
    module: Module, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    said = []

    async def leave():
        sys.exit(3)

    @module.on_start
    async def begin():
        if where == "start":
            sys.exit(3)
        module.spawn(leave())
        module.spawn(asyncio.sleep(0)).cancel()

    @module.on_start
    def go_on():
        said.append("went on")

    @module.on_stop
    def end():
        said.append("tidied")

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.exit_status() == 3
    assert said == (["tidied"] if where == "start" else ["went on", "tidied"])
    assert "Traceback" not in caplog.text


def test_nothing_works_before_it_runs(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KITE_MODULE", raising=False)
    with pytest.raises(Unavailable) as early:
        module.publish("too.early")
    assert early.value.code == "module_not_running"
    with pytest.raises(ConfigError) as alone:
        module.name  # noqa: B018
    assert alone.value.code == "not_under_kite"
    with pytest.raises(RequestError) as wrong:
        module.on("a.>.b")
    assert wrong.value.code == "invalid_pattern"
    with pytest.raises(ValueError, match="concurrency"):
        module.on("a", concurrency=0)(print)


async def test_handlers_are_declared_before_it_runs(module: Module, tmp_path: Path) -> None:
    async with running(module, data_dir=tmp_path):
        with pytest.raises(ModuleError) as late:
            module.on("too.late")(print)
        assert late.value.code == "module_already_running"


async def test_register_while_running_changes_the_entry(module: Module, tmp_path: Path) -> None:
    module.register(metadata={"state": "cold"})
    async with running(module, data_dir=tmp_path) as bench:
        assert bench.registry.entries["module"]["metadata"] == {"state": "cold"}
        bench.registry.changed.clear()
        module.register(metadata={"state": "warm"}, tools=["a"])
        async with asyncio.timeout(5):
            await bench.registry.changed.wait()
        assert bench.registry.entries["module"]["metadata"] == {"state": "warm"}
        assert await module.registry.lookup(tools="a") == [bench.registry.entries["module"]]
        assert await module.registry.lookup(metadata__state="cold") == []


def test_log_is_readable_lines(module: Module, capsys: pytest.CaptureFixture[str]) -> None:
    from kite.sdk.log import LineFormatter

    line = LineFormatter("greeter").format(
        logging.LogRecord("greeter", logging.INFO, "", 0, "two\nlines %d", (2,), None)
    )
    assert line == "info     two\\nlines 2"
    line = LineFormatter("greeter").format(
        logging.LogRecord("httpx", logging.WARNING, "", 0, "slow", (), None)
    )
    assert line == "warning  httpx: slow"
