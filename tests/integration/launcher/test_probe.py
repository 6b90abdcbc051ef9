"""Probes against real servers and commands."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kite.launcher import adopted, listeners
from kite.launcher.probe import (
    ExecProbe,
    HttpProbe,
    Outcome,
    TcpProbe,
    attempt,
    until_passed,
)

from .conftest import Start, children, until

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@contextlib.asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives each request the same bytes (None: nothing, ever)."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], requests


@pytest.mark.parametrize(
    ("status", "passed"), [(200, True), (204, True), (302, True), (404, False), (503, False)]
)
async def test_http_passes_with_2xx_and_3xx(status: int, passed: bool) -> None:
    async with server(f"HTTP/1.1 {status} X\r\n\r\n".encode()) as (port, requests):
        url = f"http://127.0.0.1:{port}/health?deep=1"
        outcome = await attempt(HttpProbe(url=url), timeout=5, owns=None)
    assert outcome.passed is passed
    assert str(status) in outcome.detail
    assert requests[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in requests[0]


def _answer(status: int, body: bytes, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@pytest.mark.parametrize(
    ("answer", "passed", "degraded"),
    [
        (_answer(503, b'{"status": "Degraded"}', "Content-Length: 22"), False, True),
        (_answer(200, b'{"status": "warn"}', "Content-Length: 18"), True, True),
        (
            _answer(
                503, b'16\r\n{"status": "degraded"}\r\n0\r\n\r\n', "Transfer-Encoding: chunked"
            ),
            False,
            True,
        ),
        (_answer(500, b'{"status": "degraded"}', "Content-Length: 22"), False, False),
        (_answer(503, b'{"status": "ok"}', "Content-Length: 16"), False, False),
        (_answer(200, b'{"status": "degr', "Content-Length: 22"), True, False),
        (_answer(200, b"[1, 2]", "Content-Length: 6"), True, False),
        (_answer(200, b'{"status": 5}', "Content-Length: 13"), True, False),
        (_answer(200, b"", "Content-Length: many"), True, False),
    ],
)
async def test_http_may_say_that_it_is_degraded(
    answer: bytes, passed: bool, degraded: bool
) -> None:
    async with server(answer) as (port, _):
        url = f"http://127.0.0.1:{port}/health"
        outcome = await attempt(HttpProbe(url=url), timeout=5, owns=None)
    assert (outcome.passed, outcome.is_degraded) == (passed, degraded)


@pytest.mark.parametrize("answer", [b"SSH-2.0-server\r\n", b"", b"\0" * 70_000, b"HTTP/9 x\r\n"])
async def test_what_is_not_http_does_not_pass(answer: bytes) -> None:
    async with server(answer) as (port, _):
        probe = HttpProbe(url=f"http://127.0.0.1:{port}/")
        outcome = await attempt(probe, timeout=5, owns=None)
    assert not outcome.passed
    assert "HTTP" in outcome.detail or "reset" in outcome.detail


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with server(None) as (port, _):
        probe = HttpProbe(url=f"http://127.0.0.1:{port}/")
        started = time.monotonic()
        outcome = await attempt(probe, timeout=0.2, owns=None)
        assert time.monotonic() - started < 2
    assert outcome == Outcome(False, "no answer within 0.2 s", timed_out=True)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "nonsense", "http://h:99999/"])
async def test_a_url_that_cannot_be_asked_fails_and_does_not_raise(url: str) -> None:
    outcome = await attempt(HttpProbe(url=url), timeout=1, owns=None)
    assert not outcome.passed
    assert url in outcome.detail


async def test_a_host_that_can_have_no_name_fails_and_does_not_raise() -> None:
    outcome = await attempt(HttpProbe(url="http://a..b:1/"), timeout=5, owns=None)
    assert not outcome.passed
    assert "cannot be asked" in outcome.detail


async def test_tcp_passes_when_somebody_accepts() -> None:
    async with server(b"") as (port, _):
        assert (await attempt(TcpProbe(port=port), timeout=5, owns=None)).passed
    refused = await attempt(TcpProbe(port=port), timeout=5, owns=None)
    assert refused == Outcome(False, "nobody accepts the connection")


async def test_a_strangers_listener_says_nothing_about_the_module(start: Start) -> None:
    life = start(
        python="import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler);"
        "print('port', s.server_port, flush=True); s.serve_forever()"
    )
    port = int((await life.line("port")).split()[1])

    def owns(number: int) -> bool:
        return listeners.owns_port(life.process.kin, number)

    assert (await attempt(TcpProbe(port=port), timeout=5, owns=owns)).passed
    probe = HttpProbe(url=f"http://localhost:{port}/")
    assert (await attempt(probe, timeout=5, owns=owns)).passed
    async with server(b"HTTP/1.1 200 OK\r\n\r\n") as (foreign, requests):
        for other in (TcpProbe(port=foreign), HttpProbe(url=f"http://127.0.0.1:{foreign}/")):
            outcome = await attempt(other, timeout=5, owns=owns)
            assert not outcome.passed
            assert "no process of the module" in outcome.detail
        assert requests == []  # it was not even asked


def command(tmp_path: Path, *argv: str) -> ExecProbe:
    env = {"PATH": os.environ["PATH"], "KITE_INSTANCE": "i", "KITE_MODULE": "m", "WORD": "kite"}
    return ExecProbe(argv=argv, cwd=tmp_path, env=env, instance="i", module="m")


async def test_exec_passes_with_status_0_in_the_modules_folder_and_environment(
    tmp_path: Path,
) -> None:
    (tmp_path / "here").touch()
    probe = command(tmp_path, "sh", "-c", 'test -e here && test "$WORD" = kite')
    assert (await attempt(probe, timeout=5, owns=None)).passed


async def test_exec_says_what_the_command_said(tmp_path: Path) -> None:
    probe = command(tmp_path, "sh", "-c", "echo the disk is on fire >&2; exit 3")
    outcome = await attempt(probe, timeout=5, owns=None)
    assert outcome == Outcome(False, "sh: exit status 3: the disk is on fire")


async def test_a_command_that_is_not_there_fails_and_does_not_raise(tmp_path: Path) -> None:
    outcome = await attempt(command(tmp_path, "no-such-thing"), timeout=5, owns=None)
    assert not outcome.passed
    assert "no-such-thing" in outcome.detail


async def test_a_command_that_hangs_goes_with_its_whole_tree(tmp_path: Path) -> None:
    probe = command(tmp_path, "sh", "-c", "(setsid sleep 601 &); sleep 602")
    started = time.monotonic()
    outcome = await attempt(probe, timeout=0.3, owns=None)
    assert time.monotonic() - started < 3
    assert not outcome.passed
    assert "more than 0.3 s" in outcome.detail
    adopted.reap()
    assert children(os.getpid()) == []


async def test_cancelling_ends_the_command(tmp_path: Path) -> None:
    probe = command(tmp_path, "sleep", "603")
    task = asyncio.create_task(attempt(probe, timeout=60, owns=None))
    await until(lambda: bool(children(os.getpid())))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    adopted.reap()
    assert children(os.getpid()) == []


async def test_asking_goes_on_until_it_passes_and_comes_to_its_pace(tmp_path: Path) -> None:
    failures: list[Outcome] = []
    probe = command(tmp_path, "test", "-e", "ready")

    def failed(outcome: Outcome) -> None:
        failures.append(outcome)
        if len(failures) == 3:
            (tmp_path / "ready").touch()

    started = time.monotonic()
    async with asyncio.timeout(10):
        outcome = await until_passed(probe, interval=0.1, timeout=5, owns=None, on_failure=failed)
    assert outcome.passed
    assert len(failures) == 3
    assert time.monotonic() - started >= 0.01 + 0.02 + 0.04


async def test_a_refused_connection_makes_no_busy_loop() -> None:
    tries: list[Outcome] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await until_passed(
                TcpProbe(port=1), interval=0.1, timeout=1, owns=None, on_failure=tries.append
            )
    assert 3 <= len(tries) <= 8  # after 0, 10, 30, 70, 150, 250, 350 and 450 ms
