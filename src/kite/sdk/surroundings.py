"""Where a module finds itself: what the Launcher has told its process."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

from kite.sdk import log as module_log
from kite.settings import ModuleSettings


class Surroundings:
    """The name, the directories, the port and the log of a `Module`."""

    def __init__(self) -> None:
        self._settings: ModuleSettings | None = None

    @property
    def settings(self) -> ModuleSettings:
        """What the Launcher has told this process.

        Raises:
            ConfigError: `not_under_kite`.
        """
        if self._settings is None:
            self._settings = ModuleSettings.read()
        return self._settings

    @property
    def name(self) -> str:
        """The module's name."""
        return self.settings.module

    @property
    def dir(self) -> Path:
        """The module's own folder, where its `module.md` is."""
        return self.settings.module_dir

    @property
    def data_dir(self) -> Path:
        """The directory for what this module keeps; it exists and is the module's own."""
        return self.settings.data_dir

    @property
    def project_dir(self) -> Path:
        """The project directory."""
        return self.settings.project_dir

    @property
    def port(self) -> int | None:
        """The port to listen on (127.0.0.1), where the manifest has a `preferred_port`."""
        return self.settings.port

    @cached_property
    def log(self) -> logging.Logger:
        """The module's log: goes to standard error, from level `LOG_LEVEL` (default `info`)."""
        return module_log.configure(self.name)
