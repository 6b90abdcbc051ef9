"""The hot path in its compiled form, where the package was built with a compiler (see ADR 0011)."""

from __future__ import annotations

import importlib
from typing import Any

import picows

from kite.event_hub.core.lane import PURE, Parts
from kite.event_hub.limits import HotPath


class NotCompiled(Exception):  # noqa: N818  (a fact about this installation)
    """The compiled form cannot be used here; says why."""


def load() -> tuple[Parts, Any]:
    """The compiled form, and its picows listener.

    Raises:
        NotCompiled: it was not built, or for another release of picows.
    """
    try:
        lane = importlib.import_module("kite.event_hub.compiled.lane")
    except ImportError as missing:
        raise NotCompiled(f"not built: {missing}") from None
    here = picows.__version__  # type: ignore[attr-defined]  # no stub has it
    if here != lane.PICOWS:
        raise NotCompiled(f"built for picows {lane.PICOWS}, and {here} is here")
    parts = Parts(name="compiled", recent=lane.Recent, run=lane.Run, lane=lane.Lane)
    return parts, lane.Listener


def choose(form: HotPath) -> tuple[Parts, Any, str]:
    """The form to use, its listener (None: the pure one), and why the compiled one cannot be."""
    if form == "pure":
        return PURE, None, ""
    try:
        return *load(), ""
    except NotCompiled as why:
        return PURE, None, str(why)
