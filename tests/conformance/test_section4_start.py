"""Section 4, starting up: phases, ports, what is fatal, concurrency, and the three states."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from . import raw
from .doctored import faulty, order
from .running import alive, is_listening
from .shapes import fits, refusal


def stamp(step):
    """The seconds of the day of a step."""
    clock = step["ts"][11:].rstrip("Z")
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


SLEEPY = "import time\nme.boot().connect().subscribe()\ntime.sleep({seconds})\nme.obey()\nme.subscribe().ready().serve()\n"


# ------------------------------------------------------------------------------- a normal start


@pytest.fixture(scope="module")
def running(shared_kite):
    kite = shared_kite
    kite.module("base")
    kite.module("middle", depends_on=["base"])
    kite.module("top", depends_on=["middle"])
    kite.module("hand", state="manual")
    kite.up("--wait")
    return kite


def test_the_launcher_registers_itself(running):
    """The Launcher registers itself (`launcher`, `api_endpoint`)."""
    told = running.registry("GET", "/get/launcher.api_endpoint").json()
    assert told.rstrip("/") == running.api["url"]


def test_the_hub_registers_itself(running):
    """The Event Hub registers itself, endpoint under `metadata.ws_endpoint`."""
    told = running.registry("GET", "/get/event_hub.metadata.ws_endpoint").json()
    assert told == running.api["ws_endpoint"]


def test_everything_is_on_the_loopback_interface(running):
    """Every port is on 127.0.0.1."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(path).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and port in running._ports:
                assert fields[1].startswith("0100007F:"), line


def test_core_modules_are_among_the_modules(running):
    """Core modules start first and are listed, `running`."""
    records = running.records()
    for name in ("launcher", "registry", "event_hub"):
        assert records[name]["actual_state"] == "running"
        assert records[name]["config_state"] == "enabled"
        assert alive(records[name]["pid"])


def test_each_start_is_told(running):
    """Each: `module.starting`, process, ready, `module.started`."""
    hub = running.hub()
    hub.subscribe("module.>")
    assert running.post("hand/start?wait=1").status == 200
    starting = hub.expect(event="module.starting", data=lambda d: d["module_id"] == "hand")
    ready = hub.expect(event="module.ready", data=lambda d: d["module_id"] == "hand")
    started = hub.expect(event="module.started", data=lambda d: d["module_id"] == "hand")
    assert starting["source"] == started["source"] == "launcher"
    assert starting["data"]["life"] == started["data"]["life"] == 1
    assert ready["source"] == "hand"
    hub.close()


def test_dependency_order(running):
    """The rest start in dependency order."""
    steps = [(step["module"], step["event"]) for step in running.steps()]
    assert steps.index(("base", "started")) < steps.index(("middle", "starting"))
    assert steps.index(("middle", "started")) < steps.index(("top", "starting"))


def test_steps_carry_pids_and_lives(running):
    """`started` (pid)."""
    step = running.steps("base", "started")[0]
    record = running.record("base")
    assert step["pid"] == record["pid"]
    assert record["life"] == 1


def test_ready_endpoint_of_the_launcher(running):
    """`GET /launcher/settled?wait=S` answers when everything is settled."""
    answer = running.call("GET", "/launcher/settled?wait=5")
    told = fits("settled", answer.json())
    assert told["settled"]
    assert told["ready"]
    assert told["unready"] == []


# ---------------------------------------------------------------------------------- concurrency


def test_independent_modules_start_at_the_same_time(kite):
    """Modules that do not wait for each other start at the same time."""
    for number in range(4):
        kite.module(f"m{number}", SLEEPY.format(seconds=0.7))
    kite.up("--wait")
    starts = [stamp(kite.steps(f"m{n}", "starting")[0]) for n in range(4)]
    ends = [stamp(kite.steps(f"m{n}", "started")[0]) for n in range(4)]
    assert max(starts) < min(ends)


def test_start_concurrency(kite):
    """At most `start_concurrency` between process and ready at once."""
    kite.configure(start_concurrency=2)
    for number in range(5):
        kite.module(f"m{number}", SLEEPY.format(seconds=0.3))
    kite.up("--wait")
    moments = []
    for number in range(5):
        moments.append((stamp(kite.steps(f"m{number}", "starting")[0]), 1))
        moments.append((stamp(kite.steps(f"m{number}", "started")[0]), -1))
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    assert most == 2


