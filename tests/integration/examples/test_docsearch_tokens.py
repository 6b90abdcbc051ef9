"""No token lies open anywhere while the whole example system runs: it is searched for, by digest.

Searched are arguments and environments of all processes, logs (rotated and compressed ones too),
every file of project, workspace and documents, every file that a process of the system has open, and
every event. Only `api.json` may hold one, and that is the operator's.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.integration.examples.conftest import PROJECT, Hub, System
from websockets.sync.client import connect

from kite.model.token_scan import Leak, TokenScan, digests_of, runs
from kite.wire.token import digest

FILES = {"guide.md": "# A guide\nHow the albatross flies.\n", "notes.txt": "About pelicans.\n"}


class Ear:
    """Hears everything that is said on the Hub, from a thread of its own."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.heard: list[bytes] = []
        self._ready = threading.Event()
        self._endpoint, self._token = endpoint, token
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    def _listen(self) -> None:
        headers = {"authorization": f"Bearer {self._token}"}
        with (
            contextlib.suppress(Exception),
            connect(
                self._endpoint, additional_headers=headers, proxy=None, max_size=None
            ) as socket,
        ):
            frame = {"type": "subscribe", "events": [">"], "id": 1, "observe": True}
            socket.send(json.dumps(frame))
            for message in socket:
                if not self._ready.is_set():
                    self._ready.set()  # the first one is the acknowledgement
                self.heard.append(message if isinstance(message, bytes) else message.encode())

    def end(self) -> bytes:
        """Everything, once its connection has ended."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return b"\n".join(self.heard)


def live_digests(system: System) -> frozenset[str]:
    """Of all tokens that live now: modules', pages', the operator's."""
    api = json.loads((system.instance_dir / "launcher" / "api.json").read_text())
    connection = http.client.HTTPConnection("127.0.0.1", api["registry_port"], timeout=30)
    try:
        headers = {"Authorization": f"Bearer {api['token']}"}
        connection.request("GET", "/tokens/digests", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        found = digests_of(json.loads(answer.read()))
    finally:
        connection.close()
    assert digest(api["token"]) in found
    return found


def page_token(system: System) -> str:
    """As the page gets it."""
    page = system.registered("web.api_endpoint")
    host = urlsplit(page).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("POST", "/session", headers={"host": host, "origin": page})
        return str(json.loads(connection.getresponse().read())["token"])
    finally:
        connection.close()


def processes(system: System) -> list[int]:
    """Everything that runs for the system: the Launcher, its guard, and all below."""
    mark = f"KITE_WORKSPACE={system.workspace}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def open_files(pids: list[int]) -> Iterator[Path]:
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    path = link.readlink()
                    if path.is_absolute() and stat.S_ISREG(path.stat().st_mode):
                        yield path


def search(system: System, digests: frozenset[str]) -> tuple[list[Leak], TokenScan]:
    """Everything but the events."""
    scan = TokenScan(digests)
    api = system.instance_dir / "launcher" / "api.json"
    pids = processes(system)
    assert len(pids) >= 8, "Launcher, guard, Registry, Hub and modules"
    leaks = [
        *scan.processes(),
        *scan.folder(system.workspace, but=(api,)),
        *scan.folder(system.folder),
        *scan.folder(PROJECT),
    ]
    for path in set(open_files(pids)) - {api}:
        leaks += scan.file(path)
    return leaks, scan


def work(system: System, hub: Hub) -> None:
    """What people do with it."""
    assert hub.search("albatross ")["total"] == 1
    hub.request("docs.stats")
    hub.subscribe(["docs.indexed"])
    system.write({"new.md": "A kookaburra."})
    while hub.paths("kookaburra ") != ["new.md"]:
        hub.wait("docs.indexed", lambda data: bool(data["changes"]))


def wait_until_indexed(hub: Hub, count: int) -> None:
    hub.subscribe(["docs.indexed"])
    while hub.request("docs.stats")["documents"] != count:
        hub.wait("docs.indexed", lambda data: data["documents"] == count)


def test_no_token_lies_open_while_the_whole_system_runs(system: System) -> None:
    """At work, after restarts, with sessions of pages, after all tokens were changed, and at the end."""
    system.write(FILES)
    system.start()
    hub = system.hub()
    api = json.loads((system.instance_dir / "launcher" / "api.json").read_text())
    ear = Ear(api["ws_endpoint"], api["token"])
    wait_until_indexed(hub, len(FILES))
    work(system, hub)
    page = page_token(system)
    digests = live_digests(system)
    assert digest(page) in digests
    assert len(digests) >= 8
    leaks, scan = search(system, digests)
    assert leaks == []
    assert scan.looked > 50
    assert scan.bytes > 10_000

    # A token that is shown in the wrong place, refused, and not written down there either.
    stranger = "5" * 64
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(api["url"]).port, timeout=30)
    headers = {"Authorization": f"Bearer {stranger}"}
    connection.request("GET", f"/launcher?token={page}", headers=headers)
    assert connection.getresponse().status == 401
    connection.close()

    assert system.kite("restart", "indexer", "web", "--reason", "a look").returncode == 0
    digests |= live_digests(system)
    hub.close()
    rotated = system.kite("token", "rotate", "--json", timeout=600)
    assert rotated.returncode == 0, rotated.stderr
    said = ear.end()  # its token is dead
    api = json.loads((system.instance_dir / "launcher" / "api.json").read_text())
    ear = Ear(api["ws_endpoint"], api["token"])
    digests |= live_digests(system)
    page_token(system)
    digests |= live_digests(system)
    assert len(digests) >= 16
    work(system, system.hub())
    leaks, _ = search(system, digests)
    assert leaks == []

    system.down()
    assert not (system.instance_dir / "launcher" / "api.json").exists()
    said += ear.end()
    assert b"module.started" in said
    assert b"docs.indexed" in said
    scan = TokenScan(digests | {digest(stranger)})
    after = [
        *scan.text(said, "the events"),
        *scan.folder(system.workspace),
        *scan.folder(system.folder),
        *scan.folder(PROJECT),
    ]
    assert after == []
    # The kite token, and the one by which the Hub knows the Launcher, are known to nobody who could
    # give their digests: nothing may even look like a token where people and programs read.
    for log in (system.instance_dir / "logs").iterdir():
        assert runs(log.read_bytes()) == [], log
    assert runs(said) == []


