"""The guard: nothing outlives a killed Launcher."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.launcher import platform_linux

from .conftest import children, descriptors, is_alive, until

# A Launcher of a few lines: it starts a module that leaves a hidden grandchild, says the pids, and
# does as it is told.
LAUNCHER = """
from kite.launcher.guard import protect
protect()
import os, signal, subprocess, sys, time
hidden = "(exec env -i setsid sh -c 'trap \\"\\" TERM HUP; echo $$ > hidden; exec sleep 600' >/dev/null 2>&1 </dev/null &)"
module = subprocess.Popen(["sh", "-c", hidden + "; exec sleep 600"], start_new_session=True,
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
def stop(number, frame):
    os.write(1, f"got {signal.Signals(number).name}\\n".encode())
    if number == signal.SIGTERM:
        module.kill()
        os._exit(7)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, stop)
while not os.path.exists("hidden") or not open("hidden").read().strip():
    time.sleep(0.01)
print(os.getpid(), module.pid, open("hidden").read().strip(), flush=True)
while True:
    time.sleep(60)
"""


class Run:
    def __init__(self, folder: Path, stderr: int | None = None) -> None:
        self.guard = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            start_new_session=True,
            text=True,
        )
        assert self.guard.stdout is not None
        self.out = self.guard.stdout
        self.launcher, self.module, self.hidden = map(int, self.out.readline().split())
        self.all = (self.launcher, self.module, self.hidden)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    clean(run)


@pytest.fixture
def run_on_terminal(tmp_path: Path) -> Iterator[tuple[Run, int]]:
    """A run whose standard error is a terminal, and what a person sees there."""
    screen, terminal = os.openpty()
    run = Run(tmp_path, stderr=terminal)
    os.close(terminal)
    os.set_blocking(screen, False)
    yield run, screen
    os.close(screen)
    clean(run)


def seen(screen: int) -> str:
    try:
        return os.read(screen, 4096).decode()
    except OSError:  # nothing was written, and nobody has it open any more
        return ""


def clean(run: Run) -> None:
    for pid in (run.guard.pid, *run.all):
        if is_alive(pid) and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
    run.guard.wait()
    run.out.close()


def proc(run: Run, name: str) -> list[str]:
    return Path(f"/proc/{run.guard.pid}/{name}").read_text().splitlines()


async def ended(run: Run, within: float) -> int:
    started = time.monotonic()
    status = await asyncio.to_thread(run.guard.wait, 10)
    assert time.monotonic() - started < within
    return status


async def test_kill_9_of_the_launcher_leaves_nothing_after_two_seconds(run: Run) -> None:
    environment = platform_linux.environment(run.hidden)
    assert environment is not None
    assert "PATH" not in environment  # cleared
    assert os.getsid(run.hidden) == run.hidden
    os.kill(run.launcher, signal.SIGKILL)
    assert await ended(run, 2.0) == 128 + 9
    assert not any(is_alive(pid) for pid in run.all)


async def test_a_person_at_a_terminal_is_told_who_was_killed(
    run_on_terminal: tuple[Run, int],
) -> None:
    run, screen = run_on_terminal
    assert sum("/pts/" in where for where in descriptors(run.guard.pid).values()) == 1
    os.kill(run.launcher, signal.SIGKILL)
    assert await ended(run, 2.0) == 128 + 9
    assert seen(screen) == (
        f"kite: the launcher (pid {run.launcher}) was killed by SIGKILL;"
        " its processes have been ended\r\n"
    )


def test_the_terminal_is_put_back(tmp_path: Path) -> None:
    """The Launcher reads single keys and shows none; what is typed after it must be seen again."""
    screen, terminal = os.openpty()
    program = '"$@"; stty -a >&2'
    shell = subprocess.Popen(
        ["setsid", "--ctty", "sh", "-c", program, "sh", sys.executable, "-c", LAUNCHER],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        cwd=tmp_path,
        text=True,
    )
    assert shell.stdout is not None
    launcher, *_rest = map(int, shell.stdout.readline().split())
    tty.setcbreak(terminal)  # as it does with the keyboard
    assert not termios.tcgetattr(terminal)[3] & termios.ECHO
    os.kill(launcher, signal.SIGKILL)
    assert shell.wait(5) == 0
    modes = seen(screen).split()
    assert "killed" in modes
    assert {"echo", "icanon"} <= set(modes)
    shell.stdout.close()
    os.close(terminal)
    os.close(screen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
async def test_what_was_asked_for_needs_no_word(
    run_on_terminal: tuple[Run, int], number: signal.Signals
) -> None:
    run, screen = run_on_terminal
    run.guard.send_signal(number)
    status = {signal.SIGTERM: 7, signal.SIGQUIT: 128 + 3}[number]  # it handles the first alone
    assert await ended(run, 3.0) == status
    assert seen(screen) == ""


async def test_a_terminal_that_has_gone_disturbs_nobody(run_on_terminal: tuple[Run, int]) -> None:
    run, screen = run_on_terminal
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, screen)
    os.close(nothing)
    os.kill(run.launcher, signal.SIGKILL)
    assert await ended(run, 2.0) == 128 + 9
    assert not any(is_alive(pid) for pid in run.all)


async def test_the_exit_status_of_the_launcher_is_the_guards(run: Run) -> None:
    run.guard.send_signal(signal.SIGTERM)  # passed on
    assert await ended(run, 3.0) == 7
    assert run.out.readline() == "got SIGTERM\n"
    assert not any(is_alive(pid) for pid in run.all)


async def test_an_interrupt_that_a_person_sends_is_passed_on(run: Run) -> None:
    """kill -INT names the guard alone; a terminal's Ctrl-C (tests/integration/cli) all of them."""
    run.guard.send_signal(signal.SIGINT)
    assert run.out.readline() == "got SIGINT\n"
    run.guard.send_signal(signal.SIGHUP)
    assert run.out.readline() == "got SIGHUP\n"
    assert run.guard.poll() is None


async def test_a_killed_guard_makes_the_launcher_stop_in_good_order(run: Run) -> None:
    run.guard.kill()
    assert run.out.readline() == "got SIGTERM\n"
    await until(lambda: not is_alive(run.launcher))
    # The one that hid from everybody is for the next start's leftovers.
    assert is_alive(run.hidden)


async def test_the_guard_holds_nothing_open_and_little_in_memory(run: Run) -> None:
    assert set(descriptors(run.guard.pid).values()) == {"/dev/null", "anon_inode:[pidfd]"}
    rss = next(line for line in proc(run, "smaps_rollup") if line.startswith("Rss:"))
    assert int(rss.split()[1]) < 20_000  # kB


async def test_orphans_below_the_launcher_do_not_pile_up(run: Run) -> None:
    before = [line for line in proc(run, "status") if line.startswith("voluntary")]
    await asyncio.sleep(0.3)
    assert [line for line in proc(run, "status") if line.startswith("voluntary")] == before
    os.kill(run.hidden, signal.SIGKILL)  # a child of the guard by now
    await until(lambda: platform_linux.stat(run.hidden) is None)
    assert [child.pid for child in children(run.guard.pid)] == [run.launcher]
