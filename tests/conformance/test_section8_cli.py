"""Section 8, the command line: statuses, `--json`, which stream says what."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time

import pytest
import yaml

from .running import kite_command
from .shapes import fits

COUNT = "import time\nn = 0\nprint('hello from counter', flush=True)\nme.obey().join().serve()\n"
ANSWER = (
    "def answer(event):\n"
    "    data = event['data']\n"
    "    if data == 'silence':\n        return\n"
    "    me.hub.publish(event['reply_to'], {'got': data})\n"
    "me.on('calc.add', answer).join().serve()\n"
)


@pytest.fixture(scope="module")
def running(shared_kite):
    kite = shared_kite
    kite.configure(max_failed_modules=0)
    kite.module("counter", COUNT)
    kite.module("calc", ANSWER)
    kite.module("hand", state="manual")
    kite.module("off", state="disabled")
    kite.module("dying", "sys.exit(3)\n", state="manual", restart={"max": 1, "retry": False})
    kite.module("tidy", "me.cleanup = 1\nme.estimated_cleanup = 2\nme.join().serve()\n")
    kite.up("--wait")
    return kite


def stream(kite, *words):
    """A command that goes on: the Popen, lines on its standard output."""
    return subprocess.Popen(
        [*kite_command(), *words],
        cwd=kite.project,
        env=kite.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def read_some(process, seconds=0.05):
    """What a stream has said by now."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        return ""
    return os.read(process.stdout.fileno(), 1 << 20).decode()


def ended(process):
    """End a stream as Ctrl-C does; what it still said, on both streams."""
    process.send_signal(signal.SIGINT)
    try:
        out, errors = process.communicate(timeout=5)
    finally:
        process.kill()
    return out.decode(), errors.decode()


def refused(done, status):
    """A message on standard error, nothing on standard output, no traceback."""
    assert done.returncode == status, done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not done.stdout.strip(), done.stdout


# ----------------------------------------------------------------------------------- not running


