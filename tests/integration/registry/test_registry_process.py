"""The Registry as a process, over real sockets: section 6 and what of 3 to 5 concerns it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import secrets
import signal
import sys
import time
from pathlib import Path

import pytest

from kite.errors import KiteError, Unavailable
from kite.http.client import call
from kite.testing.registry import RegistryProcess
from kite.wire.token import digest

ENDPOINT = {"metadata": {"ws_endpoint": "ws://127.0.0.1:4242/ws"}}


@pytest.fixture
async def registry(tmp_path):
    names = ("registry", "event_hub", "operator", "alpha", "beta")
    async with RegistryProcess(tmp_path, tokens=names) as process:
        yield process


def register(registry, name="alpha", token=None, **fields):
    body = {"action": "register", "module_id": name, **fields}
    return registry.call("POST", "/modules", token or name, json=body)


def say(registry, action, name="alpha", token=None, **fields):
    body = {"action": action, "module_id": name, **fields}
    return registry.call("POST", "/modules", token or name, json=body)


def told(response):
    return response.status, response.json().get("code")


async def until(condition, seconds=5.0):
    """Wait for what another process does, which tells nobody here when it has done it."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110  (no event reaches from there)
            await asyncio.sleep(0.02)
    return found


# --- who may speak


async def test_before_the_first_post_only_the_kite_token_is_known(tmp_path):
    async with RegistryProcess(tmp_path, tokens=()) as registry:
        assert (await registry.call("GET", "/modules", registry.kite_token)).status == 200
        for token in (secrets.token_hex(32), "garbage"):
            answer = await registry.call("GET", "/modules", token)
            assert told(answer) == (503, "not_ready")
            assert int(answer.headers["retry-after"]) >= 1
        assert told(await registry.call("GET", "/modules")) == (401, "unauthorized")
        asked = await registry.call("GET", "/tokens/digests", registry.kite_token)
        assert told(asked) == (503, "not_ready")
        body = {"token": secrets.token_hex(32)}
        asked = await registry.call("POST", "/verify", registry.kite_token, json=body)
        assert told(asked) == (503, "not_ready")
        fresh = await registry.post_tokens("alpha")
        assert (await registry.call("GET", "/modules", fresh["alpha"])).status == 200
        answer = await registry.call("GET", "/modules", secrets.token_hex(32))
        assert told(answer) == (401, "unauthorized")


async def test_a_late_word_of_an_earlier_life_is_401(registry):
    late = registry.tokens["alpha"]
    await registry.post_tokens("alpha")
    for action in ("register", "heartbeat", "deregister"):
        assert told(await say(registry, action, token=late)) == (401, "unauthorized")
    assert (await register(registry)).status == 200


async def test_replicas_and_revocation(registry):
    tokens = [secrets.token_hex(32) for _ in range(3)]
    await registry.post({"gamma": [{"token": t, "life": n + 1} for n, t in enumerate(tokens)]})
    for token in tokens:
        assert (await registry.call("GET", "/modules", token)).status == 200
    await registry.post({"gamma": None})
    for token in tokens:
        assert (await registry.call("GET", "/modules", token)).status == 401


async def test_each_life_has_its_own_entry(registry):
    one, two = (secrets.token_hex(32) for _ in range(2))
    await registry.post({"gamma": [{"token": one, "life": 1}, {"token": two, "life": 2}]})
    await register(registry, "gamma", one, metadata={"n": 1})
    await register(registry, "gamma", two, metadata={"n": 2})
    assert await registry.ask("GET", "/get/gamma.metadata.n", "operator") == 2
    # Said by the Launcher at the death of the second: the first is still there.
    await say(registry, "deregister", "gamma", registry.kite_token, life=2)
    assert await registry.ask("GET", "/get/gamma.metadata.n", "operator") == 1
    assert told(await say(registry, "heartbeat", "gamma", two)) == (404, "not_registered")
    assert told(await say(registry, "heartbeat", "gamma", one, life=2)) == (
        403,
        "permission_denied",
    )
    # The first has died without anybody saying so; its token is gone.
    await registry.post({"gamma": {"token": two, "life": 2}})
    assert told(await registry.call("GET", "/modules/gamma", "operator")) == (404, "not_found")


