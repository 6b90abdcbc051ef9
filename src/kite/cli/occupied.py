"""Whether a Kite is in an instance directory already, so that a second one need not try."""

from __future__ import annotations

from pathlib import Path

from kite.cli.control import ApiFile, Control
from kite.errors import KiteError, RequestError
from kite.model.instance_lock import holder

PHASE_SECONDS = 2.0
"""A Launcher tells its phase at once; where it does not, that it is there is enough."""


def refuse_second(instance: Path) -> None:
    """Raise when there is a Kite in the instance directory.

    Raises:
        RequestError: `already_running` or `already_stopping`, with its `pid` and `url` (status 5; the
            `url` is None while its API is not there).
    """
    pid = holder(instance)
    if pid:  # 0: it has come this instant, and whoever starts will meet it
        api = _api(instance)
        code = "already_stopping" if api and _is_stopping(instance, api) else "already_running"
        raise RequestError(code, pid=pid, url=api.url if api else None)


def _api(instance: Path) -> ApiFile | None:
    """Where it answers; None: not yet, or no more."""
    try:
        return ApiFile.read(instance / "launcher" / "api.json")
    except KiteError:
        return None


def _is_stopping(instance: Path, api: ApiFile) -> bool:
    try:
        control = Control(api=api, instance_dir=instance, project="")
        return bool(
            control.get("/launcher", timeout=PHASE_SECONDS).json().get("phase") == "stopping"
        )
    except KiteError:
        return False
