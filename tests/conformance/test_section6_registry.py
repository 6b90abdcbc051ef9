"""Section 6, the Registry: every row of the table and every sentence below it.

The pair runs without a Launcher; the test plays it with the kite token.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time

import pytest

from . import raw
from .pair import Pair
from .shapes import fits, refusal, vectors

FIELDS = {
    "module_type": "service",
    "name": "Document indexer",
    "api_endpoint": "http://127.0.0.1:40123",
    "health_endpoint": "/healthz",
    "events_publish": {"docs.indexed": "a document has been indexed"},
    "events_subscribe": ["docs.changed"],
    "tools": [{"name": "search"}],
    "metadata": {"lang": "python", "nested": {"deep": [1, 2, {"x": None}]}},
}


def post(pair, name, action, /, *, token=None, **fields):
    body = {"action": action, "module_id": name, **fields}
    return pair.call("POST", "/modules", token=token or pair.tokens[name], body=body)


def record(pair, name):
    return pair.call("GET", f"/modules/{name}", token=pair.tokens["operator"])


# ------------------------------------------------------------------------------------- the entries


def test_register_answers_ok_module_id_ttl(pair):
    """`{"action":"register"}` answers `{"ok":true,"module_id":…,"ttl":seconds}`."""
    answer = pair.register("reg_plain")
    assert answer.status == 200, answer
    told = fits("registry-answer", answer.json())
    assert told["module_id"] == "reg_plain"
    assert told["ttl"] > 0


def test_record_has_the_registered_fields(pair):
    """The record is what was registered, and `module_id`, `registered_at`, `expires_at`."""
    pair.register("reg_full", **FIELDS)
    told = fits("registry-record", record(pair, "reg_full").json())
    assert told["module_id"] == "reg_full"
    for key, value in FIELDS.items():
        if key != "health_endpoint":
            assert told[key] == value, key
    assert told["health_endpoint"].endswith("/healthz")
    assert told["registered_at"] < told["expires_at"]


def test_events_may_be_a_list_or_a_mapping(pair):
    """`events_publish` is a mapping of subject to description, or a list."""
    pair.register("reg_list", events_publish=["a.b"], events_subscribe={"c.d": "why"})
    told = record(pair, "reg_list").json()
    assert list(told["events_publish"]) == ["a.b"]
    assert list(told["events_subscribe"]) == ["c.d"]


def test_register_replaces(pair):
    """Registering again replaces the entry: what is not said again is gone."""
    pair.register("reg_twice", **FIELDS)
    pair.register("reg_twice", metadata={"second": True})
    told = record(pair, "reg_twice").json()
    assert told["metadata"] == {"second": True}
    assert not told.get("api_endpoint")


def test_unknown_keys_are_ignored(pair):
    """On the wire unknown keys are ignored."""
    assert pair.register("reg_unknown", later={"x": 1}, **FIELDS).status == 200


def test_heartbeat_gives_another_ttl(pair):
    """A heartbeat is another `ttl` for the entry."""
    pair.register("reg_beat")
    before = record(pair, "reg_beat").json()["expires_at"]
    time.sleep(0.01)
    answer = post(pair, "reg_beat", "heartbeat")
    assert answer.status == 200, answer
    fits("registry-answer", answer.json())
    assert record(pair, "reg_beat").json()["expires_at"] > before


def test_heartbeat_without_entry_is_not_registered(pair):
    """A heartbeat of somebody without an entry is 404 `not_registered`: register again."""
    pair.module("reg_nobody")
    refusal(post(pair, "reg_nobody", "heartbeat"), 404, "not_registered")


def test_deregister_removes_and_is_no_error_when_gone(pair):
    """Deregistering removes; doing it again is no error."""
    pair.register("reg_gone")
    assert post(pair, "reg_gone", "deregister").status == 200
    refusal(record(pair, "reg_gone"), 404, "not_found")
    assert post(pair, "reg_gone", "deregister").status == 200


def test_modules_lists_every_record(pair):
    """`GET /modules` answers `{"modules":[record…]}`."""
    pair.register("reg_listed", **FIELDS)
    told = pair.call("GET", "/modules", token=pair.tokens["operator"]).json()
    fits("registry-records", told)
    assert {"reg_listed", "event_hub"} <= {each["module_id"] for each in told["modules"]}


def test_tools_lists_what_can_be_called(pair):
    """`GET /tools` answers `{"tools":[…]}`, found by any field; other values stay information."""
    search = {"name": "search", "subject": "reg_tools.search", "input_schema": {"type": "object"}}
    assert pair.register("reg_tools", tools=[search, "told", {"any": 1}]).status == 200
    told = pair.call("GET", "/tools?module_id=reg_tools", token=pair.tokens["operator"]).json()
    fits("registry-tools", told)
    assert [(each["name"], each["subject"]) for each in told["tools"]] == [
        ("search", "reg_tools.search"),
        ("told", None),
    ]
    assert record(pair, "reg_tools").json()["tools"] == [search, "told", {"any": 1}]


@pytest.mark.parametrize("query", vectors("globs")["queries"], ids=lambda query: query["query"])
def test_lookup_globs(pair, query):
    """`GET /lookup?field=glob&…`: dotted fields, any element of a list, `*` and `?`."""
    for entry in vectors("globs")["records"]:
        _register(pair, entry)
    answer = pair.call("GET", f"/lookup?{query['query']}", token=pair.tokens["operator"])
    assert answer.status == 200, answer
    ours = {entry["module_id"] for entry in vectors("globs")["records"]}
    assert {each["module_id"] for each in answer.json()["modules"]} & ours == set(query["found"])


def _register(pair, entry):
    name = entry["module_id"]
    pair.module(name)
    answer = post(pair, name, "register", **{k: v for k, v in entry.items() if k != "module_id"})
    assert answer.status == 200, answer


@pytest.mark.parametrize("row", vectors("dotted_paths")["paths"], ids=lambda row: row["path"])
def test_get_by_dotted_path(pair, row):
    """`GET /get/{dotted.path}` is the JSON value itself; list positions are numbers; else 404."""
    (entry,) = vectors("dotted_paths")["records"]
    _register(pair, entry)
    answer = pair.call("GET", f"/get/{row['path']}", token=pair.tokens["operator"])
    if not row.get("found", True):
        refusal(answer, 404, "not_found")
        return
    assert answer.status == 200, answer
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == row["value"]


def test_the_hub_is_found_by_its_path(pair):
    """`/get/event_hub.metadata.ws_endpoint` is where the Event Hub listens."""
    answer = pair.call(
        "GET", "/get/event_hub.metadata.ws_endpoint", token=pair.module("reg_seeker")
    )
    assert answer.json() == pair.endpoint


# ------------------------------------------------------------------------------------------ rights


def test_a_token_speaks_for_its_module_alone(pair):
    """A module's token speaks for that module alone: else 403."""
    pair.register("reg_own")
    other = pair.module("reg_other")
    for action in ("register", "heartbeat", "deregister"):
        refusal(post(pair, "reg_own", action, token=other), 403, "permission_denied")
    assert record(pair, "reg_own").status == 200


