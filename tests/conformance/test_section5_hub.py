"""Section 5, the Event Hub: the handshake, the frames, who may say what, and what is never lost.

The pair runs without a Launcher; the test plays it.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid

import pytest

from . import raw
from .pair import Pair
from .shapes import fits, refusal, vectors


@pytest.fixture
def name():
    """A module's name that no other test uses."""
    return f"m{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topic():
    """A first token that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def alone(request):
    """Connections end with their test: nobody's subscription is counted in another's."""
    yield
    for name in ("pair", "pages"):
        if name in request.fixturenames:
            request.getfixturevalue(name).close_clients()


def is_ack(answer):
    return answer["type"] == "ack"


# --------------------------------------------------------------------------------- the handshake


@pytest.mark.parametrize("how", ["header", "query", "subprotocol"])
def test_a_token_may_be_shown_in_three_ways(pair, name, how):
    """A token is shown as Authorization header, as query parameter or as subprotocol."""
    client = pair.client(name, how=how)
    assert is_ack(client.subscribe(f"{name}.x"))
    assert client.subprotocol == ("kite.v1" if how == "subprotocol" else None)


@pytest.mark.parametrize("how", ["header", "query", "subprotocol"])
def test_an_unknown_token_is_401_before_the_upgrade(pair, how):
    """No or unknown token: HTTP 401 before the upgrade."""
    for token in (secrets.token_hex(32), "garbage"):
        with pytest.raises(raw.Refused) as refused:
            pair.connect_as(token, how=how)
        refusal(refused.value.response, 401, "unauthorized")


def test_no_token_is_401(pair):
    """No or unknown token: HTTP 401 before the upgrade."""
    with pytest.raises(raw.Refused) as refused:
        pair.connect_as(None)
    refusal(refused.value.response, 401, "unauthorized")


def test_the_query_token_is_never_logged(pair, name):
    """The query parameter `token` is never logged; no token is in a log at all."""
    pair.client(name, how="query").close()
    unknown = secrets.token_hex(32)
    with pytest.raises(raw.Refused):
        pair.connect_as(unknown, how="query")
    log = pair.hub.errors() + pair.registry.errors()
    assert unknown not in log
    assert pair.tokens[name] not in log


def test_a_token_just_made_is_let_in_at_once(pair, name):
    """A token that the table lacks is asked of the Registry: a fresh one never hears 401."""
    for _ in range(10):
        token = pair.module(name)
        pair.connect_as(token).close()


def test_503_until_the_launchers_first_subscription(fresh_pair):
    """Until the Launcher's first subscription is acknowledged the Hub says 503 to everybody else."""
    fresh_pair.start_registry()
    token = fresh_pair.module("early")
    fresh_pair.start_hub(first_subscription=False)
    for shown in (token, secrets.token_hex(32)):
        with pytest.raises(raw.Refused) as refused:
            fresh_pair.connect_as(shown)
        refusal(refused.value.response, 503, "not_ready")
    fresh_pair.let_everybody_in()
    assert is_ack(fresh_pair.client("early").subscribe("early.x"))


def test_the_launchers_token_is_new_in_every_life(fresh_pair):
    """The launcher_ws_token means `launcher`, is known to the two alone, and dies with the Hub's life."""
    fresh_pair.start_registry()
    fresh_pair.start_hub()
    old = fresh_pair.launcher_token
    assert is_ack(fresh_pair.launcher.publish_acked("launcher.word"))
    fresh_pair.hub.end(9)
    fresh_pair.start_hub()
    with pytest.raises(raw.Refused) as refused:
        fresh_pair.connect_as(old)
    assert refused.value.status == 401


