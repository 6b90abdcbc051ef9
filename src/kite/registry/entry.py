"""The Registry's process: `python -m kite.registry.entry`.

It says where it listens before it loads what it serves with: connections made meanwhile wait in
the socket. It lives as long as its standard input is open.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from kite.errors import ConfigError, KiteError
from kite.http.listen import listening_socket, port_of
from kite.wire.boot import BootLine, PortLine, decode_boot_line, encode_line
from kite.wire.token import is_token

_MAX_BOOT_LINE = 1 << 20
_STDIN, _STDOUT = 0, 1


def main() -> int:
    """Run until standard input ends or SIGTERM comes; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the Launcher alone
    try:
        sock = listening_socket()
        os.write(_STDOUT, encode_line(PortLine(port=port_of(sock))))
        boot = _read_boot_line()
        if boot is None:
            return 0
        return _run(sock, boot)
    except KiteError as wrong:
        _say(f"registry.refused reason={str(wrong)!r}")
        return 2
    except OSError as wrong:
        _say(f"registry.failed reason={str(wrong)!r}")
        return 1


def _read_boot_line() -> BootLine | None:
    """The boot line, or None when standard input ends before it.

    Raises:
        ConfigError: `bad_environment` when the line is no boot line.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(_STDIN, 1)  # what follows the line is not ours to take
        if not chunk:
            return None
        line += chunk
        if len(line) > _MAX_BOOT_LINE:
            break
    boot = decode_boot_line(bytes(line))
    if boot is None or not is_token(boot.token):
        raise ConfigError(
            "bad_environment",
            detail="the first line of standard input is no boot line with a token of 64 hex digits",
        )
    return boot


def _run(sock: socket.socket, boot: BootLine) -> int:
    from kite.registry.run import run  # noqa: PLC0415  (after the port line, as the rest)

    _runner()(run(sock, boot))
    return 0


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where it is, else asyncio: a question takes two thirds of the time there."""
    try:
        from uvloop import run  # noqa: PLC0415  (missing on some platforms)
    except ImportError:
        import asyncio  # noqa: PLC0415

        return asyncio.run
    return run


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
