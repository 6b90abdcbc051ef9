"""The document of `GET /launcher/modules/{name}/explain`: what the cores know, with wall-clock instants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kite.launcher.core.backbone import DEATHS, DEATHS_WITHIN
from kite.launcher.core.explanation import Explanation, Missing
from kite.launcher.core.pair import Core
from kite.launcher.core.plan import RestartRule
from kite.launcher.core.restart import GiveUp, RestartIn, Verdict, exponent
from kite.launcher.view import View
from kite.model.origin import ConfigOrigin


def explained(
    view: View,
    record: dict[str, Any],
    origin: ConfigOrigin | None,
    found: Explanation,
    places: Sequence[Explanation] = (),
) -> dict[str, Any]:
    """One module that is not core.

    Args:
        places: what is known of each of its replicas, in the order of the record's.
    """
    return {
        **_common(view, record, origin),
        "wanted": found.wanted,
        "wanted_by": list(found.wanted_by),
        "waiting": _waiting(view, record, found) if record["actual_state"] == "waiting" else None,
        "restart": _restart(view, found),
        "replicas": [
            {"replica": each["replica"], "life": each["life"], "restart": _restart(view, place)}
            for each, place in zip(record["replicas"], places, strict=False)
        ],
    }


def explained_core(
    view: View, record: dict[str, Any], origin: ConfigOrigin | None, core: Core | None
) -> dict[str, Any]:
    """A core module; `core` is None for the Launcher itself."""
    deaths = [view.instant(at) for at in core.deaths] if core is not None else []
    return {
        **_common(view, record, origin),
        "wanted": True,
        "core": core_document(str(record["name"]), deaths),
    }


def core_document(name: str, deaths: list[str]) -> dict[str, Any]:
    """How a core module is mended: the death within a window (seconds) that restarts everything.

    Nothing mends the Launcher.
    """
    is_mended = name != "launcher"
    return {
        "deaths": deaths,
        "max": DEATHS if is_mended else None,
        "window": DEATHS_WITHIN if is_mended else None,
    }


def _common(view: View, record: dict[str, Any], origin: ConfigOrigin | None) -> dict[str, Any]:
    return {
        "at": view.now(),
        "module": record,
        "config": msgspec.to_builtins(origin) if origin is not None else None,
        "desired": {
            "state": record["desired_state"],
            "by_request": view.is_stopped_by_request(record["name"]),
        },
        "wanted": False,
        "wanted_by": [],
        "waiting": None,
        "restart": None,
        "replicas": [],
        "core": None,
    }


def _waiting(view: View, record: dict[str, Any], found: Explanation) -> dict[str, Any]:
    return {
        "since": record["state_since"],
        "doors_open": found.doors_open,
        "lacks_place": found.lacks_place,
        "on": [_missing(view, each) for each in found.missing],
    }


def _missing(view: View, missing: Missing) -> dict[str, Any]:
    record = view.record(missing.name, "running") or {}
    return {
        "name": missing.name,
        "condition": missing.condition.value,
        "actual_state": missing.actual_state,
        "since": view.instant(missing.since) if missing.since is not None else None,
        "next_try": record.get("next_try"),
        "error": record.get("error"),
        "on": [_missing(view, each) for each in missing.missing],
    }


def _restart(view: View, found: Explanation) -> dict[str, Any]:
    at = found.forgiven_at
    return {
        **rule_document(found.rule),
        "failures": [view.instant(each) for each in found.failures],
        "give_ups": found.give_ups,
        "crash_loop": found.crash_loop,
        "last": _verdict(found.verdict, found.counted),
        "next": _verdict(found.next_verdict, len(found.failures) + 1),
        "forgiven_at": view.instant(at) if at is not None else None,
    }


def rule_document(rule: RestartRule) -> dict[str, Any]:
    """The restart rule in numbers; seconds."""
    return {
        "policy": rule.policy.value,
        "max": rule.max,
        "window": rule.window,
        "initial": rule.initial,
        "factor": rule.factor,
        "cap": rule.cap,
        "retry": rule.retry,
    }


def _verdict(verdict: Verdict | None, count: int) -> dict[str, Any] | None:
    """What followed the `count`-th failure of a window, or would."""
    match verdict:
        case RestartIn(delay, up_to):
            grown = exponent(count) if up_to else None
            return {"action": "restart", "delay": delay, "up_to": up_to, "exponent": grown}
        case GiveUp(retry_in, up_to):
            return {"action": "give_up", "delay": retry_in, "up_to": up_to, "exponent": None}
        case None:
            return None
