"""Section 2, `module.md`: what each key does, and what a wrong one does not do to the others.

One Kite runs for the whole file with a module for each key.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
import venv
from pathlib import Path

import pytest

from .running import BARE_PYTHON, HERE, alive
from .shapes import refusal

TELL = """
import os
me.boot()
me.note("life", environ=dict(os.environ), cwd=os.getcwd(), prefix=sys.prefix, argv=sys.argv,
        stdin=os.readlink("/proc/self/fd/0"))
me.obey().connect().subscribe().register().ready().serve()
"""
"""A plain module that notes what it was given."""

LISTEN = """
import os, socket
from pathlib import Path
def note(**fields):
    import json
    with open(os.environ["KITE_MODULE_DATA"] + "/facts.jsonl", "a") as facts:
        facts.write(json.dumps({"what": "life", "stdin": os.readlink("/proc/self/fd/0"), **fields}) + "\\n")
note(eof=os.read(0, 1) == b"" if os.readlink("/proc/self/fd/0") == "/dev/null" else False)
server = socket.create_server(("127.0.0.1", int(os.environ["KITE_PORT"])))
print("listening on", os.environ["KITE_PORT"], flush=True)
while True:
    server.accept()[0].close()
"""
"""A program that knows nothing of Kite but its port."""

SHELL = "#!/bin/sh\necho up $0\nexec sleep 1000\n"


def script(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def unaware(kite, name, program=LISTEN, **keys):
    """A module without any helper of ours."""
    folder = kite.project / "modules" / name
    folder.mkdir(parents=True)
    (folder / "server.py").write_text(program, encoding="utf-8")
    keys.setdefault("command", [*BARE_PYTHON, "server.py"])
    kite.module(name, None, **keys)
    return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def held():
    """A listener of somebody who is no module."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(scope="module")
def running(shared_kite, held, tmp_path_factory):
    """The Kite of this file, with everything started."""
    kite = shared_kite
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    kite.configure(
        max_failed_modules=0,
        discovery={"more": {"path": str(elsewhere), "depth": 2}},
        modules={"overridden": {"state": "enabled", "env": {"FROM": "kite.yaml"}}},
    )
    _programs(kite)
    _ports(kite, held)
    _dependencies(kite)
    _rights(kite)
    _probes(kite, held)
    _mistakes(kite)
    _places(kite, elsewhere)
    kite.module("overridden", TELL, state="disabled", env={"FROM": "module.md"})
    kite.up()
    return kite


def _programs(kite):
    kite.module(
        "plain", TELL, env={"A_SWITCH": "on", "DOLLAR": "a$$b", "HERE": "${KITE_MODULE_DIR}/x"}
    )
    kite.module("by_python", TELL, runtime="python", entry="main.py")
    folder = kite.module("by_venv", TELL, runtime="python", entry="main.py")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder / ".venv")
    log = {"log": "up"}
    if shutil.which("node"):
        folder = kite.module("by_node", None, runtime="node", entry="main.js", ready=log)
        (folder / "main.js").write_text("console.log('up'); setInterval(() => {}, 100000)\n")
    script(
        kite.module("by_binary", None, runtime="binary", entry="bin/run", ready=log),
        "bin/run",
        SHELL,
    )
    script(
        kite.module("by_slash", None, command=["bin/run", "a b", "$$x"], ready=log),
        "bin/run",
        SHELL,
    )
    kite.module("not_there", None, command=["no-such-program-anywhere"])
    kite.module("not_there_slash", None, command=["./no-such-program"])
    kite.module(
        "argued", TELL, command=[*BARE_PYTHON, "main.py", "two words", "${KITE_MODULE}", "*"]
    )
    kite.module("by_hand", state="manual")
    kite.module("off", state="disabled")
    kite.module("told", display_name="Told", type="ui", version="3", description="words")


def _ports(kite, held):
    kite.module("any_port", TELL, preferred_port=0)
    kite.wished = free_port()
    kite.module("wished_port", TELL, preferred_port=kite.wished)
    kite.module("lost_port", TELL, preferred_port=held.getsockname()[1])


