"""Section 7, the management API: every row of the table."""

from __future__ import annotations

import json
import secrets
import stat
import threading
import time

import pytest
import yaml

from . import raw
from .shapes import fits, refusal, vectors


@pytest.fixture(scope="module")
def running(shared_kite):
    kite = shared_kite
    kite.configure(
        max_failed_modules=0,
        modules={"overridden": {"state": "enabled"}},
    )
    for name in ("plain", "other", "worker", "toggled"):
        kite.module(name)
    kite.module("overridden", state="manual")
    kite.module("outside", folder=kite.home / ".kite" / "modules" / "outside", state="manual")
    kite.module("hand", state="manual")
    kite.module("off", state="disabled")
    kite.module("base")
    kite.module("user", depends_on=["base"])
    kite.module("hand_base", state="manual")
    kite.module("hand_user", state="manual", depends_on=["hand_base"])
    kite.module("tidy", "me.estimated_cleanup = 3\nme.cleanup = 1.2\nme.obey().join().serve()\n")
    kite.module("dying", "sys.exit(3)\n", state="manual", restart={"max": 1, "retry": False})
    ask = (
        "def ask(event):\n"
        "    api = me.call('GET', '/get/launcher.api_endpoint').json()\n"
        "    answer = raw.request(event['data']['method'], api + event['data']['path'], token=me.token)\n"
        "    me.hub.publish(event['reply_to'], {'status': answer.status, 'code': answer.code})\n"
        "me.on('ask.' + me.name, ask).join().serve()\n"
    )
    kite.module("asker", ask)
    kite.module("controller", ask, scopes=["launcher.control"])
    kite.up("--wait")
    return kite


def ask(kite, name, method, path):
    """Let a module call the Launcher's API with its own token."""
    hub = kite.hub()
    reply = f"_reply.operator.{secrets.token_hex(8)}"
    hub.subscribe(reply)
    hub.publish(f"ask.{name}", {"method": method, "path": path}, reply_to=reply)
    answer = hub.expect(10, event=reply)["data"]
    hub.close()
    return answer


# ----------------------------------------------------------------------------------- api.json


def test_api_json(running):
    """`api.json`, mode 0600 in a 0700 directory."""
    api = running.api
    assert stat.S_IMODE(running.api_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.api_file.parent.stat().st_mode) == 0o700
    assert running.record("launcher")["pid"] == api["pid"]


def test_a_token_is_needed(running):
    """`GET /health` is open; everything else needs a token."""
    url = running.api["url"]
    assert fits("health", raw.request("GET", url + "/health").json())["status"] == "ok"
    for method, path in (
        ("GET", "/launcher"),
        ("GET", "/launcher/modules"),
        ("GET", "/launcher/modules/plain"),
        ("GET", "/launcher/modules/plain/explain"),
        ("POST", "/launcher/modules/plain/stop"),
        ("POST", "/launcher/rescan"),
        ("POST", "/launcher/shutdown"),
        ("PUT", "/launcher/modules/plain/state"),
        ("GET", "/metrics"),
    ):
        refusal(raw.request(method, url + path), 401, "unauthorized")
        refusal(raw.request(method, url + path, token=secrets.token_hex(32)), 401, "unauthorized")


@pytest.mark.parametrize("host", vectors("origins")["refused_hosts"])
def test_foreign_hosts_are_refused(running, host):
    """Every port checks `Host`."""
    port = raw.split_url(running.api["url"])[1]
    answer = running.call("GET", "/launcher", host=host.format(port=port, other=port - 1))
    refusal(answer, 403, "bad_host")


def test_foreign_origins_are_refused(running):
    """Every port checks `Origin`."""
    headers = [("Origin", "http://evil.example")]
    refusal(running.call("POST", "/launcher/shutdown", headers=headers), 403, "bad_origin")
    assert running.call("GET", "/launcher").status == 200


