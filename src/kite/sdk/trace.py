"""The trace that an event belongs to goes on through what its handler publishes.

W3C Trace Context travels in the headers `traceparent` and `tracestate`. Kite makes no spans: who
does sets these headers, and what a handler says keeps those of the event that it handles.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

PARENT: Final = "traceparent"
STATE: Final = "tracestate"

is_followed = False
"""Whether this process has ever handled an event that belongs to a trace: publishing asks nothing
more where it has not."""

_trace: ContextVar[dict[str, str] | None] = ContextVar("kite_trace", default=None)


def follow(headers: object) -> bool:
    """Let what is published in this context belong to the trace of these headers; says whether
    there is one."""
    parent = headers.get(PARENT) if isinstance(headers, dict) else None
    if not isinstance(parent, str):
        _trace.set(None)
        return False
    global is_followed  # noqa: PLW0603  (set once; a process without traces pays for none)
    is_followed = True
    trace = {PARENT: parent}
    if isinstance(headers, dict) and isinstance(state := headers.get(STATE), str):
        trace[STATE] = state
    _trace.set(trace)
    return True


def leave() -> None:
    """What is published in this context belongs to no trace any more."""
    _trace.set(None)


def carried(headers: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Headers with those of the present trace, unless they name one themselves."""
    trace = _trace.get()
    if trace is None or (headers and PARENT in headers):
        return headers
    return {**headers, **trace} if headers else trace