async def test_a_refused_post_changes_nothing(registry):
    fresh = secrets.token_hex(32)
    body = {"alpha": fresh, "beta": {"token": secrets.token_hex(32), "publish": ["a..b"]}}
    answer = await registry.call("POST", "/tokens", registry.kite_token, json=body)
    assert answer.status == 422
    assert answer.json()["place"] == "$.beta.publish[0]"
    assert (await registry.call("GET", "/modules", fresh)).status == 401
    assert (await registry.call("GET", "/modules", "alpha")).status == 200


@pytest.mark.parametrize("path", ["/verify", "/tokens", "/tokens/session"])
async def test_what_the_operator_may_not(registry, path):
    answer = await registry.call("POST", path, "operator", json={})
    assert told(answer) == (403, "permission_denied")


async def test_the_operator_may_know_which_tokens_there_are_and_a_module_may_not(registry):
    """By their digests: who looks for a token that lies open knows it by that."""
    table = await registry.ask("GET", "/tokens/digests", "operator")
    digests = {row["digest"] for row in table["tokens"]}
    assert {digest(token) for token in registry.tokens.values()} == digests
    assert not set(registry.tokens.values()) & digests
    answer = await registry.call("GET", "/tokens/digests", "alpha")
    assert told(answer) == (403, "permission_denied")


async def test_the_operator_reads_everything_and_writes_nothing(registry):
    await register(registry)
    for path in ("/modules", "/modules/alpha", "/lookup?module_id=a*", "/get/alpha", "/metrics"):
        assert (await registry.call("GET", path, "operator")).status == 200
    for action in ("register", "heartbeat", "deregister"):
        answer = await say(registry, action, token="operator")
        assert told(answer) == (403, "permission_denied")


async def test_a_token_that_is_named_launcher_asks_as_the_launcher_does(registry):
    token = secrets.token_hex(32)
    await registry.ask("POST", "/tokens", registry.kite_token, json={"launcher": token})
    found = await registry.ask("POST", "/verify", token, json={"token": token})
    assert found["module_id"] == "launcher"
    assert (await registry.call("GET", "/tokens/digests", token)).status == 200
    answer = await registry.call("POST", "/tokens", token, json={"alpha": None})
    assert told(answer) == (403, "permission_denied")


async def test_the_kite_token_is_nobodys(registry):
    answer = await registry.call(
        "POST", "/verify", "event_hub", json={"token": registry.kite_token}
    )
    assert told(answer) == (404, "unknown_token")
    answer = await registry.call(
        "POST", "/tokens", registry.kite_token, json={"alpha": registry.kite_token}
    )
    assert answer.status == 422


# --- sessions


async def test_a_session_token_is_for_the_hub_only(registry):
    session = await registry.ask(
        "POST", "/tokens/session", "alpha", json={"publish": ["a.b"], "subscribe": None, "ttl": 60}
    )
    found = await registry.ask("POST", "/verify", "event_hub", json={"token": session["token"]})
    assert found["module_id"] == "alpha"
    assert (found["publish"], found["subscribe"], found["scopes"]) == (["a.b"], None, [])
    assert found["expires_at"] == session["expires_at"]
    for method, path in (("GET", "/modules"), ("POST", "/tokens/session"), ("GET", "/metrics")):
        options = {"json": {}} if method == "POST" else {}
        answer = await registry.call(method, path, session["token"], **options)
        assert told(answer) == (403, "session_token")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"ttl": 0}, "$.ttl"),
        ({"ttl": 3601}, "$.ttl"),
        ({"ttl": "60"}, "$.ttl"),
        ({"publish": "a"}, "$.publish"),
        ({"publish": [1]}, "$.publish[0]"),
        ({"subscribe": ["a", "b..c"]}, "$.subscribe[1]"),
    ],
)
async def test_wrong_wishes_for_a_session(registry, body, place):
    answer = await registry.call("POST", "/tokens/session", "alpha", json=body)
    assert (answer.status, answer.json().get("place")) == (422, place)


