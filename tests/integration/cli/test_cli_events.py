"""`kite events`, `pub` and `request` with a real Kite."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kite.testing.system import PATIENCE, System

GREETER = """
import asyncio
from kite import Module

module = Module()

@module.handle("greet")
async def greet(request):
    return {"text": f"hello, {request.data['to']}", "headers": dict(request.headers)}

@module.on("vote")
async def vote(event):
    for answer in ("yes", "no"):
        module.publish(event.reply_to, answer)

@module.handle("leave")
async def leave(request):
    import os
    os._exit(0)

module.run()
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One Kite for all: starting is the slow part."""
    config = {"hub": {"streams": {"kept": {"subjects": ["kept.>"]}}}}
    with System(tmp_path_factory.mktemp("events"), extensions=False, config=config) as made:
        made.module("greeter", GREETER, runtime="python")
        made.up("--wait")
        yield made


def until(stream: Any, wanted: str) -> str:
    """What a process prints up to and with what is wanted."""
    text, deadline = "", time.monotonic() + PATIENCE
    while wanted not in text:
        assert select.select([stream], [], [], max(0, deadline - time.monotonic()))[0], text
        data = os.read(stream.fileno(), 65536)
        assert data, f"the end came before {wanted!r}:\n{text}"
        text += data.decode()
    return text


class Typed:
    """`kite WORDS` with standard input that a test writes to."""

    def __init__(self, system: System, *words: str) -> None:
        self.process = subprocess.Popen(
            [*system._command, *words],
            cwd=system.project,
            env=system.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def done(self, text: str | None = None) -> tuple[int, str, str]:
        out, err = self.process.communicate(text, timeout=PATIENCE)
        return self.process.returncode, out, err


def watching(system: System, *words: str) -> subprocess.Popen[str]:
    process = system.spawn("events", *words)
    until(process.stderr, "watching")
    return process


def finished(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out.splitlines()


# -- pub ------------------------------------------------------------------------------------------


def test_lines_are_published_as_they_come_and_in_order(system: System) -> None:
    watch = watching(system, "lines.>", "--count", "3", "--raw")
    typed = Typed(system, "pub", "lines.a", "--lines")
    assert typed.process.stdin
    typed.process.stdin.write('{"n":1}\n')
    typed.process.stdin.flush()
    assert '{"n":1}' in until(watch.stdout, "}")
    status, out, _err = typed.done('\n"two"\n3')
    assert status == 0
    assert out.startswith("published 3 in ")
    assert finished(watch) == ["two", "3"]


def test_a_wrong_line_is_named_and_what_came_before_is_out(system: System) -> None:
    watch = watching(system, "wrong.>", "--count", "2", "--raw")
    status, out, err = Typed(system, "pub", "wrong.a", "--lines").done("1\n2\noops\n4\n")
    assert status == 2
    assert out.startswith("published 2 in ")
    assert "line 3 of standard input is no JSON: 'oops'" in err
    assert finished(watch) == ["1", "2"]
    json_error = Typed(system, "--json", "pub", "wrong.a", "--lines").done("oops\n")
    assert json.loads(json_error[1])["published"] == 0
    assert json.loads(json_error[2])["params"]["line"] == 1


def test_many_arrive_whole_and_in_order(system: System) -> None:
    watch = watching(system, "many.>", "--count", "5000", "--template", "{{data.n}}")
    done = system.kite("pub", "many.a", '{"n": {{Count}}}', "--template", "--count", "5000")
    assert done.out.startswith("published 5,000 in ")
    assert finished(watch) == [str(number) for number in range(1, 5001)]


def test_text_headers_and_rates(system: System) -> None:
    watch = watching(system, "texts.>", "--count", "3", "--headers")
    words = ("--text", "hi there", "-H", "a=1", "-H", "b: two words")
    done = system.kite("--json", "pub", "texts.a", *words, "--count", "3", "--rate", "50")
    found = json.loads(done.out)
    assert found["published"] == 3
    assert found["seconds"] >= 0.04
    assert set(found) == {
        "event", "published", "delivered", "refused", "unknown", "seconds", "rate",
    }  # fmt: skip
    for line in finished(watch):
        assert line.endswith(' texts.a operator a=1 b="two words" "hi there"')


def test_refusals_are_told_once_with_their_number(system: System) -> None:
    done = system.kite("pub", "module.ready", "--count", "300", status=6)
    assert done.out.startswith("published 0 in ")
    assert done.err.count("may not publish on 'module.ready'") == 1
    assert "more like it" in done.err


def test_ctrl_c_ends_publishing_with_a_summary(system: System) -> None:
    watch = watching(system, "ticks.>", "--count", "2", "--raw")
    typed = Typed(system, "pub", "ticks.a", "1", "--count", "1000000", "--sleep", "10ms")
    assert finished(watch) == ["1", "1"]
    typed.process.send_signal(signal.SIGINT)
    status, out, err = typed.done()
    assert status == 130
    assert out.startswith("published ")
    assert "not acknowledged" not in out
    assert err == ""


def test_a_hub_that_is_restarted_ends_publishing_and_the_summary_is_true(system: System) -> None:
    watch = watching(system, "cut.>", "--raw")
    typed = Typed(system, "--json", "pub", "cut.a", "1", "--count", "1000000", "--rate", "500")
    until(watch.stdout, "1\n1\n")
    system.kite("restart", "event_hub")
    status, out, err = typed.done()
    assert status == 1
    assert json.loads(err)["code"] == "connection_lost"
    assert 2 <= json.loads(out)["published"] < 1_000_000
    watch.send_signal(signal.SIGINT)
    finished(watch)
    system.wait_answer("greet", {"to": "you"})


# -- events ---------------------------------------------------------------------------------------


def test_history_is_read_to_its_end(system: System) -> None:
    system.kite("pub", "kept.a", "--count", "3", "{{Count}}", "--template")
    past = system.kite("events", "kept.>", "--since", "5m", "--no-follow", "--raw")
    assert past.out.split() == ["1", "2", "3"]
    assert "kept events: 3" in past.err
    first = system.kite("events", "kept.>", "--since", "5m", "--count", "1", "--raw")
    assert first.out.split() == ["1"]
    everything = system.kite("events", ">", "--since", "1h", "--no-follow", "--raw")
    assert "what is in no stream is remembered since 20" in everything.err, "Kite is younger"
    none = system.kite("events", "kept.>", "--since", "2090-01-01T00:00:00Z", "--no-follow")
    assert none.out == ""


def test_history_goes_over_into_the_present(system: System) -> None:
    system.kite("pub", "kept.over.b", '"before"')
    watch = watching(system, "kept.over.>", "--since", "1h", "--raw", "--count", "2")
    system.kite("pub", "kept.over.b", '"after"')
    assert finished(watch) == ["before", "after"]


def test_json_lines_are_what_was_sent(system: System) -> None:
    watch = watching(system, "exact.>", "--count", "1", "--json")
    system.kite("pub", "exact.a", '{"big": 1e400,\n "precise": 0.1000000000000000000001}')
    (line,) = finished(watch)
    assert '"data":{"big": 1e400,  "precise": 0.1000000000000000000001}' in line
    assert json.loads(line)["source"] == "operator"


def test_a_member_of_a_queue_group_shares(system: System) -> None:
    members = [watching(system, "work.>", "--queue", "q", "--raw") for _ in range(2)]
    done = system.kite("--json", "pub", "work.a", "--count", "20", "{{Count}}", "--template")
    assert json.loads(done.out)["delivered"] == 20, "each goes to one of them"
    got = []
    for member in members:
        member.send_signal(signal.SIGINT)
        got += finished(member)
    assert sorted(map(int, got)) == list(range(1, 21))


def test_rates_are_lines_where_there_is_no_terminal(system: System) -> None:
    watch = watching(system, "fast.>", "--rate", "--json")
    system.kite("pub", "fast.a", '"x"', "--count", "50")
    assert '"events": 50' in until(watch.stdout, '"events": 50')
    watch.send_signal(signal.SIGINT)
    total = json.loads(finished(watch)[-1])
    assert (total["total"], total["events"], total["missed"]) == (True, 50, 0)
    plain = system.kite("events", "kept.>", "--since", "5m", "--no-follow", "--rate")
    assert " events/s, " in plain.out


def test_what_contradicts_itself_is_refused(system: System) -> None:
    for words in (
        ("events", "--no-follow"),
        ("events", "--since", "1s", "--queue", "q"),
        ("events", "--raw", "--template", "x"),
        ("events", "--rate", "--headers"),
        ("events", "--since", "yesterday"),
        ("events", "--template", "{{nobody}}"),
        ("pub", "a.b", "--rate", "1", "--sleep", "1s"),
        ("pub", "a.b", "--lines", "--count", "2"),
        ("pub", "a.b", "1", "--lines"),
        ("pub", "a.b", "--sleep", "0"),
        ("pub", "a.b", "-H", "x"),
        ("request", "a.b", "--replies", "x"),
    ):
        assert "--help" in system.kite(*words, status=2).err or words[-1] == "{{nobody}}"


# -- request --------------------------------------------------------------------------------------


def test_several_requests_with_their_times(system: System) -> None:
    words = ("greet", '{"to": "{{Count}}"}', "--template", "--count", "3")
    done = system.kite("request", *words)
    lines = done.out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["greeter"] * 3
    assert all(f'"hello, {n}"' in line for n, line in enumerate(lines, start=1))
    assert done.err.startswith("replies: 3; fastest ")
    found = [json.loads(line) for line in system.kite("--json", "request", *words).out.splitlines()]
    assert [each["data"]["text"] for each in found] == ["hello, 1", "hello, 2", "hello, 3"]
    assert all(each["seconds"] > 0 for each in found)


def test_headers_travel_and_raw_is_one_line(system: System) -> None:
    done = system.kite("request", "greet", '{"to": "you"}', "-H", "traceparent=00-1", "--raw")
    found = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert found["headers"]["traceparent"] == "00-1"
    assert "kite-deadline" in found["headers"]


def test_several_replies(system: System) -> None:
    two = system.kite("request", "vote", "--replies", "2", "--raw")
    assert two.out.split() == ["yes", "no"]
    everything = system.kite("request", "vote", "--replies", "all", "--timeout", "0.5", "--json")
    assert [json.loads(line)["data"] for line in everything.out.splitlines()] == ["yes", "no"]
    few = system.kite("request", "vote", "--replies", "3", "--timeout", "0.5", status=4)
    assert few.out.count("\n") == 2
    assert "answers to 'vote' within 0.5 s: 2 of 3" in few.err


def test_a_responder_that_leaves_is_told_at_once(system: System) -> None:
    done = system.kite("request", "leave", "--timeout", "60", status=1)
    assert "has left without answering" in done.err
    assert done.seconds < 30
    system.wait_answer("greet", {"to": "you"})


def test_wrong_places_never_reach_the_hub(system: System, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b'"\xff"')
    with (tmp_path / "data").open("rb") as file:
        done = subprocess.run(
            [*system._command, "pub", "a.b", "-"],
            cwd=system.project,
            env=system.environ,
            stdin=file,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert done.returncode == 2
    assert "no UTF-8" in done.stderr


# -- a reader that does not keep up ---------------------------------------------------------------


def test_a_watcher_that_is_stuck_holds_nobody_and_what_it_missed_is_told(system: System) -> None:
    total, filler = 40_000, "x" * 400
    watch = watching(system, "stuck.>", "--template", "{{data.n}}")
    assert watch.stdout
    assert watch.stderr
    os.kill(watch.pid, signal.SIGSTOP)
    data = f'{{"n": {{{{Count}}}}, "filler": "{filler}"}}'
    done = system.kite("--json", "pub", "stuck.a", data, "--template", "--count", str(total))
    assert json.loads(done.out)["published"] == total, "nobody was held"
    os.kill(watch.pid, signal.SIGCONT)
    shown: list[int] = []
    while not shown or shown[-1] < total:
        shown.append(int(watch.stdout.readline()))
    watch.send_signal(signal.SIGINT)
    _out, err = watch.communicate(timeout=PATIENCE)
    told = [int(line.rpartition(" ")[2]) for line in err.splitlines() if "left out" in line]
    assert shown == sorted(set(shown)), "in order, and none twice"
    assert sum(told) > 0
    assert len(shown) + sum(told) == total