# -------------------------------------------------------------------------------- what is fatal


@pytest.mark.parametrize("core", ["registry", "event_hub"])
def test_a_core_module_without_a_manifest_is_status_2(kite, tmp_path, core):
    """The core modules are checked (folder, readable `module.md`): else status 2."""
    faulty(kite, tmp_path, remove=[f"{core}/module.md"])
    done = kite.up(status=2)
    assert core in done.stderr


@pytest.mark.parametrize("core", ["registry", "event_hub"])
def test_a_core_module_that_exits_at_the_first_start_is_status_4(kite, tmp_path, core):
    """An exit before the line is printed counts as missing the 6 s: fatal, status 4, all is ended."""
    faulty(kite, tmp_path, core)
    order(kite, "die", core)
    started = time.monotonic()
    done = kite.up("--wait", status=4)
    assert core in done.stderr
    assert time.monotonic() - started < 8
    assert not kite.api_file.exists()
    assert not kite.census()


@pytest.mark.slow
@pytest.mark.parametrize("core", ["registry", "event_hub"])
def test_a_core_module_that_says_nothing_is_status_4(kite, tmp_path, core):
    """Missing the 6 s at the first start is fatal: status 4."""
    faulty(kite, tmp_path, core)
    order(kite, "stall", core)
    started = time.monotonic()
    kite.up("--wait", status=4)
    assert 5 < time.monotonic() - started < 12
    assert not kite.census()


@pytest.mark.slow
def test_a_hub_that_is_never_ready_is_status_4(kite, tmp_path):
    """At the first start, missing the 15 s of the Event Hub is fatal: status 4."""
    fault = (
        "import json, socket, time\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "print(json.dumps({'kite': 'ws_endpoint', 'ws_endpoint': f'ws://127.0.0.1:{s.getsockname()[1]}/ws'}), flush=True)\n"
        "time.sleep(1000)\n"
    )
    faulty(kite, tmp_path, "event_hub", before=fault)
    started = time.monotonic()
    kite.up("--wait", status=4)
    assert 14 < time.monotonic() - started < 21
    assert not kite.census()


@pytest.mark.slow
def test_a_registry_that_is_never_ready_stops_nobody(kite, tmp_path):
    """A Registry that is not ready in 12 s stays `starting` with an error; phase 4 begins all the same."""
    fault = (
        "import kite.sdk.connection as c\n"
        "async def nobody(*a, **k):\n"
        "    from kite.errors import Unavailable\n"
        "    raise Unavailable('not_ready', what='the hub')\n"
        "c.HubConnection.open = nobody\n"
    )
    faulty(kite, tmp_path, "registry", before=fault)
    kite.module("other")
    kite.up()
    assert kite.record("registry")["actual_state"] == "starting"
    kite.wait_state("other", "running", timeout=20)
    record = kite.record("registry")
    assert record["actual_state"] == "starting"
    assert record["error"]


# ---------------------------------------------------------------------------------- the phases


def test_the_api_answers_from_the_registry_on(kite, tmp_path):
    """The Launcher's API answers in every phase; a stop request is honoured within 0.5 s."""
    faulty(kite, tmp_path, "event_hub")
    order(kite, "stall", "event_hub")
    kite.module("later")
    kite.start_foreground()
    kite.wait(kite.api_file.exists, 6)
    kite.remember_ports()

    def answered():
        try:
            answer = kite.call("GET", "/launcher")
        except OSError:
            return None
        return answer.json() if answer.status == 200 else None

    told = kite.wait(answered, 3)
    assert told["phase"] in ("registry", "event_hub")
    kite.wait(lambda: "later" in kite.records(), 3)
    assert kite.record("later")["actual_state"] in ("stopped", "waiting")
    with pytest.raises((raw.Refused, OSError, raw.Silence)):
        kite.hub(timeout=0.5)
    asked = time.monotonic()
    answer = kite.call("POST", "/launcher/shutdown")
    assert answer.status == 202

    def stopping():
        try:
            return kite.call("GET", "/launcher").json()["phase"] == "stopping"
        except (OSError, raw.Closed):
            return True

    kite.wait(stopping, 0.5)
    kite.wait(lambda: not kite.census(), 5)
    assert time.monotonic() - asked < 5