async def test_a_session_ends_with_its_time_and_with_its_parent(registry):
    short = await registry.ask("POST", "/tokens/session", "alpha", json={"ttl": 0.2})
    long = await registry.ask("POST", "/tokens/session", "alpha", json={"ttl": 600})

    async def lives(session):
        body = {"token": session["token"]}
        return (await registry.call("POST", "/verify", "event_hub", json=body)).status == 200

    assert await lives(long)
    table = await registry.ask("GET", "/tokens/digests", "event_hub")
    # The Hub, which waits for changes, hears of the end without anybody asking.
    later = await registry.ask(
        "GET",
        f"/tokens/digests?epoch={table['epoch']}&revision={table['revision']}&wait=5",
        "event_hub",
    )
    assert digest(short["token"]) not in {each["digest"] for each in later["tokens"]}
    assert not await lives(short)
    assert await lives(long)
    await registry.post_tokens("alpha")
    assert not await lives(long)


# --- entries


async def test_a_lease_ends_by_itself_and_the_core_stays(tmp_path):
    async with RegistryProcess(
        tmp_path, tokens=("event_hub", "alpha"), config={"ttl": 0.3}
    ) as registry:
        began = time.monotonic()
        assert (await register(registry)).json()["ttl"] == 0.3
        await register(registry, "event_hub", **ENDPOINT)

        async def heartbeats():
            while time.monotonic() - began < 0.8:
                assert (await say(registry, "heartbeat")).status == 200
                await asyncio.sleep(0.1)

        await heartbeats()

        async def gone():
            return (await registry.call("GET", "/modules/alpha", "event_hub")).status == 404

        await until(gone)
        assert told(await say(registry, "heartbeat")) == (404, "not_registered")
        record = await registry.ask("GET", "/modules/event_hub", "event_hub")
        assert record["expires_at"] is None
        assert (await say(registry, "deregister", "event_hub")).status == 200
        assert (await registry.call("GET", "/modules/event_hub", "event_hub")).status == 200


async def test_after_the_registry_was_stopped_nobody_is_blamed(tmp_path):
    """Heartbeats that could not be heard while it was suspended do not end a lease."""
    config = {"ttl": 1.0}
    async with RegistryProcess(tmp_path, tokens=("alpha",), config=config) as registry:
        await register(registry)
        os.kill(registry.pid, signal.SIGSTOP)
        await asyncio.sleep(3.3)
        os.kill(registry.pid, signal.SIGCONT)
        assert (await registry.call("GET", "/modules/alpha", "alpha")).status == 200

        async def told_so():
            return any("leases.renewed" in line for line in registry.log)

        await until(told_so)  # the log comes by another way than the answer


async def test_before_the_hub_has_registered_its_path_is_503(registry):
    for path in ("/get/event_hub", "/get/event_hub.metadata.ws_endpoint"):
        answer = await registry.call("GET", path, "alpha")
        assert told(answer) == (503, "not_ready")
        assert "retry-after" in answer.headers
    await register(registry, "event_hub", **ENDPOINT)
    found = await registry.ask("GET", "/get/event_hub.metadata.ws_endpoint", "alpha")
    assert found == ENDPOINT["metadata"]["ws_endpoint"]
    assert told(await registry.call("GET", "/get/event_hub.metadata.x", "alpha")) == (
        404,
        "not_found",
    )


async def test_it_stands_in_itself(registry):
    record = await registry.ask("GET", "/modules/registry", "alpha")
    assert record["api_endpoint"] == registry.url
    assert record["expires_at"] is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"text": "\u0000\u001f \U0001f600 ünï"},
        {"big": 2**70, "small": -(2**70), "half": 0.5, "tiny": 1e-300},
        {"": {"": []}, "a.b": {"c": 1}},
        {"deep": json.loads("[" * 60 + "]" * 60)},
    ],
)
async def test_metadata_comes_back_as_it_was(registry, metadata):
    # Sent by the standard library's encoder, which other programs use too.
    answer = await register(registry, metadata=metadata)
    assert answer.status == 200
    response = await registry.call("GET", "/modules/alpha", "alpha")
    assert json.loads(response.body)["metadata"] == metadata


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"action": "register"}, "$"),
        ({"action": "register", "module_id": 5}, "$.module_id"),
        ({"action": "dance", "module_id": "alpha"}, "$.action"),
        ({"action": "register", "module_id": "alpha", "metadata": []}, "$.metadata"),
        ({"action": "register", "module_id": "alpha", "tools": "x"}, "$.tools"),
        (
            {"action": "register", "module_id": "alpha", "events_publish": [1]},
            "$.events_publish[0]",
        ),
        ({"action": "register", "module_id": "alpha", "life": "1"}, "$.life"),
        ({"action": "register", "module_id": "alpha", "api_endpoint": "x"}, "$.api_endpoint"),
    ],
)
async def test_a_malformed_body_is_named_by_its_place(registry, body, place):
    answer = await registry.call("POST", "/modules", "alpha", json=body)
    assert told(answer) == (422, "malformed_body")
    assert answer.json()["place"] == place


