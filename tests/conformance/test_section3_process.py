"""Section 3, what a module's process gets: environment, pipes, session, tokens; and nothing else."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from pathlib import Path

import pytest

from . import raw
from .running import BARE_PYTHON, MARK, alive
from .shapes import fits

TELL = """
import os, stat
me.boot()
me.note("life", environ=dict(os.environ), cwd=os.getcwd(), argv=sys.argv, sid=os.getsid(0),
        pgid=os.getpgid(0), boot=me.boot_line, data_exists=os.path.isdir(os.environ["KITE_MODULE_DATA"]),
        fds=sorted(os.listdir("/proc/self/fd"), key=int), stdin=os.readlink("/proc/self/fd/0"))
me.obey().connect().subscribe().register().ready().serve()
"""

GARBAGE = (
    "import os\n"
    'os.write(1, b"\\xff\\xfe not utf-8\\n{\\"kite\\": \\"port\\", \\"port\\": 1}\\n")\n'
    'os.write(1, b"{\\"kite\\": \\"ws_endpoint\\", \\"ws_endpoint\\": \\"ws://evil/ws\\"}\\n")\n'
    'os.write(1, b"{\\"kite\\": \\"launcher_ws_token\\"}\\n{\\"kite\\":\\n\\x00\\x1b[31mred\\n")\n'
    'os.write(1, b"x" * 300000 + b"\\n")\n'
    'os.write(2, b"said on error\\n")\n'
    'os.write(1, b"no newline at the end")\n'
)

ENVIRONMENT = {
    "KITE_PROJECT",
    "KITE_CWD",
    "KITE_WORKSPACE",
    "KITE_INSTANCE",
    "KITE_INSTANCE_DIR",
    "KITE_MODULE",
    "KITE_MODULE_DIR",
    "KITE_MODULE_DATA",
    "KITE_REGISTRY_PORT",
}


@pytest.fixture(scope="module")
def running(shared_kite):
    """The Kite of this file. Its Launcher inherits foreign KITE_ and LISTEN_ variables."""
    kite = shared_kite
    kite.environ.update(LISTEN_FDS="7", LISTEN_PID="1", FOREIGN="kept")
    kite.module("plain", TELL, env={"OWN": "value"})
    kite.module("ported", TELL, preferred_port=0)
    kite.module("noisy", GARBAGE + TELL)
    kite.module("orphan", "me.obey().join().serve()\nme.note('over')\n")
    kite.module("mortal", TELL)
    kite.module(
        "liar",
        "me.boot().connect().subscribe()\n"
        "me.hub.publish('module.ready', {'module_id': 'liar', 'life': 99})\n"
        "me.hub.barrier()\nme.note('lied')\nme.on('do.truth', lambda event: me.ready()).subscribe()\n"
        "me.serve()\n",
        state="manual",
        launch={"timeout": 60},
    )
    kite.module(
        "deaf_to_stdin",
        "import time\nme.boot().connect().subscribe().ready()\nwhile True: me.handle(me.hub.receive(1000))\n",
    )
    kite.up("--wait", environ={"KITE_FOREIGN": "x", "KITE_MODULE": "nobody", "KITE_PORT": "1"})
    return kite


@pytest.fixture(scope="module")
def life(running):
    return running.wait_fact("plain", "life")


# ------------------------------------------------------------------------------- environment


def test_the_kite_variables_are_these(running, life):
    """The Launcher's own without `KITE_*` and `LISTEN_*`, then the nine names of this section."""
    told = {name for name in life["environ"] if name.startswith(("KITE_", "LISTEN_"))}
    assert told == ENVIRONMENT


def test_their_values(running, life):
    """`KITE_CWD` is the project directory, `KITE_MODULE_DATA` is `<instance dir>/<name>`, existing."""
    environ = life["environ"]
    assert environ["KITE_CWD"] == str(running.project)
    assert environ["KITE_WORKSPACE"] == str(running.workspace)
    assert environ["KITE_INSTANCE"] == running.api["instance"]
    assert environ["KITE_INSTANCE_DIR"] == str(running.instance_dir)
    assert environ["KITE_MODULE"] == "plain"
    assert environ["KITE_MODULE_DIR"] == str(running.project / "modules" / "plain")
    assert environ["KITE_MODULE_DATA"] == str(running.instance_dir / "plain")
    assert life["data_exists"]
    assert environ["KITE_REGISTRY_PORT"] == str(running.api["registry_port"])
    assert Path(environ["KITE_PROJECT"]).is_dir()


def test_the_rest_is_the_launchers_own(running, life):
    """Environment: the Launcher's own, and the manifest's `env`."""
    assert life["environ"]["FOREIGN"] == "kept"
    assert life["environ"][MARK] == running.mark
    assert life["environ"]["HOME"] == str(running.home)
    assert life["environ"]["OWN"] == "value"


def test_kite_port_where_asked_for(running):
    """`KITE_PORT` where asked for."""
    told = running.wait_fact("ported", "life")["environ"]
    assert {name for name in told if name.startswith("KITE_")} == ENVIRONMENT | {"KITE_PORT"}


def test_working_directory_and_session(running, life):
    """Working directory: the module's folder. A session (process group) of its own."""
    assert life["cwd"] == str(running.project / "modules" / "plain")
    assert life["sid"] == life["pid"]
    assert life["pgid"] == life["pid"]


def test_no_foreign_descriptor(running, life):
    """A module gets its three streams and nothing of the Launcher's (one is its own listing)."""
    assert len(life["fds"]) <= 4, life["fds"]


# ---------------------------------------------------------------------------------- standard input