def _dependencies(kite):
    kite.module(
        "slow_base",
        "import time\nme.obey()\nme.boot().connect().subscribe()\ntime.sleep(0.5)\nme.ready().serve()\n",
    )
    kite.module("on_base", TELL, depends_on=["slow_base"])
    kite.module("never_ready", "me.boot().connect().subscribe().serve()\n", launch={"timeout": 300})
    kite.module("on_started", TELL, depends_on={"never_ready": "started"})
    kite.module("on_never", TELL, depends_on=["never_ready"])
    kite.module("job", "import time\ntime.sleep(0.4)\nopen('done', 'w').close()\n")
    kite.module(
        "on_job",
        "import os\nme.note('saw', done=os.path.exists('../job/done'))\n" + TELL,
        depends_on={"job": "completed"},
    )
    kite.module("hand_base", TELL, state="manual")
    kite.module("on_hand", TELL, depends_on=["hand_base"])
    kite.module(
        "late",
        "import time\ntime.sleep(1000)\n",
        launch={"timeout": 0.4},
        restart={"policy": "never"},
    )
    kite.module("on_late", TELL, depends_on=["late"])


def _rights(kite):
    kite.module("narrow", events={"publish": ["narrow.>"], "subscribe": ["do.narrow"]})
    kite.module(
        "mute",
        "me.boot().connect()\nme.note('ask', answer=me.hub.subscribe('a.b'), "
        "word=me.hub.publish_acked('a.b'))\nme.subscribe().ready().serve()\n",
        events={"publish": [], "subscribe": []},
    )
    ask = (
        "me.boot().connect().subscribe()\nme.ready()\nimport json\n"
        "api = me.call('GET', '/get/launcher.api_endpoint').json()\n"
        "one = raw.request('GET', api + '/launcher/modules', token=me.token)\n"
        "two = raw.request('POST', api + '/launcher/modules/by_hand/stop', token=me.token)\n"
        "three = raw.request('POST', api + '/launcher/rescan', token=me.token)\n"
        "four = raw.request('POST', api + '/launcher/shutdown', token=me.token)\n"
        "me.note('asked', get=one.status, stop=two.status, rescan=three.status, shutdown=four.status)\n"
        "me.serve()\n"
    )
    kite.module("without_scope", ask)
    kite.module("with_scope", ask, scopes=["launcher.control"])


def _probes(kite, held):
    common = {"preferred_port": 0, "launch": {"timeout": 10}}
    unaware(
        kite,
        "probe_http",
        command=[sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "${KITE_PORT}"],
        ready={"http": "http://127.0.0.1:${KITE_PORT}/", "interval": 0.1},
        api_endpoint="http://127.0.0.1:${KITE_PORT}",
        health_endpoint="/",
        type="ui",
        **common,
    )
    unaware(kite, "probe_tcp", ready={"tcp": "${KITE_PORT}", "interval": 0.1}, **common)
    unaware(kite, "probe_log", ready={"log": "^listening on [0-9]+$"}, **common)
    folder = unaware(kite, "probe_exec", ready={"exec": ["./is_ready"], "interval": 0.1}, **common)
    script(folder, "is_ready", "#!/bin/sh\n[ -e ready ]\n")
    taken = held.getsockname()[1]
    never = {"launch": {"timeout": 1}, "restart": {"policy": "never"}}
    unaware(
        kite,
        "impostor_tcp",
        "import time\ntime.sleep(1000)\n",
        ready={"tcp": taken, "interval": 0.1},
        **never,
    )
    kite.module(
        "probe_boot",
        TELL,
        ready={"log": "hello"},
        stdin="boot",
        command=["sh", "-c", f"echo hello; exec {' '.join(BARE_PYTHON)} main.py"],
    )
    kite.module(
        "read_empty",
        TELL.replace(
            "me.boot()",
            "me.note('read', got=os.read(0, 10).decode()); time = __import__('time'); time.sleep(1000)",
        ),
        stdin="empty",
        launch={"timeout": 300},
    )
    kite.module(
        "own_entry",
        "me.registration = {'api_endpoint': 'http://127.0.0.1:9/own'}\n" + TELL,
        api_endpoint="http://127.0.0.1:9/manifest",
    )
    kite.module(
        "lent_entry",
        TELL,
        preferred_port=0,
        api_endpoint="http://127.0.0.1:${KITE_PORT}/api",
        health_endpoint="/well",
    )
    folder = unaware(
        kite,
        "ailing",
        ready={"log": "listening"},
        health={"exec": ["test", "-e", "well"], "interval": 0.1, "timeout": 1, "failures": 2},
        preferred_port=0,
    )
    (folder / "well").touch()