async def test_a_look_up_of_too_many_fields(registry):
    query = "&".join(f"f{n}=*" for n in range(40))
    assert told(await registry.call("GET", f"/lookup?{query}", "alpha")) == (422, "bad_query")


async def test_origins_are_those_of_live_modules(registry):
    headers = {"origin": "http://localhost:7700"}
    answer = await registry.call("GET", "/modules", "alpha", headers=headers)
    assert told(answer) == (403, "bad_origin")
    await register(registry, api_endpoint="http://127.0.0.1:7700")
    assert (await registry.call("GET", "/modules", "alpha", headers=headers)).status == 200
    await say(registry, "deregister")
    answer = await registry.call("GET", "/modules", "alpha", headers=headers)
    assert told(answer) == (403, "bad_origin")


async def test_configured_origins(tmp_path):
    config = {"origins": ["https://app.example"]}
    async with RegistryProcess(tmp_path, tokens=("alpha",), config=config) as registry:
        answer = await registry.call(
            "GET", "/modules", "alpha", headers={"origin": "https://app.example"}
        )
        assert answer.status == 200


# --- the Hub's table


async def test_the_table_and_waiting_for_a_change(registry):
    table = await registry.ask("GET", "/tokens/digests", "event_hub")
    assert {each["module_id"] for each in table["tokens"]} == set(registry.tokens)
    known = f"epoch={table['epoch']}&revision={table['revision']}"
    began = time.monotonic()
    same = await registry.ask("GET", f"/tokens/digests?{known}&wait=0.2", "event_hub")
    assert same == table
    assert time.monotonic() - began >= 0.2
    waiting = asyncio.create_task(
        registry.ask("GET", f"/tokens/digests?{known}&wait=30", "event_hub", timeout=40)
    )
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await registry.post_tokens("alpha")
    later = await asyncio.wait_for(waiting, 10)
    assert later["revision"] > table["revision"]
    assert digest(registry.tokens["alpha"]) in {each["digest"] for each in later["tokens"]}
    # What is behind, or of another life, is answered at once.
    for stale in (known, "epoch=other&revision=1", "revision=1", ""):
        began = time.monotonic()
        await registry.ask("GET", f"/tokens/digests?{stale}&wait=30", "event_hub")
        assert time.monotonic() - began < 2


async def test_a_new_port_wakes_who_waits(registry):
    table = await registry.ask("GET", "/tokens/digests", "event_hub")
    known = f"epoch={table['epoch']}&revision={table['revision']}"
    waiting = asyncio.create_task(
        registry.ask("GET", f"/tokens/digests?{known}&wait=30", "event_hub", timeout=40)
    )
    await register(registry, api_endpoint="http://127.0.0.1:7701")
    assert 7701 in (await asyncio.wait_for(waiting, 10))["ports"]


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "wait=nan", "wait=inf", "revision=x"])
async def test_wrong_numbers_in_a_query(registry, query):
    answer = await registry.call("GET", f"/tokens/digests?{query}", "event_hub")
    assert told(answer) == (422, "bad_query")


async def test_who_waits_does_not_hold_up_the_end(registry):
    table = await registry.ask("GET", "/tokens/digests", "event_hub")
    known = f"epoch={table['epoch']}&revision={table['revision']}"
    waiting = asyncio.create_task(
        registry.call("GET", f"/tokens/digests?{known}&wait=30", "event_hub", timeout=40)
    )
    await asyncio.sleep(0.1)
    began = time.monotonic()
    assert await registry.terminate() == 0
    assert time.monotonic() - began < 1.5
    assert (await waiting).status == 200


# --- death and return


