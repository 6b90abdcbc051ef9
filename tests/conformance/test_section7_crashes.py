"""Section 7, crashes of modules: restarts, giving up, policies, jobs; and leftovers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import pytest

from .running import alive, kill

FLAKY = (
    "import os\nme.boot()\n"
    "if os.path.exists('fail'):\n    sys.exit(3)\n"
    "me.obey().connect().subscribe().ready().serve()\n"
)


@pytest.fixture(scope="module")
def running(shared_kite):
    kite = shared_kite
    kite.configure(max_failed_modules=0)
    kite.module("plain")
    kite.module("second")
    kite.module("flaky", FLAKY, restart={"backoff": {"initial": 0.1}})
    kite.module(
        "no_retry", "sys.exit(3)\n", restart={"max": 2, "retry": False, "backoff": {"initial": 0.1}}
    )
    kite.module("one_shot", "sys.exit(3)\n", restart={"max": 1})
    for policy in ("always", "on-failure", "never"):
        for status in (0, 3):
            name = f"{policy.replace('-', '_')}_{status}"
            kite.module(
                name,
                f"import time\nme.join()\ntime.sleep(0.1)\nsys.exit({status})\n",
                restart={"policy": policy, "max": 2, "retry": False, "backoff": {"initial": 0.1}},
            )
    kite.module("good_job", "sys.exit(0)\n")
    kite.module(
        "bad_job", "sys.exit(3)\n", restart={"max": 2, "retry": False, "backoff": {"initial": 0.1}}
    )
    kite.module("after_jobs", depends_on={"good_job": "completed"})
    kite.module("after_bad", depends_on={"bad_job": "completed"})
    kite.module("slow_job", "import time\ntime.sleep(1000)\n", launch={"timeout": 0.3})
    kite.module("after_slow", depends_on={"slow_job": "completed"})
    kite.up()
    return kite


def test_the_first_failure_restarts_without_delay(running):
    """A failure restarts the module: the first in a window without delay."""
    pid = running.wait_state("plain", "running")["pid"]
    kill(pid)
    running.wait_step("plain", "started", count=2, timeout=2)
    record = running.record("plain")
    assert record["life"] == 2
    assert record["restarts"] == 1
    assert record["pid"] != pid
    exited = running.steps("plain", "exited")[0]
    assert exited["signal"] in (9, "SIGKILL")
    assert running.steps("plain", "restarting")


def test_an_exit_of_its_own_is_a_failure_too(running):
    """A failure is an exit that was not asked for, with 0 also (policy `always`)."""
    running.wait_state("second", "running")
    running.order("second", exit=0)
    running.wait_step("second", "started", count=2, timeout=3)
    assert running.steps("second", "exited")[0]["exit_code"] == 0


def test_crashes_are_told(running):
    """`module.stopped` (`exit_code` or `signal`), then `module.starting` of the next life."""
    running.wait_state("second", "running")
    hub = running.hub()
    hub.subscribe("module.>")
    life = running.record("second")["life"]
    kill(running.record("second")["pid"])
    about = {"data": lambda data: data["module_id"] == "second"}
    stopped = hub.expect(event="module.stopped", **about)
    assert stopped["data"]["life"] == life
    assert stopped["data"]["signal"] in (9, "SIGKILL")
    assert hub.expect(event="module.starting", **about)["data"]["life"] == life + 1
    hub.close()


def test_the_third_failure_gives_up(running):
    """The third failure within the window gives up: `failed`, `module.failed`, tried again later."""
    hub = running.hub()
    hub.subscribe("module.failed")
    running.wait_state("flaky", "running")
    (running.project / "modules" / "flaky" / "fail").touch()
    running.order("flaky", exit=3)
    record = running.wait_state("flaky", "failed")
    assert record["life"] == 3
    assert record["exit_code"] == 3
    assert record["next_try"]
    assert record["error"]
    assert record["desired_state"] == "running"
    told = hub.expect(event="module.failed", data=lambda data: data["module_id"] == "flaky")
    assert told["source"] == "launcher"
    assert running.wait_step("flaky", "failed")["reason"]
    hub.close()


def test_a_start_request_clears_the_count(running):
    """A start request clears the count."""
    running.wait_state("flaky", "failed")
    marker = running.project / "modules" / "flaky" / "fail"
    marker.unlink()
    assert running.post("flaky/start?wait=1").status == 200
    life = running.record("flaky")["life"]
    running.order("flaky", exit=3)
    running.wait(lambda: running.record("flaky")["life"] > life, 3)
    running.wait_state("flaky", "running")


def test_without_retry_it_stays_failed(running):
    """… tried again at growing intervals (`next_try`) unless `restart.retry: false`."""
    record = running.wait_state("no_retry", "failed")
    assert record["next_try"] is None
    assert record["life"] == 2, "restart.max failures"


def test_restart_max_one(running):
    """The `restart.max`-th failure gives up: with 1 the first."""
    record = running.wait_state("one_shot", "failed")
    assert record["life"] == 1
    assert record["next_try"]


@pytest.mark.parametrize(
    ("name", "state", "lives"),
    [
        ("always_0", "failed", 2),
        ("always_3", "failed", 2),
        ("on_failure_0", "stopped", 1),
        ("on_failure_3", "failed", 2),
        ("never_0", "stopped", 1),
        ("never_3", "failed", 1),
    ],
)
def test_restart_policies(running, name, state, lives):
    """`always`; under `on-failure` and `never` exit 0 leaves `stopped`; another under `never` `failed`."""
    record = running.wait_state(name, state)
    assert record["life"] == lives
    assert record["exit_code"] == int(name[-1])
    assert record["desired_state"] == "running"


def test_a_good_job(running):
    """A job is one that another waits for as `completed`: exit 0 leaves `stopped` and satisfies."""
    running.wait_state("after_jobs", "running")
    assert running.record("good_job")["actual_state"] == "stopped"


def test_a_bad_job(running):
    """A job's default policy is `on-failure`: tried again, then given up; its dependents wait."""
    assert running.wait_state("bad_job", "failed")["life"] == 2
    assert running.record("after_bad")["actual_state"] == "waiting"