def test_the_kite_token_speaks_for_anyone(pair):
    """The kite token may register, renew and deregister anyone."""
    pair.module("reg_behalf")
    for action in ("register", "heartbeat", "deregister"):
        assert post(pair, "reg_behalf", action, token=pair.kite_token).status == 200


def test_the_kite_token_is_told_whose_entry_it_renews(pair):
    """Only what the Launcher registered is the Launcher's to renew (protocol/registry.md)."""
    own = pair.module("reg_whose")
    kite = pair.kite_token
    assert post(pair, "reg_whose", "register", token=kite, name="for it").status == 200
    beat = post(pair, "reg_whose", "heartbeat", token=kite)
    assert fits("registry-answer", beat.json())["own"] is False
    assert post(pair, "reg_whose", "register", token=own, name="itself").status == 200
    assert post(pair, "reg_whose", "heartbeat", token=kite).json()["own"] is True
    left = post(pair, "reg_whose", "register", token=kite, name="for it", unless_own=True)
    assert fits("registry-answer", left.json())["own"] is True
    assert record(pair, "reg_whose").json()["name"] == "itself"
    assert "own" not in post(pair, "reg_whose", "heartbeat", token=own).json()
    assert post(pair, "reg_whose", "register", token=kite, name="for it").status == 200
    assert record(pair, "reg_whose").json()["name"] == "for it"


