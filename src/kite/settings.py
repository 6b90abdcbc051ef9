"""The environment, read once into values. Nobody else reads `os.environ` for a `KITE_` name
(but `kite.locale` for the language)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kite.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSettings:
    """What the Launcher tells a module's process through its environment (CONTRACT, section 3).

    Raises (from `read`):
        ConfigError: `not_under_kite` when the process was not started by a Launcher.
    """

    module: str
    module_dir: Path
    data_dir: Path
    registry_port: int
    instance: str
    instance_dir: Path
    project_dir: Path
    workspace: Path
    port: int | None

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> ModuleSettings:
        """Read `environ` (default: the process's own)."""
        env = os.environ if environ is None else environ
        try:
            port = env.get("KITE_PORT")
            return cls(
                module=env["KITE_MODULE"],
                module_dir=Path(env["KITE_MODULE_DIR"]),
                data_dir=Path(env["KITE_MODULE_DATA"]),
                registry_port=int(env["KITE_REGISTRY_PORT"]),
                instance=env["KITE_INSTANCE"],
                instance_dir=Path(env["KITE_INSTANCE_DIR"]),
                project_dir=Path(env["KITE_CWD"]),
                workspace=Path(env["KITE_WORKSPACE"]),
                port=int(port) if port else None,
            )
        except KeyError as missing:
            raise ConfigError("not_under_kite", name=missing.args[0]) from None
        except ValueError as wrong:
            raise ConfigError("bad_environment", detail=str(wrong)) from None


def data_dir(environ: Mapping[str, str] | None = None) -> Path | None:
    """Where this process keeps its data (`KITE_MODULE_DATA`), or None when nobody said: for core
    modules, which also run by hand."""
    found = (os.environ if environ is None else environ).get("KITE_MODULE_DATA")
    return Path(found) if found else None