def test_who_was_refused_is_in_the_audit_log(running):
    """Each refusal has its line, with where and when, and no token in it."""
    token = secrets.token_hex(32)
    refusal(running.call("GET", "/launcher", token=token), 401, "unauthorized")
    refusal(running.call("GET", "/launcher", host="audit.example"), 403, "bad_host")
    deadline = time.monotonic() + 20
    while not any("audit.example" in json.dumps(line) for line in running.audit()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lines = running.audit()
    assert "unauthorized" in {line.get("code") for line in lines}
    assert token not in json.dumps(lines)


def test_module_tokens_may_get(running):
    """Module tokens may GET; with scope `launcher.control` also start, stop, restart."""
    assert ask(running, "asker", "GET", "/launcher/modules")["status"] == 200
    refused = ask(running, "asker", "POST", "/launcher/modules/other/restart")
    assert refused == {"status": 403, "code": "permission_denied"}
    answer = ask(running, "controller", "POST", "/launcher/modules/other/restart?wait=1")
    assert answer["status"] == 200
    assert ask(running, "controller", "PUT", "/launcher/modules/other/state")["status"] == 403
    assert ask(running, "controller", "POST", "/launcher/rescan")["status"] == 403
    assert ask(running, "controller", "POST", "/launcher/shutdown")["status"] == 403


# ---------------------------------------------------------------------------------- what is read


def test_get_launcher(running):
    """`GET /launcher`: instance, phase, versions."""
    told = fits("launcher", running.call("GET", "/launcher").json())
    assert told["instance"] == running.api["instance"]
    assert told["phase"] == "running"


def test_get_modules(running):
    """`GET /launcher/modules`: `{"modules":[…]}`; core modules included."""
    records = running.records()
    assert {"launcher", "registry", "event_hub", "plain", "off"} <= set(records)
    plain = records["plain"]
    assert plain["actual_state"] == "running"
    assert plain["uptime"] >= 0
    assert plain["life"] == 1
    assert plain["module_dir"] == str(running.project / "modules" / "plain")
    assert records["off"]["pid"] is None


MEASURED = {"uptime", "waiting_for", "cpu_seconds", "cpu_percent", "memory_bytes", "processes"}


def test_kite_ps_prints_the_same_document(running):
    """`kite ps --json` prints the same document."""
    told = json.loads(running.run("ps", "--json").stdout)
    ours = fits("module-records", told)["modules"]
    theirs = running.records()
    assert {record["name"] for record in ours} == set(theirs)
    for replica in (each for record in (*ours, *theirs.values()) for each in record["replicas"]):
        del replica["uptime"]
    for record in ours:
        for key, value in theirs[record["name"]].items():
            if key not in MEASURED:  # anew at each look
                assert record[key] == value, (record["name"], key)


def test_explain(running):
    """`GET …/{name}/explain`: what the state of a module rests on; of core modules too."""
    for name in ("plain", "hand", "off", "overridden", "user", "registry", "launcher"):
        told = fits("explanation", running.call("GET", f"/launcher/modules/{name}/explain").json())
        assert told["module"]["name"] == name
    config = running.call("GET", "/launcher/modules/overridden/explain").json()["config"]
    assert (config["state"], config["origin"]) == ("enabled", "override")
    assert config["file"] == str(running.project / "kite.yaml")
    assert config["line"] >= 1
    config = running.call("GET", "/launcher/modules/hand/explain").json()["config"]
    assert (config["state"], config["origin"]) == ("manual", "manifest")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/explain"),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("POST", "/restart"),
        ("PUT", "/state"),
    ],
)
def test_an_unknown_name_is_404(running, method, path):
    """Unknown name 404."""
    body = {"state": "manual"} if method == "PUT" else raw.UNSET
    refusal(running.call(method, f"/launcher/modules/nobody{path}", body=body), 404)


# ---------------------------------------------------------------------------- start, stop, restart


def test_without_wait_202_with_the_record(running):
    """202 with the record; body may be absent."""
    answer = running.post("worker/stop")
    assert answer.status == 202, answer
    fits("module-record", answer.json())
    running.wait_state("worker", "stopped")
    answer = running.post("worker/start")
    assert answer.status == 202, answer
    running.wait_state("worker", "running")


def test_with_wait_200_when_done(running):
    """With `?wait=1` 200 when done."""
    answer = running.post("worker/stop?wait=1")
    assert answer.status == 200, answer
    assert fits("module-record", answer.json())["actual_state"] == "stopped"
    answer = running.post("worker/start?wait=1")
    assert answer.status == 200
    assert answer.json()["actual_state"] == "running"
    before = answer.json()
    answer = running.post("worker/restart?wait=1")
    assert answer.status == 200
    after = answer.json()
    assert after["actual_state"] == "running"
    assert after["life"] == before["life"] + 1
    assert after["pid"] != before["pid"]


def test_start_of_a_running_and_stop_of_a_stopped_are_200(running):
    """Start of a running and stop of a stopped module are 200."""
    running.wait_state("plain", "running")
    life = running.record("plain")["life"]
    assert running.post("plain/start").status == 200
    assert running.record("plain")["life"] == life
    assert running.post("hand/stop").status == 200


