"""Who is alive on this machine and belongs to one system under test.

A process is known by an entry in the environment that it was started with, or, where it cleared
that, by the mark that the Launcher puts on every tree (`kite.launcher.platform_linux`).
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from kite.launcher import platform_linux


class Census:
    """The living processes of one system.

    Args:
        variable, value: the entry of the environment that all of them inherit.

    A process that clears its environment is found once `look` has seen any process of the same
    Launcher: look while the system runs.
    """

    def __init__(self, variable: str, value: str) -> None:
        self._variable = variable
        self._value = value
        self._salts: set[int] = set()

    def look(self) -> dict[int, str]:
        """Command line by pid. Zombies are dead, and this process is none of them."""
        found: dict[int, str] = {}
        unknown: dict[int, int] = {}
        for pid in platform_linux.pids():
            if pid == os.getpid() or not is_alive(pid):
                continue
            mark = platform_linux.mark_of(pid)
            environment = platform_linux.environment(pid)
            if environment is not None and environment.get(self._variable) == self._value:
                found[pid] = command_line(pid)
                if mark is not None:
                    self._salts.add(platform_linux.salt_of(mark))
            elif mark is not None:
                unknown[pid] = platform_linux.salt_of(mark)
        ours = {pid for pid, salt in unknown.items() if salt in self._salts}
        return found | {pid: command_line(pid) for pid in ours}


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number that is no zombie."""
    process = platform_linux.stat(pid)
    return process is not None and process.is_alive


def parent_of(pid: int) -> int:
    """The pid of its parent; 0 when it is gone."""
    process = platform_linux.stat(pid)
    return process.parent if process is not None else 0


def command_line(pid: int) -> str:
    """Its words, joined by blanks; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return text.replace(b"\0", b" ").decode(errors="replace").strip()


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections at this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