def test_the_operator_reads(pair):
    """The operator's token means reading on the Registry."""
    pair.register("reg_read")
    operator = pair.tokens["operator"]
    for path in ("/modules", "/lookup?module_id=*", "/modules/reg_read", "/get/reg_read.module_id"):
        assert pair.call("GET", path, token=operator).status == 200
    refusal(post(pair, "reg_read", "deregister", token=operator), 403, "permission_denied")


@pytest.mark.parametrize("path", ["/modules", "/lookup", "/modules/x", "/get/x", "/metrics"])
def test_everything_but_health_needs_a_token(pair, path):
    """Everything else needs a token, `/metrics` too: 401 without and with an unknown one."""
    refusal(pair.call("GET", path), 401, "unauthorized")
    refusal(pair.call("GET", path, token=secrets.token_hex(32)), 401, "unauthorized")
    refusal(pair.call("GET", path, token="garbage"), 401, "unauthorized")


@pytest.mark.parametrize("path", ["/modules", "/tokens", "/tokens/session", "/verify"])
def test_every_post_needs_a_token(pair, path):
    """Everything else needs a token."""
    refusal(pair.call("POST", path, body={}), 401, "unauthorized")


def test_health_is_open_and_tells_status_and_version_only(pair):
    """`GET /health` is open and tells status and version only."""
    answer = pair.call("GET", "/health")
    assert answer.status == 200
    assert fits("health", answer.json())["status"] == "ok"


def test_metrics_with_a_token(pair):
    """`/metrics` answers who shows a token."""
    assert pair.call("GET", "/metrics", token=pair.tokens["operator"]).status == 200


@pytest.mark.parametrize("host", vectors("origins")["refused_hosts"])
def test_foreign_host_is_refused(pair, host):
    """Every port checks `Host`, before the token and also on /health."""
    host = host.format(port=pair.registry_port, other=pair.registry_port - 1)
    for path in ("/health", "/modules"):
        refusal(pair.call("GET", path, host=host, token=pair.tokens["operator"]), 403, "bad_host")


@pytest.mark.parametrize("host", vectors("origins")["allowed_hosts"])
def test_own_host_is_let_in(pair, host):
    """`127.0.0.1:<port>` and `localhost:<port>` are the names."""
    assert pair.call("GET", "/health", host=host.format(port=pair.registry_port)).status == 200


def test_foreign_origin_is_refused(pair):
    """Every port checks `Origin`; a foreign page's is 403."""
    headers = [("Origin", "http://evil.example")]
    answer = pair.call("GET", "/modules", token=pair.tokens["operator"], headers=headers)
    refusal(answer, 403, "bad_origin")


def test_what_is_registered_never_widens_rights(pair):
    """What a module registers is information and never widens its rights."""
    pair.module("reg_greedy", publish=[], subscribe=[])
    answer = post(
        pair,
        "reg_greedy",
        "register",
        module_type="infrastructure",
        events_publish=[">"],
        events_subscribe=[">"],
        metadata={"scopes": ["launcher.control"]},
    )
    assert answer.status == 200, answer
    client = pair.client("reg_greedy")
    assert client.publish_acked("greedy.word")["code"] == "permission_denied"
    assert client.subscribe("greedy.word")["code"] == "permission_denied"


# ------------------------------------------------------------------------------------------ bodies


@pytest.mark.parametrize(
    ("raw_body", "place"),
    [
        (b"", None),
        (b"not json", None),
        (b"[]", None),
        (b"{}", None),
        (b'{"action":"register"}', "module_id"),
        (b'{"action":"dance","module_id":"reg_body"}', "action"),
        (b'{"action":"register","module_id":5}', "module_id"),
        (b'{"action":"register","module_id":"reg_body","metadata":[]}', "metadata"),
        (b'{"action":"register","module_id":"reg_body","tools":"x"}', "tools"),
        (b'{"action":"register","module_id":"reg_body","name":{}}', "name"),
        (b'{"action":"register","module_id":"reg_body","api_endpoint":7}', "api_endpoint"),
        (b'{"action":"register","module_id":"reg_body","metadata":{"x":\xff}}', None),
    ],
)
def test_malformed_body_is_422_with_the_place(pair, raw_body, place):
    """A malformed body is 422 with the place in it."""
    token = pair.tokens.get("reg_body") or pair.module("reg_body")
    document = refusal(pair.call("POST", "/modules", token=token, raw=raw_body), 422)
    if place:
        assert place in json.dumps(document), document


