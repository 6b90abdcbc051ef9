"""The Launcher may open as many files as the system allows; its children get what it had itself.

Each life needs up to five descriptors here, and programs that use `select` break above the usual
soft limit.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

_SPARE = 32  # descriptors that a fork may need itself

_before: tuple[int, int] | None = None


def raise_file_limit() -> None:
    """Let this process open as many files as it may; once is enough."""
    global _before  # noqa: PLW0603  (a fact about this process)
    if _before is None:
        _before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (_before[1], _before[1]))


def usual() -> int | None:
    """The soft limit of before `raise_file_limit`; None where it is what it was."""
    return _before[0] if _before is not None else None


def at_most(kind: int, wanted: int) -> int:
    """The limit that can be had: this process's own hard one, or less."""
    most = resource.getrlimit(kind)[1]
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


@contextlib.contextmanager
def usual_file_limit(highest: int) -> Iterator[None]:
    """What is forked inside has the soft limit of before `raise_file_limit`.

    `highest` is a descriptor that was just opened. Where so many are open that the fork itself
    could not open what it needs, the child keeps the raised limit.
    """
    if _before is None or 0 <= _before[0] < highest + _SPARE:
        yield
        return
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_before[0], raised[1]))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, raised)