def _mistakes(kite):
    kite.module("broken_yaml", None, manifest="---\nname: [\n---\n")
    kite.module(
        "broken_key",
        None,
        manifest="---\nname: broken_key\ncommand: [./x]\ndepend_on: [plain]\n---\n",
    )
    kite.module("broken_name", None, manifest="---\nname: launcher\ncommand: [./x]\n---\n")
    kite.module("no_front", None, manifest="just text\n")
    kite.module("ring_a", depends_on=["ring_b"])
    kite.module("ring_b", depends_on=["ring_c"])
    kite.module("ring_c", depends_on=["ring_a"])
    kite.module("on_ring", depends_on=["ring_a"])
    kite.module("on_off", depends_on=["off"])
    kite.module("on_nothing", depends_on=["no_such_module"])


def _places(kite, elsewhere):
    modules = kite.project / "modules"
    kite.module("deep", TELL, folder=modules / "one" / "two" / "deep")
    kite.module("too_deep", TELL, folder=modules / "one" / "two" / "three" / "too_deep")
    kite.module("hidden", TELL, folder=modules / ".hidden" / "hidden")
    kite.module("packaged", TELL, folder=modules / "node_modules" / "packaged")
    kite.module("inner", TELL, folder=modules / "plain" / "inner")
    (modules / "one" / "loop").symlink_to(modules, target_is_directory=True)
    kite.module("from_home", TELL, folder=kite.home / ".kite" / "modules" / "from_home")
    kite.module("from_more", TELL, folder=elsewhere / "from_more")
    kite.module("twice", TELL, env={"PLACE": "first"})
    kite.module(
        "twice", TELL, folder=kite.home / ".kite" / "modules" / "twice", env={"PLACE": "second"}
    )


def life(kite, name):
    return kite.wait_fact(name, "life")


# ---------------------------------------------------------------------------------- what is run


def test_runtime_python_is_kites_interpreter(running):
    """`python`: the folder's `.venv` if there, else Kite's interpreter."""
    assert Path(life(running, "by_python")["prefix"]).resolve() == Path(sys.prefix).resolve()


def test_runtime_python_takes_the_folders_venv(running):
    """`python`: the folder's `.venv` if there."""
    told = life(running, "by_venv")["prefix"]
    assert Path(told) == running.project / "modules" / "by_venv" / ".venv"


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_runtime_node(running):
    """`node` (from PATH)."""
    running.wait_state("by_node", "running")


def test_runtime_binary(running):
    """`binary`, and the file to run."""
    running.wait_state("by_binary", "running")


def test_command_with_a_slash_is_relative_to_the_folder(running):
    """`command`: an argument list; a first word with a slash is relative to the folder."""
    pid = running.wait_state("by_slash", "running")["pid"]
    assert Path(f"/proc/{pid}/cwd").readlink().name == "by_slash"


def test_command_runs_without_a_shell(running):
    """`command`: run without a shell; `${KITE_…}` is expanded."""
    assert life(running, "argued")["argv"][1:] == ["two words", "argued", "*"]


def test_env_and_dollars(running):
    """`${KITE_…}` is expanded in `env`; `$$` is a dollar; `on` stays a string."""
    environ = life(running, "plain")["environ"]
    assert environ["A_SWITCH"] == "on"
    assert environ["DOLLAR"] == "a$b"
    assert environ["HERE"] == str(running.project / "modules" / "plain" / "x")


@pytest.mark.parametrize("name", ["not_there", "not_there_slash"])
def test_a_missing_program(running, name):
    """A missing program is `start_failed` with code `program_not_found`, not retried."""
    step = running.wait_step(name, "start_failed")
    assert "program_not_found" in json.dumps(step)
    record = running.wait_state(name, "failed")
    assert record["error"]
    assert record["pid"] is None
    time.sleep(1.2)
    assert len(running.steps(name, "start_failed")) == 1


def test_a_missing_program_is_tried_again_on_a_start(running):
    """`program_not_found` is not retried until a rescan or a start."""
    before = len(running.steps("not_there", "start_failed"))
    answer = running.post("not_there/start?wait=1")
    refusal(answer, 409)
    assert len(running.steps("not_there", "start_failed")) == before + 1


