"""What a person can do about a module's state: commands, each with what it does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kite.locale import _

Told = Mapping[str, Any]


def advice(told: Told) -> list[tuple[str, str]]:
    """Command and effect, the most useful first."""
    return list(dict.fromkeys(_advice(told)))


def _advice(told: Told) -> Iterator[tuple[str, str]]:
    name, record = told["name"], told["module"]
    if record["error"] and record["actual_state"] in ("failed", "stopped") and not record["life"]:
        yield "kite check", _("show what is wrong in files, with its place")
        yield "kite rescan", _("look again after it was mended")
    if not told["running"]:
        yield "kite up -d", _("start Kite")
    for deepest in _deepest(told["waiting"]["on"]) if told["waiting"] is not None else ():
        yield f"kite explain {deepest}", _("see why that is not there")
    if told["lives"]:
        yield f"kite logs {name}", _("show what it printed")
    if told["running"]:
        yield from _verbs(told)


def _verbs(told: Told) -> Iterator[tuple[str, str]]:
    """What a running Kite can be asked for."""
    name, state = told["name"], told["module"]["actual_state"]
    if told["core"] is not None:
        if name != "launcher":
            yield f"kite restart {name}", _("restart it alone")
        return
    if (told["config"] or {}).get("state") == "disabled":
        yield f"kite enable {name}", _("let it run again, from now on")
        return
    if state in ("stopped", "failed", "backing_off"):
        yield f"kite start {name}", _("start it now and forget its failures")
    if state not in ("stopped", "stopping"):
        yield f"kite stop {name}", _("stop it, until it is started by name")
    if state == "running":
        yield f"kite restart {name}", _("end it and start it again")
    if state in ("failed", "backing_off"):
        yield f"kite disable {name}", _("keep it from starting, from now on")


def _deepest(missing: list[Told]) -> Iterator[str]:
    """Where the waiting ends: who does not wait for anybody else."""
    for each in missing:
        if each["on"]:
            yield from _deepest(each["on"])
        elif each["actual_state"] is not None:
            yield each["name"]