def test_the_boot_line(running, life):
    """Standard input: one line of JSON: `{"token": "<64 hex>", "life": n, ...}`."""
    fits("boot-line", life["boot"])
    assert life["boot"]["life"] == 1
    assert life["stdin"].startswith(("pipe:", "socket:"))


def test_the_lifeline_ends_with_the_module(running):
    """The pipe stays open as a lifeline: its end means that the module is to go."""
    running.wait_state("orphan", "running")
    assert not running.facts("orphan", "stdin_ended")
    assert running.post("orphan/stop?wait=1").status == 200
    pid = running.facts("orphan", "ready")[0]["pid"]
    assert not alive(pid)


# ------------------------------------------------------------------------------------------- tokens


def secrets_of(running):
    tokens = {running.api["token"]}
    for name in ("plain", "ported", "noisy", "mortal"):
        tokens |= {fact["boot"]["token"] for fact in running.facts(name, "life")}
    return tokens


def test_no_token_in_an_environment_or_an_argument(running, life):
    """No token is ever in the environment or in an argument."""
    tokens = secrets_of(running)
    for pid in running.census():
        text = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not re.search(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text), pid
        assert not any(token.encode() in text for token in tokens)


def test_no_token_in_a_log_or_a_readable_file(running, life):
    """No token is in a log, or in a file that others can read."""
    tokens = secrets_of(running)
    for path in running.instance_dir.rglob("*"):
        if not path.is_file() or path.name == "facts.jsonl":
            continue
        content = path.read_bytes()
        for token in tokens:
            if token.encode() not in content:
                continue
            assert "logs" not in path.parts, path
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


# ------------------------------------------------------------------------------------------- output


def test_both_streams_are_the_modules_log(running):
    """Standard output and error are captured as the module's log for its whole life."""
    running.wait_state("noisy", "running")
    running.order("noisy", say="said much later\n")
    log = running.wait(
        lambda: "said much later" in running.log("noisy") and running.log("noisy"), 3
    )
    assert "said on error" in log
    assert "no newline at the end" in log


def test_garbage_on_standard_output_is_log_text(running):
    """From the core modules alone a `kite` line is a message; anything else is log text."""
    running.wait_state("noisy", "running")
    log = running.wait(lambda: '"port": 1' in running.log("noisy") and running.log("noisy"), 3)
    assert "ws://evil/ws" in log
    assert "red" in log
    assert "not utf-8" in log
    assert (
        running.registry("GET", "/get/event_hub.metadata.ws_endpoint").json()
        == running.api["ws_endpoint"]
    )
    assert running.api["registry_port"] != 1


# ------------------------------------------------------------------------------------------- lives


def test_every_life_gets_a_fresh_token(running):
    """Every life gets a fresh token; before its boot line the former one is dead."""
    first = running.wait_fact("mortal", "life")
    running.wait_state("mortal", "running")
    running.order("mortal", exit=3)
    second = running.wait_fact("mortal", "life", count=2)
    assert (first["boot"]["life"], second["boot"]["life"]) == (1, 2)
    assert first["boot"]["token"] != second["boot"]["token"]
    running.wait_step("mortal", "started", count=2)
    api = running.api
    dead = raw.request(
        "GET", f"http://127.0.0.1:{api['registry_port']}/modules", token=first["boot"]["token"]
    )
    assert dead.status == 401
    with pytest.raises(raw.Refused) as refused:
        raw.WebSocket(api["ws_endpoint"], first["boot"]["token"])
    assert refused.value.status == 401
    assert (
        raw.request("GET", api["url"] + "/launcher/modules", token=first["boot"]["token"]).status
        == 401
    )


def test_the_former_tree_is_gone_before_the_next_life(running):
    """Before a life's boot line is written the former life's process tree is gone."""
    running.wait_state("mortal", "running")
    lives = len(running.facts("mortal", "life"))
    child = running.order("mortal", fork=1000)["child"]
    distant = running.order("mortal", fork=1000, own_session=True)["child"]
    assert alive(child)
    assert alive(distant)
    running.order("mortal", exit=1)
    running.wait_fact("mortal", "life", count=lives + 1)
    assert not alive(child)
    assert not alive(distant)


def test_what_belongs_to_another_life_is_dropped(running):
    """The Launcher drops what belongs to another life."""
    assert running.post("liar/start").status == 202
    running.wait_fact("liar", "lied")
    time.sleep(0.3)
    assert running.record("liar")["actual_state"] == "starting"
    hub = running.hub()
    hub.publish("do.truth")
    running.wait_state("liar", "running")
    hub.close()


def test_pid_and_life_of_the_record(running):
    """The record tells `pid` and `life` of the process that is there."""
    running.wait_state("plain", "running")
    record = running.record("plain")
    assert record["life"] == 1
    assert record["pid"] == running.wait_fact("plain", "life")["pid"]
    assert os.getsid(record["pid"]) == record["pid"]


def test_the_launchers_end_ends_the_lifeline(kite):
    """The pipe's end means that the module is to go, because the Launcher is gone."""
    kite.module("watcher", "me.obey().join().serve()\nme.note('over')\n")
    kite.up("--wait")
    os.kill(kite.api["pid"], signal.SIGKILL)
    kite.wait(lambda: not kite.census(), 10, "everything ends with the Launcher")
    kite.api_file.unlink(missing_ok=True)
    assert json.dumps(kite.facts("watcher"))


def test_stdlib_alone_is_enough(running, life):
    """A module needs nothing of Kite's: this one runs without site-packages."""
    assert BARE_PYTHON[1:] == ["-S", "-E"]
    assert running.record("plain")["actual_state"] == "running"
