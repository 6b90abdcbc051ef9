"""What a module's process may use at most."""

from __future__ import annotations

import msgspec

from kite.model import kinds, phrases
from kite.model.fields import Fields


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """None is no limit.

    Args:
        memory: bytes.
        cpu: processor cores (0.5 is half of one).
        files: open file descriptors.
        processes: processes and threads together.
    """

    memory: int | None = None
    cpu: float | None = None
    files: int | None = None
    processes: int | None = None


def read_limits(fields: Fields | None) -> Limits:
    """The `limits:` section."""
    if fields is None:
        return Limits()
    limits = Limits(
        memory=fields.read("memory", kinds.size, None),
        cpu=fields.read("cpu", kinds.number(0, 1024, phrases.CPU), None),
        files=fields.read("files", kinds.count, None),
        processes=fields.read("processes", kinds.count, None),
    )
    fields.finish()
    return limits
