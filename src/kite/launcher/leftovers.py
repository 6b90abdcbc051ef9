"""Ends what an earlier Launcher of this instance directory left, and touches nobody else.

A recorded process is *same* when pid, start time, boot and pid namespace agree and the process
itself says so too: by the mark that it carries or the instance in its environment. It is a
*stranger* when one of them disagrees, and *unverifiable* when it cannot be asked (another user's
process; an environment that was cleared together with the mark). Only the same are signalled.
Descendants, and processes without a record, are found by the same two signs.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kite.launcher import platform_linux, tree
from kite.launcher.descent import descendants
from kite.launcher.platform_linux import Stat
from kite.launcher.records import Record, Records

Verdict = Literal["same", "stranger", "unverifiable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What became of one record, or of one process that was found without.

    Args:
        verdict: whether it was ours.
        ended: nothing of it is left. A record whose process is gone is not told at all.
    """

    pid: int
    module: str
    life: int | None
    instance: str
    verdict: Verdict
    ended: bool


def judge(
    record: Record,
    process: Stat | None,
    *,
    is_of_now: bool,
    mark: int | None,
    environment: Mapping[str, str] | None,
) -> Verdict | None:
    """Whether a living process is the recorded one; None when there is none. Pure.

    Args:
        process: who has the recorded pid now.
        is_of_now: the record is of this boot and pid namespace.
        mark, environment: what the process carries; None where it cannot be known.
    """
    if not is_of_now or process is None or not process.is_alive:
        return None
    if process.start_time != record.start_time:
        return "stranger"
    if mark is not None:
        return "same" if mark == record.mark else "stranger"
    if environment is None or "KITE_INSTANCE" not in environment:
        return "unverifiable"
    says = environment["KITE_INSTANCE"], environment.get("KITE_MODULE")
    return "same" if says == (record.instance, record.module) else "stranger"


async def end_leftovers(
    records: Records, *, grace: float = 2.0, timeout: float = 5.0
) -> list[Leftover]:
    """End what earlier instances left, before anything of this one is recorded.

    Args:
        grace: seconds between SIGTERM and SIGKILL.
        timeout: seconds for everything; what lives on keeps its record.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    kept = records.read()
    verdicts = [(path, record, _judge_now(records, record)) for path, record in kept if record]
    signs = _Signs.of(
        [record for _, record, _ in verdicts if records.is_of_now(record)], records.instance_dir
    )
    look = _looker(signs)
    found = {pid: process for pid, process in look().items() if process.is_alive}
    facts = {pid: _who(pid, signs) for pid in found}
    left: Collection[int] = ()
    if found:
        await _ask(found, min(deadline, loop.time() + grace))
        left = await tree.end(look, timeout=max(0.1, deadline - loop.time()))
    told: list[Leftover] = []
    for path, record, verdict in verdicts:
        if verdict in {"stranger", "unverifiable"}:
            told.append(_leftover(record, verdict, ended=False))
        if not left:
            records.drop(path)
    for path, unreadable in kept:
        if unreadable is None:
            records.drop(path)
    told += [
        Leftover(
            pid=pid,
            module=module,
            life=signs.lives.get(mark) if mark else None,
            instance=instance,
            verdict="same",
            ended=pid not in left,
        )
        for pid, (module, instance, mark) in sorted(facts.items())
    ]
    return told


def _judge_now(records: Records, record: Record) -> Verdict | None:
    if not record.pid:
        return None
    return judge(
        record,
        platform_linux.stat(record.pid),
        is_of_now=records.is_of_now(record),
        mark=platform_linux.mark_of(record.pid),
        environment=platform_linux.environment(record.pid),
    )


def _leftover(record: Record, verdict: Verdict, *, ended: bool) -> Leftover:
    return Leftover(
        pid=record.pid,
        module=record.module,
        life=record.life,
        instance=record.instance,
        verdict=verdict,
        ended=ended,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What the processes of earlier instances are known by."""

    instance_dir: Path
    instances: frozenset[str]
    salts: frozenset[int]
    modules: Mapping[int, tuple[str, str]]  # mark → module, instance
    lives: Mapping[int, int]  # mark → life

    @classmethod
    def of(cls, records: Collection[Record], instance_dir: Path) -> _Signs:
        marked = [record for record in records if platform_linux.is_mark(record.mark)]
        return cls(
            instance_dir=instance_dir,
            instances=frozenset(record.instance for record in records if record.instance),
            salts=frozenset(platform_linux.salt_of(record.mark) for record in marked),
            modules={record.mark: (record.module, record.instance) for record in marked},
            lives={record.mark: record.life for record in marked},
        )

    def cover(self, pid: int) -> bool:
        mark = platform_linux.mark_of(pid)
        if mark is not None:
            return platform_linux.salt_of(mark) in self.salts
        environment = platform_linux.environment(pid)
        if environment is None or environment.get("KITE_INSTANCE") not in self.instances:
            return False
        folder = environment.get("KITE_INSTANCE_DIR")
        return folder is None or Path(folder).resolve() == self.instance_dir


def _who(pid: int, signs: _Signs) -> tuple[str, str, int | None]:
    """(module, instance, mark) of a process that the signs cover, as far as it tells."""
    mark = platform_linux.mark_of(pid)
    if mark is not None and mark in signs.modules:
        return *signs.modules[mark], mark
    environment = platform_linux.environment(pid) or {}
    return environment.get("KITE_MODULE", ""), environment.get("KITE_INSTANCE", ""), mark


def _looker(signs: _Signs) -> Callable[[], dict[int, Stat]]:
    """A look at the processes of the earlier instances: never this one nor its ancestors."""

    def look() -> dict[int, Stat]:
        if not signs.instances and not signs.salts:
            return {}
        processes = tree.snapshot()
        spared = _ancestors(processes, os.getpid())
        roots = [pid for pid in processes if pid not in spared and signs.cover(pid)]
        family = descendants(processes, roots, but=spared)
        return {pid: processes[pid] for pid in family}

    return look


def _ancestors(processes: Mapping[int, Stat], pid: int) -> set[int]:
    found = {0, 1}
    while pid not in found:
        found.add(pid)
        process = processes.get(pid)
        pid = process.parent if process is not None else 0
    return found


async def _ask(processes: Mapping[int, Stat], deadline: float) -> None:
    """SIGTERM to each, and wait for their ends until the deadline (loop's time)."""
    watched: list[int] = []
    try:
        for process in processes.values():
            descriptor = platform_linux.open_exactly(process.pid, process.start_time)
            if descriptor is not None:
                watched.append(descriptor)
                platform_linux.signal_pidfd(descriptor, signal.SIGTERM)
                platform_linux.signal_pidfd(descriptor, signal.SIGCONT)
        await tree.wait_until_dead(watched, deadline)
    finally:
        for descriptor in watched:
            os.close(descriptor)
