"""What the Launcher asks of the kernel, and the one place that would differ elsewhere.

Written for Linux 5.4 or newer and tried there only: macOS (kqueue, no `/proc`) and Windows (job
objects) would each need a file like this one. The guard imports it, so it imports next to nothing.

A *mark* is how the Launcher knows its own: a number that is put on a process as the soft limit of
`RLIMIT_RTTIME` and is inherited over fork, exec and setsid, with whatever environment. The limit
has a meaning for real-time scheduling only, and there it is one of thousands of years of processor
time. Reading it is one system call; a program that sets the limit itself loses the mark and is
known by its session, its parents and its environment.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_MARK_BASE = 1 << 60  # microseconds: more than thirty thousand years
_LIFE_BITS = 20

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")

_tools: dict[str, str] = {}


class Stat:
    """One process as `/proc/<pid>/stat` tells it. `start_time` is in ticks since the boot."""

    __slots__ = ("group", "parent", "pid", "session", "start_time", "state")

    def __init__(  # noqa: PLR0917  (a record in the order of its file)
        self, pid: int, state: str, parent: int, group: int, session: int, start_time: int
    ) -> None:
        self.pid = pid
        self.state = state
        self.parent = parent
        self.group = group
        self.session = session
        self.start_time = start_time

    @property
    def is_alive(self) -> bool:
        """Not a zombie: it can still do something."""
        return self.state not in {"Z", "X", "x"}

    def __repr__(self) -> str:
        return f"Stat(pid={self.pid}, state={self.state!r}, parent={self.parent})"


def stat(pid: int) -> Stat | None:
    """The process now, or None when there is none."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:  # it went between the two calls
        return None
    finally:
        os.close(descriptor)
    # The name stands in parentheses and may hold anything: what follows the last one is sure.
    fields = text[text.rfind(b")") + 2 :].split(None, 20)
    if len(fields) < 20:
        return None
    return Stat(
        pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19])
    )


def pids() -> list[int]:
    """The pids of all processes that one may see."""
    names = os.listdir("/proc")  # noqa: PTH208  (a path object for each name doubles the time)
    return [int(name) for name in names if name[0] in "123456789"]


def snapshot() -> dict[int, Stat]:
    """Every process that one may see, by pid: one pass over `/proc`, about 1 ms for a hundred."""
    seen = map(stat, pids())
    return {process.pid: process for process in seen if process is not None}


def spent(pid: int) -> tuple[float, float, int] | None:
    """What a process has used, also a dead one that nobody has reaped yet.

    Returns:
        Its own seconds on a processor, those of its children that it has waited for (ended), and
        the bytes of memory it has resident; None when there is none.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", 0) as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split(None, 22)
    if len(fields) < 22:
        return None
    user, system, childrens_user, childrens_system = map(int, fields[11:15])
    return (
        (user + system) * _SECONDS_PER_TICK,
        (childrens_user + childrens_system) * _SECONDS_PER_TICK,
        int(fields[21]) * _PAGE,
    )


def proportional(pid: int) -> int | None:
    """Bytes of memory of a process, of shared pages its share; a third of a ms. None when it is
    gone, or another user's."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb", 0) as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return None
    at = text.find(b"\nPss:")
    return int(text[at + 5 :].split(None, 1)[0]) * 1024 if at >= 0 else None


def environment(pid: int) -> dict[str, str] | None:
    """The environment a process began with, or None when it may not be read or is gone."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123  (pathlib is heavy here)
            text = file.read()
    except OSError:
        return None
    entries = (entry.partition(b"=") for entry in text.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in entries}


def give_memory_back() -> None:
    """Hand free memory inside the heap back to the kernel: after the imports of a start that is a
    tenth of what a process has. It is glibc's; elsewhere nothing happens."""
    try:
        import ctypes  # noqa: PLC0415  (some installations lack it)

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        return


