"""What an unhealthy module's process did, kept in files for whoever looks afterwards."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Any, Final

from kite import pulse_reader
from kite.extensions.watchdog.core.actions import Say

MOST_FILES: Final = 100

_log = logging.getLogger(__name__)


class EvidenceFiles:
    """One text file for each verdict; the oldest go.

    Args:
        folder: made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, said: Say, data: dict[str, Any]) -> str | None:
        """Write down the verdict and what the process does at this moment.

        Returns:
            The path; None where it cannot be written, which stops nothing.
        """
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        path = self._folder / f"{stamp}-{said.module}-{said.life or 0}-{said.verdict}.txt"
        text = json.dumps(data, indent=2) + "\n"
        if said.pid is not None:
            text += "\n" + pulse_reader.portrait(said.pid)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            self._forget()
        except OSError as error:
            _log.warning("evidence.not_kept path=%s error=%s", path, error)
            return None
        return str(path)

    def _forget(self) -> None:
        for old in sorted(self._folder.glob("*.txt"))[:-MOST_FILES]:
            with contextlib.suppress(FileNotFoundError):
                old.unlink()