async def test_entries_and_sessions_survive_a_kill(registry):
    await register(registry, metadata={"kept": [1, None]}, api_endpoint="http://127.0.0.1:7702")
    await register(registry, "event_hub", **ENDPOINT)
    session = await registry.ask("POST", "/tokens/session", "alpha", json={"ttl": 600})
    before = await registry.ask("GET", "/modules", "operator")
    late = registry.tokens["beta"]
    await registry.kill()
    await registry.start()
    # In this life too nobody is known before the first word.
    assert told(await registry.call("GET", "/modules", "alpha")) == (503, "not_ready")
    registry.tokens["beta"] = secrets.token_hex(32)
    await registry.post(registry.tokens)
    assert (await registry.call("GET", "/modules", late)).status == 401
    after = await registry.ask("GET", "/modules", "operator")
    for document in (before, after):
        for record in document["modules"]:
            del record["expires_at"]
            if record["module_id"] == "registry":
                del record["registered_at"]
    assert after == before
    assert (await say(registry, "heartbeat")).status == 200
    body = {"token": session["token"]}
    assert (await registry.call("POST", "/verify", "event_hub", json=body)).status == 200
    assert 7702 in (await registry.ask("GET", "/tokens/digests", "event_hub"))["ports"]


async def test_what_was_answered_survives_a_kill_right_after(tmp_path):
    names = [f"m{n}" for n in range(30)]
    async with RegistryProcess(tmp_path, tokens=("operator", *names)) as registry:
        answers = [asyncio.create_task(register(registry, name)) for name in names]
        for _ in range(10):
            await next(asyncio.as_completed(answers))
        await registry.kill()
        done = await asyncio.gather(*answers, return_exceptions=True)
        kept = {n for n, a in zip(names, done, strict=True) if not isinstance(a, Exception)}
        await registry.start()
        await registry.post(registry.tokens)
        found = await registry.ask("GET", "/modules", "operator")
        assert kept <= {record["module_id"] for record in found["modules"]}
        assert kept


async def test_a_fresh_lease_after_a_restart(tmp_path):
    config = {"ttl": 1.0}
    async with RegistryProcess(tmp_path, tokens=("alpha",), config=config) as registry:
        await register(registry)
        await registry.kill()
        await asyncio.sleep(1.2)  # longer than the lease
        await registry.start()
        await registry.post(registry.tokens)
        assert (await say(registry, "heartbeat")).status == 200


async def test_another_kite_token_is_a_clean_start(registry):
    await register(registry)
    await registry.kill()
    registry.kite_token = secrets.token_hex(32)
    await registry.start()
    await registry.post(registry.tokens)
    assert (await registry.call("GET", "/modules/alpha", "alpha")).status == 404


async def test_a_torn_file_is_a_clean_start_and_is_said(registry, tmp_path):
    await register(registry)
    await registry.kill()
    file = tmp_path / "registry.json"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(file.read_bytes()[:-20])
    await registry.start()
    await registry.post(registry.tokens)
    assert (await registry.call("GET", "/modules/alpha", "alpha")).status == 404
    assert any("store.discarded" in line for line in registry.log)


async def test_calls_made_while_it_is_away_wait(registry):
    await registry.kill()
    waiting = asyncio.create_task(registry.call("GET", "/health"))
    await asyncio.sleep(0.1)
    await registry.start()
    assert (await waiting).status == 200


async def test_no_token_is_ever_said_or_kept(registry, tmp_path):
    session = await registry.ask("POST", "/tokens/session", "alpha", json={})
    await register(registry)
    await registry.call("GET", "/modules", "f" * 64)
    answer = await registry.call("POST", "/tokens", registry.kite_token, json={"x": "e" * 63})
    said = "\n".join(registry.log) + answer.body.decode()
    said += "".join(path.read_text() for path in tmp_path.iterdir())
    environ, arguments = shown_to_others(registry.pid)
    for token in (
        *registry.tokens.values(),
        registry.kite_token,
        session["token"],
        "f" * 64,
        "e" * 63,
    ):
        assert token not in said
        assert token not in environ + arguments


