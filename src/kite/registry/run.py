"""The Registry put together: service, HTTP, its connection to the Hub, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from kite.audit.entry import NOBODY
from kite.audit.trail import Trail
from kite.clock import SystemClock
from kite.http.listen import port_of
from kite.http.server import serve
from kite.http.witness import Witness
from kite.registry.announcer import Announcer
from kite.registry.config import RegistryConfig
from kite.registry.core.registration import Registration
from kite.registry.routes import registry_app
from kite.registry.service import Registry
from kite.settings import data_dir
from kite.version import __version__
from kite.wire.boot import BootLine

GRACE: Final = 0.5
"""Seconds for requests that are under way at the end."""

_STDIN: Final = 0
_CHUNK: Final = 65536
_DESCRIPTORS: Final = 16384
_log = logging.getLogger("kite.registry")


async def run(sock: socket.socket, boot: BootLine) -> None:
    """Serve on the socket until SIGTERM comes or standard input ends.

    Raises:
        ConfigError: the configuration is wrong.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    _allow_many_connections()
    clock = SystemClock()
    port = port_of(sock)
    stop = asyncio.Event()
    directory = _directory()
    trail = Trail(directory, "registry")
    announcer = Announcer(clock=clock, on_shutdown=lambda: _log.info("shutdown.requested"))
    registry = Registry(
        kite_token=boot.token,
        config=RegistryConfig.of(boot.config),
        clock=clock,
        directory=directory,
        announce=announcer.announce,
    )
    announcer.presences = registry.hearing
    registry.restore()
    for entry in registry.catalog.entries():
        # Who was connected in the former life is best known by who had registered.
        announcer.believe_connected(entry.module_id)
    await registry.register("registry", None, _own(port), ttl=registry.config.ttl)
    _watch_for_the_end(stop)
    app = registry_app(registry, announcer, port=port, life=boot.life, witness=Witness(trail))
    _log.info("registry.started port=%d life=%d version=%s", port, boot.life, __version__)
    async with asyncio.TaskGroup() as tasks:
        announcing = tasks.create_task(announcer.run())
        serving = tasks.create_task(
            serve(
                app,
                sock,
                stop=stop,
                grace=GRACE,
                on_full=lambda: trail.refused(NOBODY, "connect", "too_many_open"),
            )
        )
        await stop.wait()
        # The end of the lifeline and SIGTERM come together, and whoever leaves in good order because
        # of the one must not be ended by the other when there is no handler any more.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        registry.stop()
        announcer.stop()
        await serving
        announcing.cancel()  # what is not out by now waits for a Hub that does not answer
    trail.close()
    _log.info("registry.stopped")


def _own(port: int) -> Registration:
    return Registration(
        module_type="infrastructure",
        name="Registry",
        api_endpoint=f"http://127.0.0.1:{port}",
        health_endpoint="/health",
        events_publish={
            "registry.registered": "a module has registered",
            "registry.deregistered": "a module's entry was taken out",
            "registry.expired": "a module's lease has ended",
            "registry.resync": "more has changed than could be told: look again",
        },
        metadata={"version": __version__},
    )


def _directory() -> Path | None:
    """Where to keep what survives a restart, if that can be written."""
    directory = data_dir()
    if directory is None:
        return None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failed:
        _log.warning("store.failed path=%s reason=%r", directory, str(failed))
        return None
    return directory


def _allow_many_connections() -> None:
    """Each connection is a descriptor, and the usual soft limit is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _watch_for_the_end(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(_STDIN, _CHUNK):
                loop.remove_reader(_STDIN)
                stop.set()

    try:
        loop.add_reader(_STDIN, readable)
    except PermissionError:  # a file or /dev/null: it has no end to wait for
        _log.info("lifeline.absent")