def test_nothing_that_looks_like_a_token_is_in_an_argument_or_an_environment(
    system: System,
) -> None:
    system.write(FILES)
    system.start()
    for pid in processes(system):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                assert runs(Path(f"/proc/{pid}/{name}").read_bytes()) == [], (pid, name)


@pytest.mark.parametrize("place", ["log", "project", "document", "instance", "environment"])
def test_the_search_finds_what_was_planted(
    system: System, place: str, request: pytest.FixtureRequest
) -> None:
    """So that finding nothing means something."""
    system.write(FILES)
    system.start()
    token = page_token(system)
    digests = live_digests(system)
    planted = {
        "log": system.instance_dir / "logs" / "web.log",
        # Other tests look at what lies in the project, but for this folder.
        "project": PROJECT / "__pycache__" / f"planted-{os.getpid()}.tmp",
        "document": system.folder / "planted.md",
        "instance": system.instance_dir / "web" / "deep" / "planted",
    }
    if place == "environment":
        child = subprocess.Popen(
            ["sleep", "600"], env={**system.environment, "PLANTED": token}, stdin=subprocess.DEVNULL
        )
        request.addfinalizer(child.wait)
        request.addfinalizer(child.kill)
        where = f"environment of {child.pid}"
    else:
        path = planted[place]
        if place == "project":
            if not path.parent.exists():
                request.addfinalizer(path.parent.rmdir)
            request.addfinalizer(path.unlink)
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(f"\n{{'token': '{token}'}}\n")
        where = str(path)
    leaks: list[Leak] = search(system, digests)[0]
    assert {leak.digest for leak in leaks} == {digest(token)}
    found = {leak.where for leak in leaks}
    assert where in found
    # A document is indexed as soon as it is there, with whatever stands in it.
    assert found == {where} or place == "document"


def test_the_doctor_finds_it_too(system: System) -> None:
    system.write(FILES)
    system.start()

    def found() -> dict[str, Any]:
        document = json.loads(system.kite("doctor", "--security", "--json").stdout)
        [finding] = [each for each in document["findings"] if "token" in each["detail"].lower()][
            -1:
        ]
        return dict(finding)

    assert found()["verdict"] == "ok"
    log = system.instance_dir / "logs" / "web.log"
    with log.open("a") as file:
        file.write(page_token(system))
    assert found()["verdict"] == "fail"
    assert str(log) in found()["detail"]
