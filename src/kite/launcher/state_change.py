"""Changing a config state by name: what the API's `PUT …/state` and the command line have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kite.errors import RequestError
from kite.model.edit import STATE, set_in_file, set_state
from kite.model.kinds import is_name
from kite.model.manifest import CORE_NAMES, ConfigState
from kite.model.scan import Broken, Scan
from kite.model.workspace import PROJECT_FILE


def change_state(scan: Scan, name: str, word: str, *, project_dir: Path) -> dict[str, Any]:
    """Write a module's config state where it takes effect.

    Args:
        scan: the modules there are.
        word: the new config state, as it came.
        project_dir: resolved.

    Returns:
        `name`, the `old` and the `new` state, and the `file` (None for a core module, whose state
        stands nowhere).

    Raises:
        RequestError: `bad_config_state`, `core_module`, `unknown_module`, `broken_manifest`.
        ConfigError: see `kite.model.edit.set_state`.
    """
    if word not in set(ConfigState):
        raise RequestError("bad_config_state", state=word)
    state = ConfigState(word)
    if name in CORE_NAMES:
        if state is not ConfigState.ENABLED:
            raise RequestError("core_module", module=name, what=word)
        return {"name": name, "old": "enabled", "new": "enabled", "file": None}
    broken = scan.broken.get(name)
    if broken is not None:
        return _override(broken, state, project_dir)
    found = scan.modules.get(name)
    if found is None:
        raise RequestError("unknown_module", module=name)
    edit = set_state(found, state, project_dir=project_dir)
    return {"name": name, "old": edit.old.value, "new": edit.new.value, "file": str(edit.file)}


def _override(broken: Broken, state: ConfigState, project_dir: Path) -> dict[str, Any]:
    """Silence a module that cannot be read, in `kite.yaml`; or take back what stands there."""
    name = broken.name
    is_silencing = state is ConfigState.DISABLED and is_name(name)
    if broken.state is None and not is_silencing:
        raise RequestError("broken_manifest", module=name, detail=str(broken.errors[0]))
    file = project_dir / PROJECT_FILE
    set_in_file(file, ("modules", name, STATE), state)
    old = broken.state or ConfigState.ENABLED
    return {"name": name, "old": old.value, "new": state.value, "file": str(file)}
