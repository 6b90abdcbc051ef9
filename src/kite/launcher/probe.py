"""Asks a module from outside whether it is ready, or still well.

An attempt never raises and never takes longer than its timeout. A network probe passes only while
the listener belongs to the module's own tree: another program on the port says nothing about it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import re
import signal
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kite import pulse_reader
from kite.errors import ModuleError
from kite.launcher import tree
from kite.launcher.output import Capture
from kite.launcher.process import Exit, Spawn, spawn
from kite.pulse import Pulse, is_starved

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r)")
_LAST_LINES = 5
_FIRST_PAUSE = 0.1  # of the interval

_DEGRADED = frozenset({"degraded", "warn", "warning"})
_UNAVAILABLE = 503
_BODY_WITHIN = 0.5
_LARGEST_BODY = 64 << 10
_MOST_HEADERS = 100

Owns = Callable[[int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """GET; a 2xx or 3xx answer passes. `url` is expanded already."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """An accepted connection passes."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProbe:
    """Exit status 0 of a command passes; it runs in the module's folder and environment."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    instance: str = ""
    module: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProbe:
    """A line of the output in which the pattern is found passes (`log_matcher`)."""

    pattern: str


AskingProbe = HttpProbe | TcpProbe | ExecProbe


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt showed. `detail` says it in English, for the error and the log.

    Args:
        is_degraded: the module answers that it cannot do its whole work, and not that it is ill.
        timed_out: there was no answer in time.
        was_starved: a command did not end in time, and for the most part was not let run.
    """

    passed: bool
    detail: str
    is_degraded: bool = False
    timed_out: bool = False
    was_starved: bool = False


async def attempt(probe: AskingProbe, *, timeout: float, owns: Owns | None) -> Outcome:
    """Ask once.

    Args:
        timeout: seconds.
        owns: whether the module's tree listens on a port; None where that is not asked.
    """
    if isinstance(probe, ExecProbe):
        return await _run(probe, timeout)
    try:
        async with asyncio.timeout(timeout):
            if isinstance(probe, TcpProbe):
                return await _connect(probe, owns)
            return await _get(probe, owns)
    except TimeoutError:
        return Outcome(False, f"no answer within {timeout:g} s", timed_out=True)
    except OSError as error:
        return Outcome(False, _why(error))
    except ValueError as error:  # no name of a host, as the system's own look-up says
        return Outcome(False, f"it cannot be asked: {error}")


async def until_passed(
    probe: AskingProbe,
    *,
    interval: float,
    timeout: float,
    owns: Owns | None,
    on_failure: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Ask until it passes, `interval` seconds from one attempt's start to the next one's.

    The first pauses are shorter, from a tenth of the interval doubled each time: most programs are
    ready within a fraction of it, and their dependents wait for the answer.

    It has no end of its own: cancel it when the launch timeout has come or the process is gone.
    """
    loop = asyncio.get_running_loop()
    pause = interval * _FIRST_PAUSE
    while True:
        started = loop.time()
        outcome = await attempt(probe, timeout=timeout, owns=owns)
        if outcome.passed:
            return outcome
        if on_failure is not None:
            on_failure(outcome)
        await asyncio.sleep(max(0.01, started + pause - loop.time()))
        pause = min(interval, 2 * pause)


def _stranger(port: int, owns: Owns | None) -> Outcome | None:
    if owns is None or owns(port):
        return None
    return Outcome(False, f"no process of the module listens on port {port}")


async def _connect(probe: TcpProbe, owns: Owns | None) -> Outcome:
    refused = _stranger(probe.port, owns)
    if refused is not None:
        return refused
    _, writer = await asyncio.open_connection(probe.host, probe.port)
    await _close(writer)
    return Outcome(True, f"port {probe.port} accepts connections")


async def _get(probe: HttpProbe, owns: Owns | None) -> Outcome:
    try:
        url = urlsplit(probe.url)
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        return Outcome(False, f"the URL {probe.url} is invalid: {error}")
    host = url.hostname or ""
    if url.scheme not in {"http", "https"} or not host:
        return Outcome(False, f"the URL {probe.url} is not one of http or https")
    refused = _stranger(port, owns)
    if refused is not None:
        return refused
    reader, writer = await asyncio.open_connection(
        host, port, ssl=_unverified() if url.scheme == "https" else None
    )
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        authority = url.netloc.rpartition("@")[2]
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: kite-probe\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        line = await reader.readline()
        word = await _status_word(reader) if _STATUS_LINE.match(line) else ""
    except (ValueError, asyncio.IncompleteReadError):
        line, word = b"", ""
    finally:
        await _close(writer)
    found = _STATUS_LINE.match(line)
    if found is None:
        return Outcome(False, f"port {port} does not answer with HTTP")
    status = int(found[1])
    said = f"{probe.url} answered {status}"
    if word in _DEGRADED and (200 <= status < 300 or status == _UNAVAILABLE):
        return Outcome(status < 300, f"{said}: {word}", is_degraded=True)
    return Outcome(200 <= status < 400, said)


async def _status_word(reader: asyncio.StreamReader) -> str:
    """`status` of a JSON body; empty where there is none, or it does not come at once."""
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            body = await _json_body(reader)
        found = json.loads(body) if body[:1] == b"{" else {}
    except (TimeoutError, OSError, ValueError, RecursionError, asyncio.IncompleteReadError):
        return ""
    word = found.get("status")
    return word.strip().lower()[:40] if isinstance(word, str) else ""


async def _json_body(reader: asyncio.StreamReader) -> bytes:
    headers: dict[bytes, bytes] = {}
    while (line := (await reader.readline()).strip()) and len(headers) < _MOST_HEADERS:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip().lower()
    if b"json" not in headers.get(b"content-type", b""):
        return b""
    size = int(headers.get(b"content-length", b"0") or b"0")
    if headers.get(b"transfer-encoding") == b"chunked":
        size = int((await reader.readline()).partition(b";")[0], 16)
    return (await reader.readexactly(size)).strip() if 0 < size <= _LARGEST_BODY else b""


@functools.cache
def _unverified() -> ssl.SSLContext:
    """The listener is known by its process; programs on one machine sign their own certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody accepts the connection"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


async def _run(probe: ExecProbe, timeout: float) -> Outcome:
    lines: list[str] = []

    def keep(_is_error: bool, more: list[str]) -> None:
        lines.extend(more)
        del lines[:-_LAST_LINES]

    spec = Spawn(
        instance=probe.instance,
        module=probe.module,
        life=0,
        argv=probe.argv,
        cwd=probe.cwd,
        env=probe.env,
        stdin=False,
    )
    try:
        process = spawn(spec)
    except ModuleError as error:
        return Outcome(False, str(error))
    capture = Capture(process.stdout, process.stderr, on_lines=keep)
    how: Exit | None = None
    was_starved = False
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                how = await asyncio.shield(process.exited)
        if how is None and (pulse := pulse_reader.whole(process.pid)) is not None:
            was_starved = is_starved(Pulse(state="R"), pulse, timeout)
    finally:
        # Also when this is cancelled: the command's whole tree goes with it.
        process.signal(signal.SIGKILL)
        capture.finish()
        ending = asyncio.ensure_future(tree.end_tree(process.kin))
        ending.add_done_callback(lambda _: process.close())
        await asyncio.shield(ending)
    said = f": {lines[-1]}" if lines else ""
    if how is None:
        detail = f"{probe.argv[0]} took more than {timeout:g} s{said}"
        return Outcome(False, detail, was_starved=was_starved)
    return Outcome(how.exit_code == 0, f"{probe.argv[0]}: {how}{said}")
