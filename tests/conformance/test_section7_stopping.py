"""Section 7, stopping one module and stopping everything."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .running import BARE_PYTHON, alive

STUBBORN = "from stranger import ignore_sigterm\nignore_sigterm()\n"
"""A module that does not go for a SIGTERM."""

DEAF = (
    STUBBORN
    + "import time\nme.boot().connect().subscribe().ready()\nwhile True:\n    time.sleep(1000)\n"
)
"""It hears nothing: neither module.shutdown, nor the end of standard input, nor SIGTERM."""

MUTE = (
    "import os, time\nme.acknowledges = False\nme.boot().connect().subscribe().ready()\n"
    "while True:\n"
    "    try: me.handle(me.hub.receive(1000))\n"
    "    except raw.Closed: time.sleep(1000)\n"
)
"""It goes for a SIGTERM and acknowledges nothing."""


def late(estimate):
    """A module that acknowledges and is never ready; goes for no SIGTERM."""
    return (
        f"{STUBBORN}import time\nme.boot().connect().subscribe().ready()\n"
        "me.hub.expect(1000, event='module.shutdown', data=lambda d: d['module_id'] == me.name)\n"
        f"me.hub.publish('module.shutdown.ack', me.about(estimated_cleanup={estimate}))\n"
        "time.sleep(1000)\n"
    )


@pytest.fixture(scope="module")
def running(shared_kite):
    kite = shared_kite
    kite.configure(max_failed_modules=0)
    kite.module("polite")
    kite.module("leaving", "me.leaves_by_itself = True\nme.join().serve()\n")
    kite.module("ready_but_stays", STUBBORN + "import time\nme.join().serve()\ntime.sleep(1000)\n")
    kite.module("mute", MUTE)
    kite.module("overdue", late(0.5))
    kite.module("boastful", late(1000), stop={"timeout": 1})
    kite.module(
        "interrupted",
        "import signal, time\ndef on(*_):\n    me.note('interrupted')\n    sys.exit(0)\nsignal.signal(signal.SIGINT, on)\nme.join().serve()\ntime.sleep(1000)\n",
        stop={"signal": "SIGINT"},
    )
    loner = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: {does})\nprint('up', flush=True)\nwhile True: time.sleep(1000)\n"
    for name, does, keys in (
        ("loner", "sys.exit(0)", {}),
        ("stiff_loner", "None", {"stop": {"timeout": 0.7}}),
    ):
        folder = kite.project / "modules" / name
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(loner.format(does=does))
        kite.module(name, None, command=[*BARE_PYTHON, "main.py"], ready={"log": "up"}, **keys)
    kite.module("crowd", STUBBORN + "me.obey().join().serve()\n")
    kite.module("never", "import time\ntime.sleep(1000)\n", state="manual", launch={"timeout": 300})
    kite.module("held_up", state="manual", depends_on={"never": "ready"})
    kite.module(
        "crasher", "sys.exit(1)\n", state="manual", restart={"max": 50, "backoff": {"initial": 30}}
    )
    kite.up("--wait")
    return kite


def stop(kite, name, reason=None):
    """Stop it and wait: seconds that it took, and the record."""
    started = time.monotonic()
    answer = kite.post(f"{name}/stop?wait=1", {"reason": reason} if reason else {})
    assert answer.status == 200, answer
    return time.monotonic() - started, answer.json()


def pid_of(kite, name):
    return kite.wait_state(name, "running")["pid"]


def test_the_whole_conversation(running):
    """`module.shutdown` → `module.shutdown.ack` → `module.shutdown.ready` → it is ended."""
    hub = running.hub()
    hub.subscribe("module.>")
    pid = pid_of(running, "polite")
    seconds, record = stop(running, "polite")
    about = {"data": lambda data: data["module_id"] == "polite"}
    stopping = hub.expect(event="module.stopping", **about)
    asked = hub.expect(event="module.shutdown", **about)
    ack = hub.expect(event="module.shutdown.ack", **about)
    hub.expect(event="module.shutdown.ready", **about)
    stopped = hub.expect(event="module.stopped", **about)
    hub.close()
    assert asked["source"] == "launcher"
    assert asked["data"]["life"] == 1
    assert asked["data"]["reason"] == "stop_requested"
    assert asked["data"]["timeout"] == 10
    assert ack["source"] == "polite"
    assert stopping["data"]["life"] == stopped["data"]["life"] == 1
    assert "exit_code" in stopped["data"] or "signal" in stopped["data"]
    assert seconds < 2.5
    assert record["actual_state"] == "stopped"
    assert record["desired_state"] == "stopped"
    assert record["pid"] is None
    assert not alive(pid)


def test_standard_input_is_closed(running):
    """Ending: standard input closed, stop signal (SIGTERM) to the group."""
    if running.record("polite")["actual_state"] != "running":
        running.post("polite/start?wait=1")
    stop(running, "polite")
    running.wait(lambda: running.facts("polite", "shutdown_ready"), 1)


def test_it_may_leave_by_itself(running):
    """A module that exits by itself after its own shutdown is cleanly stopped."""
    pid_of(running, "leaving")
    _, record = stop(running, "leaving")
    assert record["exit_code"] == 0
    step = running.wait_step("leaving", "stopped")
    assert step["reason"] == "stop_requested"
    assert not running.steps("leaving", "restarting")


def test_after_ready_sigkill_comes_one_second_later(running):
    """SIGKILL to the whole tree 1 s later after ready."""
    pid = pid_of(running, "ready_but_stays")
    seconds, record = stop(running, "ready_but_stays")
    assert 0.9 < seconds < 2.5
    assert not alive(pid)
    assert record["signal"] in (9, "SIGKILL")


def test_without_an_ack_the_signal_comes_after_three_seconds(running):
    """`module.shutdown.ack` within 3 s; else the signal."""
    pid_of(running, "mute")
    seconds, record = stop(running, "mute")
    assert 2.8 < seconds < 4.5
    assert record["signal"] in (15, "SIGTERM")


def test_late_cleanup(running):
    """When cleanup is late the signal comes at the estimate's end, SIGKILL 3 s later."""
    pid_of(running, "overdue")
    seconds, record = stop(running, "overdue")
    assert 3.3 < seconds < 5
    assert record["signal"] in (9, "SIGKILL")


