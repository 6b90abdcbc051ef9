"""CloudEvents → Kite → CloudEvents and Kite → CloudEvents → Kite: what comes back is what went in."""

from __future__ import annotations

import base64
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.errors import RequestError, error_kinds
from kite.wire.attributes import is_plain
from kite.wire.cloudevents import from_cloudevent, id_of, members_of, to_cloudevent

VECTORS = Path(__file__).parents[3] / "protocol" / "vectors" / "cloudevents.json"
MODULE = "bridge"
MANY = settings(max_examples=int(os.environ.get("KITE_EXAMPLES", "200")), deadline=None)
FULL = ["id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "specversion"]
OURS = ["kiteack", "kitereplyto", "kitestream", "kitedurable", "kiteseq", "kiteattempt"]
OURS += ["kitesource", "kiteheaders", "kitefields"]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_good = st.characters(exclude_categories=["Cs", "Cc", "Cn"])
_visible = st.characters(exclude_categories=["Cs", "Cc", "Cn", "Z"], exclude_characters=".*>")
plain = st.text(_good, max_size=12)
filled = st.text(_good, min_size=1, max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
subjects = st.lists(st.text(_visible, min_size=1, max_size=6), min_size=1, max_size=3).map(".".join)
marks = st.sampled_from([MODULE, "other", "https://x/y"]).map(
    lambda told: "~" + sha256(told.encode()).hexdigest()[:16]
)
ids = filled | st.builds(lambda text, mark: text + mark, plain, marks)
instants = st.one_of(
    st.datetimes().map(lambda at: at.isoformat().split(".")[0] + "Z"),
    st.sampled_from(
        ["2026-01-31T09:05:07.123456789Z", "2016-12-31T23:59:60Z", "2026-01-31T09:05:07.1+05:30"]
    ),
)
odd_instants = instants | st.sampled_from(
    ["2026-01-31t09:05:07z", "2026-01-31T09:05:07.12345678901234Z", "2026-01-31t09:05:07.5-00:00"]
)
sources = st.sampled_from(
    [MODULE, "other", "/mycontext", "https://github.com/cloudevents", "urn:uuid:6e8bc430", "鸢/a#b"]
)
media_types = st.sampled_from(
    ["application/json", "text/plain; charset=utf-8", "application/x+json", "image/png"]
)


def read(text: bytes) -> Any:
    """JSON with every number as its digits."""
    return json.loads(text, parse_int=lambda t: ["int", t], parse_float=lambda t: ["float", t])


def written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@st.composite
def cloudevents(draw: st.DrawFn) -> dict[str, Any]:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": draw(ids),
        "source": draw(sources),
        "type": draw(subjects),
    }
    optional = {
        "time": odd_instants | st.none(),
        "subject": filled | st.none(),
        "datacontenttype": media_types,
        "dataschema": st.sampled_from(["https://x/schema.json", "urn:x"]),
        "kiteack": st.booleans(),
        "kitereplyto": st.just("_reply.bridge.1"),
        "kitestream": plain,
        "kitedurable": plain,
        "kiteseq": st.integers(0, 1 << 70).map(str),
        "kiteattempt": st.integers(0, 9).map(str),
    }
    event |= draw(st.fixed_dictionaries({}, optional=optional))
    names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
        lambda name: name not in {*FULL, *OURS, "data"}
    )
    values = plain | st.booleans() | st.integers(-(1 << 31), (1 << 31) - 1) | st.none()
    event |= draw(st.dictionaries(names, values, max_size=4))
    match draw(st.integers(0, 2)):
        case 1:
            event["data"] = draw(json_values)
        case 2:
            event["data_base64"] = base64.b64encode(draw(st.binary(max_size=9))).decode()
    return event


@MANY
@given(cloudevents())
def test_a_cloudevent_comes_back_whole(event: dict[str, Any]) -> None:
    frame = from_cloudevent(members_of(written(event)), MODULE)
    back = read(to_cloudevent(members_of(frame)))
    assert read(frame)["source"] == MODULE
    sender = back.pop("kitesource", None)
    assert sender == (None if event["source"] == MODULE else MODULE)
    want = {k: v for k, v in event.items() if k == "data" or v is not None}
    assert back == read(written(want))


@MANY
@given(cloudevents())
def test_the_id_of_an_answer_is_that_of_the_cloudevent(event: dict[str, Any]) -> None:
    frame = read(from_cloudevent(members_of(written(event)), MODULE))
    assert id_of(frame["event_id"]) == event["id"]


@MANY
@given(cloudevents(), cloudevents())
def test_events_of_different_sources_are_different_events(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    """Kite counts ids for each module, and CloudEvents for each source."""
    first, second = (
        read(from_cloudevent(members_of(written(event)), MODULE))["event_id"]
        for event in (one, {**two, "id": one["id"]})
    )
    assert (first == second) == (one["source"] == two["source"])


header_names = st.one_of(
    texts,
    st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True),
    st.sampled_from(
        [*FULL, *OURS, "data", "data_base64", "traceparent", "tracestate", "kite-deadline"]
        + [f"ce-{name}" for name in [*FULL, "datacontentencoding", "data"]]
    ),
)
header_values = json_values | st.sampled_from(
    [MODULE, "https://x/y", "base64", "a/b", "2026-01-31t09:05:07z", 2**31, -(2**31), 0, ""]
)


