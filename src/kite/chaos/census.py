"""A look at the processes of one Kite, through `/proc` and nothing of the Launcher's own code.

A process belongs to the instance when its environment names the instance directory, when it carries
a mark of a Launcher that was seen there (the soft RLIMIT_RTTIME, docs/adr/0009), when its command
line is that of the Launcher there, or when it descends from one of these.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kite.chaos.being import GUARD, LAUNCHER, Being

_ENTRY = b"kite.launcher.entry"
_MARK_BASE = 1 << 60
_LIFE_BITS = 20
_MOST_REMEMBERED = 100_000  # marks of lives that were


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stat:
    pid: int
    state: str
    parent: int
    group: int
    start_time: int


class Census:
    """The processes of one instance, over all its runs.

    Args:
        instance_dir: the instance directory.
    """

    def __init__(self, instance_dir: Path) -> None:
        self._instance_dir = os.fsencode(instance_dir.resolve())
        self._records = instance_dir / "launcher" / "processes"
        self._lives: dict[int, tuple[str, int, str, tuple[int, int]]] = {}
        self._salts: dict[int, str] = {}

    def look(self) -> tuple[Being, ...]:
        """All that live. They did so at one and the same moment: whoever was seen is seen again
        after the last of them was seen first."""
        self._read_records()
        found = self._look()
        again = ((being, _stat(being.pid)) for being in found)
        return tuple(
            being
            for being, now in again
            if now is not None and now.start_time == being.start_time and now.state not in "ZXx"
        )

    def unreaped(self) -> set[tuple[int, int]]:
        """The dead children of guard and Launcher that nobody has reaped: pid and start time."""
        processes = [stat for pid in _pids() if (stat := _stat(pid)) is not None]
        tops = {being.pid for being in self._look() if being.role in (GUARD, LAUNCHER)}
        return {(s.pid, s.start_time) for s in processes if s.state == "Z" and s.parent in tops}

    def descriptors(self) -> int:
        """How many descriptors the Launcher has open; 0 when there is none."""
        for being in self._look():
            if being.role == LAUNCHER:
                with contextlib.suppress(OSError):
                    return len(os.listdir(f"/proc/{being.pid}/fd"))  # noqa: PTH208
        return 0

    def signal(self, beings: Iterable[Being], number: int) -> list[Being]:
        """Send a signal to these very processes and no others; those that it was sent to.

        Descriptors are opened before the last proof, so a pid that is used anew in between is found
        out: only who is still there with the same start time, and still shows that it belongs here,
        is signalled.
        """
        opened: list[tuple[Being, int]] = []
        struck: list[Being] = []
        try:
            for being in beings:
                with contextlib.suppress(OSError):
                    opened.append((being, os.pidfd_open(being.pid)))
            ours = {being.identity for being in self._look()} if opened else set()
            for being, descriptor in opened:
                if being.identity in ours:
                    with contextlib.suppress(OSError):
                        signal.pidfd_send_signal(descriptor, number)
                        struck.append(being)
        finally:
            for _, descriptor in opened:
                os.close(descriptor)
        return struck

    # -- what is read -------------------------------------------------------------------------

    def _look(self) -> list[Being]:
        processes = {stat.pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
        alive = {pid: stat for pid, stat in processes.items() if stat.state not in "ZXx"}
        me = os.getpid()
        tops = self._tops(alive)
        known: dict[int, dict[str, str]] = {}
        marks = {pid: mark for pid in alive if (mark := _mark_of(pid)) is not None}
        for pid in alive:
            environment = _environment(pid)
            if environment.get(b"KITE_INSTANCE_DIR") == self._instance_dir and pid not in tops:
                known[pid] = {
                    "module": environment.get(b"KITE_MODULE", b"").decode(errors="replace"),
                    "instance": environment.get(b"KITE_INSTANCE", b"").decode(errors="replace"),
                }
                if pid in marks and known[pid]["instance"]:
                    self._salts.setdefault(marks[pid] >> _LIFE_BITS, known[pid]["instance"])
        ours = {
            pid for pid in alive if pid in known or marks.get(pid, 0) >> _LIFE_BITS in self._salts
        }
        ours = _with_descendants(processes, ours | set(tops)) - set(tops) - {me}
        beings = [self._top(alive[pid], role) for pid, role in tops.items() if pid != me]
        living = ours & alive.keys()
        beings += [self._member(alive[pid], marks.get(pid), known.get(pid, {})) for pid in living]
        return _with_leaders(sorted(beings, key=lambda being: being.start_time))

    def _tops(self, alive: dict[int, _Stat]) -> dict[int, str]:
        """Guard and Launcher. The guard forks the Launcher, and leads their process group; what the
        Launcher is just starting shows its command line until it runs a program of its own."""
        candidates = {
            pid: stat for pid, stat in alive.items() if self._is_launcher(_command_line(pid))
        }
        found: dict[int, str] = {}
        for pid, stat in candidates.items():
            parent = candidates.get(stat.parent)
            if parent is not None and parent.group != parent.pid:
                continue
            found[pid] = GUARD if stat.group == pid else LAUNCHER
        return found

    def _is_launcher(self, words: list[bytes]) -> bool:
        if _ENTRY not in words or b"--instance-dir" not in words:
            return False
        place = words.index(b"--instance-dir") + 1
        return place < len(words) and os.path.realpath(words[place]) == self._instance_dir

    def _top(self, stat: _Stat, role: str) -> Being:
        return Being(
            pid=stat.pid,
            start_time=stat.start_time,
            parent=stat.parent,
            state=stat.state,
            role=role,
        )

    def _member(self, stat: _Stat, mark: int | None, known: dict[str, str]) -> Being:
        module, life, instance, leader = self._lives.get(mark or 0, ("", None, "", (0, 0)))
        salt = (mark or 0) >> _LIFE_BITS
        return Being(
            pid=stat.pid,
            start_time=stat.start_time,
            parent=stat.parent,
            state=stat.state,
            module=module or known.get("module", ""),
            life=life,
            instance=instance or known.get("instance", "") or self._salts.get(salt, ""),
            mark=mark,
            is_leader=(stat.pid, stat.start_time) == leader,
        )

    def _read_records(self) -> None:
        """Who carries which mark, by the Launcher's records; they are kept when those are gone."""
        for path in _json_files(self._records):
            record = _json(path)
            mark = int(record.get("mark") or 0)
            if mark and str(record.get("folder", "")) == str(self._records.resolve()):
                instance = str(record["instance"])
                leader = int(record["pid"]), int(record["start_time"])
                self._lives[mark] = str(record["module"]), int(record["life"]), instance, leader
                self._salts.setdefault(mark >> _LIFE_BITS, instance)
        while len(self._lives) > _MOST_REMEMBERED:
            del self._lives[next(iter(self._lives))]