def test_a_missing_program_is_tried_again_on_a_rescan(kite):
    """`program_not_found` is not retried until a rescan or a start."""
    folder = kite.module("later", None, command=["./run"], ready={"log": "up"})
    kite.up()
    kite.wait_state("later", "failed")
    script(folder, "run", SHELL)
    time.sleep(0.3)
    assert kite.record("later")["actual_state"] == "failed"
    assert kite.call("POST", "/launcher/rescan").status == 200
    kite.wait_state("later", "running")


# ------------------------------------------------------------------------------------- the words


def test_display_name_and_type(running):
    """`display_name`, `type` are shown; a name of one's own serves as display name."""
    record = running.record("told")
    assert (record["display_name"], record["type"]) == ("Told", "ui")


def test_config_states(running):
    """`state`: `enabled` (default), `manual`, `disabled`."""
    running.wait_state("plain", "running")
    for name, config, desired in (
        ("plain", "enabled", "running"),
        ("by_hand", "manual", "stopped"),
        ("off", "disabled", "stopped"),
    ):
        record = running.record(name)
        assert (record["config_state"], record["desired_state"]) == (config, desired)
    for name in ("by_hand", "off"):
        assert running.record(name)["actual_state"] == "stopped"
        assert not running.steps(name, "starting")


def test_the_projects_override(running):
    """Config state is the manifest's with kite.yaml's override; `env` likewise."""
    assert running.record("overridden")["config_state"] == "enabled"
    assert life(running, "overridden")["environ"]["FROM"] == "kite.yaml"


# ------------------------------------------------------------------------------------------ ports


def test_any_port(running):
    """`preferred_port: 0`: the module gets a port that was free at its start."""
    assert 1024 <= int(life(running, "any_port")["environ"]["KITE_PORT"]) <= 65535


def test_the_preferred_port_if_possible(running):
    """`preferred_port`: this one if possible."""
    assert life(running, "wished_port")["environ"]["KITE_PORT"] == str(running.wished)


def test_another_port_where_the_preferred_is_taken(running, held):
    """`preferred_port`: one that was free at its start."""
    assert life(running, "lost_port")["environ"]["KITE_PORT"] != str(held.getsockname()[1])


def test_no_port_without_asking(running):
    """`KITE_PORT` where asked for."""
    assert "KITE_PORT" not in life(running, "plain")["environ"]


# ----------------------------------------------------------------------------------- dependencies


def position(kite, module, event):
    """Where in the whole lifecycle the first such step stands."""
    kite.wait_step(module, event)
    steps = kite.steps()
    return next(
        i for i, step in enumerate(steps) if (step["module"], step["event"]) == (module, event)
    )


def test_condition_ready(running):
    """`depends_on` as a list means `ready`: the dependent starts when the other is ready."""
    assert position(running, "slow_base", "started") < position(running, "on_base", "starting")


def test_condition_started(running):
    """Condition `started`: the other's process is enough."""
    running.wait_state("on_started", "running")
    assert running.record("never_ready")["actual_state"] == "starting"
    assert position(running, "never_ready", "starting") < position(
        running, "on_started", "starting"
    )


def test_waiting_is_shown(running):
    """A module that waits is `waiting` and says for whom."""
    record = running.wait_state("on_never", "waiting")
    assert record["waiting_for"] == ["never_ready"]
    assert record["depends_on"] in (["never_ready"], {"never_ready": "ready"})
    assert not running.steps("on_never", "starting")


def test_condition_completed(running):
    """Condition `completed`: the other is a job, and the dependent starts after its exit 0."""
    assert running.wait_fact("on_job", "saw")["done"]
    record = running.wait_state("job", "stopped")
    assert record["exit_code"] == 0
    assert record["desired_state"] == "running"
    assert position(running, "job", "exited") < position(running, "on_job", "starting")


def test_a_manual_dependency_is_started_for_this_run(running):
    """The manual modules it depends on are started (for this run), their desired state unchanged."""
    running.wait_state("on_hand", "running")
    record = running.record("hand_base")
    assert (record["actual_state"], record["desired_state"]) == ("running", "stopped")


def test_a_launch_timeout_is_a_failure(running):
    """A launch timeout is a failure, never a start: the process is ended, dependents go on waiting."""
    running.wait_step("late", "start_failed")
    pid = running.steps("late", "starting")[0].get("pid")
    record = running.wait_state("late", "failed")
    assert record["pid"] is None
    assert not pid or not alive(pid)
    assert not running.steps("late", "started")
    assert running.record("on_late")["actual_state"] == "waiting"