@st.composite
def kite_events(draw: st.DrawFn) -> dict[str, Any]:
    """What the Hub passes on: whatever a publisher may say."""
    optional = {
        "timestamp": odd_instants | st.just("2026-02-31T99:99:99Z"),
        "reply_to": st.just("_reply.bridge.1"),
        "headers": st.dictionaries(header_names, header_values, max_size=5),
        "ack": st.booleans(),
        "stream": plain | json_values,
        "seq": st.integers(0) | json_values,
        "durable": texts | json_values,
        "attempt": st.integers(0) | json_values,
        "data": json_values | st.binary(max_size=6).map(lambda b: base64.b64encode(b).decode()),
        "specversion": json_values,
        "id": json_values,
        "data_base64": json_values,
        "kiteheaders": json_values,
        "x-mine": json_values,
    }
    event = {
        "type": "event",
        "event": draw(subjects | st.just("a.\ufdd0")),
        "event_id": draw(
            ids | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
        ),
        "source": draw(st.sampled_from([MODULE, "operator", "event_hub"])),
    }
    return event | draw(st.fixed_dictionaries({}, optional=optional))


@MANY
@given(kite_events())
def test_a_kite_event_comes_back_whole(event: dict[str, Any]) -> None:
    cloudevent = to_cloudevent(members_of(written(event)))
    for sender in (None, event["source"]):
        assert read(from_cloudevent(members_of(cloudevent), sender)) == read(written(event))


@MANY
@given(kite_events())
def test_what_goes_out_is_a_cloudevent(event: dict[str, Any]) -> None:
    out = json.loads(to_cloudevent(members_of(written(event))))
    assert out["specversion"] == "1.0"
    assert {"id", "source", "type"} <= set(out)
    for name, value in out.items():
        if name in ("data", "data_base64"):
            continue
        assert name.isascii()
        assert name.isalnum()
        assert name == name.lower()
        assert isinstance(value, str | bool | int)
        if isinstance(value, str):
            assert is_plain(value)
            assert value or name not in FULL
        else:
            assert -(1 << 31) <= value < 1 << 31


def refused(event: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        from_cloudevent(members_of(written(event)), MODULE)
    return caught.value


GOOD = {"specversion": "1.0", "id": "1", "source": "/x", "type": "a.b"}


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_what_is_required_is_asked_for_by_name(name: str) -> None:
    for event in ({k: v for k, v in GOOD.items() if k != name}, {**GOOD, name: None}):
        error = refused(event)
        assert (error.code, error.params) == ("cloudevent_attribute_missing", {"attribute": name})


def test_numbers_keep_their_digits() -> None:
    text = b'{"specversion":"1.0","id":"1","source":"x","type":"a","data":[1e400,1.10,12345678901234567890]}'
    frame = from_cloudevent(members_of(text), MODULE)
    assert b"[1e400,1.10,12345678901234567890]" in frame
    assert b"[1e400,1.10,12345678901234567890]" in to_cloudevent(members_of(frame))


def test_an_id_that_has_no_room_for_the_mark_is_refused_and_not_shortened() -> None:
    from_cloudevent(members_of(written({**GOOD, "id": "x" * 111})), MODULE)
    assert refused({**GOOD, "id": "x" * 112}).params["attribute"] == "id"
    from_cloudevent(members_of(written({**GOOD, "id": "x" * 128, "source": MODULE})), MODULE)
    assert refused({**GOOD, "id": "x" * 129, "source": MODULE}).params["attribute"] == "id"


def test_the_sender_cannot_be_made_up() -> None:
    for more in ({"kitesource": "launcher"}, {"kitefields": "{}", "kitesource": "launcher"}):
        frame = read(from_cloudevent(members_of(written({**GOOD, **more})), MODULE))
        assert frame["source"] == MODULE
    for name in ("source", "type", "data", "headers", "ack"):
        error = refused({**GOOD, "kitefields": json.dumps({name: "launcher"})})
        assert error.params["attribute"] == "kitefields"


@pytest.mark.parametrize(
    "more",
    [
        b'"headers":{ "a" : [ 1 ,\n\t2 ] },"mine":{\n}',
        b'"headers":{ \n }',
        rb'"headers":{"\u0061\ud83e\ude81":"\u0000"},"mine":"\ud83e\ude81\u0085"',
    ],
)
def test_white_space_and_escapes_change_nothing(more: bytes) -> None:
    event = b'{"type":"event","event":"a","event_id":"1","source":"bridge",%b}' % more
    back = from_cloudevent(members_of(to_cloudevent(members_of(event))), MODULE)
    assert read(back) == read(event)


SAMPLES = json.loads(VECTORS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", SAMPLES["in"], ids=lambda row: row["why"])
def test_vectors_from_cloudevents(row: dict[str, Any]) -> None:
    members = members_of(written(row["cloudevent"]))
    assert json.loads(from_cloudevent(members, SAMPLES["sender"])) == row["event"]


@pytest.mark.parametrize("row", SAMPLES["out"], ids=lambda row: row["why"])
def test_vectors_to_cloudevents(row: dict[str, Any]) -> None:
    assert json.loads(to_cloudevent(members_of(written(row["event"])))) == row["cloudevent"]
    again = from_cloudevent(members_of(written(row["cloudevent"])), row["event"]["source"])
    assert json.loads(again) == row["event"]


@pytest.mark.parametrize("row", SAMPLES["invalid"], ids=lambda row: row["why"])
def test_vectors_that_are_no_cloudevents(row: dict[str, Any]) -> None:
    assert refused(row["cloudevent"]).code == row["code"]


def test_every_code_has_a_vector() -> None:
    codes = {code for code in error_kinds() if code.startswith("cloudevent_")}
    assert codes == {row["code"] for row in SAMPLES["invalid"]}