def test_a_signal_during_the_start_is_honoured(kite, tmp_path):
    """A stop request is honoured in any phase within 0.5 s: also SIGTERM before the Registry spoke."""
    faulty(kite, tmp_path, "registry")
    order(kite, "stall", "registry")
    process = kite.start_foreground()
    kite.wait(lambda: len(kite.census()) >= 2, 6)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.wait(4)
    kite.wait(lambda: not kite.census(), 2)


# ------------------------------------------------------------------------------ the three states


def test_desired_state_is_kept(kite):
    """Desired state is set by start and stop requests, kept, and not changed by the end of Kite."""
    kite.module("on")
    kite.module("hand", state="manual")
    kite.module("untouched", state="manual")
    kite.up("--wait")
    assert kite.post("on/stop?wait=1").status == 200
    assert kite.post("hand/start?wait=1").status == 200
    kite.down()
    kite.up("--wait")
    records = kite.records()
    assert (records["on"]["desired_state"], records["on"]["actual_state"]) == ("stopped", "stopped")
    assert (records["hand"]["desired_state"], records["hand"]["actual_state"]) == (
        "running",
        "running",
    )
    assert records["untouched"]["desired_state"] == "stopped"
    assert records["hand"]["config_state"] == "manual"


def test_a_config_state_changed_while_kite_was_down(kite):
    """A changed `state` acts at once (changed while Kite was down: at its next start)."""
    kite.module("up_then_off")
    kite.module("off_then_on", state="disabled")
    kite.module("stopped_then_manual")
    kite.up("--wait")
    assert kite.post("stopped_then_manual/stop?wait=1").status == 200
    kite.down()
    kite.module("up_then_off", state="disabled")
    kite.module("off_then_on", state="enabled")
    kite.module("stopped_then_manual", state="manual")
    kite.up("--wait")
    records = kite.records()
    assert records["up_then_off"]["actual_state"] == "stopped"
    assert records["up_then_off"]["desired_state"] == "stopped"
    assert records["off_then_on"]["actual_state"] == "running"
    assert records["stopped_then_manual"]["actual_state"] == "stopped"


def test_what_a_request_stopped_only_a_request_by_name_starts(kite):
    """A module that a request stopped is started only by a request that names it."""
    kite.module("base", state="manual")
    kite.module("user", depends_on=["base"])
    kite.up("--wait")
    assert kite.record("base")["actual_state"] == "running"
    assert kite.post("base/stop?wait=1").status == 200
    assert kite.record("user")["actual_state"] == "running", "dependents run on"
    kite.down()
    kite.up()
    record = kite.wait_state("user", "waiting")
    assert record["waiting_for"] == ["base"]
    assert kite.record("base")["actual_state"] == "stopped"
    refusal(kite.post("user/start?wait=1"), 409, "dependency_stopped")
    assert kite.post("base/start?wait=1").status == 200
    kite.wait_state("user", "running")


def test_crashes_and_giving_up_never_change_the_desired_state(kite):
    """Desired state is never set by crashes, giving up or the end of Kite."""
    kite.configure(max_failed_modules=0)
    kite.module("crash", "sys.exit(3)\n", restart={"max": 1, "retry": False})
    kite.up()
    kite.wait_state("crash", "failed")
    assert kite.record("crash")["desired_state"] == "running"
    kite.down()
    kite.up()
    kite.wait_step("crash", "failed", count=2)


def test_the_ports_are_closed_at_the_end(kite):
    """Kite leaves without a trace: no port, no process, no api.json."""
    kite.module("plain")
    kite.up("--wait")
    ports = set(kite._ports)
    assert all(is_listening(port) for port in ports)
    pids = [record["pid"] for record in kite.records().values() if record["pid"]]
    kite.down()
    assert not any(is_listening(port) for port in ports)
    assert not any(alive(pid) for pid in pids)
    assert not kite.api_file.exists()
    assert kite.instance_dir.is_dir()