def test_stop_timeout_bounds_the_estimate(running):
    """`stop.timeout` bounds the estimate and stands in `module.shutdown`."""
    pid_of(running, "boastful")
    hub = running.hub()
    hub.subscribe("module.shutdown")
    seconds, _ = stop(running, "boastful")
    assert hub.expect(event="module.shutdown")["data"]["timeout"] == 1
    hub.close()
    assert 3.8 < seconds < 5.5


@pytest.mark.slow
def test_without_an_ack_sigkill_comes_five_seconds_after_the_signal(running):
    """SIGKILL to the whole tree 5 s later when there was no ack."""
    running.module("deaf", DEAF)
    running.call("POST", "/launcher/rescan")
    pid = pid_of(running, "deaf")
    seconds, _ = stop(running, "deaf")
    assert 7.5 < seconds < 10
    assert not alive(pid)


def test_the_stop_signal_is_the_manifests(running):
    """`stop.signal`: that signal."""
    pid_of(running, "interrupted")
    stop(running, "interrupted")
    assert running.facts("interrupted", "interrupted")


def test_without_a_hub_connection_the_signal_comes_at_once(running):
    """A module without a Hub connection gets the signal at once."""
    pid_of(running, "loner")
    seconds, record = stop(running, "loner")
    assert seconds < 1
    assert record["exit_code"] == 0


def test_without_a_hub_connection_sigkill_comes_after_stop_timeout(running):
    """… and SIGKILL `stop.timeout` later."""
    pid_of(running, "stiff_loner")
    seconds, record = stop(running, "stiff_loner")
    assert 0.6 < seconds < 2
    assert record["signal"] in (9, "SIGKILL")


def test_nothing_of_the_tree_is_left(running):
    """Stop is done when nothing of the module's tree is left, in whatever session."""
    pid_of(running, "crowd")
    children = [running.order("crowd", fork=1000)["child"] for _ in range(3)]
    children.append(running.order("crowd", fork=1000, own_session=True)["child"])
    assert all(alive(child) for child in children)
    stop(running, "crowd")
    assert not any(alive(child) for child in children)