def test_body_over_one_mib_is_413(pair):
    """A body over 1 MiB is 413; one just below is read."""
    token = pair.module("reg_large")
    head = b'{"action":"register","module_id":"reg_large","metadata":{"x":"'
    tail = b'"}}'
    for size, status in (((1 << 20) - 1, 200), (1 << 20, 200), ((1 << 20) + 1, 413)):
        body = head + b"x" * (size - len(head) - len(tail)) + tail
        assert len(body) == size
        answer = pair.call("POST", "/modules", token=token, raw=body)
        assert answer.status == status, (size, answer)
    refusal(answer, 413)


def test_unknown_path_and_method(pair):
    """HTTP errors are `application/problem+json` with a `code`."""
    operator = pair.tokens["operator"]
    refusal(pair.call("GET", "/nowhere", token=operator), 404, "not_found")
    refusal(pair.call("DELETE", "/modules", token=operator), 405, "method_not_allowed")


# ------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("path", ["/tokens"])
def test_only_the_kite_token_says_who_is_who(pair, path):
    """`POST /tokens`: kite token only."""
    for name in ("operator", "event_hub", "reg_intruder"):
        token = pair.tokens.get(name) or pair.module(name)
        refusal(pair.call("POST", path, token=token, body={"x": None}), 403, "permission_denied")


def _works(pair, token):
    answer = pair.call("GET", "/modules", token=token)
    assert answer.status in (200, 401), answer
    return answer.status == 200


def test_token_values(pair):
    """A value is a token, `{token, publish, subscribe, scopes}`, a list of these, or null."""
    one, two, three = (secrets.token_hex(32) for _ in range(3))
    pair.post_tokens(tok_a=one)
    assert _works(pair, one)
    pair.post_tokens(tok_a={"token": two, "publish": ["x.>"], "subscribe": None, "scopes": []})
    assert not _works(pair, one)
    assert _works(pair, two)
    pair.post_tokens(tok_a=[two, {"token": three, "life": 2}])
    assert _works(pair, two)
    assert _works(pair, three)
    pair.post_tokens(tok_a=None)
    assert not _works(pair, two)
    assert not _works(pair, three)


def test_names_not_mentioned_stay(pair):
    """In `POST /tokens` names that are not mentioned stay as they are."""
    first, second = secrets.token_hex(32), secrets.token_hex(32)
    pair.post_tokens(tok_first=first)
    pair.post_tokens(tok_second=second)
    assert _works(pair, first)
    assert _works(pair, second)


@pytest.mark.parametrize(
    "body",
    [
        {"x": 5},
        {"x": "short"},
        {"x": {"publish": []}},
        {"x": {"token": "short"}},
        [],
        {"x": [5]},
        {"x": {"token": "0" * 64, "publish": "a"}},
    ],
    ids=json.dumps,
)
def test_wrong_token_values_are_422(pair, body):
    """Wrong types are refused, and nothing of such a body takes effect."""
    refusal(pair.call("POST", "/tokens", token=pair.kite_token, body=body), 422)


def test_verify(pair):
    """`POST /verify`: Event Hub and Launcher only; `{module_id, publish, subscribe, scopes}` or 404."""
    token = pair.module("ver_a", publish=["a.>"], subscribe=[], scopes=["launcher.control"])
    for asker in (pair.tokens["event_hub"], pair.kite_token):
        answer = pair.call("POST", "/verify", token=asker, body={"token": token})
        told = fits("registry-verified", answer.json())
        assert told["module_id"] == "ver_a"
        assert told["publish"] == ["a.>"]
        assert told["subscribe"] == []
        assert told["scopes"] == ["launcher.control"]
        unknown = pair.call("POST", "/verify", token=asker, body={"token": secrets.token_hex(32)})
        refusal(unknown, 404)
    for asker in (token, pair.tokens["operator"]):
        answer = pair.call("POST", "/verify", token=asker, body={"token": token})
        refusal(answer, 403, "permission_denied")


