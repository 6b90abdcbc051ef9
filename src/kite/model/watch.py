"""Which changed files restart a module while its author works on it."""

from __future__ import annotations

import msgspec

from kite.model import kinds, phrases
from kite.model.fields import Fields


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Glob patterns below the module's folder.

    Args:
        paths: what is watched; everything unless said otherwise.
        ignore: what is not, in addition to hidden files, `__pycache__` and `node_modules`.
        delay: seconds of quiet before the restart.
        dependents: whether those that depend on it are restarted after it.
    """

    paths: tuple[str, ...] = ("**",)
    ignore: tuple[str, ...] = ()
    delay: float = 0.3
    dependents: bool = False


def read_watch(fields: Fields) -> Watch | None:
    """The `watch:` key: true, a list of patterns, or a mapping."""
    node = fields.node.value.get("watch")
    if node is None or isinstance(node.value, bool):
        return Watch() if fields.read("watch", kinds.boolean, False) else None
    if isinstance(node.value, list):
        return Watch(paths=tuple(fields.list("watch", kinds.filled, phrases.WATCH) or ()))
    inner = fields.section("watch", phrases.WATCH)
    if inner is None:
        return None
    paths = inner.list("paths", kinds.filled, phrases.LIST_OF_TEXTS)
    watch = Watch(
        paths=("**",) if paths is None else tuple(paths),
        ignore=tuple(inner.list("ignore", kinds.filled, phrases.LIST_OF_TEXTS) or ()),
        delay=inner.read("delay", kinds.seconds, 0.3),
        dependents=inner.read("dependents", kinds.boolean, False),
    )
    inner.finish()
    return watch
