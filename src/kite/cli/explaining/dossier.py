"""Everything that is known of one module: from the running Launcher, its files, and the manifests."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kite.cli.control import module_path
from kite.cli.lifecycle_log import Step, lives, steps
from kite.cli.session import Session
from kite.clock import rfc3339
from kite.errors import RequestError, Unavailable

MAX_LIVES = 5
MAX_REQUESTS = 3


def dossier(session: Session, name: str) -> dict[str, Any]:
    """The document of `kite explain --json`, without its sentences.

    Raises:
        KiteError: `unknown_module`, and whatever keeps one from asking or looking.
    """
    try:
        control = session.control()
    except Unavailable as away:
        if away.code not in ("not_running", "gone"):
            raise
        instance = session.instance_dir()
        history = steps(instance) if instance is not None else []
        told = _from_files(session, name, instance, history)
    else:
        told = {"running": True, **control.get(module_path(name, "/explain")).json()}
        history = steps(control.instance_dir)
    mine = [step for step in history if step.get("module") == name]
    return {"name": name, **told, **_written(mine)}


def _written(mine: list[Step]) -> dict[str, Any]:
    """What lifecycle.jsonl has of the module, the newest first."""
    lived = [{**asdict(each), "seconds": each.seconds} for each in lives(mine)[-MAX_LIVES:]]
    asked = [
        {
            "at": step["ts"],
            "verb": step.get("verb"),
            "by": step.get("by"),
            "reason": step.get("reason"),
        }
        for step in mine
        if step["event"] == "requested"
    ]
    return {"lives": lived[::-1], "requests": asked[-MAX_REQUESTS:][::-1]}


def _from_files(
    session: Session, name: str, instance: Path | None, history: list[Step]
) -> dict[str, Any]:
    """What can be known while Kite is down: every module is stopped, and why it would not start."""
    import msgspec

    from kite.launcher.catalog import Catalog
    from kite.launcher.core.plan import ConfigState, Desired, settle_desired
    from kite.launcher.desired import DesiredStates
    from kite.launcher.explained import core_document, rule_document
    from kite.model.manifest import CORE_NAMES
    from kite.model.origin import config_origin

    catalog = Catalog(session.project_dir())
    catalog.look()
    wishes = DesiredStates(instance / "launcher" / "desired.json") if instance else None

    def kept(one: str) -> Desired | None:
        wish = wishes.get(one) if wishes is not None else None
        if wish is None:
            return None
        state = ConfigState(wish.config_state or ConfigState.ENABLED)
        return Desired(
            running=wish.state == "running", by_request=wish.by_request, config_state=state
        )

    is_core = name in CORE_NAMES
    plan = next((each for each in catalog.plans(kept) if each.name == name), None)
    if plan is None and not is_core:
        raise RequestError("unknown_module", module=name)
    desired = Desired(running=True)
    if plan is not None:
        desired = settle_desired(plan.desired, plan.config_state)
    origin = config_origin(catalog.scan, name)
    ended = [step for step in history if step.get("module") == name]
    last = [each for each in lives(ended) if each.ended_at is not None]
    manifest, folder = catalog.manifest(name), catalog.folder(name)
    problem = plan.problem if plan is not None else None
    record = {
        "name": name,
        "display_name": manifest.display_name if manifest else name,
        "type": manifest.type if manifest else None,
        "config_state": origin.state.value if origin is not None else "enabled",
        "desired_state": "running" if desired.running else "stopped",
        "actual_state": "stopped",
        "pid": None,
        "life": 0,
        "uptime": None,
        "restarts": 0,
        "exit_code": last[-1].exit_code if last else None,
        "signal": last[-1].signal if last else None,
        "depends_on": [other for other, _ in plan.dependencies] if plan else [],
        "waiting_for": [],
        "next_try": None,
        "module_dir": str(folder) if folder else None,
        "error": problem.message if problem else None,
        "error_code": problem.code if problem else None,
        "error_params": None,
        "completed": False,
        "reason": None,
        "replicas": [],
        "rolling": False,
        "state_since": ended[-1]["ts"] if ended else None,
        "waiting_on": [],
        "crash_loop": None,
    }
    return {
        "running": False,
        "at": rfc3339(time.time()),
        "module": record,
        "config": msgspec.to_builtins(origin) if origin is not None else None,
        "desired": {"state": record["desired_state"], "by_request": desired.by_request},
        "wanted": False,
        "wanted_by": list(catalog.graph.dependents(name)),
        "waiting": None,
        "restart": {
            **rule_document(plan.restart),
            "failures": [],
            "give_ups": 0,
            "crash_loop": None,
            "last": None,
            "next": None,
            "forgiven_at": None,
        }
        if plan is not None
        else None,
        "replicas": [],
        "core": core_document(name, []) if is_core else None,
    }
