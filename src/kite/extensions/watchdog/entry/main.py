"""The Watchdog as a module; see module.md beside this folder."""

from __future__ import annotations

import sys
from typing import Any

from kite import Event, Module, Request
from kite.errors import ConfigError
from kite.extensions.watchdog.config import thresholds
from kite.extensions.watchdog.service import Watchdog


def main() -> None:
    """Run until it is to go."""
    try:
        patience = thresholds()
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)  # noqa: T201  (its log begins with the module)
        raise SystemExit(wrong.kind.exit) from None
    module = Module()
    watchdog: Watchdog | None = None

    @module.on_start
    def begin() -> None:
        nonlocal watchdog
        watchdog = Watchdog(module, patience)

    @module.on("hub.started")
    @module.on("hub.client.*")
    @module.on("hub.slow_consumer")
    @module.on("module.*")
    @module.on("registry.*")
    @module.on("launcher.resync")
    def heard(event: Event) -> None:
        assert watchdog is not None
        watchdog.heard(event)

    @module.handle("watchdog.status")
    def status(_: Request) -> dict[str, Any]:
        assert watchdog is not None
        return watchdog.status()

    module.run()


if __name__ == "__main__":
    main()