# ---------------------------------------------------------------------------------------- origins


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A pair whose Hub lists further origins, and a module with a registered port."""
    listed = vectors("origins")["listed"]
    made = Pair(tmp_path_factory.mktemp("pages"), hub_config={"origins": listed})
    try:
        made.start()
        made.register("web", api_endpoint="http://127.0.0.1:40123")
        yield made
    finally:
        made.end()


def _with_ports(text):
    return text and text.format(own=40123, other=40124)


@pytest.mark.parametrize("origin", vectors("origins")["allowed"])
def test_own_origins_are_let_in(pages, origin):
    """Own origins: none, http(s) on the loopback at a port a live module has registered, hub.origins."""
    deadline = time.monotonic() + 3  # the table is kept current, not read per handshake
    while True:
        try:
            pages.client("web", origin=_with_ports(origin)).close()
            return
        except raw.Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("origin", vectors("origins")["refused"])
def test_other_origins_are_403(pages, origin):
    """Other origins are 403."""
    with pytest.raises(raw.Refused) as refused:
        pages.client("web", origin=_with_ports(origin))
    refusal(refused.value.response, 403, "bad_origin")


@pytest.mark.parametrize("host", vectors("origins")["refused_hosts"])
def test_other_hosts_are_403(pages, host):
    """Every port checks `Host`."""
    port = raw.split_url(pages.endpoint)[1]
    with pytest.raises(raw.Refused) as refused:
        pages.client("web", host=host.format(port=port, other=port - 1))
    refusal(refused.value.response, 403, "bad_host")


# ------------------------------------------------------------------------------- HTTP on the port


def _http(pair, path, **options):
    return raw.request("GET", pair.endpoint.replace("ws://", "http://")[:-3] + path, **options)


def test_health_and_metrics_on_the_same_port(pair):
    """`GET /health` is open, `GET /metrics` (Prometheus text) needs a token."""
    assert fits("health", _http(pair, "/health").json())["status"] == "ok"
    refusal(_http(pair, "/metrics"), 401, "unauthorized")
    metrics = _http(pair, "/metrics", token=pair.tokens["operator"])
    assert metrics.status == 200
    assert metrics.headers["content-type"].startswith("text/plain")
    assert re.search(rb"^[a-z_]+(\{.*\})? [0-9.e+]+$", metrics.body, re.MULTILINE)


# ------------------------------------------------------------------------------- tokens that live


def test_a_dead_token_is_out_within_two_seconds(pair, name):
    """A dead token is out within 2 s (close 4401)."""
    client = pair.client(name)
    pair.post_tokens(**{name: None})
    assert client.expect_closed(2.0).code == 4401
    with pytest.raises(raw.Refused) as refused:
        pair.connect_as(pair.tokens[name])
    assert refused.value.status == 401


def test_registry_outage(fresh_pair):
    """Tokens in the table go on through a Registry outage; an unknown one hears 503, never 401."""
    pair = fresh_pair.start()
    client = pair.client("before")
    pair.client("later").close()
    pair.registry.end(9)
    assert is_ack(client.publish_acked("before.word"))
    assert is_ack(pair.client("later").subscribe("before.word"))
    with pytest.raises(raw.Refused) as refused:
        pair.connect_as(secrets.token_hex(32))
    refusal(refused.value.response, 503, "not_ready")
    pair.start_registry()
    assert is_ack(client.publish_acked("before.word"))
    deadline = time.monotonic() + 5
    while True:
        with pytest.raises(raw.Refused) as refused:
            pair.connect_as(secrets.token_hex(32))
        if refused.value.status != 503 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert refused.value.status == 401


# ---------------------------------------------------------------------------------------- framing


def test_pings_are_answered(pair, name):
    """The Hub answers pings, with their payload, also between the parts of a message."""
    client = pair.client(name)
    client.ping(b"are you there")
    assert client.message() == (raw.PONG, b"are you there")
    text = json.dumps({"type": "subscribe", "events": [f"{name}.x"], "id": 7}).encode()
    client.send_frame(raw.TEXT, text[:10], fin=False)
    client.ping(b"amid")
    assert client.message() == (raw.PONG, b"amid")
    client.send_frame(raw.CONTINUATION, text[10:20], fin=False)
    client.send_frame(raw.CONTINUATION, text[20:])
    assert client.expect(id=7)["type"] == "ack"


def _event_of_size(subject, size):
    whole = {"type": "event", "event": subject, "event_id": "big", "ack": True}
    whole |= {"source": subject.split(".")[0], "timestamp": "2026-01-31T09:05:07.123Z"}
    head = json.dumps(whole)[:-1]
    head += ', "data": "'
    return (head + "x" * (size - len(head) - 2) + '"}').encode()


def test_a_frame_may_have_one_mib(pair, name):
    """Frames are at most 1 MiB: exactly so many bytes are let in and passed on."""
    client = pair.client(name)
    client.subscribe(f"{name}.big")
    client.send_text(_event_of_size(f"{name}.big", 1 << 20))
    assert client.expect(event_id="big", type="ack")["delivered"] == 1
    assert len(client.expect(event=f"{name}.big")["data"]) > (1 << 20) - 200


@pytest.mark.parametrize("parts", [1, 3])
def test_a_larger_frame_closes_1009(pair, name, parts):
    """A frame over 1 MiB: close 1009, in one piece or in several."""
    client = pair.client(name)
    text = _event_of_size(f"{name}.big", (1 << 20) + 1)
    size = len(text) // parts + 1
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    for position, piece in enumerate(pieces):
        opcode = raw.CONTINUATION if position else raw.TEXT
        client.send_frame(opcode, piece, fin=position == len(pieces) - 1)
    assert client.expect_closed().code == 1009


def test_invalid_utf8_closes_1007(pair, name):
    """Invalid UTF-8: close 1007."""
    client = pair.client(name)
    client.send_text(b'{"type":"event","event":"x.y","data":"\xff"}')
    assert client.expect_closed().code == 1007


def test_utf8_may_be_cut_between_parts(pair, name):
    """A character may lie in two parts of a message."""
    client = pair.client(name)
    client.subscribe(f"{name}.文档")
    text = json.dumps(
        {"type": "event", "event": f"{name}.文档", "data": "🙂"}, ensure_ascii=False
    ).encode()
    cut = text.index("🙂".encode()) + 2
    client.send_frame(raw.TEXT, text[:cut], fin=False)
    client.send_frame(raw.CONTINUATION, text[cut:])
    assert client.expect(event=f"{name}.文档")["data"] == "🙂"


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        ("unmasked", {"opcode": raw.TEXT, "payload": b"{}", "mask": False}),
        ("reserved bits", {"opcode": raw.TEXT, "payload": b"{}", "rsv": 4}),
        ("unknown opcode", {"opcode": 0x3, "payload": b""}),
        ("lone continuation", {"opcode": raw.CONTINUATION, "payload": b"{}"}),
        ("long ping", {"opcode": raw.PING, "payload": b"x" * 126}),
        ("fragmented ping", {"opcode": raw.PING, "payload": b"x", "fin": False}),
    ],
)
def test_broken_framing_closes_1002(pair, name, what, frame):
    """Errors close the connection for broken framing (RFC 6455: 1002)."""
    client = pair.client(name)
    client.send_frame(**frame)
    assert client.expect_closed().code in (1002, None), what


@pytest.mark.parametrize("row", vectors("frames")["invalid"], ids=lambda row: row["why"])
def test_a_wrong_frame_is_an_error_and_closes_nothing(pair, name, row):
    """A refusal is an error frame with `code`, `message` and the mark it belongs to; no more."""
    client = pair.client(name)
    client.send_text(row["text"].replace("{self}", name))
    error = client.expect(type="error")
    assert error["code"] == row["code"], error
    for mark in ("id", "event_id"):
        if mark in row:
            assert error[mark] == row[mark]
    assert is_ack(client.subscribe(f"{name}.after"))


@pytest.mark.parametrize("row", vectors("frames")["valid"], ids=lambda row: row["why"])
def test_a_right_frame_is_accepted(pair, name, row):
    """Unknown keys are ignored; optional ones may be there or not."""
    client = pair.client(name)
    client.send_text(row["text"].replace("{self}", name))
    mark = {key: row[key] for key in ("id", "event_id") if key in row}
    assert client.expect(**mark)["type"] == "ack"


@pytest.mark.parametrize(("levels", "accepted"), [(64, True), (65, False), (50_000, False)])
def test_at_most_64_levels(pair, name, levels, accepted):
    """Frames are at most 64 levels deep (the frame's own object is the first)."""
    client = pair.client(name)
    data = "[" * (levels - 1) + "]" * (levels - 1)
    text = f'{{"type":"event","event":"{name}.deep","event_id":"e","ack":true,"data":{data}}}'
    client.send_text(text)
    answer = client.receive()
    assert is_ack(answer) == accepted, answer
    assert is_ack(client.subscribe(f"{name}.after"))


# ---------------------------------------------------------------------------------- subscriptions


def test_subscribe_is_granted_whole_or_refused_whole(pair, name, topic):
    """A subscription is granted whole (ack with its id) or refused whole."""
    client = pair.client(name)
    refused = client.subscribe(f"{topic}.good", f"{topic}.>.bad")
    assert refused["code"] == "invalid_pattern"
    client.publish(f"{topic}.good", 1)
    client.barrier()
    assert client.silent(0.1, event=f"{topic}.good")
    assert is_ack(client.subscribe(f"{topic}.good", f"{topic}.also.*"))
    client.publish(f"{topic}.good", 2)
    client.publish(f"{topic}.also.x", 3)
    assert client.expect(event=f"{topic}.good")["data"] == 2
    assert client.expect(event=f"{topic}.also.x")["data"] == 3


def test_subscribe_is_refused_whole_for_a_lack_of_rights(pair, name, topic):
    """A module's `subscribe` list bounds it; one pattern too wide refuses all of them."""
    pair.module(name, subscribe=[f"{topic}.a.>", f"{topic}.b"])
    client = pair.client(name)
    for wide in (f"{topic}.>", ">", f"{topic}.*", f"{topic}.a", "*.b"):
        refused = client.subscribe(f"{topic}.b", wide)
        assert refused["code"] == "permission_denied", wide
    other = pair.client(f"{name}x")
    other.publish_acked(f"{topic}.b")
    assert client.silent(0.1, event=f"{topic}.b")
    assert is_ack(client.subscribe(f"{topic}.b", f"{topic}.a.*", f"{topic}.a.x.>"))


def test_after_the_ack_nothing_is_missed(pair, name, topic):
    """After the ack nothing that matches is missed."""
    publisher = pair.client(f"{name}p")
    for turn in range(30):
        client = pair.client(name)
        assert is_ack(client.subscribe(f"{topic}.{turn}"))
        publisher.publish(f"{topic}.{turn}", turn)
        assert client.expect(event=f"{topic}.{turn}")["data"] == turn
        client.close()


def test_unsubscribe_is_acknowledged_also_when_there_was_none(pair, name, topic):
    """Unsubscribe is acknowledged, also when there was none; afterwards nothing comes."""
    client = pair.client(name)
    assert is_ack(client.unsubscribe(f"{topic}.never"))
    client.subscribe(f"{topic}.a", f"{topic}.b")
    assert is_ack(client.unsubscribe(f"{topic}.a"))
    client.publish(f"{topic}.a", 1)
    client.publish(f"{topic}.b", 2)
    assert client.expect(event=f"{topic}.b")["data"] == 2
    assert not [frame for frame in client.inbox if frame.get("event") == f"{topic}.a"]


def test_a_subscription_is_pattern_and_queue(pair, name, topic):
    """A subscription is (pattern, queue): unsubscribing the one leaves the other."""
    client = pair.client(name)
    client.subscribe(f"{topic}.x", queue="workers")
    client.subscribe(f"{topic}.x")
    client.unsubscribe(f"{topic}.x")
    assert client.publish_acked(f"{topic}.x", 1)["delivered"] == 1
    client.expect(event=f"{topic}.x", data=1)
    client.unsubscribe(f"{topic}.x", queue="workers")
    assert client.publish_acked(f"{topic}.x", 2)["delivered"] == 0


def test_one_copy_however_many_subscriptions_match(pair, name, topic):
    """A connection gets one copy of an event, however many of its subscriptions match."""
    client = pair.client(name)
    client.subscribe(f"{topic}.x", f"{topic}.*", f"{topic}.>", "*.x")
    client.subscribe(f"{topic}.x", queue="q")
    assert client.publish_acked(f"{topic}.x", 1)["delivered"] == 1
    client.publish(f"{topic}.y", 2)
    client.expect(event=f"{topic}.y")
    copies = [frame for frame in client.inbox if frame.get("event") == f"{topic}.x"]
    assert len(copies) == 1


def test_several_connections_of_a_module_each_get_a_copy(pair, name, topic):
    """A module may hold several connections."""
    one, two = pair.client(name), pair.client(name)
    one.subscribe(f"{topic}.x")
    two.subscribe(f"{topic}.x")
    assert one.publish_acked(f"{topic}.x", 1)["delivered"] == 2
    assert one.expect(event=f"{topic}.x")["event_id"] == two.expect(event=f"{topic}.x")["event_id"]


def test_each_queue_group_chooses_one_member(pair, name, topic):
    """Each queue group chooses one member; a member that leaves is no longer chosen."""
    members = {group: [pair.client(f"{name}{group}{n}") for n in range(3)] for group in "ab"}
    plain = pair.client(name)
    plain.subscribe(f"{topic}.>")
    for group, clients in members.items():
        for client in clients:
            client.subscribe(f"{topic}.job", queue=group)
    for number in range(30):
        assert plain.publish_acked(f"{topic}.job", number)["delivered"] == 3
    for clients in members.values():
        seen = []
        for client in clients:
            client.barrier()
            mine = [frame["data"] for frame in client.inbox if frame.get("event") == f"{topic}.job"]
            seen += mine
        assert sorted(seen) == list(range(30))
    for client in members["a"][1:]:
        client.abort()
    members["a"][0].inbox.clear()
    deadline = time.monotonic() + 3
    while plain.publish_acked(f"{topic}.job", "again")["delivered"] != 3:
        assert time.monotonic() < deadline
    assert members["a"][0].expect(event=f"{topic}.job", data="again")


def test_echo_false_keeps_ones_own_events_away(pair, name, topic):
    """Option `echo`, default true: one's own events too."""
    one, two = pair.client(name), pair.client(f"{name}2")
    one.subscribe(f"{topic}.a", echo=False)
    one.subscribe(f"{topic}.b")
    assert one.publish_acked(f"{topic}.a", 1)["delivered"] == 0
    assert one.publish_acked(f"{topic}.b", 2)["delivered"] == 1
    two.publish(f"{topic}.a", 3)
    assert one.expect(event=f"{topic}.a")["data"] == 3


def test_subscribing_again_replaces_the_options(pair, name, topic):
    """Subscribing again replaces a subscription's options."""
    client = pair.client(name)
    client.subscribe(f"{topic}.a", echo=False)
    client.subscribe(f"{topic}.a", echo=True)
    assert client.publish_acked(f"{topic}.a")["delivered"] == 1
    client.subscribe(f"{topic}.a", echo=False)
    assert client.publish_acked(f"{topic}.a")["delivered"] == 0


def test_a_spectator_sees_and_does_not_count(pair, name, topic):
    """Option `observe`: a spectator counts neither as responder nor in `delivered`."""
    watcher, sender = pair.client(name), pair.client(f"{name}2")
    watcher.subscribe(f"{topic}.>", observe=True)
    assert sender.publish_acked(f"{topic}.x", 1)["delivered"] == 0
    assert watcher.expect(event=f"{topic}.x")["data"] == 1
    answer = sender.publish_acked(f"{topic}.ask", reply_to=f"_reply.{name}2.1")
    assert answer["code"] == "no_responders"


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [row for row in vectors("matching")["pairs"] if not re.search(r"^(module|_reply)\.", row[1])],
)
def test_matching(pair, matcher, pattern, subject, expected):
    """Matching is NATS's."""
    assert is_ack(matcher.subscribe(pattern))
    delivered = matcher.publish_acked(subject)["delivered"]
    matcher.unsubscribe(pattern)
    assert delivered == int(expected)


