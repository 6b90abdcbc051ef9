"""Which process is of which life, for all lives in one pass: facts in, a mapping out.

What `kin.find` asks for one life with every care, as it decides who is killed, is asked here for
all of them at once, as it decides only who is counted where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kite.launcher.kin import Kin
from kite.launcher.platform_linux import Stat


def families(
    kins: Iterable[Kin],
    processes: Mapping[int, Stat],
    *,
    me: int,
    mark_of: Callable[[int], int | None],
) -> dict[int, list[int]]:
    """The living processes of each life, by its mark; under 0 the Launcher and whatever below it is
    nobody's.

    Args:
        processes: all that there are.
        me: the Launcher.
        mark_of: the mark that a process carries.
    """
    known = {kin.mark: kin for kin in kins}
    leaders = {
        kin.pid: kin.mark
        for kin in known.values()
        if (leader := processes.get(kin.pid)) is not None and leader.start_time == kin.start_time
    }
    owners: dict[int, int | None] = {me: 0}
    for pid, process in processes.items():
        if pid == me:  # while it forks it carries the mark of its next child
            continue
        mark = mark_of(pid)
        if mark in known:
            owners[pid] = mark
        elif (at := leaders.get(process.session) or leaders.get(process.group)) is not None:
            owners[pid] = at
    found: dict[int, list[int]] = {mark: [] for mark in (0, *known)}
    for pid, process in processes.items():
        mark = _owner(pid, processes, owners)
        if mark is not None and process.is_alive:
            found[mark].append(pid)
    return found


def _owner(pid: int, processes: Mapping[int, Stat], owners: dict[int, int | None]) -> int | None:
    """Whose the nearest ancestor is that is somebody's; it is remembered on the way."""
    path: list[int] = []
    while pid not in owners:
        process = processes.get(pid)
        if process is None:
            owners[pid] = None
            break
        path.append(pid)
        owners[pid] = None  # a circle, as two looks at one pid may make, ends here
        pid = process.parent
    for each in path:
        owners[each] = owners[pid]
    return owners[pid]
