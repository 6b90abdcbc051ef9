"""A project's word about a module: a mapping of `kite.yaml` laid over the module's manifest.

Mappings are merged key by key, everything else is replaced, and null takes a key away. Where a key
excludes others (`command` and `runtime`, the kinds of a probe, `cron` and `interval`), the override's
choice displaces the manifest's.
"""

from __future__ import annotations

from kite.model.mistakes import Mistakes
from kite.model.node import Node, merge

_RIVALS = {
    "": (("command",), ("runtime", "entry")),
    "ready": (("http",), ("tcp",), ("log",), ("exec",)),
    "health": (("http",), ("tcp",), ("exec",)),
    "schedule": (("cron",), ("interval",)),
}


def lay_over(manifest: Node, override: Node, mistakes: Mistakes) -> Node:
    """The manifest's mapping with the override's laid over it; the places stay."""
    if "name" in override.value:
        mistakes.add("name_overridden", override.keys["name"].location)
        override = _without(override, {"name"})
    lower = manifest
    for section, rivals in _RIVALS.items():
        lower = _make_way(lower, override, section, rivals)
    merged = merge(lower, override)
    # What a whole manifest lacks is the module's own mistake, not the override's.
    merged.file, merged.line, merged.column = manifest.file, manifest.line, manifest.column
    return merged


def _make_way(lower: Node, upper: Node, section: str, rivals: tuple[tuple[str, ...], ...]) -> Node:
    below = lower.value.get(section) if section else lower
    above = upper.value.get(section) if section else upper
    if below is None or above is None:
        return lower
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return lower
    chosen = [group for group in rivals if any(key in above.value for key in group)]
    if not chosen:
        return lower
    displaced = {key for group in rivals if group not in chosen for key in group}
    cleared = _without(below, displaced)
    if not section:
        return cleared
    result = _without(lower, set())
    result.value[section] = cleared
    return result


def _without(node: Node, keys: set[str]) -> Node:
    return Node(
        value={key: value for key, value in node.value.items() if key not in keys},
        keys={key: value for key, value in node.keys.items() if key not in keys},
        file=node.file,
        line=node.line,
        column=node.column,
    )