async def test_an_unwritable_directory_is_no_reason_to_fail(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    async with RegistryProcess(blocked / "data", tokens=("alpha",)) as registry:
        assert (await register(registry)).status == 200
        assert any("store.failed" in line for line in registry.log)


# --- limits


async def test_too_many_sessions_are_refused(registry):
    for _ in range(256):
        await registry.ask("POST", "/tokens/session", "alpha", json={})
    answer = await registry.call("POST", "/tokens/session", "alpha", json={})
    assert told(answer) == (429, "limit_reached")
    assert (await registry.call("POST", "/tokens/session", "beta", json={})).status == 200


async def test_many_large_entries_are_bounded(registry):
    names = [f"big{n}" for n in range(20)]
    await registry.post_tokens(*names)
    text = "x" * ((1 << 20) - 200)
    refused = 0
    for name in names:
        answer = await register(registry, name, metadata={"x": text})
        assert answer.status in (200, 429)
        refused += answer.status == 429
    assert refused >= 4
    large = {"metadata": {"x": text}}
    assert told(await register(registry, **large)) == (429, "limit_reached")
    await say(registry, "deregister", "big0")
    assert (await register(registry, **large)).status == 200


async def test_a_crowd_at_once(registry):
    answers = await asyncio.gather(
        *(registry.call("GET", "/modules", "alpha") for _ in range(300)),
        *(say(registry, "register") for _ in range(50)),
    )
    assert {answer.status for answer in answers} == {200}


async def test_hostile_neighbours_disturb_nobody(registry):
    """Connections that say nothing, half a request, or rubbish, beside one that works."""
    writers = []
    for data in (
        b"",
        b"POST /modules HTT",
        b"\x00" * 1000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000,
    ):
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", registry.port)
            writer.write(data)
            writers.append(writer)
    began = time.monotonic()
    for _ in range(20):
        assert (await registry.call("GET", "/modules", "alpha")).status == 200
    assert time.monotonic() - began < 3
    for writer in writers:
        writer.transport.abort()


# --- the process


async def test_metrics(registry):
    await register(registry)
    text = (await registry.call("GET", "/metrics", "alpha")).body.decode()
    assert "kite_registry_entries 2.0" in text
    assert 'kite_registry_changes_total{kind="registered"} 2.0' in text
    assert "kite_registry_hub_connected 0.0" in text


def shown_to_others(pid):
    return [Path(f"/proc/{pid}/{name}").read_text() for name in ("environ", "cmdline")]


def wakeups(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


async def test_an_idle_registry_sleeps(registry):
    await register(registry)
    await asyncio.sleep(0.3)
    before = wakeups(registry.pid)
    await asyncio.sleep(2)
    assert wakeups(registry.pid) - before <= 2


async def test_the_end_of_standard_input_is_its_end(registry):
    began = time.monotonic()
    registry.process.stdin.close()
    assert await asyncio.wait_for(registry.process.wait(), 10) == 0
    assert time.monotonic() - began < 1.5


async def test_ctrl_c_is_not_for_it(registry):
    os.kill(registry.pid, signal.SIGINT)
    assert (await registry.call("GET", "/health")).status == 200


async def run_with(stdin, environ=None, *, timeout=20):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kite.registry.entry",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if not k.startswith(("KITE_", "LISTEN_"))}
        | (environ or {}),
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), timeout)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"", 0),
        (b"no boot line\n", 2),
        (b'{"token":"short"}\n', 2),
        (b'{"life":1}\n', 2),
        (b"x" * (1 << 20) + b"x\n", 2),
        (json.dumps({"token": "a" * 64, "config": {"ttl": "soon"}}).encode() + b"\n", 2),
    ],
    ids=["end", "text", "short token", "no token", "endless", "wrong config"],
)
async def test_a_wrong_boot_line_ends_it_with_a_word(line, status):
    code, out, err = await run_with(line)
    assert code == status
    assert json.loads(out)["kite"] == "port"
    assert (b"reason=" in err) == (status != 0)
    assert b"Traceback" not in err


async def test_a_descriptor_that_is_no_socket():
    code, out, err = await run_with(b"", {"LISTEN_FDS": "1"})
    assert (code, out) == (1, b"")
    assert b"registry.failed" in err


async def test_descriptors_for_another_process_are_left_alone():
    code, out, _ = await run_with(b"", {"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert code == 0
    assert json.loads(out)["port"] > 0


async def test_it_speaks_soon(tmp_path):
    """The port line within a fraction of the six seconds, and little processor time for it all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    async with RegistryProcess(tmp_path, tokens=()) as registry:
        assert time.monotonic() - began < 3
        with contextlib.suppress(KiteError):
            await registry.call("GET", "/health")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


async def test_nobody_answers_when_it_is_gone(registry):
    await registry.terminate()
    registry._socket.close()
    with pytest.raises(Unavailable):
        await call("GET", registry.url + "/health", timeout=2)
