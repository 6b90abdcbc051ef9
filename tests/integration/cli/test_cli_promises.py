"""What scripts may rely on: every verb, with Kite running and down, against `protocol/cli.json`."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from kite.cli.command import sections
from kite.testing.system import ECHO, Outcome, System

ROOT = Path(__file__).parents[3]
PROMISED = json.loads((ROOT / "protocol" / "cli.json").read_text())
VERBS: dict[str, dict[str, Any]] = PROMISED["verbs"]
ALWAYS = {1, 2, 130}
"""Statuses that any verb may leave with: an output that cannot be written, wrong use, Ctrl-C."""

SUMS = """
from kite import Module

module = Module()


@module.tool()
def twice(number: int) -> int:
    return 2 * number


module.run()
"""


def registry() -> referencing.Registry[Any]:
    found: referencing.Registry[Any] = referencing.Registry()
    for path in (ROOT / "protocol" / "schemas").glob("*.schema.json"):
        schema = json.loads(path.read_text())
        found = found.with_resource(schema["$id"], referencing.Resource.from_contents(schema))
    return found


REGISTRY = registry()


def check(name: str, value: Any) -> None:
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"urn:kite:schema:{name}:1"}, registry=REGISTRY
    )
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not wrong, (name, wrong, value)


def fits(verb: str, out: str) -> None:
    """Standard output is what the verb promises."""
    promise = VERBS[verb]
    if promise["document"]:
        check(promise["document"], json.loads(out))
    elif promise["lines"]:
        for line in out.splitlines():
            check(promise["lines"], json.loads(line))
    elif out.strip():
        json.loads(out)


def errors_fit(err: str) -> list[str]:
    """Every JSON object on standard error is an error; the codes, in order."""
    found = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    for each in found:
        check(PROMISED["errors"], each)
    return [each["code"] for each in found]


class Typed:
    """A system, and verbs that are typed there and checked."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.seen: set[str] = set()

    def __call__(self, verb: str, *words: str, status: int = 0, by: str = "") -> Outcome:
        """`kite VERB WORDS --json`; `by` names the promise where that is not the verb's own."""
        outcome = self.system.kite(verb, *words, "--json", status=None)
        promise = by or verb
        self.seen.add(promise)
        assert outcome.status == status, outcome
        assert status in {*VERBS[promise]["statuses"], *ALWAYS}, outcome
        assert "Traceback" not in outcome.err
        fits(promise, outcome.out) if outcome.out.strip() else None
        codes = errors_fit(outcome.err)
        if status and not outcome.out.strip():
            assert codes, outcome
        return outcome

    def stream(self, verb: str, *words: str, count: int, by: str = "") -> list[str]:
        """The first lines of a verb that goes on until Ctrl-C, and its end by that."""
        promise = by or verb
        self.seen.add(promise)
        process = self.system.spawn(verb, *words, "--json")
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(count)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 0
        for line in lines:
            fits(promise, line)
        return lines


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    with System(tmp_path_factory.mktemp("promises"), extensions=False) as system:
        system.configure(max_failed_modules=0)
        system.module("echo", ECHO, runtime="python")
        system.module("sums", SUMS, runtime="python")
        system.module("late", state="manual", depends_on=["hand"])
        system.module("hand", state="manual", command=["sleep", "1000"], launch={"timeout": 600})
        system.module("off", state="disabled")
        system.module("crash", "raise SystemExit(7)", restart={"max": 2})
        system.module("ring", command=["sleep", "1"], depends_on=["gnir"])
        system.module("gnir", command=["sleep", "1"], depends_on=["ring"])
        yield Typed(system)


def test_what_was_never_up(typed: Typed) -> None:
    for verb in ("down", "ps", "rescan", "bench", "events", "top"):
        outcome = typed(verb, status=3)
        assert errors_fit(outcome.err)[-1] == "not_running"
    for verb in ("start", "stop", "restart"):
        typed(verb, "echo", status=3)
    typed("chaos", "--live", "--yes", status=3)
    typed("conformance", "--list")
    typed("dev", "off", "--nonsense", status=2)
    typed("service", "nonsense", status=2)
    typed("pub", "a.b", "1", status=3)
    typed("request", "a.b", "1", status=3)
    typed("registry", "get", status=3)
    typed("tools", status=3)
    typed("call", "echo", status=3)
    typed("logs", status=3)
    typed("audit", status=3)
    typed("token", "rotate", status=3)
    typed("token", "nonsense", status=2)
    typed("analyze", status=3)
    typed("graph")
    typed("explain", "echo")
    typed("explain", "nobody", status=1)
    typed("graph", "nobody", status=1)


