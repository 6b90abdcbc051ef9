"""Who waits for whom: a pure function of the manifests.

Core modules are in nobody's way here: they run before anything else is started, so a dependency on
one is always met and is no edge of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from kite.errors import ConfigError, Location
from kite.model.fields import nearest
from kite.model.manifest import CORE_NAMES, Condition, ConfigState, Manifest, Places
from kite.model.restart_policy import RestartPolicy

ARROW = " → "


class Graph:
    """The dependencies between modules.

    Args:
        manifests: name to manifest, overrides included; core modules may be among them.
        broken: names that exist but have no manifest one can read. Depending on one is no error of
            its own: the dependent waits until it is mended.
        places: name to the places of its keys, for the errors.

    `problems` maps a name to its errors (`dependency_missing`, `dependency_disabled`,
    `dependency_cycle`); only the modules concerned stand there: who merely depends on one of them
    waits.
    """

    def __init__(
        self,
        manifests: Mapping[str, Manifest],
        *,
        broken: Collection[str] = (),
        places: Mapping[str, Places] | None = None,
    ) -> None:
        self._manifests = manifests
        self._places = places or {}
        self._edges: dict[str, dict[str, Condition]] = {
            name: {
                dependency: condition
                for dependency, condition in manifest.depends_on.items()
                if dependency not in CORE_NAMES
            }
            for name, manifest in manifests.items()
        }
        self._dependents: dict[str, list[str]] = {name: [] for name in manifests}
        self._completed: set[str] = set()
        for name, edges in self._edges.items():
            for dependency, condition in edges.items():
                self._dependents.setdefault(dependency, []).append(name)
                if condition is Condition.COMPLETED:
                    self._completed.add(dependency)
        self._groups = _groups(self._edges)
        self._group_of = {name: group for group in self._groups for name in group}
        self.problems: dict[str, tuple[ConfigError, ...]] = {}
        for name in manifests:
            if errors := (*self._edge_errors(name, broken), *self._cycle_errors(name)):
                self.problems[name] = errors

    def conditions(self, name: str) -> Mapping[str, Condition]:
        """What a module waits for, and how far each has to be; without core modules."""
        return self._edges.get(name, {})

    def dependencies(self, name: str, *, transitive: bool = False) -> tuple[str, ...]:
        """The modules that a module waits for, in the order of its manifest (nearest first)."""
        return _reach(name, lambda one: self._edges.get(one, ()), transitive)

    def dependents(self, name: str, *, transitive: bool = False) -> tuple[str, ...]:
        """The modules that wait for a module (nearest first)."""
        return _reach(name, lambda one: self._dependents.get(one, ()), transitive)

    def is_job(self, name: str) -> bool:
        """Whether a module is to end by itself: it has a schedule, or one waits for its completion."""
        manifest = self._manifests.get(name)
        return name in self._completed or (manifest is not None and manifest.schedule is not None)

    def policy(self, name: str) -> RestartPolicy:
        """The restart policy in force: the manifest's, else `on-failure` for a job, else `always`."""
        said = self._manifests[name].restart.policy
        return said or (RestartPolicy.ON_FAILURE if self.is_job(name) else RestartPolicy.ALWAYS)

    def layers(self, names: Iterable[str] | None = None) -> tuple[tuple[str, ...], ...]:
        """The order of starting: what stands in one layer waits for nothing in it or after it.

        Args:
            names: the modules that matter (default: all); they keep the order that dependencies
                through others give them. Members of a cycle share a layer. Names in a layer are sorted.
        """
        chosen = set(self._edges if names is None else names)
        after: dict[str, int] = {}
        layers: dict[int, list[str]] = {}
        for group in self._groups:
            below = (after.get(one, 0) for name in group for one in self._edges[name])
            level = max(below, default=0)
            members = chosen & group
            after |= dict.fromkeys(group, level + bool(members))
            if members:
                layers.setdefault(level, []).extend(members)
        # What nobody knows waits for nothing.
        if strangers := chosen - after.keys():
            layers.setdefault(0, []).extend(strangers)
        return tuple(tuple(sorted(layers[level])) for level in sorted(layers))

    def stop_layers(self, names: Iterable[str] | None = None) -> tuple[tuple[str, ...], ...]:
        """The order of stopping: the layers backwards, dependents before what they depend on."""
        return self.layers(names)[::-1]

    def _edge_errors(self, name: str, broken: Collection[str]) -> Iterable[ConfigError]:
        for dependency in self._edges[name]:
            manifest = self._manifests.get(dependency)
            place = self._place(name, dependency)
            if manifest is None and dependency not in broken:
                near = nearest(dependency, self._manifests.keys() - {name})
                yield ConfigError(
                    "dependency_missing_near" if near else "dependency_missing",
                    location=place,
                    name=name,
                    dependency=dependency,
                    nearest=near,
                )
            elif manifest is not None and manifest.state is ConfigState.DISABLED:
                yield ConfigError(
                    "dependency_disabled", location=place, name=name, dependency=dependency
                )

    def _cycle_errors(self, name: str) -> Iterable[ConfigError]:
        cycle = self._cycle(name)
        if cycle:
            # Told from its smallest name, so that all its members tell the same cycle alike.
            start = cycle.index(min(cycle))
            told = [*cycle[start:], *cycle[:start], cycle[start]]
            yield ConfigError(
                "dependency_cycle",
                location=self._place(name, cycle[1 % len(cycle)]),
                name=name,
                cycle=ARROW.join(told),
            )

    def _cycle(self, name: str) -> list[str]:
        """A shortest way from a module back to itself, or nothing."""
        if name in self._edges[name]:
            return [name]
        group = self._group_of[name]
        came: dict[str, str] = {}
        queue = deque([name])
        while queue:
            one = queue.popleft()
            for dependency in self._edges[one]:
                if dependency == name:
                    way = [one]
                    while way[-1] != name:
                        way.append(came[way[-1]])
                    return way[::-1]
                if dependency in group and dependency not in came:
                    came[dependency] = one
                    queue.append(dependency)
        return []

    def _place(self, name: str, dependency: str) -> Location | None:
        return self._places.get(name, {}).get(f"depends_on.{dependency}")


def _reach(
    name: str, neighbours: Callable[[str], Iterable[str]], transitive: bool
) -> tuple[str, ...]:
    found = dict.fromkeys(neighbours(name))
    if transitive:
        queue = deque(found)
        while queue:
            for other in neighbours(queue.popleft()):
                if other not in found:
                    found[other] = None
                    queue.append(other)
    found.pop(name, None)
    return tuple(found)


def _groups(edges: Mapping[str, Mapping[str, Condition]]) -> list[frozenset[str]]:
    """The strongly connected groups, each after everything that it depends on (Tarjan, without
    recursion: a chain of modules may be longer than Python's stack)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    groups: list[frozenset[str]] = []

    def enter(name: str) -> tuple[str, Iterator[str]]:
        order[name] = low[name] = len(order)
        stack.append(name)
        on_stack.add(name)
        return name, iter([one for one in edges[name] if one in edges])

    def leave(name: str) -> None:
        if low[name] != order[name]:
            return
        group = stack[stack.index(name) :]
        del stack[-len(group) :]
        on_stack.difference_update(group)
        groups.append(frozenset(group))

    for root in edges:
        work = [] if root in order else [enter(root)]
        while work:
            name, rest = work[-1]
            for other in rest:
                if other not in order:
                    work.append(enter(other))
                    break
                if other in on_stack:
                    low[name] = min(low[name], order[other])
            else:
                work.pop()
                leave(name)
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[name])
    return groups