@pytest.mark.parametrize(
    "words",
    [
        ("ps",), ("ps", "--json"), ("start", "x"), ("stop", "x"), ("restart", "x"), ("rescan",),
        ("events",), ("pub", "a.b"), ("request", "a.b"), ("registry", "get", "event_hub"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_not_running_is_3(kite, words):
    """Exit status 3: not running."""
    refused(kite.run(*words), 3)


def test_down_when_nothing_runs(kite):
    """Status 3, or 0 as there is nothing to end; never a traceback."""
    done = kite.run("down")
    assert done.returncode in (0, 3), done
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [("dance",), ("ps", "--colour"), ("start",), ("up", "x", "y"), ("pub",), ("pub", "a b", "1"), ("pub", "a.b", "{"), ("-C", "/does/not/exist", "ps"), ("new", "Bad Name")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_2(running, words):
    """Exit status 2: wrong use or configuration."""
    done = running.run(*words)
    assert done.returncode == 2, done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------- what is there


def test_up_detached_returns_when_the_api_answers(kite):
    """`up -d` returns when the API answers, not when the modules are ready."""
    kite.module("slow", "import time\ntime.sleep(1000)\n", launch={"timeout": 300})
    kite.up()
    assert kite.call("GET", "/launcher").status == 200
    assert kite.record("slow")["actual_state"] in ("stopped", "waiting", "starting")


def test_up_wait_names_what_is_not_ready(kite):
    """With `--wait`: as soon as each of the others is failed or waits for one that is: named (4)."""
    kite.configure(max_failed_modules=0)
    kite.module("fine")
    kite.module("bad_one", "sys.exit(3)\n", restart={"max": 1, "retry": False})
    kite.module("behind_it", depends_on=["bad_one"])
    kite.module("job", "sys.exit(0)\n")
    kite.module("after_job", depends_on={"job": "completed"})
    started = time.monotonic()
    done = kite.up("--wait", status=4)
    assert time.monotonic() - started < 10
    assert "bad_one" in done.stderr
    assert "behind_it" in done.stderr
    assert "after_job" not in done.stderr
    assert kite.record("fine")["actual_state"] == "running"


def test_up_with_a_second_kite_is_5(running):
    """Exit status 5: already running."""
    refused(running.run("up", "-d"), 5)


def test_ps(running):
    """Data on standard output; `--json` gives one document for a list."""
    done = running.run("ps")
    assert done.returncode == 0
    for name in ("launcher", "registry", "event_hub", "counter", "hand", "off"):
        assert re.search(rf"\b{name}\b", done.stdout), name
    assert "\x1b[" not in done.stdout
    fits("module-records", json.loads(running.run("ps", "--json").stdout))


def test_a_broken_manifest_stands_in_ps(running):
    """A broken manifest is listed with its error."""
    folder = running.module("damaged", None, manifest="---\nname: damaged\ncommand: [\n---\n")
    running.run("rescan")
    assert "damaged" in running.run("ps").stdout
    (folder / "module.md").unlink()
    assert running.run("rescan").returncode == 0


# ------------------------------------------------------------------------------------------ verbs


def test_start_stop_restart_wait(running):
    """Verbs on modules wait unless told not to."""
    assert running.run("start", "hand").returncode == 0
    assert running.record("hand")["actual_state"] == "running"
    assert running.run("restart", "hand").returncode == 0
    assert running.record("hand")["life"] == 2
    assert running.run("stop", "hand").returncode == 0
    assert running.record("hand")["actual_state"] == "stopped"


def test_enable_and_disable(running):
    """`enable|disable NAME` writes where it takes effect."""
    assert running.run("disable", "hand").returncode == 0
    manifest = running.project / "modules" / "hand" / "module.md"
    assert yaml.safe_load(manifest.read_text().split("---")[1])["state"] == "disabled"
    assert running.run("enable", "hand").returncode == 0
    running.wait_state("hand", "running")
    assert yaml.safe_load(manifest.read_text().split("---")[1])["state"] == "enabled"


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "enable", "disable"])
def test_an_unknown_module(running, verb):
    """An unknown name is an error that names it."""
    done = running.run(verb, "nobody")
    assert done.returncode in (1, 2), done
    assert "nobody" in done.stderr


def test_what_is_not_permitted_is_6(running):
    """Exit status 6: not permitted."""
    refused(running.run("stop", "registry"), 6)
    refused(running.run("disable", "event_hub"), 6)
    refused(running.run("pub", "module.ready", "{}"), 6)


def test_a_start_that_fails_is_1(running):
    """Exit status 1: failed."""
    done = running.run("start", "dying")
    assert done.returncode in (1, 4), done
    assert "dying" in done.stderr


def test_rescan(running):
    """`rescan` says what it found; `--json` gives one document."""
    running.module("newcomer")
    told = json.loads(running.run("rescan", "--json").stdout)
    assert fits("rescan", told)["added"] == ["newcomer"]
    running.wait_state("newcomer", "running")


# ------------------------------------------------------------------------------------------- events


def test_events_stream(running):
    """`events [PATTERN]`: one object per line for a stream."""
    process = stream(running, "events", "cli.>", "--json")
    hub = running.hub()

    def said():
        hub.publish("cli.tick", {"n": 1})
        hub.publish("other.tick", {"n": 2})
        return read_some(process)

    first = running.wait(said, 10)
    hub.close()
    rest, errors = ended(process)
    lines = [json.loads(each) for each in (first + rest).splitlines()]
    assert {each["event"] for each in lines} == {"cli.tick"}
    assert lines[0]["source"] == "operator"
    assert lines[0]["data"] == {"n": 1}
    assert "Traceback" not in errors


def test_pub(running):
    """`pub SUBJECT [JSON]`."""
    hub = running.hub()
    hub.subscribe("cli.said")
    assert running.run("pub", "cli.said", '{"a": [1, "ä"]}').returncode == 0
    event = hub.expect(event="cli.said")
    assert event["data"] == {"a": [1, "ä"]}
    assert event["source"] == "operator"
    assert running.run("pub", "cli.said").returncode == 0
    hub.expect(event="cli.said")
    hub.close()


def test_request(running):
    """`request SUBJECT [JSON]`: the answer's data on standard output."""
    done = running.run("request", "calc.add", "[1, 2]")
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {"got": [1, 2]}
    done = running.run("request", "nobody.there")
    assert done.returncode == 1, done
    assert not done.stdout.strip()


def test_registry_get(running):
    """`registry get PATH`: the JSON value itself."""
    done = running.run("registry", "get", "event_hub.metadata.ws_endpoint")
    assert done.returncode == 0
    assert running.api["ws_endpoint"] in done.stdout
    done = running.run("registry", "get", "--json", "event_hub.metadata.ws_endpoint")
    assert json.loads(done.stdout) == running.api["ws_endpoint"]
    assert running.run("registry", "get", "no.such.path").returncode == 1


# --------------------------------------------------------------------------------------------- logs


def test_logs(running):
    """`logs`: what modules said, prefixed by name; also without a running Kite."""
    running.wait(lambda: "hello from counter" in running.log("counter"), 3)
    done = running.run("logs", "counter")
    assert done.returncode == 0
    assert "hello from counter" in done.stdout
    assert "hello from counter" in running.run("logs").stdout


def test_logs_json(running):
    """`logs --json`: one object per line."""
    lines = running.run("logs", "counter", "--json").stdout.splitlines()
    texts = [json.loads(line) for line in lines]
    assert any("hello from counter" in json.dumps(each) for each in texts)


def test_logs_follow(running):
    """`logs -f` shows what comes."""
    process = stream(running, "logs", "-f", "counter")
    seen = []

    def followed():
        running.order("counter", say="spoken while followed\n")
        seen.append(read_some(process))
        return "spoken while followed" in "".join(seen)

    running.wait(followed, 10)
    ended(process)


# --------------------------------------------------------------------------------------- new, check


@pytest.mark.parametrize("runtime", ["python", "binary"])
def test_new_writes_a_module_that_runs(kite, runtime):
    """`new NAME`: writes a module that runs."""
    done = kite.run("new", "brand_new", "--runtime", runtime)
    assert done.returncode == 0, done
    assert (kite.project / "modules" / "brand_new" / "module.md").exists()
    assert kite.run("check").returncode == 0
    kite.up("--wait")
    assert kite.record("brand_new")["actual_state"] == "running"
    assert kite.run("new", "brand_new").returncode in (1, 2), "it is there already"


def test_check_leaves_with_2(kite):
    """`kite check` leaves with 2 when any manifest is wrong, and prints every mistake with its line."""
    kite.module("right")
    assert kite.run("check").returncode == 0
    kite.module(
        "wrong",
        None,
        manifest="---\nname: wrong\ncommand: [./x]\nstat: manual\nlaunch: {timeout: soon}\n---\n",
    )
    kite.module("lonely", depends_on=["nobody"])
    done = kite.run("check")
    assert done.returncode == 2
    told = done.stdout + done.stderr
    assert re.search(r"wrong/module\.md:4\b", told)
    assert re.search(r"wrong/module\.md:5\b", told)
    assert re.search(r"lonely/module\.md:\d", told)
    assert "nobody" in told


def test_doctor(kite):
    """`doctor` answers whether something runs or not."""
    done = kite.run("doctor")
    assert done.returncode in (0, 1)
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


# ----------------------------------------------------------------------------------------- languages


@pytest.mark.parametrize(("setting", "chinese"), [({"LANG": "zh_CN.UTF-8"}, True), ({"LANG": "de_DE.UTF-8"}, False), ({"KITE_LANG": "zh"}, True), ({"LANG": "zh_CN.UTF-8", "KITE_LANG": "en"}, False)])  # fmt: skip
def test_messages_come_in_two_languages(kite, setting, chinese):
    """Messages come in English and Simplified Chinese, by locale."""
    done = kite.run("ps", environ=setting)
    assert done.returncode == 3
    assert bool(re.search("[\u4e00-\u9fff]", done.stderr)) == chinese, done.stderr


# ---------------------------------------------------------------------------------------- foreground


def test_the_foreground_shows_the_modules_output(kite):
    """In the foreground: progress, then the modules' output lines prefixed by name and their life."""
    kite.module("talker", "print('spoken in the foreground', flush=True)\nme.join().serve()\n")
    process = kite.start_foreground()
    kite.wait(lambda: kite.steps("talker", "started"), 10)
    kite.remember_ports()
    token = kite.api["token"]
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=15)
    text = out.decode() + errors.decode()
    assert re.search(r"talker.*spoken in the foreground", text)
    assert token not in text


def test_quiet_hides_output(kite):
    """`--quiet` hides output."""
    kite.module("talker", "print('spoken in the foreground', flush=True)\nme.join().serve()\n")
    process = kite.start_foreground("--quiet")
    kite.wait(lambda: kite.steps("talker", "started"), 10)
    kite.remember_ports()
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=15)
    assert b"spoken in the foreground" not in out + errors


def test_verbose_adds_every_event_and_the_settings(kite):
    """`-v` adds every event, and at the start the `KITE_` settings, pid, interpreter; nothing secret."""
    kite.module("talker", "me.join()\nme.hub.publish('talker.word', 5)\nme.serve()\n")
    process = kite.start_foreground("-v")
    kite.wait(lambda: kite.steps("talker", "started"), 10)
    kite.remember_ports()
    token = kite.api["token"]
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=15)
    text = out.decode() + errors.decode()
    assert "talker.word" in text
    assert "KITE_WORKSPACE" in text
    assert token not in text
    assert not re.search(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text)
