"""The throw-away project with a Kite of its own in which a module is tried."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kite.conformance.candidate import BYSTANDER, Candidate, bystander, settings
from kite.testing.system import LeftBehind, System

_IMPATIENT: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ground(System):
    """A context manager: at its end nothing of it is left, but for the files that are to be kept.

    Args:
        candidates: the modules under test; the command line has one.

    Attributes:
        directory: all of it.
        is_kept: whether the files stay.
        left_behind: what was still there when everything should have been gone; it is ended.
    """

    def __init__(self, *candidates: Candidate) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="kite-conformance-")).resolve()
        self.is_kept = False
        self.left_behind = ""
        super().__init__(self.directory, extensions=False)
        self.configure(**settings())
        for candidate in candidates:
            for name, keys in candidate.manifests().items():
                self.module(name, None, **keys)
        program, keys = bystander()
        self.module(BYSTANDER, program, **keys)

    def litter(self) -> list[Path]:
        """Nothing: what programs leave in a directory that is thrown away harms nobody."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # However impatient whoever waits for it is: what was begun is ended.
        before = {number: signal.signal(number, signal.SIG_IGN) for number in _IMPATIENT}
        try:
            self.end()
        except LeftBehind as left:
            self.left_behind = str(left)
        finally:
            if not self.is_kept:
                shutil.rmtree(self.directory, ignore_errors=True)
            for number, handler in before.items():
                signal.signal(number, handler)
