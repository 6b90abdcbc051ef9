"""docsearch whole, as its user starts it: `kite up -d --wait` over a folder."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.integration.examples.conftest import Hub, System

FILES = {
    "guide.md": "# A guide\nHow the albatross flies. See [notes](notes.txt).\n",
    "notes.txt": "Notes about pelicans.\n",
    "code/bird.py": "class SeaBird:\n    def fly(self): ...\n",
    "page.html": "<title>Gulls</title><p>Gulls eat <b>chips</b>.<script>hidden()</script>",
    "中文.md": "# 海鸟\n信天翁可以飞很远。\n",
}


def wait_until_some_is_indexed(hub: Hub) -> None:
    """The indexer has done something in its present life."""
    hub.subscribe(["docs.indexed"])
    if not hub.request("docs.stats")["done"]:
        hub.wait("docs.indexed", lambda data: data["done"] > 0)


def wait_until_found(hub: Hub, query: str, paths: list[str]) -> None:
    """A search gives these paths."""
    while hub.paths(query) != paths:
        hub.wait("docs.indexed", lambda data: bool(data["changes"]))


def wait_until_indexed(hub: Hub, count: int) -> None:
    """The index holds so many documents and has nothing more to do."""
    hub.subscribe(["docs.indexed"])
    stats = hub.request("docs.stats")
    if not (stats["documents"] == count and stats["state"] == "idle"):
        hub.wait(
            "docs.indexed",
            lambda data: data["documents"] == count and data["state"] == "idle",
        )


def ask_page(
    address: str, method: str, path: str, headers: dict[str, str]
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_everything_works_together(system: System) -> None:
    system.write(FILES)
    system.start()

    hub = system.hub()
    wait_until_indexed(hub, len(FILES))
    assert hub.paths("albatross ") == ["guide.md"]
    assert hub.paths("信天翁 ") == ["中文.md"]
    assert hub.paths("seabird ") == ["code/bird.py"]
    assert hub.paths("hidden ") == []
    assert hub.search('"unfinished ( AND * OR -')["total"] == 0

    # previews, where Node is
    rendered = hub.ask("docs.preview", {"path": "guide.md"})
    if system.module("preview")["actual_state"] == "running":
        assert "<h1>A guide</h1>" in rendered["data"]["html"]
        refused = hub.ask("docs.preview", {"path": "../../etc/passwd"})
        assert refused["headers"]["kite-error"] == "docs_unknown_path"

    # the files themselves, from a program that knows nothing of Kite
    files = system.registered("files.api_endpoint")
    status, _, body = ask_page(files, "GET", "/notes.txt", {})
    assert (status, body) == (200, FILES["notes.txt"].encode())

    # the shell's part
    hub.subscribe(["docs.words"])
    system.write({"more.txt": "seven more words for wc to count"})
    prose = [text for path, text in FILES.items() if not path.endswith(".py")]
    expected = sum(len(text.split()) for text in [*prose, "seven more words for wc to count"])
    hub.wait("docs.words", lambda data: data["words"] == expected)
    # The same figures come as often as the index settles, and are printed once.
    lines = [line for line in system.log("wordcount").splitlines() if "words=" in line]
    assert any(f"words={expected}" in line for line in lines)
    figures = [line.partition("lines=")[2] for line in lines]
    assert all(one != other for one, other in itertools.pairwise(figures))

    system.down()
    assert not (system.instance_dir / "launcher" / "api.json").exists()


def test_changes_are_found(system: System) -> None:
    """How soon is a figure of `./dev bench docsearch`."""
    system.write(FILES)
    system.start()
    hub = system.hub()
    wait_until_indexed(hub, len(FILES))

    system.write({"deep/new/cormorant.md": "# Cormorant\nA zanzibar bird.\n"})
    wait_until_found(hub, "zanzibar ", ["deep/new/cormorant.md"])
    system.write({"guide.md": "# A guide\nNow about puffins.\n"})
    wait_until_found(hub, "puffins ", ["guide.md"])
    assert hub.paths("albatross ") == []
    (system.folder / "deep").rename(system.folder / "moved")
    wait_until_found(hub, "zanzibar ", ["moved/new/cormorant.md"])
    (system.folder / "moved" / "new" / "cormorant.md").unlink()
    wait_until_found(hub, "zanzibar ", [])


def test_a_killed_indexer_loses_nothing(system: System) -> None:
    """Killed twice with work before it. A third time would make Kite give up.

    The work comes while everything runs, and its rest only when the indexer is dead: however fast
    or slow the machine is, it dies in the middle.
    """

    def told(data: dict[str, Any]) -> tuple[str, int]:
        return data["module_id"], data["life"]

    count = 4000
    files = {
        f"{n % 50}/{n}.md": f"# Number {n}\n" + f"common word{n} filler text " * 60
        for n in range(count)
    }
    paths = list(files)
    thirds = [
        {path: files[path] for path in paths[begin : begin + count // 3 + 1]}
        for begin in range(0, count, count // 3 + 1)
    ]
    system.start()
    hub = system.hub()
    hub.subscribe(["docs.indexed", "module.started"])

    system.write(thirds[0])
    for life, third in enumerate(thirds[1:], 1):
        pid = system.module("indexer")["pid"]
        wait_until_some_is_indexed(hub)
        os.kill(pid, signal.SIGKILL)
        system.write(third)
        if life == 2:
            # Changes of every sort while it is away.
            system.write({"late.md": "# Late\nlatecomer\n", "7/7.md": "# Seven\nrewritten\n"})
            (system.folder / "8" / "8.md").unlink()
        hub.wait(
            "module.started", lambda data, next_life=life + 1: told(data) == ("indexer", next_life)
        )
    wait_until_indexed(hub, count)

    assert hub.search("common ")["total"] == count - 2
    assert hub.paths("latecomer ") == ["late.md"]
    assert hub.paths("rewritten ") == ["7/7.md"]
    assert hub.paths("word8 ") == []
    for n in (0, 1234, count - 1):
        assert hub.paths(f"word{n} ") == [f"{n % 50}/{n}.md"]


def test_the_watcher_and_the_hub_may_die_too(system: System) -> None:
    system.write(FILES)
    system.start()
    hub = system.hub()
    wait_until_indexed(hub, len(FILES))
    hub.subscribe(["module.started"])

    system.kill("watcher")
    (system.folder / "notes.txt").unlink()
    system.write({"while_away.md": "kookaburra"})
    hub.wait("module.started", lambda data: data["module_id"] == "watcher")
    while hub.paths("kookaburra ") != ["while_away.md"] or hub.paths("pelicans "):
        hub.wait("docs.indexed", lambda _: True)

    hub.close()
    before = system.module("event_hub")["life"]
    system.kill("event_hub")
    system.write({"hub_away.md": "lyrebird"})
    system.wait_for_life("event_hub", before + 1)
    hub = system.hub()
    hub.subscribe(["docs.indexed"])
    while hub.ask("docs.search", {"query": "lyrebird "}).get("data", {}).get("total") != 1:
        # The modules come back to the new Hub one by one; the index tells when it has something.
        with suppress(TimeoutError):
            hub.wait("docs.indexed", lambda data: bool(data["changes"]), timeout=1)
    # Not the page: another docsearch may take its port between Kite's look and its start.
    for name in ("indexer", "watcher", "preview"):
        assert system.module(name)["restarts"] == (1 if name == "watcher" else 0), name


def test_without_node_kite_says_so_and_the_rest_works(
    system: System, path_without_node: str
) -> None:
    system.write(FILES)
    system.environment["PATH"] = path_without_node
    up = system.up()
    assert up.returncode == 4, up.stderr
    assert "preview" in up.stderr
    preview = system.module("preview")
    assert preview["actual_state"] == "failed"
    assert "'node' was not found" in preview["error"]
    lifecycle = (system.instance_dir / "launcher" / "lifecycle.jsonl").read_text()
    steps = [json.loads(line) for line in lifecycle.splitlines()]
    assert any(
        step["event"] == "start_failed" and "program_not_found" in json.dumps(step)
        for step in steps
        if step["module"] == "preview"
    )
    hub = system.hub()
    wait_until_indexed(hub, len(FILES))
    assert hub.paths("albatross ") == ["guide.md"]
    answer = hub.ask("docs.preview", {"path": "guide.md"})
    assert answer["code"] == "no_responders"
    # What the page shows instead.
    assert "albatross" in hub.request("docs.text", {"path": "guide.md"})["text"]
    for name in ("watcher", "indexer", "web", "files", "wordcount"):
        assert system.module(name)["actual_state"] == "running"


def test_a_folder_that_is_not_there_comes_and_goes(system: System) -> None:
    system.folder.rmdir()
    system.up()
    hub = system.hub()
    hub.subscribe(["docs.indexed", "docs.scan"])
    assert hub.request("docs.list")["error"] == "the folder does not exist"
    system.folder.mkdir()
    system.write(FILES)
    while hub.request("docs.stats")["documents"] != len(FILES):
        hub.wait("docs.indexed", lambda _: True)
    # An unmounted disk must not empty the index.
    system.folder.rename(system.folder.with_name("away"))
    hub.wait("docs.scan", lambda data: data["state"] == "missing")
    assert hub.paths("albatross ") == ["guide.md"]


@pytest.fixture
def page(system: System) -> str:
    system.write(FILES)
    system.start()
    return str(system.registered("web.api_endpoint"))


def test_the_page_is_strict(system: System, page: str) -> None:
    host = urlsplit(page).netloc
    status, headers, body = ask_page(page, "GET", "/", {"host": host})
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert b"<script>" not in body
    assert b"http://" not in body
    assert b"https://" not in body
    for path, expected in (("/app.js", 200), ("/nope.js", 404), ("/../main.py", 404)):
        assert ask_page(page, "GET", path, {"host": host})[0] == expected, path
    assert ask_page(page, "GET", "/", {"host": f"evil.example:{urlsplit(page).port}"})[0] == 421

    refused: list[dict[str, str]] = [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{urlsplit(page).port}"},
        {"origin": page, "sec-fetch-site": "cross-site"},
        {"origin": page, "host": "evil.example"},
    ]
    for headers_sent in refused:
        status, _, body = ask_page(page, "POST", "/session", {"host": host} | headers_sent)
        assert status == 403, headers_sent
        assert b"token" not in body
    assert ask_page(page, "GET", "/session", {"host": host, "origin": page})[0] == 404


def test_the_page_may_search_and_nothing_else(system: System, page: str) -> None:
    host = urlsplit(page).netloc
    status, _, body = ask_page(page, "POST", "/session", {"host": host, "origin": page})
    assert status == 200
    session = json.loads(body)

    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    def opened(origin: str) -> Any:
        return connect(
            session["ws_endpoint"],
            origin=origin,  # type: ignore[arg-type]
            subprotocols=["kite.v1", f"kite.token.{session['token']}"],  # type: ignore[list-item]
            proxy=None,
        )

    with pytest.raises(InvalidStatus) as refused:
        opened("https://evil.example")
    assert refused.value.response.status_code == 403

    with opened(page) as socket:
        assert socket.subprotocol == "kite.v1"

        def tell(message: dict[str, Any]) -> dict[str, Any]:
            socket.send(json.dumps(message))
            answer: dict[str, Any] = json.loads(socket.recv(10))
            return answer

        assert tell({"type": "subscribe", "events": ["docs.changed"], "id": 1})["code"] == (
            "permission_denied"
        )
        assert tell({"type": "event", "event": "docs.changed", "data": {}, "event_id": "x"})[
            "code"
        ] == ("permission_denied")
        assert tell({"type": "subscribe", "events": ["_reply.web.t.>"], "id": 2})["type"] == "ack"
        reply = tell(
            {
                "type": "event",
                "event": "docs.search",
                "data": {"query": "albatross "},
                "reply_to": "_reply.web.t.1",
            }
        )
        assert reply["data"]["total"] == 1


def test_no_token_is_ever_in_a_log(system: System, page: str) -> None:
    host = urlsplit(page).netloc
    _, _, body = ask_page(page, "POST", "/session", {"host": host, "origin": page})
    token = json.loads(body)["token"]
    system.down()
    for log in (system.instance_dir / "logs").iterdir():
        assert token not in log.read_text(encoding="utf-8"), log


@pytest.mark.slow
def test_five_thousand_files(system: System) -> None:
    """Indexed with visible progress; how fast is a figure of `./dev bench docsearch`."""
    sentence = "The quick event loop forwards frames to whoever subscribed before noon. "
    system.write(
        {
            f"{n % 40}/{n}.md": f"# Document {n}\n\n" + f"{sentence}Item{n * 7919 % 5000} " * 90
            for n in range(5000)
        }
    )
    system.start()
    hub = system.hub()
    wait_until_indexed(hub, 5000)
    progress = [
        event["data"]["documents"]
        for event in hub.events
        if event.get("event") == "docs.indexed" and event["data"]["state"] == "indexing"
    ]
    assert len(progress) > 5
    assert progress == sorted(progress)


def test_the_project_folder_stays_as_it_is(system: System) -> None:
    project = Path(__file__).resolve().parents[3] / "examples" / "docsearch"

    def listing() -> set[Path]:
        return {path for path in project.rglob("*") if "__pycache__" not in path.parts}

    before = listing()
    system.write(FILES)
    system.start()
    system.down()
    assert listing() == before