def test_session_token(pair):
    """`POST /tokens/session`: a narrower Hub-only token of the same module for its web pages."""
    token = pair.module("ses_a", publish=["ses.>"], subscribe=["ses.>"])
    wish = fits("registry-session", {"publish": ["ses.page"], "subscribe": ["ses.news"], "ttl": 60})
    answer = pair.call("POST", "/tokens/session", token=token, body=wish)
    assert answer.status == 200, answer
    session = fits("registry-session-answer", answer.json())["token"]
    page = pair.connect_as(session)
    assert page.subscribe("ses.news")["type"] == "ack"
    assert page.subscribe("ses.other")["code"] == "permission_denied"
    assert page.publish_acked("ses.page")["type"] == "ack"
    assert page.publish_acked("ses.other")["code"] == "permission_denied"
    watcher = pair.connect_as(token)
    watcher.subscribe("ses.page")
    page.publish("ses.page", 1)
    assert watcher.expect(event="ses.page")["source"] == "ses_a"
    refused = pair.call("GET", "/modules", token=session)
    assert refused.status in (401, 403), refused


def test_session_token_is_never_wider(pair):
    """A session token is narrower: what the module itself may not do, its pages may not."""
    token = pair.module("ses_wide", publish=["ses.>"], subscribe=["ses.>"])
    wish = {"publish": [">"], "subscribe": [">"], "ttl": 60}
    answer = pair.call("POST", "/tokens/session", token=token, body=wish)
    if answer.status != 200:
        assert answer.status in (403, 422), answer
        return
    page = pair.connect_as(answer.json()["token"])
    assert page.subscribe(">")["code"] == "permission_denied"
    assert page.publish_acked("foreign.word")["code"] == "permission_denied"


