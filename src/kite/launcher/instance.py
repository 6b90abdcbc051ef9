"""One running Kite: its id, its directories, and the file that tells clients where it is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kite import atomic_file
from kite.clock import rfc3339
from kite.launcher.modes import Closed, close_to_others
from kite.model.workspace import unusable

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What stays the same from `kite up` to the end.

    Args:
        id: unique to this run.
        project_dir: the folder whose modules run.
        workspace: where all instance directories are.
        instance_dir: this project's.
        registry_port: where the Registry listens in all its lives.
        started_at: seconds since 1970-01-01 UTC.
    """

    id: str
    project_dir: Path
    workspace: Path
    instance_dir: Path
    registry_port: int
    started_at: float

    @property
    def launcher_dir(self) -> Path:
        """The Launcher's own directory."""
        return self.instance_dir / "launcher"

    @property
    def registry_url(self) -> str:
        """Where the Registry answers."""
        return f"http://127.0.0.1:{self.registry_port}"

    def data_dir(self, module: str) -> Path:
        """A module's own directory; made when it is not there.

        Raises:
            ConfigError: `data_dir_unusable`, `disk_full`.
        """
        return _made(self.instance_dir / module)

    def variables(self, module: str, folder: Path) -> dict[str, str]:
        """The `KITE_` names that a module's process finds (CONTRACT, section 3), but `KITE_PORT`.

        Raises:
            ConfigError: as `data_dir`.
        """
        return {
            "KITE_PROJECT": str(PACKAGE),
            "KITE_CWD": str(self.project_dir),
            "KITE_WORKSPACE": str(self.workspace),
            "KITE_INSTANCE": self.id,
            "KITE_INSTANCE_DIR": str(self.instance_dir),
            "KITE_MODULE": module,
            "KITE_MODULE_DIR": str(folder),
            "KITE_MODULE_DATA": str(self.data_dir(module)),
            "KITE_REGISTRY_PORT": str(self.registry_port),
        }

    @property
    def started(self) -> str:
        """When it began, RFC 3339."""
        return rfc3339(self.started_at)


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What children get of the Launcher's own environment: all but `KITE_*` and `LISTEN_*`."""
    return {n: value for n, value in environ.items() if not n.startswith(("KITE_", "LISTEN_"))}


def prepare_directories(instance_dir: Path) -> list[Closed]:
    """Make what must be there, for the owner alone, and close what is open to others.

    Returns:
        What had been open.

    Raises:
        ConfigError: as `make_directories` and `close_to_others`.
    """
    make_directories(instance_dir)
    closed = close_to_others(instance_dir)
    for name in ("registry", "event_hub"):  # without which nothing starts
        _made(instance_dir / name)
    return closed


def make_directories(instance_dir: Path) -> None:
    """Make what must be there before there is a Launcher.

    Raises:
        ConfigError: `instance_dir_unusable`, `data_dir_unusable`, `disk_full`.
    """
    for path in (instance_dir, instance_dir / "launcher", instance_dir / "logs"):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as failure:
            raise unusable(path, failure) from failure


def _made(data_dir: Path) -> Path:
    try:
        data_dir.mkdir(mode=0o700, exist_ok=True)
    except OSError as failure:
        raise unusable(data_dir, failure, code="data_dir_unusable") from failure
    return data_dir


class ApiFile:
    """`launcher/api.json`: written whole before the API answers, removed at the end."""

    def __init__(self, instance: Instance) -> None:
        self._path = instance.launcher_dir / "api.json"

    def write(self, content: Mapping[str, object]) -> None:
        """Replace the file atomically; mode 0600 from its first moment."""
        data = json.dumps(dict(content), indent=2) + "\n"
        atomic_file.replace(self._path, data.encode(), mode=0o600)

    def remove(self) -> None:
        """The API answers no more."""
        with contextlib.suppress(OSError):
            self._path.unlink()
