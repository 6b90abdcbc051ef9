"""Real processes of modules, and nothing of them left after each test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from kite.launcher import adopted, platform_linux, tree
from kite.launcher.output import Capture
from kite.launcher.process import Exit, Limits, Process, Spawn, prepare_launcher, spawn
from kite.launcher.warm.nursery import Nursery

DEADLINE = 10.0


@dataclass(kw_only=True)
class Life:
    """A process with what it printed and when it ended."""

    process: Process
    capture: Capture
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def line(self, text: str) -> str:
        """The first line of output that holds the text, as soon as there is one."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for line in (*self.out, *self.err):
                    if text in line:
                        return line
                self.changed.clear()
                await self.changed.wait()

    async def exit(self) -> Exit:
        async with asyncio.timeout(DEADLINE):
            how = await asyncio.shield(self.process.exited)
        self.capture.finish()
        return how


Start = Callable[..., Life]


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The Launcher runs on uvloop, and on asyncio where that is missing."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a life: `start(*argv)`, or `start(python="source")`."""
    prepare_launcher()
    # libuv keeps a spare descriptor from its first listener on.
    warmed_up = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    warmed_up.close()
    await warmed_up.wait_closed()
    await asyncio.sleep(0)
    before = set(descriptors(os.getpid()))
    lives: list[Life] = []

    def run(
        *argv: str,
        python: str | None = None,
        module: str = "m",
        stdin: bool = True,
        listener: object = None,
        limits: Limits | None = None,
        on_exit: Callable[[Exit], None] | None = None,
        env: dict[str, str] | None = None,
        captured: bool = True,
        nursery: Nursery | None = None,
    ) -> Life:
        words = argv if python is None else (sys.executable, "-c", python, *argv)
        spec = Spawn(
            instance="test-instance",
            module=module,
            life=len(lives) + 1,
            argv=words,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "KITE_INSTANCE": "test-instance",
                "KITE_MODULE": module,
                **(env or {}),
            },
            stdin=stdin,
            listener=listener,  # type: ignore[arg-type]
            limits=limits or Limits(),
            nursery=nursery,
        )
        process = spawn(spec, on_exit=on_exit)
        life = Life(process=process, capture=None)  # type: ignore[arg-type]

        def keep(is_error: bool, lines: list[str]) -> None:
            (life.err if is_error else life.out).extend(lines)
            life.changed.set()

        if captured:
            life.capture = Capture(process.stdout, process.stderr, on_lines=keep)
        lives.append(life)
        return life

    yield run
    survivors: list[int] = []
    for life in lives:
        survivors += await tree.end_tree(life.process.kin)
        life.capture.close()
        life.process.close()
    survivors += await tree.end_strays()
    adopted.reap()
    orphans = children(os.getpid())
    for orphan in orphans:  # or every test after this one would find them
        os.kill(orphan.pid, signal.SIGKILL)
        os.waitpid(orphan.pid, 0)  # noqa: ASYNC222  (it is dead)
    assert (survivors, orphans) == ([], [])
    left = descriptors(os.getpid())
    assert {number: left[number] for number in set(left) - before} == {}


def descriptors(pid: int) -> dict[str, str]:
    """The open descriptors of a process and what they are."""
    found: dict[str, str] = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the look's own
            found[path.name] = str(path.readlink())
    return found


def folder_of(pid: int) -> Path:
    """The working directory of a process."""
    return Path(f"/proc/{pid}/cwd").readlink()


def children(pid: int) -> list[platform_linux.Stat]:
    """The children of a process, dead ones too."""
    return [p for p in tree.snapshot().values() if p.parent == pid]


def popen(*argv: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process that is nobody's module."""
    return subprocess.Popen(argv, env=env, start_new_session=True, stdin=subprocess.PIPE)


def is_alive(pid: int) -> bool:
    seen = platform_linux.stat(pid)
    return seen is not None and seen.is_alive


async def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact of the outside world that announces itself to nobody."""
    async with asyncio.timeout(DEADLINE):
        while not fact():  # noqa: ASYNC110  (the kernel wakes nobody about it)
            await asyncio.sleep(0.01)
