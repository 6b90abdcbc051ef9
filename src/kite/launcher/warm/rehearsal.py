"""A life that the template lives itself, before it forks any.

An interpreter writes to what it runs, the first time: bytecode is specialized where it lies, names
are held by the first object of a class, lookups are cached. In a process that was forked each such
write copies a page, in each process anew. Where a life has been lived before the fork they have been
made already. The module, its loop and its connection are real; who answers says yes to everything.
Nothing of it is left when it is over but what a first time leaves behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from kite.launcher.warm import dispositions
from kite.launcher.warm.consent import consent
from kite.launcher.warm.packing import pack
from kite.sdk.module import Module
from kite.sdk.process import live
from kite.wire.boot import BootLine, encode_line

LONGEST = 1.0
"""Seconds for all of it, which takes a tenth of that; what a slow machine does not get done is not
missed."""

_TIMES = 9
"""Python specializes what has been called eight times."""

_NAME = "rehearsal"
_LOOPBACK = "127.0.0.1"


def rehearse() -> None:
    """Live a life, put side by side what ran in it, and live it over and over."""
    until = time.monotonic() + LONGEST
    sys._clear_type_cache()  # or each new entry touches an old one
    pack(_recorded(until), str(Path(__file__).parent))
    for _ in range(_TIMES):
        _live_once(until)
    gc.freeze()


def _recorded(until: float) -> set[CodeType]:
    """Live a life; the code that ran in it."""
    ran: set[CodeType] = set()

    def enter(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            ran.add(frame.f_code)

    sys.setprofile(enter)
    try:
        _live_once(until)
    finally:
        sys.setprofile(None)
    return ran


def _live_once(until: float) -> None:
    """As far as the time allows. What goes wrong is as if it had not been tried."""
    with contextlib.suppress(Exception), _as_before(), asyncio.Runner() as runner:
        runner.run(_life(until - time.monotonic()))
    gc.collect()  # or new objects come to lie in holes that are far apart


async def _life(longest: float) -> None:
    """A module that starts, is ready, and leaves; in so many seconds or not at all."""
    if longest <= 0:
        return
    async with await asyncio.start_server(consent, _LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        os.environ.update(_surroundings(port))
        boot = BootLine(token="0" * 64, life=1, ws_endpoint=f"ws://{_LOOPBACK}:{port}/ws")
        with _on_standard_input(encode_line(boot)):
            async with asyncio.timeout(longest):
                await live(_module())


def _module() -> Module:
    module = Module()

    @module.handle("rehearsal.{name}")
    def answer(request: Any) -> Any:
        return {"text": request.data}

    @module.on_start
    async def start() -> None:
        module.spawn(end())

    async def end() -> None:
        await module.ready()
        module.stop()

    return module


def _surroundings(port: int) -> dict[str, str]:
    folders = ("MODULE_DIR", "MODULE_DATA", "INSTANCE_DIR", "CWD", "WORKSPACE")
    named = {"MODULE": _NAME, "INSTANCE": _NAME, "REGISTRY_PORT": str(port)}
    return {f"KITE_{name}": text for name, text in {**named, **dict.fromkeys(folders, "/")}.items()}


@contextlib.contextmanager
def _on_standard_input(line: bytes) -> Iterator[None]:
    """The line, and no end after it."""
    before = os.dup(0)
    read_end, write_end = os.pipe()
    try:
        os.dup2(read_end, 0)
        os.write(write_end, line)
        yield
    finally:
        os.dup2(before, 0)
        for descriptor in (before, read_end, write_end):
            os.close(descriptor)


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """What a module changes in its process is put back."""
    signals = dispositions.ignored(), dispositions.blocked()
    environ, loggers = dict(os.environ), logging.root.manager.loggerDict
    known, levels, handlers = set(loggers), _levels(), logging.root.handlers[:]
    try:
        yield
    finally:
        signal.alarm(0)
        dispositions.assume(*signals)
        asyncio.set_event_loop_policy(None)  # the next loop is a first one
        for name in os.environ.keys() - environ.keys():
            del os.environ[name]
        os.environ.update(environ)
        for handler in [each for each in logging.root.handlers if each not in handlers]:
            logging.root.removeHandler(handler)
            handler.close()
        for name in loggers.keys() - known:
            del loggers[name]
        for log, level in levels.items():
            log.setLevel(level)


def _levels() -> dict[logging.Logger, int]:
    named = logging.root.manager.loggerDict.values()
    logs = [logging.root, *(each for each in named if isinstance(each, logging.Logger))]
    return {log: log.level for log in logs}
