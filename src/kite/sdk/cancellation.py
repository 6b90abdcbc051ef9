"""Whose cancellation it is: the running task's, or only that of something it waited for."""

from __future__ import annotations

import asyncio


def is_meant(task: asyncio.Task[object] | None = None) -> bool:
    """Whether somebody has asked the task (default: the running one) to end.

    A `CancelledError` in a task that nobody has cancelled is a failure like any other: what it
    waited for was given up.
    """
    asked = task or asyncio.current_task()
    return asked is not None and asked.cancelling() > 0
