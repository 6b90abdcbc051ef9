"""Python client to Python client: each peer's own library, publish to callback, and question to answer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figure import percentile
from bench.hub.peers import Kite, Mosquitto, Nats, Peer, Redis
from bench.hub.peers.websocket import frame
from kite.wire.boot import BootLine, encode_line

CLIENTS = {Kite: "kite", Nats: "nats", Redis: "redis", Mosquitto: "mqtt"}
_ROOT = Path(__file__).parents[2]


def events_per_second(peer: Peer, count: int) -> float:
    """From the first `publish` to the last callback."""
    with (
        _program(peer, "subscribe", count) as subscriber,
        _program(peer, "publish", count) as publisher,
    ):
        _begin(peer, publisher)
        began = _numbers(publisher)[0]
        return count / (_numbers(subscriber)[0] - began)


def round_trip(peer: Peer, count: int) -> float:
    """Microseconds from question to answer, one after the other; the median."""
    with _program(peer, "answer", count), _program(peer, "ask", count) as asker:
        _begin(peer, asker)
        return 1e6 * percentile(_numbers(asker)[count // 10 :], 0.5)


@contextmanager
def _program(peer: Peer, role: str, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """A client program that has said `ready`; ended with the block."""
    name = CLIENTS[type(peer)]
    argv = [sys.executable, "-m", f"bench.hub.clients.{name}", role, str(peer.port), str(count)]
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as folder:
        environ = dict(os.environ)
        if isinstance(peer, Kite):
            environ |= {
                "KITE_MODULE": f"bench_{role}",
                "KITE_REGISTRY_PORT": str(peer.registry.port),
                **dict.fromkeys(
                    (
                        *("KITE_MODULE_DIR", "KITE_MODULE_DATA", "KITE_INSTANCE_DIR"),
                        *("KITE_PROJECT", "KITE_CWD", "KITE_WORKSPACE"),
                    ),
                    folder,
                ),
                "KITE_INSTANCE": "bench",
            }
        process = subprocess.Popen(
            argv, cwd=_ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if isinstance(peer, Kite):
                process.stdin.write(
                    encode_line(BootLine(token=peer.token(f"bench_{role}"), life=1))
                )
                process.stdin.flush()
            if process.stdout.readline().strip() != b"ready":
                raise RuntimeError(f"the {name} client did not come up")
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=20)


def _begin(peer: Peer, process: subprocess.Popen[bytes]) -> None:
    """Let a program begin: a module hears it as an event, everybody else as a line."""
    if isinstance(peer, Kite):
        connection = peer.connect("conductor")
        connection.sendall(frame(b'{"type":"event","event":"bench.begin"}'))
        connection.close()
        return
    assert process.stdin is not None
    process.stdin.write(b"begin\n")
    process.stdin.flush()


def _numbers(process: subprocess.Popen[bytes]) -> list[float]:
    assert process.stdout is not None
    return [float(word) for word in process.stdout.readline().split()]