def test_disabled(running):
    """Start and restart of a disabled one 403; stop always."""
    refusal(running.post("off/start"), 403)
    refusal(running.post("off/restart"), 403)
    assert running.post("off/stop").status == 200


def test_the_reason_is_the_callers_words(running):
    """Reasons: `stop_requested`, or the caller's words."""
    hub = running.hub()
    hub.subscribe("module.shutdown")
    assert running.post("worker/stop?wait=1", {"reason": "out of tea"}).status == 200
    assert hub.expect(event="module.shutdown")["data"]["reason"] == "out of tea"
    assert running.steps("worker", "stopped")[-1]["reason"] == "out of tea"
    assert running.post("worker/start?wait=1").status == 200
    assert running.post("worker/stop?wait=1").status == 200
    assert hub.expect(event="module.shutdown")["data"]["reason"] == "stop_requested"
    assert running.post("worker/start?wait=1").status == 200
    hub.close()


@pytest.mark.parametrize("body", [{"reason": 5}, [], "words"], ids=json.dumps)
def test_a_malformed_body_is_422(running, body):
    """On the wire wrong types are refused."""
    refusal(running.post("plain/restart", body), 422)
    assert running.record("plain")["life"] == 1


def test_starting_starts_what_is_depended_on(running):
    """Starting starts what is depended on; the dependency's desired state is unchanged."""
    answer = running.post("hand_user/start?wait=1")
    assert answer.status == 200, answer
    base = running.record("hand_base")
    assert (base["actual_state"], base["desired_state"]) == ("running", "stopped")


def test_starting_does_not_start_what_a_request_stopped(running):
    """… except what a request stopped (409 `dependency_stopped`)."""
    assert running.post("base/stop?wait=1").status == 200
    assert running.post("user/stop?wait=1").status == 200
    refusal(running.post("user/start?wait=1"), 409, "dependency_stopped")
    assert running.post("base/start?wait=1").status == 200
    running.post("user/start?wait=1")
    running.wait_state("user", "running")


def test_stop_and_restart_touch_the_named_module_alone(running):
    """Stop and restart touch the named module alone; its dependents run on."""
    running.wait_state("user", "running")
    life = running.record("user")["life"]
    assert running.post("base/restart?wait=1").status == 200
    assert running.post("base/stop?wait=1").status == 200
    record = running.record("user")
    assert (record["actual_state"], record["life"]) == ("running", life)
    assert running.post("base/start?wait=1").status == 200


def test_restart_of_a_stopped_module(running):
    """The operator's restart of a stopped module is a start, a module's is 409 `stopped`."""
    assert running.post("other/stop?wait=1").status == 200
    answer = ask(running, "controller", "POST", "/launcher/modules/other/restart")
    assert answer == {"status": 409, "code": "stopped"}
    assert running.record("other")["actual_state"] == "stopped"
    assert running.post("other/restart?wait=1").status == 200
    assert running.record("other")["actual_state"] == "running"
    assert running.record("other")["desired_state"] == "running"


def test_a_start_that_fails_is_409_failed(running):
    """409 (`failed`) when not."""
    refusal(running.post("dying/start?wait=1"), 409, "failed")


def _later(kite, path):
    """Post in a process of its own time: a socket that is read later."""

    found = []
    thread = threading.Thread(target=lambda: found.append(kite.post(path)))
    thread.start()
    return thread, found


def test_a_later_operation_ends_the_earlier_ones_waiting(running):
    """A later operation ends the earlier one's waiting at once (409 `superseded`) and takes over."""
    running.wait_state("tidy", "running")
    life = running.record("tidy")["life"]
    thread, found = _later(running, "tidy/stop?wait=1")
    running.wait_state("tidy", "stopping")
    started = time.monotonic()
    answer = running.post("tidy/start?wait=1")
    thread.join(10)
    refusal(found[0], 409, "superseded")
    assert answer.status == 200, answer
    assert answer.json()["life"] == life + 1
    assert time.monotonic() - started > 0.5, "the start begins when the tree is gone"
    stopped = [s for s in running.steps("tidy") if s["event"] in ("exited", "stopped")]
    again = running.steps("tidy", "starting")[-1]
    assert stopped[-1]["ts"] <= again["ts"]


