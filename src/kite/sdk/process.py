"""A module as a process of its own: standard input, signals, the loop, the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from kite.errors import ConfigError
from kite.sdk.boot import Lifeline
from kite.sdk.core.farewell import DEFAULT_TIMEOUT, Cause
from kite.settings import ModuleSettings

if TYPE_CHECKING:
    from kite.sdk.module import Module

# Nothing of ours takes longer than this to leave; a program that is stuck is ended by the kernel.
_STUCK_AFTER = DEFAULT_TIMEOUT + 5.0
_THREADS_END_WITHIN = 5


def run(module: Module) -> int:
    """Run the module in a loop of its own; returns the exit status."""
    # Lines appear in the log when they are printed, not when 8 KiB of them have gathered.
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        # The standard loop: picows brings its own transports, and with them uvloop was no faster
        # for a module (both publish ~160 k and receive ~450 k small events/s) but 15 ms to import.
        with asyncio.Runner() as runner:
            return runner.run(live(module))
    except ConfigError as wrong:
        print(f"{wrong}", file=sys.stderr)  # noqa: T201  (there is no log without settings)
        return wrong.kind.exit


async def serve(module: Module) -> int:
    """Live one life as standard input tells; returns the exit status."""
    settings = ModuleSettings.read()
    lifeline = Lifeline(lambda: module._running.stop(Cause.LIFELINE))
    try:
        boot = await lifeline.boot_line()
        return await module.begin(settings, boot).run()
    finally:
        lifeline.close()


async def live(module: Module) -> int:
    """Live one life as standard input and signals tell; returns the exit status."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if module._life is None:
            sys.exit(0)  # without its boot line there is nothing to clean up
        signal.alarm(int(_STUCK_AFTER))
        module._life.stop(Cause.SIGNAL)

    loop.add_signal_handler(signal.SIGTERM, asked)
    # A terminal's Ctrl-C is the Launcher's. A handler, not SIG_IGN, which children would inherit.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    try:
        return await serve(module)
    finally:
        # The Launcher's signal follows module.shutdown.ready at once: what has left in good order
        # ends with its own status, not with the signal. A thread that does not end is no reason
        # to stay for ever.
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.alarm(_THREADS_END_WITHIN)
