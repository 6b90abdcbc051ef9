"""Who waits for whom."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import Location
from kite.model.graph import ARROW, Graph
from kite.model.manifest import Condition, ConfigState, Manifest
from kite.model.restart_policy import Restart, RestartPolicy
from kite.model.schedule import Schedule

Edges = dict[str, dict[str, Condition]]


def graph(edges: dict[str, str], **states: ConfigState) -> Graph:
    """A graph from `{"a": "b c"}`: a waits for b and c."""
    manifests = {
        name: Manifest(
            name=name,
            depends_on=dict.fromkeys(needs.split(), Condition.READY),
            state=states.get(name, ConfigState.ENABLED),
        )
        for name, needs in edges.items()
    }
    return Graph(manifests)


def problems(found: Graph) -> dict[str, list[str]]:
    return {name: [error.code for error in errors] for name, errors in found.problems.items()}


def test_layers_are_the_order_of_starting() -> None:
    found = graph({"a": "b c", "b": "d", "c": "", "d": "", "e": "a"})
    assert found.layers() == (("c", "d"), ("b",), ("a",), ("e",))
    assert found.stop_layers() == (("e",), ("a",), ("b",), ("c", "d"))
    assert found.problems == {}


def test_layers_of_some_keep_the_order_through_the_others() -> None:
    found = graph({"a": "b", "b": "c", "c": "", "z": ""})
    assert found.layers(["a", "c", "z"]) == (("c", "z"), ("a",))
    assert found.layers(["a", "z"]) == (("a", "z"),)
    assert found.layers([]) == ()
    assert found.layers(["stranger", "a", "c"]) == (("c", "stranger"), ("a",))


def test_core_modules_are_in_nobodys_way() -> None:
    found = graph({"a": "event_hub registry"})
    assert found.problems == {}
    assert found.conditions("a") == {}
    assert found.layers() == (("a",),)


def test_neighbours() -> None:
    found = graph({"a": "b", "b": "c d", "c": "", "d": "c"})
    assert found.dependencies("a") == ("b",)
    assert found.dependencies("a", transitive=True) == ("b", "c", "d")
    assert found.dependents("c") == ("b", "d")
    assert found.dependents("c", transitive=True) == ("b", "d", "a")
    assert found.dependents("nobody") == ()


def test_only_the_modules_concerned_have_problems() -> None:
    found = graph(
        {"a": "b", "b": "serach", "c": "off", "off": "", "search": "", "free": ""},
        off=ConfigState.DISABLED,
    )
    assert problems(found) == {"b": ["dependency_missing_near"], "c": ["dependency_disabled"]}
    assert found.problems["b"][0].params["nearest"] == "search"


def test_a_broken_module_is_waited_for() -> None:
    manifests = {"a": Manifest(name="a", depends_on={"b": Condition.READY})}
    assert Graph(manifests, broken={"b"}).problems == {}
    assert "a" in Graph(manifests).problems


def test_a_cycle_is_told_whole_and_alike_by_its_members() -> None:
    found = graph({"c": "a", "a": "b", "b": "c x", "x": "", "d": "a", "self": "self"})
    assert problems(found) == {
        "a": ["dependency_cycle"],
        "b": ["dependency_cycle"],
        "c": ["dependency_cycle"],
        "self": ["dependency_cycle"],
    }
    told = {name: errors[0].params["cycle"] for name, errors in found.problems.items()}
    assert told["a"] == told["b"] == told["c"] == "a → b → c → a"
    assert told["self"] == "self → self"


def test_problems_know_their_place() -> None:
    place = Location(file="modules/a/module.md", line=4)
    found = Graph(
        {"a": Manifest(name="a", depends_on={"b": Condition.READY})},
        places={"a": {"depends_on.b": place}},
    )
    assert str(found.problems["a"][0]).startswith("modules/a/module.md:4: 'a' depends on 'b'")


def test_jobs() -> None:
    policy = Restart(policy=RestartPolicy.ALWAYS)
    found = Graph(
        {
            "waits": Manifest(name="waits", depends_on={"once": Condition.COMPLETED}),
            "once": Manifest(name="once"),
            "nightly": Manifest(name="nightly", schedule=Schedule(cron="0 2 * * *")),
            "stubborn": Manifest(name="stubborn", schedule=Schedule(interval=5.0), restart=policy),
        }
    )
    assert {name: found.is_job(name) for name in ("waits", "once", "nightly", "stubborn")} == {
        "waits": False,
        "once": True,
        "nightly": True,
        "stubborn": True,
    }
    assert found.policy("waits") is RestartPolicy.ALWAYS
    assert found.policy("once") is RestartPolicy.ON_FAILURE
    assert found.policy("stubborn") is RestartPolicy.ALWAYS


NAMES = st.sampled_from("abcdefghij")


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool = False) -> tuple[dict[str, set[str]], Graph]:
    edges: dict[str, set[str]] = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=10)):
        others = st.sampled_from(sorted(edges)) if acyclic and edges else NAMES
        if acyclic and not edges:
            edges[name] = set()
        else:
            edges[name] = draw(st.sets(others, max_size=4))
    return edges, graph({name: " ".join(sorted(needs)) for name, needs in edges.items()})


def reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    """The naive way: everything that a module waits for, however indirectly."""
    found: set[str] = set()
    while True:
        more = {below for name in found | {start} for below in edges.get(name, ())} - found
        if not more:
            return found
        found |= more


@given(graphs(acyclic=True), st.sets(NAMES))
def test_nothing_starts_before_what_it_waits_for(
    drawn: tuple[dict[str, set[str]], Graph], chosen: set[str]
) -> None:
    edges, found = drawn
    chosen &= edges.keys()
    layers = found.layers(chosen)
    level = {name: index for index, layer in enumerate(layers) for name in layer}
    assert sorted(name for layer in layers for name in layer) == sorted(chosen)
    for name in chosen:
        below = [level[one] for one in reachable(edges, name) & chosen]
        # As early as possible, and not earlier.
        assert level[name] == max(below, default=-1) + 1


@given(graphs())
def test_exactly_the_members_of_cycles_are_told_so(
    drawn: tuple[dict[str, set[str]], Graph],
) -> None:
    edges, found = drawn
    for name in edges:
        told = [
            error.params["cycle"].split(ARROW)
            for error in found.problems.get(name, ())
            if error.code == "dependency_cycle"
        ]
        assert bool(told) is (name in reachable(edges, name))
        for cycle in told:
            assert cycle[0] == cycle[-1] == min(cycle)
            assert name in cycle
            assert all(below in edges[one] for one, below in pairwise(cycle))
            assert len(set(cycle)) == len(cycle) - 1


@given(graphs())
def test_dependencies_and_dependents_mirror_each_other(
    drawn: tuple[dict[str, set[str]], Graph],
) -> None:
    edges, found = drawn
    for name in edges:
        assert set(found.dependencies(name, transitive=True)) == reachable(edges, name) - {name}
        for other in edges:
            assert (name in found.dependents(other, transitive=True)) is (
                other in found.dependencies(name, transitive=True)
            )
    everything = [name for layer in found.layers() for name in layer]
    assert sorted(everything) == sorted(edges)


@pytest.mark.parametrize("closed", [False, True])
def test_a_long_chain_needs_no_deep_stack(closed: bool) -> None:
    names = [f"m{number}" for number in range(1500)]
    edges = dict(pairwise(names))
    edges[names[-1]] = names[0] if closed else ""
    found = graph(edges)
    assert len(found.layers()) == (1 if closed else 1500)