def test_what_needs_no_kite(typed: Typed) -> None:
    outcome = typed("check", status=2)
    assert {each["code"] for each in json.loads(outcome.out)["mistakes"]} == {"dependency_cycle"}
    assert typed("doctor", status=1).out
    typed("new", "fresh")
    typed("new", "fresh", status=2)
    for path in (typed.system.project / "modules" / "fresh").iterdir():
        typed.system.write(path, path.read_bytes())
    typed("schema")
    typed("schema", "nonsense", status=1)
    typed("disable", "fresh")
    typed("enable", "nobody", status=1)
    typed("explain", "fresh")
    assert typed.system.kite("completion", "bash").out
    typed.seen |= {"completion", "spec"}
    assert json.loads(typed.system.kite("spec", "asyncapi", "echo", "--json").out)


def test_what_runs(typed: Typed) -> None:
    system = typed.system
    system.remember_files()
    typed("up", "-d")
    system.remember()
    system.wait_state("echo", "running")
    system.wait_state("crash", "failed")
    typed("up", "-d", status=5)
    typed("ps")
    typed("rescan")
    typed("start", "late", "--no-wait")
    system.wait_state("late", "waiting")
    for name in system.records():
        typed("explain", name)
    typed("explain", "nobody", status=1)
    typed("graph")
    typed("graph", "late")
    typed("analyze")
    typed("logs", "echo")
    typed("logs", "nobody", status=1)
    typed("stop", "echo")
    typed.stream("dev", "echo", count=2)  # which starts it for as long as that lasts
    typed("start", "echo")
    typed("restart", "echo")
    typed("start", "off", status=6)
    typed("start", "crash", status=1)
    typed("start", "nobody", status=1)
    typed("stop", "registry", status=6)
    typed("token", "rotate", "echo", "operator")
    typed("token", "rotate", "nobody", status=1)
    typed("token", "rotate", "launcher", status=6)
    assert json.loads(typed("doctor", "--security").out)["healthy"]
    assert len(typed("audit", "-n", "3").out.splitlines()) == 3
    typed.stream("audit", "-f", "-n", "2", count=2)
    typed("disable", "off")
    typed("disable", "event_hub", status=6)


def test_events(typed: Typed) -> None:
    system = typed.system
    system.wait_state("echo", "running")
    typed("pub", "news.a", '{"n": 1}')
    typed("pub", "news.a", "1", "--count", "3", by="pub --count")
    typed("request", "echo.echo", "1")
    typed("request", "echo.echo", "1", "--count", "2", by="request --replies")
    typed("request", "nobody.there", status=1)
    typed("events", "--since", "5m", "--no-follow", "news.>")
    typed.stream("events", "--since", "5m", "news.>", count=2)
    typed.stream("events", "--rate", count=2, by="events --rate")
    typed("top", "--once")
    typed("registry", "get")
    typed("registry", "get", "no.such.thing", status=1)
    system.wait_state("sums", "running")
    typed("tools")
    typed("tools", "nothing", status=1)
    typed("call", "twice", "number=2")
    typed("call", "twice", status=1)
    typed("call", "twice", "{", status=2)


def test_what_was_up(typed: Typed) -> None:
    system = typed.system
    typed("down")
    system.wait_nothing_left()
    for name in ("echo", "late", "crash", "off", "ring", "launcher", "registry"):
        outcome = json.loads(typed("explain", name).out)
        assert outcome["running"] is False
    typed("graph")
    typed("analyze")
    typed("logs")
    typed("audit", "--refused")
    typed("ps", status=3)


def test_no_verb_is_without_a_promise(typed: Typed) -> None:
    """Runs last: what was typed above is all there is, but for the bench, which takes minutes."""
    named = {name for _title, verbs in sections() for name in verbs}
    assert {verb.partition(" ")[0] for verb in VERBS} == named
    assert set(VERBS) - typed.seen == set()


@pytest.mark.parametrize("words", [("--json", "nonsense"), ("ps", "--json", "--nonsense")])
def test_wrong_use_is_told_as_json_too(typed: Typed, words: tuple[str, ...]) -> None:
    outcome = typed.system.kite(*words, status=2)
    assert not outcome.out
    assert len(errors_fit(outcome.err)) == 1


def test_the_reference_has_every_status() -> None:
    """`docs/reference/cli.md` has the table that `protocol/cli.json` means."""
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    rows = dict(re.findall(r"^\| `kite ([a-z -]+)` \| .* \| ([0-9, ]+) \|$", page, re.MULTILINE))
    assert rows == {verb: ", ".join(map(str, each["statuses"])) for verb, each in VERBS.items()}