@pytest.fixture(scope="module")
def matcher(pair):
    """One connection without any subscription."""
    connection = pair.client("matcher")
    pair.sockets.remove(connection)
    yield connection
    connection.close()


@pytest.mark.parametrize(("wide", "narrow", "expected"), vectors("coverage")["pairs"])
def test_coverage(pair, wide, narrow, expected):
    """A permission list bounds patterns: what it covers whole is granted, all else refused."""
    pair.module("covered", subscribe=[wide])
    client = pair.client("covered")
    answer = client.subscribe(narrow)
    client.close()
    assert is_ack(answer) == expected, answer


FREE = [
    subject
    for subject in vectors("subjects")["valid"]
    if not subject.startswith(("module.", "_reply."))  # these are not everybody's to say and hear
]


@pytest.mark.parametrize("subject", FREE)
def test_valid_subjects_travel(pair, matcher, subject):
    """Subject tokens hold any characters but white space, control characters, `.`, `*`, `>`."""
    matcher.subscribe(subject)
    assert matcher.publish_acked(subject)["delivered"] == 1
    assert matcher.expect(event=subject)
    matcher.unsubscribe(subject)


UTF8 = [
    row
    for row in vectors("subjects")["invalid"]
    if not row["subject"].startswith("\ud800")  # cannot be sent; the frame vectors have its escape
]


