"""Who waits for whom, from the manifests, with the states of a running Kite. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kite.model.graph import ARROW
from kite.model.manifest import CORE_NAMES
from kite.model.scan import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One dependency.

    Args:
        is_met: whether it has come so far; None while Kite is down.
        is_known: whether there is a module of the name.
        is_circular: whether it is part of a circle.
    """

    name: str
    condition: str
    is_met: bool | None
    is_known: bool
    is_circular: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One module.

    Args:
        layer: 0 is the core; a module stands above all it depends on.
        actual_state: None while Kite is down, or where it does not know the module yet.
        error: what is wrong, as the Launcher or its manifest says.
    """

    name: str
    layer: int
    config_state: str
    actual_state: str | None
    error: str | None
    depends_on: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A project.

    Args:
        points: the core first, then layer by layer.
        cycles: each circle once, from its smallest name back to it.
        missing: name to those that depend on it though there is none.
    """

    running: bool
    points: tuple[Point, ...]
    cycles: tuple[tuple[str, ...], ...]
    missing: Mapping[str, tuple[str, ...]]


def map_of(scan: Scan, records: Mapping[str, Mapping[str, Any]] | None) -> Map:
    """Draw the map.

    Args:
        scan: what the folders hold.
        records: the running Launcher's, by name; None: it is down.
    """
    graph = scan.graph()
    names = [*scan.modules, *scan.broken]
    layers = graph.layers([name for name in names if name not in CORE_NAMES])
    level = {name: at for at, layer in enumerate(layers, 1) for name in layer}
    level |= dict.fromkeys(CORE_NAMES, 0)
    cycles = _cycles(problem.params for each in graph.problems.values() for problem in each)
    circular = {pair for cycle in cycles for pair in pairwise(cycle)}
    missing: dict[str, list[str]] = {}
    points: list[Point] = []
    ordered = [*(name for name in CORE_NAMES if name in names), *(n for la in layers for n in la)]
    for name in ordered:
        record = (records or {}).get(name)
        edges: list[Edge] = []
        for other, condition in graph.conditions(name).items():
            is_known = other in level
            if not is_known:
                missing.setdefault(other, []).append(name)
            edges.append(
                Edge(
                    name=other,
                    condition=condition.value,
                    is_met=_is_met(record, other),
                    is_known=is_known,
                    is_circular=(name, other) in circular,
                )
            )
        points.append(
            Point(
                name=name,
                layer=level.get(name, 1),
                config_state=_config_state(scan, name),
                actual_state=str(record["actual_state"]) if record else None,
                error=_error(scan, name, record),
                depends_on=tuple(edges),
            )
        )
    return Map(
        running=records is not None,
        points=tuple(points),
        cycles=cycles,
        missing={name: tuple(needing) for name, needing in missing.items()},
    )


def around(whole: Map, names: Iterable[str]) -> Map:
    """The part of the map that has to do with these: who needs them, and all that those need."""
    needs = {point.name: [edge.name for edge in point.depends_on] for point in whole.points}
    needed: dict[str, list[str]] = {}
    for name, others in needs.items():
        for other in others:
            needed.setdefault(other, []).append(name)
    kept = _reach(_reach(names, needed), needs)
    return Map(
        running=whole.running,
        points=tuple(point for point in whole.points if point.name in kept),
        cycles=tuple(cycle for cycle in whole.cycles if kept.intersection(cycle)),
        missing={name: by for name, by in whole.missing.items() if kept.intersection(by)},
    )


def _reach(names: Iterable[str], ways: Mapping[str, list[str]]) -> set[str]:
    found, todo = set(names), list(names)
    while todo:
        for other in ways.get(todo.pop(), ()):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def _cycles(params: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    told = dict.fromkeys(str(each["cycle"]) for each in params if "cycle" in each)
    return tuple(tuple(cycle.split(ARROW)) for cycle in told)


def _is_met(record: Mapping[str, Any] | None, other: str) -> bool | None:
    """A module that waits says what for; one that is there has had what it needs."""
    if record is None:
        return None
    if record["actual_state"] == "waiting":
        return other not in (record.get("waiting_for") or ())
    return True if record["actual_state"] in ("starting", "running", "stopping") else None


def _config_state(scan: Scan, name: str) -> str:
    found = scan.modules.get(name)
    if found is not None:
        return found.manifest.state.value
    state = scan.broken[name].state if name in scan.broken else None
    return state.value if state is not None else "enabled"


def _error(scan: Scan, name: str, record: Mapping[str, Any] | None) -> str | None:
    if record is not None:
        return str(record["error"]) if record.get("error") else None
    broken = scan.broken.get(name)
    problems = broken.errors if broken is not None else scan.graph().problems.get(name, ())
    return "; ".join(problem.english for problem in problems) or None
