"""Parents and children among the processes of one look: pure, and light enough for the guard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kite.launcher.platform_linux import Stat


def descendants(
    processes: Mapping[int, Stat], roots: Iterable[int], *, but: Iterable[int] = ()
) -> set[int]:
    """The roots, their children, theirs, and so on; never one of `but` nor what is below it."""
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    barred = set(but)
    found: set[int] = set()
    pending = [pid for pid in roots if pid not in barred]
    while pending:
        pid = pending.pop()
        if pid not in found:
            found.add(pid)
            pending += [child for child in children.get(pid, ()) if child not in barred]
    return found
