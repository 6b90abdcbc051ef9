"""The desired state of each module, kept over crashes, reboots, full disks and garbage.

`desired.json` is replaced atomically and durably; what it replaces stays as `desired.json.last`, and
is read where the file itself is not whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from kite import atomic_file
from kite.errors import InternalError, KiteError

_VERSION = 1


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wanted of one module.

    Args:
        state: `running` or `stopped`.
        by_request: a request (not the manifest) set `stopped`: only a request that names the
            module starts it again.
        config_state: the config state that was last acted on, so that a change made while Kite
            was down is seen at the next start.
    """

    state: Literal["running", "stopped"]
    by_request: bool = False
    config_state: str | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    modules: dict[str, Wish]


_decoder = msgspec.json.Decoder(_File)


class DesiredStates:
    """All modules' wishes; in memory they count at once, on disk as soon as it takes them.

    Args:
        path: `<instance dir>/launcher/desired.json`.
        on_problem: called once per outage of the disk.

    Attributes:
        problem: None, or what was wrong with the file when it was read (in English, for the log).
        unkept: None, or why the disk does not have what counts.
    """

    def __init__(self, path: Path, *, on_problem: Callable[[OSError], None] | None = None) -> None:
        self._path = path
        self._last = path.with_name(f"{path.name}.last")
        self._on_problem = on_problem
        self.unkept: KiteError | None = None
        self._is_noted = False
        self.problem: str | None = None
        self._wishes = self._load()

    def get(self, name: str) -> Wish | None:
        """The wish, or None for a module never seen."""
        return self._wishes.get(name)

    def all(self) -> dict[str, Wish]:
        """Every wish, by module."""
        return dict(self._wishes)

    def set(self, name: str, wish: Wish) -> bool:
        """Keep a wish; see `update`."""
        return self.update({name: wish})

    def note(self, name: str, wish: Wish) -> None:
        """Let a wish count; the disk gets it with the next write, such as `retry`."""
        if self._wishes.get(name) != wish:
            self._wishes[name] = wish
            self._is_noted = True

    def forget(self, name: str) -> bool:
        """Forget a module; see `update`."""
        return self.update({name: None})

    def update(self, changes: Mapping[str, Wish | None]) -> bool:
        """Keep several wishes (None: forget) with one write; True when the disk has them.

        When it has not (it is full), they count all the same and go with the next write.
        """
        changed = {name: wish for name, wish in changes.items() if self._wishes.get(name) != wish}
        if not changed and self.unkept is None and not self._is_noted:
            return True
        for name, wish in changed.items():
            if wish is None:
                self._wishes.pop(name, None)
            else:
                self._wishes[name] = wish
        return self._save()

    def retry(self) -> bool:
        """Write what was noted or the disk did not take, if there is any; True when nothing is left."""
        return self.update({})

    def _save(self) -> bool:
        content = _File(version=_VERSION, modules=dict(sorted(self._wishes.items())))
        data = msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keep_last()
            atomic_file.replace(self._path, data, mode=0o600, is_durable=True)
        except OSError as error:
            if self.unkept is None and self._on_problem is not None:
                self._on_problem(error)
            detail = error.strerror or str(error)
            self.unkept = InternalError("desired_not_kept", path=self._path, detail=detail)
            return False
        self.unkept = None
        self._is_noted = False
        return True

    def _keep_last(self) -> None:
        """The present file, if it is whole, gets a second name before it is replaced."""
        try:
            _decoder.decode(self._path.read_bytes())
        except (OSError, msgspec.DecodeError):
            return
        link = self._path.with_name(f".{self._last.name}.new")
        with contextlib.suppress(OSError):
            link.unlink(missing_ok=True)
            link.hardlink_to(self._path)
            link.replace(self._last)

    def _load(self) -> dict[str, Wish]:
        wrong: list[str] = []
        for path in (self._path, self._last):
            try:
                wishes = _decoder.decode(path.read_bytes()).modules
            except FileNotFoundError:
                continue
            except (OSError, msgspec.DecodeError) as error:
                wrong.append(f"{path.name}: {error}")
                continue
            if wrong:
                self.problem = f"{wrong[0]}; {path.name} was read instead"
            return wishes
        if wrong:
            self.problem = f"{'; '.join(wrong)}; it begins with no wishes"
        return {}
