"""In which order tokens are changed, and how: pure, from the records of modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from kite.errors import RequestError

How = Literal["rolling", "restart", "file", "none"]
"""A rolling restart, a plain one, a new api.json, or nothing to do."""

OPERATOR: Final = "operator"
CORES: Final = ("registry", "event_hub")
_LAUNCHER: Final = "launcher"

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Args:
        why: why nothing is to be done: `no_process`, or `job` (a run that ends by itself is not begun
            again unless it was named).
    """

    name: str
    how: How
    why: str | None = None


def steps(
    records: Sequence[Record], names: Sequence[str], *, all_rolling: bool = False
) -> list[Step]:
    """What to do, in order: Registry, Event Hub, what others depend on, those others, the operator.

    Args:
        records: of all modules, as the Launcher's API gives them.
        names: whose tokens; none: everybody's.
        all_rolling: also of modules that were not made to run beside themselves.

    Raises:
        RequestError: `unknown_module`, or `core_module` for the Launcher, which has no token.
    """
    known = {str(record["name"]): record for record in records}
    for name in names:
        if name == _LAUNCHER:
            raise RequestError("core_module", module=name, what="rotate the token of")
        if name not in known and name != OPERATOR:
            raise RequestError("unknown_module", module=name)
    wanted = set(names) or {*known, OPERATOR} - {_LAUNCHER}
    found = [Step(name, "restart") for name in CORES if name in wanted]
    found += [
        _step(known[name], is_named=name in names, all_rolling=all_rolling)
        for name in _dependencies_first(known)
        if name in wanted and name not in (*CORES, _LAUNCHER)
    ]
    if OPERATOR in wanted:
        found.append(Step(OPERATOR, "file"))
    return found


def _step(record: Record, *, is_named: bool, all_rolling: bool) -> Step:
    name, replicas = str(record["name"]), record.get("replicas") or []
    if record["pid"] is None and not any(each["pid"] for each in replicas):
        return Step(name, "none", "no_process")
    if record.get("job") and not is_named:
        return Step(name, "none", "job")
    # Whoever wrote `replicas: 2` has said that the module bears a second process beside it.
    rolls = record["actual_state"] == "running" and (all_rolling or len(replicas) > 1)
    return Step(name, "rolling" if rolls else "restart")


def _dependencies_first(known: Mapping[str, Record]) -> list[str]:
    """All names, each behind those it depends on; a circle is broken where it is met."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        seen.add(name)
        for needed in known[name].get("depends_on") or ():
            if needed in known and needed not in seen:
                visit(needed)
        order.append(name)

    for name in known:
        if name not in seen:
            visit(name)
    return order