def boot_id() -> str:
    """An id of this run of the kernel; start times mean something within one boot only."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
        return file.read().strip()


def pid_namespace() -> int:
    """The inode of the pid namespace of this process; pids mean something within one only."""
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116


# -- marks --------------------------------------------------------------------------------------


def new_mark(salt: int, number: int) -> int:
    """The mark of the `number`-th process of a Launcher whose salt is `salt` (39 bits)."""
    return _MARK_BASE | (salt & ((1 << 39) - 1)) << _LIFE_BITS | number & ((1 << _LIFE_BITS) - 1)


def salt_of(mark: int) -> int:
    """Equal for all marks of one Launcher."""
    return mark >> _LIFE_BITS


def is_mark(number: int) -> bool:
    """Whether a number can be a mark at all."""
    return _MARK_BASE <= number < _MARK_BASE << 1


def mark_of(pid: int) -> int | None:
    """The mark of a process, or None when it has none, is gone, or belongs to another user."""
    try:
        soft = resource.prlimit(pid, resource.RLIMIT_RTTIME)[0]
    except (OSError, ValueError):
        return None
    return soft if is_mark(soft) else None


@contextlib.contextmanager
def marking(mark: int) -> Iterator[None]:
    """What is spawned inside carries the mark from its first instruction.

    The limit is put on this process and taken off again, as setting it on the child would leave a
    moment in which the child can fork. It is harmless to this process meanwhile.
    """
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (mark, before[1]))
    except (OSError, ValueError):  # a lower hard limit, or a sandbox: the other signs must do
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_RTTIME, before)


# -- parents and children -----------------------------------------------------------------------


def children() -> list[int] | None:
    """The pids of this process's own children, dead ones that nobody has reaped among them; None
    where the kernel was built without that list."""
    found: list[int] = []
    try:
        for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  (no path is made of it)
            with open(f"/proc/self/task/{thread}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    except OSError:
        return None
    return found


def become_subreaper() -> bool:
    """Orphaned descendants become this process's children instead of init's. True when it is so."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(sig: int) -> bool:
    """This process gets the signal when the thread that forked it ends."""
    return _prctl(_PR_SET_PDEATHSIG, sig)


def _prctl(option: int, value: int) -> bool:
    try:
        import ctypes  # noqa: PLC0415  (some installations lack it, and most processes do without)

        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def parent_death_prefix() -> tuple[str, ...]:
    """Words before a command that make the kernel kill it when the Launcher's main thread ends.

    util-linux's setpriv costs an exec (about a millisecond); without it the lifeline and the
    guard do the work. A `preexec_fn` would cost `vfork` and is not safe beside threads.
    """
    return (setpriv, "--pdeathsig", "KILL", "--") if (setpriv := _tool("setpriv")) else ()


def limit_prefix(limits: list[str]) -> tuple[str, ...]:
    """Words before a command that put limits (`--nofile=77:77`) on it before it runs.

    Nothing where util-linux's prlimit is missing: then it runs without them.
    """
    return (prlimit, *limits, "--") if (prlimit := _tool("prlimit")) else ()


def _tool(name: str) -> str:
    """Where a program of util-linux lies; empty where it is not installed."""
    if name not in _tools:
        places = (f"/usr/bin/{name}", f"/bin/{name}", f"/usr/sbin/{name}")
        _tools[name] = next((path for path in places if os.access(path, os.X_OK)), "")
    return _tools[name]


# -- signals that reach nobody else ---------------------------------------------------------------


def open_exactly(pid: int, start_time: int) -> int | None:
    """A pidfd of the process that has this pid and this start time, or None when it is gone.

    The pidfd is opened first and the start time read afterwards: a pid that was used anew in
    between shows another start time.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    seen = stat(pid)
    if seen is None or seen.start_time != start_time:
        os.close(descriptor)
        return None
    return descriptor


def signal_exactly(pid: int, start_time: int, sig: int) -> bool:
    """Send a signal to the process that has this pid and start time; False when it is gone."""
    descriptor = open_exactly(pid, start_time)
    if descriptor is None:
        return False
    try:
        return signal_pidfd(descriptor, sig)
    finally:
        os.close(descriptor)


def signal_pidfd(descriptor: int, sig: int) -> bool:
    """Send a signal through a pidfd; False when the process is gone or another user's."""
    try:
        signal.pidfd_send_signal(descriptor, sig)
    except OSError:
        return False
    return True


# -- listening sockets ----------------------------------------------------------------------------

_LISTENING = b"0A"


def listeners() -> dict[int, int]:
    """Every listening TCP socket of this machine's network, inode to port.

    The kernel lists the listening ones first, so established connections are not read.
    """
    found: dict[int, int] = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                next(file, None)
                for row in file:
                    fields = row.split(None, 10)
                    if fields[3] != _LISTENING:
                        break
                    found[int(fields[9])] = int(fields[1].rpartition(b":")[2], 16)
        except OSError:  # no IPv6
            continue
    return found


def socket_inodes(pid: int) -> set[int]:
    """The inodes of the sockets that a process has open; empty when one may not look."""
    folder = f"/proc/{pid}/fd"
    found: set[int] = set()
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return found
    for name in names:
        with contextlib.suppress(OSError):
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found
