"""`kite top` on a terminal and without one, with a real Kite."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kite.cli.control import Control
from kite.cli.hub.top_feed import Feed
from kite.errors import Unavailable
from kite.testing.system import PATIENCE, System

from .conftest import FakeLauncher, problem

COMMAND = [sys.executable, "-P", "-m", "kite.cli.entry"]
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?25h\x1b[?1049l"


@pytest.fixture
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("top"), extensions=False) as made:
        made.up("--wait")
        yield made


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, system: System, *words: str, columns: int = 80, lines: int = 24) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(system.project)
            resize(0, columns, lines)
            environ = {**system.environ, "TERM": "xterm", "KITE_LANG": "en"}
            environ.pop("NO_COLOR", None)
            os.execve(sys.executable, [*COMMAND, *words], environ)
        self.text = ""

    def until(self, pattern: str) -> str:
        """What comes up to and with what matches."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            left = deadline - time.monotonic()
            assert left > 0, self.text
            assert select.select([self.fd], [], [], left)[0], self.text
            try:
                self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
            except OSError:  # the program has ended
                raise AssertionError(self.text) from None
        before, self.text = self.text[: found.end()], self.text[found.end() :]
        return before

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.fd)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> tuple[int, str]:
        """Wait for its end: the status, and what was still to be read."""
        text = self.text
        with contextlib.suppress(OSError):
            while data := os.read(self.fd, 65536):
                text += data.decode("utf-8", "replace")
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), text


def resize(fd: int, columns: int, lines: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def flooding(system: System, rate: int) -> None:
    system.spawn("pub", "flood.a", '"x"', "--count", "1000000", "--rate", str(rate))


def test_without_a_terminal_it_looks_once(system: System) -> None:
    flooding(system, 200)
    system.wait(lambda: "flood.a" in system.kite("top").out, PATIENCE, "the flood in the table")
    shown = system.kite("top", "--sort", "name", "-n", "1").out.splitlines()
    assert len(shown) == 10, "a head, and three tables of one row"
    assert shown[2].startswith("MODULE ")
    assert shown[5].split() == ["SUBJECT", "EVENTS/S", "BYTES/S"]
    assert shown[8].startswith("CLIENT ")
    rates = json.loads(system.kite("top", "--once", "--json", "--interval", "2s").out)
    (subject,) = [each for each in rates["subjects"] if each["subject"] == "flood.a"]
    assert 50 < subject["events"] < 800, "200 in truth"
    assert rates["looked_at"] == 1.0
    assert {each["module"] for each in rates["clients"]} >= {"launcher", "registry", "operator"}


def test_a_busy_hub_is_looked_at_for_a_part_of_the_time(system: System) -> None:
    flooding(system, 20_000)
    watch = system.spawn("top", "--json")
    assert watch.stdout
    looks = (json.loads(watch.stdout.readline()) for _ in range(40))
    # A machine that has no time for the flood has a Hub that is not busy.
    found = next(look for look in looks if look["looked_at"] < 1 and look["in"] > 4000)
    (subject,) = [each for each in found["subjects"] if each["subject"] == "flood.a"]
    assert subject["events"] > found["in"] / 10, "it is scaled up to the whole second"
    watch.send_signal(signal.SIGINT)
    assert watch.wait(PATIENCE) == 0


@pytest.mark.parametrize("how", ["q", "\x03"])
def test_on_a_terminal_it_is_drawn_again_and_put_back(how: str, system: System) -> None:
    terminal = Terminal(system, "top", "--interval", "200ms", columns=72, lines=20)
    terminal.until(re.escape(ENTER))
    shown = terminal.until(r"CLIENT.*launcher.*\x1b\[J.*CLIENT.*\x1b\[J")
    frame = shown.split("\x1b[H")[-1]
    assert frame.count("\r\n") < 20
    assert not terminal.settings()[3] & (termios.ICANON | termios.ECHO)
    resize(terminal.fd, 40, 8)
    small = terminal.until(r"\x1b\[J.*\x1b\[J.*\x1b\[J").split("\x1b[H")[-1]
    assert small.count("\r\n") < 8
    terminal.type(how)
    status, rest = terminal.end()
    assert status == 0
    assert rest.rstrip().endswith(LEAVE) or LEAVE in rest


def test_a_signal_and_the_end_of_kite_give_the_terminal_back(system: System) -> None:
    terminal = Terminal(system, "top", "--interval", "200ms")
    before = terminal.until(r"CLIENT.*launcher")
    assert ENTER in before
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.until(re.escape(LEAVE))
    assert terminal.end()[0] == -signal.SIGTERM

    terminal = Terminal(system, "top", "--interval", "200ms")
    terminal.until(r"CLIENT.*launcher")
    assert system.down().status == 0
    terminal.until(re.escape(LEAVE))
    status, rest = terminal.end()
    assert status == 3
    assert "error: " in rest, "Kite is not there any more"


def test_it_goes_on_when_the_hub_is_restarted(system: System) -> None:
    terminal = Terminal(system, "top", "--interval", "200ms")
    terminal.until(r"CLIENT.*launcher")
    system.kite("restart", "event_hub")
    terminal.until(r"CLIENT.*launcher.*\x1b\[J.*CLIENT.*launcher.*\x1b\[J")
    terminal.type("q")
    assert terminal.end()[0] == 0


async def test_a_hub_that_does_not_let_anybody_in_yet_is_one_that_restarts(
    launcher: FakeLauncher,
) -> None:
    """Asked while the old connection is not known to be lost: it is no reason to end."""
    launcher.answers["GET /metrics"] = (503, problem("not_ready", 503, what="the event hub"))
    feed = Feed(Control.find(launcher.instance_dir, project="here"), smoothed=1)
    with pytest.raises(Unavailable) as lost:
        await asyncio.wait_for(feed.sample(), PATIENCE)
    assert lost.value.code == "connection_lost"


def test_a_reader_that_leaves_ends_it(system: System) -> None:
    watch = system.spawn("top", "--json", "--interval", "100s")
    watch.stdout.close()  # type: ignore[union-attr]
    watch.stdout = None
    assert watch.wait(PATIENCE) == 0


def test_wrong_use(system: System) -> None:
    assert "rate, bytes, name" in system.kite("top", "--sort", "x", status=2).err
    system.kite("top", "-n", "0", status=2)
    system.kite("top", "--interval", "soon", status=2)
    system.down()
    system.kite("top", "--once", status=3)
