"""Which processes this instance has started, on disk, so that the next Launcher can end what a
killed one left. One small file a process, replaced atomically; a power cut does not matter, as no
process outlives it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from kite import atomic_file
from kite.launcher import platform_linux
from kite.launcher.kin import Kin


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process that was started, or with `pid` 0 just an instance that was begun.

    Args:
        pid, start_time: who it was (`start_time` in ticks since the boot).
        group: its process group.
        boot_id, pid_namespace: where the two numbers mean something.
        folder: where the record was written; in a copied directory it proves nothing, as the
            processes may belong to a running Kite.
        mark: what its tree carries (`platform_linux`).
    """

    instance: str
    boot_id: str
    pid_namespace: int
    folder: str
    pid: int = 0
    start_time: int = 0
    group: int = 0
    mark: int = 0
    module: str = ""
    life: int = 0


_decoder = msgspec.json.Decoder(Record)


class Records:
    """The records of an instance directory.

    Args:
        folder: `<instance dir>/launcher/processes`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.instance_dir = self._folder.parents[1]
        self._boot_id = platform_linux.boot_id()
        self._pid_namespace = platform_linux.pid_namespace()

    def open_instance(self, instance: str) -> bool:
        """Note the instance before its first process: its id alone finds what has no record.

        Returns:
            False when the disk did not take it.
        """
        record = Record(
            instance=instance,
            boot_id=self._boot_id,
            pid_namespace=self._pid_namespace,
            folder=str(self._folder),
        )
        return self._write(f"instance-{instance}.json", record)

    def add(self, kin: Kin, *, life: int) -> bool:
        """Note a process, right after its spawn.

        Returns:
            False when the disk did not take it: the process runs all the same, and the instance's
            id still finds it.
        """
        record = Record(
            instance=kin.instance,
            boot_id=self._boot_id,
            pid_namespace=self._pid_namespace,
            folder=str(self._folder),
            pid=kin.pid,
            start_time=kin.start_time,
            group=kin.pid,
            mark=kin.mark,
            module=kin.module,
            life=life,
        )
        return self._write(_name(kin.pid, kin.start_time), record)

    def remove(self, kin: Kin) -> None:
        """Forget a process whose whole tree is gone."""
        with contextlib.suppress(OSError):
            (self._folder / _name(kin.pid, kin.start_time)).unlink()

    def read(self) -> list[tuple[Path, Record | None]]:
        """Every file there is and its record; None where it cannot be read as one."""
        found: list[tuple[Path, Record | None]] = []
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.glob("*.json")):
                try:
                    found.append((path, _decoder.decode(path.read_bytes())))
                except (OSError, msgspec.DecodeError):
                    found.append((path, None))
        return found

    def is_of_now(self, record: Record) -> bool:
        """Whether the record means something here: this folder, this boot, this pid namespace."""
        here = str(self._folder), self._boot_id, self._pid_namespace
        return (record.folder, record.boot_id, record.pid_namespace) == here

    def drop(self, path: Path) -> None:
        """Forget a record by its file."""
        with contextlib.suppress(OSError):
            path.unlink()

    def clear(self) -> None:
        """Forget all, at the end of a run that left nothing."""
        for path, _ in self.read():
            self.drop(path)

    def _write(self, name: str, record: Record) -> bool:
        path, content = self._folder / name, msgspec.json.encode(record)
        try:
            try:
                atomic_file.put(path, content, mode=0o600)
            except FileNotFoundError:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                atomic_file.put(path, content, mode=0o600)
        except OSError:
            return False
        return True


def _name(pid: int, start_time: int) -> str:
    return f"{pid}-{start_time}.json"