def test_modules_never_wait_for_each_others_operations(running):
    """Modules never wait for each other's operations."""
    running.wait_state("tidy", "running")
    thread, found = _later(running, "tidy/restart?wait=1")
    running.wait_state("tidy", "stopping")
    assert running.post("worker/restart?wait=1").status == 200
    assert running.record("tidy")["actual_state"] == "stopping"
    thread.join(10)
    assert found[0].status == 200


# ------------------------------------------------------------------------------------------ rescan


def rescan(kite):
    answer = kite.call("POST", "/launcher/rescan", timeout=30)
    assert answer.status == 200, answer
    return fits("rescan", answer.json())


def test_rescan_added_changed_removed(running):
    """`POST /launcher/rescan`: added enabled modules start, removed stop, changed apply next start."""
    folder = running.module(
        "fresh",
        "import os\nme.note('life', word=os.environ.get('WORD'))\nme.obey().join().serve()\n",
        env={"WORD": "one"},
    )
    assert rescan(running)["added"] == ["fresh"]
    running.wait_state("fresh", "running")
    running.module("fresh", None, command=yaml_of(folder)["command"], env={"WORD": "two"})
    assert rescan(running)["changed"] == ["fresh"]
    assert running.record("fresh")["life"] == 1, "changed apply at their next start"
    assert running.post("fresh/restart?wait=1").status == 200
    assert running.facts("fresh", "life")[-1]["word"] == "two"
    (folder / "module.md").unlink()
    assert rescan(running)["removed"] == ["fresh"]
    running.wait(lambda: "fresh" not in running.records(), 5)
    running.wait_step("fresh", "stopped", reason="removed")


def yaml_of(folder):
    return yaml.safe_load((folder / "module.md").read_text().split("---")[1])


def test_rescan_of_nothing_new(running):
    """A rescan that finds nothing new says so."""
    told = rescan(running)
    assert (told["added"], told["changed"], told["removed"]) == ([], [], [])


def test_rescan_errors(running):
    """`errors`: a manifest that has become wrong; the module that runs is not disturbed."""
    folder = running.module("fragile")
    rescan(running)
    running.wait_state("fragile", "running")
    good = (folder / "module.md").read_text()
    (folder / "module.md").write_text("---\nname: fragile\ncommand: [\n---\n")
    assert rescan(running)["errors"]
    (folder / "module.md").write_text(good)
    rescan(running)
    running.wait_state("fragile", "running")


def test_a_changed_state_acts_at_once(running):
    """… except a changed `state`, which acts at once."""
    running.module("switch")
    rescan(running)
    running.wait_state("switch", "running")
    running.module("switch", state="disabled")
    rescan(running)
    running.wait_state("switch", "stopped")
    assert running.record("switch")["config_state"] == "disabled"
    running.module("switch", state="enabled")
    rescan(running)
    running.wait_state("switch", "running")


# ------------------------------------------------------------------------------------------- state


def put_state(kite, name, state):
    return kite.call("PUT", f"/launcher/modules/{name}/state", body={"state": state})


def test_put_state_into_the_manifest(running):
    """Written into its `module.md`, comments and layout kept; disabling stops, enabling starts."""
    path = running.project / "modules" / "toggled" / "module.md"
    front = path.read_text().split("---")[1]
    path.write_text(
        f"---\n# a comment\n{front.strip()}   # beside\nstate:   enabled  # why\n---\n# Text\n\nstate: enabled\n"
    )
    before = path.read_text()
    answer = put_state(running, "toggled", "disabled")
    assert answer.status == 200, answer
    told = fits("state-change", answer.json())
    assert (told["old"], told["new"], told["file"]) == ("enabled", "disabled", str(path))
    assert path.read_text() == before.replace("state:   enabled", "state:   disabled", 1)
    running.wait_state("toggled", "stopped")
    assert running.record("toggled")["desired_state"] == "stopped"
    assert running.steps("toggled", "stopped")[-1]["reason"] == "disabled"
    assert put_state(running, "toggled", "enabled").status == 200
    running.wait_state("toggled", "running")
    assert path.read_text() == before


def test_put_state_adds_the_key(running):
    """A manifest without `state` gets the key; manual leaves as is."""
    path = running.project / "modules" / "worker" / "module.md"
    running.wait_state("worker", "running")
    answer = put_state(running, "worker", "manual")
    assert answer.json()["old"] == "enabled"
    assert yaml_of(path.parent)["state"] == "manual"
    record = running.record("worker")
    assert (record["config_state"], record["actual_state"]) == ("manual", "running")
    put_state(running, "worker", "enabled")


