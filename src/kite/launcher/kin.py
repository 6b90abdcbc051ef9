"""Who belongs to a life of a module: the pure part, facts about processes in, pids out.

Kin are, of the processes whose mark is not another life's:
1. those with the mark of the life (`platform_linux`: inherited, whatever a program does);
2. those in the session or the group of the life's leader, while the leader holds its pid, dead
   or alive (afterwards the number may be a stranger's);
3. adopted orphans whose environment says the instance and the module, begun after the life did;
4. all descendants of these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from kite.launcher.descent import descendants
from kite.launcher.platform_linux import Stat, salt_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """What the tree of one life is known by.

    Args:
        pid, start_time: the leader; its pid is also its session and its group.
        mark: the number that the leader and its descendants carry.
        instance, module: what their environment says.
    """

    pid: int
    start_time: int
    mark: int
    instance: str
    module: str


def find(
    kin: Kin,
    processes: Mapping[int, Stat],
    *,
    me: int,
    leaders: Collection[int],
    mark_of: Callable[[int], int | None],
    environment: Callable[[int], Mapping[str, str] | None],
) -> set[int]:
    """The processes of a life's tree, the dead ones that nobody has reaped yet among them.

    Args:
        processes: all that there are.
        me: the pid of the Launcher, to which the kernel gives the orphans.
        leaders: the pids of the leaders of all lives, which are nobody else's kin.
        mark_of: the mark a process carries.
        environment: the environment a process began with.
    """
    candidates = {
        pid: process
        for pid, process in processes.items()
        # Nothing that is older than the leader can descend from it.
        if process.start_time >= kin.start_time and pid not in (1, me)
    }
    leader = processes.get(kin.pid)
    holds_pid = leader is not None and leader.start_time == kin.start_time
    roots: set[int] = set()
    strangers: set[int] = set()
    for pid, process in candidates.items():
        mark = mark_of(pid)
        if mark == kin.mark:
            roots.add(pid)
        elif _is_of_another_life(pid, mark, kin, leaders):
            strangers.add(pid)
        elif (holds_pid and kin.pid in (process.session, process.group)) or (
            process.parent == me and pid != kin.pid and says_kin(kin, environment(pid))
        ):
            roots.add(pid)
    return descendants(candidates, roots, but=strangers)


def _is_of_another_life(pid: int, mark: int | None, kin: Kin, leaders: Collection[int]) -> bool:
    if pid in leaders and pid != kin.pid:
        return True
    return mark is not None and salt_of(mark) == salt_of(kin.mark)


def says_kin(kin: Kin, environment: Mapping[str, str] | None) -> bool:
    """Whether an environment is that of a process of this module in this instance."""
    return (
        environment is not None
        and environment.get("KITE_INSTANCE") == kin.instance
        and environment.get("KITE_MODULE") == kin.module
    )