@pytest.mark.parametrize("row", UTF8, ids=lambda row: row["why"])
def test_invalid_subjects_are_refused(pair, matcher, row):
    """What is no subject is refused with `invalid_subject`."""
    answer = matcher.publish_acked(row["subject"])
    assert answer["code"] == "invalid_subject"


@pytest.mark.parametrize("row", vectors("subjects")["by_length"], ids=str)
def test_subjects_have_at_most_255_bytes(pair, matcher, row):
    """At most 255 bytes, of UTF-8."""
    answer = matcher.publish_acked(row["token"] * row["times"])
    assert is_ack(answer) == row["valid"], answer


@pytest.mark.parametrize("row", vectors("patterns")["invalid"], ids=lambda row: row["pattern"])
def test_invalid_patterns_are_refused(pair, matcher, row):
    """What is no pattern is refused with `invalid_pattern`."""
    assert matcher.subscribe(row["pattern"])["code"] == "invalid_pattern"


# ------------------------------------------------------------------------------------- publishing


def test_the_hub_fills_in_what_is_missing(pair, name, topic):
    """Only `event` is required: the Hub fills in a missing `event_id`, `source`, `timestamp`."""
    client = pair.client(name)
    client.subscribe(f"{topic}.x")
    client.send({"type": "event", "event": f"{topic}.x"})
    told = client.expect(event=f"{topic}.x")
    assert told["source"] == name
    assert 1 <= len(told["event_id"]) <= 128
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,}Z", told["timestamp"])
    client.send({"type": "event", "event": f"{topic}.x"})
    assert client.expect(event=f"{topic}.x")["event_id"] != told["event_id"]


