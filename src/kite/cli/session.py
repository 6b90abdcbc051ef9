"""What one command line works on: a project, its instance directory, the Launcher that runs there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kite.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from kite.cli.control import Control


@dataclass(slots=True)
class Session:
    """The global options, and what they lead to.

    Args:
        project: `-C`.
        wants_json: `--json`.
        environ: the environment as the shell gave it, for processes that are started.
    """

    project: str | None = None
    wants_json: bool = False
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def project_dir(self) -> Path:
        """The project directory (CONTRACT, section 7)."""
        from kite.model.workspace import project_dir

        return project_dir(self.project)

    def instance_dir(self) -> Path | None:
        """The project's instance directory, or None when Kite never ran here."""
        from kite.model.workspace import find_instance_dir

        return find_instance_dir(self.project_dir())

    def known_instance_dir(self) -> Path:
        """The instance directory.

        Raises:
            Unavailable: `never_ran` when there is none.
        """
        found = self.instance_dir()
        if found is None:
            raise Unavailable("never_ran", project=str(self.project_dir()))
        return found

    def control(self) -> Control:
        """The running Launcher's API.

        Raises:
            Unavailable: it is not running, with the reason.
        """
        from kite.cli.control import Control
        from kite.model.workspace import owner

        instance = self.instance_dir()
        project = self.project_dir()
        try:
            if instance is None:
                raise Unavailable("not_running", project=str(project))
            # KITE_INSTANCE_DIR may lead to the Kite of another project: messages name that one.
            return Control.find(instance, project=str(owner(instance) or project))
        except Unavailable as away:
            above = self._running_above(project) if away.code == "not_running" else None
            if above is None:
                raise
            raise Unavailable("running_above", project=str(project), above=str(above)) from None

    def _running_above(self, project: Path) -> Path | None:
        """The nearest folder above the project in which Kite runs."""
        from kite.cli.control import ApiFile, is_alive
        from kite.model.workspace import find_instance_dir

        for folder in project.parents:
            try:
                instance = find_instance_dir(folder)
                api = ApiFile.read(instance / "launcher" / "api.json") if instance else None
            except ConfigError:  # not ours to judge
                continue
            if api is not None and is_alive(api.pid):
                return folder
        return None
