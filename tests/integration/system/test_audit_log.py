"""Who did what, and who was refused what, in a real system: on all three ports, and by signals."""

from __future__ import annotations

import http.client
import json
import select
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kite.audit.throttle import BURST
from kite.testing.system import ECHO, System

STRANGER = "f" * 64

SPEAKER = """
import json, os, sys
from pathlib import Path
from kite import Module

module = Module()

@module.handle("speaker.token")
async def token(request):
    path = Path(os.environ["KITE_MODULE_DATA"], "token")
    path.touch(mode=0o600)
    path.write_text(module.token)
    return str(path)

@module.handle("speaker.flood")
async def flood(request):
    for number in range(request.data["count"]):
        module.publish(f"hub.forbidden.{number % 7}", {})
        if number % 500 == 0:
            await module.drained()
    await module.drained()
    return "done"

module.run()
"""


def lines(system: System, **fields: Any) -> list[dict[str, Any]]:
    """Those of all three logs that fit, by `kite audit`."""
    found = [json.loads(line) for line in system.kite("audit", "--json").out.splitlines()]
    return [each for each in found if all(each.get(k) == v for k, v in fields.items())]


def line(system: System, **fields: Any) -> dict[str, Any]:
    """The last one that fits: it is written behind the back of the answer."""
    return system.wait(lambda: lines(system, **fields), what=f"a line with {fields}")[-1]


def knock(port: int | None, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def ports(system: System) -> dict[str, int | None]:
    api = system.api
    return {
        "launcher": urlsplit(api["url"]).port,
        "registry": api["registry_port"],
        "event_hub": urlsplit(api["ws_endpoint"]).port,
    }


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("audit"), extensions=False) as made:
        made.module("echo", ECHO, runtime="python")
        made.module("off", state="disabled")
        made.module(
            "speaker",
            SPEAKER,
            runtime="python",
            events={"publish": ["speaker.>"], "subscribe": ["speaker.>"]},
        )
        made.up("--wait")
        yield made


def token_of(system: System) -> str:
    return Path(system.request("speaker.token")).read_text()


@pytest.mark.parametrize("where", ["launcher", "registry", "event_hub"])
def test_who_shows_no_token_that_is_known_is_nobody(system: System, where: str) -> None:
    """Nothing of the token that was shown is kept."""
    port = ports(system)[where]
    assert knock(port, "/metrics", Authorization=f"Bearer {STRANGER}") == 401
    found = line(system, where=where, code="unauthorized")
    assert (found["who"], found["what"], found["outcome"]) == ("nobody", "GET /metrics", "refused")
    assert found["peer"] > 0
    log = (system.instance_dir / where / "audit.jsonl").read_text()
    assert STRANGER[:8] not in log
    mode = stat.S_IMODE((system.instance_dir / where / "audit.jsonl").stat().st_mode)
    assert mode == 0o600


@pytest.mark.parametrize("where", ["launcher", "registry", "event_hub"])
@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("bad_host", {"Host": "evil.example"}),
        ("bad_origin", {"Origin": "https://evil.example"}),
    ],
)
def test_a_foreign_page_is_named(
    system: System, where: str, code: str, headers: dict[str, str]
) -> None:
    assert knock(ports(system)[where], "/metrics", **headers) == 403
    assert "evil.example" in line(system, where=where, code=code)["reason"]


def test_a_module_that_may_not_is_named_with_its_life(system: System) -> None:
    token, life = token_of(system), system.record("speaker")["life"]
    answer = system.call("POST", "/launcher/modules/echo/stop", token=token)
    assert (answer.status, answer.body["code"]) == (403, "permission_denied")
    found = line(system, where="launcher", who="speaker", outcome="refused")
    assert (found["what"], found["target"], found["life"]) == ("stop", "echo", life)
    registry = f"http://127.0.0.1:{system.api['registry_port']}"
    body = {"action": "register", "module_id": "echo"}
    assert system.call("POST", "/modules", body, token=token, url=registry).status == 403
    found = line(system, where="registry", who="speaker")
    assert (found["code"], found["reason"]) == ("permission_denied", "speak for 'echo'")