def test_session_ttl_is_at_most_an_hour(pair):
    """A session token lives at most 3600 s, and not longer than asked for."""
    token = pair.module("ses_ttl")
    body = {"publish": [], "subscribe": [], "ttl": 3600}
    assert pair.call("POST", "/tokens/session", token=token, body=body).status == 200
    long = pair.call("POST", "/tokens/session", token=token, body={**body, "ttl": 3601})
    if long.status == 200:
        ends = time.strptime(long.json()["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")
        assert time.mktime(ends) - time.mktime(time.gmtime()) <= 3600
    else:
        refusal(long, 422)


def test_session_token_dies_with_its_parent(pair):
    """A session token dies with the token that asked for it; it is out within 2 s (close 4401)."""
    token = pair.module("ses_orphan")
    body = {"publish": ["x.y"], "subscribe": ["x.y"], "ttl": 600}
    session = pair.call("POST", "/tokens/session", token=token, body=body).json()["token"]
    page = pair.connect_as(session)
    pair.post_tokens(ses_orphan=secrets.token_hex(32))
    assert page.expect_closed(2.0).code == 4401
    with pytest.raises(raw.Refused) as refused:
        pair.connect_as(session)
    assert refused.value.status == 401


def test_session_token_expires(pair):
    """A session token is dead after its ttl."""
    token = pair.module("ses_short")
    body = {"publish": [], "subscribe": ["x.y"], "ttl": 1}
    session = pair.call("POST", "/tokens/session", token=token, body=body).json()["token"]
    page = pair.connect_as(session)
    assert page.expect_closed(3.5).code == 4401


# --------------------------------------------------------------------------------- lives and leases


def test_before_the_first_tokens_everybody_hears_503(fresh_pair):
    """In every life the Registry knows only the kite token until its first `POST /tokens`."""
    fresh_pair.start_registry(tokens=False)
    for token in (fresh_pair.tokens["event_hub"], secrets.token_hex(32)):
        refusal(fresh_pair.call("GET", "/modules", token=token), 503, "not_ready")
    assert fresh_pair.call("GET", "/modules", token=fresh_pair.kite_token).status == 200
    fresh_pair.post_tokens()
    assert fresh_pair.call("GET", "/modules", token=fresh_pair.tokens["event_hub"]).status == 200
    refusal(fresh_pair.call("GET", "/modules", token=secrets.token_hex(32)), 401, "unauthorized")


def test_before_the_hub_has_registered_its_path_is_503(fresh_pair):
    """Before the Hub has registered for the first time `GET /get/event_hub…` answers 503."""
    fresh_pair.start_registry()
    path = "/get/event_hub.metadata.ws_endpoint"
    refusal(fresh_pair.call("GET", path, token=fresh_pair.tokens["operator"]), 503, "not_ready")
    fresh_pair.start_hub()
    deadline = time.monotonic() + 5
    while True:
        answer = fresh_pair.call("GET", path, token=fresh_pair.tokens["operator"])
        assert answer.status in (200, 503)
        if answer.status == 200 or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    assert answer.json() == fresh_pair.endpoint


def test_restarted_alone_it_has_its_entries_back(fresh_pair):
    """Restarted alone the Registry has its entries back, and hears `POST /tokens` first."""
    fresh_pair.start_registry()
    fresh_pair.register("reg_kept", **FIELDS)
    before = record(fresh_pair, "reg_kept").json()
    fresh_pair.registry.end(9)
    fresh_pair.start_registry(tokens=False)
    refusal(
        fresh_pair.call("GET", "/modules", token=fresh_pair.tokens["reg_kept"]), 503, "not_ready"
    )
    fresh_pair.post_tokens()
    after = record(fresh_pair, "reg_kept").json()
    assert {k: v for k, v in after.items() if k != "expires_at"} == {
        k: v for k, v in before.items() if k != "expires_at"
    }


def test_an_earlier_lifes_deregister_is_ignored(pair):
    """A late word from an earlier life is ignored."""
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    pair.tokens["reg_lives"] = new
    pair.post_tokens(reg_lives=[{"token": old, "life": 1}, {"token": new, "life": 2}])
    assert post(pair, "reg_lives", "register", token=old, life=1).status == 200
    assert post(pair, "reg_lives", "register", token=new, life=2, name="new").status == 200
    post(pair, "reg_lives", "deregister", token=old, life=1)
    assert record(pair, "reg_lives").json()["name"] == "new"


def test_a_dead_lifes_token_is_refused(pair):
    """Every life gets a fresh token; the former one is dead: 401."""
    old = pair.module("reg_dead")
    pair.module("reg_dead")
    refusal(post(pair, "reg_dead", "register", token=old), 401, "unauthorized")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A pair in which an entry lives for one second."""
    made = Pair(tmp_path_factory.mktemp("hasty"), registry_config={"ttl": 1})
    try:
        yield made.start()
    finally:
        made.end()


def test_an_entry_expires(hasty):
    """Without a heartbeat an entry is gone after its ttl, and `registry.expired` says so."""
    watcher = hasty.client("exp_watcher")
    watcher.subscribe("registry.>")
    ttl = hasty.register("exp_a", **FIELDS).json()["ttl"]
    assert ttl <= 2
    told = watcher.expect(ttl + 4, event="registry.expired")
    assert told["source"] == "registry"
    assert told["data"]["module_id"] == "exp_a"
    refusal(record(hasty, "exp_a"), 404)
    refusal(post(hasty, "exp_a", "heartbeat"), 404, "not_registered")


def test_heartbeats_keep_an_entry(hasty):
    """A heartbeat is another ttl: who keeps beating stays."""
    hasty.register("exp_b")
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert post(hasty, "exp_b", "heartbeat").status == 200
        time.sleep(0.3)
    assert record(hasty, "exp_b").status == 200


def test_core_entries_do_not_expire(tmp_path):
    """The core modules' entries stay and do not expire while Kite runs."""
    pair = Pair(tmp_path, registry_config={"ttl": 1})
    try:
        pair.start()
        pair.hub.end(9)
        time.sleep(2.2)
        answer = pair.call(
            "GET", "/get/event_hub.metadata.ws_endpoint", token=pair.tokens["operator"]
        )
        assert answer.json() == pair.endpoint
        pair.hub = None
    finally:
        pair.end()


# ------------------------------------------------------------------------------------------- events


def test_changes_are_told(pair):
    """Changes: `registry.registered`, `registry.deregistered`."""
    watcher = pair.client("reg_watcher")
    watcher.subscribe("registry.>")
    pair.register("reg_told")
    assert (
        watcher.expect(event="registry.registered", source="registry")["data"]["module_id"]
        == "reg_told"
    )
    post(pair, "reg_told", "deregister")
    told = watcher.expect(event="registry.deregistered", source="registry")
    assert told["data"]["module_id"] == "reg_told"


def test_changes_during_a_hub_outage_are_told_in_order(fresh_pair):
    """While the Hub is away the Registry keeps its events and publishes them in order."""
    pair = fresh_pair.start()
    pair.module("out_watcher")
    # With the acknowledgement it is on its way to the Registry, whatever happens to the Hub.
    pair.client("out_watcher").publish_acked("module.ready", {"module_id": "out_watcher"})
    pair.hub.end(9)
    names = [f"out_{number:02d}" for number in range(20)]
    for name in names:
        assert pair.register(name).status == 200
    pair.start_hub()
    watcher = pair.client("out_watcher")
    watcher.subscribe("registry.registered")
    watcher.publish("module.ready", {"module_id": "out_watcher"})
    told = []
    while len(told) < len(names):
        about = watcher.expect(8, event="registry.registered")["data"]["module_id"]
        told += [about] if about in names else []
    assert told == names


def test_it_goes_when_its_standard_input_ends(fresh_pair):
    """The pipe's end means that the module is to go; the Launcher's end ends the instance."""
    fresh_pair.start_registry()
    fresh_pair.registry.process.stdin.close()
    assert fresh_pair.registry.process.wait(5) == 0
    fresh_pair.registry.process.stdout.close()
    fresh_pair.registry = None


def test_it_goes_though_the_hub_is_away(fresh_pair):
    """Registry and Hub have 3 s together: neither may wait for the other."""
    fresh_pair.start()
    fresh_pair.hub.end(9)
    fresh_pair.hub = None
    time.sleep(0.3)
    assert fresh_pair.registry.end(timeout=1.5) == 0
    fresh_pair.registry = None


# --------------------------------------------------------------- the Hub's table (our own addition)


def digests(pair, token, **query):
    words = "&".join(f"{key}={value}" for key, value in query.items())
    return pair.call("GET", f"/tokens/digests?{words}", token=token, timeout=10)


def test_the_table_of_digests(pair):
    """The Hub fetches a table of token digests with its own token; nobody else gets it."""
    token = pair.module("dig_a", publish=["a.b"], subscribe=[])
    pair.register("dig_web", api_endpoint="http://127.0.0.1:40777/x")
    answer = digests(pair, pair.tokens["event_hub"], epoch="", revision=0, wait=0)
    table = fits("registry-digests", answer.json())
    assert 40777 in table["ports"]
    assert token not in answer.body.decode()
    row = next(row for row in table["tokens"] if row["module_id"] == "dig_a")
    assert row["digest"] == hashlib.sha256(token.encode()).hexdigest()
    assert (row["publish"], row["subscribe"]) == (["a.b"], [])
    assert digests(pair, pair.kite_token, epoch="", revision=0, wait=0).status == 200
    refusal(digests(pair, token, epoch="", revision=0, wait=0), 403, "permission_denied")


def test_the_table_answers_when_something_changes(pair):
    """`GET /tokens/digests?epoch=E&revision=N&wait=S`: when the table is another, or after S seconds."""
    hub = pair.tokens["event_hub"]
    table = digests(pair, hub, epoch="", revision=0, wait=0).json()
    here = {"epoch": table["epoch"], "revision": table["revision"]}
    started = time.monotonic()
    again = digests(pair, hub, **here, wait=0.3).json()
    assert time.monotonic() - started >= 0.25
    assert again["revision"] == table["revision"]
    timer = threading.Timer(0.2, lambda: pair.module("dig_new"))
    timer.start()
    started = time.monotonic()
    changed = digests(pair, hub, **here, wait=5).json()
    timer.join()
    assert time.monotonic() - started < 2
    assert "dig_new" in {row["module_id"] for row in changed["tokens"]}