def test_events_arrive_as_published(pair, name, topic):
    """From the Hub: event frames as published; unknown keys are passed on."""
    client = pair.client(name)
    client.subscribe(f"{topic}.x")
    frame = {
        "type": "event",
        "event": f"{topic}.x",
        "data": {
            "z": [1, 2.5, -0.0, 1e300, 12345678901234567890, None, True, 'é\u2028"\\/'],
            "a": {},
        },
        "event_id": "mine-1",
        "source": name,
        "timestamp": "2026-01-31T09:05:07.123Z",
        "headers": {"traceparent": "00-ab"},
        "later": {"x": 1},
    }
    client.send(frame)
    told = client.expect(event_id="mine-1")
    assert {key: told.get(key) for key in frame} == frame
    assert list(told["data"]) == ["z", "a"]


def test_numbers_keep_their_writing(pair, name, topic):
    """Events travel as they are: a number is not read and written again."""
    client = pair.client(name)
    client.subscribe(f"{topic}.x")
    client.send_text(
        f'{{"type":"event","event":"{topic}.x","data":[1.10,1E2,0.1e-400,9007199254740993]}}'
    )
    _, payload = client.message()
    assert b"1.10" in payload
    assert b"1E2" in payload
    assert b"9007199254740993" in payload


def test_source_must_be_the_senders_own(pair, name, topic):
    """`source` must be the sender's own module."""
    client = pair.client(name)
    answer = client.publish_acked(f"{topic}.x", source="somebody_else")
    assert answer["type"] == "error"
    assert is_ack(client.publish_acked(f"{topic}.x", source=name))


