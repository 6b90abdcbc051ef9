"""The Event Hub's process: `python -m kite.event_hub.entry`, started by the Launcher.

The endpoint is printed before anything slow happens; the Registry is asked afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from typing import Any

from kite.errors import ConfigError, KiteError
from kite.event_hub.limits import read_config
from kite.event_hub.service import Hub
from kite.http.listen import listening_socket
from kite.settings import data_dir
from kite.wire.boot import (
    BootLine,
    EndpointLine,
    decode_boot_line,
    decode_launcher_token,
    encode_line,
)

_LINE_BYTES = 1 << 20
_COLLECT_AFTER = 20_000
"""Objects made before the cycle collector looks: the hot path makes many and no cycles."""

_log = logging.getLogger("kite.event_hub")


def main() -> int:
    """Run the Hub until it is told to go; returns the exit status."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    _prepare_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the Launcher's business
    try:
        port = os.environ.get("KITE_REGISTRY_PORT")
        if not port:
            raise ConfigError("not_under_kite", name="KITE_REGISTRY_PORT")
        # Unbuffered: what follows the boot line is for the event loop.
        with open(0, "rb", buffering=0, closefd=False) as stdin:
            boot = decode_boot_line(stdin.readline(_LINE_BYTES))
        if boot is None:
            raise ConfigError("no_boot_line")
        status: int = _runner()(_serve(boot, f"http://127.0.0.1:{int(port)}"))
    except (KiteError, OSError, ValueError) as error:
        _log.error("hub.failed %s", error)
        return error.kind.exit if isinstance(error, KiteError) else 1
    return status


def _prepare_process() -> None:
    """As many descriptors as the system allows; and no collecting of what lives for ever."""
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    try:
        import resource  # noqa: PLC0415 (missing on Windows)
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _runner() -> Any:
    """uvloop where it is, else asyncio."""
    try:
        from uvloop import run  # noqa: PLC0415 (missing on some platforms)
    except ImportError:
        return asyncio.run
    return run


async def _serve(boot: BootLine, registry_url: str) -> int:
    config, problems = read_config(boot.config)
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    sock = listening_socket()
    hub = Hub(
        sock,
        config,
        token=boot.token,
        life=boot.life,
        registry_url=registry_url,
        data_dir=data_dir(),
    )
    await hub.listen()
    sys.stdout.buffer.write(encode_line(EndpointLine(ws_endpoint=hub.endpoint)))
    sys.stdout.buffer.flush()
    for problem in problems:
        _log.warning("config.ignored hub: %s", problem)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_read_lifeline(hub, end))
            tasks.create_task(hub.follow_registry())
            await end.wait()
            # The lifeline's end and SIGTERM come together: the second finds no handler any more.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            await hub.stop()
            raise _Ended
    except* _Ended:
        _log.info("hub.ended")
    return 0


class _Ended(Exception):  # noqa: N818 (how the task group is told that all is well)
    """The Hub was told to go and has gone."""


async def _read_lifeline(hub: Hub, end: asyncio.Event) -> None:
    """Take the Launcher's token from standard input, and leave when it ends."""
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    while line := await reader.readline():
        if (token := decode_launcher_token(line)) is not None:
            hub.expect_launcher(token)
    end.set()


if __name__ == "__main__":
    sys.exit(main())
