"""What an interpreter says of the Hub's frames, and how it counts what the socket has not taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.event_hub.core.admission import Request, switching_protocols
from kite.event_hub.core.cloudevents import Interpreter
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.websocket import close, pong, text, whole_frames

EVENT = {"type": "event", "event": "a.b", "event_id": "1", "source": "other"}
ACK = {"type": "ack", "event_id": "7~0123456789abcdef", "delivered": 2}
OWN_ACK = {"type": "ack", "id": "events"}


def framed(frame: dict[str, Any]) -> bytes:
    return text(json.dumps(frame).encode())


def unframed(data: bytes) -> list[dict[str, Any]]:
    found = []
    while data:
        head = {126: 4, 127: 10}.get(data[1], 2)
        size = data[1] if head == 2 else int.from_bytes(data[2:head], "big")
        found.append(json.loads(data[head : head + size]))
        data = data[head + size :]
    return found


def test_events_become_cloudevents_and_everything_else_stays() -> None:
    interpreter = Interpreter("bridge", [])
    said = interpreter.say(framed(EVENT) + framed(OWN_ACK) + framed(ACK)).data
    assert unframed(said) == [
        {"specversion": "1.0", "id": "1", "source": "other", "type": "a.b"},
        OWN_ACK,
        {**ACK, "event_id": "7"},
    ]
    for control in (pong(b"you there"), close(1000, "bye")):
        assert interpreter.say(control).data == control


def test_the_ack_of_the_address_is_kept_back_once() -> None:
    interpreter = Interpreter("bridge", ["a.>", "b"])
    greeting = interpreter.greeting()
    assert greeting is not None
    assert json.loads(greeting) == {"type": "subscribe", "events": ["a.>", "b"], "id": "events"}
    assert unframed(interpreter.say(framed(EVENT) + framed(OWN_ACK)).data)[0]["id"] == "1"
    assert unframed(interpreter.say(framed(OWN_ACK)).data) == [OWN_ACK]
    assert Interpreter("bridge", []).greeting() is None


frames = st.one_of(
    st.builds(lambda n: framed({**EVENT, "data": "x" * n}), st.sampled_from([0, 60, 130, 70_000])),
    st.sampled_from([framed(ACK), framed(OWN_ACK), pong(b"x")]),
)


@given(st.lists(frames, min_size=1, max_size=6), st.data())
def test_whole_frames_are_the_same_ones_in_both_counts(
    run: list[bytes], data: st.DataObject
) -> None:
    joined = b"".join(run)
    spoken = Interpreter("bridge", ["a"]).say(memoryview(joined))
    unsent = data.draw(st.integers(0, len(spoken.data)))
    left = spoken.left(unsent)
    assert (left == 0) == (unsent == 0)
    sent = len(spoken.data) - unsent
    own, theirs = (
        whole_frames(whole, end)
        for whole, end in ((joined, len(joined) - left), (spoken.data, sent))
    )
    kept_back = len(run) - whole_frames(spoken.data, len(spoken.data))
    assert theirs <= own <= theirs + kept_back
    assert 0 <= spoken.share(unsent) <= len(joined)


@pytest.mark.parametrize(
    "payload",
    ["hello", "[]", "5", "{}", '{"type":"dance"}', '{"type":"event","event":"a","source":"x"}',
     '{"type":"subscribe","events":["a"],"id":1}', '{"type":"ack","durable":"d","seq":1,"id":1}',
     '{"specversion":"1.0","specversion":"1.0","id":"1","source":"x","type":"a"}',
     '{"specversion":"1.0","a":' + "[" * 5000 + "]" * 5000 + "}"],
)  # fmt: skip
def test_what_is_no_cloudevent_is_left_to_the_hub(payload: str) -> None:
    assert Interpreter("bridge", []).hear(payload.encode()) == payload.encode()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"id":"7","source":"/x","type":"a.b"}', "cloudevent_attribute_missing"),
        ('{"id":"7","type":"a.b"}', "cloudevent_attribute_missing"),
        ('{"specversion":"1.0","id":"7","type":"a.b"}', "cloudevent_attribute_missing"),
        ('{"specversion":"2.0","id":"7","source":"/x","type":"a.b"}', "cloudevent_version"),
        (
            f'{{"specversion":"1.0","id":"7","source":"/x","type":"a","data":"{"x" * (1 << 20)}"}}',
            "event_too_large",
        ),
    ],
)
def test_a_refusal_names_the_cloudevent(payload: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        Interpreter("bridge", []).hear(payload.encode())
    assert (caught.value.code, caught.value.event_id) == (code, "7")


def test_the_patterns_of_an_address() -> None:
    def patterns(target: str) -> list[str]:
        return Request(method="GET", target=target, headers=()).patterns()

    assert patterns("/ws") == []
    assert patterns("/ws?token=x&events=a.%3E&events=b.*") == ["a.>", "b.*"]
    assert patterns("/ws?events=") == [""]


def test_the_answer_names_the_subprotocol() -> None:
    headers = (
        ("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("sec-websocket-protocol", "x, cloudevents.json"),
    )  # fmt: skip
    answer = switching_protocols(Request(method="GET", target="/ws", headers=headers))
    assert b"Sec-WebSocket-Protocol: cloudevents.json\r\n" in answer
