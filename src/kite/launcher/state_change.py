"""Changing a config state by name: what the API's `PUT …/state` and the command line have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kite.errors import RequestError
from kite.model.edit import set_state
from kite.model.manifest import CORE_NAMES, ConfigState
from kite.model.scan import Scan


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
        raise RequestError("broken_manifest", module=name, detail=str(broken.errors[0]))
    found = scan.modules.get(name)
    if found is None:
        raise RequestError("unknown_module", module=name)
    edit = set_state(found, state, project_dir=project_dir)
    return {"name": name, "old": edit.old.value, "new": edit.new.value, "file": str(edit.file)}
