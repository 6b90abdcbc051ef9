"""Control groups of lives: made, limited, entered, killed and removed below one of our own.

    <delegated>/kite-<instance>/launcher       the guard and the Launcher
    <delegated>/kite-<instance>/<module>-<life>

A life that has one is limited as a whole and killed at one stroke: what is in it cannot leave it,
whatever it forks. It comes on top of the other signs by which a life's tree is known; where no
group is ours, nothing of this happens.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from kite.launcher.delegation import CONTROLLERS, examine, own_group

_PREFIX = "kite-"
_LEAF = "launcher"
_PERIOD = 100_000  # microseconds, the kernel's own default
_LEAST_QUOTA = 1000  # microseconds, the least the kernel takes

# `0` is whoever writes: the process is inside before the module's program is there. The write takes
# the kernel some milliseconds, in which the Launcher would stand still if it wrote the pid.
_ENTER = '{ echo 0 >"$0"; } 2>/dev/null; exec "$@"'


class Group:
    """The control group of one life.

    Attributes:
        path: where it lies.
        holds: which of the limits `memory`, `cpu`, `processes` the kernel enforces in it.
    """

    def __init__(self, path: Path, holds: frozenset[str] = frozenset()) -> None:
        self.path = path
        self.holds = holds

    def entering(self) -> tuple[str, ...]:
        """Words before a command that let it begin in here."""
        return ("/bin/sh", "-c", _ENTER, str(self.door))

    @property
    def door(self) -> Path:
        """The file by which a process enters: it writes `0` there."""
        return self.path / "cgroup.procs"

    def pids(self) -> list[int]:
        """Whoever is in it or in a group below it. Zombies are not."""
        found: list[int] = []
        for folder in _bottom_up(self.path):
            with contextlib.suppress(OSError):
                text = (folder / "cgroup.procs").read_text(encoding="ascii")
                found += [int(word) for word in text.split() if word != "0"]
        return found

    def kill(self) -> bool:
        """SIGKILL to all at one stroke, forks under way included; False where the kernel cannot
        (before 5.14)."""
        return _write(self.path / "cgroup.kill", "1")

    def oom_kills(self) -> int:
        """How many of its processes were killed because the group was out of memory."""
        with contextlib.suppress(OSError):
            for line in (self.path / "memory.events").read_text(encoding="ascii").splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
        return 0

    def remove(self) -> bool:
        """Take it away, with what a module made below it; False when somebody is still in it."""
        for folder in _bottom_up(self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not self.path.exists()


class Groups:
    """The control groups of one Launcher.

    Attributes:
        controllers: which of `cpu`, `memory`, `pids` the groups of lives have.
    """

    def __init__(self, home: Path, controllers: frozenset[str]) -> None:
        self._home = home
        self.controllers = controllers

    def make(
        self,
        module: str,
        life: int,
        *,
        memory: int | None = None,
        cpu: float | None = None,
        processes: int | None = None,
    ) -> Group | None:
        """A group for a life, limited as far as the controllers go; None where it cannot be made.

        Args:
            memory: bytes.
            cpu: processor cores.
            processes: threads and processes together.
        """
        path = self._home / f"{module}-{life}"
        try:
            path.mkdir(exist_ok=True)
        except OSError:
            return None
        held: set[str] = set()
        if memory is not None and self._limit("memory", path / "memory.max", str(memory)):
            held.add("memory")
            _write(path / "memory.oom.group", "1")  # half a module is no module
        if cpu is not None:
            quota = max(_LEAST_QUOTA, round(cpu * _PERIOD))
            if self._limit("cpu", path / "cpu.max", f"{quota} {_PERIOD}"):
                held.add("cpu")
        if processes is not None and self._limit("pids", path / "pids.max", str(processes)):
            held.add("processes")
        return Group(path, frozenset(held))

    def _limit(self, controller: str, file: Path, value: str) -> bool:
        return controller in self.controllers and _write(file, value)


def settle(instance: str, ours: Collection[int], *, own: Path | None = None) -> Groups | None:
    """Make this Launcher at home in the control group that was left to it; None: there is none.

    The processes that are ours move to a leaf. Controllers are handed down where that leaves the
    group without a process; where others are in it, groups can still be made and killed.

    Args:
        instance: names the group of this run.
        ours: the Launcher, its guard and its template.
        own: the control group they are in; by default it is looked up.
    """
    found = examine(own or own_group())
    if found.path is None:
        return None
    _clear_away(found.path)
    home = found.path / f"{_PREFIX}{instance}"
    try:
        (home / _LEAF).mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    moved = [_write(home / _LEAF / "cgroup.procs", str(pid)) for pid in ours]
    if not all(moved):  # half inside would be neither the one nor the other
        for pid in ours:
            _write(found.path / "cgroup.procs", str(pid))
        Group(home).remove()
        return None
    handed = frozenset(each for each in found.controllers if _hand_down(found.path, home, each))
    return Groups(home, handed)


def ways(groups: Groups | None) -> dict[str, str | None]:
    """By what each limit is enforced: `cgroup`, `rlimit`, `sampling` (and `rlimit`) or nothing."""
    has = groups.controllers if groups is not None else frozenset[str]()
    return {
        "memory": "cgroup" if "memory" in has else "sampling",
        "cpu": "cgroup" if "cpu" in has else None,
        "processes": "cgroup" if "pids" in has else None,
        "files": "rlimit",
        "tree": "cgroup" if groups is not None else "marks",
    }


def _hand_down(own: Path, home: Path, controller: str) -> bool:
    return all(_write(each / "cgroup.subtree_control", f"+{controller}") for each in (own, home))


def leave(own: Path | None = None) -> None:
    """Undo `settle`, from the last process of a run: kill and remove its groups, and go back.

    Where the process is in no leaf of ours, nothing is done.
    """
    leaf = own or own_group()
    if leaf is None or leaf.name != _LEAF or not leaf.parent.name.startswith(_PREFIX):
        return
    home, top = leaf.parent, leaf.parent.parent
    for group in _below(home):
        if group != leaf:
            Group(group).kill()
            Group(group).remove()
    others = [each for each in _below(top) if each != home]
    for controller in sorted(CONTROLLERS):
        _write(home / "cgroup.subtree_control", f"-{controller}")
        if not others:
            _write(top / "cgroup.subtree_control", f"-{controller}")
    _write(top / "cgroup.procs", str(os.getpid()))
    Group(home).remove()


def _clear_away(own: Path) -> None:
    """What runs that were killed have left, as far as nobody is in it."""
    for folder in _below(own):
        # In that of a Launcher that lives, a life may be about to enter its group.
        if folder.name.startswith(_PREFIX) and not Group(folder / _LEAF).pids():
            Group(folder).remove()


def _below(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_dir()]
    except OSError:
        return []


def _bottom_up(folder: Path) -> Iterator[Path]:
    for each in _below(folder):
        yield from _bottom_up(each)
    yield folder


def _write(file: Path, text: str) -> bool:
    """In one write(2), as these files want it."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode("ascii"))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