def test_every_control_action_has_its_line(system: System) -> None:
    """With who, what, whom, why; and what was refused with why not."""
    system.act("restart", "echo")
    system.call("POST", "/launcher/modules/echo/stop?wait=1", {"reason": "lunch"})
    system.call("POST", "/launcher/modules/echo/start?wait=1")
    system.call("POST", "/launcher/modules/off/start")
    system.call("POST", "/launcher/modules/nobody/start")
    system.call("POST", "/launcher/modules/registry/stop")
    system.call("POST", "/launcher/rescan")
    system.call("PUT", "/launcher/modules/off/state", {"state": "manual"})
    system.call("PUT", "/launcher/modules/off/state", {"state": "nonsense"})
    found = line(system, what="state nonsense")
    assert (found["code"], found["outcome"]) == ("bad_config_state", "refused")
    keys = ("what", "target", "outcome", "code", "reason")
    operator = [tuple(each.get(key) for key in keys) for each in lines(system, who="operator")]
    expected = [
        ("restart", "echo", "done", None, None),
        ("stop", "echo", "done", None, "lunch"),
        ("start", "echo", "done", None, None),
        ("start", "off", "refused", "module_disabled", None),
        ("start", "nobody", "refused", "unknown_module", None),
        ("stop", "registry", "refused", "core_module", "stop"),
        ("rescan", None, "done", None, None),
        ("state manual", "off", "done", None, None),
        ("state nonsense", "off", "refused", "bad_config_state", None),
    ]
    assert operator[-len(expected) :] == expected


def test_a_reason_has_an_end(system: System) -> None:
    """What is too long for events is refused; of what is not, the audit log has the beginning."""
    path = "/launcher/modules/echo/restart?wait=1"
    assert system.call("POST", path, {"reason": "x" * 1001}).status == 422
    assert system.call("POST", path, {"reason": "y" * 1000}).status == 200
    found = system.wait(
        lambda: [each["reason"] for each in lines(system, target="echo") if "yyy" in str(each)]
    )
    assert [len(reason) for reason in found] == [301]


def test_a_watch_is_an_action_too(system: System) -> None:
    process = system.spawn("dev", "echo", "--json")
    found = line(system, what="watch", target="echo")
    assert (found["who"], found["outcome"]) == ("operator", "done")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


def test_a_flood_of_forbidden_events_is_a_few_lines_and_slows_nobody(system: System) -> None:
    """A hundred thousand would be; the test takes a part of it."""
    assert system.request("speaker.flood", {"count": 5000}, timeout=60.0) == "done"
    assert system.request("echo.echo", 1)["data"] == 1
    found = system.wait(lambda: lines(system, where="event_hub", who="speaker"))
    assert 0 < len(found) <= BURST
    assert {each["code"] for each in found} == {"permission_denied"}
    assert found[0]["what"].startswith("publish on 'hub.forbidden.")
    system.call("POST", "/launcher/modules/event_hub/restart?wait=1")
    summary = system.wait(
        lambda: [each for each in lines(system, where="event_hub") if "suppressed" in each],
        what="the summary of what was suppressed",
    )[-1]
    assert len(found) + summary["suppressed"] == 5000
    assert summary["who"] == "speaker"
    assert (system.instance_dir / "event_hub" / "audit.jsonl").stat().st_size < 20_000


def test_what_is_wanted_of_it(system: System) -> None:
    refused = system.kite("audit", "--refused", "--json").out.splitlines()
    assert refused
    assert {json.loads(each)["outcome"] for each in refused} == {"refused"}
    speaker = system.kite("audit", "--who", "speaker", "--json").out.splitlines()
    assert {json.loads(each)["who"] for each in speaker} == {"speaker"}
    assert len(system.kite("audit", "-n", "2").out.splitlines()) == 2
    assert system.kite("audit", "--since", "2100-01-01T00:00:00Z").out == ""
    text = system.kite("audit", "--who", "operator").out
    assert "stop echo (lunch)" in text
    instants = [each["ts"] for each in lines(system)]
    assert instants == sorted(instants)


def test_following_shows_what_comes(system: System) -> None:
    process = system.spawn("audit", "-f", "-n", "0", "--json")
    assert process.stdout is not None

    def provoke() -> bool:
        system.call("GET", "/launcher", token=STRANGER)
        system.call("POST", "/launcher/rescan")
        return bool(lines(system, what="rescan"))

    system.wait(provoke)
    # It begins to read at some time; whatever is written then is shown.
    deadline = 40
    while not select.select([process.stdout], [], [], 0.5)[0]:
        deadline -= 1
        assert deadline, "nothing was shown"
        system.call("POST", "/launcher/rescan")
    shown = json.loads(process.stdout.readline())
    assert shown["what"] in {"rescan", "GET /launcher"}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_end_by_a_signal_has_its_line_and_can_be_read_when_kite_is_down(
    tmp_path: Path, how: signal.Signals
) -> None:
    with System(tmp_path, extensions=False) as system:
        process = system.spawn("up", "--quiet")
        system.wait(lambda: system.is_up)
        system.wait_phase("running")
        process.send_signal(how)
        process.communicate(timeout=30)
        found = line(system, what="shutdown")
        assert (found["who"], found["how"], found["outcome"]) == ("operator", how.name, "done")
        assert len(lines(system, what="shutdown")) == 1
