"""Whose token is changed when, and how."""

from __future__ import annotations

from typing import Any

import pytest

from kite.cli.token_order import Step, steps
from kite.errors import RequestError


def record(name: str, **fields: Any) -> dict[str, Any]:
    found = {"name": name, "pid": 1, "actual_state": "running", "depends_on": [], "replicas": []}
    return {**found, "job": False, **fields}


CORE = [record("launcher"), record("registry"), record("event_hub")]


def test_what_others_depend_on_comes_first_and_the_operator_last() -> None:
    records = [
        *CORE,
        record("web", depends_on=["api", "db"]),
        record("api", depends_on=["db"]),
        record("db"),
    ]
    names = [step.name for step in steps(records, ())]
    assert names == ["registry", "event_hub", "db", "api", "web", "operator"]


def test_who_has_replicas_rolls_and_the_others_stop_first() -> None:
    crew = record("crew", replicas=[{"pid": 1}, {"pid": 2}])
    found = {step.name: step.how for step in steps([*CORE, crew, record("one")], ())}
    assert (found["crew"], found["one"]) == ("rolling", "restart")
    assert (found["registry"], found["operator"]) == ("restart", "file")
    found = {step.name: step.how for step in steps([*CORE, record("one")], (), all_rolling=True)}
    assert (found["one"], found["registry"]) == ("rolling", "restart")


def test_a_module_that_starts_is_not_rolled() -> None:
    crew = record("crew", replicas=[{"pid": 1}, {"pid": 2}], actual_state="starting")
    assert steps([*CORE, crew], ("crew",)) == [Step("crew", "restart")]


def test_who_has_no_process_has_no_token() -> None:
    off = record("off", pid=None, actual_state="stopped", replicas=[{"pid": None}])
    assert steps([*CORE, off], ("off",)) == [Step("off", "none", "no_process")]


def test_one_replica_of_two_that_lives_is_enough() -> None:
    half = record("half", pid=None, replicas=[{"pid": None}, {"pid": 7}])
    assert steps([*CORE, half], ("half",))[0].how == "rolling"


def test_the_run_of_a_job_is_begun_again_only_by_name() -> None:
    job = record("nightly", job=True)
    assert Step("nightly", "none", "job") in steps([*CORE, job], ())
    assert steps([*CORE, job], ("nightly",)) == [Step("nightly", "restart")]


def test_only_who_is_named_in_the_same_order() -> None:
    records = [*CORE, record("a", depends_on=["b"]), record("b"), record("c")]
    assert [step.name for step in steps(records, ("operator", "a", "b", "event_hub"))] == [
        "event_hub",
        "b",
        "a",
        "operator",
    ]


def test_a_circle_is_no_endless_one() -> None:
    records = [*CORE, record("a", depends_on=["b"]), record("b", depends_on=["a", "gone"])]
    assert {step.name for step in steps(records, ())} >= {"a", "b"}


def test_who_is_not_there_and_who_has_none() -> None:
    with pytest.raises(RequestError) as unknown:
        steps(CORE, ("nobody",))
    assert unknown.value.code == "unknown_module"
    with pytest.raises(RequestError) as launcher:
        steps(CORE, ("launcher",))
    assert launcher.value.code == "core_module"