# ------------------------------------------------------------------------------------------ rights


def test_events_bound_publishing(running):
    """`events.publish`, once given, bounds what the module may publish."""
    running.wait_state("narrow", "running")
    hub = running.hub()
    hub.subscribe("narrow.>", "wide.>")
    running.order("narrow", publish=["narrow.x", 1])
    assert hub.expect(event="narrow.x")["source"] == "narrow"
    running.order("narrow", publish=["wide.x", 1])
    assert hub.silent(0.2, event="wide.x")


def test_an_empty_list_forbids_all_and_the_module_still_runs(running):
    """An empty list forbids all; ready and shutdown stay possible."""
    told = running.wait_fact("mute", "ask")
    assert told["answer"]["code"] == "permission_denied"
    assert told["word"]["code"] == "permission_denied"
    running.wait_state("mute", "running")


def test_scope_launcher_control(running):
    """`scopes: [launcher.control]`: start, stop, restart through the API, and no more."""
    told = running.wait_fact("with_scope", "asked")
    assert told["get"] == 200
    assert told["stop"] in (200, 202)
    assert (told["rescan"], told["shutdown"]) == (403, 403)
    told = running.wait_fact("without_scope", "asked")
    assert (told["get"], told["stop"], told["rescan"], told["shutdown"]) == (200, 403, 403, 403)


# ------------------------------------------------------------------------------------------- stdin


def test_stdin_empty(running):
    """`stdin: empty` is `/dev/null`."""
    assert running.wait_fact("read_empty", "read")["got"] == ""


@pytest.mark.parametrize("name", ["probe_tcp", "probe_log", "probe_exec"])
def test_stdin_is_empty_with_a_ready_probe(running, name):
    """`empty` is the default with a `ready` probe."""
    told = life(running, name)
    assert told["stdin"] == "/dev/null"
    assert told["eof"]


def test_stdin_boot_beside_a_ready_probe(running):
    """`stdin: boot` beside a `ready` probe: the boot line comes all the same."""
    assert life(running, "probe_boot")["stdin"].startswith(("pipe:", "socket:"))


# ------------------------------------------------------------------------------------------ probes


@pytest.mark.parametrize("name", ["probe_http", "probe_tcp", "probe_log"])
def test_ready_probes(running, name):
    """`ready:` with `http`, `tcp`, `log` lets a program that knows nothing of Kite be a module."""
    running.wait_state(name, "running")
    running.wait_step(name, "started")


def test_ready_probe_exec(running):
    """`ready: {exec: [ARGS]}` runs in the module's folder and passes with exit 0, not before."""
    running.wait_step("probe_exec", "starting")
    assert not running.steps("probe_exec", "started")
    (running.project / "modules" / "probe_exec" / "ready").touch()
    running.wait_state("probe_exec", "running", timeout=5)


def test_a_network_probe_needs_the_modules_own_listener(running):
    """Network probes pass only while the listener belongs to the module's own process tree."""
    running.wait_step("impostor_tcp", "start_failed")
    assert not running.steps("impostor_tcp", "started")


@pytest.mark.parametrize("name", ["probe_http", "probe_tcp", "probe_log"])
def test_the_launcher_registers_a_probed_module(running, name):
    """At `module.started` the Launcher registers what has no entry; a probed one also without endpoints."""
    running.wait_state(name, "running")

    def found():
        answer = running.registry("GET", f"/modules/{name}")
        return answer.json() if answer.status == 200 else None

    record = running.wait(found, 3)
    if name == "probe_http":
        port = record["api_endpoint"].rsplit(":", 1)[1].strip("/")
        assert port.isdigit()
        assert record["health_endpoint"].endswith("/")
        found = running.registry("GET", "/lookup?module_type=ui&module_id=probe_http").json()
        assert [each["module_id"] for each in found["modules"]] == ["probe_http"]


def test_the_launcher_registers_with_the_manifests_endpoints(running):
    """`api_endpoint`, `health_endpoint`: the Launcher registers with these, expanded."""
    port = life(running, "lent_entry")["environ"]["KITE_PORT"]
    running.wait_state("lent_entry", "running")
    value = running.wait(lambda: _value(running, "/get/lent_entry.api_endpoint"), 3)
    assert value == f"http://127.0.0.1:{port}/api"