def test_a_module_without_a_process_is_stopped_at_once(running):
    """One without a process is stopped at once: waiting, or backing off."""
    running.post("never/start")
    running.post("held_up/start")
    running.wait_state("held_up", "waiting")
    seconds, _ = stop(running, "held_up")
    assert seconds < 0.5
    running.post("crasher/start")
    running.wait_state("crasher", "backing_off")
    seconds, record = stop(running, "crasher")
    assert seconds < 0.5
    assert record["next_try"] is None
    stop(running, "never")


def test_a_starting_module_may_be_stopped(running):
    """A stop while it starts ends it; that is no failure."""
    running.post("never/start")
    running.wait_state("never", "starting")
    seconds, record = stop(running, "never")
    assert record["actual_state"] == "stopped"
    assert seconds < 2
    assert not running.steps("never", "failed")


# ---------------------------------------------------------------------------- stopping everything


def gone(kite, timeout=16):
    kite.wait(lambda: not kite.census(), timeout, "everything is gone")


def test_reverse_dependency_order(kite):
    """Stopping everything: reverse dependency order; reason `system_shutdown`; a share for each layer."""
    kite.module("base")
    kite.module("middle", depends_on=["base"])
    kite.module("top", depends_on=["middle"])
    kite.up("--wait")
    kite.down()
    steps = [(step["module"], step["event"]) for step in kite.steps()]
    assert steps.index(("top", "exited")) < steps.index(("middle", "stopping"))
    assert steps.index(("middle", "exited")) < steps.index(("base", "stopping"))
    asked = {
        name: kite.facts(name, "shutdown_asked")[0]["data"] for name in ("top", "middle", "base")
    }
    assert {data["reason"] for data in asked.values()} == {"system_shutdown"}
    assert asked["top"]["timeout"] == pytest.approx(10 / 3, abs=0.4)
    assert asked["base"]["timeout"] > 8, "the time left divided by the layers left"


@pytest.mark.slow
def test_it_is_gone_within_15_seconds_whatever_happens(kite):
    """The Launcher is gone within 15 s whatever happens."""
    kite.module("base", DEAF)
    kite.module("middle", DEAF, depends_on=["base"])
    kite.module("top", DEAF, depends_on=["middle"])
    kite.up("--wait")
    started = time.monotonic()
    kite.down()
    assert time.monotonic() - started < 15
    assert not kite.census()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_foreground(kite, how):
    """Asked for by Ctrl-C, SIGTERM; status 0."""
    kite.module("plain")
    process = kite.start_foreground()
    kite.wait(lambda: kite.steps("plain", "started"), 10)
    kite.remember_ports()
    process.send_signal(how)
    assert process.wait(15) == 0
    assert kite.steps("plain", "stopped")[-1]["reason"] == "system_shutdown"
    gone(kite, 2)


def ctrl_c(process):
    """What a terminal does: the signal goes to the whole foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


def test_ctrl_c(kite):
    """Asked for by Ctrl-C: once, though everybody of the group has heard it; status 0."""
    kite.module("plain")
    process = kite.start_foreground()
    kite.wait(lambda: kite.steps("plain", "started"), 10)
    kite.remember_ports()
    ctrl_c(process)
    assert process.wait(15) == 0
    assert kite.facts("plain", "shutdown_ready")
    gone(kite, 2)


def test_a_second_ctrl_c_skips_the_waiting(kite):
    """A second Ctrl-C skips the waiting."""
    kite.module("deaf", DEAF)
    process = kite.start_foreground()
    kite.wait(lambda: kite.steps("deaf", "started"), 10)
    kite.remember_ports()
    ctrl_c(process)
    kite.wait_step("deaf", "stopping")
    time.sleep(0.5)  # a person's second press, not an echo of the first
    started = time.monotonic()
    ctrl_c(process)
    process.wait(15)
    assert time.monotonic() - started < 3
    gone(kite, 2)


def test_modules_live_in_sessions_of_their_own(kite):
    """A Ctrl-C at the terminal reaches the Launcher alone: modules are asked, not interrupted."""
    kite.module("plain", "me.cleanup = 0.3\nme.estimated_cleanup = 1\nme.join().serve()\n")
    process = kite.start_foreground()
    kite.wait(lambda: kite.steps("plain", "started"), 10)
    kite.remember_ports()
    ctrl_c(process)
    assert process.wait(15) == 0
    assert kite.facts("plain", "shutdown_ready")
