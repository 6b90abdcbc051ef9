"""Scenarios as text: facts told to the supervisor, and the exact actions that follow.

A file is a list of blocks, separated by blank lines; a block is lines of facts, `----`, and lines of
actions. `#` begins a comment. Facts (NAME is a module, its present life is meant unless said):

    module NAME [needs=a,b:completed] [key=value …]     collected for the next scan
    scan                                  the folders hold exactly these modules (cleared by the scan)
    doors | lost | restored               the backbone
    start NAME [op=N] | stop NAME [op=N] [reason=TEXT] | restart NAME [op=N] [by=module]
    spawned NAME [pid=N] | no-program NAME | ready NAME | connected NAME N
    ack NAME SECONDS | clean NAME | exit NAME STATUS | signal NAME NUMBER | gone NAME [PID …]
    unhealthy NAME DETAIL | due NAME
    wait SECONDS                          stops at each deadline, as the Launcher's timer does
    until-deadline                        waits exactly for the next deadline
    stop-everything SECONDS [LAYER …]     a layer is a,b,c
    restart-everything SECONDS [LAYER …]  likewise, and what is wanted comes back
    skip-waiting | start-over
    show NAME                             adds its states to the actions, as people see them
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.actions import Action
from kite.launcher.core.plan import (
    Condition,
    ConfigState,
    Desired,
    Plan,
    Policy,
    Problem,
    ReadyBy,
    RestartRule,
)
from kite.launcher.core.supervisor import Supervisor

FILES = sorted((Path(__file__).parent / "supervisor").glob("*.txt"))
REWRITE = "KITE_REWRITE_SCENARIOS" in os.environ
BROKEN = Problem(code="unreadable_manifest", text="line 3: no")


class Stage:
    """A supervisor and what the text has said so far."""

    def __init__(self) -> None:
        self.now = 0.0
        self.supervisor = Supervisor(concurrency=4, max_failed=3, chance=lambda: 1.0)
        self.plans: list[Plan] = []
        self.kept: dict[str, Desired] = {}

    def tell(self, fact: facts.Fact) -> list[str]:
        actions = self.supervisor.handle(fact, self.now)
        self.kept |= {a.module: a.desired for a in actions if isinstance(a, act.KeepDesired)}
        return [written(action) for action in actions]

    def life(self, name: str) -> int:
        return self.supervisor.states[name].life.number

    def act_out(self, line: str) -> list[str]:
        """What follows one line."""
        word, *rest = line.split()
        options = dict(one.split("=", 1) for one in rest if "=" in one)
        plain = [one for one in rest if "=" not in one]
        match word:
            case "module":
                self.plans.append(module(plain[0], options))
                return []
            case "scan":
                plans = [replace(one, desired=self.kept.get(one.name)) for one in self.plans]
                self.plans = []
                return self.tell(facts.Scanned(plans=tuple(plans)))
            case "wait":
                return self.wait(self.now + float(plain[0]))
            case "until-deadline":
                due = self.supervisor.next_deadline()
                assert due is not None, "nothing is waited for"
                return [f"at {due:g}", *self.wait(due)]
            case "stop-everything" | "restart-everything":
                layers = tuple(tuple(layer.split(",")) for layer in plain[1:])
                seconds = float(plain[0])
                fact = facts.StopEverything(budget=seconds, layers=layers)
                if word == "restart-everything":
                    fact = replace(fact, reason="restart", is_restart=True)
                return self.tell(fact)
            case "show":
                return [self.shown(name) for name in plain]
            case _:
                return self.tell(self.fact(word, plain, options))

    def fact(self, word: str, plain: list[str], options: Mapping[str, str]) -> facts.Fact:
        name = plain[0] if plain else ""
        op = int(options["op"]) if "op" in options else None
        about: dict[str, Any] = {"module": name}
        if word not in ("start", "stop", "restart", "due") and name in self.supervisor.states:
            about["life"] = int(options.get("life", self.life(name)))
        match word:
            case "doors":
                return facts.DoorsOpened()
            case "lost":
                return facts.BackboneLost()
            case "restored":
                return facts.BackboneRestored()
            case "start":
                return facts.StartRequested(op=op, **about)
            case "stop":
                reason = options.get("reason", "stop_requested")
                return facts.StopRequested(op=op, reason=reason, **about)
            case "restart":
                return facts.RestartRequested(op=op, revive="by" not in options, **about)
            case "due":
                return facts.RunDue(**about)
            case "spawned":
                return facts.Spawned(pid=int(options.get("pid", "100")), **about)
            case "no-program":
                problem = Problem(code="program_not_found", text="it is not there")
                return facts.SpawnFailed(problem=problem, **about)
            case "ready":
                return facts.BecameReady(**about)
            case "connected":
                return facts.ConnectionsChanged(connections=int(plain[1]), **about)
            case "ack":
                return facts.ShutdownAcked(estimated_cleanup=float(plain[1]), **about)
            case "clean":
                return facts.ShutdownReady(**about)
            case "exit":
                return facts.Exited(exit_code=int(plain[1]), **about)
            case "signal":
                return facts.Exited(signal=int(plain[1]), **about)
            case "gone":
                return facts.TreeGone(survivors=tuple(map(int, plain[1:])), **about)
            case "unhealthy":
                return facts.BecameUnhealthy(detail=" ".join(plain[1:]), **about)
            case "skip-waiting":
                return facts.WaitingSkipped()
            case "start-over":
                return facts.StartedOver()
        raise AssertionError(f"there is no fact '{word}'")

    def wait(self, end: float) -> list[str]:
        done: list[str] = []
        while (due := self.supervisor.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            done += self.tell(facts.TimePassed())
        self.now = end
        return done

    def shown(self, name: str) -> str:
        state = self.supervisor.states.get(name)
        if state is None:
            return f"show {name} unknown"
        words = [f"show {name} {state.actual_state} life={state.life.number}"]
        words.append(f"desired={'running' if state.desired.running else 'stopped'}")
        if state.deadline is not None:
            words.append(f"until={state.deadline:g}")
        if waits := self.supervisor.waiting_for(name):
            words.append(f"waits={','.join(waits)}")
        if state.problem is not None:
            words.append(f"error={state.problem.code}")
        return " ".join(words)


def module(name: str, options: Mapping[str, str]) -> Plan:
    """One module; whatever is not said has the default of a manifest."""
    needs = [need.partition(":") for need in options.get("needs", "").split(",") if need]
    is_job = "job" in options
    timeout = None if is_job else float(options.get("launch", "15"))
    policy = "on-failure" if is_job else "always"
    unknown = set(options) - {
        *("needs", "job", "launch", "state", "broken", "stop"),
        *("policy", "max", "window", "retry", "scheduled"),
    }
    assert not unknown, f"there is no option {unknown}"
    return Plan(
        name=name,
        config_state=ConfigState(options.get("state", "enabled")),
        dependencies=tuple((other, Condition(cond or "ready")) for other, _, cond in needs),
        ready_by=ReadyBy.PROCESS if is_job else ReadyBy.MODULE,
        launch_timeout=timeout,
        stop_timeout=float(options.get("stop", "10")),
        restart=RestartRule(
            policy=Policy(options.get("policy", policy)),
            max=int(options.get("max", "3")),
            window=float(options.get("window", "75")),
            retry=options.get("retry", "yes") == "yes",
        ),
        problem=BROKEN if "broken" in options else None,
        is_job=is_job,
        is_scheduled="scheduled" in options,
    )


def written(action: Action) -> str:  # one line an action
    match action:
        case act.Record(event=event, module=name, fields=fields):
            return f"record {event} {name}{pairs(fields)}"
        case act.Publish(subject=subject, data=data):
            return f"publish {subject}{pairs(data)}"
        case act.AskToStop(module=name, life=life, reason=reason, timeout=timeout):
            return f"ask-to-stop {name} {life} reason={reason} timeout={timeout:g}"
        case act.SignalStop(module=name, life=life):
            return f"signal-stop {name} {life}"
        case act.EndTree(module=name, life=life, grace=grace):
            return f"end-tree {name} {life} grace={grace:g}"
        case act.Spawn(module=name, life=life):
            return f"spawn {name} {life}"
        case act.WelcomeLife(module=name, life=life):
            return f"welcome {name} {life}"
        case act.RetireLife(module=name, life=life):
            return f"retire {name} {life}"
        case act.KeepDesired(module=name, desired=desired):
            by = " by_request" if desired.by_request else ""
            return f"keep {name} {'running' if desired.running else 'stopped'}{by}"
        case act.Settle(op=op, code=code, params=params):
            said = {key: params[key] for key in ("dependency", "pids") if key in params}
            return f"settle {op} {code or 'done'}{pairs(said)}"
        case act.GiveUpSystem(failed=failed):
            return f"give-up-system {','.join(failed)}"
        case act.GiveUpForOne(module=name):
            return f"give-up-for-one {name}"
        case act.EverythingStopped(survivors=survivors):
            return " ".join(["everything-stopped", *map(str, survivors)])


def pairs(fields: Mapping[str, Any]) -> str:
    return "".join(
        f" {key}={value:g}" if isinstance(value, float) else f" {key}={value}"
        for key, value in fields.items()
        if key != "error"  # the sentences have their own tests
    )


def play(text: str) -> Iterator[str]:
    """The scenario with the actions that happen now."""
    stage = Stage()
    is_expectation = False
    done: list[str] = []
    for line in text.splitlines():
        if line == "----":
            is_expectation = True
            yield line
            yield from done or ["nothing"]
            done = []
        elif not line.strip():
            is_expectation = False
            yield line
        elif not is_expectation:
            yield line
            fact = line.partition("#")[0].strip()
            done += stage.act_out(fact) if fact else []
    assert not done, f"actions that nobody has written down: {done}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scenario(file: Path) -> None:
    expected = file.read_text(encoding="utf-8")
    found = "\n".join(play(expected)) + "\n"
    if REWRITE:
        file.write_text(found, encoding="utf-8")
        return
    difference = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), "written", "happens", lineterm="", n=4
    )
    assert found == expected, "\n" + "\n".join(difference)


def test_there_are_scenarios_and_they_say_something() -> None:
    assert len(FILES) >= 12
    for file in FILES:
        assert "----" in file.read_text(encoding="utf-8"), file


def test_a_wrong_scenario_is_noticed() -> None:
    text = "module a\nscan\ndoors\n----\nspawn a 2\n"
    assert "spawn a 1" in "\n".join(play(text))
    with pytest.raises(AssertionError, match="there is no fact"):
        list(play("jump a\n----\n"))
    with pytest.raises(AssertionError, match="nobody has written down"):
        list(play("module a\nscan\ndoors\n"))