def _with_leaders(beings: list[Being]) -> list[Being]:
    """Where a full disk took no record of a life, its leader is the first of it below the Launcher.

    Args:
        beings: the eldest first.
    """
    launchers = {being.pid for being in beings if being.role == LAUNCHER}
    led = {being.mark for being in beings if being.is_leader}
    found: list[Being] = []
    for being in beings:
        # The template, from which processes are forked, is of no module.
        first = being.module and being.mark not in {None, *led} and being.parent in launchers
        if first:
            led.add(being.mark)
        found.append(replace(being, is_leader=True) if first else being)
    return found


def _json_files(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.glob("*.json"))
    except OSError:
        return []


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return _Stat(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        start_time=int(fields[19]),
    )


def _environment(pid: int) -> dict[bytes, bytes]:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    entries = (entry.partition(b"=") for entry in text.split(b"\0"))
    return {name: value for name, _, value in entries if name.startswith(b"KITE_")}


def _command_line(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _mark_of(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        soft = resource.prlimit(pid, resource.RLIMIT_RTTIME)[0]
        if _MARK_BASE <= soft < _MARK_BASE << 1:
            return soft
    return None


def _with_descendants(processes: dict[int, _Stat], roots: set[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, stat in processes.items():
        children.setdefault(stat.parent, []).append(pid)
    found: set[int] = set()
    pending = list(roots)
    while pending:
        pid = pending.pop()
        if pid not in found:
            found.add(pid)
            pending += children.get(pid, [])
    return found
