"""Writes an audit log in a thread of its own, which begins with the first line: nobody waits for the
disk, and a flood of refusals costs a count each.

Control actions are never left out; they wait, as many as there is room for, while the disk refuses.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from kite.audit.entry import FILE_NAME, Line, Where, encode
from kite.audit.throttle import Summary, Throttle, Verdict
from kite.clock import now_rfc3339
from kite.rotated_lines import RotatedLines

MAX_BYTES: Final = 2 << 20
OLDER_FILES: Final = 3
_QUEUE: Final = 2000
"""Lines that wait for the disk; the oldest go, and are counted."""

_AGAIN: Final = 1.0
"""Seconds until what the disk did not take is tried again."""

_SUMMARY: Final = "refusals that were not written one by one"
_log = logging.getLogger("kite.audit")


class Trail:
    """The audit log of one process.

    Args:
        folder: where the file is to be; None: nothing is written (a process that was started by hand).
        where: which process this is.
    """

    def __init__(self, folder: Path | None, where: Where) -> None:
        self._where: Where = where
        self._file = (
            None
            if folder is None
            else RotatedLines(folder / FILE_NAME, max_bytes=MAX_BYTES, count=OLDER_FILES)
        )
        # Shared with the thread, under the condition's lock:
        self._turn = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._throttle = Throttle()
        self._lost = 0
        self._is_closing = False
        self._thread: threading.Thread | None = None
        # The thread's own:
        self._is_down = False

    def done(self, who: str, what: str, **fields: Any) -> None:
        """A control action was taken. Never blocks.

        Args:
            fields: of `Line`.
        """
        self._write(who, what, "done", fields)

    def refused(self, who: str, what: str, code: str, **fields: Any) -> None:
        """A control action, or something else that was asked for, was refused. Never blocks."""
        if self._file is None:
            return
        with self._turn:
            verdict = self._throttle.take(who, code, time.monotonic())
            if verdict is Verdict.BEGIN_COUNTING:
                self._begin()
        if verdict is Verdict.WRITE:
            self._write(who, what, "refused", {"code": code, **fields})

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, and how much was suppressed; a disk that hangs is left alone."""
        with self._turn:
            self._is_closing = True
            self._turn.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _write(self, who: str, what: str, outcome: Any, fields: dict[str, Any]) -> None:
        if self._file is None:
            return
        line = Line(
            ts=now_rfc3339(), where=self._where, who=who, what=what, outcome=outcome, **fields
        )
        data = encode(line)
        with self._turn:
            self._put(data)
            self._begin()

    def _put(self, data: bytes) -> None:
        self._queue.append(data)
        while len(self._queue) > _QUEUE:
            self._queue.popleft()
            self._lost += 1

    def _begin(self) -> None:
        if self._thread is None and not self._is_closing:
            self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
            self._thread.start()
        self._turn.notify()

    # -- the thread's side ----------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._turn:
                if not self._queue and not self._is_closing:
                    self._turn.wait(self._patience())
                is_last = self._is_closing
                summaries = self._throttle.due(time.monotonic(), everything=is_last)
                for summary in summaries:
                    self._put(encode(self._line_of(summary)))
            is_written = self._flush()
            if is_last:
                break
            if not is_written:
                with self._turn:
                    self._turn.wait_for(lambda: self._is_closing, _AGAIN)
        assert self._file is not None
        self._file.close()

    def _patience(self) -> float | None:
        due = self._throttle.next_deadline()
        return None if due is None else max(0.0, due - time.monotonic())

    def _flush(self) -> bool:
        assert self._file is not None
        while True:
            with self._turn:
                if not self._queue:
                    break
                line = self._queue[0]
            try:
                self._file.append(line)
            except OSError as error:
                self._suffer(error)
                return False
            with self._turn, contextlib.suppress(IndexError):
                if self._queue[0] is line:  # else it was given up for a newer one meanwhile
                    self._queue.popleft()
        self._recover()
        return True

    def _suffer(self, error: OSError) -> None:
        assert self._file is not None
        self._file.close()
        if not self._is_down:
            self._is_down = True
            _log.error("audit.refused_by_disk error=%r", str(error))

    def _recover(self) -> None:
        with self._turn:
            lost, self._lost = self._lost, 0
        if lost:
            _log.error("audit.lost lines=%d", lost)
        if self._is_down:
            self._is_down = False
            _log.warning("audit.recovered")

    def _line_of(self, summary: Summary) -> Line:
        return Line(
            ts=now_rfc3339(),
            where=self._where,
            who=summary.who,
            what=_SUMMARY,
            outcome="refused",
            code=summary.code,
            suppressed=summary.count,
            seconds=summary.seconds,
        )