def test_put_state_that_is_there_already_writes_nothing(running):
    """A module that says nothing of its state is enabled, and its file stays as it is."""
    path = running.project / "modules" / "plain" / "module.md"
    before, status = path.read_bytes(), path.stat()
    assert b"state" not in before
    told = fits("state-change", put_state(running, "plain", "enabled").json())
    assert (told["old"], told["new"], told["file"]) == ("enabled", "enabled", str(path))
    assert path.read_bytes() == before
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)


def test_put_state_into_kite_yaml_where_an_override_stands(running):
    """Written into `kite.yaml`'s `modules:` if an override stands there."""
    manifest = running.project / "modules" / "overridden" / "module.md"
    before = manifest.read_text()
    told = put_state(running, "overridden", "manual").json()
    assert told["file"] == str(running.project / "kite.yaml")
    assert (
        yaml.safe_load((running.project / "kite.yaml").read_text())["modules"]["overridden"][
            "state"
        ]
        == "manual"
    )
    assert manifest.read_text() == before
    assert running.record("overridden")["config_state"] == "manual"


def test_put_state_into_kite_yaml_for_a_module_outside(running):
    """… or the module lies outside the project."""
    manifest = running.home / ".kite" / "modules" / "outside" / "module.md"
    before = manifest.read_text()
    told = put_state(running, "outside", "enabled").json()
    assert told["file"] == str(running.project / "kite.yaml")
    assert manifest.read_text() == before
    running.wait_state("outside", "running")
    assert yaml.safe_load((running.project / "kite.yaml").read_text())["max_failed_modules"] == 0


@pytest.mark.parametrize(
    "body", [{"state": "on"}, {"state": "ENABLED"}, {"state": ""}], ids=json.dumps
)
def test_put_another_word_is_400(running, body):
    """400 for another word."""
    refusal(running.call("PUT", "/launcher/modules/plain/state", body=body), 400)


@pytest.mark.parametrize("name", ["launcher", "registry", "event_hub"])
def test_a_core_module_cannot_be_disabled(running, name):
    """403 to disable a core module."""
    refusal(put_state(running, name, "disabled"), 403)


def test_state_changes_are_told(running):
    """`module.state_changed` (config state: old, new), and a step `state_changed`."""
    hub = running.hub()
    hub.subscribe("module.state_changed")
    put_state(running, "hand", "disabled")
    told = hub.expect(event="module.state_changed")
    assert told["source"] == "launcher"
    assert told["data"]["module_id"] == "hand"
    assert (told["data"]["old"], told["data"]["new"]) == ("manual", "disabled")
    assert running.wait_step("hand", "state_changed")
    put_state(running, "hand", "manual")
    hub.close()


# --------------------------------------------------------------------------------------------- core


@pytest.mark.parametrize(
    "path",
    [
        "launcher/restart",
        "launcher/stop",
        "launcher/start",
        "registry/stop",
        "registry/start",
        "event_hub/stop",
        "event_hub/start",
    ],
)
def test_core_modules_anything_else_is_403(running, path):
    """Core modules: restart of `registry` and `event_hub`; anything else 403."""
    refusal(running.post(path), 403)


@pytest.mark.parametrize("core", ["registry", "event_hub"])
def test_restart_of_a_core_module_is_isolated(running, core):
    """Restart of `registry` and `event_hub` is an isolated restart: modules live on."""
    running.wait_state("plain", "running")
    plain = running.record("plain")
    before = running.record(core)
    answer = running.post(f"{core}/restart?wait=1")
    assert answer.status == 200, answer
    after = running.record(core)
    assert after["pid"] != before["pid"]
    assert after["life"] == before["life"] + 1
    now = running.record("plain")
    assert (now["pid"], now["life"]) == (plain["pid"], plain["life"])
    running.wait(lambda: _answers(running), 8)


def _answers(kite):
    try:
        return kite.order("plain", say="back\n")
    except (raw.Refused, raw.Closed, raw.Silence, OSError):
        return None


# ----------------------------------------------------------------------------------------- shutdown


def test_shutdown(kite):
    """`POST /launcher/shutdown`: 202, then everything ends; api.json is removed at the end."""
    kite.module("plain")
    kite.up("--wait")
    assert kite.call("POST", "/launcher/shutdown").status == 202
    kite.wait(lambda: not kite.census(), 15)
    assert not kite.api_file.exists()
    assert kite.steps("plain", "stopped")[-1]["reason"] == "system_shutdown"
