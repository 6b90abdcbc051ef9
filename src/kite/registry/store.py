"""What survives when the Registry alone is restarted: entries, and digests of session tokens.

One file in the module's data directory, replaced atomically and readable by its owner only. It is
bound to an epoch, which ends with a full restart: in another one everything begins anew. Nothing is forced
to the disk: the file is for a process that dies, not for a machine that does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from kite import atomic_file
from kite.registry.core.catalog import Entry
from kite.registry.core.posted import Grant
from kite.registry.core.registration import Registration

FILE_NAME: Final = "registry.json"
_FORMAT: Final = 2
_MAX_PAUSE: Final = 0.5
_log = logging.getLogger("kite.registry")


class KeptEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry as the file holds it."""

    module_id: str
    registration: Registration
    registered_at: float
    ttl: float
    life: int | None = None
    is_own: bool = True
    is_fixed: bool = True

    @classmethod
    def of(cls, entry: Entry) -> KeptEntry:
        return cls(
            module_id=entry.module_id,
            registration=entry.registration,
            registered_at=entry.registered_at,
            ttl=entry.ttl,
            life=entry.life,
            is_own=entry.is_own,
            is_fixed=entry.is_fixed,
        )


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content.

    Args:
        epoch: which lives may take it over.
    """

    epoch: str
    format: int = _FORMAT
    entries: list[KeptEntry] = []
    sessions: list[Grant] = []


class Store:
    """Writes what `content` returns soon after `changed`, many changes at once.

    Args:
        directory: None keeps nothing.
        content: asked when it is time to write.
    """

    def __init__(self, directory: Path | None, content: Callable[[], Kept]) -> None:
        self._path = None if directory is None else directory / FILE_NAME
        self._content = content
        self._pause = 0.0
        self._pending: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False

    def load(self, epoch: str) -> Kept:
        """What the former life left; empty when there is none, or it cannot be used."""
        empty = Kept(epoch=epoch)
        if self._path is None:
            return empty
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return empty
        except (OSError, ValueError, RecursionError) as wrong:
            _log.warning("store.discarded path=%s reason=%r", self._path, str(wrong))
            return empty
        if kept.epoch != epoch or kept.format != _FORMAT:
            _log.info("store.discarded path=%s reason='it belongs to another run'", self._path)
            return empty
        return kept

    def changed(self) -> None:
        """Write soon: in this round of the loop's end, or after a pause when writing is dear."""
        if self._path is not None and self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.create_future()
            self._timer = loop.call_later(self._pause, self._write)

    async def written(self) -> None:
        """Wait until everything that has changed stands in the file (or could not be written)."""
        if self._pending is not None:
            await asyncio.shield(self._pending)

    def close(self) -> None:
        """Write at once what is not written yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._write()

    def _write(self) -> None:
        pending, self._pending, self._timer = self._pending, None, None
        began = asyncio.get_running_loop().time()
        try:
            assert self._path is not None
            content = msgspec.json.encode(self._content())
            atomic_file.replace(self._path, content, mode=0o600)
        except OSError as failed:
            if not self._has_failed:
                _log.warning("store.failed path=%s reason=%r", self._path, str(failed))
            self._has_failed = True
        else:
            if self._has_failed:
                _log.info("store.recovered path=%s", self._path)
            self._has_failed = False
        # A large file is written less often, so that writing takes a tenth of the time at most.
        self._pause = min(10 * (asyncio.get_running_loop().time() - began), _MAX_PAUSE)
        if self._pause < 0.01:
            self._pause = 0.0
        if pending is not None and not pending.done():
            pending.set_result(None)


def content_of(epoch: str, entries: list[Entry], sessions: list[Grant]) -> Kept:
    """What there is to keep."""
    return Kept(epoch=epoch, entries=[KeptEntry.of(each) for each in entries], sessions=sessions)


def entry_of(kept: KeptEntry) -> dict[str, Any]:
    """The arguments of `Catalog.register` that the kept entry stands for."""
    return {
        "module_id": kept.module_id,
        "life": kept.life,
        "registration": kept.registration,
        "ttl": kept.ttl,
        "wall": kept.registered_at,
        "is_own": kept.is_own,
        "is_fixed": kept.is_fixed,
    }