def _value(kite, path):
    answer = kite.registry("GET", path)
    return answer.json() if answer.status == 200 else None


def test_an_entry_of_its_own_stays(running):
    """The Launcher registers only a module that has no entry of its own by then."""
    running.wait_state("own_entry", "running")
    time.sleep(0.2)
    assert _value(running, "/get/own_entry.api_endpoint") == "http://127.0.0.1:9/own"


def test_no_entry_without_endpoints_and_probe(running):
    """A module without probe and endpoints registers itself or is not there."""
    running.wait_state("plain", "running")
    refusal(running.registry("GET", "/modules/plain"), 404, "not_found")


def test_health_probe_with_threshold(running):
    """`health:` takes the same and thresholds; what stays unhealthy is ended and started again."""
    running.wait_state("ailing", "running")
    marker = running.project / "modules" / "ailing" / "well"
    time.sleep(0.4)
    assert running.record("ailing")["life"] == 1
    marker.unlink()
    step = running.wait_step("ailing", "stopping", timeout=5)
    assert step["reason"] == "unhealthy"
    marker.touch()
    assert running.wait_step("ailing", "started", count=2)["life"] == 2


# ---------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("name", ["broken_yaml", "broken_key", "broken_name", "no_front"])
def test_a_broken_manifest_is_listed_with_its_error(running, name):
    """A broken manifest never stops the others; it is listed under its folder's name with its `error`."""
    record = running.record(name)
    assert record["error"]
    assert "module.md" in json.dumps(record["error"])
    assert record["actual_state"] == "failed"
    running.wait_state("plain", "running")


def test_an_unknown_key_names_the_nearest(running):
    """Unknown key: error with file, line and the nearest known key."""
    error = json.dumps(running.record("broken_key")["error"])
    assert "depends_on" in error
    assert "4" in error


def test_a_cycle_is_printed_whole(running):
    """A circular dependency is an error for the modules concerned; a cycle is printed whole."""
    for name in ("ring_a", "ring_b", "ring_c"):
        error = json.dumps(running.record(name)["error"])
        assert all(each in error for each in ("ring_a", "ring_b", "ring_c"))
        assert not running.steps(name, "starting")


@pytest.mark.parametrize(("name", "culprit"), [("on_off", "off"), ("on_nothing", "no_such_module")])
def test_a_disabled_or_missing_dependency(running, name, culprit):
    """A dependency that is disabled or missing is an error for the modules concerned; the rest start."""
    record = running.record(name)
    assert culprit in json.dumps(record["error"])
    assert record["actual_state"] == "failed"


def test_errors_of_this_kind_do_not_count_as_failed(running):
    """A module with an error of this section is `failed` and Kite goes on."""
    assert running.call("GET", "/launcher").json()["phase"] in ("modules", "running")


# -------------------------------------------------------------------------------------- discovery


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("deep", True),
        ("too_deep", False),
        ("hidden", False),
        ("packaged", False),
        ("inner", False),
        ("from_home", True),
        ("from_more", True),
    ],
)
def test_where_modules_are_found(running, name, there):
    """Three levels deep without hidden folders, node_modules and links; home; named sources."""
    assert (name in running.records()) == there


def test_a_name_found_twice(running):
    """A name found twice is an error that names both paths; the earlier place stays in force."""
    assert life(running, "twice")["environ"]["PLACE"] == "first"
    assert running.record("twice")["module_dir"] == str(running.project / "modules" / "twice")
    told = running.run("check").stderr + running.run("check").stdout
    first, second = running.project / "modules/twice", running.home / ".kite/modules/twice"
    assert str(second) in told
    assert str(first) in told or "modules/twice" in told.replace(str(second), "")


def test_core_modules_and_extensions_are_there(running):
    """Modules are found in the package's core modules and extensions first."""
    assert {"launcher", "registry", "event_hub"} <= set(running.records())
    assert HERE.exists()


def test_scanned_steps(running):
    """lifecycle.jsonl: `scanned` (state, module_dir) for every module."""
    step = running.steps("plain", "scanned")[0]
    assert step["state"] == "enabled"
    assert step["module_dir"] == str(running.project / "modules" / "plain")