def test_a_job_has_no_launch_timeout_and_runs_at_once(running):
    """A job is `running` as soon as its process exists, and has no launch timeout."""
    running.wait_state("slow_job", "running")
    time.sleep(0.5)
    assert running.record("slow_job")["life"] == 1
    assert running.record("after_slow")["actual_state"] == "waiting"


def test_later_failures_back_off(kite):
    """Later ones with backoff: `backing_off`, with the instant of the next try."""
    kite.module("crash", "sys.exit(3)\n", restart={"max": 10, "backoff": {"initial": 20}})
    kite.up()
    kite.wait_state("crash", "backing_off")
    # While the rest of the tree is swept the state is there already, and the instant is not.
    kite.wait(lambda: kite.record("crash")["next_try"])
    record = kite.record("crash")
    assert record["actual_state"] == "backing_off"
    assert record["pid"] is None
    assert record["life"] == 2


def test_too_many_failed_modules_stop_everything(kite):
    """When `max_failed_modules` stand in `failed` at the same moment, everything stops, status 1."""
    kite.configure(max_failed_modules=2)
    kite.module("fine")
    for number in range(2):
        kite.module(f"bad{number}", "sys.exit(3)\n", restart={"max": 1})
    process = kite.start_foreground()
    assert process.wait(20) == 1
    kite.wait(lambda: not kite.census(), 2)
    assert kite.steps("bad0", "failed")


def test_fewer_do_not(kite):
    """… and a module with an error of section 2 does not count."""
    kite.configure(max_failed_modules=2)
    kite.module("bad", "sys.exit(3)\n", restart={"max": 1})
    for number in range(3):
        kite.module(f"missing{number}", None, command=["no-such-program"])
        kite.module(f"lonely{number}", depends_on=["nobody"])
    kite.up()
    kite.wait_state("bad", "failed")
    time.sleep(0.5)
    assert kite.call("GET", "/launcher").json()["phase"] in ("modules", "running")


# --------------------------------------------------------------------------------------- leftovers


def test_the_launchers_end_ends_the_instance(kite):
    """The Launcher's own end ends the instance; the next one starts as if nothing had been."""
    stubborn = "from stranger import ignore_sigterm\nimport time\nignore_sigterm()\nme.join()\ntime.sleep(1000)\n"
    kite.module("plain")
    kite.module("stubborn", stubborn)
    kite.up("--wait")
    instance = kite.api["instance"]
    kill(kite.api["pid"])
    kite.wait(lambda: not kite.census(), 10)
    kite.up("--wait")
    assert kite.api["instance"] != instance
    assert kite.record("stubborn")["actual_state"] == "running"


def test_leftovers_are_ended_and_named(kite):
    """Process records let a new Launcher end what a killed one left."""
    stubborn = "from stranger import ignore_sigterm\nimport time\nignore_sigterm()\nme.join()\ntime.sleep(1000)\n"
    kite.module("stubborn", stubborn)
    kite.up("--wait")
    old = kite.record("stubborn")["pid"]
    everybody = set(kite.census())
    launchers = everybody - {record["pid"] for record in kite.records().values()} | {
        kite.api["pid"]
    }
    for pid in launchers:
        os.kill(pid, signal.SIGSTOP)
    for pid in launchers:  # all that could clear up dies at the same moment
        kill(pid)
    kite.up("--wait")
    assert not alive(old)
    assert kite.record("stubborn")["pid"] != old


def test_a_foreign_process_is_never_touched(kite):
    """It never touches a process it cannot prove is one of those: here a pid that was given anew."""
    kite.module("plain")
    kite.up("--wait")
    records = _records_of(kite, kite.record("plain")["pid"])
    assert records, "there are process records below the instance directory"
    kept = {path: path.read_text() for path in records}
    kite.down()
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        for path, text in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            pid = str(kite.steps("plain", "started")[0]["pid"])
            path.write_text(text.replace(pid, str(stranger.pid)))
        kite.up("--wait")
        assert stranger.poll() is None
        assert kite.record("plain")["actual_state"] == "running"
    finally:
        stranger.kill()
        stranger.wait()


def _records_of(kite, pid):
    """The files below `<instance dir>/launcher` that name a process, but for the lifecycle."""
    pattern = re.compile(rf"\b{pid}\b")
    return [
        path
        for path in (kite.instance_dir / "launcher").rglob("*")
        if path.is_file()
        and path.suffix != ".jsonl"
        and pattern.search(path.read_text(errors="replace"))
    ]