def test_ack_delivered_is_the_number_of_connections(pair, name, topic):
    """With `"ack":true`: `{"type":"ack","event_id":…,"delivered":n}`."""
    client = pair.client(name)
    assert client.publish_acked(f"{topic}.x")["delivered"] == 0
    for count in (1, 2, 3):
        pair.client(f"{name}s").subscribe(f"{topic}.*")
        assert client.publish_acked(f"{topic}.x")["delivered"] == count


def test_no_ack_without_asking(pair, name, topic):
    """An event without `ack` is not acknowledged."""
    client = pair.client(name)
    client.publish(f"{topic}.x", event_id="quiet")
    client.barrier()
    assert not client.inbox


def test_a_repeat_is_a_duplicate(pair, name, topic):
    """A repeat of `(source, event_id)` is acknowledged with `duplicate` and delivered once."""
    client, other = pair.client(name), pair.client(f"{name}2")
    client.subscribe(f"{topic}.>")
    first = client.publish_acked(f"{topic}.x", 1, event_id="same")
    assert not first.get("duplicate")
    second = pair.client(name).publish_acked(f"{topic}.y", 2, event_id="same")
    assert second["duplicate"] is True
    third = other.publish_acked(f"{topic}.z", 3, event_id="same")
    assert not third.get("duplicate"), "deduplication is per source"
    client.expect(event=f"{topic}.z")
    assert [frame["data"] for frame in client.inbox if frame["type"] == "event"] == [1]


def test_only_accepted_events_are_remembered(pair, name, topic):
    """Only accepted events are remembered: what was refused may be sent again with its id."""
    client = pair.client(name)
    assert client.publish_acked("hub.word", event_id="retry")["code"] == "permission_denied"
    assert client.publish_acked(f"{topic}.a b", event_id="retry")["code"] == "invalid_subject"
    question = client.publish_acked(f"{topic}.q", event_id="retry", reply_to=f"_reply.{name}.1")
    assert question["code"] == "no_responders"
    answer = client.publish_acked(f"{topic}.x", event_id="retry")
    assert is_ack(answer)
    assert not answer.get("duplicate")


@pytest.mark.parametrize(
    ("mark", "valid"),
    [
        ("x", True),
        ("x" * 128, True),
        ("é" * 64, True),
        ("x" * 129, False),
        ("é" * 65, False),
        ("", False),
    ],
)
def test_event_ids_have_1_to_128_bytes(pair, name, topic, mark, valid):
    """`event_id` is 1 to 128 bytes."""
    client = pair.client(name)
    client.publish(f"{topic}.x", event_id=mark, ack=True)
    assert is_ack(client.receive()) == valid


def test_order_of_one_publisher(pair, name, topic):
    """Events of one publishing connection reach each subscriber in the order published."""
    subscribers = [pair.client(f"{name}s") for _ in range(3)]
    for subscriber in subscribers:
        subscriber.subscribe(f"{topic}.>")
    client = pair.client(name)
    for number in range(500):
        client.publish(f"{topic}.{number % 7}", number)
    for subscriber in subscribers:
        assert [subscriber.receive()["data"] for _ in range(500)] == list(range(500))


# ------------------------------------------------------------------------------ request and reply


def test_request_and_reply(pair, name, topic):
    """An event with `reply_to` reaches the responder, the answer the asker."""
    asker, responder = pair.client(name), pair.client(f"{name}r")
    responder.subscribe(f"{topic}.ask", queue="workers")
    asker.subscribe(f"_reply.{name}.>")
    asker.publish(f"{topic}.ask", 41, reply_to=f"_reply.{name}.1")
    question = responder.expect(event=f"{topic}.ask")
    responder.publish(question["reply_to"], question["data"] + 1)
    assert asker.expect(event=f"_reply.{name}.1")["data"] == 42


def test_no_responders_at_once(pair, name, topic):
    """If no connection but spectators (and bare `>`) matches: error `no_responders` at once."""
    asker, wide = pair.client(name), pair.client(f"{name}w")
    wide.subscribe(">")
    started = time.monotonic()
    asker.publish(f"{topic}.ask", event_id="q1", reply_to=f"_reply.{name}.1")
    error = asker.expect(type="error", event_id="q1")
    assert error["code"] == "no_responders"
    assert time.monotonic() - started < 3  # not after any time-out


