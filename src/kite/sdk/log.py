"""A module's log: readable lines on standard error, which the Launcher keeps and stamps.

    info     indexed 12 documents
    warning  connection.lost code=1006 reason='' unsent=0

The level comes from the environment variable `LOG_LEVEL` (`debug`, `info`, `warning`, `error`;
default `info`), which the manifest may set under `env:`.
"""

from __future__ import annotations

import logging
import os
import sys

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class LineFormatter(logging.Formatter):
    """Level and message; the logger's name too where it is not the module's own."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self._own = (module, "kite.sdk")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        text = record.message.replace("\r", "\\r").replace("\n", "\\n")
        name = "" if record.name in self._own else f"{record.name}: "
        return f"{record.levelname.lower():<8} {name}{text}"


def configure(module: str, *, level: str | None = None) -> logging.Logger:
    """Let everything that is logged in this process go to standard error; return the module's log.

    A program that has set up logging itself (the root logger has a handler) keeps its own.

    Args:
        module: the module's name: the name of its logger.
        level: default: the environment's `LOG_LEVEL`.
    """
    wanted = (level or os.environ.get("LOG_LEVEL") or "INFO").upper()
    root = logging.getLogger()
    log = logging.getLogger(module)
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter(module))
        root.addHandler(handler)
        root.setLevel(wanted if wanted in _LEVELS else "INFO")
        # What is a step for us is a detail for everybody else.
        logging.getLogger("asyncio").setLevel(logging.WARNING)
        if wanted not in _LEVELS:
            log.warning("log.level_unknown value=%r expected=%s", wanted, "|".join(_LEVELS).lower())
    return log
