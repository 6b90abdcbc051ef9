"""The listening socket of a core module: handed down by the Launcher, or a free port."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

LISTEN_FD: Final = 3
_BACKLOG: Final = 1024


def listening_socket(environ: Mapping[str, str] | None = None, *, port: int = 0) -> socket.socket:
    """The socket passed as LISTEN_FDS (descriptor 3), else a new one on 127.0.0.1.

    A passed socket outlives this process: the Launcher keeps its own copy, and connections that
    are made while nobody listens wait in it. LISTEN_PID, where it is set, must be this process.

    Args:
        environ: default: the process's own.
        port: for a new socket; 0 is any free one.

    Raises:
        OSError: the port is in use, or descriptor 3 is no listening socket.
    """
    env = os.environ if environ is None else environ
    if env.get("LISTEN_FDS") == "1" and env.get("LISTEN_PID", str(os.getpid())) == str(os.getpid()):
        sock = socket.socket(fileno=LISTEN_FD)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.detach()
            raise OSError(f"descriptor {LISTEN_FD} is no listening socket")
        os.set_inheritable(LISTEN_FD, False)
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
    sock.setblocking(False)
    return sock


def port_of(sock: socket.socket) -> int:
    """The port a socket listens on."""
    port: int = sock.getsockname()[1]
    return port
