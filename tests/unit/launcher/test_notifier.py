"""What a service manager is told, and that the way to it is taken out of the environment."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.launcher.notifier import Notifier


class Manager:
    """A socket as systemd has one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(10)

    def heard(self) -> list[str]:
        return self._socket.recv(4096).decode().split("\n")

    def is_quiet(self) -> bool:
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(10)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@kite-test-{os.getpid()}"
    made = Manager(address)
    yield made
    made.close()


def environment(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, "PATH": "/bin", **more}


def test_ready_is_said_once_and_what_follows_is_status(manager: Manager) -> None:
    notifier = Notifier.taken_from(environment(manager))
    notifier.status("starting")
    assert manager.heard() == ["STATUS=starting"]
    notifier.ready("2 run")
    assert manager.heard() == ["READY=1", "STATUS=2 run"]
    notifier.ready("3 run")
    assert manager.heard() == ["STATUS=3 run"]
    notifier.ready("3 run")
    assert manager.is_quiet()
    notifier.stopping("stopping\neverything")
    assert manager.heard() == ["STOPPING=1", "STATUS=stopping everything"]


def test_the_way_to_the_manager_leaves_the_environment(manager: Manager) -> None:
    environ = environment(manager, WATCHDOG_USEC="1000000", WATCHDOG_PID=str(os.getpid()))
    assert Notifier.taken_from(environ).is_heard
    assert environ == {"PATH": "/bin"}


def test_the_watchdog_is_answered_by_the_loop(manager: Manager) -> None:
    """Twice in each period, until it is closed."""

    async def live() -> None:
        notifier = Notifier.taken_from(environment(manager, WATCHDOG_USEC="20000"))
        notifier.start_watchdog()
        loop = asyncio.get_running_loop()
        for _ in range(3):
            assert await loop.run_in_executor(None, manager.heard) == ["WATCHDOG=1"]
        notifier.close()

    asyncio.run(live())


@pytest.mark.parametrize(
    ("more", "is_watched"),
    [
        ({}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({"WATCHDOG_USEC": "5000000"}, True),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "own"}, True),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "guard"}, True),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1000000000"}, False),
    ],
)
def test_only_a_watchdog_that_means_this_process_is_answered(
    manager: Manager, more: dict[str, str], is_watched: bool
) -> None:
    """The manager knows the guard, the Launcher's parent."""
    who = {"own": str(os.getpid()), "guard": str(os.getppid())}
    meant = {name: who.get(value, value) for name, value in more.items()}

    async def live() -> None:
        notifier = Notifier.taken_from(environment(manager, **meant))
        notifier.start_watchdog()
        notifier.close()

    asyncio.run(live())
    assert manager.is_quiet() is not is_watched


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative", "/nowhere/at/all", "@nobody"])
def test_a_manager_that_cannot_be_reached_is_no_mistake(address: str) -> None:
    notifier = Notifier.taken_from({"NOTIFY_SOCKET": address})
    notifier.ready("all well")
    assert notifier.is_heard is address.startswith(("/", "@"))