@pytest.mark.parametrize(
    "where",
    [
        "_reply.other.1",
        "_reply",
        "answers.here",
        "_reply.{name}",
        "_reply.{name}x.1",
        "_reply.{name}.*",
        "",
    ],
)
def test_reply_to_is_below_ones_own(pair, name, topic, where):
    """`reply_to` lies below `_reply.<sender>.`."""
    asker = pair.client(name)
    asker.subscribe(f"{topic}.ask")
    answer = asker.publish_acked(f"{topic}.ask", reply_to=where.format(name=name))
    assert answer["type"] == "error", answer


def test_replies_go_to_their_owner_and_the_operator_only(pair, name):
    """Events on `_reply.<name>.…` go to connections of `<name>` and the operator only."""
    owner, stranger = pair.client(name), pair.client(f"{name}s")
    operator = pair.connect_as(pair.tokens["operator"])
    for client in (owner, operator):
        assert is_ack(client.subscribe(f"_reply.{name}.>"))
    for wide in (">", "*.*.*", f"_reply.{name}.>", "_reply.>"):
        stranger.subscribe(wide)
    anyone = pair.client(f"{name}a")
    assert anyone.publish_acked(f"_reply.{name}.7", "psst")["delivered"] == 2
    assert owner.expect(event=f"_reply.{name}.7")["data"] == "psst"
    assert operator.expect(event=f"_reply.{name}.7")["data"] == "psst"
    assert stranger.silent(0.2, event=f"_reply.{name}.7")


# ---------------------------------------------------------------------------- who may say what


@pytest.mark.parametrize(
    "subject",
    [
        "module.word",
        "module.ready.x",
        "launcher.word",
        "registry.registered",
        "hub.started",
        "_dead.x",
    ],
)
@pytest.mark.parametrize("who", ["a module", "operator"])
def test_reserved_subjects(pair, name, who, subject):
    """Reserved for publishing: `module.>`, `launcher.>`, `registry.>`, `hub.>`, `_dead.>`."""
    client = pair.client(name) if who == "a module" else pair.connect_as(pair.tokens["operator"])
    assert client.publish_acked(subject)["code"] == "permission_denied"
    assert is_ack(client.subscribe(subject)), "anyone may subscribe"


def test_a_list_of_ones_own_does_not_lift_the_reservation(pair, name):
    """A module whose list says `module.>` still may not publish there."""
    pair.module(name, publish=[">", "module.>", "launcher.x"])
    client = pair.client(name)
    assert client.publish_acked("launcher.x")["code"] == "permission_denied"
    assert client.publish_acked("module.started")["code"] == "permission_denied"


def test_the_launcher_publishes_below_module_and_launcher(pair):
    """`module.>` and `launcher.>` are the Launcher's."""
    assert is_ack(pair.launcher.publish_acked("module.starting", {"module_id": "x", "life": 1}))
    assert is_ack(pair.launcher.publish_acked("launcher.word"))
    assert pair.launcher.publish_acked("registry.word")["code"] == "permission_denied"


@pytest.mark.parametrize(
    "subject", ["module.ready", "module.shutdown.ack", "module.shutdown.ready"]
)
def test_about_itself_whatever_the_lists_say(pair, name, subject):
    """Whatever its lists say, a module may publish these three about itself."""
    pair.module(name, publish=[], subscribe=[])
    client = pair.client(name)
    assert is_ack(client.publish_acked(subject, {"module_id": name}))
    other = client.publish_acked(subject, {"module_id": "somebody_else"})
    assert other["code"] == "permission_denied"


def test_what_may_be_subscribed_whatever_the_lists_say(pair, name):
    """Whatever its lists say, a module may subscribe to `module.shutdown` and its own `_reply.`."""
    pair.module(name, publish=[], subscribe=[])
    client = pair.client(name)
    assert is_ack(client.subscribe("module.shutdown"))
    assert is_ack(client.subscribe(f"_reply.{name}.>"))
    assert is_ack(client.subscribe(f"_reply.{name}.1"))
    assert client.subscribe("module.ready")["code"] == "permission_denied"
    assert client.subscribe("_reply.>")["code"] == "permission_denied"


def test_an_empty_list_forbids_all(pair, name, topic):
    """Each list, once given, bounds what the module may do; an empty one forbids all."""
    pair.module(name, publish=[], subscribe=None)
    client = pair.client(name)
    assert client.publish_acked(f"{topic}.x")["code"] == "permission_denied"
    assert is_ack(client.subscribe(f"{topic}.x"))


def test_anyone_may_publish_an_answer(pair, name):
    """Events on `_reply.…`: anyone may publish there, its list notwithstanding."""
    pair.module(name, publish=[])
    assert is_ack(pair.client(name).publish_acked("_reply.somebody.1"))


def test_a_refusal_comes_at_once_without_asking_for_an_ack(pair, name):
    """A refusal is error `permission_denied`, at once, also for an event without `ack`."""
    client = pair.client(name)
    client.publish("hub.word", event_id="no")
    assert client.expect(type="error", event_id="no")["code"] == "permission_denied"


