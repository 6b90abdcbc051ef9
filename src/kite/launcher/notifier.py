"""Tells the service manager that started Kite where it stands: systemd's `sd_notify`, without its library.

The manager's main process is the guard, which carries the exit status and passes signals on; so the
Launcher, its child, speaks (`NotifyAccess=all`). The variables that lead there are taken out of the
environment: no module is to speak for Kite.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import asyncio

_SOCKET, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notifier:
    """Messages to one manager. Never blocks and never fails: a manager that is gone is no mistake.

    Args:
        address: of its socket, a path or `@` and an abstract name; empty for nobody.
        watchdog: seconds after which it takes a silent process for hung; None: it does not.
    """

    def __init__(self, address: str, *, watchdog: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = watchdog
        self._timer: asyncio.TimerHandle | None = None
        self._status = ""
        self._is_ready = False

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Self:
        """The one that the environment names, which does not name it any more afterwards."""
        address = environ.pop(_SOCKET, "")
        microseconds = environ.pop(_WATCHDOG, "")
        watched = environ.pop(_WATCHDOG_PID, "")
        if not address.startswith(("/", "@")):
            address = ""
        # The manager knows the process that it started, which is the guard.
        is_meant = watched in ("", str(os.getpid()), str(os.getppid()))
        seconds = int(microseconds) / 1e6 if microseconds.isdecimal() and is_meant else 0.0
        return cls(address, watchdog=seconds if address and seconds > 0 else None)

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._address)

    def start_watchdog(self) -> None:
        """Say from now on, twice in each period, that the running loop still turns."""
        if self._watchdog is not None:
            self._turned()

    def _turned(self) -> None:
        import asyncio  # noqa: PLC0415  (this file is read before the template is forked)

        assert self._watchdog is not None
        self._send("WATCHDOG=1")
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._watchdog / 2, self._turned)

    def ready(self, status: str) -> None:
        """Everything has come up as far as it will by itself; said once."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1", f"STATUS={status}")
        else:
            self.status(status)

    def status(self, text: str) -> None:
        """One line for people; the same again is not sent."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def stopping(self, text: str) -> None:
        """Everything is being ended."""
        self._send("STOPPING=1", f"STATUS={text}")

    def close(self) -> None:
        """Nothing more is said."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        import socket  # noqa: PLC0415  (likewise)

        message = "\n".join(line.replace("\n", " ") for line in lines).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(message, self._address)
        except (OSError, ValueError):
            return
