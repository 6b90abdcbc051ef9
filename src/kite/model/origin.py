"""Where a module's config state comes from: the word itself, and the place where it stands."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from kite.model.manifest import CORE_NAMES, ConfigState
from kite.model.scan import Scan
from kite.model.workspace import PROJECT_FILE


class Origin(StrEnum):
    """Who says it."""

    CORE = "core"  # it comes with Kite and cannot be disabled
    DEFAULT = "default"  # nobody: `enabled` is what a manifest means that says nothing
    MANIFEST = "manifest"
    OVERRIDE = "override"  # `modules:` of kite.yaml
    UNREADABLE = "unreadable"  # the manifest cannot be read, so that nobody knows


class ConfigOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A config state with its place.

    Args:
        file: where it stands, or would stand; None for a core module.
        line: from 1; None where nothing is said.
    """

    state: ConfigState
    origin: Origin
    file: str | None = None
    line: int | None = None


def config_origin(scan: Scan, name: str) -> ConfigOrigin | None:
    """The config state of a module as the scan found it; None for a name that it did not find."""
    if name in CORE_NAMES:
        return ConfigOrigin(state=ConfigState.ENABLED, origin=Origin.CORE)
    if (broken := scan.broken.get(name)) is not None:
        state = broken.state or ConfigState.ENABLED
        origin = Origin.UNREADABLE if broken.state is None else Origin.OVERRIDE
        return ConfigOrigin(state=state, origin=origin, file=str(broken.file))
    found = scan.modules.get(name)
    if found is None:
        return None
    state, place = found.manifest.state, found.places.get("state")
    if place is None:
        return ConfigOrigin(state=state, origin=Origin.DEFAULT, file=str(found.file))
    is_override = place.file != str(found.file) and place.file.endswith(PROJECT_FILE)
    origin = Origin.OVERRIDE if is_override else Origin.MANIFEST
    return ConfigOrigin(state=state, origin=origin, file=place.file, line=place.line or None)