def test_the_operators_events_have_source_operator(pair, topic):
    """The operator publishes anything but reserved subjects, with source `operator`."""
    operator = pair.connect_as(pair.tokens["operator"])
    operator.subscribe(f"{topic}.>")
    operator.publish(f"{topic}.x", 1)
    assert operator.expect(event=f"{topic}.x")["source"] == "operator"


# ------------------------------------------------------------------------- nothing lost in silence


def test_hub_started_comes_first(pair, name, topic):
    """`hub.started` with the `epoch` is the first event on every connection that subscribes it."""
    epochs = set()
    for who in (name, f"{name}2"):
        client = pair.client(who)
        client.subscribe(">")
        client.publish(f"{topic}.x", 1)
        first = client.expect(type="event")
        assert first["event"] == "hub.started"
        assert first["source"] == "event_hub"
        epochs.add(first["data"]["epoch"])
    assert len(epochs) == 1


def test_a_new_life_of_the_hub_has_a_new_epoch_at_the_old_port(fresh_pair):
    """Its port never changes; connections made while it is down wait; a new life, a new epoch."""
    pair = fresh_pair
    pair.start_registry()
    pair.start_hub()
    client = pair.client("witness")
    client.subscribe("hub.started")
    before = client.expect(event="hub.started")["data"]["epoch"]
    pair.hub.end(9)
    client.expect_closed()
    pair.start_hub()
    again = pair.client("witness")
    again.subscribe("hub.started")
    assert again.expect(event="hub.started")["data"]["epoch"] != before


def test_who_is_connected_is_told(pair, name):
    """Our own addition: `hub.client.connected` and `.disconnected` say how many connections there are.

    The Launcher asks nobody to stop who cannot hear it, and waits for nobody who has left.
    """
    pair.launcher.inbox.clear()
    one = pair.client(name)
    about = {"data": lambda data: data["module_id"] == name}
    assert pair.launcher.expect(event="hub.client.connected", **about)["data"]["connections"] == 1
    two = pair.client(name)
    assert pair.launcher.expect(event="hub.client.connected", **about)["data"]["connections"] == 2
    two.abort()
    told = pair.launcher.expect(event="hub.client.disconnected", **about)
    assert told["data"]["connections"] == 1
    one.close()
    told = pair.launcher.expect(event="hub.client.disconnected", **about)
    assert told["data"]["connections"] == 0


SLOW = 20
"""MiB that the slow subscriber is sent; its outbox is limited to 1."""


@pytest.mark.slow
def test_a_slow_consumer_alone_is_cut(tmp_path):
    """A subscriber that takes nothing holds its publisher 2 s, then it alone is cut, and told."""
    pair = Pair(tmp_path, hub_config={"limits": {"outbox_bytes": 1 << 20}})
    try:
        pair.start()
        slow = pair.client("slow", receive_buffer=4096)
        slow.subscribe("flood.>")
        fast, fed, watcher = pair.client("fast"), pair.client("feeder"), pair.client("watcher")
        fast.subscribe("flood.>")
        watcher.subscribe("hub.slow_consumer")
        bystander = pair.client("bystander")
        bystander.subscribe("aside.x")
        chunk = "x" * (1 << 19)
        fed.socket.settimeout(30)
        received = []
        started = time.monotonic()
        for number in range(SLOW * 2):
            fed.publish("flood.x", [number, chunk])
            if number == 10:  # others are undisturbed meanwhile
                assert bystander.publish_acked("aside.x", timeout=1.0)["delivered"] == 1
            try:
                while True:
                    received.append(fast.expect(0.001, event="flood.x")["data"][0])
            except raw.Silence:
                pass
        while len(received) < SLOW * 2:
            received.append(fast.expect(20, event="flood.x")["data"][0])
        assert received == list(range(SLOW * 2))
        assert 1.5 < time.monotonic() - started < 12
        told = watcher.expect(5, event="hub.slow_consumer")
        assert told["data"]["missed"] > 0
        slow.socket.settimeout(10)
        closed = slow.expect_closed(10)
        assert closed.code == 1013
        errors = [frame for frame in slow.inbox if frame["type"] == "error"]
        assert [error["code"] for error in errors] == ["slow_consumer"]
        got = [
            frame["data"][0]
            for frame in slow.inbox
            if frame["type"] == "event" and frame["event"] == "flood.x"
        ]
        assert got == list(range(len(got))), "what came is in order and without a gap"
        assert errors[0]["missed"] == told["data"]["missed"]
        assert len(got) + errors[0]["missed"] <= SLOW * 2
    finally:
        pair.end()


def test_it_goes_when_its_standard_input_ends(fresh_pair):
    """The pipe's end means that the module is to go."""
    fresh_pair.start_registry()
    fresh_pair.start_hub()
    fresh_pair.hub.process.stdin.close()
    assert fresh_pair.hub.process.wait(5) == 0
    fresh_pair.hub.process.stdout.close()
    fresh_pair.hub = None
